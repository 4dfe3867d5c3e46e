/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The source bpf. An eBPF program (bpf/assist.bpf.c) sees the kernel switch a worker's thread out while its task runs. It
 * stores the worker's dispatch in a table of levels, and rings if that matters to the process at that moment. A thread of
 * the runtime, the listener, then compares the levels with the workers' ticks, and notes those that are blocked, which wakes
 * a spare (run/blocked.h). There is one listener, so a bell wakes one thread, however many workers block.
 *
 * libsley_assist has the program and libbpf in it. The listener opens it, as libsley itself needs libc alone. It takes some
 * 50 ms to load the program, and the run does not wait for that. Where the library is not installed, or the kernel
 * refuses the program (CAP_BPF and CAP_PERFMON are needed), the listener ends. The tick is at work all
 * the time.
 *
 * A level may be old in one case: some kernels hide a switch from a hypervisor's agent to the worker. Then the worker is
 * noted while it runs, if another one rings before it is switched out again, until its next scheduling point. That is
 * harmless, as every wrong note is. Rejected: to read the thread's state in /proc too. That takes as long as the
 * program, the ring and the wake-up of the listener together.
 *
 * The watchdog has the threads marked that became workers since. It makes the spares, and looks again after a millisecond
 * until they are marked. A thread that is blocked already then gets its level at that moment.
 */
#include "assist/outside.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assist.h"
#include "base/descriptor.h"
#include "run/blocked.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/worker.h"

#define LIBRARY "libsley_assist.so.0"

extern __typeof__(dlopen) dlopen __attribute__((weak)); /* null in a static program */
extern __typeof__(dlsym) dlsym __attribute__((weak));

static struct {
	pthread_t thread;
	bool started; /* constant while the workers run */
	int pidfd;
	/* written by the listener, before `assist` */
	const struct assist_library *library;
	const uint64_t *levels;
	struct assist *assist; /* atomic; null: no program watches */
	unsigned state;        /* atomic; enum outside_state */
	unsigned stop;         /* atomic */
} outside;

enum outside_state outside_state(void)
{
	return (enum outside_state)load(&outside.state, acquire); /* pairs with listener_main() */
}

/* ---- looking ---- */

/*
 * The kernel wrote the level before it rang. A level that equals the tick is of the dispatch that goes on: the worker
 * takes the next tick after it was switched in, which clears the level.
 */
static void look_at_levels(void)
{
	struct worker *worker;
	workers_awake(worker) {
		uint64_t tick = load(&outside.levels[worker->number], acquire);
		if (tick && tick == load(&worker->tick, relaxed) && !load(&worker->block->note, relaxed))
			blocked_note(worker, tick, SLEY_SOURCE_BPF);
	}
}

/* ---- the program ---- */

/* Returns whether each thread that is a worker is watched. */
static bool watch_workers(struct assist *assist)
{
	unsigned started = load(&scheduler.started, relaxed);
	int watched = outside.library->watch(assist, region.workers, load(&scheduler.made, relaxed));
	return watched < 0 || (unsigned)watched >= started; /* after an error there is nothing to wait for */
}

bool outside_look(void)
{
	struct assist *assist = load(&outside.assist, acquire); /* pairs with listener_main() */
	return assist && !watch_workers(assist);
}

static const struct assist_library *open_library(void)
{
	void *object = dlopen && dlsym ? dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL) : NULL;
	const struct assist_library *library = object ? dlsym(object, ASSIST_LIBRARY_SYMBOL) : NULL;
	return library && library->version == SLEY_REGION_VERSION ? library : NULL;
}

/* 0, or a negative errno value: nothing is left open then. */
static int open_program(struct assist **assist)
{
	struct assist_place place = {
		.lines = (uint64_t)(uintptr_t)region.workers,
		.stride = sizeof(*region.workers),
		.poller = (uint64_t)(uintptr_t)idle_poller_place(),
		.global_length = (uint64_t)(uintptr_t)&global_length,
	};
	outside.library = open_library();
	if (!outside.library)
		return -ENOENT;
	outside.pidfd = descriptor_lift((int)syscall(SYS_pidfd_open, getpid(), 0));
	if (outside.pidfd < 0)
		return -errno;
	int error = outside.library->open(assist, outside.pidfd, &place);
	if (error)
		close(outside.pidfd);
	return error;
}

static void *listener_main(void *unused)
{
	struct assist *assist;
	(void)unused;
	if (open_program(&assist) == 0) {
		watch_workers(assist);
		outside.levels = outside.library->levels(assist);
		store(&outside.assist, assist, seq_cst); /* pairs with outside_close() and outside_look() */
		store(&outside.state, OUTSIDE_WATCHES, release);
		region_source(SLEY_SOURCE_BPF, true);
		while (!load(&outside.stop, seq_cst) && outside.library->wait(assist, -1))
			look_at_levels();
	} else {
		store(&outside.state, OUTSIDE_REFUSED, release);
	}
	fetch_sub(&scheduler.threads, 1, relaxed);
	return NULL;
}

void outside_open(bool on)
{
	sigset_t all, old;
	outside.started = false;
	store(&outside.assist, NULL, relaxed); /* the watchdog looks already */
	store(&outside.stop, 0, relaxed);
	store(&outside.state, on ? OUTSIDE_OPENS : OUTSIDE_NONE, relaxed);
	if (!on)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	fetch_add(&scheduler.threads, 1, relaxed); /* for watch/deadlock.c: one more thread of the runtime */
	outside.started = pthread_create(&outside.thread, NULL, listener_main, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (outside.started) {
		pthread_setname_np(outside.thread, "sley-assist");
	} else {
		fetch_sub(&scheduler.threads, 1, relaxed);
		store(&outside.state, OUTSIDE_REFUSED, relaxed);
	}
}

void outside_close(void)
{
	if (!outside.started)
		return;
	store(&outside.stop, 1, seq_cst); /* pairs with listener_main() */
	struct assist *assist = load(&outside.assist, seq_cst);
	if (assist)
		outside.library->wake(assist);
	pthread_join(outside.thread, NULL);
	region_source(SLEY_SOURCE_BPF, false);
	store(&outside.state, OUTSIDE_NONE, relaxed);
	if (outside.assist) {
		outside.library->close(outside.assist);
		close(outside.pidfd);
		outside.assist = NULL;
	}
}
