/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The source bpf. An eBPF program (bpf/assist.bpf.c) sees the kernel switch a worker's thread out while its task runs. It
 * stores the worker's dispatch in a table of levels, and rings if that matters to the process at that moment. A thread of
 * the runtime, the listener, then compares the levels with the workers' ticks, and notes those that are blocked, which wakes
 * a spare (run/blocked.h). There is one listener, so a bell wakes one thread, however many workers block. The other
 * sources are at work all the time, so a bell that does not come delays what it would have told, and no more.
 *
 * Of the time from a block until the next task runs, 45 to 50 us on one CPU of a virtual machine, 16 to 20 pass until the
 * interrupt comes by which the kernel wakes a thread for the ring, 32 until the listener is back from its system call, 1
 * until the note is made, 10 until the spare runs. Rejected: a spare waits for bells in its sleep. It takes over after 43 us,
 * but on two CPUs, where it has to be woken on the other one mostly, no sooner than with the listener.
 *
 * The program belongs to one of two:
 *   the runtime   where the source bpf was asked for. libsley_assist has the program and libbpf in it; the listener opens
 *                 it, as libsley itself needs libc alone. It takes some 50 ms to load the program, and the run does not
 *                 wait for that. Where the library is not installed, or the kernel refuses the program (CAP_BPF and
 *                 CAP_PERFMON are needed), the listener ends.
 *   a helper      a privileged process beside an unprivileged service. Levels and bell are behind the control page
 *                 (sley/introspect.h). There is no listener until a helper takes a lease, and none when its lease is over:
 *                 a look of the watchdog, at most 250 ms, later, and SLEY_HELPER_LEASE_NS after its death at most.
 *
 * A level of the runtime's own program is cleared when the thread is woken, so it needs no second opinion: the state in
 * /proc would say the same, some microseconds later.
 *
 * A helper is not trusted, as any process of the same user may write to the control page. So the state in /proc decides,
 * and the level only says where to look. What a false helper can take is time: looks that note nothing are no more than
 * IN_VAIN_MOST in IN_VAIN_PERIOD, some 5 % of a CPU. It cannot keep the listener from ending, as that one wakes each
 * LISTEN_PERIOD. The words are not followed, and none is an index.
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
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "assist.h"
#include "assist/thread.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/futex.h"
#include "run/block_site.h"
#include "run/blocked.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/worker.h"

#define LIBRARY "libsley_assist.so.0"

#define LISTEN_PERIOD  NS_PER_SEC /* a listener to a helper looks at the lease so often */
#define REFUSED_PAUSE  NS_PER_SEC
#define IN_VAIN_MOST   50
#define IN_VAIN_PERIOD (10 * NS_PER_MS)

extern __typeof__(dlopen) dlopen __attribute__((weak)); /* null in a static program */
extern __typeof__(dlsym) dlsym __attribute__((weak));

unsigned outside_looks;

static struct {
	unsigned allowed; /* atomic: a helper is listened to; set when the next three are the watchdog's */
	pthread_t thread;
	bool started;  /* it is to be joined */
	int64_t again; /* when a listener may be started after one was refused */
	/* written by the listener before `assist` */
	int pidfd;
	const struct assist_library *library;
	const uint64_t *levels;
	uint64_t waits[WORKERS_MOST]; /* owned by the listener: the levels that it confirms, by worker */
	struct assist *assist;        /* atomic; null: the runtime has no program */
	unsigned state;               /* atomic; enum outside_state */
	unsigned ended;               /* atomic: the listener has ended, or is about to */
	unsigned stop;                /* atomic */
} outside;

enum outside_state outside_state(void)
{
	return (enum outside_state)load(&outside.state, acquire); /* pairs with listener_main() */
}

/* ---- looking ---- */

/*
 * The kernel wrote the level before it rang. A level that equals the tick is of the dispatch that goes on: the worker
 * takes the next tick after it was woken, which clears the level.
 */
static bool is_at(const struct worker *worker)
{
	uint64_t tick = load(&worker->tick, relaxed);
	return load(&outside.levels[worker->number], acquire) == tick && tick && !load(&worker->block->note, relaxed);
}

static bool note_level(struct worker *worker, uint64_t tick)
{
	return blocked_note(worker, tick, SLEY_SOURCE_BPF);
}

/*
 * The same with a level of a helper. The tick is the same before and after the state was read, so that is of the dispatch.
 */
static bool note_thread(struct worker *worker, uint64_t tick)
{
	char state = thread_state(worker, LOOKER_LISTENER);
	return (state == 'S' || state == 'D') && load(&worker->tick, relaxed) == tick &&
	       load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK && blocked_note(worker, tick, SLEY_SOURCE_BPF);
}

/*
 * Notes the workers that are at their levels. A block of a site with a time to confirm (run/block_site.h) counts if the
 * worker is at the same level after that time; bells that ring meanwhile are heard then. Returns whether it noted one.
 */
static bool look_at_levels(bool (*note)(struct worker *worker, uint64_t tick))
{
	struct worker *worker;
	int64_t longest = 0;
	bool noted = false;
	workers_awake(worker) {
		uint64_t *waits = &outside.waits[worker->number], tick = load(&worker->tick, relaxed);
		int64_t confirm = block_site_confirm(load(&worker->line->site, relaxed));
		*waits = 0;
		if (!is_at(worker))
			continue;
		if (confirm == 0)
			noted |= note(worker, tick);
		else
			*waits = tick;
		longest = MAX(longest, confirm);
	}
	if (longest == 0)
		return noted;
	struct timespec time = clock_timespec(longest);
	nanosleep(&time, NULL);
	workers_awake(worker) {
		uint64_t tick = outside.waits[worker->number];
		if (tick && tick == load(&worker->tick, relaxed) && is_at(worker))
			noted |= note(worker, tick);
	}
	return noted;
}

/* ---- the runtime's own program ---- */

/* Returns whether each thread that is a worker is watched. */
static bool watch_workers(struct assist *assist)
{
	unsigned started = load(&scheduler.started, relaxed);
	int watched = outside.library->watch(assist, region.workers, load(&scheduler.made, relaxed));
	return watched < 0 || (unsigned)watched >= started; /* after an error there is nothing to wait for */
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
		.poller = region.header->poller,
		.global_length = region.header->global_length,
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

static void listen_to_program(void)
{
	struct assist *assist;
	if (open_program(&assist) != 0) {
		store(&outside.state, OUTSIDE_REFUSED, release);
		return;
	}
	watch_workers(assist);
	outside.levels = outside.library->levels(assist);
	store(&outside.assist, assist, seq_cst); /* pairs with outside_close() and outside_look() */
	store(&outside.state, OUTSIDE_WATCHES, release);
	region_source(SLEY_SOURCE_BPF, true);
	while (!load(&outside.stop, seq_cst) && outside.library->wait(assist, -1) >= 0)
		look_at_levels(note_level);
}

/* ---- a helper's ---- */

/* Foreign input: the word is loaded once. */
static bool is_leased(int64_t now)
{
	int64_t lease = load(&region.control->helper_ns, relaxed);
	return lease > now && lease - now <= SLEY_HELPER_LEASE_NS;
}

/* Sleeps until the period ends in which this look is one too many. */
static void bound_looks(int64_t *begin, unsigned *in_vain)
{
	int64_t now = clock_now();
	if (now - *begin >= IN_VAIN_PERIOD) {
		*begin = now;
		*in_vain = 0;
	} else if (++*in_vain > IN_VAIN_MOST) {
		struct timespec rest = clock_timespec(*begin + IN_VAIN_PERIOD - now);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
	}
}

static void listen_to_helper(void)
{
	const struct timespec period = clock_timespec(LISTEN_PERIOD);
	struct sley_control *control = region.control;
	int64_t begin = 0;
	unsigned in_vain = 0;
	outside.levels = (const uint64_t *)(const void *)((const char *)control + SLEY_CONTROL_WORDS);
	store(&outside.state, OUTSIDE_HELPED, release);
	region_source(SLEY_SOURCE_BPF, true);
	while (!load(&outside.stop, seq_cst) && is_leased(clock_now())) {
		uint32_t bell = load(&control->bell, acquire); /* pairs with the helper's addition */
		fetch_add(&outside_looks, 1, relaxed);
		if (!look_at_levels(note_thread))
			bound_looks(&begin, &in_vain);
		futex_wait_shared(&control->bell, bell, &period);
	}
	store(&outside.state, OUTSIDE_NONE, release);
}

/* ---- the listener ---- */

static void *listener_main(void *helper)
{
	prctl(PR_SET_TIMERSLACK, 1ul); /* times to confirm are short */
	if (helper)
		listen_to_helper();
	else
		listen_to_program();
	region_source(SLEY_SOURCE_BPF, false);
	fetch_sub(&scheduler.threads, 1, relaxed);
	store(&outside.ended, 1, release); /* pairs with outside_look() */
	return NULL;
}

/* `helper`: null, or not. Returns whether it was started. */
static bool start_listener(void *helper)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	store(&outside.ended, 0, relaxed);
	fetch_add(&scheduler.threads, 1, relaxed); /* for watch/deadlock.c: one more thread of the runtime */
	outside.started = pthread_create(&outside.thread, NULL, listener_main, helper) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (outside.started)
		pthread_setname_np(outside.thread, "sley-assist");
	else
		fetch_sub(&scheduler.threads, 1, relaxed);
	return outside.started;
}

static void join_listener(void)
{
	pthread_join(outside.thread, NULL);
	outside.started = false;
}

static void find_helper(int64_t now)
{
	struct worker *worker;
	if (!load(&outside.allowed, acquire)) /* pairs with outside_open() */
		return;
	if (outside.started && load(&outside.ended, acquire)) /* pairs with listener_main() */
		join_listener();
	if (!outside.started && is_leased(now) && now >= outside.again && !start_listener(region.control))
		outside.again = now + REFUSED_PAUSE;
	if (outside_state() == OUTSIDE_HELPED) {
		workers_awake(worker)
			thread_prepare(worker, LOOKER_LISTENER);
	}
}

bool outside_look(int64_t now)
{
	struct assist *assist = load(&outside.assist, acquire); /* pairs with listen_to_program() */
	if (assist)
		return !watch_workers(assist);
	find_helper(now);
	return false;
}

void outside_open(unsigned assist)
{
	region.header->poller = (uint64_t)(uintptr_t)idle_poller_place();
	region.header->global_length = (uint64_t)(uintptr_t)&global_length;
	outside.again = 0;
	store(&outside.stop, 0, relaxed);
	if (assist == SLEY_ASSIST_BPF) {
		store(&outside.state, OUTSIDE_OPENS, relaxed);
		if (!start_listener(NULL))
			store(&outside.state, OUTSIDE_REFUSED, relaxed);
	}
	store(&outside.allowed, assist != SLEY_ASSIST_OFF, release); /* pairs with find_helper() */
}

void outside_close(void)
{
	store(&outside.stop, 1, seq_cst); /* pairs with the listener's loops */
	struct assist *assist = load(&outside.assist, seq_cst);
	if (assist)
		outside.library->wake(assist);
	if (outside.started) {
		fetch_add(&region.control->bell, 1, seq_cst);
		futex_wake_shared(&region.control->bell, 1);
		join_listener();
	}
	if (outside.assist) {
		outside.library->close(outside.assist);
		close(outside.pidfd);
		outside.assist = NULL;
	}
	store(&outside.allowed, 0, relaxed);
	store(&outside.state, OUTSIDE_NONE, relaxed);
}
