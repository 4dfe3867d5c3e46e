/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Reading a sleeping thread by way of /proc. */
#include "source/thread.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/profile.h"
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
	r->regs[BLOCK_REG_DI] = n == 9 ? v[0] : 0;
	r->regs[BLOCK_REG_SP] = v[n - 3];
	r->regs[BLOCK_REG_IP] = v[n - 2];
	return SAMPLE_BLOCKED;
}

/* A file of the thread's, as text: false if it cannot be read. */
static bool read_file(int dir, uint32_t tid, const char *name, char text[256])
{
	char path[48];
	int fd;
	ssize_t n;
	snprintf(path, sizeof(path), "task/%u/%s", tid, name);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, 255);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/*
 * Where in the kernel a frozen thread sleeps: with version 1 of cgroups, and with version 2, by two compilers. A kernel
 * without symbols does not tell, nor one to which this is another user's process. Version 1 leaves threads that sleep in
 * some calls where they are: they cannot be told from blocked ones.
 */
static bool sleeps_frozen(int dir, uint32_t tid)
{
	char text[256];
	return read_file(dir, tid, "wchan", text) &&
	       (strcmp(text, "__refrigerator") == 0 || strcmp(text, "do_freezer_trap") == 0 ||
		strcmp(text, "get_signal") == 0);
}

enum sample thread_state(int dir, uint32_t tid)
{
	char text[256];
	const char *end = read_file(dir, tid, "stat", text) ? strrchr(text, ')') : NULL;
	if (end == NULL || end[1] != ' ')
		return SAMPLE_NONE;
	switch (end[2]) {
	case 'T':
		return SAMPLE_STOPPED;
	case 't':
		return SAMPLE_TRACED;
	case 'R':
		return SAMPLE_RUNNING;
	default:
		return sleeps_frozen(dir, tid) ? SAMPLE_FROZEN : SAMPLE_BLOCKED;
	}
}

/* Behind lists of any length, in a file that has no other line of this name. */
static uint64_t count_sleeps(int dir, uint32_t tid)
{
	static const char name[] = "\nvoluntary_ctxt_switches:";
	static char text[65536];
	char path[48], *line;
	size_t n = 0;
	ssize_t got = 0;
	int fd;
	snprintf(path, sizeof(path), "task/%u/status", tid);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n < sizeof(text) - 1 && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		close(fd);
	text[n] = '\0';
	line = strstr(text, name);
	return line != NULL ? strtoull(line + sizeof(name) - 1, NULL, 10) : 0;
}

enum sample thread_computing(int dir, uint32_t tid, struct computing *times)
{
	enum sample sample = thread_state(dir, tid);
	char text[256];
	*times = (struct computing){ 0 };
	if (sample == SAMPLE_RUNNING)
		times->sleeps = count_sleeps(dir, tid);
	if (sample == SAMPLE_RUNNING && read_file(dir, tid, "schedstat", text))
		(void)sscanf(text, "%" SCNu64 " %" SCNu64, &times->ran_ns, &times->waited_ns);
	return sample;
}

/* The number may be a thread's of another process, in another pid namespace or a moment later: then it is not to be had. */
int thread_event(int dir, uint32_t tid)
{
	char text[256];
	int event = read_file(dir, tid, "stat", text) ? profile_event((pid_t)tid) : -1;
	if (event >= 0 && !read_file(dir, tid, "stat", text)) {
		close(event);
		event = -1;
	}
	return event;
}

static enum sample read_call(int dir, uint32_t tid, struct block_record *r)
{
	char line[256];
	return read_file(dir, tid, "syscall", line) ? parse(line, r) : SAMPLE_NONE;
}

size_t thread_pages(int mem, uint8_t *to, size_t n, uint64_t address)
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

bool thread_bytes(int dir, uint64_t address, void *to, size_t size)
{
	int mem = openat(dir, "mem", O_RDONLY | O_CLOEXEC);
	size_t n = mem < 0 ? 0 : thread_pages(mem, to, size, address);
	if (mem >= 0)
		close(mem);
	return n == size;
}

void thread_memory(int dir, struct block_record *r)
{
	uint64_t sp = r->regs[BLOCK_REG_SP], n = r->stack_top > sp ? r->stack_top - sp : 0;
	int mem = openat(dir, "mem", O_RDONLY | O_CLOEXEC), kept = syscall_kept(r->syscall);
	r->stack_size = r->memory_size = 0;
	if (mem < 0)
		return;
	r->stack_size = (uint32_t)thread_pages(mem, r->stack, n < BLOCK_STACK_MAX ? n : BLOCK_STACK_MAX, sp);
	if (kept >= 0 && r->args[kept] != 0)
		r->memory_size = (uint16_t)thread_pages(mem, r->memory, BLOCK_MEMORY_MAX, r->args[kept]);
	close(mem);
}

enum sample thread_sample(int dir, uint32_t tid, struct block_record *r)
{
	enum sample sample = read_call(dir, tid, r);
	if (sample == SAMPLE_BLOCKED)
		sample = thread_state(dir, tid); /* what a stopped thread was in looks like what blocks one */
	if (sample != SAMPLE_BLOCKED)
		return sample;
	thread_memory(dir, r);
	target_identify(dir, r);
	return sample;
}
