/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The model: the facts about one process at one tick, as plain data. session/watch.c fills it from the sources.
 * Verdicts, views and exporters read it and nothing else.
 *
 * Strings are the process's own: they are ended, but not cleaned; the output cleans them. Numbers are in range.
 */
#ifndef ASYNCTOP_MODEL_H
#define ASYNCTOP_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "events.h"
#include "source/region.h"
#include "source/syscalls.h"
#include "source/throttle.h"

#define MODEL_UNKNOWN (-1) /* a time that is not known */
#define MODEL_NAME    60   /* of a task: its own, or the function it runs */

/* A source of facts: it works, or `why` says what is missing and how to get it. */
struct model_tier {
	const char *name;
	bool active;
	char why[512];
};

enum model_tier_id { TIER_REGION, TIER_TIMES, TIER_BPF, TIER_SYMBOLS, TIERS };

/* A place in the source, as far as it is known. `text` is for humans: "function at file:line" or less. */
struct model_place {
	char file[256];
	char function[128];
	uint32_t line;
	char text[420];
};

/* Tasks that gave their thread back to the runtime at one place last. */
struct model_yield {
	uint32_t site;
	uint32_t kind; /* enum sley_wait_kind; NONE: sley_yield() */
	uint64_t pc;
	uint64_t waiting; /* of them, still parked there */
	uint64_t tasks;
	struct model_place place;
};

/* Who keeps a thread from running. X(name, text, help) */
#define STOPS(X) \
	X(SIGNAL, "signal", "SIGSTOP or the like") \
	X(DEBUGGER, "debugger", "one that traces it") \
	X(FREEZER, "freezer", "its cgroup is frozen") \
	X(SOMEBODY, "unknown", "a signal or a debugger")

enum stop {
	STOP_NONE,
#define STOP_ENUM(name, text, help) STOP_##name,
	STOPS(STOP_ENUM)
#undef STOP_ENUM
		STOP_COUNT,
};

/* Tasks that wait for what a task keeps while it has its thread: no other worker can run them. */
struct model_kept {
	uint32_t waiters;
	uint64_t first;     /* id of the one that waits longest, as far as is known */
	int64_t longest_ns; /* how long that has; MODEL_UNKNOWN */
};

struct model_worker {
	struct sley_region_worker line;
	struct sley_region_block block;
	uint64_t switches[SWITCH_CAUSE_COUNT];
	char task_name[MODEL_NAME];
	int64_t in_task_ns; /* how long at least it has not come back from its task; MODEL_UNKNOWN: it runs none */
	int64_t blocked_ns; /* how long it has been in the call that blocks it now; MODEL_UNKNOWN: in none */
	int32_t syscall;
	uint64_t args[3]; /* the first arguments of that call */
	enum stop stop;
	bool hog;                     /* it has computed for long */
	struct model_kept stack, own; /* tasks that wait for the stack of its task; pinned ones, for the thread */
	char *verdict;                /* what keeps it, or others, from running; owned; NULL: nothing to tell */
};

struct model_switch {
	uint32_t site; /* or NO_SITE */
	uint32_t cause;
	uint64_t count;
};

/* The blocks of one spawn site that the runtime found, with no tracer. */
struct model_site_blocks {
	uint32_t site;
	uint64_t noted, handed, in_vain; /* see struct sley_region_site_blocks */
	uint32_t kept;                   /* tasks that wait now for the stack or thread of one of its tasks */
};

/* CPU time of a task (its site is NO_SITE), or of all tasks of a site (0). */
struct model_cpu {
	uint64_t task;
	uint32_t site;
	int64_t ns;
};

/* Hand-overs that took [from_ns, 2 * from_ns). */
struct model_bucket {
	int64_t from_ns;
	uint64_t count;
};

/* Whether another worker went on with what waited behind a block. X(name, text, help) */
#define HANDOVERS(X) \
	X(UNKNOWN, "unknown", "that cannot be told") \
	X(DONE, "done", "another worker took over") \
	X(OTHERS, "others", "workers that ran already took what waited, or a part of it") \
	X(NEEDLESS, "needless", "nothing waited") \
	X(PINNED, "pinned", "what waited is pinned to the blocked worker") \
	X(OFF, "off", "the process does not look for blocks") \
	X(FULL, "full", "all threads that there may be were in use") \
	X(UNNOTICED, "unnoticed", "it was over before it was noticed, or is not noticed yet") \
	X(NONE, "none", "it was noticed, but no other worker had taken over by its end")

enum handover {
#define HANDOVER_ENUM(name, text, help) HANDOVER_##name,
	HANDOVERS(HANDOVER_ENUM)
#undef HANDOVER_ENUM
		HANDOVER_COUNT,
};

/* Who has ended a block, by waking its thread for the last time. */
struct model_waker {
	enum waker_kind kind;
	uint64_t task;         /* TASK */
	uint32_t site;         /* of the task */
	uint32_t pid, tid;     /* not of an interrupt; as the first pid namespace numbers them */
	char name[MODEL_NAME]; /* of the task, perhaps "", or of the thread */
};

/* "interrupt", "task", ... */
const char *waker_text(enum waker_kind kind);

/* One block, decoded for humans. */
struct model_block {
	uint64_t task;
	char name[MODEL_NAME];
	uint32_t worker;
	int32_t syscall;
	uint16_t fd_mode;
	char *args[SYSCALL_ARGS]; /* decoded, owned */
	unsigned arg_count;
	char *target;     /* owned; NULL: the call works on no descriptor */
	char *target_was; /* the target when last seen open, if `target` is closed by now; owned, or NULL */
	struct model_place place;
	struct model_place *stack; /* innermost first, of all owners; owned */
	unsigned frames;
	char runtime[64]; /* the function of sley's that made the call; "": none, the service or a library did */
	bool lookup;      /* libc made it to look up a name or an address */
	bool frameless;   /* sley ran a function of the service that left no frame (tail call), and that made it */
	enum handover handover;
	uint32_t handed_to;      /* TAKEN: the worker */
	int64_t handed_after_ns; /* TAKEN: since the start of the block */
	uint32_t threads;        /* FULL: how many */
	struct model_waker waker;
	bool began_before; /* asynctop attached: it is longer than is known */
	bool resolved;     /* place and stack are final, even if empty */
	bool exact;        /* the place is the one by which the tracer knows such blocks */
};

/* All blocks of one spawn site in one system call at one place since asynctop attached. */
struct model_blocker {
	uint32_t site;
	int32_t syscall;
	uint32_t place;           /* tells it from the same call at other places: see struct block_key */
	struct block_total total; /* those that are over */
	uint32_t in_progress;     /* threads that are in it now */
	int64_t in_progress_ns;   /* the longest of these so far */
	uint64_t in_progress_delayed_tasks;
	int64_t in_progress_delayed_ns;
	struct model_block longest;
	char *verdict; /* owned */
};

/* A single block of at least min_block. */
struct model_event {
	uint64_t task;
	char name[MODEL_NAME];
	uint32_t site;
	uint32_t worker;
	int32_t syscall;
	char *args[SYSCALL_ARGS]; /* decoded, owned */
	unsigned arg_count;
	int64_t start_ns, duration_ns, blocked_ns, cpu_ns, delayed_ns;
	uint32_t delayed_tasks;
	uint32_t handed_to;      /* the worker that took over */
	int64_t handed_after_ns; /* MODEL_UNKNOWN: none did */
	bool began_before;       /* as in struct model_block */
	struct model_waker waker;
	uint32_t kind;    /* the session's number for (site, call, place) */
	uint32_t blocker; /* index of the one whose place is its own; MODEL_NO_BLOCKER: it is not known */
};

#define MODEL_NO_BLOCKER UINT32_MAX

/* What blocks no thread and yet keeps tasks from going on. X(name, text, help), the worst first */
#define WARNINGS(X) \
	X(DEADLOCK, "deadlock", "tasks wait for each other") \
	X(LOCK, "lock", "tasks have waited for long for a mutex or rwlock") \
	X(PTHREAD, "pthread_lock", "tasks have blocked their threads for long behind a mutex or rwlock of libc") \
	X(CHANNEL, "channel", "a channel has been full for long, or has nobody who receives") \
	X(QUEUE, "queue", "the queue of calls for other threads has been full for long") \
	X(NOT_YIELDING, "not_yielding", "a task computes for long and keeps its thread") \
	X(SELF_WAKE, "self_wake", "tasks wake themselves again and again, and find nothing to do") \
	X(GROWTH, "growth", "more and more tasks wait at one place")

enum warning {
#define WARNING_ENUM(name, text, help) WARNING_##name,
	WARNINGS(WARNING_ENUM)
#undef WARNING_ENUM
		WARNING_COUNT,
};

/* A task that waits for the next one of its list, or for what that one keeps. */
struct model_link {
	uint64_t task; /* 0: nobody knows which */
	char name[MODEL_NAME];
	uint32_t site;
	uint32_t worker; /* RUNNING, and of a thread: the worker; or UINT32_MAX */
	uint32_t thread; /* its number, of the holder of a pthread lock; 0: it is not known */
	int32_t syscall; /* with `thread`: that it is in; -1: it is not known */
	uint8_t state;   /* enum sley_task_state; FREE: it has ended */
	uint8_t wait_kind;
	uint64_t wait_object;
	uint64_t wait_pc;
	int64_t in_state_ns;      /* or MODEL_UNKNOWN */
	bool at_least;            /* longer than that */
	struct model_place place; /* of wait_pc */
};

#define MODEL_LINKS 16

/*
 * The first link is the task that has waited longest, the second has what that one waits for, and so on. In a DEADLOCK
 * the last one waits for the first. In a QUEUE the second is the task whose call has lasted longest.
 */
struct model_warning {
	enum warning kind;
	uint8_t wait_kind; /* what the tasks wait for, as in a task record */
	uint64_t object;
	uint64_t tasks;           /* that wait */
	uint64_t readers;         /* of an rwlock, which hold it */
	uint64_t capacity;        /* of a channel, or a queue */
	uint32_t pool, threads;   /* of a queue: as in struct sley_object_queue; how many threads it may have */
	uint32_t site;            /* SELF_WAKE, GROWTH: their spawn site, */
	uint64_t pc;              /* the call that they come back from, */
	struct model_place place; /* and where that is */
	uint64_t before;          /* GROWTH: so many waited when it began; SELF_WAKE: yields in the interval, */
	uint64_t others;          /* waits, */
	int64_t interval_ns;      /* and how long that was */
	int64_t longest_ns;       /* how long the first of them has waited, at least */
	int64_t sum_ns;           /* and all together */
	struct model_link *links; /* owned */
	unsigned link_count;
	char *text; /* owned */
};

#define MODEL_CHANGES 32

/* A state of a task. */
struct model_change {
	struct sley_region_task record;
	int64_t at_ns;            /* when it began */
	bool told;                /* by the process; else it was seen then for the first time */
	struct model_place place; /* of a wait */
};

/* The task that the user has chosen. */
struct model_detail {
	uint64_t task;
	bool gone; /* its record is another task's, or free */
	int64_t gone_ns;
	struct model_change changes[MODEL_CHANGES]; /* newest first */
	unsigned change_count;
	struct model_place *frames; /* of its stack, innermost first */
	unsigned frame_count;
	const char *why;                  /* there are none; NULL: they are being read */
	struct sley_region_task stack_of; /* its record when the stack was read */
	bool stack_read;                  /* the stack, or why there is none, is that of `stack_of` */
};

#define MODEL_STACK_TASKS 8

/* Parked tasks whose stacks have the same frames. */
struct model_stack {
	uint64_t tasks;
	struct sley_region_task longest;  /* the one that has waited longest, as it was then: */
	int64_t longest_ns;               /* for so long; MODEL_UNKNOWN */
	bool at_least;                    /* it may be longer */
	uint64_t some[MODEL_STACK_TASKS]; /* ids of the first of them */
	struct model_place place;         /* the innermost frame of the service's own */
	struct model_place *frames;       /* innermost first, of all owners */
	unsigned frame_count;             /* 0: the stack could not be unwound */
};

struct model {
	pid_t pid;
	char service[40]; /* the name that the process gave itself */
	int64_t time_ns;
	int64_t interval_ns;    /* since the tick before; 0 at the first */
	int64_t watched_ns;     /* since asynctop attached */
	int64_t times_since_ns; /* since when all changes of state are stamped; MODEL_UNKNOWN: they are not */
	bool running;           /* a sley_run() is under way */
	bool gone;
	struct model_tier tiers[TIERS];

	struct region_site *sites; /* owned */
	uint32_t site_count;

	struct model_worker *workers; /* owned */
	uint32_t worker_count;

	/* what the runtime does about blocks: see struct sley_region_header */
	uint32_t target, max_threads, sources;
	struct model_site_blocks *site_blocks; /* owned; of sites whose tasks blocked or had a CPU */
	uint32_t site_block_count;
	struct model_bucket handovers[SLEY_REGION_HANDOVERS]; /* those that have any, the fastest first */
	uint32_t handover_count;

	bool cpu_known;              /* CPU times are sampled */
	struct model_cpu *cpu_times; /* since asynctop attached, as model_compare_cpu() orders them; owned */
	uint32_t cpu_time_count;

	uint64_t tasks_total;
	uint64_t tasks_matched; /* those that pass the filter */
	uint64_t states[SLEY_TASK_STATES];
	uint64_t invalid;               /* records that made no sense */
	struct sley_region_task *tasks; /* selected and sorted */
	uint32_t task_count;

	struct model_yield *yields;
	uint32_t yield_count;
	uint64_t yields_lost; /* tasks whose place found no room */

	struct model_switch *switches;
	uint32_t switch_count;

	struct model_blocker *blockers; /* worst first */
	uint32_t blocker_count;

	struct model_warning *warnings; /* the worst first */
	uint32_t warning_count;

	struct model_stack *stacks; /* most tasks first; not owned */
	uint32_t stack_count;
	uint64_t stacks_parked, stacks_read; /* parked tasks, and those whose stacks are in `stacks` */
	int64_t stacks_ns;                   /* when they were read; 0: they were not */

	struct model_detail *detail; /* not owned; NULL: no task is chosen */

	struct model_event *events; /* newest first */
	uint32_t event_count;
	uint32_t events_untold; /* of these, from the first: those that no tick before has told */
	uint32_t events_told;   /* of those, from the last: those that this tick tells */
	uint64_t events_total;
	uint64_t events_left_out; /* those that no tick tells */

	/* its cgroup was throttled for so long since asynctop attached, in so many periods; MODEL_UNKNOWN */
	int64_t throttled_ns, throttled_periods;
	char throttled_cgroup[THROTTLE_CGROUP]; /* which */

	struct trace_drops drops;
	uint64_t counters[SLEY_COUNTER_COUNT];
	double tool_cpu; /* CPUs that asynctop itself used since the tick before */
};

void model_free(struct model *m);

/* Frees the members that a blocker, or an event, owns. */
void model_blocker_free(struct model_blocker *b);
void model_event_free(struct model_event *e);

/* Frees the members that a warning owns. */
void model_warning_free(struct model_warning *w);

/* The site of that number; if there is none, a site with "?" for its names. */
const struct region_site *model_site(const struct model *m, uint32_t site);

/* "file:line" with the file's last component, or "?". */
const char *model_site_text(const struct model *m, uint32_t site, char out[160]);

/* <0: site a comes first, by file and line. */
int model_compare_sites(const struct model *m, uint32_t a, uint32_t b);

/* The name of a task: its own, else the function its site runs. */
void model_task_name(const struct model *m, const struct sley_region_task *t, char out[MODEL_NAME]);

/* How long the task has been in its state, or MODEL_UNKNOWN. */
int64_t model_in_state(const struct model *m, const struct sley_region_task *t);

/* A lower bound of the time in its state, when model_in_state() is unknown; 0: there is no bound. */
int64_t model_in_state_min(const struct model *m, const struct sley_region_task *t);

/* The worker that runs it or made it ready; UINT16_MAX: unknown. */
static inline uint16_t model_task_worker(const struct sley_region_task *t)
{
	return t->worker == UINT16_MAX ? UINT16_MAX : (uint16_t)SLEY_TASK_WORKER(t->worker);
}

/* Whether it is neither to run nor in a task: it is gone, or waits for a worker to block. */
bool worker_rests(const struct model *m, const struct model_worker *w);

/* The worker whose task keeps the stack or the thread that the task waits for; NULL: it waits for neither, or nobody knows. */
struct model_worker *model_holder(const struct model *m, const struct sley_region_task *t);

/* Counts the task for its holder, if it has one. */
void model_add_kept(struct model *m, const struct sley_region_task *t);

/* How many tasks wait for what the worker's task keeps, and the longest of these waits, or MODEL_UNKNOWN. */
uint32_t worker_kept(const struct model_worker *w, int64_t *longest_ns);

/* Total and delay of a blocker with the blocks that are still under way. */
int64_t blocker_total_ns(const struct model_blocker *b);
int64_t blocker_max_ns(const struct model_blocker *b);
int64_t blocker_delayed_ns(const struct model_blocker *b);
uint64_t blocker_delayed_tasks(const struct model_blocker *b);

/* What a worker does: its mode; also stopped, blocked, hog (by its note or the tracer) and spare. */
const char *worker_state_text(const struct model *m, const struct model_worker *w);

/* The note that is in force; 0: none. Sources and states in it may be any number. */
uint64_t worker_note(const struct model_worker *w);

/* How long it has been blocked, by the tracer or by its note; MODEL_UNKNOWN: it is not. */
int64_t worker_blocked_ns(const struct model *m, const struct model_worker *w);

/* The call that it is blocked in; false: it is not known. */
bool worker_call(const struct model_worker *w, int32_t *syscall);

/* The number of the worker in its place; false: there is none. */
bool worker_replacement(const struct model *m, const struct model_worker *w, uint32_t *number);

/* From its note to its replacement's first task, or MODEL_UNKNOWN. */
int64_t worker_handed_ns(const struct model_worker *w);

/* A time within which this share of all hand-overs was done, or MODEL_UNKNOWN. */
int64_t model_handed_within_ns(const struct model *m, unsigned percent);

const char *block_source_text(unsigned source);
const char *stop_text(enum stop stop); /* NULL: STOP_NONE */
const char *task_state_text(unsigned state);
const char *wait_kind_text(unsigned kind);
const char *worker_mode_text(unsigned mode);
const char *switch_cause_text(unsigned cause);
const char *handover_text(enum handover handover);

/* The CPU time of a task, or with 0 that of a site; MODEL_UNKNOWN: it is not sampled. */
int64_t model_cpu_of(const struct model *m, uint64_t task, uint32_t site);
int model_compare_cpu(const struct model_cpu *a, const struct model_cpu *b);

/* Gives a task without a name that of its function. */
void waker_name(struct model_waker *waker, const struct model *m);
const char *warning_text(enum warning warning);

/* The meaning of wait_object for a kind of wait. */
enum wait_object { WAIT_OBJECT_none, WAIT_OBJECT_deadline, WAIT_OBJECT_fd, WAIT_OBJECT_task, WAIT_OBJECT_address };
enum wait_object wait_object_type(unsigned kind);

#endif
