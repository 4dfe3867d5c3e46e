/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Workers: the threads that run tasks. A worker's own stack is where the scheduler runs and where stacks are copied; it
 * switches to a task and the task switches back, saying in `after` what is to be done once its stack has been left.
 */
#ifndef RUN_WORKER_H
#define RUN_WORKER_H

#include <pthread.h>

#include "base/compiler.h"
#include "context/exceptions.h"
#include "run/current.h"
#include "run/deque.h"
#include "run/timer.h"
#include "task/task.h"

enum after {
	AFTER_PARK,  /* nothing more: whoever claims the wait readies it */
	AFTER_YIELD, /* to the end of the run queue */
	AFTER_END,   /* its function has returned */
};

struct worker {
	/* owned by the worker */
	struct context context; /* of its own stack, while a task runs */
	struct task *task;      /* that runs now */
	uint32_t control;       /* floating-point control words of its own code, constant in a run */
	uint32_t usual; /* with these a task may leave as it is: the same, or CONTROL_NONE where switches are told */
	struct exceptions *exceptions; /* the thread's, constant in a run; empty but for a task that has some */
	enum after after;
	unsigned number;
	unsigned budget;      /* calls that its task may make without waiting until it yields */
	unsigned next_streak; /* dispatches from run-next and grants in a row */
	uint64_t tick;        /* dispatches; atomic: the watchdog reads it */
	int until_global;     /* dispatches until it looks at the global queue first */
	int64_t stamp;        /* the time as it was last read for a stamp; 0: not since time has passed */
	int64_t polled;       /* when it last looked at the reactor and the timers */
	int64_t clocked;      /* when it last read the clock to find out whether it is to look again */
	int until_clock;      /* dispatches until it does so again */
	int clock_interval;   /* what that was at first */
	int64_t left_post;    /* when it left the reactor, until it sleeps again; 0: it was not the poller */
	int64_t handed;       /* when a task of it handed over to another, as far as the clock was read then */
	unsigned quick;       /* hand-overs for which it is not to be read */
	unsigned quick_most;  /* what that was at first */
	uint64_t *counters;   /* its row in the region */
	struct sley_region_worker *line;
	struct task_cache tasks;
	struct stack_worker stack;
	struct fiber fiber;
	bool told;                  /* AddressSanitizer is told of every switch; constant in a run */
	struct fiber_bounds bounds; /* of its own stack then; owned by whichever stack it runs on */
	uint32_t random;            /* never 0 */
	bool spinning;              /* counted in idle.spinning */
	bool asleep;                /* between idle_wait()'s beginning and idle_leave() */
	bool was_poller;            /* it left the reactor, and has run no task since */
	bool deque_turn;            /* who was first the last time that there were pinned tasks */
	pthread_t thread;
	/* atomic */
	struct task *next;             /* run-next: made ready by the running task; anybody may take it */
	unsigned poll_due;             /* set by the watchdog: look at the reactor at the next dispatch */
	unsigned empty_due;            /* the same: give back what the caches have, see watch/memory.c */
	unsigned parked CACHE_ALIGNED; /* futex: 1 while it sleeps in the parking place */
	uint64_t seen_tick;            /* owned by the watchdog, as the next three: its tick at the last look */
	int64_t held_since;            /* when it was first seen */
	bool hold_told;                /* that it holds a slot for long: see hold.c */
	uint64_t emptied_tick;         /* when its caches were to be emptied last */
	uint64_t known_tick; /* atomic: its tick as another worker saw it, at known_since; written by any of them */
	int64_t known_since; /* atomic */
	struct deque deque;
	struct timers timers;
	/* tasks pinned to this worker; only it takes them out */
	struct lock inbox_lock; /* protects inbox */
	struct task_list inbox;
	unsigned inbox_length; /* atomic; written under inbox_lock */
	/* idle place, protected by idle's lock */
	struct worker *idle_next, *idle_prev;
	bool idle;
};

static inline struct worker *worker_get(unsigned number)
{
	return &scheduler.workers[number];
}

#define COUNT(worker, counter, n) bump(&(worker)->counters[SLEY_COUNTER_##counter], (uint64_t)(n))

/*
 * The calling task leaves its worker; see enum after. worker_end() does not return, worker_yield() does nothing
 * elsewhere.
 */
void worker_park(void);
void worker_yield(const void *pc);
NORETURN void worker_end(void);

/*
 * For a call that is documented to wait and did not have to: it costs one of the task's budget, and when that is spent
 * the task yields. So a task whose calls are always ready cannot keep the others out.
 */
void worker_spend(const void *pc);

/* Runs tasks until scheduler.stopping. By the thread that is to be the worker. */
void worker_run(struct worker *worker);

#endif
