/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Privileges, and processes that are not watched, end, execute another program or never come back from a call. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/fake.h"
#include "tests/bpf/planted.h"
#include "tests/bpf/slowfs.h"

#define NOBODY 65534

/* ---- privileges ---- */

/* Runs `body` in a child; it REQUIRE()s. */
static void in_child(void (*body)(void))
{
	pid_t child = fork();
	int status;
	REQUIRE(child >= 0);
	if (!child) {
		body();
		_exit(0);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
}

static void open_as_nobody(void)
{
	struct tracer *tracer;
	char why[256] = "";
	test_become_nobody();
	REQUIRE(tracer_open(&tracer, NULL, why, sizeof(why)) == -EPERM);
	REQUIRE(strstr(why, "setcap cap_bpf,cap_perfmon=ep "));
	REQUIRE(!strchr(why, '\n'));
}

/* Without privilege the answer is -EPERM and says how to get it. */
TEST(nobody)
{
	test_need_root();
	in_child(open_as_nobody);
}

/* Becomes nobody with CAP_BPF and CAP_PERFMON alone, as a program with these file capabilities run by nobody. */
static void keep_two_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	data[CAP_TO_INDEX(CAP_BPF)].permitted = CAP_TO_MASK(CAP_BPF) | CAP_TO_MASK(CAP_PERFMON);
	data[CAP_TO_INDEX(CAP_BPF)].effective = data[CAP_TO_INDEX(CAP_BPF)].permitted;
	REQUIRE(!prctl(PR_SET_KEEPCAPS, 1) && !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY));
	REQUIRE(!syscall(SYS_capset, &header, data));
	REQUIRE(!prctl(PR_SET_DUMPABLE, 1));
}

/* What the planted task says at its end. */
static unsigned long measured_blocks(struct planted *planted)
{
	unsigned long blocks = 0;
	REQUIRE(sscanf(planted_answer(planted), "calls %*d blocks %lu", &blocks) == 1);
	return blocks;
}

static void trace_with_two_capabilities(void)
{
	struct planted planted;
	struct tracer *tracer;
	struct report report;
	char why[256];
	unsigned long blocks;
	keep_two_capabilities();
	REQUIRE(tracer_open(&tracer, NULL, why, sizeof(why)) == 0);
	planted_start_named(&planted, "blocks", "nanosleep", "20", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	planted_answer(&planted);
	blocks = measured_blocks(&planted);
	planted_report(&planted, SYS_clock_nanosleep, &report);
	REQUIRE(report.total.count == blocks);
	planted_stop(&planted, false);
	tracer_close(tracer);
}

static bool open_to_nobody(const char *path)
{
	bool open;
	REQUIRE(!seteuid(NOBODY));
	open = !eaccess(path, X_OK);
	REQUIRE(!seteuid(0));
	return open;
}

/* CAP_BPF and CAP_PERFMON are enough to watch a process of the same user. */
TEST(two_capabilities)
{
	tracer_close(planted_tracer(NULL));
	if (!open_to_nobody(test_build_path("tests/bpf/blocks.planted")))
		test_skip("the build directory is not open to others");
	in_child(trace_with_two_capabilities);
}

/* ---- processes ---- */

static struct tracer *tracer;

static void count_block(void *context, const struct block_record *block)
{
	unsigned *count = context;
	(void)block;
	++*count;
}

/* Its threads are gone: the last of each is a switch, which may come a moment after the process is seen to be over. */
static void until_unwatched(const struct planted *planted)
{
	int64_t give_up = test_now() + 10000000000;
	while (tracer_workers(tracer, planted->key) > 0) {
		REQUIRE(test_now() < give_up);
		sched_yield();
	}
}

/* A program that executes another is no longer watched, and the new one is not taken for it. */
TEST(exec)
{
	struct planted planted;
	struct report before, report;
	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "exec", "1", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	assert_string_not_equal(planted_answer(&planted), "ready"); /* the task's id */
	assert_string_equal(planted_answer(&planted), "ready");     /* the new program */
	until_unwatched(&planted);
	assert_int_equal(tracer_refresh(tracer, planted.key, 2), -ESRCH);
	planted_report(&planted, ANY_SYSCALL, &before); /* a page fault of the old one may have slept, or the exec */
	planted_order(&planted);
	planted_answer(&planted);
	assert_true(measured_blocks(&planted) > 0);
	planted_report(&planted, ANY_SYSCALL, &report);
	assert_int_equal(report.total.count, before.total.count);
	planted_stop(&planted, false);
	tracer_close(tracer);
}

/* A process that ends is noticed, and what was counted of it can still be read. */
TEST(exit)
{
	struct planted planted;
	struct report report;
	siginfo_t how;
	unsigned long blocks;
	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "nanosleep", "20", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	planted_answer(&planted);
	blocks = measured_blocks(&planted);
	kill(planted.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, planted.pid, &how, WEXITED | WNOWAIT), 0);
	until_unwatched(&planted);
	assert_int_equal(tracer_refresh(tracer, planted.key, 2), -ESRCH);
	planted_report(&planted, SYS_clock_nanosleep, &report);
	assert_int_equal(report.total.count, blocks);
	planted_stop(&planted, true);
	tracer_close(tracer);
}

/* Of a process that is not watched nothing is recorded, whatever it does; nor of one that no longer is. */
TEST(unwatched)
{
	struct planted watched, other;
	struct report report;
	unsigned events = 0;
	const struct tracer_config config = { .min_block_ns = 1 };
	tracer = planted_tracer(&config);
	planted_start_named(&watched, "blocks", "nanosleep", "20", NULL);
	planted_start_named(&other, "blocks", "nanosleep", "20", NULL);
	planted_watch(&watched, tracer);
	planted_order(&other);
	planted_answer(&other);
	planted_answer(&other);
	planted_report(&watched, ANY_SYSCALL, &report);
	assert_int_equal(report.total.count, 0);
	assert_int_equal(tracer_poll(tracer, count_block, &events), 0);
	planted_watch(&other, tracer);
	tracer_unwatch(tracer, watched.key);
	watched.tracer = NULL;
	planted_order(&watched);
	planted_answer(&watched);
	planted_answer(&watched);
	planted_report(&other, ANY_SYSCALL, &report);
	assert_int_equal(report.total.count, 0);
	planted_stop(&watched, false);
	planted_stop(&other, false);
	tracer_close(tracer);
}

/* ---- blocks that do not end ---- */

struct seen {
	unsigned count;
	struct block_record block;
};

static void keep_block(void *context, const struct block_record *block)
{
	struct seen *seen = context;
	seen->count++;
	seen->block = *block;
}

/* Until the planted task is seen to be blocked. */
static struct block_record wait_until_blocked(struct planted *planted)
{
	int64_t give_up = test_now() + 10000000000;
	struct seen seen = { 0 };
	while (!seen.count) {
		REQUIRE(test_now() < give_up);
		REQUIRE(tracer_blocked(tracer, planted->key, keep_block, &seen) == 0);
	}
	REQUIRE(seen.count == 1);
	return seen.block;
}

static long planted_task(struct planted *planted)
{
	long task = 0;
	REQUIRE(sscanf(planted_answer(planted), "task %ld", &task) == 1);
	return task;
}

static void check_forever(const struct block_record *block, long task)
{
	assert_int_equal(block->task, task);
	assert_int_equal(block->syscall, SYS_read);
	assert_true(S_ISFIFO(block->fd_mode));
	assert_int_equal(block->end_ns, 0);
	assert_true(block->start_ns <= (uint64_t)test_now());
	assert_true(block->stack_size >= 64);
}

/* A task that blocks for ever is seen while it does. */
TEST(forever)
{
	struct block_record first, later;
	struct planted planted;
	long task;
	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "forever", "1", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	task = planted_task(&planted);
	first = wait_until_blocked(&planted);
	check_forever(&first, task);
	assert_int_equal(first.flags & BLOCK_EARLY, 0);
	later = wait_until_blocked(&planted);
	assert_int_equal(later.number, first.number);
	assert_int_equal(later.start_ns, first.start_ns);
	planted_stop(&planted, true);
	tracer_close(tracer);
}

/* Whether a thread of the process sleeps in read(2). */
static bool reads(pid_t pid)
{
	char path[300];
	struct dirent *entry;
	bool found = false;
	long call;
	DIR *tasks;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		FILE *file;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/syscall", pid, entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		found |= fscanf(file, "%ld", &call) == 1 && call == SYS_read;
		fclose(file);
	}
	closedir(tasks);
	return found;
}

/* So is one that was blocked before anybody looked, with its place, from the moment of looking. */
TEST(blocked_before)
{
	struct block_record block;
	struct planted planted;
	long task;
	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "forever", "1", NULL);
	planted_order(&planted);
	task = planted_task(&planted);
	while (!reads(planted.pid))
		sched_yield();
	planted_watch(&planted, tracer);
	block = wait_until_blocked(&planted);
	check_forever(&block, task);
	assert_int_equal(block.flags & BLOCK_EARLY, BLOCK_EARLY);
	assert_memory_equal(block.name, "planted", sizeof("planted"));
	planted_stop(&planted, true);
	tracer_close(tracer);
}

/* ---- memory that does not answer ---- */

#define SILENCE_US 4000000

/* A process that has the file mapped, never touched, and sleeps. Its answer is the address. */
static pid_t start_mapper(const char *path, uint64_t *address)
{
	int ends[2], fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map;
	pid_t child;
	REQUIRE(fd >= 0 && !pipe(ends));
	child = fork();
	REQUIRE(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		REQUIRE(write(ends[1], &map, sizeof(map)) == sizeof(map));
		for (;;)
			pause();
	}
	REQUIRE(read(ends[0], address, sizeof(*address)) == sizeof(*address));
	close(ends[0]);
	close(ends[1]);
	close(fd);
	return child;
}

/* Until it sleeps. */
static void wait_asleep(pid_t pid)
{
	char path[32], state = 0;
	FILE *file;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'S') {
		file = fopen(path, "re");
		REQUIRE(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
		fclose(file);
	}
}

/*
 * A process may say that its workers' lines lie in a file that nobody answers for. Looking at its threads must not wait
 * for that. The child shares the thread pointer of its parent, so the parent's fake line names it.
 */
TEST(silent_memory)
{
	struct slowfs fs;
	struct fake fake;
	uint32_t key;
	int64_t from;
	pid_t child;
	tracer = planted_tracer(NULL);
	if (!slowfs_start(&fs, SILENCE_US))
		test_skip("FUSE does not work here");
	fake_open(&fake);
	child = start_mapper(fs.file, &fake.target.address);
	wait_asleep(child);
	close(fake.target.pidfd);
	fake.target.pidfd = syscall(SYS_pidfd_open, child, 0);
	from = test_now();
	assert_int_equal(tracer_watch(tracer, &fake.target, &key), 0);
	assert_int_equal(tracer_workers(tracer, key), 1);
	assert_true(test_now() - from < SILENCE_US * 1000LL / 2);
	tracer_unwatch(tracer, key);
	tracer_close(tracer);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	fake_close(&fake);
	slowfs_stop(&fs);
}
