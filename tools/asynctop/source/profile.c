/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* perf's ring. Its writer is the kernel, so what is in it has the form that the attributes ask for. */
#include "source/profile.h"

#include <asm/perf_regs.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"

#define PAGE      4096
#define RING      (16 * PAGE) /* five samples; those that find no room are of no use either */
#define PERIOD_NS 4000000     /* of CPU time */

#define REGISTERS (((1ULL << PERF_REG_X86_64_MAX) - 1) & ~(15ULL << PERF_REG_X86_DS)) /* without ds, es, fs, gs */

struct profile {
	int fd;
	struct perf_event_mmap_page *head;
	uint8_t *ring;
};

static int open_event(pid_t tid, bool kernel)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = PERIOD_NS,
		.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = REGISTERS,
		.sample_stack_user = BLOCK_STACK_MAX,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.exclude_kernel = !kernel,
		.exclude_hv = 1,
	};
	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int profile_event(pid_t tid)
{
	int fd = open_event(tid, true);
	return fd >= 0 ? fd : open_event(tid, false);
}

struct profile *profile_open(int fd)
{
	void *map = mmap(NULL, PAGE + RING, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct profile *p;
	if (map == MAP_FAILED) {
		close(fd);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct profile){ .fd = fd, .head = map, .ring = (uint8_t *)map + PAGE };
	return p;
}

void profile_close(struct profile *p)
{
	if (p == NULL)
		return;
	munmap(p->head, PAGE + RING);
	close(p->fd);
	free(p);
}

/* A record may go over the ring's end. */
static void copy_out(const struct profile *p, uint64_t at, void *to, size_t n)
{
	size_t from = at % RING, first = n < RING - from ? n : RING - from;
	memcpy(to, p->ring + from, first);
	memcpy((uint8_t *)to + first, p->ring, n - first);
}

/* By DWARF number. perf's are in another order, r8 to r15 last. */
static void take_registers(struct block_record *r, const uint64_t *values)
{
	static const uint8_t low[] = { 0, 3, 2, 1, 4, 5, 6, 7, 16 }; /* ax bx cx dx si di bp sp ip */
	for (unsigned i = 0; i < sizeof(low); i++)
		r->regs[low[i]] = values[i];
	for (unsigned i = 8; i < 16; i++)
		r->regs[i] = values[PERF_REG_X86_SS + 1 + i - 8];
}

#define REGISTER_COUNT (PERF_REG_X86_SS + 1 + 8)

/* time, abi, registers, size of the stack's copy, the copy, how much of it is valid */
static bool take_sample(const struct profile *p, uint64_t at, const struct perf_event_header *header, uint64_t from,
			uint64_t until, struct block_record *r)
{
	uint64_t words[2 + REGISTER_COUNT + 1], valid, size;
	if (header->size < sizeof(*header) + sizeof(words))
		return false;
	copy_out(p, at + sizeof(*header), words, sizeof(words));
	size = words[2 + REGISTER_COUNT];
	if (words[0] < from || words[0] > until || words[1] != PERF_SAMPLE_REGS_ABI_64 || size > BLOCK_STACK_MAX ||
	    size == 0 || header->size < sizeof(*header) + sizeof(words) + size + sizeof(valid))
		return false;
	take_registers(r, words + 2);
	at += sizeof(*header) + sizeof(words);
	copy_out(p, at, r->stack, size);
	copy_out(p, at + size, &valid, sizeof(valid));
	r->stack_size = (uint32_t)(valid < size ? valid : size);
	r->flags &= ~BLOCK_COMPUTES;
	if ((header->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER)
		r->flags |= BLOCK_COMPUTES;
	return true;
}

bool profile_take(struct profile *p, uint64_t from, uint64_t until, struct block_record *r)
{
	uint64_t head = __atomic_load_n(&p->head->data_head, __ATOMIC_ACQUIRE), at = p->head->data_tail;
	bool taken = false;
	while (at < head) {
		struct perf_event_header header;
		copy_out(p, at, &header, sizeof(header));
		if (header.size < sizeof(header))
			break;
		if (header.type == PERF_RECORD_SAMPLE)
			taken |= take_sample(p, at, &header, from, until, r);
		at += header.size;
	}
	__atomic_store_n(&p->head->data_tail, head, __ATOMIC_RELEASE);
	return taken;
}
