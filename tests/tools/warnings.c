/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Warnings: the sentences, and what asynctop says of a service with planted faults, and of one without. */
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/warning.h"
#include "session/trends.h"
#include "tests/test.h"
#include "tool.h"

#define PATIENCE_NS 60000000000
#define LONGEST_NS  500000000 /* two of the three tasks that share a lock wait: a second together is a fault */

/* ---- sentences ---- */

static struct region_site sites[] = {
	{ .file = "(more)" },
	{ .line = 120, .file = "/src/httpd.c", .function = "accept_loop", .entry = "serve" },
};

#define S 1000000000LL

static struct model_link waiter(void)
{
	struct model_link l = { .task = 65,
				.name = "conn",
				.site = 1,
				.worker = UINT32_MAX,
				.state = SLEY_TASK_WAITING,
				.wait_kind = SLEY_WAIT_MUTEX,
				.wait_object = 0x7f00,
				.in_state_ns = 3 * S };
	strcpy(l.place.text, "serve at httpd.c:88");
	return l;
}

static void expect_sentence(const struct model_warning *w, struct model_worker *worker, const char *sentence)
{
	const struct model m = { .sites = sites, .site_count = 2, .workers = worker, .worker_count = worker ? 1 : 0 };
	struct text t = { 0 };
	warning_put(&t, &m, w);
	assert_string_equal(text_string(&t), sentence);
	text_free(&t);
}

#define CONVOY \
	"12 tasks wait for mutex 0x7f00, 30.00s together; the first, task 65 \"conn\" (spawned at httpd.c:120 by " \
	"accept_loop), for 3.00s, called in serve at httpd.c:88. "
#define HOLDER "Its holder is task 66 \"flush\" (spawned at httpd.c:120 by accept_loop) "

/* What the holder of a lock does is told, whatever that is, and what to do about it. */
static void test_lock_sentences(void **state)
{
	struct model_link links[] = { waiter(), waiter(), waiter() };
	struct model_warning w = { .kind = WARNING_LOCK,
				   .wait_kind = SLEY_WAIT_MUTEX,
				   .object = 0x7f00,
				   .tasks = 12,
				   .longest_ns = 3 * S,
				   .sum_ns = 30 * S,
				   .links = links,
				   .link_count = 2 };
	struct model_worker worker = { .line = { .mode = SLEY_WORKER_TASK, .task = 66, .dispatches = 1 },
				       .in_task_ns = 2 * S,
				       .blocked_ns = MODEL_UNKNOWN };
	links[1].task = 66;
	strcpy(links[1].name, "flush");
	links[1].wait_kind = SLEY_WAIT_SLEEP;
	expect_sentence(&w, NULL,
			CONVOY HOLDER
			"and sleeps for 3.00s, called in serve at httpd.c:88. Unlock it before that call.");
	links[1].wait_kind = SLEY_WAIT_MUTEX;
	links[1].wait_object = 0x8000;
	links[2].state = SLEY_TASK_READY;
	links[2].task = 67;
	w.link_count = 3;
	expect_sentence(
		&w, NULL,
		CONVOY HOLDER
		"and waits for mutex 0x8000 for 3.00s, called in serve at httpd.c:88; at the end of that chain task 67 "
		"\"conn\" (spawned at httpd.c:120 by accept_loop) is ready. Unlock it before that call.");
	w.link_count = 2;
	links[1].state = SLEY_TASK_READY;
	expect_sentence(&w, NULL,
			CONVOY HOLDER
			"and is ready to run for 3.00s, but no worker runs it. Look at what keeps the workers.");
	links[1].state = SLEY_TASK_RUNNING;
	links[1].worker = 0;
	expect_sentence(&w, &worker,
			CONVOY HOLDER "and computes for at least 2.00s. Compute before you lock it, or split what it "
				      "protects.");
	worker.blocked_ns = 2 * S;
	worker.syscall = SYS_fsync;
	expect_sentence(&w, &worker,
			CONVOY HOLDER "and blocks its thread in fsync for at least 2.00s. Unlock it before that call.");
	links[1].state = SLEY_TASK_FREE;
	expect_sentence(&w, NULL,
			CONVOY
			"Task 66 has ended without unlocking it, so they wait for ever. Unlock it on every way out of "
			"that task; libsley-debug names the line that locked it.");
	links[1].task = (uint64_t)1 << SLEY_TASK_INDEX_BITS;
	expect_sentence(
		&w, NULL,
		CONVOY
		"Its holder is a thread that is no worker. Look with gdb at what that thread does, and let it hold "
		"the lock for a shorter time.");
	w.link_count = 1;
	expect_sentence(&w, NULL,
			CONVOY
			"It goes from one to the next more slowly than they come. Hold it for a shorter time, or split "
			"what it protects.");
}

/* A deadlock's sentence goes round the circle. */
static void test_deadlock_sentences(void **state)
{
	struct model_link links[] = { waiter(), waiter() };
	struct model_warning w = { .kind = WARNING_DEADLOCK,
				   .wait_kind = SLEY_WAIT_MUTEX,
				   .object = 0x7f00,
				   .tasks = 5,
				   .longest_ns = 3 * S,
				   .sum_ns = 15 * S,
				   .links = links,
				   .link_count = 2 };
	links[1].task = 66;
	links[1].wait_object = 0x8000;
	expect_sentence(
		&w, NULL,
		"2 tasks wait for each other, none of them can go on, and 3 more wait for them: task 65 \"conn\" (spawned at "
		"httpd.c:120 by accept_loop) waits for mutex 0x7f00 for 3.00s, called in serve at httpd.c:88, which task 66 "
		"holds; task 66 \"conn\" (spawned at httpd.c:120 by accept_loop) waits for mutex 0x8000 for 3.00s, called in "
		"serve at httpd.c:88, which task 65 holds. Take these locks in the same order everywhere, or give the waits "
		"deadlines.");
}

/* ---- comparisons with ticks before ---- */

#define TICK (S / 2)

/* The warnings of that kind after the next tick. */
static uint32_t warnings_at_tick(struct trends *t, struct model *m, enum warning kind)
{
	uint32_t n = 0;
	m->time_ns += TICK;
	trends_read(t, m);
	for (uint32_t i = 0; i < m->warning_count; i++)
		n += m->warnings[i].kind == kind;
	free(m->warnings);
	m->warnings = NULL;
	m->warning_count = 0;
	return n;
}

/* Whether tasks of a site that yield and wait so often in a tick are called pollers, in the end. */
static bool is_called_poller(uint64_t tasks, uint64_t yields, uint64_t waits)
{
	struct region_site two[] = { sites[0], sites[1] };
	struct model_yield yield = { .site = 1, .pc = 0x1000, .tasks = tasks };
	struct model m = {
		.time_ns = S, .sites = two, .site_count = 2, .yields = &yield, .yield_count = 1, .target = 2
	};
	struct trends *t = trends_new();
	uint32_t found = 0;
	for (int i = 0; i < 4; i++) {
		two[1].yields += yields;
		two[1].waits += waits;
		found = warnings_at_tick(t, &m, WARNING_SELF_WAKE);
		if (i < 2 && found)
			fail_msg("a poller after %d ticks", i);
	}
	trends_free(t);
	return found > 0;
}

/* Tasks that yield all the time are pollers, not those that compute in between, wait as often, or share the workers. */
static void test_self_wakes(void **state)
{
	assert_true(is_called_poller(1, 1000000, 0));
	assert_true(is_called_poller(1, 10001, 10000));
	assert_false(is_called_poller(1, 10001, 10001));
	assert_false(is_called_poller(1, 9000, 0));
	assert_true(is_called_poller(100, 20000, 0));
	assert_false(is_called_poller(100, 19000, 0));
	assert_false(is_called_poller(0, 1000000, 0));
}

/* Whether a place is said to grow at the last of these ticks. */
static bool is_called_growth(const unsigned *waiting, unsigned ticks)
{
	struct model_yield yield = { .site = 1, .kind = SLEY_WAIT_RECV, .pc = 0x1000 };
	struct model m = { .time_ns = S, .times_since_ns = MODEL_UNKNOWN, .yields = &yield, .yield_count = 1 };
	struct trends *t = trends_new();
	uint32_t found = 0;
	for (unsigned i = 0; i < ticks; i++) {
		yield.waiting = waiting[i];
		found = warnings_at_tick(t, &m, WARNING_GROWTH);
	}
	trends_free(t);
	return found > 0;
}

#define GROWS(...) \
	is_called_growth((const unsigned[]){ __VA_ARGS__ }, sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))

/* A place grows where more wait at one tick after another, for some seconds; not where some have gone on, or it is over. */
static void test_growth(void **state)
{
	assert_true(GROWS(100, 110, 120, 130, 140, 150, 160));
	assert_true(GROWS(100, 100, 200, 200, 300, 300, 400));
	assert_false(GROWS(100, 110, 120, 130, 140, 150));
	assert_false(GROWS(100, 100, 100, 100, 100, 100, 200));
	assert_false(GROWS(100, 110, 120, 130, 140, 139, 160));
	assert_false(GROWS(1000, 1010, 1020, 1030, 1040, 1050, 1060));
	assert_false(GROWS(10, 20, 30, 40, 50, 60, 70, 80, 90));
	assert_false(GROWS(100, 200, 300, 400, 400, 400, 400, 400, 400, 400, 400));
}

/* ---- services ---- */

#define FAULTS   24
#define PATTERNS 8

/* A service with these faults, and sentences that a report has of it at last. */
struct expectation {
	const char *faults[FAULTS];
	/*
	 * Each is a pattern for fnmatch() within one sentence, with quotes as in JSON. {NAME.0} is the first number that the
	 * service says of that fault, and {:TEXT} the line that is marked with the text.
	 */
	const char *sentences[PATTERNS];
};

/* The holder of a lock is named, with what it does and at which line: it waits, blocks its thread, has ended, or is unknown. */
static const struct expectation locks = {
	{ "convoy", "rwlock", "readers", "ended" },
	{ "20 tasks wait for mutex 0x*called in convoy_waiter at *:{:waits for the mutex}. Its holder is task {convoy.0} "
	  "\\\"flusher\\\" (spawned at warnings.planted.c:* by convoy) and sleeps for *, called in convoy_holder at "
	  "*:{:with the mutex}. Unlock",
	  "20 tasks wait for rwlock 0x*. Its holder is task {rwlock.0} \\\"writer\\\" (spawned at *) and blocks its thread in "
	  "read(*called in rwlock_writer at *:{:with the rwlock}. Unlock it before that call; sley_read() would",
	  "1 task waits for rwlock 0x*1 reader holds it; it does not know which",
	  "2 tasks wait for mutex 0x*Task {ended.0} has ended without unlocking it" },
};

#define ORDER(one, other) \
	"2 tasks wait for each other, none of them can go on, and 3 more wait for them*: *task {order." one "} " \
	"\\\"order_task\\\" (spawned at *) waits for mutex 0x* for *, called in order_task at *:{:the other mutex}, which " \
	"task {order." other "} holds*. Take these locks in the same order"

/* Tasks that wait for each other are named, each with its line, and those behind them are counted. */
static const struct expectation deadlocks = {
	{ "order", "join" },
	{ ORDER("0", "1"), ORDER("1", "0"),
	  "2 tasks wait for each other, none of them can go on: *task {join.0} \\\"join_parent\\\" (spawned at *) waits for "
	  "the end of task {join.1} for *, called in join_parent at *:{:joins with the mutex}*. Unlock before you join" },
};

/* The receiver of a full channel is named, with what it does; it may have ended, or there is none. */
static const struct expectation channels = {
	{ "full", "unread", "gone" },
	{ "20 tasks wait to send to channel 0x*, which is full (4 items); the first, task * for *, called in send_one at "
	  "*:{:sends}. Its receiver is task {full.0} \\\"receiver\\\" (spawned at *) and sleeps for *, called in full_receiver "
	  "at *:{:in place of receiving}. Let it receive",
	  "1 task waits to send to channel 0x*, called in send_one at *:{:sends}. No task is known to receive from it. Start",
	  "1 task waits to send to channel 0x*Task {gone.0}, which received from it, has ended. Close" },
};

#define BOTH(one, other) \
	"2 tasks wait for each other, *task {both." one \
	"} \\\"both_task\\\" (spawned at *) waits to send to channel 0x* " \
	"for *, called in send_one at *:{:sends}, the other side of which is task {both." other \
	"}*. Let one of them use both"

/* Deadlocks through channels: with a lock held by the sender, or the receiver, and without locks. */
static const struct expectation channel_deadlocks = {
	{ "locked", "answer", "both" },
	{ "2 tasks wait for each other, none of them can go on unless another one uses the channel: *task {locked.0} "
	  "\\\"locked_sender\\\" (spawned at *) waits to send to channel 0x* for *, called in send_one at *:{:sends}, the "
	  "other side of which is task {locked.1}*. Do not send or receive with a lock held that",
	  "2 tasks wait for each other, *task {answer.0} \\\"answer_receiver\\\" (spawned at *) waits to receive from channel "
	  "0x* for *, called in answer_receiver at *:{:receives with the mutex}, the other side of which is task "
	  "{answer.1}*. Do not send or receive with a lock held that",
	  BOTH("0", "1"), BOTH("1", "0") },
};

/* The queue of calls for other threads is full: who waits for a place is told, and one whose call has lasted for long. */
static const struct expectation queues = {
	{ "queue" },
	{ "3 tasks wait for a place in the queue of offloaded calls, which is full (4 calls, for at most 2 threads); the first, "
	  "task * \\\"queue_task\\\" (spawned at *), for *, called in queue_task at *:{:offloads with others}. The call that has "
	  "lasted longest, queued or running, is that of task * \\\"queue_task\\\" (spawned at *), for *, called in queue_task "
	  "at *:{:offloads with others}. Let such calls end sooner" },
};

/* A task that does not yield, one that does nothing but yield, and a place where more and more tasks wait. */
static const struct expectation tasks_and_places = {
	{ "hog", "poll", "growth" },
	{ "task {hog.0} \\\"hog\\\" (spawned at *) has kept worker * for at least *s without a call that lets others run*. "
	  "Call sley_yield() now and then",
	  "1 task running poller (spawned at *) yielded * times in * and waited 0 times for at least *, last in poller at "
	  "*:{:polls}: they keep a CPU busy",
	  "tasks running grown (spawned at *) wait in recv, called in grown at *:{:waits with others}, * more than *s ago, "
	  "and the number grows. More come than go on" },
};

#define BLOCK_FOR "1 task blocks its thread for pthread "

/*
 * Who holds a lock of libc is named: a plain thread, a task with the call that blocks it, or the worker's thread on which a
 * task has locked it that waits in sley. Mutexes that inherit priorities, and robust ones, too.
 */
static const struct expectation locks_of_libc = {
	{ "pthread" },
	{ "3 tasks block their threads for pthread mutex 0x*, * together; the first, task * \\\"lock_mutex\\\" (spawned at *), "
	  "for *, called in lock_mutex at *:{:waits for libc's mutex}. Its holder is thread {pthread.0}, which is no worker, "
	  "in pause, called in holder_thread at *:{:holds locks of libc}. Unlock it before that call",
	  "3 tasks block their threads for pthread mutex 0x*. Its holder is thread *, which runs task {pthread.1} "
	  "\\\"holder\\\" (spawned at *) and blocks its thread in read(*called in blocked_holder at "
	  "*:{:with libc's mutex}. Unlock it before that call",
	  BLOCK_FOR
	  "mutex 0x*. Its holder is thread {pthread.2}, * waits in sley *: hold no lock of libc across a call that "
	  "waits",
	  BLOCK_FOR "rwlock 0x*. Its holder is thread {pthread.0}, which is no worker, in pause, called "
		    "in holder_thread at ",
	  BLOCK_FOR
	  "mutex {pthread.3}: task * \\\"lock_mutex\\\" *. Its holder is thread {pthread.0}, which is no worker, in "
	  "pause",
	  BLOCK_FOR
	  "mutex {pthread.4}: task * \\\"lock_mutex\\\" *. Its holder is thread {pthread.0}, which is no worker, in "
	  "pause" },
};

static struct {
	pid_t pid;
	int input;
	FILE *answers;
	char said[FAULTS][256]; /* a line for each fault: its name and numbers */
} service;

/* Starts the planted service with these faults, and waits until all are there. */
static void start_service(const char *const *faults)
{
	const char *argv[FAULTS + 2] = { "warnings" };
	int in[2], out[2], n = 0;
	for (int i = 0; i < FAULTS && faults[i]; i++)
		argv[i + 1] = faults[i];
	memset(service.said, 0, sizeof(service.said));
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	service.pid = fork();
	assert_true(service.pid >= 0);
	if (service.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execv(test_build_path("tests/tools/warnings.planted"), (char *const *)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	service.input = in[1];
	service.answers = fdopen(out[0], "re");
	do {
		if (n == FAULTS || !fgets(service.said[n], sizeof(service.said[n]), service.answers))
			fail_msg("the service has ended after \"%s\"", n > 0 ? service.said[n - 1] : "");
	} while (strcmp(service.said[n++], "ready\n") != 0);
}

/* Ends it. Returns the longest wait in the controls. */
static long long stop_service(void)
{
	long long longest = -1;
	close(service.input);
	assert_int_equal(fscanf(service.answers, " longest %lld", &longest), 1);
	fclose(service.answers);
	waitpid(service.pid, NULL, 0);
	return longest;
}

/* Puts what "NAME.INDEX" stands for, of what the service has said, and returns its length. */
static int put_number(char *out, size_t room, const char *key, int length)
{
	const char *dot = memchr(key, '.', (size_t)length);
	for (int i = 0; dot != NULL && i < FAULTS; i++) {
		const char *at = service.said[i];
		if (strncmp(at, key, (size_t)(dot - key)) != 0 || at[dot - key] != ' ')
			continue;
		for (int k = atoi(dot + 1); k >= 0 && at != NULL; k--)
			at = strchr(at + 1, ' ');
		if (at != NULL)
			return snprintf(out, room, "%.*s", (int)strcspn(at + 1, " \n"), at + 1);
	}
	fail_msg("the service has not said %.*s", length, key);
	return 0;
}

static int put_line(char *out, size_t room, const char *text, int length)
{
	char needle[128];
	snprintf(needle, sizeof(needle), "PLANTED: %.*s */", length, text);
	return snprintf(out, room, "%u", test_source_line("tests/tools/warnings.planted.c", needle));
}

/* The pattern with its numbers and lines. */
static void fill_in(char *out, size_t room, const char *pattern)
{
	size_t n = 0;
	for (const char *c = pattern; *c != '\0' && n + 1 < room; c++) {
		int length = (int)strcspn(c, "}") - 1;
		if (*c != '{') {
			out[n++] = *c;
			continue;
		}
		n += (size_t)(c[1] == ':' ? put_line(out + n, room - n, c + 2, length - 1)
					  : put_number(out + n, room - n, c + 1, length));
		c += length + 1;
	}
	out[n] = '\0';
}

/* The warnings of a report, which is cut behind them. */
static char *warnings_of(char *line)
{
	char *begin = strstr(line, "\"warnings\":["), *c = begin ? strchr(begin, '[') : NULL;
	int depth = 0;
	bool quoted = false;
	if (begin == NULL)
		fail_msg("no warnings in: %s", line);
	for (; *c != '\0' && (depth > 0 || *c == '['); c++) {
		depth += quoted ? 0 : (*c == '[') - (*c == ']');
		quoted ^= *c == '"' && c[-1] != '\\';
	}
	*c = '\0';
	return begin;
}

static bool matches(const char *warnings, const char *pattern)
{
	char whole[1024], sentence[4096];
	snprintf(whole, sizeof(whole), "*%s*", pattern);
	for (const char *s = warnings; (s = strstr(s, "\"verdict\":\"")) != NULL; s++) {
		size_t n;
		s += strlen("\"verdict\":\"");
		for (n = 0; s[n] != '\0' && (s[n] != '"' || s[n - 1] == '\\'); n++)
			;
		snprintf(sentence, sizeof(sentence), "%.*s", (int)n, s);
		if (fnmatch(whole, sentence, FNM_NOESCAPE) == 0)
			return true;
	}
	return false;
}

/* The first pattern that no sentence is like, filled in; NULL: there is none. */
static const char *unmatched(const struct expectation *e, const char *warnings)
{
	static char pattern[1024];
	for (unsigned i = 0; i < PATTERNS && e->sentences[i]; i++) {
		fill_in(pattern, sizeof(pattern), e->sentences[i]);
		if (!matches(warnings, pattern))
			return pattern;
	}
	return NULL;
}

/* Watches a service with the faults until a report has all these warnings. */
static void test_planted(void **state)
{
	const struct expectation *e = *state;
	const char *args[] = { "--json", "-d", "0.5", "-n", "0", "-p", NULL, NULL };
	int64_t end = test_now() + PATIENCE_NS;
	const char *missing = "any report";
	char *line = NULL, *warnings = NULL;
	size_t room = 0;
	struct tool t;
	FILE *reports;
	start_service(e->faults);
	args[6] = tool_number(service.pid);
	tool_start(&t, false, args);
	reports = fdopen(dup(t.out_fd), "r");
	while (missing != NULL && test_now() < end && getline(&line, &room, reports) > 0) {
		warnings = warnings_of(line);
		missing = unmatched(e, warnings);
	}
	kill(t.pid, SIGTERM);
	fclose(reports);
	tool_finish(&t);
	if (missing != NULL)
		fail_msg("no warning is like \"%s\": %s %s", missing, t.err, warnings ? warnings : "");
	tool_free(&t);
	free(line);
	stop_service();
}

/*
 * Tasks that share a lock for moments, wait for work or for each other's end, or send to a channel that is full but emptied
 * are no fault. Nor is the queue of a pool that is full and goes on. Nor is a condition or semaphore of libc, beside a mutex that is held.
 */
static void test_controls(void **state)
{
	struct tool t;
	char *line, *save;
	long long longest;
	start_service((const char *[]){ "controls", NULL });
	tool_run(&t, false, "--json", "-d", "0.5", "-n", "5", "-p", tool_number(service.pid), NULL);
	longest = stop_service();
	tool_expect(&t, 0, "\"warnings\":[");
	for (line = strtok_r(t.out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *warnings = warnings_of(line);
		if (strcmp(warnings, "\"warnings\":[]") != 0 && longest < LONGEST_NS)
			fail_msg("the longest wait was %lld ns, and yet: %s", longest, warnings);
	}
	tool_free(&t);
}

#define PLANTED(expectation) \
	{ \
		"test_" #expectation, test_planted, NULL, NULL, (void *)&(expectation) \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lock_sentences),
		cmocka_unit_test(test_deadlock_sentences),
		PLANTED(locks),
		PLANTED(deadlocks),
		PLANTED(channels),
		PLANTED(channel_deadlocks),
		PLANTED(queues),
		cmocka_unit_test(test_self_wakes),
		cmocka_unit_test(test_growth),
		PLANTED(tasks_and_places),
		PLANTED(locks_of_libc),
		cmocka_unit_test(test_controls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
