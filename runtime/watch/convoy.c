/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/convoy.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "run/blocked.h"
#include "run/report.h"
#include "run/worker.h"
#include "watch/call.h"
#include "watch/stuck.h"

#define CONVOY_LEAST 8u
#define LOOK_PAUSE   (100 * NS_PER_MS)

int64_t convoy_patience = NS_PER_SEC;

static struct {         /* owned by the watchdog */
	int64_t next;   /* time of the next look */
	unsigned grown; /* number of blocked workers at which it comes earlier */
	/* the convoy that the last look found; 0: none */
	uint64_t futex;
	int64_t since;
	unsigned free; /* members that get a spare */
	int64_t freed; /* time at which that was set */
	bool counted;  /* this one */
	bool told;     /* in this run */
} convoy;

/* The futexes in which the noted workers are, at a look. */
static struct {
	struct worker *worker;
	uint64_t futex;
} members[WORKERS_MOST];

static void convoy_end(void)
{
	convoy.futex = 0;
	convoy.counted = false;
	blocked_convoy(0);
}

void convoy_open(void)
{
	convoy.next = 0;
	convoy.grown = 0;
	convoy.told = false;
	convoy_end();
}

/* Fills `members` with the workers that are blocked in futexes, and returns their number. */
static unsigned find_members(void)
{
	struct worker *worker;
	unsigned n = 0;
	workers_awake(worker) {
		if (!load(&worker->block->note, relaxed))
			continue;
		struct call call = call_of(load(&worker->line->tid, relaxed));
		if (call.kind == CALL_SYSTEM && call.number == SYS_futex) {
			members[n].worker = worker;
			members[n++].futex = call.first;
		}
	}
	return n;
}

/* The futex in which more than half of the `n` members are, if there is one: the vote of Boyer and Moore. */
static uint64_t most_wanted(unsigned n)
{
	uint64_t futex = 0;
	unsigned lead = 0;
	for (unsigned i = 0; i < n; i++) {
		if (lead == 0)
			futex = members[i].futex;
		if (members[i].futex == futex)
			lead++;
		else
			lead--;
	}
	return futex;
}

/* Leaves those members that are in the futex, and returns their number. */
static unsigned members_of(uint64_t futex, unsigned n)
{
	unsigned left = 0;
	for (unsigned i = 0; i < n; i++) {
		if (members[i].futex == futex)
			members[left++] = members[i];
	}
	return left;
}

/* ---- telling ---- */

/*
 * The thread that holds the mutex of glibc whose first word is this futex; 0: it is no such mutex, or not known. The
 * kernel copies the words, as they may be gone by now.
 */
static uint32_t holder_of(uint64_t futex)
{
	struct {
		uint32_t lock, count, owner;
	} mutex = { 0 };
	struct iovec here = { &mutex, sizeof(mutex) }, there = { (void *)(uintptr_t)futex, sizeof(mutex) };
	char path[64];
	if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != sizeof(mutex) || mutex.lock != 2)
		return 0; /* 2: held, and others wait */
	snprintf(path, sizeof(path), "/proc/self/task/%u", mutex.owner);
	return access(path, F_OK) == 0 ? mutex.owner : 0;
}

static void tell_holder(uint64_t futex)
{
	uint32_t tid = holder_of(futex);
	uint64_t id = 0;
	uint32_t site = 0;
	struct worker *worker;
	char who[TASK_TEXT] = "no task";
	if (tid == 0)
		return;
	workers_awake(worker) {
		if (load(&worker->line->tid, relaxed) == tid) {
			id = load(&worker->line->task, relaxed);
			site = load(&worker->line->site, relaxed);
		}
	}
	if (id != 0)
		task_text(who, id, site);
	complain("the futex %#llx is a mutex of libc. Thread %u holds it, which runs %s", (unsigned long long)futex,
		 tid, who);
}

static void tell_convoy(unsigned n, int64_t now)
{
	char who[TASK_TEXT];
	const struct sley_region_worker *line = members[0].worker->line;
	complain(
		"%u threads have been blocked for %lld ms by the same lock, the futex %#llx: for example that of %s. So few "
		"more threads are started for tasks that wait there. Use a lock of sley's, or hold this one for a shorter time",
		n, (long long)((now - convoy.since) / NS_PER_MS), (unsigned long long)convoy.futex,
		task_text(who, load(&line->task, relaxed), load(&line->site, relaxed)));
	tell_holder(convoy.futex);
}

/* ---- looking ---- */

static void found(uint64_t futex, unsigned n, int64_t now)
{
	if (futex != convoy.futex) {
		convoy.futex = futex;
		convoy.since = convoy.freed = now;
		convoy.free = MAX(CONVOY_LEAST, 2 * scheduler.target);
		convoy.counted = false;
	}
	if (now - convoy.freed >= load(&convoy_patience, relaxed)) {
		convoy.freed = now;
		convoy.free = MIN(2 * convoy.free, WORKERS_MOST);
	}
	blocked_convoy(n - MIN(n, convoy.free));
	if (convoy.counted || now - convoy.since < load(&hold_long, relaxed))
		return;
	if (!convoy.told)
		tell_convoy(n, now);
	convoy.told = convoy.counted = true;
	count_here(SLEY_COUNTER_convoys, 1);
}

void convoy_look(int64_t now)
{
	unsigned blocked = load(&scheduler.blocked, relaxed), least = MAX(CONVOY_LEAST, 2 * scheduler.target);
	if (likely(blocked <= least)) {
		if (convoy.futex || convoy.grown)
			convoy_end();
		convoy.grown = 0;
		return;
	}
	if (now < convoy.next && blocked < convoy.grown)
		return;
	convoy.next = now + LOOK_PAUSE;
	convoy.grown = blocked + blocked / 4;
	unsigned n = find_members();
	uint64_t futex = most_wanted(n);
	n = members_of(futex, n);
	if (n > least && n > blocked / 2)
		found(futex, n, now);
	else
		convoy_end();
}
