/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Usage: service WORKERS [SLOW_FILE]. Its output, one fact a line, fields separated by tabs:
 *
 *	early TID                      that thread is about to be blocked by the early case
 *	(input: go)
 *	done                           all cases are over, but for the stuck ones
 *	(input: end)
 *	case ... block ... skip ... late ...
 *	                               the truth: see print_truth()
 *
 * Orders are taken by a thread that is no worker, as a single worker may be blocked.
 */
#include "service.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __LINE__))

#define READINGS 4096
#define HELPERS  96
#define TASKS    512

int slow_file;
int early_gate, stuck_gate;
const struct timespec pause_time = { .tv_nsec = PAUSE_US * 1000L };

static struct planted *cases;
static struct reading readings[READINGS];
static unsigned reading_count;
static int early_release, stuck_release;
static int begin_signal[2]; /* the control thread's word to the main task */

static void check_failed(const char *condition, int line)
{
	fprintf(stderr, "service.c:%d: %s: %s\n", line, condition, strerror(errno));
	_exit(1);
}

void planted_add(struct planted *p)
{
	struct planted **at = &cases;
	while (*at && (strcmp((*at)->site.file, p->site.file) < 0 ||
		       (!strcmp((*at)->site.file, p->site.file) && (*at)->site.line < p->site.line)))
		at = &(*at)->next;
	p->next = *at;
	*at = p;
}

/* ---- measuring ---- */

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

struct reading *reading_begin(const char *function, unsigned line)
{
	unsigned i = __atomic_fetch_add(&reading_count, 1, __ATOMIC_RELAXED);
	struct reading *r = &readings[i];
	struct rusage usage;
	CHECK(i < READINGS);
	r->function = function;
	r->line = line;
	r->task = sley_self();
	r->thread = (int)syscall(SYS_gettid);
	getrusage(RUSAGE_THREAD, &usage);
	r->sleeps = -usage.ru_nvcsw;
	r->preemptions = -usage.ru_nivcsw;
	r->faults = -usage.ru_majflt;
	r->cpu_ns = -read_clock(CLOCK_THREAD_CPUTIME_ID);
	r->begin_ns = read_clock(CLOCK_MONOTONIC);
	return r;
}

void reading_end(struct reading *r)
{
	struct rusage usage;
	r->end_ns = read_clock(CLOCK_MONOTONIC);
	r->cpu_ns += read_clock(CLOCK_THREAD_CPUTIME_ID);
	getrusage(RUSAGE_THREAD, &usage);
	r->sleeps += usage.ru_nvcsw;
	r->preemptions += usage.ru_nivcsw;
	r->faults += usage.ru_majflt;
}

/* ---- help for cases ---- */

static struct helper {
	sem_t wanted;
	bool taken;
	long us;
	void (*fn)(void *arg);
	void *arg;
} helpers[HELPERS];

static void *help(void *arg)
{
	struct helper *h = arg;
	for (;;) {
		struct timespec pause;
		sem_wait(&h->wanted);
		pause = (struct timespec){ h->us / 1000000, h->us % 1000000 * 1000 };
		nanosleep(&pause, NULL);
		h->fn(h->arg);
		__atomic_store_n(&h->taken, false, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void start_thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	CHECK(!pthread_attr_init(&attr) && !pthread_attr_setstacksize(&attr, 256 << 10));
	CHECK(!pthread_create(&thread, &attr, fn, arg));
	CHECK(!pthread_detach(thread));
}

static void start_helpers(void)
{
	for (int i = 0; i < HELPERS; i++) {
		CHECK(!sem_init(&helpers[i].wanted, 0, 0));
		start_thread(help, &helpers[i]);
	}
}

void later(long us, void (*fn)(void *arg), void *arg)
{
	struct helper *h = helpers;
	while (__atomic_exchange_n(&h->taken, true, __ATOMIC_ACQUIRE))
		h = h == &helpers[HELPERS - 1] ? helpers : h + 1;
	h->us = us;
	h->fn = fn;
	h->arg = arg;
	sem_post(&h->wanted);
}

static void write_byte(void *fd)
{
	CHECK(write((int)(intptr_t)fd, "x", 1) == 1);
}

void close_it(void *fd)
{
	close((int)(intptr_t)fd);
}

void write_later(int fd)
{
	later(PAUSE_US, write_byte, (void *)(intptr_t)fd);
}

struct errand {
	void (*fn)(void *arg);
	void *arg;
	bool over;
};

static void run_errand(void *arg)
{
	struct errand *errand = arg;
	errand->fn(errand->arg);
	__atomic_store_n(&errand->over, true, __ATOMIC_RELEASE);
}

void on_thread(void (*fn)(void *arg), void *arg)
{
	struct errand errand = { fn, arg, false };
	later(0, run_errand, &errand);
	while (!__atomic_load_n(&errand.over, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

void make_pipe(int ends[2])
{
	CHECK(!pipe2(ends, O_CLOEXEC));
}

void make_pair(int ends[2])
{
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
}

static void set_waiting(int fd, bool waits)
{
	int flags = fcntl(fd, F_GETFL);
	CHECK(!fcntl(fd, F_SETFL, waits ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

void fill(int fd)
{
	static const char bytes[4096];
	set_waiting(fd, false);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	while (write(fd, bytes, 1) > 0)
		;
	set_waiting(fd, true);
}

void drain(int fd)
{
	char bytes[4096];
	set_waiting(fd, false);
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
	set_waiting(fd, true);
}

/* ---- the truth ---- */

static struct skipped {
	uint64_t task;
	const char *why;
} skipped[TASKS];
static unsigned skipped_count;

void not_here(const char *why)
{
	unsigned i = __atomic_fetch_add(&skipped_count, 1, __ATOMIC_RELAXED);
	CHECK(i < TASKS);
	skipped[i] = (struct skipped){ sley_self(), why };
}

/* ---- tasks that were late ---- */

static struct lateness {
	uint64_t task; /* whose block it was */
	unsigned tasks, unsure;
	int64_t delayed_ns, waited_ns;
} lateness[16];
static unsigned lateness_count;

/* A sentinel always waits for a CPU, as it is to have one only when nobody wants it. */
static int64_t waited_of(pid_t tid)
{
	char path[64];
	long long ran, waited = 0;
	FILE *file;
	if (sched_getscheduler(tid) == SCHED_IDLE)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%lld %lld", &ran, &waited) != 2)
		waited = 0;
	if (file)
		fclose(file);
	return waited;
}

int64_t waited_for_cpu(void)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *entry;
	int64_t all = 0;
	CHECK(threads);
	while ((entry = readdir(threads)))
		if (entry->d_name[0] != '.')
			all += waited_of(atoi(entry->d_name));
	closedir(threads);
	return all;
}

static const struct reading *last_reading(uint64_t task)
{
	for (unsigned i = reading_count; i-- > 0;)
		if (readings[i].task == task)
			return &readings[i];
	return NULL;
}

/* Of what came shortly before the end it is not known whether it was there when the worker looked. */
void say_late(const struct late *tasks, unsigned n, int64_t waited_ns)
{
	struct lateness *l = &lateness[lateness_count++];
	const struct reading *r = last_reading(sley_self());
	CHECK(r && lateness_count <= sizeof(lateness) / sizeof(lateness[0]));
	*l = (struct lateness){ .task = r->task, .waited_ns = waited_ns };
	for (unsigned i = 0; i < n; i++) {
		int64_t from = tasks[i].due_ns > r->begin_ns ? tasks[i].due_ns : r->begin_ns;
		int64_t to = tasks[i].begun_ns < r->end_ns ? tasks[i].begun_ns : r->end_ns;
		if (to <= from)
			continue;
		l->tasks++;
		l->unsure += tasks[i].due_ns > r->end_ns - waited_ns - 1000000;
		l->delayed_ns += to - from;
	}
}

static struct spawned {
	const struct planted *planted;
	sley_task task;
	int64_t joined_ns;
	long sleeps; /* of the task's thread while it ran; 0: not counted */
} spawned[TASKS];
static unsigned spawned_count;

static long count_sleeps(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* Between two readings a thread may block, too: on a lock of the kernel that another worker holds, such as mmap_lock. */
static void run_counted(void *arg)
{
	struct spawned *s = arg;
	long before = count_sleeps();
	s->planted->run(NULL);
	s->sleeps = count_sleeps() - before;
}

static const char *flag(bool set, const char *name)
{
	return set ? name : "";
}

static void print_blocks(const struct spawned *s)
{
	for (unsigned i = 0; i < reading_count; i++) {
		struct reading *r = &readings[i];
		if (r->task != (uint64_t)s->task)
			continue;
		if (!r->end_ns) {
			r->end_ns = s->joined_ns;
			r->cpu_ns = r->end_ns - r->begin_ns - r->least_ns;
			r->sleeps = 1;
			r->preemptions = r->faults = 0;
		}
		printf("block\t%s\t%s\t%u\t%lld\t%lld\t%lld\t%ld\t%ld\t%ld\n", s->planted->name, r->function, r->line,
		       (long long)r->begin_ns, (long long)r->end_ns, (long long)r->cpu_ns, r->sleeps, r->preemptions,
		       r->faults);
	}
}

static void print_truth(void)
{
	for (unsigned i = 0; i < spawned_count; i++) {
		const struct spawned *s = &spawned[i];
		const struct planted *p = s->planted;
		printf("case\t%s\t%s\t%s\t%u\t%llu\t%s%s%s%s%s%s\t%ld\n", p->name, p->calls, p->site.file, p->site.line,
		       (unsigned long long)s->task, flag(p->unnamed, "unnamed "), flag(p->early, "early "),
		       flag(p->stuck, "stuck "), flag(p->many, "many "), flag(p->pauses, "pauses "),
		       flag(p->hog, "hog "), s->sleeps);
		for (unsigned k = 0; k < skipped_count; k++)
			if (skipped[k].task == (uint64_t)s->task)
				printf("skip\t%s\t%s\n", p->name, skipped[k].why);
		print_blocks(s);
		for (unsigned k = 0; k < lateness_count; k++)
			if (lateness[k].task == (uint64_t)s->task)
				printf("late\t%s\t%u\t%u\t%lld\t%lld\n", p->name, lateness[k].tasks, lateness[k].unsure,
				       (long long)lateness[k].delayed_ns, (long long)lateness[k].waited_ns);
	}
	fflush(stdout);
}

/* ---- the service ---- */

static void say(const char *line)
{
	CHECK(write(STDOUT_FILENO, line, strlen(line)) == (ssize_t)strlen(line));
}

void say_blocked(void)
{
	char line[32];
	snprintf(line, sizeof(line), "early\t%ld\n", syscall(SYS_gettid));
	say(line);
}

static void spawn(struct planted *p)
{
	struct sley_task_options options = { .size = sizeof(options), .name = p->unnamed ? NULL : p->name };
	for (int i = 0; i < (p->tasks ? p->tasks : 1); i++) {
		struct spawned *s = &spawned[spawned_count++];
		CHECK(spawned_count <= TASKS);
		s->planted = p;
		s->task = p->unnamed || p->waits ? sley_spawn_at(&p->site, &options, p->run, NULL, SLEY_BY_POINTER)
						 : sley_spawn_at(&p->site, &options, run_counted, s, SLEY_BY_POINTER);
		CHECK(s->task > 0);
	}
}

static void join(unsigned from)
{
	for (unsigned i = from; i < spawned_count; i++) {
		CHECK(!sley_join(spawned[i].task, SLEY_NEVER));
		spawned[i].joined_ns = sley_now();
	}
}

static void spawn_all(bool early, bool stuck)
{
	for (struct planted *p = cases; p; p = p->next)
		if (p->early == early && p->stuck == stuck && !p->alone)
			spawn(p);
}

static void run_alone(void)
{
	for (struct planted *p = cases; p; p = p->next) {
		unsigned before = spawned_count;
		if (!p->alone)
			continue;
		spawn(p);
		join(before);
	}
}

static int serve(void *workers)
{
	char byte;
	unsigned stuck;
	sley_set_name("main");
	spawn_all(true, false);
	sley_read(begin_signal[0], &byte, 1, SLEY_NEVER);
	spawn_all(false, false);
	join(0);
	if (*(unsigned *)workers == 1)
		run_alone();
	stuck = spawned_count;
	spawn_all(false, true);
	say("done\n");
	join(stuck);
	print_truth();
	return 0;
}

static void *take_orders(void *unused)
{
	char line[16];
	(void)unused;
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "go\n")) {
			CHECK(write(early_release, "0123456789", 10) == 10);
			CHECK(write(begin_signal[1], "x", 1) == 1);
		} else if (!strcmp(line, "end\n")) {
			CHECK(write(stuck_release, "0123456789", 10) == 10);
		}
	}
	_exit(0);
}

static void open_gate(int *gate, int *release)
{
	int ends[2];
	make_pipe(ends);
	*gate = ends[0];
	*release = ends[1];
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "truth" };
	sigset_t child;
	CHECK(argc > 1);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	CHECK(!pthread_sigmask(SIG_BLOCK, &child, NULL)); /* it interrupts threads that others measure */
	options.workers = (unsigned)atoi(argv[1]);
	slow_file = argc > 2 ? open(argv[2], O_RDWR | O_CLOEXEC) : -1;
	memset(readings, 0, sizeof(readings)); /* touched: no page of it is missing later */
	open_gate(&early_gate, &early_release);
	open_gate(&stuck_gate, &stuck_release);
	make_pipe(begin_signal);
	start_helpers();
	start_thread(take_orders, NULL);
	return sley_run(serve, &options.workers, &options, NULL) ? 1 : 0;
}
