/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * asynctop: see into processes that run sley.
 *
 * A folder is a room, and a file uses what its own room or a room above it in this list has:
 *
 *	common/   text, JSON, memory, signals and keys that wait
 *	child/    processes of our own, for calls that may block
 *	source/   where facts come from: regions, /proc, the kernel's tracer
 *	symbols/  addresses and stacks to functions and lines
 *	model/    plain data, and sentences about it
 *	view/     tables and lines
 *	export/   reports: JSON, plain text
 *	session/  which processes are watched; a tick: sources into a model
 *	ui/       the command line, keys, pages, the terminal
 *
 * This file is the two loops: reports at ticks, and the screen. `asynctop assist` has a loop of its own (session/helper.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "session/helper.h"
#include "session/session.h"
#include "ui/command.h"
#include "ui/screen.h"
#include "ui/ui.h"

#define SYMBOLS_FIRST_MS 5000 /* how long a report waits for source lines: at the first tick, and later */
#define SYMBOLS_LATER_MS 1000
#define POLL_NS          50000000LL /* between looks at single events: later the task may be gone, or the file closed */

static volatile sig_atomic_t stop_signal;

static void on_stop(int signal_number)
{
	stop_signal = signal_number;
	writing_hurries(signal_number);
}

/*
 * Stop signals are blocked except in ppoll and in writes, so that none is lost between a look at the flag and the wait.
 */
static void catch_stop(sigset_t *during_wait, int input)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	sigset_t block;
	sigemptyset(&block);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &action, NULL);
		sigaddset(&block, signals[i]);
	}
	interrupt_by(&block, input);
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, during_wait);
	sigdelset(during_wait, SIGWINCH);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigdelset(during_wait, signals[i]);
}

enum { WAIT_FIRST, WAIT_INPUT = SESSION_DESCRIPTORS, WAIT_TARGET, WAITED };

/*
 * Waits for a key, the end of the -p target, work of the session, or a while, at most until `deadline`, and does that
 * work. False when a signal says to stop or the terminal is gone. *changed: the screen is out of date.
 */
static bool wait_until(struct session *s, int64_t deadline, bool input, const sigset_t *mask, bool *changed)
{
	int64_t left = (deadline < session_now() + POLL_NS ? deadline : session_now() + POLL_NS) - session_now();
	struct timespec timeout = { .tv_sec = left > 0 ? left / 1000000000 : 0,
				    .tv_nsec = left > 0 ? left % 1000000000 : 0 };
	struct pollfd fds[WAITED];
	int work[SESSION_DESCRIPTORS], n;
	session_descriptors(s, work);
	for (int i = 0; i < SESSION_DESCRIPTORS; i++)
		fds[WAIT_FIRST + i] = (struct pollfd){ .fd = work[i], .events = POLLIN };
	fds[WAIT_INPUT] = (struct pollfd){ .fd = input ? STDIN_FILENO : -1, .events = POLLIN };
	fds[WAIT_TARGET] = (struct pollfd){ .fd = -1, .events = POLLIN };
	if (s->options->pid != 0 && s->count == 1)
		fds[WAIT_TARGET].fd = s->watches[0]->process.pidfd;
	n = ppoll(fds, WAITED, &timeout, mask);
	*changed |= session_poll(s);
	return stop_signal == 0 && !(n > 0 && fds[WAIT_INPUT].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static bool target_ended(const struct session *s)
{
	return s->options->pid != 0 && s->count == 1 && !process_alive(&s->watches[0]->process);
}

/* ---- reports ---- */

/* Writes what standard output holds; 0, or the exit code after a message. */
static int flush(void)
{
	bool written;
	writing_begins();
	written = fflush(stdout) == 0 && !ferror(stdout);
	writing_ends();
	if (written)
		return EXIT_FINE;
	fprintf(stderr, "asynctop: writing: %s\n", strerror(errno));
	return EXIT_RUNTIME;
}

static int print(const struct text *t)
{
	writing_begins();
	fwrite(text_string(t), 1, t->length, stdout);
	writing_ends();
	return flush();
}

static int report(const struct session *s, const struct options *o)
{
	struct text out = { 0 };
	int status;
	for (size_t i = 0; i < s->count; i++) {
		if (session_current(s, s->watches[i]))
			o->exporter->write(&out, &s->watches[i]->model, o->orders, o->rows);
	}
	status = print(&out);
	text_free(&out);
	if (s->left_out > 0)
		fprintf(stderr,
			"asynctop: %zu processes are left out this time: their users' have taken their part of the time\n",
			s->left_out);
	return status;
}

static void tell_rejected(const struct session *s)
{
	char line[256];
	for (size_t i = 0; session_rejected(s, i, line, sizeof(line)); i++)
		fprintf(stderr, "asynctop: %s\n", line);
}

static int tell_status(const struct session *s)
{
	if (s->status != 0)
		fprintf(stderr, "asynctop: %s\n", s->why);
	return s->status;
}

static int run_reports(struct session *s, const struct options *o, const sigset_t *mask)
{
	int64_t next = session_now();
	bool changed = false;
	tell_rejected(s);
	for (uint64_t tick = 0; o->ticks == TICKS_ENDLESS || tick < o->ticks; tick++) {
		int status;
		next += session_interval(s);
		while (session_now() < next && !target_ended(s))
			if (!wait_until(s, next, false, mask, &changed))
				return EXIT_FINE;
		s->wish.last = o->ticks != TICKS_ENDLESS && tick + 1 == o->ticks;
		session_tick(s);
		session_resolve_all(s, tick == 0 ? SYMBOLS_FIRST_MS : SYMBOLS_LATER_MS);
		if (interrupted() && !wait_until(s, next, false, mask, &changed))
			return EXIT_FINE;
		status = report(s, o);
		if (status != 0 || s->status != 0)
			return status != 0 ? status : tell_status(s);
		if (s->count == 0) {
			fputs("asynctop: no process that runs sley is left\n", stderr);
			return EXIT_TARGET;
		}
	}
	return EXIT_FINE;
}

#define DUMP_WAIT_NS 2000000       /* between two parts of the work */
#define DUMP_NS      60000000000LL /* for the stacks of a thousand tasks, on a machine that is busy */

/* One report, when the stacks of the parked tasks are read. */
static int run_dump(struct session *s, const struct options *o, const sigset_t *mask)
{
	int64_t end = session_now() + DUMP_NS;
	bool changed = false;
	s->wish.stacks = s->wish.last = true;
	session_tick(s);
	while (s->status == 0 && !stacks_done(&s->watches[0]->stacks) && session_now() < end)
		if (!wait_until(s, session_now() + DUMP_WAIT_NS, false, mask, &changed))
			return EXIT_FINE;
	session_resolve(s);
	if (s->status == 0 && !stacks_done(&s->watches[0]->stacks)) {
		fputs("asynctop: the stacks could not be read in time\n", stderr);
		return EXIT_RUNTIME;
	}
	if (s->status == 0)
		return report(s, o);
	return tell_status(s);
}

/* ---- the screen ---- */

static void draw(struct ui *ui, const struct session *s)
{
	struct view v = { 0 };
	int width, height;
	screen_size(&width, &height);
	ui_compose(ui, &v, s, width, height);
	screen_draw(&v);
	view_free(&v);
}

/* Takes all keys that are there. True when models are to be taken anew at once. */
static bool take_keys(struct ui *ui, struct session *s, bool *changed)
{
	bool anew = false;
	int key;
	while ((key = screen_key()) != SCREEN_NO_KEY) {
		*changed = true;
		if (key != SCREEN_RESIZED)
			anew |= ui_key(ui, key, s);
	}
	return anew;
}

/* While the picture is held, the leases go on, so that times are whole when it goes on. */
static void hold(struct session *s)
{
	for (size_t i = 0; i < s->count; i++)
		watch_renew(s->watches[i], &s->wish);
}

static void complain_terminal(void)
{
	struct text term = { 0 };
	text_clean(&term, getenv("TERM") ? getenv("TERM") : "");
	fprintf(stderr, "asynctop: the terminal cannot be used (TERM=%s); try -b\n", text_string(&term));
	text_free(&term);
}

static void tick(const struct ui *ui, struct session *s)
{
	s->wish.stacks = ui_table(ui) == TABLE_stacks;
	session_tick(s);
}

static int run_screen(struct session *s, const struct options *o, const sigset_t *mask)
{
	uint64_t ticks = 0;
	int64_t next = 0;
	struct ui ui;
	ui_init(&ui, o);
	if (screen_open(o->colour) != 0) {
		complain_terminal();
		return EXIT_RUNTIME;
	}
	while (!ui.quit && s->status == 0) {
		bool changed = false, due = session_now() >= next || target_ended(s);
		if (due && ui.paused && !target_ended(s))
			hold(s);
		else if (due)
			tick(&ui, s);
		if (due) {
			if (o->ticks != TICKS_ENDLESS && ticks++ >= o->ticks)
				break;
			next = session_now() + session_interval(s);
		} else {
			session_resolve(s);
		}
		draw(&ui, s);
		while (!changed && session_now() < next && !target_ended(s)) {
			if (!wait_until(s, next, true, mask, &changed))
				ui.quit = true;
			if (take_keys(&ui, s, &changed))
				next = 0;
			if (ui.quit)
				break;
		}
	}
	screen_close();
	return tell_status(s);
}

/* ---- start and end ---- */

/* Ends by the signal that asked for it, as the shell expects. On the screen, ^C is a way to quit. */
static void end_by_signal(const struct options *o)
{
	if (stop_signal == 0 || (stop_signal == SIGINT && o->exporter == NULL))
		return;
	signal(stop_signal, SIG_DFL);
	raise(stop_signal);
}

static int run(const struct options *o)
{
	struct session session;
	sigset_t during_wait;
	int status = session_open(&session, o);
	if (status != EXIT_FINE) {
		fprintf(stderr, "asynctop: %s\n", session.why);
	} else {
		catch_stop(&during_wait, o->exporter == NULL ? STDIN_FILENO : -1);
		status = o->dump               ? run_dump(&session, o, &during_wait)
			 : o->exporter == NULL ? run_screen(&session, o, &during_wait)
					       : run_reports(&session, o, &during_wait);
	}
	session_close(&session);
	if (stop_signal != 0) {
		sigprocmask(SIG_SETMASK, &during_wait, NULL);
		end_by_signal(o);
	}
	return status;
}

/* A wait ends by the signal. */
static int run_helper(const struct options *o)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = on_stop };
	int status;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
	status = helper_run(o->pid, &stop_signal);
	if (stop_signal != 0) {
		signal(stop_signal, SIG_DFL);
		raise(stop_signal);
	}
	return status;
}

/*
 * Fills closed standard descriptors, so that no file opened later gets their number and the report. Writing there
 * fails.
 */
static bool hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			return false;
	return true;
}

/* A watched process takes up to 15 descriptors; one user's processes must not use up the limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct options options;
	enum command_result parsed;
	int status;
	if (!hold_standard_descriptors())
		return EXIT_RUNTIME;
	raise_descriptor_limit();
	setlocale(LC_CTYPE, "");
	parsed = command_parse(&options, argc, argv, isatty(STDOUT_FILENO), stdout, stderr);
	if (options.exporter == NULL && !isatty(STDIN_FILENO))
		options.exporter = &exporter_text;
	if (parsed == COMMAND_RUN)
		status = options.assist ? run_helper(&options) : run(&options);
	else
		status = parsed == COMMAND_DONE ? flush() : EXIT_USAGE;
	command_free(&options);
	return status;
}
