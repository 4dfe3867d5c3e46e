/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Workers: the threads that run tasks. The scheduler runs on a worker's own stack, and copies other stacks there. The
 * worker switches to a task, and the task switches back. `after` tells the worker the action that follows once the task
 * has left its stack.
 */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include <pthread.h>

#include "base/compiler.h"
#include "base/heap.h"
#include "base/list.h"
#include "context/control.h"
#include "context/exceptions.h"
#include "run/current.h"
#include "run/deque.h"
#include "run/timer.h"
#include "task/task.h"

enum after {
	AFTER_WAIT,  /* no action: the claimant of its wait readies it */
	AFTER_YIELD, /* it is made ready: only then can others take it */
	AFTER_KEPT,  /* the same, and it keeps its slot: see slot_is_single() */
	AFTER_END,   /* its function has returned */
	AFTER_MOVE,  /* it is made ready, for another worker: see worker_migrate() */
};

/* Who looks at threads: see assist/thread.h. */
enum looker { LOOKER_WATCHDOG, LOOKER_SENTINEL, LOOKER_LISTENER, LOOKERS };

/* A file in /proc about a worker's thread that is kept open for one looker. Written by the watchdog, but for `looks`. */
struct thread_file {
	int fd; /* atomic; 0: none */
	uint32_t tid;
	uint64_t ino, dev; /* atomic: of the file that was opened */
	unsigned looks;    /* atomic: how many threads use it now; see assist/thread.h */
};

struct worker {
	/* owned by the worker */
	struct context context; /* the context of its own stack, while a task runs */
	struct task *task;      /* the running task; null: none */
	struct task *chosen;    /* the task that its loop runs next; null: that of a search */
	struct coroutine
		*call;     /* the call under way of which the running task is the callee; null: it was not called */
	struct task *heir; /* the task that runs when the running one has ended: see worker_end_to() */
	struct task *left; /* the task that has just switched to the running one; null: what follows that is done */
	uint32_t control;  /* floating-point control words of its own code, constant in a run */
	/*
	 * the words with which a task may leave its stack without saving them: `control`; CONTROL_NONE if `told`, and while
	 * there are calls
	 */
	uint32_t usual;
	struct control_place place;    /* for control_get_by() */
	struct exceptions *exceptions; /* the thread's, constant in a run; empty unless its task has exceptions */
	int *error;                    /* the thread's errno, constant in a run */
	enum after after;
	unsigned number;
	unsigned budget;      /* calls that its task may still make without waiting, until it yields */
	unsigned next_streak; /* dispatches from run-next and grants in a row */
	uint64_t tick;        /* number of dispatches; atomic: other threads read it */
	/* direct switches until its loop is due, of so many since the loop's last dispatch: see dispatch() */
	int direct, direct_most;
	int until_global;      /* dispatches until the next look at the global queue first */
	int64_t stamp;         /* the last reading of the clock for a stamp; 0: time may have passed since */
	int64_t polled;        /* time of the last look at the reactor and the timers; atomic: other threads read it */
	int64_t polled_before; /* time of the look before that; atomic */
	uint64_t polled_tick;  /* `tick` at the last look; atomic */
	uint64_t reactor_tick; /* `tick` from which on the tasks that the deque held at the last poll have been run */
	long sleeps; /* of its thread, when run/late.c counted them last; it had slept in dispatch sleeps_tick */
	uint64_t sleeps_tick;
	uint32_t late_for;  /* as woken_for, until its first look: see late_first() */
	int64_t clocked;    /* time of the last reading of the clock for the next such look */
	int until_clock;    /* dispatches until the next such reading */
	int clock_interval; /* the initial value of until_clock */
	/* time at which it left the reactor, kept until it sleeps again; 0: it was not the poller */
	int64_t left_post;
	int64_t handed;      /* time of its tasks' last hand-over for which the clock was read */
	unsigned quick;      /* hand-overs for which the clock is not read */
	unsigned quick_most; /* the initial value of quick */
	uint64_t *counters;  /* its row in the region */
	struct sley_region_worker *line;
	struct sley_region_block *block; /* its note: see run/blocked.h */
	struct timers *timers;           /* the wheel that its tasks arm in, of scheduler.timers; constant */
	struct task_cache tasks;
	struct heap_cache heap;
	struct stack_worker stack;
	struct fiber fiber;
	bool told;                  /* AddressSanitizer is informed of every switch; constant in a run */
	struct fiber_bounds bounds; /* bounds of its own stack, if `told`; owned by the stack on which it runs */
	uint32_t random;            /* never 0 */
	bool spinning;              /* counted in idle.spinning */
	bool asleep;                /* true from the beginning of idle_wait() to idle_leave() */
	bool was_poller;            /* it has left the reactor and run no task since */
	bool deque_turn;            /* with pinned tasks: whether the deque was first the last time */
	unsigned told_blocks;       /* calls of sley_block_enter() that its task has not left */
	pthread_t thread;
	/* atomic */
	struct task
		*next; /* run-next: made ready by the running task, or granted the slot left; any worker may take it */
	unsigned poll_due;  /* set by the watchdog: the worker looks at the reactor at the next dispatch */
	unsigned empty_due; /* set by the watchdog: the worker empties its caches, see watch/memory.c */
	uint32_t woken_for; /* atomic: number of the worker whose replacement it is, plus 1; see run/replacement.c */
	unsigned parked CACHE_ALIGNED; /* futex: 1 while it sleeps */
	/* owned by the watchdog, like the next five: `tick` at the watchdog's last look */
	uint64_t seen_tick;
	int64_t held_since;    /* time at which seen_tick was first seen */
	bool hold_told;        /* its long hold of a slot was reported: see watch/stuck.c */
	bool pinned_told;      /* the same for its thread */
	bool end_told;         /* so was the wait for it at the end of the run */
	uint64_t emptied_tick; /* `tick` when empty_due was last set */
	uint64_t known_tick;   /* atomic: `tick` as another worker saw it at known_since; written by any worker */
	int64_t known_since;   /* atomic */
	/* atomic, written by any worker: `tick` when another one looked, and when it may look at the thread (assist/tick.c) */
	uint64_t asked_tick;
	int64_t asked;
	uint64_t where; /* atomic: the last dispatch that armed a sentinel, and its CPU; see assist/sentinel.c */
	struct deque deque;
	struct task *batch[DEQUE_SIZE / 2 + 1]; /* owned by the worker: see overflow() */
	/* tasks pinned to this worker, which only this worker takes out; and those that were moved here */
	struct list_lock inbox_lock; /* protects inbox */
	struct task_list inbox;
	unsigned inbox_length; /* atomic; written under inbox_lock */
	unsigned inbox_moved;  /* the same: how many of them are not pinned */
	/* protected by the lock of the idle list */
	struct list_link idle_link;
	bool idle;   /* it is in the list */
	bool leaves; /* atomic: the thread has to end */
	/* owned by the watchdog: the dispatch that the tick saw last, and the CPU time of the thread then (assist/tick.c) */
	uint64_t look_tick;
	int64_t look_cpu;
	struct thread_file files[LOOKERS];
	unsigned kept; /* atomic, written by the worker: tasks that sley_pin() keeps here, so its thread must stay */
	/* a spare; owned by the watchdog */
	bool joinable;       /* it has a thread */
	uint64_t spare_tick; /* its tick when it was seen to sleep, at spare_since */
	int64_t spare_since;
};

/*
 * Called by the worker when its empty_due is set: empties its caches. The watchdog requests it: memory in the caches
 * cannot be given back, see watch/memory.c.
 */
static inline void worker_empty(struct worker *worker)
{
	store(&worker->empty_due, 0, relaxed);
	stack_worker_empty(&worker->stack);
	task_cache_empty(&worker->tasks);
	heap_cache_empty(&worker->heap);
}

static inline struct worker *worker_get(unsigned number)
{
	return &scheduler.workers[number];
}

/*
 * The first worker from this number on that is not in the idle list; null: none. A worker in that list has nothing in
 * its queues that others could take.
 */
static inline struct worker *worker_awake(unsigned from)
{
	unsigned words = (load(&scheduler.made, relaxed) + 63) / 64;
	uint64_t below = ((uint64_t)1 << from % 64) - 1;
	for (unsigned i = from / 64; i < words; i++, below = 0) {
		uint64_t bits =
			load(&scheduler.awake[i], acquire) & ~below; /* pairs with set_awake(): the record is whole */
		if (bits)
			return worker_get(i * 64 + (unsigned)__builtin_ctzll(bits));
	}
	return NULL;
}

/* The next one in a circle, from number `from`; null: none is awake. */
static inline struct worker *worker_awake_round(unsigned from)
{
	struct worker *worker = worker_awake(from);
	return worker || from == 0 ? worker : worker_awake(0);
}

#define workers_awake(worker) for ((worker) = worker_awake(0); (worker); (worker) = worker_awake((worker)->number + 1))

#define COUNT(worker, counter, n) bump(&(worker)->counters[SLEY_COUNTER_##counter], (uint64_t)(n))

/*
 * The calling task leaves its worker; see enum after. worker_park() returns the task: its caller need not keep it in its
 * frame. worker_yield() does nothing outside of a task.
 */
struct task *worker_park(void);
/*
 * Parks the calling task like worker_park(), and runs `next` at once. The calling task has claimed the wait of `next`, and
 * has not made it ready. False: this is not possible, and nothing was done. The calling task holds no locks.
 */
bool worker_park_to(struct task *next);
void worker_yield(const void *pc);

/* Called by a task at its very beginning. */
void worker_begin(void);

/*
 * The calling task is about to end, and does nothing before that for which it or another thread could wait. It has claimed
 * the wait of `next`, and has not made it ready: the worker switches to that one when the calling task has ended, or makes it
 * ready. Not a plain thread.
 */
static inline void worker_end_to(struct worker *worker, struct task *next)
{
	worker->heir = next;
}

/* The calling task has ended. Returns if another one, whose turn has begun, takes over its stack: that task. */
struct task *worker_end(void);

/*
 * Called by a call that is documented to wait and did not have to wait: takes one from the task's budget, and yields
 * when the budget is spent. So a task whose calls are always ready cannot keep the others from running.
 */
static inline void worker_spend_of(struct worker *worker, const void *pc)
{
	if (unlikely(worker->budget-- == 0))
		worker_yield(pc);
}

void worker_spend(const void *pc); /* of the calling thread's */

/* Runs tasks until scheduler.stopping is set. Called by the worker's thread. */
void worker_run(struct worker *worker);

#endif
