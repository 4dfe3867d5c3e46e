/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Workers: the threads that run tasks. A worker's own stack is where the scheduler runs and where stacks are copied; it
 * switches to a task and the task switches back, saying in `after` what is to be done once its stack has been left.
 */
#ifndef SCHED_WORKER_H
#define SCHED_WORKER_H

#include <pthread.h>

#include "base/compiler.h"
#include "context/exceptions.h"
#include "sched/deque.h"
#include "sched/task.h"

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
	uint32_t usual;         /* with these a task may leave as it is: the same, or CONTROL_NONE where switches are told */
	struct exceptions *exceptions; /* the thread's, constant in a run; empty but for a task that has some */
	enum after after;
	unsigned number;
	unsigned budget;      /* calls that its task may make without waiting until it yields */
	unsigned next_streak; /* dispatches from run-next and grants in a row */
	uint64_t tick;        /* dispatches; atomic: the monitor reads it */
	int until_global;     /* dispatches until it looks at the global queue first */
	int64_t stamp;      /* the time as it was last read for a stamp; 0: not since time has passed */
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
	uint32_t random; /* never 0 */
	bool spinning;   /* counted in idle.spinning */
	bool asleep;     /* between idle_wait()'s beginning and idle_leave() */
	bool was_poller; /* it left the reactor, and has run no task since */
	bool deque_turn; /* who was first the last time that there were pinned tasks */
	pthread_t thread;
	/* atomic */
	struct task *next;             /* run-next: made ready by the running task; anybody may take it */
	unsigned poll_due;             /* set by the monitor: look at the reactor at the next dispatch */
	unsigned empty_due;            /* the same: give back what the caches have, see sched/memory.c */
	unsigned parked CACHE_ALIGNED; /* futex: 1 while it sleeps in the parking place */
	uint64_t seen_tick;            /* owned by the monitor, as the next three: its tick at the last look */
	int64_t held_since;            /* when it was first seen */
	bool hold_told;                /* that it holds a slot for long: see hold.c */
	uint64_t emptied_tick;         /* when its caches were to be emptied last */
	uint64_t known_tick;           /* atomic: its tick as another worker saw it, at known_since; written by any of them */
	int64_t known_since;           /* atomic */
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

/* How the layers below call up; runtime.c fills it in before any worker runs. */
struct sched_hooks {
	/* Waits up to `timeout` ns (0: not at all, SLEY_NEVER: for ever) for descriptors and readies tasks; how many. */
	unsigned (*poll)(int64_t timeout);
	void (*interrupt)(void);    /* ends a poll that waits; any thread */
	void (*rearm)(int64_t now); /* looks after descriptors waited for since long; by the monitor */
	void (*tick)(void);         /* by the monitor, at every look */
	bool (*expecting)(void);    /* whether something outside of the scheduler may still make a task ready */
	void (*deadlock)(void);     /* nothing can ever happen again; by the monitor */
};
extern HIDDEN struct sched_hooks sched_hooks;

struct scheduler {
	struct worker *workers; /* constant during a run */
	unsigned count;
	unsigned sleeping; /* atomic: workers in the idle list; written under its lock */
	/* atomic: what the monitor promises, see sched/monitor.c */
	unsigned watched;  /* it looks twice in a millisecond */
	unsigned resting;  /* it looks rarely, as all workers sleep */
	int64_t next_look; /* when it looks at the latest */
	unsigned running;  /* atomic: a run is under way */
	unsigned forked;   /* atomic: this is a forked child of a process with a run */
	unsigned stopping; /* atomic: set once; workers leave when they see it */
	unsigned threads;  /* atomic: of the runtime's own, beside the workers */
	unsigned run;      /* constant during a run: its number in this process */
};
extern HIDDEN struct scheduler scheduler;

/*
 * The worker that the calling thread is; null: none. A task may be on another thread after any wait, so it is read by a
 * function that is never inlined. The variable itself is for calls on a fast path that end without a wait, or in a tail
 * call to a function (NOINLINE) that may wait.
 */
extern HIDDEN __thread struct worker *this_worker;
struct worker *worker_self(void);

/* The running task; null on a worker's own stack and on plain threads. */
struct task *task_self(void);

/* What a waiting call answers outside of a task: -EDEADLK, or -ECHILD in a forked child. */
int outside_error(void);

/*
 * On a worker's own stack: it has slept, or may have; its last stamp is old. Before it takes out anything that woke it.
 */
void worker_slept(void);

/* In a forked child: the calling thread is no worker there. */
void worker_forked(void);

/* Random numbers for choices that are to be fair. Any thread. */
uint32_t random_here(void);

static inline struct worker *worker_get(unsigned number)
{
	return &scheduler.workers[number];
}

/* What is wrong when there is no run: -ENOTCONN, or -ECHILD in a forked child. 0 during a run. */
int scheduler_error(void);

#define COUNT(worker, counter, n) bump(&(worker)->counters[SLEY_COUNTER_##counter], (uint64_t)(n))

/* Counts for the calling thread, which may be no worker. */
void count_here(enum sley_counter counter, uint64_t n);

/*
 * Makes a claimed or new task ready. Any thread; no lock of an object may be held by a caller who could be waited
 * for.
 */
void task_ready(struct task *task);

/* The same for a list of them, behind what is ready already. The tasks may run before it returns. */
void task_ready_list(struct task_list *list);

/* As task_ready(), but behind what is ready already: for tasks spawned or woken in bulk. */
void task_ready_last(struct task *task);

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

/* sched/idle.c: sleeping and waking */
void idle_open(void);
void idle_notify(void);                   /* there is new work that any worker can do */
void idle_notify_worker(struct worker *); /* there is work that only this one can do */
void idle_wait(struct worker *);          /* sleeps until there is work, or a reason to look */
bool idle_spin_begin(struct worker *);    /* whether to search actively */
void idle_spin_end(struct worker *, bool found);
void idle_wake_all(void);
uint64_t idle_changes(void);    /* times that a worker fell asleep, woke or was woken */
void idle_leave(struct worker *); /* its sleep is over, and its hands may be full from here on */
bool idle_without_poller(void); /* some sleep, and none of them in the reactor */
void idle_replace_poller(struct worker *); /* it was the poller, and has found a task to run */
extern int64_t idle_stay_quick, idle_stay_rare; /* ns, see there; atomic; tests change them */

static inline unsigned idle_count(void)
{
	/* seq_cst: pairs with idle_wait(), which looks for what was handed over; for free where loads are ordered */
	return load(&scheduler.sleeping, seq_cst);
}

/* sched/deadlock.c: by the monitor, at every look: whether nothing can ever happen again. */
bool deadlock_look(void);

/* sched/monitor.c */
int monitor_start(void);
void monitor_stop(void);
void monitor_wake(void);  /* it looks, and thinks anew when to look again */
void monitor_watch(void); /* it is to watch what is handed over, for some milliseconds */

/*
 * sched/spawn.c: a task in two steps: it is all there, and nobody else knows of it yet; and it becomes ready. 0 or an
 * error of sley_spawn(). By tasks, and in visits of plain threads.
 */
int spawn_new(struct task **task, struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
	      const void *arg, size_t n);
void spawn_start(struct task *task);
void spawn_drop(struct task *task); /* instead of the second: it never was */

/* The entry of every task. */
void task_main(void);
void task_end(struct worker *worker, struct task *task); /* on the worker's stack, after its stack was left */

#endif
