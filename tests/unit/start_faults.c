/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Each system call and each allocation that sley_run() makes before its first task runs is failed in turn, in a process of
 * its own. The run answers what its comment says, or goes on without; it says one line at most; and after another run,
 * which works, there are no more descriptors, threads and mapped bytes than without the fault.
 *
 * A thread of the test answers the calls, by the listener of a filter (seccomp_unotify(2)) that the starting thread has
 * and that thread has not.
 */
#include "tests/unit/run.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

static unsigned armed; /* atomic: the first run is starting */

static unsigned entries_of(const char *path)
{
	unsigned n = 0;
	DIR *directory = opendir(path);
	REQUIRE(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static int main_begun(void *arg)
{
	store(&armed, 0, release);
	sley_sleep(sley_in(SLEY_MS(1)));
	return 7;
}

static int run_one(void)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	int result = 0, error = sley_run(main_begun, NULL, &options, &result);
	store(&armed, 0, release);
	return error ? error : result == 7 ? 0 : 1;
}

/* The sanitizers make such calls of their own, and do not go on without. */
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)

#define ERRORS 3

/* What is failed, and with what its manual page says; close(2) and munmap(2) would leave something behind by that. */
static const struct {
	const char *name;
	int number;
	int errors[ERRORS];
} table[] = {
	{ "memfd_create", SYS_memfd_create, { EMFILE, ENFILE, ENOMEM } },
	{ "ftruncate", SYS_ftruncate, { EFBIG, EINVAL } },
	{ "mmap", SYS_mmap, { ENOMEM, EAGAIN } },
	{ "mprotect", SYS_mprotect, { ENOMEM } },
	{ "madvise", SYS_madvise, { ENOMEM, EAGAIN, EINVAL } },
	{ "fcntl", SYS_fcntl, { EMFILE, EINVAL, EBUSY } },
	{ "prlimit64", SYS_prlimit64, { EPERM } },
	{ "epoll_create1", SYS_epoll_create1, { EMFILE, ENFILE, ENOMEM } },
	{ "eventfd2", SYS_eventfd2, { EMFILE, ENFILE, ENOMEM } },
	{ "epoll_ctl", SYS_epoll_ctl, { ENOMEM, ENOSPC } },
	{ "sched_getaffinity", SYS_sched_getaffinity, { EINVAL } },
	{ "sigaltstack", SYS_sigaltstack, { ENOMEM } },
	{ "openat", SYS_openat, { EMFILE, ENOENT, EACCES } },
	{ "read", SYS_read, { EIO } },
	{ "newfstatat", SYS_newfstatat, { ENOMEM } },
	{ "clone3", SYS_clone3, { EAGAIN, ENOMEM, EPERM } },
};

#define ROWS (sizeof(table) / sizeof(table[0]))
#define MOST 400

/* What one process has seen; shared with the test. */
static struct outcome {
	unsigned calls, allocations; /* before main ran; that may fail */
	int rows[MOST];              /* of the calls: in the table */
	int error, again;            /* of both runs */
	unsigned lines, descriptors, threads;
	size_t mapped;
} * outcome;

/* ---- failing ---- */

static struct {
	unsigned call, error; /* the one to fail, from 1; 0: none */
	unsigned allocation;  /* the same */
	pid_t thread;
	int listener;
	sem_t listening;
} fault;

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_memalign(size_t, size_t);

/* Whether this allocation is to fail. */
static bool fails(void)
{
	return load(&armed, relaxed) && (pid_t)syscall(SYS_gettid) == fault.thread &&
	       ++outcome->allocations == fault.allocation;
}

void *malloc(size_t n)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_calloc(n, size);
}

void *aligned_alloc(size_t alignment, size_t n)
{
	if (fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_memalign(alignment, n);
}

static int row_of(int number)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (table[i].number == number)
			return (int)i;
	abort();
}

/* The error that the call is to have; 0: none. */
static int answer(const struct seccomp_notif *call)
{
	if ((pid_t)call->pid != fault.thread || !load(&armed, acquire))
		return 0;
	if (outcome->calls < MOST)
		outcome->rows[outcome->calls] = row_of(call->data.nr);
	return ++outcome->calls == fault.call ? (int)fault.error : 0;
}

static void *answer_all(void *unused)
{
	struct seccomp_notif call;
	sem_wait(&fault.listening);
	for (;;) {
		memset(&call, 0, sizeof(call));
		if (ioctl(fault.listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
			continue;
		int error = answer(&call);
		struct seccomp_notif_resp reply = { .id = call.id,
						    .error = -error,
						    .flags = error ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE };
		ioctl(fault.listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
	}
	return NULL;
}

/* The calls of this thread, and of those that it starts, are answered by another one. */
static void listen_to_calls(void)
{
	struct sock_filter code[ROWS + 3] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
	pthread_t thread;
	unsigned n = 1;
	for (unsigned i = 0; i < ROWS; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)table[i].number,
							 (unsigned char)(ROWS - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	struct sock_fprog program = { (unsigned short)n, code };
	REQUIRE(sem_init(&fault.listening, 0, 0) == 0 && pthread_create(&thread, NULL, answer_all, NULL) == 0);
	REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	fault.thread = (pid_t)syscall(SYS_gettid);
	fault.listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	REQUIRE(fault.listener >= 0);
	sem_post(&fault.listening);
}

/* ---- one process ---- */

static size_t mapped_bytes(void)
{
	char line[512];
	unsigned long begin, end;
	size_t sum = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	REQUIRE(maps);
	while (fgets(line, sizeof(line), maps))
		if (!strstr(line, "[heap]") && !strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &begin, &end) == 2)
			sum += end - begin;
	fclose(maps);
	return sum;
}

/* What the two runs said. */
static unsigned lines_of(FILE *said)
{
	char line[1024];
	unsigned n = 0;
	rewind(said);
	while (fgets(line, sizeof(line), said)) {
		REQUIRE(strncmp(line, "sley: ", 6) == 0);
		n++;
	}
	return n;
}

static void process(bool warm)
{
	int real = dup(STDERR_FILENO);
	FILE *said = tmpfile();
	REQUIRE(said && mallopt(M_ARENA_MAX, 1) == 1);
	listen_to_calls();
	if (warm)
		REQUIRE(run_one() == 0);
	fflush(stderr);
	dup2(fileno(said), STDERR_FILENO);
	store(&armed, 1, release);
	outcome->error = run_one();
	outcome->again = run_one();
	dup2(real, STDERR_FILENO);
	outcome->lines = lines_of(said);
	fclose(said);
	outcome->descriptors = entries_of("/proc/self/fd");
	outcome->threads = entries_of("/proc/self/task");
	outcome->mapped = mapped_bytes();
}

/* Fails the call (from 1) or the allocation. */
static void in_process(bool warm, unsigned call, int error, unsigned allocation)
{
	int status;
	memset(outcome, 0, sizeof(*outcome));
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		fault.call = call;
		fault.error = (unsigned)error;
		fault.allocation = allocation;
		process(warm);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (status != 0)
		fail_msg("call %u with %s, allocation %u: status %#x", call, strerror(error), allocation, status);
}

/* ---- the table ---- */

/* A line says that there is one memfd less. */
static void check(const struct outcome *good, const char *what, unsigned number, int error)
{
	static const int documented[] = { 0, ENOMEM, EMFILE, ENFILE, EAGAIN, ENOSPC, EPERM };
	bool is_documented = false;
	for (unsigned i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
		is_documented |= outcome->error == -documented[i];
	if (is_documented && outcome->again == 0 && outcome->lines <= 1 &&
	    outcome->descriptors == good->descriptors - outcome->lines && outcome->threads <= good->threads &&
	    outcome->mapped <= good->mapped)
		return;
	print_error("%s, the %u. of all, %s: %s, then %s, %u lines, %d descriptors, %d threads, %ld KiB more\n", what,
		    number, error ? strerror(error) : "null", strerror(-outcome->error), strerror(-outcome->again),
		    outcome->lines, (int)(outcome->descriptors - good->descriptors),
		    (int)(outcome->threads - good->threads), ((long)outcome->mapped - (long)good->mapped) / 1024);
	fail();
}

static void each_fault(bool warm)
{
	test_need_kernel("qemu-user knows no filters");
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(outcome != MAP_FAILED);
	in_process(warm, 0, 0, 0);
	struct outcome good = *outcome;
	assert_int_equal(good.error, 0);
	assert_true(good.again == 0 && good.lines == 0 && good.calls > 20 && good.calls < MOST && good.allocations > 0);
	for (unsigned i = 1; i <= good.calls; i++) {
		for (unsigned k = 0; k < ERRORS && table[good.rows[i - 1]].errors[k]; k++) {
			in_process(warm, i, table[good.rows[i - 1]].errors[k], 0);
			check(&good, table[good.rows[i - 1]].name, i, table[good.rows[i - 1]].errors[k]);
		}
	}
	for (unsigned i = 1; i <= good.allocations; i++) {
		in_process(warm, 0, 0, i);
		check(&good, "allocation", i, 0);
	}
	munmap(outcome, sizeof(*outcome));
}

/* The first run of a process, which makes the region. */
TEST(first)
{
	each_fault(false);
}

/* A later one. */
TEST(later)
{
	each_fault(true);
}

#endif

/*
 * Without a fault, and with the sanitizers: a second run leaves no more than the first. The test is the last, as processes
 * that are forked afterwards have no run.
 */
TEST(none)
{
	assert_int_equal(run_one(), 0);
	unsigned descriptors = entries_of("/proc/self/fd"), threads = entries_of("/proc/self/task");
	assert_int_equal(run_one(), 0);
	assert_int_equal(entries_of("/proc/self/fd"), descriptors);
	assert_int_equal(entries_of("/proc/self/task"), threads);
}
