/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Ground truth: a service blocks on purpose and measures around its calls. What the tracer says must agree: every
 * block counted once, the time within 10 % or 200 us by the sum (more if the thread waited for a CPU), the task, the call and
 * the source line named.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/test.h"

#include "symbols/symbols.h"
#include "tests/bpf/planted.h"
#include "tests/bpf/slowfs.h"

#define SOURCE  "tests/bpf/blocks.planted.c"
#define COUNT   "25" /* at least 20 of them will block */
#define SLOW_US 20000

struct truth {
	long task, calls, blocks, sleeps, longest_sleeps, total_ns, longest_ns, waited_ns;
};

/* ---- one run of the planted service ---- */

struct run {
	struct tracer *tracer;
	struct planted planted;
	struct truth truth;
	struct report report;
};

static void read_task(struct run *run)
{
	REQUIRE(sscanf(planted_answer(&run->planted), "task %ld", &run->truth.task) == 1);
}

static void read_truth(struct run *run)
{
	struct truth *t = &run->truth;
	REQUIRE(sscanf(planted_answer(&run->planted),
		       "calls %ld blocks %ld sleeps %ld longest_sleeps %ld total_ns %ld longest_ns %ld waited_ns %ld",
		       &t->calls, &t->blocks, &t->sleeps, &t->longest_sleeps, &t->total_ns, &t->longest_ns,
		       &t->waited_ns) == 7);
}

/* Has a watched service block, to the end. */
static void block(struct run *run, int syscall)
{
	planted_watch(&run->planted, run->tracer);
	planted_order(&run->planted);
	read_task(run);
	read_truth(run);
	planted_report(&run->planted, syscall, &run->report);
}

static void run_planted(struct run *run, const char *kind, const char *count, const char *path, int syscall)
{
	memset(run, 0, sizeof(*run));
	run->tracer = planted_tracer(NULL);
	planted_start_named(&run->planted, "blocks", kind, count, path);
	block(run, syscall);
}

static void end_run(struct run *run)
{
	planted_stop(&run->planted, false);
	tracer_close(run->tracer);
}

/* ---- what must hold ---- */

/* A thread may wait for a CPU between its clock and the call. */
static void check_time(const char *what, uint64_t seen, uint64_t measured, uint64_t waited)
{
	uint64_t allowed = (measured / 10 > 200000 ? measured / 10 : 200000) + waited;
	uint64_t off = seen > measured ? seen - measured : measured - seen;
	print_message("%s: %.3f ms seen, %.3f ms measured (%.3f ms without a CPU)\n", what, seen / 1e6, measured / 1e6,
		      waited / 1e6);
	if (off > allowed)
		fail_msg("%s: %.3f ms seen, %.3f ms measured (%.3f ms without a CPU)", what, seen / 1e6, measured / 1e6,
			 waited / 1e6);
}

static void check_counts(const struct run *run)
{
	const struct block_total *total = &run->report.total;
	assert_int_equal(run->report.keys, 1);
	assert_true(run->truth.blocks >= run->truth.calls * 9 / 10);
	assert_true(run->truth.blocks >= 20);
	assert_int_equal(total->count, run->truth.blocks);
	check_time("total", total->total_ns, run->truth.total_ns, run->truth.waited_ns);
	check_time("longest", total->max_ns, run->truth.longest_ns, run->truth.waited_ns);
	assert_true(total->blocked_ns + total->cpu_ns <= total->total_ns);
	assert_true(total->sleeps >= (uint64_t)run->truth.sleeps);
}

static void check_site(struct run *run)
{
	struct region_site site = planted_site(&run->planted, run->report.longest.site);
	assert_string_equal(site.entry, "planted");
	assert_memory_equal(run->report.longest.name, "planted", sizeof("planted"));
	assert_int_equal(site.line, test_source_line(SOURCE, "/* SPAWNED */"));
}

static const struct symbols_answer *resolve(const struct planted *planted, const struct block_record *block)
{
	const uint64_t *r = block->regs;
	struct symbols_request request = {
		.pid = planted->pid,
		.kind = SYMBOLS_SAMPLE,
		.returns = block->syscall != SYSCALL_FAULT,
		.registers = { .rip = r[BLOCK_REG_IP],
			       .rsp = r[BLOCK_REG_SP],
			       .rbp = r[6],
			       .rbx = r[3],
			       .rdi = r[5],
			       .r12 = r[12],
			       .r13 = r[13],
			       .r14 = r[14],
			       .r15 = r[15] },
		.stack = block->stack,
		.stack_size = block->stack_size,
	};
	struct symbols *symbols = symbols_open(NULL);
	static struct symbols_answer answer;
	REQUIRE(symbols && !symbols_submit(symbols, &request));
	symbols_wait(symbols, 10000);
	REQUIRE(symbols_collect(symbols, &answer) == 1);
	symbols_close(symbols);
	return &answer;
}

/* The innermost frame that is the service's own. */
static struct symbols_frame locate(const struct planted *planted, const struct block_record *block)
{
	const struct symbols_answer *answer = resolve(planted, block);
	REQUIRE(symbols_location(answer));
	return *symbols_location(answer);
}

static void check_line(const struct run *run, const char *function, unsigned line)
{
	struct symbols_frame frame = locate(&run->planted, &run->report.longest);
	assert_string_equal(frame.function, function);
	assert_int_equal(frame.line, line);
}

static void check_all(struct run *run, const char *kind)
{
	char function[64], marker[64];
	snprintf(function, sizeof(function), "%s%s", strncmp(kind, "retried", 7) ? "plant_" : "", kind);
	snprintf(marker, sizeof(marker), "/* PLANTED %s */", kind);
	check_counts(run);
	check_site(run);
	assert_int_equal(run->report.longest.task, run->truth.task);
	check_line(run, function, test_source_line(SOURCE, marker));
}

/* `pid`: of the process that has woken the longest one; 0: none has. */
static void check_waker(const struct run *run, enum waker_kind kind, pid_t pid)
{
	const struct waker *waker = &run->report.longest.waker;
	print_message("woken by kind %u, process %u, thread %u, task %lu, \"%.*s\"\n", waker->kind, waker->pid,
		      waker->tid, (unsigned long)waker->task, BLOCK_NAME, waker->name);
	assert_int_equal(waker->kind, kind);
	if (!pid)
		return;
	assert_int_equal(waker->pid, pid);
	assert_true(waker->tid != 0);
	assert_int_equal(waker->task != 0, kind == WAKER_TASK);
}

static void check_planted(const char *kind, const char *path, int syscall)
{
	struct run run;
	run_planted(&run, kind, COUNT, path, syscall);
	check_all(&run, kind);
	end_run(&run);
}

/* ---- the tests ---- */

/* A task sleeps in nanosleep (glibc calls clock_nanosleep). No thread wakes it. */
TEST(nanosleep)
{
	struct run run;
	run_planted(&run, "nanosleep", COUNT, NULL, SYS_clock_nanosleep);
	check_all(&run, "nanosleep");
	check_waker(&run, WAKER_INTERRUPT, 0);
	end_run(&run);
}

/* A task reads a pipe that another thread fills later: that has woken it. */
TEST(pipe)
{
	struct run run;
	run_planted(&run, "pipe", COUNT, NULL, SYS_read);
	check_all(&run, "pipe");
	check_waker(&run, WAKER_THREAD, run.planted.pid);
	end_run(&run);
}

/* A task waits for another one to wake it: that one is named. */
TEST(woken)
{
	struct run run;
	run_planted(&run, "woken", COUNT, NULL, SYS_futex);
	check_all(&run, "woken");
	check_waker(&run, WAKER_TASK, run.planted.pid);
	assert_memory_equal(run.report.longest.waker.name, "waker", sizeof("waker"));
	assert_string_equal(planted_site(&run.planted, run.report.longest.waker.site).entry, "wake_often");
	assert_int_not_equal(run.report.longest.waker.task, run.truth.task);
	end_run(&run);
}

/* A task waits on a futex. */
TEST(futex)
{
	check_planted("futex", NULL, SYS_futex);
}

/* A task opens a FIFO that has no writer yet; the path is recorded with the block. */
TEST(fifo)
{
	char directory[] = "/tmp/sley-fifo-XXXXXX", path[64];
	struct run run;
	test_need_root();
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/fifo", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	run_planted(&run, "fifo", COUNT, path, SYS_openat);
	check_all(&run, "fifo");
	assert_int_equal(run.report.longest.memory_size, strlen(path) + 1);
	assert_string_equal((char *)run.report.longest.memory, path);
	end_run(&run);
	unlink(path);
	rmdir(directory);
}

/* A task calls fsync on a file system that takes 20 ms for it; the descriptor's file is recorded with the block. */
TEST(fsync)
{
	struct slowfs fs;
	struct stat st;
	struct run run;
	test_need_root();
	if (!slowfs_start(&fs, SLOW_US))
		test_skip("FUSE does not work here");
	run_planted(&run, "fsync", COUNT, fs.file, SYS_fsync);
	assert_int_equal(stat(fs.file, &st), 0);
	check_all(&run, "fsync");
	assert_true(run.report.longest.fd >= 0);
	assert_int_equal(run.report.longest.inode, st.st_ino);
	assert_int_equal(run.report.longest.device, st.st_dev);
	assert_int_equal(run.report.longest.fd_mode, st.st_mode);
	check_waker(&run, WAKER_PROCESS, fs.pid);
	end_run(&run);
	slowfs_stop(&fs);
}

/* A task touches pages of a mapped file that have to be read first, from a file system that takes 20 ms for each. */
TEST(fault)
{
	struct slowfs fs;
	struct run run;
	test_need_root();
	if (!slowfs_start(&fs, SLOW_US))
		test_skip("FUSE does not work here");
	run_planted(&run, "fault", COUNT, fs.file, SYSCALL_FAULT);
	check_all(&run, "fault");
	end_run(&run);
	slowfs_stop(&fs);
}

/*
 * A call is interrupted three times, and the kernel makes it again: that is one block, with its whole time. `by` is who
 * interrupts it.
 */
static void check_interrupted(const char *call, const char *by, int syscall)
{
	struct run run;
	run_planted(&run, call, COUNT, by, syscall);
	if (!run.truth.calls) {
		end_run(&run);
		test_skip("there is no io_uring here");
	}
	print_message("%s by %s: %ld calls, %ld sleeps; %" PRIu64 " seen\n", call, by, run.truth.blocks,
		      run.truth.sleeps, run.report.total.count);
	assert_true(run.truth.sleeps >= run.truth.blocks * 2); /* they were interrupted in their sleep */
	check_counts(&run);
	end_run(&run);
}

/* A signal whose handler has SA_RESTART. */
TEST(handler)
{
	check_interrupted("interrupted_read", "handler", SYS_read);
	check_interrupted("interrupted_futex", "handler", SYS_futex);
}

/* A signal that the process ignores: poll() goes on by restart_syscall. */
TEST(ignored)
{
	check_interrupted("interrupted_read", "ignored", SYS_read);
	check_interrupted("interrupted_futex", "ignored", SYS_futex);
	check_interrupted("interrupted_poll", "ignored", SYS_poll);
}

/* Work of io_uring, without any signal. */
TEST(work)
{
	check_interrupted("interrupted_read", "work", SYS_read);
	check_interrupted("interrupted_futex", "work", SYS_futex);
	check_interrupted("interrupted_poll", "work", SYS_poll);
}

/* A call that fails with EINTR, and that the service makes again, is another block. poll() fails whatever the handler wants. */
TEST(retried)
{
	check_planted("retried_read", "handler-once", SYS_read);
	check_planted("retried_poll", "handler", SYS_poll);
}

/* A hundred equal calls in a loop, nothing between them, are a hundred blocks. */
TEST(loop)
{
	struct run run;
	run_planted(&run, "nanosleep", "100", NULL, SYS_clock_nanosleep);
	assert_int_equal(run.truth.calls, 100);
	assert_true(run.truth.blocks > 90); /* a sleep whose time is over before it begins is no block */
	assert_int_equal(run.report.total.count, run.truth.blocks);
	end_run(&run);
}

/* One call that sleeps several times is one block: fsync on a disk, which waits for data, journal and flush in turn. */
TEST(several_sleeps)
{
	const char *path = test_build_path("fsync.tmp");
	struct run run;
	run_planted(&run, "fsync", "100", path, SYS_fsync);
	unlink(path);
	print_message("fsync: %ld calls, %ld sleeps, %" PRIu64 " seen\n", run.truth.blocks, run.truth.sleeps,
		      run.report.total.sleeps);
	if (run.truth.longest_sleeps < 2) {
		end_run(&run);
		test_skip("no fsync here sleeps more than once");
	}
	assert_int_equal(run.report.total.count, run.truth.blocks);
	assert_true(run.report.total.sleeps >= (uint64_t)run.truth.sleeps);
	end_run(&run);
}

/* A caller that is 9 KB above the call is found: no less than libc has there when it looks up a name. */
TEST(deep)
{
	const struct symbols_answer *answer;
	const struct symbols_frame *caller;
	struct run run;
	run_planted(&run, "deep", COUNT, NULL, SYS_clock_nanosleep);
	assert_true(run.report.longest.stack_size > 9600);
	answer = resolve(&run.planted, &run.report.longest);
	caller = &answer->frame[answer->location + 2];
	assert_true(answer->frames > (unsigned)answer->location + 2);
	assert_string_equal(caller->function, "plant_deep");
	assert_int_equal(caller->line, test_source_line(SOURCE, "/* PLANTED deep */"));
	end_run(&run);
}

/* A missing page ends the copy of the stack where it begins, and no earlier. */
TEST(hole)
{
	const struct block_record *longest;
	struct run run;
	run_planted(&run, "hole", COUNT, NULL, SYS_clock_nanosleep);
	longest = &run.report.longest;
	assert_int_equal((longest->regs[BLOCK_REG_SP] + longest->stack_size) % BLOCK_STACK_PAGE, 0);
	assert_in_range(longest->stack_size, 1, BLOCK_STACK_MAX - 1);
	check_line(&run, "plant_nanosleep", test_source_line(SOURCE, "/* PLANTED nanosleep */"));
	end_run(&run);
}

/* ---- moving the call ---- */

#define MOVED_LINES 37

/* A copy of the planted program's source with lines inserted at its start. */
static void write_moved(const char *path)
{
	FILE *from = fopen(test_source_path(SOURCE), "re"), *to = fopen(path, "we");
	int c;
	REQUIRE(from && to);
	for (int i = 0; i < MOVED_LINES; i++)
		fputc('\n', to);
	while ((c = getc(from)) != EOF)
		fputc(c, to);
	fclose(from);
	REQUIRE(fclose(to) == 0);
}

static void compile_moved(const char *source, const char *program)
{
	char include[PATH_MAX + 2], output[256];
	char *argv[] = {
		"cc",       "-std=gnu11", "-D_GNU_SOURCE", "-O2",          "-g",
		include,    "-o",         (char *)program, (char *)source, (char *)test_build_path("libsley.a"),
		"-pthread", NULL
	};
	snprintf(include, sizeof(include), "-I%s", test_source_path("include"));
	REQUIRE(test_run(argv, output, sizeof(output)) == 0);
}

/* The same program with the call on another line: the line that is named moves with it. */
TEST(moved_call)
{
	char directory[] = "/tmp/sley-moved-XXXXXX", source[64], program[64];
	char *argv[] = { program, "nanosleep", COUNT, NULL };
	struct run run = { .tracer = planted_tracer(NULL) };
	assert_non_null(mkdtemp(directory));
	snprintf(source, sizeof(source), "%s/moved.c", directory);
	snprintf(program, sizeof(program), "%s/moved", directory);
	write_moved(source);
	compile_moved(source, program);
	planted_start(&run.planted, argv);
	block(&run, SYS_clock_nanosleep);
	check_counts(&run);
	check_line(&run, "plant_nanosleep", test_source_line(SOURCE, "/* PLANTED nanosleep */") + MOVED_LINES);
	end_run(&run);
	unlink(source);
	unlink(program);
	rmdir(directory);
}
