# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
"""
Tasks in gdb (11 or later), of a live process or a core:

    (gdb) source tools/gdb/sley-gdb.py
    (gdb) sley tasks [TEXT]           all tasks; those whose line contains TEXT
    (gdb) sley bt [OPTIONS] ID...     backtraces of tasks; OPTIONS are bt's: -full, -frame-arguments all ...
    (gdb) sley bt [OPTIONS] all       of all of them

A task that runs is shown by its thread. One that is parked has no registers and, where tasks share its stack, its bytes
are not at their addresses. So a small core file is made of it: what the context switch saved as the registers of a
thread, and its live stack bytes, from wherever they are, at the addresses where they belong. An inferior with the same
symbols opens that core, and gdb's own unwinder does the rest. Nothing is written to the process, and a core is as good
as a process. Many tasks go into one such core, but of those that share a stack only one.

Rejected: writing the bytes back to the stack (a core cannot be written, and a process should not be), and following
frame pointers (the service's code may have none).

What is behind pointers is not in that core: strings, for one, are shown as errors. The library's debug information is
needed; the positions of all fields are taken from it.
"""

import os
import struct
import sys
import tempfile
import unicodedata

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True  # it would be next to the source
from sley_core import AArch64, X86_64, core_file

TASKS_PER_CORE = 500
ENTRIES_AT_ONCE = 4096

STARTED, UNUSED = 4, 4  # TASK_STARTED in flags, TASK_UNUSED in fate: runtime/task/task.h


# ---- reading ----


def variable(file, name):
    """A variable of the runtime. With its file, as the service may have others of the name."""
    try:
        return gdb.parse_and_eval("'runtime/%s'::%s" % (file, name))
    except gdb.error as error:
        raise gdb.GdbError("sley: no %s in runtime/%s: is this program linked with a libsley that has debug "
                           "information? (%s)" % (name, file, error))


def memory(address, size):
    return bytes(gdb.selected_inferior().read_memory(address, size))


class Fields:
    """Takes fields out of the bytes of a struct. A gdb.Value of each would be too slow for a million tasks."""

    def __init__(self, type_, *paths):
        self.size = type_.strip_typedefs().sizeof
        self.places = {path: self.place(type_, path.split(".")) for path in paths}

    @classmethod
    def place(cls, type_, path):
        for field in type_.strip_typedefs().fields():
            offset = field.bitpos // 8
            if field.name == path[0]:
                if len(path) == 1:
                    return offset, field.type.sizeof
                inner = cls.place(field.type, path[1:])
            elif not field.name:  # an anonymous union
                inner = cls.place(field.type, path)
            else:
                continue
            if inner:
                return offset + inner[0], inner[1]
        return None

    def take(self, data, base, path):
        offset, size = self.places[path]
        return int.from_bytes(data[base + offset:base + offset + size], "little")

    def text(self, data, base, path):
        offset, size = self.places[path]
        return printable(data[base + offset:base + offset + size].split(b"\0")[0])


def printable(data):
    """Text from the process, which may be hostile: what could steer the terminal or break the line as \\xNN."""
    plain = lambda c: c.isprintable() and unicodedata.category(c)[0] != "M"
    return "".join(c if plain(c) else "".join("\\x%02x" % byte for byte in c.encode())
                   for c in data.decode("utf-8", "backslashreplace"))


def enum_names(name, prefix):
    names = {field.enumval: field.name for field in gdb.lookup_type("enum " + name).fields()}
    return {value: text[len(prefix):].lower() for value, text in names.items()}


# ---- the tasks ----


class Task:
    """One entry of the table, as it was read."""

    def __init__(self, runtime, address, data, base):
        take = runtime.task.take
        self.address = address
        self.id = take(data, base, "id")
        self.state = runtime.states.get(take(data, base, "state"), "?")
        self.started = bool(take(data, base, "flags") & STARTED)
        self.entry = take(data, base, "start.fn")
        self.site = take(data, base, "site")
        self.sp = take(data, base, "tenant.context.sp")
        self.image = take(data, base, "tenant.image")
        self.slot = take(data, base, "tenant.slot")
        self.index = (self.id & 0xffffff) - 1


class Runtime:
    """The tables of the selected inferior."""

    def __init__(self):
        workers = variable("run/current.c", "scheduler")["workers"]
        self.workers, self.worker_count = workers, int(variable("run/current.c", "scheduler")["made"])
        worker_type = workers.type.target()
        task_type = worker_type["task"].type.target()
        tenant_type = task_type["tenant"].type
        self.task = Fields(task_type, "id", "state", "flags", "fate", "site", "start.fn", "tenant.context.sp",
                           "tenant.image", "tenant.slot")
        self.slot = Fields(tenant_type["slot"].type.target(), "top", "low")
        region = variable("region/region.c", "region")
        self.records, self.sites, self.lines = (int(region[name]) for name in ("tasks", "sites", "workers"))
        self.record = Fields(region["tasks"].type.target(), "wait_kind", "wait_object", "wait_pc", "worker", "name")
        self.site = Fields(region["sites"].type.target(), "file", "line", "entry")
        self.line = Fields(region["workers"].type.target(), "thread", "tid")
        self.states = enum_names("sley_task_state", "SLEY_TASK_")
        self.waits = enum_names("sley_wait_kind", "SLEY_WAIT_")
        self.slots, self.site_texts = {}, {}

    def tasks(self):
        """All that are alive, in the order of the table."""
        high, base = int(variable("task/task.c", "task_table")["high"]), int(variable("task/task.c", "task_slabs")["base"])
        size = self.task.size
        for first in range(0, high, ENTRIES_AT_ONCE):
            count = min(ENTRIES_AT_ONCE, high - first)
            data = memory(base + first * size, count * size)
            for offset in range(0, count * size, size):
                # all zero: its page was given back
                if self.task.take(data, offset, "id") and not self.task.take(data, offset, "fate") & UNUSED:
                    yield Task(self, base + first * size + offset, data, offset)

    def bounds(self, task):
        """Of its stack: low, top."""
        if task.slot not in self.slots:
            data = memory(task.slot, self.slot.size)
            self.slots[task.slot] = self.slot.take(data, 0, "low"), self.slot.take(data, 0, "top")
        return self.slots[task.slot]

    def stack(self, task):
        """Its live bytes: those of an image, if it has one, are the right ones at any moment."""
        size = self.bounds(task)[1] - task.sp
        return memory(task.image or task.sp, size)

    def place(self, task):
        """Where its stack is, as text."""
        if not task.started or not task.slot:
            return "-"
        return "copied out" if task.image else "in place"

    def site_text(self, number):
        if number not in self.site_texts:
            try:
                data = memory(self.sites + number * self.site.size, self.site.size)
                self.site_texts[number] = "%s:%d as %s" % (self.site.text(data, 0, "file"),
                                                           self.site.take(data, 0, "line"),
                                                           self.site.text(data, 0, "entry"))
            except gdb.MemoryError:  # a core without shared memory has no region
                self.site_texts[number] = "?"
        return self.site_texts[number]

    def describe(self, task):
        """Id, name, state, where its stack is and what it waits for, where it was spawned."""
        name, wait, worker = "?", "", "?"
        try:
            data = memory(self.records + task.index * self.record.size, self.record.size)
            name, worker = self.record.text(data, 0, "name"), self.record.take(data, 0, "worker")
            kind = self.waits.get(self.record.take(data, 0, "wait_kind"), "?")
            if task.state == "waiting" and kind != "none":
                wait = "%s %#x" % (kind, self.record.take(data, 0, "wait_object"))
            elif task.state == "running":
                wait = "on worker %d" % worker
        except gdb.MemoryError:
            pass
        return str(task.id), name or "-", task.state, self.place(task), wait or "-", self.site_text(task.site)

    def running(self):
        """Of the tasks that workers run, by their addresses: the gdb thread that is on the task's stack."""
        threads = {thread_pointer(thread): thread for thread in gdb.selected_inferior().threads()}
        threads.update({("tid", thread.ptid[1]): thread for thread in gdb.selected_inferior().threads()})
        found = {}
        for number in range(self.worker_count):
            address = int(self.workers[number]["task"])
            if address:
                data = memory(self.lines + number * self.line.size, self.line.size)
                thread = threads.get(self.line.take(data, 0, "thread")) or \
                    threads.get(("tid", self.line.take(data, 0, "tid")))
                found[address] = thread
        return found


def thread_pointer(thread):
    thread.switch()
    try:
        return int(gdb.newest_frame().read_register(machine().thread_pointer)) % 2**64
    except (gdb.error, ValueError):
        return None


def thread_is_on(thread, low, top):
    """Whether one of its frames is on the stack. A signal handler may run on another one, above them."""
    thread.switch()
    frame = gdb.newest_frame()
    while frame is not None:
        if low <= int(frame.read_register("sp")) % 2**64 <= top:
            return True
        frame = frame.older()
    return False


# ---- the machine ----


def machine():
    name = gdb.selected_inferior().architecture().name() if hasattr(gdb.Inferior, "architecture") else \
        gdb.newest_frame().architecture().name()
    if name == "aarch64":
        return AArch64
    if name == "i386:x86-64":
        return X86_64
    raise gdb.GdbError("sley: contexts of %s are not known" % name)


def ucontext_slack():
    """Where in the live bytes the ucontext_t is; None: the context switch is in assembly."""
    try:
        return int(gdb.parse_and_eval("'runtime/context/ucontext.c'::FRAME_SLACK"))
    except gdb.error:
        return None


# ---- an inferior to look at such cores ----


def text_address(path):
    """Of .text in an ELF file, as linked; None if there is none."""
    with open(path, "rb") as file:
        ident = file.read(64)
        if ident[:5] != b"\x7fELF\x02":
            return None
        table, = struct.unpack_from("<Q", ident, 40)
        size, count, names = struct.unpack_from("<3H", ident, 58)
        file.seek(table)
        sections = [struct.unpack_from("<2I4Q", file.read(size)) for _ in range(count)]
        file.seek(sections[names][4])
        strings = file.read(sections[names][5])
        for section in sections:
            if strings[section[0]:section[0] + 6] == b".text\0":
                return section[3]
    return None


def modules():
    """The program and its libraries: path, and what to add to the addresses in the file."""
    found = []
    for line in gdb.execute("info files", to_string=True).splitlines():
        words = line.strip().split(None, 6)
        if len(words) < 5 or words[3:5] != ["is", ".text"]:
            continue
        path = words[6] if len(words) == 7 else gdb.current_progspace().filename
        path = path[len("target:"):] if path.startswith("target:") else path
        linked = text_address(path) if os.path.exists(path) else None  # not the vdso
        if linked is not None:
            found.append((path, int(words[0], 16) - linked))
    if not found:
        raise gdb.GdbError("sley: gdb has no program")
    return found


class Viewer:
    """A context manager: an inferior with the symbols of the selected one, which shows one core after the other."""

    def __init__(self):
        self.machine, self.modules = machine(), modules()
        self.home = gdb.selected_inferior(), gdb.selected_thread(), gdb.selected_frame()
        self.directory = tempfile.TemporaryDirectory(prefix="sley-gdb.")

    def __enter__(self):
        quietly("add-inferior -no-connection")
        self.inferior = max(gdb.inferiors(), key=lambda inferior: inferior.num)
        self.enter()
        # any file: only with one does gdb take memory from files, and it wants to see the code
        quietly('exec-file "%s"' % self.modules[0][0])
        for path, offset in self.modules:
            quietly('add-symbol-file "%s" -o %d' % (path, offset))
        return self

    def enter(self):
        quietly("inferior %d" % self.inferior.num)

    def go_home(self):
        inferior, thread, frame = self.home
        quietly("inferior %d" % inferior.num)
        if thread is not None and thread.is_valid():
            thread.switch()
        if frame.is_valid():
            frame.select()

    def show(self, threads, command):
        """What the gdb command prints for each of the threads, which are as core_file() takes them; in that order."""
        path = os.path.join(self.directory.name, "core")
        with open(path, "wb") as file:
            file.write(core_file(self.machine, threads))
        quietly("core-file " + path)
        by_number = {thread.ptid[1]: thread for thread in gdb.selected_inferior().threads()}
        for number, _, _, _ in threads:
            by_number[number].switch()
            yield gdb.execute(command, to_string=True)
        quietly("core-file")

    def __exit__(self, *unused):
        self.enter()
        quietly("core-file")
        self.go_home()
        quietly("remove-inferiors %d" % self.inferior.num)
        self.directory.cleanup()


class Quiet:
    """A context manager: gdb does not tell of switches between inferiors, which are the script's own. Since gdb 13."""

    name = "suppress-cli-notifications"

    def __enter__(self):
        try:
            self.before = gdb.parameter(self.name)
            quietly("set %s on" % self.name)
        except RuntimeError:
            self.before = None

    def __exit__(self, *unused):
        if self.before is False:
            quietly("set %s off" % self.name)


def quietly(command):
    return gdb.execute(command, to_string=True)


# ---- commands ----


class Sley(gdb.Command):
    """Tasks of sley: `sley tasks`, `sley bt`."""

    def __init__(self):
        super().__init__("sley", gdb.COMMAND_STACK, prefix=True)


class SleyTasks(gdb.Command):
    """sley tasks [TEXT]: all tasks, or those whose line contains TEXT.
Columns: id, name, state, where its stack is, what it waits for, where it was spawned."""

    def __init__(self):
        super().__init__("sley tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        runtime = Runtime()
        print("%-18s %-16s %-8s %-10s %-22s %s" % ("ID", "NAME", "STATE", "STACK", "WAITS FOR", "SPAWNED AT"))
        for task in runtime.tasks():
            line = "%-18s %-16s %-8s %-10s %-22s %s" % runtime.describe(task)
            if argument in line:
                print(line)


def batches(tasks):
    """Splits tasks into as few as may be: the n-th of each stack go together."""
    tenants, rounds = {}, []
    for task in tasks:
        place = tenants[task.slot] = tenants.get(task.slot, -1) + 1
        while len(rounds) <= place:
            rounds.append([])
        rounds[place].append(task)
    for each in rounds:
        for first in range(0, len(each), TASKS_PER_CORE):
            yield each[first:first + TASKS_PER_CORE]


class SleyBacktrace(gdb.Command):
    """sley bt [OPTIONS] ID...|all: backtraces of tasks. OPTIONS are those of bt.
A running task's is that of its thread, from the task's entry on."""

    def __init__(self):
        super().__init__("sley bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        ids = {int(word) for word in words if word.isdigit()}
        options = " ".join(word for word in words if not word.isdigit() and word != "all")
        if not ids and "all" not in words:
            raise gdb.GdbError("usage: sley bt [OPTIONS] ID...|all")
        runtime = Runtime()
        tasks = [task for task in runtime.tasks() if not ids or task.id in ids]
        missing = ids - {task.id for task in tasks}
        for task in self.show_running(runtime, tasks, options):
            tasks.remove(task)
        self.show_parked(runtime, [task for task in tasks if self.is_parked(task)], options)
        for task in tasks:
            if not self.is_parked(task):
                self.show(runtime.describe(task), self.reason(task))
        if missing:
            raise gdb.GdbError("sley: no task has the id " + ", ".join(map(str, sorted(missing))))

    @staticmethod
    def is_parked(task):
        return task.started and task.slot != 0 and task.state != "ended"

    @staticmethod
    def reason(task):
        if task.state == "ended":
            return "it has ended, and nobody has joined it\n"
        return "it has not begun; it will call %s\n" % quietly("info symbol %#x" % task.entry).strip()

    @staticmethod
    def show(described, text):
        task_id, name, state, place, wait, site = described
        print("task %s %s: %s%s, stack %s, spawned at %s" % (task_id, name, state, "" if wait == "-" else " " + wait,
                                                             place, site))
        print(text)

    def show_running(self, runtime, tasks, options):
        """Those that are on a thread's stack right now; which they were."""
        thread_before, frame_before = gdb.selected_thread(), gdb.selected_frame()
        on_threads, shown = runtime.running(), []
        for task in tasks:
            thread = on_threads.get(task.address)
            if thread is not None and task.slot and thread_is_on(thread, *runtime.bounds(task)):
                thread.switch()
                self.show(runtime.describe(task), gdb.execute("bt " + options, to_string=True))
                shown.append(task)
        thread_before.switch()
        frame_before.select()
        return shown

    def show_parked(self, runtime, tasks, options):
        if not tasks:
            return
        slack, machine_ = ucontext_slack(), machine()
        with Quiet(), Viewer() as viewer:
            for batch in batches(tasks):
                viewer.go_home()  # whose memory is read
                threads = []
                for number, task in enumerate(batch, 1):
                    stack = runtime.stack(task)
                    registers = machine_.saved(task.sp, stack) if slack is None else \
                        machine_.saved_by_ucontext(stack, slack)
                    threads.append((number, registers, task.sp, stack))
                described = [runtime.describe(task) for task in batch]
                viewer.enter()
                for line, text in zip(described, viewer.show(threads, "bt " + options)):
                    self.show(line, text)


Sley()
SleyTasks()
SleyBacktrace()
