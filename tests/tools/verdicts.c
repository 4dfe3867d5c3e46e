/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* System calls as a person would write them, and the sentences about those that block. */
#include <fcntl.h>
#include <glob.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "model/verdict.h"
#include "source/tracer_private.h"
#include "tests/test.h"
#include "view/view.h"

/* ---- system calls ---- */

static void expect_call(const struct block_record *r, const char *call)
{
	struct model_block b = { .syscall = r->syscall };
	struct text t = { 0 };
	for (unsigned i = 0; i < SYSCALL_ARGS; i++) {
		struct text arg = { 0 };
		if (!syscall_arg(&arg, r, i))
			break;
		b.args[b.arg_count++] = arg.data;
	}
	verdict_put_call(&t, &b);
	assert_string_equal(text_string(&t), call);
	for (unsigned i = 0; i < b.arg_count; i++)
		free(b.args[i]);
	text_free(&t);
}

static struct block_record record(int32_t syscall, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return (struct block_record){ .syscall = syscall, .args = { a, b, c, d } };
}

static void keep(struct block_record *r, const void *memory, size_t n)
{
	memcpy(r->memory, memory, n);
	r->memory_size = (uint16_t)n;
}

/* Arguments read as a person would write them. */
static void test_decoding(void **state)
{
	struct block_record r = record(SYS_fsync, 7, 0, 0, 0);
	struct timespec time = { 1, 500000000 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x7f000001) };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	struct pollfd fds[2] = { { 3, POLLIN, 0 }, { 4, POLLIN | POLLOUT, 0 } };
	expect_call(&r, "fsync(7)");
	r = record(SYS_read, 3, 0x7f00, 512, 0);
	expect_call(&r, "read(3, 0x7f00, 512)");
	r = record(SYS_nanosleep, 0x7f00, 0, 0, 0);
	expect_call(&r, "nanosleep(0x7f00, NULL)");
	keep(&r, &time, sizeof(time));
	expect_call(&r, "nanosleep({1.5 s}, NULL)");
	r = record(SYS_openat, (uint64_t)AT_FDCWD, 0x1000, O_WRONLY | O_CREAT | O_APPEND, 0644);
	keep(&r, "/var/log/x", 11);
	expect_call(&r, "openat(AT_FDCWD, \"/var/log/x\", O_WRONLY|O_CREAT|O_APPEND, 0644)");
	keep(&r, "/var/log/x", 4);
	expect_call(&r, "openat(AT_FDCWD, \"/var\"..., O_WRONLY|O_CREAT|O_APPEND, 0644)");
	r = record(SYS_connect, 5, 0x1000, sizeof(in), 0);
	keep(&r, &in, sizeof(in));
	expect_call(&r, "connect(5, 127.0.0.1:80, 16)");
	keep(&r, &un, 20);
	expect_call(&r, "connect(5, unix:/run/x, 16)");
	r = record(SYS_futex, 0x1000, FUTEX_WAIT_PRIVATE, 2, 0);
	expect_call(&r, "futex(0x1000, FUTEX_WAIT_PRIVATE, 2, NULL, NULL)");
	r = record(SYS_flock, 4, 2, 0, 0);
	expect_call(&r, "flock(4, LOCK_EX)");
	r = record(SYS_poll, 0x1000, 2, 0xffffffff, 0);
	keep(&r, fds, sizeof(fds));
	expect_call(&r, "poll([3 POLLIN, 4 POLLIN|POLLOUT], 2, -1)");
	r = record(SYS_clock_nanosleep, 1, 1, 0x1000, 0);
	keep(&r, &time, sizeof(time));
	expect_call(&r, "clock_nanosleep(CLOCK_MONOTONIC, 1, {1.5 s}, NULL)");
	r = record(SYSCALL_FAULT, 0, 0, 0, 0);
	expect_call(&r, "page fault");
	r = record(SYSCALL_COMPUTING, 0, 0, 0, 0);
	expect_call(&r, "computing");
	r = record(4000, 1, 2, 3, 4);
	expect_call(&r, "syscall 4000(1, 2, 3, 4, 0, 0)");
}

/* Sizes and times that a process may have made up are not taken for what they are not. */
static void test_decoding_nonsense(void **state)
{
	struct block_record r = record(SYS_nanosleep, 0x1000, 0, 0, 0);
	struct timespec time = { 1, -1 };
	keep(&r, &time, sizeof(time));
	expect_call(&r, "nanosleep(0x1000, NULL)");
	r.memory_size = 3;
	expect_call(&r, "nanosleep(0x1000, NULL)");
	r = record(SYS_openat, 3, 0x1000, 0, 0);
	memset(r.memory, 'x', sizeof(r.memory));
	r.memory_size = UINT16_MAX;
	r.args[2] = UINT64_MAX;
	r.syscall = SYS_connect;
	r.memory[0] = AF_INET6;
	r.memory[1] = 0;
	r.memory_size = 4;
	expect_call(&r, "connect(3, 0x1000, -1)");
	r = record(-77, 0, 0, 0, 0);
	expect_call(&r, "syscall -77(0, 0, 0, 0, 0, 0)");
}

/* The kernel side and the decoder agree on which argument's memory is kept, or a path would be read as a time. */
static void test_kept_arguments(void **state)
{
	uint8_t codes[POINTER_ARG_CALLS] = { 0 };
	unsigned both = 0;
	tracer_fill_pointer_args(codes);
	for (int call = 0; call < POINTER_ARG_CALLS; call++) {
		char name[SYSCALL_NAME_MAX];
		if (codes[call] == 0 || syscall_kept(call) < 0)
			continue;
		both++;
		if (syscall_kept(call) != POINTER_ARG_INDEX(codes[call]))
			fail_msg("%s: argument %d is decoded, %d is kept", syscall_name(call, name), syscall_kept(call),
				 POINTER_ARG_INDEX(codes[call]));
	}
	assert_true(both > 20);
}

/* ---- verdicts ---- */

static struct region_site sites[] = {
	{ .file = "(more)" },
	{ .line = 120, .file = "/src/httpd.c", .function = "accept_loop", .entry = "serve" },
};

static char *verdict(const struct model_blocker *b)
{
	const struct model m = { .sites = sites, .site_count = 2 };
	struct text t = { 0 };
	verdict_put(&t, &m, b);
	return t.data;
}

static struct model_blocker blocker(int32_t syscall)
{
	struct model_blocker b = { .site = 1, .syscall = syscall };
	b.longest = (struct model_block){
		.task = 16777218, .name = "conn", .worker = 1, .syscall = syscall, .resolved = true
	};
	strcpy(b.longest.place.text, "append_line at httpd.c:88");
	b.total = (struct block_total){ .count = 1, .total_ns = 21300000, .max_ns = 21300000 };
	return b;
}

/* Everything that the person on call needs is in the sentence. */
static void test_verdict(void **state)
{
	struct model_blocker b = blocker(SYS_fsync);
	char *text;
	b.longest.args[0] = "7";
	b.longest.arg_count = 1;
	b.longest.target = "/srv/httpd.log";
	b.longest.fd_mode = S_IFREG;
	b.total.count = 212;
	b.total.total_ns = 2410000000;
	b.total.delayed_tasks = 1337;
	b.total.delayed_ns = 12900000000;
	text = verdict(&b);
	assert_string_equal(
		text,
		"task 16777218 \"conn\" (spawned at httpd.c:120 by accept_loop) blocked worker 1 for 21.3ms in "
		"fsync(7</srv/httpd.log>), called in append_line at httpd.c:88; its site's tasks did this 212 times for 2.41s in "
		"all; 1337 ready tasks waited 12.90s behind it; sley_fsync() would have parked the task instead of the thread.");
	free(text);
}

static void expect_in_verdict(const struct model_blocker *b, const char *part)
{
	char *text = verdict(b);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, text);
	free(text);
}

/* Blocks under way, closed files, CPU shortage, unknown places and sites read as what they are. */
static void test_verdict_cases(void **state)
{
	struct model_blocker b = blocker(SYS_read);
	b.longest.args[0] = "7";
	b.longest.arg_count = 1;
	b.longest.target = "(closed)";
	expect_in_verdict(&b, "read(7<(closed)>)");
	b.longest.target_was = "/var/x";
	expect_in_verdict(&b, "read(7<(closed), was /var/x>)");
	b.total.cpu_ns = 15000000;
	expect_in_verdict(&b, "without a free CPU, so look at the machine's load first");
	b.total.cpu_ns = 4000000;
	expect_in_verdict(&b, "4.0ms of it waiting for a CPU");
	b.in_progress = 1;
	b.in_progress_ns = 90000000000;
	expect_in_verdict(&b, "is blocking worker 1 for 1m30s so far in read(");
	expect_in_verdict(&b, "did this 2 times");
	b.in_progress_delayed_tasks = 1;
	b.in_progress_delayed_ns = 5000000;
	expect_in_verdict(&b, "1 ready task waited 5.0ms behind it");
	b.longest.began_before = true;
	expect_in_verdict(&b, "is blocking worker 1 for at least 1m30s so far in read(");
	b.in_progress_ns = 0;
	expect_in_verdict(&b, "blocked worker 1 for at least 21.3ms in read(");
	b.longest.began_before = false;
	b.longest.place.text[0] = '\0';
	expect_in_verdict(&b, "called from a place that could not be found out");
	b.longest.lookup = true;
	expect_in_verdict(&b, "; sley_resolve() would have parked the task instead of the thread.");
	b.longest.frameless = true;
	expect_in_verdict(&b, ", called in a function that left no frame (its last act was a call);");
	strcpy(b.longest.runtime, "sley_dump");
	expect_in_verdict(&b, "; sley made the call for the service, in sley_dump(): look at what it was given there");
	b.longest.syscall = SYS_futex;
	strcpy(b.longest.runtime, "lock_slow");
	expect_in_verdict(&b, "sley itself waited there, in lock_slow(): nothing in the service to change.");
	b.site = 77;
	expect_in_verdict(&b, "spawned at ?");
	b.longest = (struct model_block){ .syscall = SYS_read };
	expect_in_verdict(&b, "a task running ? (spawned at ?)");
}

static void expect_headline(const struct model_blocker *rows, uint32_t count, const char *begin)
{
	struct model m = { .sites = sites, .site_count = 2, .watched_ns = 2000000000, .blocker_count = count };
	struct view v = { 0 };
	m.blockers = (struct model_blocker *)rows;
	view_summary(&v, &m, 0);
	assert_true(v.count >= 2);
	assert_string_equal(v.lines[1].text, begin);
	view_free(&v);
}

/* Long computing is no call, its line is where it was seen, and the headline counts it beside the calls. */
static void test_verdict_hog(void **state)
{
	struct model_blocker rows[] = { blocker(SYSCALL_COMPUTING), blocker(SYS_fsync) };
	struct model_blocker *b = &rows[0];
	char *text;
	strcpy(b->longest.runtime, "sley_now"); /* in which it was just then */
	b->total.delayed_tasks = 1;
	b->total.delayed_ns = 12900000;
	text = verdict(b);
	assert_string_equal(
		text, "task 16777218 \"conn\" (spawned at httpd.c:120 by accept_loop) kept worker 1 for 21.3ms by "
		      "computing, seen in append_line at httpd.c:88; 1 ready task waited 12.9ms behind it; "
		      "sley_yield() now and then in its loop, or sley_offload() for all of it, would have let "
		      "other tasks run.");
	free(text);
	expect_headline(rows, 1,
			"in 2.00s 1 kind of long computing, worst: up to 21.3ms (ready tasks waited 12.9ms) computing, "
			"seen in append_line at httpd.c:88");
	expect_headline(rows, 2,
			"in 2.00s 1 kind of blocking call and 1 of long computing, worst: up to 21.3ms (ready tasks "
			"waited 12.9ms) computing, seen in append_line at httpd.c:88");
	b->in_progress = 1;
	b->in_progress_ns = 90000000;
	expect_in_verdict(b, "is keeping worker 1 for 90.0ms so far by computing");
}

/* What became of the tasks behind the block, and why: each case in its words. */
static void test_verdict_handover(void **state)
{
	static const struct {
		enum handover handover;
		unsigned tasks, still;
		const char *part;
	} rows[] = {
		{ HANDOVER_DONE, 0, 0, "; worker 7 took over after 16.0us, and nobody waited; sley_" },
		{ HANDOVER_DONE, 3, 0,
		  "; worker 7 took over after 16.0us; 3 ready tasks waited 3.1ms behind it; sley_" },
		{ HANDOVER_OTHERS, 3, 0, "; workers that were running took tasks from it; 3 " },
		{ HANDOVER_NEEDLESS, 0, 0, "; no ready task had to wait behind it; sley_" },
		{ HANDOVER_PINNED, 3, 0,
		  "; no other worker could take over: the tasks behind it are pinned to this one; 3 " },
		{ HANDOVER_OFF, 3, 0,
		  "; no worker took over: the process does not look for blocks (option assist is off); 3 " },
		{ HANDOVER_FULL, 3, 0, "; no worker took over: all 258 threads were in use: raise max_threads; 3 " },
		{ HANDOVER_UNNOTICED, 3, 0, "; no worker took over: it was over before it was noticed; 3 " },
		{ HANDOVER_UNNOTICED, 3, 1, "; no worker has taken over yet; 3 " },
		{ HANDOVER_NONE, 3, 0, "; no worker took over in time; 3 " },
		{ HANDOVER_NONE, 3, 1, "; no worker has taken over yet; 3 " },
		{ HANDOVER_UNKNOWN, 3, 0, "append_line at httpd.c:88; 3 ready tasks waited" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model_blocker b = blocker(SYS_fsync);
		b.longest.handover = rows[i].handover;
		b.longest.handed_to = 7;
		b.longest.handed_after_ns = 16000;
		b.longest.threads = 258;
		b.total.delayed_tasks = rows[i].tasks;
		b.total.delayed_ns = rows[i].tasks ? 3100000 : 0;
		if (rows[i].still) {
			b.in_progress = 1;
			b.in_progress_ns = 90000000000;
		}
		expect_in_verdict(&b, rows[i].part);
	}
	struct model_blocker b = blocker(SYS_fsync);
	b.longest.handover = HANDOVER_DONE;
	b.longest.handed_to = 7;
	b.longest.handed_after_ns = 16000;
	b.total.count = 20;
	b.total.handed = 18;
	expect_in_verdict(&b, "; worker 7 took over after 16.0us (one did in 18 of the 20), and nobody waited; ");
	b.total.handed = 20;
	expect_in_verdict(&b, "; worker 7 took over after 16.0us (one did each time), and nobody waited; ");
	b.longest.began_before = true;
	b.longest.handed_after_ns = 0; /* it had taken over when asynctop attached */
	expect_in_verdict(&b, "; worker 7 took over (one did each time), and nobody waited; ");
	b.total.handed = 18;
	b.longest.handover = HANDOVER_UNNOTICED;
	expect_in_verdict(&b,
			  "; no worker took over: it was over before it was noticed; at 18 of the others one did; ");
}

/* A thread that has ended the block is named; what is no thread says nothing that the call does not. */
TEST(wakers)
{
	static const struct {
		struct model_waker waker;
		bool still;
		const char *part;
	} rows[] = {
		{ { WAKER_TASK, 16777223, 2, 4321, 4322, "conn-14" },
		  false,
		  "append_line at httpd.c:88, until task 16777223 \"conn-14\" (spawned at tick.c:7" },
		{ { WAKER_THREAD, 0, 0, 4321, 4330, "pool" },
		  false,
		  "httpd.c:88, until thread 4330 \"pool\" of the process, in no task, woke it; " },
		{ { WAKER_PROCESS, 0, 0, 45, 46, "disk" }, false, "httpd.c:88, until process 45 \"disk\" woke it; " },
		{ { WAKER_PROCESS, 0, 0, 45, 46, "disk" }, true, "httpd.c:88; " },
		{ { WAKER_KERNEL, 0, 0, 9, 9, "kworker/0:1" }, false, "httpd.c:88; " },
		{ { .kind = WAKER_INTERRUPT }, false, "httpd.c:88; " },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model_blocker b = blocker(SYS_fsync);
		b.longest.waker = rows[i].waker;
		if (rows[i].still) {
			b.in_progress = 1;
			b.in_progress_ns = 90000000000;
		}
		expect_in_verdict(&b, rows[i].part);
	}
}

static void expect_worker(const struct model_worker *w, const char *sentence)
{
	const struct model m = { .sites = sites, .site_count = 2 };
	struct text t = { 0 };
	assert_int_equal(verdict_put_worker(&t, &m, w), sentence != NULL);
	assert_string_equal(text_string(&t), sentence ? sentence : "");
	text_free(&t);
}

/* Of a worker whose thread is stopped it is said by whom, in which task, and how it goes on; of another one nothing. */
static void test_verdict_stopped(void **state)
{
	struct model_worker w = { .line = { .index = 3, .mode = SLEY_WORKER_TASK, .task = 16777218, .site = 1 },
				  .task_name = "conn" };
	expect_worker(&w, NULL);
	w.stop = STOP_SIGNAL;
	expect_worker(
		&w, "a signal has stopped the thread of worker 3, in task 16777218 \"conn\" (spawned at httpd.c:120 by "
		    "accept_loop); that is no block, and no other worker takes over: SIGCONT lets it go on.");
	w.line.queue = 2;
	w.stop = STOP_DEBUGGER;
	expect_worker(
		&w, "a debugger holds the thread of worker 3, in task 16777218 \"conn\" (spawned at httpd.c:120 by "
		    "accept_loop); 2 tasks are behind it; that is no block, and no other worker takes over: it goes on "
		    "when the debugger lets it.");
	w.line = (struct sley_region_worker){ .index = 0, .mode = SLEY_WORKER_IDLE };
	w.stop = STOP_FREEZER;
	expect_worker(
		&w,
		"the thread of worker 0 is frozen with its cgroup; that is no block, and no other worker takes over: "
		"it goes on when that is thawed.");
	w.stop = STOP_SOMEBODY;
	expect_worker(
		&w, "a signal or a debugger has stopped the thread of worker 0; that is no block, and no other worker "
		    "takes over: SIGCONT or the debugger lets it go on.");
}

/* Tasks that no other worker can run, as one keeps what they need, are told with that one, how many and how long. */
static void test_verdict_kept(void **state)
{
	struct model_worker w = { .line = { .index = 3, .mode = SLEY_WORKER_TASK, .task = 16777218, .site = 1 },
				  .task_name = "conn",
				  .in_task_ns = 1200000000,
				  .stack = { .waiters = 2, .first = 16777220, .longest_ns = 1100000000 } };
	expect_worker(
		&w,
		"task 16777218 \"conn\" (spawned at httpd.c:120 by accept_loop) has kept worker 3 for at least 1.20s, "
		"and no other worker can run what waits for it; 2 tasks on the same stack wait for it, task 16777220 "
		"for 1.10s: give it a private stack.");
	w.stack.waiters = 0;
	w.own = (struct model_kept){ .waiters = 1, .first = 16777221, .longest_ns = MODEL_UNKNOWN };
	expect_worker(
		&w,
		"task 16777218 \"conn\" (spawned at httpd.c:120 by accept_loop) has kept worker 3 for at least 1.20s, "
		"and no other worker can run what waits for it; 1 task pinned to that worker waits for it: do not pin "
		"them.");
	w.in_task_ns = 1000000;
	expect_worker(&w, NULL);
}

/* A task finds who keeps its stack or its thread; one that waits for something else, or for an idle worker, does not. */
static void test_holder(void **state)
{
	struct model_worker workers[2] = {
		{ .line = { .index = 0, .mode = SLEY_WORKER_TASK, .task = 7, .stack_top = 0x1000 } },
		{ .line = { .index = 1, .mode = SLEY_WORKER_IDLE, .stack_top = 0x2000 } }
	};
	struct model m = { .workers = workers, .worker_count = 2, .time_ns = 5000 };
	struct sley_region_task t = { .id = 9, .state = SLEY_TASK_SLOT, .wait_object = 0x1000, .since_ns = 1000 };
	int64_t longest;
	assert_ptr_equal(model_holder(&m, &t), &workers[0]);
	model_add_kept(&m, &t);
	t.id = 10;
	t.since_ns = 3000;
	model_add_kept(&m, &t);
	assert_int_equal(workers[0].stack.waiters, 2);
	assert_int_equal(workers[0].stack.first, 9);
	t.wait_object = 0x2000;
	assert_null(model_holder(&m, &t));
	t.wait_object = 0;
	assert_null(model_holder(&m, &t));
	t.state = SLEY_TASK_READY;
	assert_null(model_holder(&m, &t));
	t.worker = SLEY_TASK_PINNED;
	assert_ptr_equal(model_holder(&m, &t), &workers[0]);
	t.since_ns = 500;
	model_add_kept(&m, &t);
	assert_int_equal(worker_kept(&workers[0], &longest), 3);
	assert_int_equal(longest, 4500);
	t.worker = SLEY_TASK_PINNED | 1;
	assert_null(model_holder(&m, &t));
	t.worker = UINT16_MAX;
	assert_null(model_holder(&m, &t));
}

/* Each kind of call gets the sley call that would not have blocked; those for which there is none, the pool. */
static void test_remedies(void **state)
{
	static const struct {
		int32_t syscall;
		uint16_t mode;
		const char *remedy;
	} rows[] = {
		{ SYS_read, S_IFIFO, "sley_read()" },
		{ SYS_read, S_IFREG, "sley_pread()" },
		{ SYS_recvfrom, S_IFSOCK, "sley_read()" },
		{ SYS_write, S_IFSOCK, "sley_write()" },
		{ SYS_write, S_IFREG, "sley_pwrite()" },
		{ SYS_sendmsg, S_IFSOCK, "sley_write()" },
		{ SYS_accept4, S_IFSOCK, "sley_accept()" },
		{ SYS_connect, S_IFSOCK, "sley_dial()" },
		{ SYS_nanosleep, 0, "sley_sleep()" },
		{ SYS_clock_nanosleep, 0, "sley_sleep()" },
		{ SYS_poll, 0, "sley_poll()" },
		{ SYS_epoll_wait, 0, "sley_poll()" },
		{ SYS_futex, 0, "sley_mutex_lock()" },
		{ SYS_wait4, 0, "pidfd" },
		{ SYS_flock, S_IFREG, "LOCK_NB" },
		{ SYS_openat, 0, "sley_open()" },
		{ SYS_fsync, S_IFREG, "sley_fsync()" },
		{ SYS_unlinkat, 0, "sley_unlink()" },
		{ SYS_sched_yield, 0, "sley_yield()" },
		{ SYSCALL_FAULT, 0, "MADV_POPULATE_READ" },
		{ SYSCALL_COMPUTING, 0, "sley_yield()" },
		{ 4000, 0, "sley_offload()" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct model_block b = { .syscall = rows[i].syscall, .fd_mode = rows[i].mode };
		struct text t = { 0 };
		verdict_put_remedy(&t, &b);
		if (t.data == NULL || strstr(t.data, rows[i].remedy) == NULL)
			fail_msg("system call %d: %s", rows[i].syscall, text_string(&t));
		text_free(&t);
	}
}

/* All public headers, one after the other. */
static const char *headers(void)
{
	static char text[1 << 19];
	size_t used = 0;
	glob_t found;
	assert_int_equal(glob(test_source_path("include/sley/*.h"), 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "r");
		assert_non_null(file);
		used += fread(text + used, 1, sizeof(text) - 1 - used, file);
		fclose(file);
	}
	globfree(&found);
	assert_true(used < sizeof(text) - 1);
	return text;
}

/* Every sley_* call that a remedy names is declared: a verdict never sends anybody after a call there is not. */
static void test_remedies_name_real_calls(void **state)
{
	const char *header = headers();
	unsigned names = 0;
	for (int call = SYSCALL_COMPUTING; call < 460; call++) {
		const struct model_block b = { .syscall = call };
		struct text t = { 0 };
		char *at;
		verdict_put_remedy(&t, &b);
		for (at = t.data; (at = strstr(at, "sley_")) != NULL; at++) {
			size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz_") + 1;
			char name[64];
			snprintf(name, n + 1 < sizeof(name) ? n + 1 : sizeof(name), "%s", at);
			if (strstr(header, name) == NULL)
				fail_msg("%s is in no header", name);
			names++;
		}
		text_free(&t);
	}
	assert_true(names > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoding),         cmocka_unit_test(test_decoding_nonsense),
		cmocka_unit_test(test_kept_arguments),   cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_verdict_cases),    cmocka_unit_test(test_verdict_hog),
		cmocka_unit_test(test_verdict_handover), cmocka_unit_test(test_verdict_stopped),
		cmocka_unit_test(test_verdict_kept),     cmocka_unit_test(test_holder),
		cmocka_unit_test(test_remedies),         cmocka_unit_test(test_remedies_name_real_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
