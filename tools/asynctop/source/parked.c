/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The process may lie about all of it: then it is its own stacks that are wrong. */
#include "source/parked.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "source/thread.h"

#define STRIDE_MAX 4096

struct entry {
	uint64_t id, wait, sp, image;
};

/* As x86_64.S of the runtime saves them. */
struct saved {
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

static bool lies_in(const struct sley_region_entries *e, uint16_t offset)
{
	return offset + sizeof(uint64_t) <= e->stride;
}

bool parked_known(const struct sley_region_entries *e)
{
	return e->address != 0 && e->context == SLEY_CONTEXT_X86_64 && e->stride <= STRIDE_MAX && lies_in(e, e->id) &&
	       lies_in(e, e->wait) && lies_in(e, e->sp) && lies_in(e, e->image);
}

static bool read_word(int mem, uint64_t address, uint64_t *word)
{
	return pread(mem, word, sizeof(*word), (off_t)address) == (ssize_t)sizeof(*word);
}

static bool read_entry(int mem, const struct sley_region_entries *e, uint64_t task, struct entry *out)
{
	uint64_t at = e->address + ((task & SLEY_TASK_INDEX_MASK) - 1) * e->stride;
	return read_word(mem, at + e->id, &out->id) && read_word(mem, at + e->wait, &out->wait) &&
	       read_word(mem, at + e->sp, &out->sp) && read_word(mem, at + e->image, &out->image);
}

static bool same(const struct entry *a, const struct entry *b)
{
	return a->id == b->id && a->wait == b->wait && a->sp == b->sp && a->image == b->image;
}

static int read_stack(int mem, const struct entry *entry, struct block_record *r)
{
	uint64_t at = entry->image ? entry->image : entry->sp;
	struct saved saved;
	if (pread(mem, &saved, sizeof(saved), (off_t)at) != (ssize_t)sizeof(saved))
		return -EFAULT;
	r->regs[3] = saved.rbx;
	r->regs[6] = saved.rbp;
	r->regs[12] = saved.r12;
	r->regs[13] = saved.r13;
	r->regs[14] = saved.r14;
	r->regs[15] = saved.r15;
	r->regs[BLOCK_REG_SP] = entry->sp + sizeof(saved);
	r->regs[BLOCK_REG_IP] = saved.rip;
	r->stack_size = (uint32_t)thread_pages(mem, r->stack, sizeof(r->stack), at + sizeof(saved));
	return 0;
}

int parked_read(int dir, const struct sley_region_entries *e, uint64_t task, struct block_record *r)
{
	int mem = openat(dir, "mem", O_RDONLY | O_CLOEXEC), error;
	struct entry before, after;
	if (mem < 0)
		return -errno;
	if (!parked_known(e) || !read_entry(mem, e, task, &before))
		error = -EFAULT;
	else if (before.id != task)
		error = -ESTALE;
	else
		error = read_stack(mem, &before, r);
	if (!error && (!read_entry(mem, e, task, &after) || !same(&before, &after)))
		error = -ESTALE;
	close(mem);
	return error;
}
