/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Recording the state of a thread that blocks. While the thread is being switched out it is still the current one. So
 * its user memory can be read, but without sleeping: memory that is not resident is not read. The memory of a thread
 * that sleeps already cannot be read without sleeping, so user space supplies the data that it could read.
 *
 * No program here sleeps. A sleeping program could read a page from the process's own file system, which may never
 * supply it. The program would then sleep for ever. So would every part of the kernel that waits until no such program
 * runs, for example the removal of a uprobe.
 */
#ifndef SLEY_BPF_RECORD_H
#define SLEY_BPF_RECORD_H

#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "events.h"
#include "sley/introspect.h"

/* Set by user space before loading: the POINTER_ARG() of each system call. */
const volatile uint8_t pointer_args[POINTER_ARG_CALLS] = {};

/* The kernel's device number, as stat(2) encodes it. */
static uint64_t stat_device(uint32_t device)
{
	uint64_t major = device >> 20, minor = device & 0xfffff;
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffULL) << 12 | (major & ~0xfffULL) << 32;
}

/* The table is read without calls, as far as the kernel knows the pointers' types; what is null reads as 0. */
static __always_inline void record_descriptor(struct block_record *block, const struct task_struct *task)
{
	const struct fdtable *fdt = task->files->fdt;
	uint64_t fd = block->args[0];
	const struct super_block *super;
	const struct inode *inode;
	const struct file *file = NULL;
	block->fd = -1;
	if (block->syscall < 0 || fd >= fdt->max_fds || bpf_probe_read_kernel(&file, sizeof(file), fdt->fd + fd) ||
	    !file)
		return;
	inode = BPF_CORE_READ(file, f_inode);
	super = BPF_CORE_READ(inode, i_sb);
	block->fd = fd;
	block->inode = BPF_CORE_READ(inode, i_ino);
	block->fd_mode = BPF_CORE_READ(inode, i_mode);
	block->device = stat_device(BPF_CORE_READ(super, s_dev));
	block->fs_magic = BPF_CORE_READ(super, s_magic);
}

/* A service may rename its tasks at every request, so the name is read now, not when it is shown. */
static __always_inline void record_name(char name[BLOCK_NAME], uint64_t task, const struct watched_process *process)
{
	uint64_t index = (task & SLEY_TASK_INDEX_MASK) - 1;
	uint64_t at = process->records + index * sizeof(struct sley_region_task) +
		      __builtin_offsetof(struct sley_region_task, name);
	if (index >= process->record_count || bpf_probe_read_user(name, BLOCK_NAME, (void *)at))
		__builtin_memset(name, 0, BLOCK_NAME);
}

static __always_inline void record_memory(struct block_record *block)
{
	uint32_t call = block->syscall, code, index, size;
	long got;
	block->memory_size = 0;
	if (call >= POINTER_ARG_CALLS)
		return;
	code = pointer_args[call];
	index = POINTER_ARG_INDEX(code);
	size = POINTER_ARG_BYTES(code);
	if (!code || index >= 6)
		return;
	if (size > BLOCK_MEMORY_MAX)
		size = BLOCK_MEMORY_MAX;
	if (size)
		got = bpf_probe_read_user(block->memory, size, (void *)block->args[index]) ? 0 : size;
	else
		got = bpf_probe_read_user_str(block->memory, BLOCK_MEMORY_MAX, (void *)block->args[index]);
	if (got > 0)
		block->memory_size = got;
}

static void record_registers(struct block_record *block, const struct pt_regs *regs)
{
	block->regs[0] = regs->ax;
	block->regs[1] = regs->dx;
	block->regs[2] = regs->cx;
	block->regs[3] = regs->bx;
	block->regs[4] = regs->si;
	block->regs[5] = regs->di;
	block->regs[6] = regs->bp;
	block->regs[7] = regs->sp;
	block->regs[8] = regs->r8;
	block->regs[9] = regs->r9;
	block->regs[10] = regs->r10;
	block->regs[11] = regs->r11;
	block->regs[12] = regs->r12;
	block->regs[13] = regs->r13;
	block->regs[14] = regs->r14;
	block->regs[15] = regs->r15;
	block->regs[16] = regs->ip;
	block->args[0] = regs->di;
	block->args[1] = regs->si;
	block->args[2] = regs->dx;
	block->args[3] = regs->r10;
	block->args[4] = regs->r8;
	block->args[5] = regs->r9;
}

/* Copies up to the end of the task's stack, or to the first page that is missing, as the kernel may not wait for it. */
static __always_inline void record_stack(struct block_record *block)
{
	uint64_t from = block->regs[BLOCK_REG_SP], left = block->stack_top - from;
	block->stack_size = 0;
	if (left > BLOCK_STACK_MAX)
		left = BLOCK_STACK_MAX;
#pragma unroll
	for (int at = 0; at < BLOCK_STACK_MAX; at += BLOCK_STACK_PAGE) {
		uint32_t size = left > BLOCK_STACK_PAGE ? BLOCK_STACK_PAGE : left, in_page;
		if (!size)
			return;
		if (bpf_probe_read_user(block->stack + at, size, (void *)(from + at))) {
			in_page = BLOCK_STACK_PAGE - (uint32_t)(from & (BLOCK_STACK_PAGE - 1));
			if (in_page < size && !bpf_probe_read_user(block->stack + at, in_page, (void *)(from + at)))
				block->stack_size = at + in_page;
			return;
		}
		block->stack_size = at + size;
		left -= size;
	}
}

/* ---- the place of the call in the service ---- */

#define PLACE_WORDS 512 /* at most so much of the stack is searched: a page */
#define PLACE_STEP  8   /* in a turn of the loop */
#define PLACE_TRIES 4   /* words of it that may be return addresses */

struct place_search {
	const struct block_record *block;
	uint64_t code, code_size;
	uint32_t words; /* of the block's stack */
	uint32_t tries;
	uint64_t place; /* 0: not found */
	bool current;   /* it is the current thread's stack, so that code can be read */
};

/* Whether the eight bytes end with an instruction that calls: of a relative address, or by /2 of opcode 0xff. */
static __always_inline bool ends_with_call(const uint8_t code[8])
{
	if (code[3] == 0xe8)
		return true;
#pragma unroll
	for (int at = 1; at < 7; at++)
		if (at != 3 && code[at] == 0xff && (code[at + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/* Pointers to functions lie in stacks, too. What cannot be read, as it may not be waited for, is believed. */
static __noinline bool is_return_address(uint64_t address, bool current)
{
	uint8_t code[8];
	return !current || bpf_probe_read_user(code, sizeof(code), (void *)(address - sizeof(code))) ||
	       ends_with_call(code);
}

static long search_place(uint32_t turn, struct place_search *search)
{
	const uint64_t *stack = (void *)search->block->stack;
#pragma unroll
	for (uint32_t k = 0; k < PLACE_STEP; k++) {
		uint32_t i = turn * PLACE_STEP + k;
		uint64_t address;
		if (i >= search->words || i >= PLACE_WORDS || search->tries == PLACE_TRIES)
			return 1;
		address = stack[i];
		if (address - search->code >= search->code_size)
			continue;
		search->tries++;
		if (is_return_address(address, search->current)) {
			search->place = address;
			return 1;
		}
	}
	return 0;
}

/*
 * Finds the innermost return address in the program's code: libc's own frames lie before it, and sometimes words that
 * earlier calls left behind. Then two places may seem to be one, as without a place; or one to be two, which user space
 * makes one again, by their lines. Rejected: the kernel's unwinder, which loses the callers of libc's functions and costs
 * 0.65 us.
 */
static __always_inline uint64_t find_place(const struct block_record *block, const struct mm_struct *mm, bool current)
{
	struct place_search search = { .block = block,
				       .code = mm->start_code,
				       .code_size = mm->end_code - mm->start_code,
				       .words = block->stack_size / sizeof(uint64_t),
				       .current = current };
	uint64_t ip = block->regs[BLOCK_REG_IP];
	if (block->syscall == SYSCALL_FAULT && ip - search.code < search.code_size)
		return ip;
	bpf_loop(PLACE_WORDS / PLACE_STEP, search_place, &search, 0);
	return search.place;
}

/* Copies the data that user space has read of a thread that sleeps already. */
static __always_inline void record_early(struct block_record *block, const struct early_block *early)
{
	uint32_t stack = early->stack_size, memory = early->memory_size;
	__builtin_memcpy(block->name, early->name, sizeof(block->name));
	bpf_probe_read_kernel(block->stack, sizeof(block->stack), early->stack);
	bpf_probe_read_kernel(block->memory, sizeof(block->memory), early->memory);
	block->stack_size = stack <= BLOCK_STACK_MAX ? stack : 0;
	block->memory_size = memory <= BLOCK_MEMORY_MAX ? memory : 0;
}

#endif
