/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A session: the sources, and the processes that are watched with them. The outputs drive it: scan, poll, tick,
 * resolve, then read the models.
 */
#ifndef ASYNCTOP_SESSION_H
#define ASYNCTOP_SESSION_H

#include "session/options.h"
#include "session/watch.h"

#define SESSION_DESCRIPTORS 2

#define SESSION_PROCESSES WATCH_PROCESSES /* watched at a time */
#define SESSION_REJECTED  16              /* of those that are not watched, told by name */

/* A process that has a region and is not watched, and why. */
struct rejected {
	pid_t pid;
	enum process_status status;
	char why[192];
};

struct session {
	const struct options *options;
	struct watch_tools tools;
	struct watch_wish wish;
	struct watch **watches; /* by pid */
	size_t count, room;
	struct rejected rejected[SESSION_REJECTED];
	size_t rejected_count;
	size_t rejected_more; /* beyond these */
	struct process_list candidates;
	int64_t next_scan_ns;
	int64_t scan_cost_ns;
	int64_t tick_cost_ns; /* of the last tick: CPU time spent in it */
	int64_t ticked_ns, tick_cpu_ns;
	pid_t turn;      /* first process that the last tick left out: the next tick begins with it */
	size_t left_out; /* so many were */
	int status;      /* exit code of a -p target that is gone or lies; 0: it is there */
	char why[256];
};

/*
 * Opens the tiers and finds the processes. 0, or the exit code to end with, and session->why says why. When the tracer
 * cannot be had, the session goes on without it.
 */
int session_open(struct session *s, const struct options *o);
void session_close(struct session *s);

/* Descriptors to poll for reading between ticks; -1: not there. When one is readable, call session_poll(). */
void session_descriptors(const struct session *s, int fds[SESSION_DESCRIPTORS]);

/* Takes single events and answers. True when an answer changed a model. */
bool session_poll(struct session *s);

/*
 * A tick: drops processes that are gone, and takes a new model of each. Where processes of several users are watched, a
 * user whose processes take much processor time has some of them left out (child/patience.h). Their models are older
 * than ticked_ns, and their turn is first at the next tick.
 */
void session_tick(struct session *s);

/* Whether the process's model is of the last tick. */
bool session_current(const struct session *s, const struct watch *w);

/* Puts resolved symbols into the models. */
void session_resolve(struct session *s);

/* Waits until all symbols of the models are known, at most `timeout_ms`, and resolves those of the last tick. */
void session_resolve_all(struct session *s, int timeout_ms);

/* The time between ticks: longer than the wished interval when a tick takes a good part of it. */
int64_t session_interval(const struct session *s);

/* Line number `i` about rejected processes; false: there are no more. */
bool session_rejected(const struct session *s, size_t i, char *line, size_t size);

int64_t session_now(void);

/* The exit code for a -p target with this status. */
int session_exit_code(enum process_status status);

#endif
