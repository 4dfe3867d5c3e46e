/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Reading a sleeping thread by way of /proc. */
#include "source/thread.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "source/syscalls.h"
#include "source/target.h"

#define PAGE 4096

/* The line of /proc/PID/task/TID/syscall: "running", "-1 SP PC", or "NR ARG*6 SP PC". */
static enum sample parse(const char *line, struct block_record *r)
{
	uint64_t v[8];
	int number, n;
	if (strncmp(line, "running", 7) == 0)
		return SAMPLE_RUNNING;
	n = sscanf(line,
		   "%d %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		   &number, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	if (n != 9 && n != 3)
		return SAMPLE_NONE;
	r->syscall = n == 9 ? number : SYSCALL_FAULT;
	if (n == 9)
		memcpy(r->args, v, sizeof(r->args));
	r->regs[BLOCK_REG_SP] = v[n - 3];
	r->regs[BLOCK_REG_IP] = v[n - 2];
	return SAMPLE_BLOCKED;
}

static enum sample read_call(int dir, uint32_t tid, struct block_record *r)
{
	char path[48], line[256];
	int fd;
	ssize_t n;
	snprintf(path, sizeof(path), "task/%u/syscall", tid);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return SAMPLE_NONE;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (n <= 0)
		return SAMPLE_NONE;
	line[n] = '\0';
	return parse(line, r);
}

/* By pages, up to the first that is not there. */
static size_t read_some(int mem, uint8_t *to, size_t n, uint64_t address)
{
	size_t done = 0;
	while (done < n) {
		size_t in_page = PAGE - (address + done) % PAGE, some = n - done < in_page ? n - done : in_page;
		ssize_t got = pread(mem, to + done, some, (off_t)(address + done));
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

void thread_memory(int dir, struct block_record *r)
{
	uint64_t sp = r->regs[BLOCK_REG_SP], n = r->stack_top > sp ? r->stack_top - sp : 0;
	int mem = openat(dir, "mem", O_RDONLY | O_CLOEXEC), kept = syscall_kept(r->syscall);
	r->stack_size = r->memory_size = 0;
	if (mem < 0)
		return;
	r->stack_size = (uint32_t)read_some(mem, r->stack, n < BLOCK_STACK_MAX ? n : BLOCK_STACK_MAX, sp);
	if (kept >= 0 && r->args[kept] != 0)
		r->memory_size = (uint16_t)read_some(mem, r->memory, BLOCK_MEMORY_MAX, r->args[kept]);
	close(mem);
}

enum sample thread_sample(int dir, uint32_t tid, struct block_record *r)
{
	enum sample sample = read_call(dir, tid, r);
	if (sample != SAMPLE_BLOCKED)
		return sample;
	thread_memory(dir, r);
	target_identify(dir, r);
	return sample;
}
