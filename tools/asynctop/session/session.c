/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Scanning all of /proc costs a readlink for each descriptor of the machine, so without -p it is repeated at a
 * distance that keeps it under a twentieth of the time.
 */
#include "session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "child/patience.h"
#include "common/interrupt.h"
#include "common/memory.h"
#include "session/detail.h"
#include "session/futexes.h"
#include "source/look.h"

#define SCAN_EVERY_NS 2000000000LL
#define FOLLOW_NS     2000000000LL
#define SCAN_SHARE    20 /* a scan's cost times this is the least distance to the next */
#define SLICE_MS      50 /* between two looks whether to go on, and at the workers */
#define TICK_SHARE    4  /* a tick's cost times this is the least time between two */

int64_t session_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t cpu_now(void)
{
	struct rusage self;
	getrusage(RUSAGE_SELF, &self);
	return look_cpu() + ((int64_t)self.ru_utime.tv_sec + self.ru_stime.tv_sec) * 1000000000 +
	       ((int64_t)self.ru_utime.tv_usec + self.ru_stime.tv_usec) * 1000;
}

/* ---- the tiers ---- */

/* Says how to get the privilege: the capabilities go to this very file. */
static void explain_privilege(struct watch_tools *tools)
{
	char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	snprintf(tools->tracer_why, sizeof(tools->tracer_why),
		 "not permitted to ask the kernel; be root, or once: setcap cap_bpf,cap_perfmon=ep %s",
		 n > 0 ? path : "asynctop");
}

static void open_tiers(struct session *s)
{
	struct watch_tools *tools = &s->tools;
	const struct tracer_config config = { .min_block_ns = (uint64_t)s->options->min_block_ns };
	char why[400];
	int status;
	tools->min_block_ns = s->options->min_block_ns;
	/* Opened before the tracer, so that its children inherit none of the tracer's descriptors. */
	tools->symbols = symbols_open(NULL);
	if (tools->symbols == NULL)
		snprintf(tools->symbols_why, sizeof(tools->symbols_why), "no process to read them: %s",
			 strerror(errno));
	status = tracer_open(&tools->tracer, &config, why, sizeof(why));
	if (status == 0)
		return;
	tools->tracer = NULL;
	if (status == -EPERM)
		explain_privilege(tools);
	else
		snprintf(tools->tracer_why, sizeof(tools->tracer_why), "%s", why);
}

/* ---- processes ---- */

int session_exit_code(enum process_status status)
{
	switch (status) {
	case PROCESS_OK:
		return EXIT_FINE;
	case PROCESS_DENIED:
		return EXIT_PRIVILEGE;
	case PROCESS_VERSION:
		return EXIT_VERSION;
	case PROCESS_ERROR:
		return EXIT_RUNTIME;
	default:
		return EXIT_TARGET;
	}
}

static void reject(struct session *s, pid_t pid, enum process_status status, const char *why)
{
	struct rejected *r;
	if (s->rejected_count == SESSION_REJECTED) {
		s->rejected_more++;
		return;
	}
	r = &s->rejected[s->rejected_count++];
	*r = (struct rejected){ .pid = pid, .status = status };
	snprintf(r->why, sizeof(r->why), "%s", why);
}

bool session_rejected(const struct session *s, size_t i, char *line, size_t size)
{
	if (i < s->rejected_count)
		snprintf(line, size, "process %d is not shown: %s", (int)s->rejected[i].pid, s->rejected[i].why);
	else if (i == s->rejected_count && s->rejected_more > 0)
		snprintf(line, size, "%zu more are not shown", s->rejected_more);
	else
		return false;
	return true;
}

/* ---- no user's processes keep out another's ---- */

static size_t watches_of(const struct session *s, long uid)
{
	size_t n = 0;
	for (size_t i = 0; i < s->count; i++)
		n += s->watches[i]->process.uid == uid;
	return n;
}

/* The user of whom most processes are watched. */
static long most_watched_user(const struct session *s)
{
	long most = s->watches[0]->process.uid;
	for (size_t i = 1; i < s->count; i++)
		if (watches_of(s, s->watches[i]->process.uid) > watches_of(s, most))
			most = s->watches[i]->process.uid;
	return most;
}

static size_t newest_watch_of(const struct session *s, long uid)
{
	size_t newest = s->count;
	for (size_t i = 0; i < s->count; i++)
		if (s->watches[i]->process.uid == uid &&
		    (newest == s->count || s->watches[i]->attached_ns > s->watches[newest]->attached_ns))
			newest = i;
	return newest;
}

static void stop_watching(struct session *s, size_t i)
{
	watch_free(s->watches[i]);
	memmove(&s->watches[i], &s->watches[i + 1], (--s->count - i) * sizeof(*s->watches));
}

#define TOO_MANY "more processes run sley than are watched at a time: -p PID watches one of them"

/*
 * Whether one more process of this user can be watched. Without room, the user with the most watched processes loses
 * one, unless that user would then have fewer than this one.
 */
static bool make_room(struct session *s, long uid)
{
	long most;
	size_t i;
	if (s->count < SESSION_PROCESSES)
		return true;
	most = most_watched_user(s);
	if (watches_of(s, most) <= watches_of(s, uid) + 1)
		return false;
	i = newest_watch_of(s, most);
	reject(s, s->watches[i]->process.pid, PROCESS_OK, TOO_MANY);
	stop_watching(s, i);
	return true;
}

static void watch_process(struct session *s, struct process *p)
{
	struct watch *w = watch_new(p, &s->tools, s->options->rows);
	size_t i;
	watch_renew(w, &s->wish);
	s->watches = xgrow(s->watches, s->count, &s->room, sizeof(*s->watches));
	for (i = s->count++; i > 0 && s->watches[i - 1]->process.pid > p->pid; i--)
		s->watches[i] = s->watches[i - 1];
	s->watches[i] = w;
}

static bool is_watched(const struct session *s, pid_t pid)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->watches[i]->process.pid == pid)
			return true;
	return false;
}

static int scan(struct session *s)
{
	int64_t start = session_now(), cpu = cpu_now();
	int status = process_scan(&s->candidates);
	s->rejected_count = s->rejected_more = 0;
	for (size_t i = 0; status == 0 && i < s->candidates.count; i++) {
		pid_t pid = s->candidates.pids[i];
		struct process p;
		enum process_status opened;
		if (is_watched(s, pid))
			continue;
		if (interrupted())
			break;
		opened = process_open(&p, pid);
		if (opened != PROCESS_OK && interrupted()) /* it may be for that */
			break;
		if (opened == PROCESS_OK && make_room(s, p.uid)) {
			watch_process(s, &p);
		} else if (opened == PROCESS_OK) {
			reject(s, pid, opened, TOO_MANY);
			process_close(&p);
		} else if (opened != PROCESS_FOREIGN && opened != PROCESS_GONE) {
			reject(s, pid, opened, p.why);
		}
	}
	s->scan_cost_ns = cpu_now() - cpu;
	s->next_scan_ns =
		start + (s->scan_cost_ns * SCAN_SHARE > SCAN_EVERY_NS ? s->scan_cost_ns * SCAN_SHARE : SCAN_EVERY_NS);
	return status;
}

/* Finding no process is an error for a report; the screen waits for one. */
static int open_all(struct session *s)
{
	int status = scan(s);
	if (status < 0) {
		snprintf(s->why, sizeof(s->why), "/proc: %s", strerror(-status));
		return EXIT_RUNTIME;
	}
	if (s->count > 0 || s->options->exporter == NULL)
		return EXIT_FINE;
	if (s->rejected_count > 0) {
		snprintf(s->why, sizeof(s->why), "process %d: %s", (int)s->rejected[0].pid, s->rejected[0].why);
		return session_exit_code(s->rejected[0].status);
	}
	if (s->candidates.denied > 0)
		snprintf(s->why, sizeof(s->why),
			 "no process that runs sley was found; %zu processes of other users may "
			 "not be looked into, root may",
			 s->candidates.denied);
	else
		snprintf(s->why, sizeof(s->why), "no process that runs sley was found");
	return EXIT_TARGET;
}

int session_open(struct session *s, const struct options *o)
{
	int status = EXIT_FINE;
	*s = (struct session){ .options = o };
	s->wish = (struct watch_wish){
		.tasks = o->orders[TABLE_tasks],
		.filters = o->filters,
		.filter_count = o->filter_count,
		.rows = o->rows,
		.interval_ns = o->interval_ns,
	};
	/* A wrong target is told before the kernel is bothered. */
	if (o->pid != 0) {
		struct process p;
		enum process_status opened = process_open(&p, o->pid);
		if (opened != PROCESS_OK) {
			snprintf(s->why, sizeof(s->why), "process %d: %s", (int)o->pid, p.why);
			return session_exit_code(opened);
		}
		open_tiers(s);
		watch_process(s, &p);
	} else {
		open_tiers(s);
		status = open_all(s);
	}
	s->ticked_ns = session_now();
	s->tick_cpu_ns = cpu_now();
	return status;
}

void session_close(struct session *s)
{
	for (size_t i = 0; i < s->count; i++)
		watch_free(s->watches[i]);
	free(s->watches);
	process_list_free(&s->candidates);
	tracer_close(s->tools.tracer);
	symbols_close(s->tools.symbols);
	look_close();
	*s = (struct session){ 0 };
}

/* ---- between ticks ---- */

void session_descriptors(const struct session *s, int fds[SESSION_DESCRIPTORS])
{
	fds[0] = s->tools.tracer != NULL ? tracer_fd(s->tools.tracer) : -1;
	fds[1] = s->tools.symbols != NULL ? symbols_descriptor(s->tools.symbols) : -1;
}

static void take_event(void *context, const struct block_record *r)
{
	struct session *s = context;
	for (size_t i = 0; i < s->count; i++)
		if (s->watches[i]->traced && s->watches[i]->key == r->process)
			watch_event(s->watches[i], r);
}

static bool take_answers(struct session *s)
{
	static struct symbols_answer answer;
	bool changed = false;
	while (s->tools.symbols != NULL && symbols_collect(s->tools.symbols, &answer) == 1) {
		changed = true;
		for (size_t i = 0; i < s->count; i++)
			if (blockers_answer(&s->watches[i]->blockers, &answer) ||
			    stacks_answer(&s->watches[i]->stacks, &answer) || detail_answer(s->watches[i], &answer) ||
			    futexes_answer(s->watches[i], &answer))
				break;
	}
	return changed;
}

bool session_poll(struct session *s)
{
	for (size_t i = 0; i < s->count; i++)
		watch_look(s->watches[i]);
	if (s->tools.tracer != NULL)
		(void)tracer_poll(s->tools.tracer, take_event, s);
	return take_answers(s);
}

/* ---- ticks ---- */

/* After an exec the new program is watched. It starts sley in a moment, or never: then this returns false. */
static bool follow_exec(struct session *s, size_t i)
{
	struct watch *w = s->watches[i];
	struct process p;
	if (!process_alive(&w->process))
		return false;
	if (process_open(&p, w->process.pid) != PROCESS_OK)
		return w->model.time_ns - w->seen_ns < FOLLOW_NS;
	stop_watching(s, i);
	watch_process(s, &p);
	return true;
}

static void drop(struct session *s, size_t i, enum watch_status status)
{
	struct watch *w = s->watches[i];
	if (s->options->pid != 0 && status == WATCH_GONE && follow_exec(s, i))
		return;
	if (s->options->pid != 0) {
		/* It stays, so that its last model can be shown. */
		s->status = EXIT_TARGET;
		if (status == WATCH_GONE)
			snprintf(s->why, sizeof(s->why), "process %d has ended, or executed another program",
				 (int)w->process.pid);
		else
			snprintf(s->why, sizeof(s->why), "process %d: its sley region is not valid: %s",
				 (int)w->process.pid, w->process.region.why);
		return;
	}
	if (status == WATCH_INVALID)
		reject(s, w->process.pid, PROCESS_INVALID, w->process.region.why);
	stop_watching(s, i);
}

/* A report that is the only one waits for all. */
static bool is_shared(const struct session *s)
{
	return s->count > 1 && s->options->ticks != 1 && watches_of(s, s->watches[0]->process.uid) < s->count;
}

static enum watch_status tick_one(struct session *s, struct watch *w, double used)
{
	struct timespec before, after;
	enum watch_status status;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	status = watch_tick(w, &s->wish, used);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	patience_charge(PATIENCE_TICKS, w->process.uid,
			((int64_t)after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec,
			session_now());
	return status;
}

/* A user with a process that was left out has no other turn before that process. */
static bool has_turn(const struct session *s, long uid, const long *out)
{
	for (size_t i = 0; i < s->left_out; i++)
		if (out[i] == uid)
			return false;
	return patience_left(PATIENCE_TICKS, uid, session_now());
}

static enum watch_status leave_out(struct session *s, struct watch *w)
{
	if (s->left_out++ == 0)
		s->turn = w->process.pid;
	if (!process_alive(&w->process))
		return WATCH_GONE;
	watch_renew(w, &s->wish);
	return WATCH_OK;
}

static size_t whose_turn(const struct session *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->watches[i]->process.pid >= s->turn)
			return i;
	return 0;
}

static void tick_all(struct session *s, double used)
{
	enum watch_status statuses[SESSION_PROCESSES] = { WATCH_OK };
	long out[SESSION_PROCESSES]; /* users */
	size_t n = s->count, first = whose_turn(s);
	bool shared = is_shared(s);
	s->left_out = 0;
	/* One at least: the end of a single target is to be seen. */
	for (size_t k = 0; k < n && (k == 0 || !interrupted()); k++) {
		size_t i = (first + k) % n;
		struct watch *w = s->watches[i];
		if (!shared || has_turn(s, w->process.uid, out)) {
			statuses[i] = tick_one(s, w, used);
			continue;
		}
		out[s->left_out] = w->process.uid;
		statuses[i] = leave_out(s, w);
	}
	for (size_t i = n; i-- > 0;)
		if (statuses[i] != WATCH_OK)
			drop(s, i, statuses[i]);
}

void session_tick(struct session *s)
{
	int64_t start = session_now(), cpu = cpu_now();
	double used = start > s->ticked_ns ? (double)(cpu - s->tick_cpu_ns) / (double)(start - s->ticked_ns) : 0;
	if (s->options->pid == 0 && start >= s->next_scan_ns)
		(void)scan(s);
	session_poll(s);
	tick_all(s, used);
	s->ticked_ns = start;
	s->tick_cpu_ns = cpu;
	s->tick_cost_ns = cpu_now() - cpu;
}

bool session_current(const struct session *s, const struct watch *w)
{
	return w->model.time_ns != 0 && (s->left_out == 0 || w->model.time_ns - w->process.ahead_ns >= s->ticked_ns);
}

void session_resolve(struct session *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->watches[i]->model.time_ns != 0)
			watch_resolve(s->watches[i]);
}

void session_resolve_all(struct session *s, int timeout_ms)
{
	int64_t end = session_now() + timeout_ms * 1000000LL;
	while (s->tools.symbols != NULL) {
		int64_t left = (end - session_now()) / 1000000;
		if (left <= 0 || interrupted() ||
		    symbols_wait(s->tools.symbols, left < SLICE_MS ? (int)left : SLICE_MS) == 0)
			break;
		session_poll(s);
	}
	take_answers(s);
	for (size_t i = 0; i < s->count; i++)
		if (session_current(s, s->watches[i]))
			watch_resolve(s->watches[i]);
}

int64_t session_interval(const struct session *s)
{
	int64_t least = s->tick_cost_ns * TICK_SHARE;
	return s->options->interval_ns > least ? s->options->interval_ns : least;
}
