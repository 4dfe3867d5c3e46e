/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The task table. Entries are type-stable: never unmapped during a run, so a stale pointer finds a task entry, and a
 * claim on an old wait fails by its number. An entry that was free for long may be zero, as its page was given back:
 * then it has no id that anybody knows and nobody holds its lock. What tools may see of a task is in its public record
 * in the region.
 *
 * States (enum sley_task_state), who has the task, and who may change it:
 *   FREE     the table's or a worker's free list. Whoever takes it from there.
 *   READY    one run queue (run-next, deque, inbox, global), or a worker's hands. Who dequeues it. A task that is
 *   still on
 *            its way out of a worker may be here already: its slot is held until it has left.
 *   RUNNING  a worker, which holds its slot. The task itself: it begins a wait, yields or ends.
 *   WAITING  the objects it waits on and the timers. Who wins the claim (task/wait.h) makes it READY.
 *   SLOT     the waiters of its slot, or the starved list. Who releases the slot.
 *   ENDED    nobody; kept until it is joined. The joiner.
 */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include "base/check.h"
#include "base/heap.h"
#include "base/lock.h"
#include "base/slab.h"
#include "context/fiber.h"
#include "region/region.h"
#include "stack/slot.h"
#include "task/wait.h"

_Static_assert(SLEY_REGION_WORKERS <= 256 && SLEY_REGION_SITES <= 65536, "struct task keeps them in so many bits");

/* flags */
#define TASK_PINNED  1u
#define TASK_GRANTED 2u /* it sits in a run queue and holds its slot */
#define TASK_STARTED 4u
#define TASK_THREAD  8u   /* a plain thread that waits, see run/thread.h; constant */
#define TASK_NESTED  128u /* a thread of a pool waits for its end, see io/jobs.h; constant */
/* fate */
#define TASK_DETACHED 1u /* nobody will join it, or somebody has */
#define TASK_ENDED    2u /* its function has returned and its stack is left */
#define TASK_UNUSED   4u /* the entry is free: its id is the next one that it will have */

/* What a task that never ran is to do. */
struct start {
	void (*fn)(void *);
	void *arg;
	size_t n; /* SLEY_BY_POINTER, or the size of the block `arg` that travels by value */
};

/* To be called when a task has ended: see task_watch(). */
struct watch {
	struct watch *next, *prev; /* protected by the task's lock; prev is the watch itself: it is not in the list */
	/* On a worker's own stack (or any thread), without locks, after the task's stack was left. It owns the watch. */
	void (*ended)(struct watch *watch, struct task *task);
};

struct cleanup;
struct local;
struct sley_child;

/* What few tasks have. Made when it is first needed, kept until the entry is freed. */
struct task_extra {
	/* owned by the task, or by its spawner before it is ready */
	sley_time deadline;         /* of every wait */
	struct cleanup *cleanups;   /* see life/cleanup.h */
	struct local *locals;       /* see life/local.c */
	struct sley_child *child;   /* of the scope that it is in, see sync/children.h; null: none */
	struct sley_gen *generator; /* whose body it is, see sync/generator.c; null: none */
	int result;                 /* a scope's child: what its function returned */
	bool destroying;            /* a destructor of its locals is running */
	/* protected by the task's lock */
	bool cancelled; /* it had been, when it ended; valid from then on */
	struct watch *watches;
};

#if !defined(SLEY_TSAN) && !defined(SLEY_ASAN)
#define TASK_ALIGNED CACHE_ALIGNED
#else
#define TASK_ALIGNED __attribute__((aligned(256)))
#endif

/*
 * Two cache lines. The first is all that a switch touches, unless the task waits.
 */
struct task {
	struct tenant tenant; /* first: queues link tenants */
	uint64_t id;          /* constant while the task lives; kept when it is free, for the next generation */
	uint64_t claim;       /* atomic, see task/wait.h */
	struct lock lock;     /* protects id's change, fate, joiner and watches */
	uint32_t joiner;      /* protected by lock: index + 1 of the task that joins it, 0: none */
	uint16_t site;        /* constant */
	uint8_t worker;       /* where it last ran, or is pinned to; owned by the worker that runs it */
	uint8_t ready_on;     /* the worker that made it ready; owned by whoever has it READY */
	uint8_t state;        /* enum sley_task_state, as above */
	uint8_t flags;        /* owned like state */
	uint8_t fate;         /* protected by lock: TASK_DETACHED, TASK_ENDED, TASK_UNUSED */
	uint8_t timer_heap;   /* the worker in whose heap the timer is; owned by the task */
	union {
		struct start start; /* until the first run */
		struct wait wait;   /* afterwards */
	};
	struct heap_node timer;   /* see timer.h */
	struct task_extra *extra; /* atomic; set once, and freed, under lock: see task_extra_get() */
	struct fiber fiber;       /* kept when it is free, unless its page is given back */
} TASK_ALIGNED;

_Static_assert(SLAB % sizeof(struct task) == 0, "entries are an array across slabs");

#if !defined(SLEY_TSAN) && !defined(SLEY_ASAN)
_Static_assert(sizeof(struct task) == 2 * CACHE_LINE && offsetof(struct task, wait) == CACHE_LINE, "see above");
#endif

/* Free entries that a worker keeps. Owned by it. */
struct task_cache {
	struct slab_block *head;
	unsigned count;
};

/*
 * The table for up to `max` tasks. `reserve` is called with its growth lock held, before more entries than ever are used:
 * the queues make room for so many tasks; 0 or -ENOMEM. Returns 0 or -ENOMEM.
 */
int tasks_open(uint32_t max, int (*reserve)(uint32_t tasks));
void tasks_close(void);

/*
 * An entry with a new id, in no queue, record not published yet; null: -EAGAIN by *error when `max` are alive, else
 * -ENOMEM.
 */
struct task *task_alloc(struct task_cache *cache, int *error);
void task_free(struct task_cache *cache, struct task *task);

/* Gives the free entries of the cache back. By its owner. */
void task_cache_empty(struct task_cache *cache);

/* The table's memory: see base/slab.h. */
extern struct slabs task_slabs;

/* Fills in the public record. `parent` may be null. */
void task_publish(struct task *task, struct task *parent, const char *name);

/* What it has besides; null: nothing. */
static inline struct task_extra *task_extra(struct task *task)
{
	return load(&task->extra, acquire); /* pairs with task_extra_get() */
}

/* The same, made if need be. Null: no memory. With the task's lock held, or before it is ready. */
struct task_extra *task_extra_get(struct task *task);

/* The same of the calling task, without its lock. */
struct task_extra *task_extra_own(struct task *task);

/*
 * Has watch->ended called once when the task ends. With its lock held and its id checked; it has an extra, and has not
 * ended. unwatch, under the same lock: takes it back: true; false: it has been called, or is about to be.
 */
void task_watch(struct task *task, struct watch *watch);
bool task_unwatch(struct task *task, struct watch *watch);

/* How it ended. While its watches are told, or with its lock held and TASK_ENDED. */
void task_outcome(struct task *task, struct sley_end *end);

/* The entry of an id, or null if none can have it. The caller checks its id under its lock. */
struct task *task_find(int64_t id);

/* The entry number `index`, which was used. */
struct task *task_at(uint32_t index);

/* Calls fn for every entry that was ever used. Only when no worker runs, or with racy reads in mind. */
void tasks_each(void (*fn)(struct task *, void *), void *arg);

static inline struct task *task_of(struct tenant *tenant)
{
	return CONTAINER_OF(tenant, struct task, tenant);
}

/*
 * Tasks that are nobody else's, as their waits were claimed or they left a queue, in order. Linked by their queue links.
 * Zero bytes are an empty list.
 */
struct task_list {
	struct task *first, *last; /* `last` is valid unless the list is empty */
};

static inline void task_list_add(struct task_list *list, struct task *task)
{
	task->tenant.next = NULL;
	if (list->first)
		list->last->tenant.next = &task->tenant;
	else
		list->first = task;
	list->last = task;
}

/* The task behind `task`, or null. */
static inline struct task *task_list_next(const struct task *task)
{
	return (struct task *)(void *)task->tenant.next;
}

/* Takes the first task out: it, or null. */
static inline struct task *task_list_take(struct task_list *list)
{
	struct task *task = list->first;
	if (task)
		list->first = task_list_next(task);
	return task;
}

/* The number of the entry, and of its public record. */
static inline uint32_t task_index(const struct task *task)
{
	return (uint32_t)(task->id & SLEY_TASK_INDEX_MASK) - 1;
}

static inline struct sley_region_task *task_record(const struct task *task)
{
	return &region.tasks[task_index(task)];
}

void task_set_name(struct task *task, const char *name);

#endif
