# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
"""
For sley-gdb.py: what the context switch saved, as registers, and an ELF core file with parked tasks as its threads. Knows
nothing of gdb.
"""

import struct


# ---- registers ----


class X86_64:
    elf, thread_pointer = 62, "fs_base"
    registers = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base "
                 "gs_base ds es fs gs").split()  # struct user_regs_struct

    @staticmethod
    def saved(sp, stack):
        """What x86_64.S saved at sp, as it is after the return from context_switch()."""
        values = dict(zip("r15 r14 r13 r12 rbx rbp rip".split(), struct.unpack_from("<7Q", stack)))
        values["rsp"] = sp + 56
        return values

    @staticmethod
    def saved_by_ucontext(stack, at):
        """Of a ucontext_t: its gregs."""
        names = "r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip".split()
        return dict(zip(names, struct.unpack_from("<17Q", stack, at + 40)))

    auxv = []

    @staticmethod
    def thread_notes():
        return b""


class AArch64:
    elf, thread_pointer = 183, "tpidr"
    registers = ["x%d" % i for i in range(31)] + ["sp", "pc", "pstate"]  # struct user_pt_regs
    ADDRESS = 2**48 - 1  # the rest of a return address is its signature
    auxv = [(16, 1 << 30)]  # AT_HWCAP: PACA, or gdb would not look for signatures

    @classmethod
    def saved(cls, sp, stack):
        """What aarch64.S saved at sp, as it is after the return from context_switch()."""
        names = ["x29", "pc"] + ["x%d" % i for i in range(19, 29)]
        values = dict(zip(names, struct.unpack_from("<12Q", stack)))
        values["pc"] &= cls.ADDRESS
        values["sp"] = sp + 160
        return values

    @classmethod
    def saved_by_ucontext(cls, stack, at):
        return dict(zip(cls.registers, struct.unpack_from("<34Q", stack, at + 184)))

    @classmethod
    def thread_notes(cls):
        """NT_ARM_PAC_MASK: which bits of data and code addresses are signatures."""
        mask = ~cls.ADDRESS & (2**55 - 1)
        return note(b"LINUX", 0x406, struct.pack("<2Q", mask, mask))


# ---- the core of parked tasks ----


def note(name, kind, data):
    name += b"\0"
    pad = lambda text: text + bytes(-len(text) % 4)
    return struct.pack("<3I", len(name), len(data), kind) + pad(name) + pad(data)


def prstatus(machine_, number, values):
    """NT_PRSTATUS: a thread of that number, stopped, with these registers."""
    registers = b"".join(struct.pack("<Q", values.get(name, 0)) for name in machine_.registers)
    data = struct.pack("<3ihxx2Q4i8Q", 0, 0, 0, 0, 0, 0, number, 0, 0, 0, *[0] * 8) + registers + bytes(8)
    return note(b"CORE", 1, data) + machine_.thread_notes()


def auxv(machine_):
    """NT_AUXV."""
    return note(b"CORE", 6, b"".join(struct.pack("<2Q", *entry) for entry in machine_.auxv + [(0, 0)]))


def core_file(machine_, threads):
    """threads: (number, registers, address, stack bytes). Their stacks must not overlap."""
    notes = b"".join(prstatus(machine_, number, values) for number, values, _, _ in threads) + auxv(machine_)
    segments = [(4, 0, notes)] + [(1, address, stack) for _, _, address, stack in threads]  # PT_NOTE, PT_LOADs
    offset = 64 + 56 * len(segments)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<2HI3QI6H", 4, machine_.elf, 1, 0, 64, 0, 0, 64, 56,
                                                              len(segments), 64, 0, 0)
    headers, contents = [], []
    for kind, address, data in segments:
        headers.append(struct.pack("<2I6Q", kind, 6, offset, address, 0, len(data), len(data) if address else 0, 1))
        contents.append(data)
        offset += len(data)
    return header + b"".join(headers + contents)
