/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "assist/thread.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/futex.h"
#include "base/race.h"

#define SHARE 8u /* of the descriptors that the service may have, one in so many is kept at most */

/* of glibc 2.35 and newer */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

/* owned by the watchdog */
static struct {
	unsigned kept, most; /* descriptors */
} files;

void thread_files_open(void)
{
	struct rlimit limit = { 0 };
	getrlimit(RLIMIT_NOFILE, &limit);
	files.kept = 0;
	files.most = (unsigned)MIN(limit.rlim_cur / SHARE, LOOKERS * WORKERS_MOST);
}

/* Whether this number is still the file that was opened. */
static bool is_ours(const struct thread_file *file, int fd)
{
	struct stat status;
	return fd > 0 && fstat(fd, &status) == 0 && status.st_ino == load(&file->ino, relaxed) &&
	       status.st_dev == load(&file->dev, relaxed);
}

/* "TID (command) S ...": the command may contain anything, but no more than 15 bytes. */
static char read_state(int fd, uint32_t tid)
{
	char line[64], *end;
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	line[n > 0 ? n : 0] = '\0';
	if (strtoul(line, &end, 10) != tid || strncmp(end, " (", 2) != 0 || !(end = strrchr(end, ')')) || end[1] != ' ')
		return '?';
	return end[2];
}

static int open_stat(uint32_t tid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	return descriptor_lift(open(path, O_RDONLY | O_CLOEXEC));
}

char thread_state(struct worker *worker, enum looker looker)
{
	struct thread_file *file = &worker->files[looker];
	char state = '?';
	fetch_add(&file->looks, 1, seq_cst); /* see thread.h */
	int fd = load(&file->fd, seq_cst);   /* also pairs with thread_prepare() */
	if (is_ours(file, fd)) {
		RACE_POINT(thread_is_looked_at);
		state = read_state(fd, load(&worker->line->tid, relaxed));
	}
	fetch_sub(&file->looks, 1, release); /* pairs with forget_file(): the system calls are over */
	return state;
}

/* The service may have closed it: then the number is not ours to close. False: somebody looks, so it stays. */
static bool forget_file(struct thread_file *file)
{
	int fd = file->fd;
	if (fd == 0)
		return true;
	store(&file->fd, 0, seq_cst); /* see thread.h */
	if (load(&file->looks, seq_cst) > 0) {
		store(&file->fd, fd, release);
		return false;
	}
	files.kept--;
	if (is_ours(file, fd))
		close(fd);
	return true;
}

bool thread_prepare(struct worker *worker, enum looker looker)
{
	struct thread_file *file = &worker->files[looker];
	uint32_t tid = load(&worker->line->tid, relaxed);
	struct stat status;
	if (file->fd > 0 && file->tid == tid && is_ours(file, file->fd))
		return true;
	if (!forget_file(file) || tid == 0 || files.kept >= files.most)
		return false;
	int fd = open_stat(tid);
	if (fd < 0)
		return false;
	if (fstat(fd, &status) != 0) {
		close(fd);
		return false;
	}
	file->tid = tid;
	store(&file->ino, status.st_ino, relaxed);
	store(&file->dev, status.st_dev, relaxed);
	store(&file->fd, fd, release); /* pairs with thread_state() */
	files.kept++;
	return true;
}

char thread_state_now(struct worker *worker)
{
	uint32_t tid = load(&worker->line->tid, relaxed);
	char state = thread_state(worker, LOOKER_WATCHDOG);
	if (state != '?')
		return state;
	if (thread_prepare(worker, LOOKER_WATCHDOG))
		return thread_state(worker, LOOKER_WATCHDOG);
	int fd = open_stat(tid);
	if (fd < 0)
		return '?';
	state = read_state(fd, tid);
	close(fd);
	return state;
}

/* The clock's number is the kernel's: see clock_getcpuclockid(3). */
int64_t thread_cpu(const struct worker *worker)
{
	struct timespec time;
	clockid_t clock = (clockid_t)(~load(&worker->line->tid, relaxed) << 3 | 6u);
	return clock_gettime(clock, &time) == 0 ? time.tv_sec * NS_PER_SEC + time.tv_nsec : 0;
}

/* struct rseq begins with cpu_id_start and cpu_id. The second one is negative if the thread has not registered it. */
static unsigned *rseq_cpu(uint64_t thread)
{
	return (unsigned *)((uintptr_t)thread + (uintptr_t)__rseq_offset) + 1;
}

/*
 * The area is the thread's own memory, and the thread may end meanwhile. So the kernel reads it: what it reads then is
 * nothing, or of no meaning. Rejected: a reader that announces itself, and a join that waits for it. A sentinel may be
 * preempted there for as long as all CPUs are busy.
 */
bool thread_left(const struct worker *worker, unsigned cpu)
{
	uint64_t thread = load(&worker->line->thread, relaxed);
	if (&__rseq_size && __rseq_size > 0)
		return thread && futex_compare(rseq_cpu(thread), cpu);
	int64_t before = thread_cpu(worker);
	return before > 0 && thread_cpu(worker) == before;
}

static void forget_files(struct worker *worker)
{
	for (int i = 0; i < LOOKERS; i++)
		forget_file(&worker->files[i]);
}

void threads_forget_ended(void)
{
	for (unsigned i = scheduler.target; i < scheduler.made; i++) {
		if (!worker_get(i)->joinable)
			forget_files(worker_get(i));
	}
}

void thread_files_close(void)
{
	for (unsigned i = 0; i < scheduler.made; i++)
		forget_files(worker_get(i));
}
