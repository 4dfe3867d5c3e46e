/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The source "idle": it finds a blocked worker within microseconds, without privilege and in any container.
 *
 * A sentinel is a thread of policy SCHED_IDLE that is bound to one CPU. While it is armed it is runnable, and the kernel
 * runs it as soon as its CPU has nothing else to run: for example because a task has blocked the worker there. It looks
 * at the worker's state, notes the block, and wakes a spare (run/blocked.h), which the kernel puts on this very CPU.
 * Beside a busy thread a sentinel runs, too, some 200 times a second, because SCHED_IDLE is a weight of 3 and not 0.
 * So a look is a suspicion: the state of the thread in /proc decides.
 *
 * Only tasks of spawn sites that were seen to block lately arm a sentinel (run/block_site.h). A service that does not
 * block has no sentinels. The first block of a site is found by the tick, or told.
 *
 *   dispatch of such a task:
 *     mode = TASK; where = (tick, cpu); fence; word[cpu] == ASLEEP and cas(ASLEEP -> ARMED)? wakes the sentinel
 *   sentinel of the CPU, when it runs:
 *     looks at each worker that is in such a dispatch on this CPU and is not noted:
 *       tasks of its site are trusted to sleep: noted without asking (run/block_site.h)
 *       it runs, or has gone on:  watched on
 *       it sleeps:                still so after the time to confirm of its site? noted
 *     a worker is watched on:     naps, then looks again; the word stays ARMED
 *     otherwise:                  word = ASLEEP; fence; is there a worker to look at?
 *                                   yes: word = ARMED, and looks again       no: sleeps until the word changes
 *
 * `where` and the word are a pair of stores and loads with a fence between on both sides: either the worker sees ASLEEP
 * and wakes the sentinel, or the sentinel sees the dispatch and does not sleep.
 *
 * The naps double from NAP_LEAST to NAP_MOST while the worker is in the same dispatch, so a task that computes for long
 * costs little. A task may block shortly, compute, and then block for long: the naps find that, too. They also find a
 * worker that the kernel has moved to another CPU in the middle of its task: `where` is of the dispatch, and its sentinel
 * stays with it. Rejected: to find the workers of a CPU by their rseq areas. These are up to date, but glibc may be told
 * not to register them, and a worker that is moved inside of a system call shows the old CPU as well.
 *
 * A sentinel has little of the CPU when it is busy, so whatever it holds, it may hold for long. From when it has the
 * policy SCHED_IDLE it takes no lock, allocates nothing and creates no thread. It wakes a spare by one system call that
 * both takes the spare out of its sleep and wakes it (idle_wake_unlocked()), so it cannot be preempted between the two.
 * All its signals are blocked.
 *
 * A sentinel has hardly a turn where other threads of the same session or cgroup keep all CPUs busy: then the tick finds
 * the block. No sentinel is made on isolated and nohz_full CPUs, which are to be left alone; with PREEMPT_RT, where
 * threads of the kernel run as normal ones; and for workers that are SCHED_IDLE themselves.
 *
 * The owners of the word of a CPU: the watchdog changes WANTED to ARMED, or to UNFIT; workers change ABSENT to WANTED and
 * ASLEEP to ARMED; the sentinel changes ARMED and ASLEEP, and stores UNFIT when it may not be there. A sentinel whose
 * affinity was changed from outside ends as soon as it finds itself on another CPU, and stores ABSENT: if its CPU is
 * still used, it is wanted again, and the new one finds out whether it may be there.
 */
#include "assist/sentinel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assist/thread.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/race.h"
#include "region/region.h"
#include "run/block_site.h"
#include "run/blocked.h"
#include "run/worker.h"

#define NAP_LEAST     (50 * NS_PER_US)
#define NAP_MOST      (10 * NS_PER_MS)
#define SPIN_MOST     (100 * NS_PER_US)
#define STACK_SIZE    (256 * 1024) /* with thread-local memory of the service's libraries in it */
#define REFUSED_PAUSE NS_PER_SEC

/* `where` of a worker: tick << CPU_BITS | cpu. */
#define CPU_BITS 16

enum { ABSENT, WANTED, ASLEEP, ARMED, UNFIT, STOPPED };

struct sentinel {
	unsigned word CACHE_ALIGNED; /* futex: see above */
	bool made;                   /* it has a thread to join; owned by the watchdog */
	pthread_t thread;
};

static struct {
	struct sentinel *of; /* by CPU; null: there are none in this run. Constant during a run */
	unsigned cpus;       /* constant during a run */
	/* atomic */
	unsigned wanted; /* a word is WANTED */
	unsigned stop;
	unsigned running; /* sentinels with a thread */
	int64_t again;    /* owned by the watchdog: no thread is made before this time */
} sentinels;

/* ---- by the worker ---- */

void sentinel_arm(struct worker *worker)
{
	unsigned cpu = (unsigned)sched_getcpu(), word;
	if (cpu >= sentinels.cpus)
		return;
	struct sentinel *sentinel = &sentinels.of[cpu];
	store(&worker->where, worker->tick << CPU_BITS | cpu, relaxed);
	RACE_POINT(sentinel_is_armed);
	fence(); /* see above */
	word = load(&sentinel->word, relaxed);
	if (word == ASLEEP && cas(&sentinel->word, &word, ARMED, relaxed, relaxed))
		futex_wake(&sentinel->word, 1);
	else if (unlikely(word == ABSENT) && cas(&sentinel->word, &word, WANTED, relaxed, relaxed))
		store(&sentinels.wanted, 1, release); /* pairs with sentinels_look() */
}

/* ---- the sentinel ---- */

/* Whether the worker is in the dispatch of `where`, which armed a sentinel, and is not noted. */
static bool in_dispatch(struct worker *worker, uint64_t where)
{
	return load(&worker->tick, relaxed) << CPU_BITS == (where & ~(((uint64_t)1 << CPU_BITS) - 1)) &&
	       load(&worker->line->mode, relaxed) == SLEY_WORKER_TASK && !load(&worker->block->note, relaxed);
}

/* Whether the worker is the sentinel's to look at. Stores the dispatch in *where. */
static bool is_watched(struct worker *worker, unsigned cpu, uint64_t *where)
{
	*where = load(&worker->where, relaxed);
	return (*where & (((uint64_t)1 << CPU_BITS) - 1)) == cpu && in_dispatch(worker, *where);
}

static bool any_watched(unsigned cpu)
{
	struct worker *worker;
	uint64_t where;
	workers_awake(worker) {
		if (is_watched(worker, cpu, &where))
			return true;
	}
	return false;
}

static bool sleeps(struct worker *worker, uint32_t site)
{
	char state = thread_state(worker, LOOKER_SENTINEL);
	bool sleeps = state == 'S' || state == 'D';
	block_site_answer(site, sleeps);
	return sleeps;
}

/* Looks on for this time, ns. Returns whether the worker is in the same dispatch still. */
static bool look_on(struct worker *worker, uint64_t where, int64_t time)
{
	int64_t end = clock_now() + time;
	if (time > SPIN_MOST) {
		struct timespec pause = clock_timespec(time);
		nanosleep(&pause, NULL);
	}
	do {
		if (!in_dispatch(worker, where))
			return false;
		cpu_relax();
	} while (clock_now() < end);
	return true;
}

static bool is_blocked(struct worker *worker, uint32_t site, uint64_t where)
{
	int64_t confirm = block_site_confirm(site);
	return sleeps(worker, site) && (confirm == 0 || (look_on(worker, where, confirm) && sleeps(worker, site)));
}

/*
 * By the sentinel of the worker's CPU: whether the worker's task is one of those that always sleep when they are looked
 * at. The worker may run all the same, if the kernel has moved it to another CPU.
 */
static bool is_trusted(const struct worker *worker, uint32_t site, uint64_t where)
{
	return block_site_trust(site) && thread_left(worker, where & (((uint64_t)1 << CPU_BITS) - 1));
}

/* Returns whether the worker is to be watched on. own: it is of this CPU. */
static bool look_at_dispatch(struct worker *worker, uint64_t where, bool own)
{
	uint32_t site = load(&worker->line->site, relaxed);
	if (!(own && is_trusted(worker, site, where)) && !is_blocked(worker, site, where))
		return true;
	RACE_POINT(sentinel_is_to_note);
	if (in_dispatch(worker, where))
		blocked_note(worker, where >> CPU_BITS, SLEY_SOURCE_IDLE);
	return false;
}

/*
 * Looks at the workers of this CPU; if there is none, at those of other CPUs, whose sentinels may have no turn. Returns a
 * number that is the same while the same workers are watched on in the same dispatches; 0: none is watched on.
 */
static uint64_t look_around_cpu(unsigned cpu)
{
	struct worker *worker;
	uint64_t where, watched = 0;
	bool own = false;
	workers_awake(worker) {
		if (!is_watched(worker, cpu, &where))
			continue;
		own = true;
		if (look_at_dispatch(worker, where, true))
			watched += where + worker->number + 1;
	}
	if (own)
		return watched;
	workers_awake(worker) {
		where = load(&worker->where, relaxed);
		if (in_dispatch(worker, where))
			look_at_dispatch(worker, where, false);
	}
	return 0;
}

/* Sleeps until the sentinel is armed, or is to stop. */
static void rest(struct sentinel *sentinel, unsigned cpu)
{
	RACE_POINT(sentinel_is_to_rest);
	store(&sentinel->word, ASLEEP, relaxed);
	fence(); /* see above; also pairs with sentinels_close() */
	if (any_watched(cpu)) {
		store(&sentinel->word, ARMED, relaxed);
		return;
	}
	while (load(&sentinel->word, relaxed) == ASLEEP && !load(&sentinels.stop, relaxed))
		futex_wait(&sentinel->word, ASLEEP, NULL);
}

/*
 * Asks for slices of 0.1 ms in the place of some 3 ms. Where many threads want a CPU, a thread comes first whose slice ends
 * first, and a slice of weight 3 lasts 341 times as long as one of a normal thread. So this makes turns beside busy threads
 * come 30 times as often. The policy SCHED_IDLE keeps the slice, but does not take one, so this comes before it. Linux
 * 6.12 and newer; older kernels ignore the time.
 */
static void ask_for_short_slices(void)
{
	/* struct sched_attr of the kernel, whose header does not go with sched.h */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attributes = { .size = sizeof(attributes), .nice = getpriority(PRIO_PROCESS, 0), .runtime = 100 * NS_PER_US };
	syscall(SYS_sched_setattr, 0, &attributes, 0);
}

/* Binds the calling thread to the CPU, and gives it policy SCHED_IDLE. False: it may not be there. */
static bool settle_sentinel(unsigned cpu)
{
	static const struct sched_param none;
	cpu_set_t *set = CPU_ALLOC(sentinels.cpus);
	size_t size = CPU_ALLOC_SIZE(sentinels.cpus);
	bool settled = set && sched_getaffinity(0, size, set) == 0 && CPU_ISSET_S(cpu, size, set);
	if (settled) {
		CPU_ZERO_S(size, set);
		CPU_SET_S(cpu, size, set);
		ask_for_short_slices();
		settled = sched_setaffinity(0, size, set) == 0;
	}
	CPU_FREE(set);                 /* before the policy changes: the allocator has locks */
	prctl(PR_SET_TIMERSLACK, 1ul); /* naps are short */
	return settled && sched_setscheduler(0, SCHED_IDLE, &none) == 0;
}

/* It ends, before the run does. */
static void leave(struct sentinel *sentinel, unsigned word)
{
	if (fetch_sub(&sentinels.running, 1, relaxed) == 1)
		region_source(SLEY_SOURCE_IDLE, false);
	fetch_sub(&scheduler.threads, 1, relaxed);
	store(&sentinel->word, word, release); /* last: the watchdog may make the next one then */
}

static void *sentinel_main(void *arg)
{
	struct sentinel *sentinel = arg;
	unsigned cpu = (unsigned)(sentinel - sentinels.of);
	uint64_t before = 0;
	int64_t nap = NAP_LEAST;
	if (!settle_sentinel(cpu)) {
		leave(sentinel, UNFIT);
		return NULL;
	}
	region_source(SLEY_SOURCE_IDLE, true);
	while (!load(&sentinels.stop, relaxed)) {
		if (unlikely((unsigned)sched_getcpu() != cpu)) {
			leave(sentinel, ABSENT);
			return NULL;
		}
		uint64_t watched = look_around_cpu(cpu);
		if (watched == 0) {
			rest(sentinel, cpu);
		} else {
			struct timespec time =
				clock_timespec(nap = watched == before ? MIN(2 * nap, NAP_MOST) : NAP_LEAST);
			futex_wait(&sentinel->word, ARMED, &time);
		}
		before = watched;
	}
	return NULL;
}

/* ---- by the watchdog ---- */

/* Whether the list of CPUs in this file, such as "1-3,7", has the CPU. */
static bool listed(const char *path, unsigned cpu)
{
	char line[4096], *at = line;
	FILE *file = fopen(path, "re");
	bool found = false, read = file && fgets(line, sizeof(line), file);
	while (read && !found && *at >= '0' && *at <= '9') {
		unsigned long first = strtoul(at, &at, 10), last = *at == '-' ? strtoul(at + 1, &at, 10) : first;
		found = first <= cpu && cpu <= last;
		at += *at == ',';
	}
	if (file)
		fclose(file);
	return found;
}

static bool is_fit(unsigned cpu)
{
	return !listed("/sys/devices/system/cpu/isolated", cpu) && !listed("/sys/devices/system/cpu/nohz_full", cpu);
}

/* False: the system refuses a thread at the moment. */
static bool make_sentinel(struct sentinel *sentinel, unsigned cpu)
{
	char name[16];
	pthread_attr_t attributes;
	if (sentinel->made) {
		if (pthread_tryjoin_np(sentinel->thread, NULL) != 0)
			return false; /* it is about to end */
		sentinel->made = false;
	}
	if (!is_fit(cpu)) {
		store(&sentinel->word, UNFIT, relaxed);
		return true;
	}
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	store(&sentinel->word, ARMED, relaxed);
	fetch_add(&scheduler.threads, 1, relaxed);
	fetch_add(&sentinels.running, 1, relaxed);
	sentinel->made = pthread_create(&sentinel->thread, &attributes, sentinel_main, sentinel) == 0;
	pthread_attr_destroy(&attributes);
	if (!sentinel->made) {
		leave(sentinel, WANTED);
		return false;
	}
	snprintf(name, sizeof(name), "sley-idle-%u", (uint16_t)cpu);
	pthread_setname_np(sentinel->thread, name);
	return true;
}

/* A worker that sleeps may block as soon as it wakes. Its file is not looked after, but opened. */
static void prepare_threads(void)
{
	for (unsigned i = 0; i < scheduler.made; i++) {
		struct worker *worker = worker_get(i);
		if (worker_awake(i) == worker || worker->files[LOOKER_SENTINEL].fd == 0)
			thread_prepare(worker, LOOKER_SENTINEL);
	}
}

void sentinels_look(void)
{
	if (load(&sentinels.running, relaxed) > 0)
		prepare_threads();
	if (likely(!load(&sentinels.wanted, relaxed)) || clock_now() < sentinels.again)
		return;
	exchange(&sentinels.wanted, 0, acquire); /* before the words: pairs with sentinel_arm() */
	for (unsigned cpu = 0; cpu < sentinels.cpus; cpu++) {
		struct sentinel *sentinel = &sentinels.of[cpu];
		if (load(&sentinel->word, relaxed) == WANTED && !make_sentinel(sentinel, cpu)) {
			store(&sentinels.wanted, 1, relaxed);
			sentinels.again = clock_now() + REFUSED_PAUSE;
		}
	}
}

unsigned sentinels_count(void)
{
	return load(&sentinels.running, relaxed);
}

/* ---- the run ---- */

static bool is_real_time_kernel(void)
{
	char digit = '0';
	FILE *file = fopen("/sys/kernel/realtime", "re");
	if (file) {
		digit = (char)fgetc(file);
		fclose(file);
	}
	return digit == '1';
}

void sentinels_open(bool on)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	sentinels.of = NULL;
	sentinels.cpus = sentinels.running = sentinels.wanted = sentinels.stop = 0;
	sentinels.again = 0;
	if (!on || cpus <= 0 || cpus >= 1 << CPU_BITS || sched_getscheduler(0) == SCHED_IDLE || is_real_time_kernel())
		return;
	sentinels.of = aligned_alloc(CACHE_LINE, (size_t)cpus * sizeof(struct sentinel));
	if (!sentinels.of)
		return; /* then the tick does it alone */
	memset(sentinels.of, 0, (size_t)cpus * sizeof(struct sentinel));
	sentinels.cpus = (unsigned)cpus;
}

void sentinels_close(void)
{
	static const struct sched_param normal;
	store(&sentinels.stop, 1, seq_cst);
	for (unsigned cpu = 0; cpu < sentinels.cpus; cpu++) {
		struct sentinel *sentinel = &sentinels.of[cpu];
		if (!sentinel->made)
			continue;
		/* with privilege; without, it may take a second on a machine where many threads want each CPU */
		pthread_setschedparam(sentinel->thread, SCHED_OTHER, &normal);
		exchange(&sentinel->word, STOPPED, seq_cst); /* after `stop`: pairs with rest() */
		futex_wake(&sentinel->word, 1);
	}
	for (unsigned cpu = 0; cpu < sentinels.cpus; cpu++) {
		if (sentinels.of[cpu].made)
			pthread_join(sentinels.of[cpu].thread, NULL);
	}
	free(sentinels.of);
	sentinels.of = NULL;
	sentinels.cpus = sentinels.running = 0;
}
