/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Finding and opening processes that run sley.
 *
 * A sley process holds memfds; their links in /proc/PID/fd read "/memfd:sley (deleted)". The looker finds and opens
 * them (find.h). A region names the pid of its process, since forked children and tools hold the descriptor too.
 *
 * A process is held by a pidfd and by a descriptor of its /proc directory: neither ever means a later process that got
 * the same number.
 */
#ifndef ASYNCTOP_PROCESS_H
#define ASYNCTOP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "source/control.h"
#include "source/region.h"

enum process_status {
	PROCESS_OK,
	PROCESS_GONE,    /* no such process */
	PROCESS_FOREIGN, /* it does not run sley */
	PROCESS_DENIED,  /* not ours to look into */
	PROCESS_VERSION, /* another version of the region */
	PROCESS_INVALID, /* its region contradicts itself */
	PROCESS_ERROR,   /* errno: descriptors, memory */
	PROCESS_BLOCKED, /* looking into it blocks (abandoned.h) */
};

struct process {
	pid_t pid;
	long uid; /* of its user; -1: not known */
	int pidfd;
	int dir; /* /proc/PID; children look into it by way of living.h */
	/*
	 * Its time namespace: what its CLOCK_MONOTONIC has more than the kernel's own, and than ours. All times of the
	 * region are by its clock.
	 */
	int64_t clock_offset_ns;
	int64_t ahead_ns;
	struct region region;
	struct control control;
	char region_link[32]; /* its descriptor: "fd/N" */
	char why[192];        /* for every status but PROCESS_OK: a sentence about it, without the pid */
};

/* Opens process `pid`. With any other status than PROCESS_OK nothing is held, and p->why is set. */
enum process_status process_open(struct process *p, pid_t pid);

void process_close(struct process *p);

/* Opens the control page if that was put off when the process was opened. */
void process_retry_control(struct process *p);

/* Whether it still runs. */
bool process_alive(const struct process *p);

/*
 * Whether it still runs the program of this region: it has neither ended nor executed another. Also true if looking
 * blocks.
 */
bool process_current(const struct process *p);

/*
 * Opens the memfds with parts of its task records that the header tells of, where they have changed. After a refresh.
 */
void process_parts(struct process *p);

struct process_list {
	pid_t *pids;
	size_t count, room;
	size_t denied; /* processes that may not be looked into */
};

/* Lists processes that hold a descriptor named as the region is: candidates for process_open(). 0 or -errno. */
int process_scan(struct process_list *list);

void process_list_free(struct process_list *list);

#endif
