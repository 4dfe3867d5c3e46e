/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * System calls for which the runtime has another way: with each refused, as an old kernel (ENOSYS) or the filter of a
 * container (EPERM, EACCES) does it, everything works, and the call is not made again once it was seen to be missing.
 */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "tests/unit/refuse.h"

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

static const struct call calls[] = {
	{ "epoll_pwait2", SYS_epoll_pwait2, 0, 0 },
	{ "preadv2", SYS_preadv2, 0, 0 },
	{ "pwritev2", SYS_pwritev2, 0, 0 },
	{ "pidfd_open", SYS_pidfd_open, 0, 0 },
	{ "madvise: MADV_POPULATE_WRITE", SYS_madvise, 3, 23 },
	{ "madvise: MADV_GUARD_INSTALL", SYS_madvise, 3, 102 },
	/* those whose absence is not remembered: they are rare, or answer EPERM of their own */
	{ "pidfd_send_signal", SYS_pidfd_send_signal, 0, 0 },
	{ "waitid: P_PIDFD", SYS_waitid, 1, 3 },
	{ "close_range", SYS_close_range, 0, 0 },
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they need these themselves */
	{ "madvise", SYS_madvise, 0, 0 },
	{ "mincore", SYS_mincore, 0, 0 },
	{ "sched_getaffinity", SYS_sched_getaffinity, 0, 0 },
	{ "prlimit64", SYS_prlimit64, 0, 0 },
	{ "sigaltstack", SYS_sigaltstack, 0, 0 },
#endif
};

#define CALLS      (sizeof(calls) / sizeof(calls[0]))
#define REMEMBERED 6

static void write_later(void *arg)
{
	const int *fd = arg;
	sley_sleep(sley_in(SLEY_MS(2)));
	REQUIRE(sley_write(*fd, "x", 1, SOON) == 1);
}

/* A pipe, of ours and foreign, an owned eventfd: waited for and served. */
static void use_descriptors(void)
{
	static int ours[2];
	int foreign[2];
	uint64_t value = 1;
	char c;
	REQUIRE(sley_pipe(ours) == 0 && pipe2(foreign, O_CLOEXEC) == 0);
	REQUIRE(sley_go(write_later, &ours[1]) == 0);
	REQUIRE(sley_read(ours[0], &c, 1, SOON) == 1 && c == 'x');
	REQUIRE(sley_write(foreign[1], "yz", 2, SOON) == 2);
	REQUIRE(sley_read(foreign[0], &c, 1, SOON) == 1 && c == 'y');
	REQUIRE(sley_read(foreign[0], &c, 1, SOON) == 1 && c == 'z');
	REQUIRE(sley_read(foreign[0], &c, 1, sley_in(SLEY_MS(2))) == -ETIMEDOUT);
	sley_close(ours[0]);
	REQUIRE(sley_write(ours[1], "x", 1, SOON) == -EPIPE);
	close(foreign[0]);
	REQUIRE(sley_write(foreign[1], "x", 1, SOON) == -EPIPE);
	sley_close(ours[1]);
	close(foreign[1]);
	int event = eventfd(0, EFD_CLOEXEC);
	REQUIRE(event >= 0 && sley_own(event) == 0);
	REQUIRE(sley_write(event, &value, sizeof(value), SOON) == sizeof(value));
	REQUIRE(sley_read(event, &value, sizeof(value), SOON) == sizeof(value) && value == 1);
	REQUIRE(sley_read(event, &value, sizeof(value), sley_in(SLEY_MS(2))) == -ETIMEDOUT);
	sley_close(event);
}

/* EPERM of a file's own stays what it is. */
static void use_files(void)
{
	char text[8] = "";
	int file = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(file >= 0 && sley_pwrite(file, "text", 4, 0, SOON) == 4);
	REQUIRE(sley_pread(file, text, sizeof(text), 0, SOON) == 4 && strcmp(text, "text") == 0);
	REQUIRE(sley_read(file, text, 2, SOON) == 2 && sley_write(file, "s", 1, SOON) == 1);
	REQUIRE(sley_pread(file, text, sizeof(text), 0, SOON) == 4 && strcmp(text, "test") == 0);
	REQUIRE(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	REQUIRE(sley_pwrite(file, "text", 4, 0, SOON) == -EPERM);
	REQUIRE(sley_pread(file, text, sizeof(text), 0, SOON) == 4);
	close(file);
}

static void use_children(void)
{
	static const char *const cat[] = { "/bin/cat", NULL };
	struct sley_process_options o = { .size = sizeof(o), .in = SLEY_STDIO_PIPE, .out = SLEY_STDIO_PIPE };
	struct sley_process process;
	int status;
	char c;
	REQUIRE(sley_process_spawn(&process, cat, &o, SOON) == 0);
	REQUIRE(sley_write(process.in, "x", 1, SOON) == 1 && sley_read(process.out, &c, 1, SOON) == 1);
	REQUIRE(sley_process_wait(&process, NULL, sley_in(SLEY_MS(3))) == -ETIMEDOUT);
	sley_close(process.in);
	process.in = -1;
	REQUIRE(sley_process_wait(&process, &status, SOON) == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	REQUIRE(sley_process_kill(&process, SIGTERM) == -ESRCH);
	REQUIRE(sley_process_close(&process) == 0);

	REQUIRE(sley_process_spawn(&process, cat, &o, SOON) == 0);
	REQUIRE(sley_process_kill(&process, 1000) == -EINVAL);
	REQUIRE(sley_process_kill(&process, SIGTERM) == 0);
	REQUIRE(sley_process_wait(&process, &status, SOON) == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	REQUIRE(sley_process_close(&process) == 0);
	process.ended = 0;
	REQUIRE(sley_process_wait(&process, &status, SOON) == -EBADF);
	REQUIRE(sley_process_kill(&process, SIGTERM) == -EBADF);
}

#define STACKS_MOST 2400 /* more than have guards that are mappings, see stack/slots.c */

static void stay(void *arg)
{
	REQUIRE(sley_sem_acquire(arg, 1, SOON) == 0);
}

/* n tasks at once, on stacks of their own. */
static void use_stacks(unsigned n)
{
	static struct sley_sem leave;
	static sley_task tasks[STACKS_MOST];
	struct sley_task_options o = { .size = sizeof(o), .private_stack = 1 };
	for (unsigned i = 0; i < n; i++)
		REQUIRE((tasks[i] = sley_spawn_with(&o, stay, &leave, SLEY_BY_POINTER)) > 0);
	sley_sleep(sley_in(SLEY_MS(2)));
	REQUIRE(sley_sem_release(&leave, n) == 0);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
}

static void use_all(unsigned stacks)
{
	use_descriptors();
	use_files();
	use_children();
	use_stacks(stacks);
}

static double processor_time(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static const struct call *refused;

static int main_refused(void *arg)
{
	unsigned stacks = refused->number == SYS_madvise ? STACKS_MOST : 10;
	use_all(stacks / 2);
	if (refused < &calls[REMEMBERED])
		refuse_deadly(refused);
	use_all(stacks);
	if (refused->number != SYS_epoll_pwait2)
		return 0;
	/* idle: by the process's clock, so that a busy machine does not matter */
	double before = processor_time();
	sley_sleep(sley_in(SLEY_MS(20)));
	REQUIRE(processor_time() - before < 0.010);
	return 0;
}

static int scenario_refused(void)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1 };
	int result = -1;
	refused = &calls[atoi(getenv("REFUSED_CALL"))];
	refuse(refused, atoi(getenv("REFUSED_WITH")));
	int error = sley_run(main_refused, NULL, &o, &result);
	return error ? -error : result;
}

static void check_refused(size_t i, int error)
{
	char text[4096], number[16];
	snprintf(number, sizeof(number), "%zu", i);
	setenv("REFUSED_CALL", number, 1);
	snprintf(number, sizeof(number), "%d", error);
	setenv("REFUSED_WITH", number, 1);
	int status = scenario_run("refused", text, sizeof(text));
	if (status != 0)
		fail_msg("%s answers %s: status %#x\n%s", calls[i].name, strerror(error), status, text);
}

TEST(refused)
{
	test_need_kernel("qemu-user knows no filters");
	for (size_t i = 0; i < CALLS; i++) {
		check_refused(i, EPERM);
		if (i < REMEMBERED) {
			check_refused(i, ENOSYS);
			check_refused(i, EACCES);
		}
	}
}

static const struct scenario scenarios[] = {
	{ "refused", scenario_refused },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
