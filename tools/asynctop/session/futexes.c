/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "session/futexes.h"

#include <linux/futex.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "common/memory.h"
#include "model/waits.h"
#include "model/warning.h"
#include "source/look.h"
#include "source/thread.h"

#define LOCKS   64u       /* looked at in a tick */
#define SEEN_NS 100000000 /* a worker is seen to be in a task so late at most */

/* The beginnings of pthread_mutex_t and pthread_rwlock_t in glibc on x86-64. */
struct pthread_mutex {
	uint32_t lock, count, owner;
};

struct pthread_rwlock {
	uint32_t readers, writers, phase_futex, writers_futex, pad[2];
	uint32_t writer;
};

#define MUTEX_WAITED    2u /* in `lock`: held, and others wait */
#define RWLOCK_WRLOCKED 2u /* in `readers` */
#define RWLOCK_WAITED   3u /* in both futexes: 1, and others wait */

struct lock {
	uint64_t address;
	uint32_t kind;  /* enum sley_wait_kind: MUTEX or WRLOCK */
	uint32_t owner; /* the thread; 0: it is not known */
};

/* The rwlock that has its futex at this place. */
static bool read_rwlock(const struct watch *w, uint64_t futex, size_t place, struct lock *lock)
{
	struct pthread_rwlock rwlock;
	lock->address = futex - place;
	lock->kind = SLEY_WAIT_WRLOCK;
	if (look_bytes(w->process.pid, w->process.dir, lock->address, &rwlock, sizeof(rwlock)) != 0)
		return false;
	lock->owner = rwlock.readers & RWLOCK_WRLOCKED ? rwlock.writer : 0;
	return lock->owner != 0;
}

static bool read_mutex(const struct watch *w, uint64_t futex, struct lock *lock)
{
	struct pthread_mutex mutex;
	*lock = (struct lock){ .address = futex, .kind = SLEY_WAIT_MUTEX };
	if (look_bytes(w->process.pid, w->process.dir, futex, &mutex, sizeof(mutex)) != 0)
		return false;
	if (mutex.lock & FUTEX_WAITERS)
		lock->owner = mutex.lock & FUTEX_TID_MASK;
	else
		lock->owner = mutex.lock == MUTEX_WAITED ? mutex.owner : 0;
	return lock->owner != 0;
}

static bool thread_lives(const struct watch *w, uint32_t tid)
{
	uint32_t sample;
	return look_state(w->process.pid, w->process.dir, tid, &sample) == 0 && sample != SAMPLE_NONE;
}

/* The lock that the call waits for; false: it is none, or its owner is not known. */
static bool find_lock(const struct watch *w, const struct model_worker *worker, struct lock *lock)
{
	uint64_t futex = worker->args[0], expected = worker->args[2] & UINT32_MAX;
	unsigned call = (unsigned)worker->args[1] & FUTEX_CMD_MASK;
	bool pi = call == FUTEX_LOCK_PI || call == FUTEX_LOCK_PI2;
	bool found = false;
	if (!pi && call != FUTEX_WAIT && call != FUTEX_WAIT_BITSET)
		return false;
	if (pi || expected == MUTEX_WAITED || expected & FUTEX_WAITERS)
		found = read_mutex(w, futex, lock);
	else if (expected == RWLOCK_WAITED)
		found = (read_rwlock(w, futex, offsetof(struct pthread_rwlock, phase_futex), lock) &&
			 thread_lives(w, lock->owner)) ||
			read_rwlock(w, futex, offsetof(struct pthread_rwlock, writers_futex), lock);
	return found && thread_lives(w, lock->owner);
}

static void fill_worker_link(struct model_link *l, const struct model_worker *worker)
{
	*l = (struct model_link){ .task = worker->line.task,
				  .site = worker->line.site,
				  .worker = worker->line.index,
				  .thread = worker->line.tid,
				  .syscall = worker->blocked_ns != MODEL_UNKNOWN ? worker->syscall : -1,
				  .state = SLEY_TASK_RUNNING,
				  .in_state_ns = worker->in_task_ns,
				  .at_least = true };
	memcpy(l->name, worker->task_name, sizeof(l->name));
}

/* ---- threads that are no workers ---- */

static struct lock_thread *lock_thread_of(struct watch *w, uint32_t tid)
{
	for (unsigned i = 0; i < LOCK_THREADS; i++)
		if (w->lock_threads[i].tid == tid)
			return &w->lock_threads[i];
	return NULL;
}

/* Asks where in the service it has made that call, unless it is still the same one. */
static void ask_where(struct watch *w, const struct model *m, uint32_t tid, const struct block_record *r)
{
	struct album *a = &w->blockers.album;
	struct lock_thread *t = lock_thread_of(w, tid);
	uint64_t ip = r->regs[BLOCK_REG_IP], sp = r->regs[BLOCK_REG_SP];
	struct symbols_request question;
	if (a->symbols == NULL || (t != NULL && t->ip == ip && t->sp == sp))
		return;
	if (t == NULL)
		t = &w->lock_threads[w->next_lock_thread++ % LOCK_THREADS];
	*t = (struct lock_thread){ .tid = tid };
	question = stack_question(a, m, r, ++*a->next_key);
	if (symbols_submit(a->symbols, &question) == 0)
		*t = (struct lock_thread){ .tid = tid, .ip = ip, .sp = sp, .key = question.key };
}

bool futexes_answer(struct watch *w, const struct symbols_answer *answer)
{
	for (unsigned i = 0; i < LOCK_THREADS; i++) {
		struct lock_thread *t = &w->lock_threads[i];
		if (t->key == 0 || t->key != answer->key)
			continue;
		t->key = 0;
		if (answer->status == SYMBOLS_BLOCKED)
			t->ip = 0; /* ask again */
		place_from_frame(&t->place, symbols_location(answer));
		return true;
	}
	return false;
}

void futexes_place(struct watch *w, struct model_link *l)
{
	const struct lock_thread *t = l->thread != 0 && l->task == 0 ? lock_thread_of(w, l->thread) : NULL;
	if (t != NULL)
		l->place = t->place;
}

/* ---- owners ---- */

/*
 * The owner is a thread. A worker's is told with its task, if that has been there for as long as others wait. It may be
 * another one that has locked it there, and waits in sley now.
 */
static void fill_owner(struct watch *w, const struct model *m, struct model_link *l, uint32_t tid, int64_t longest_ns)
{
	static struct block_record r;
	uint32_t sample;
	*l = (struct model_link){ .worker = UINT32_MAX, .thread = tid, .in_state_ns = MODEL_UNKNOWN, .syscall = -1 };
	for (uint32_t i = 0; i < m->worker_count; i++) {
		const struct model_worker *worker = &m->workers[i];
		if (worker->line.tid != tid || worker->line.mode == SLEY_WORKER_GONE)
			continue;
		l->worker = i;
		if (worker->line.mode == SLEY_WORKER_TASK && worker->line.task != 0 &&
		    worker->in_task_ns + SEEN_NS >= longest_ns)
			fill_worker_link(l, worker);
		return;
	}
	r = (struct block_record){ .fd = -1, .stack_top = UINT64_MAX };
	if (look_call(w->process.pid, w->process.dir, tid, &r, &sample) != 0 || sample != SAMPLE_BLOCKED)
		return;
	l->syscall = r.syscall;
	ask_where(w, m, tid, &r);
}

/* Whether the worker has been blocked in a futex for some time, and is the first of those in this one. */
static bool waits_first(const struct model *m, uint32_t number)
{
	const struct model_worker *worker = &m->workers[number];
	for (uint32_t i = 0; i < number; i++)
		if (m->workers[i].blocked_ns >= WAITS_BRIEF_NS && m->workers[i].syscall == SYS_futex &&
		    m->workers[i].args[0] == worker->args[0])
			return false;
	return worker->blocked_ns >= WAITS_BRIEF_NS && worker->syscall == SYS_futex && worker->line.task != 0;
}

static void look_at_futex(struct watch *w, struct model *m, uint32_t number)
{
	const struct model_worker *longest = &m->workers[number];
	struct model_warning warning = { .kind = WARNING_PTHREAD, .link_count = 2 };
	struct lock lock;
	for (uint32_t i = number; i < m->worker_count; i++) {
		const struct model_worker *worker = &m->workers[i];
		if (worker->blocked_ns < WAITS_BRIEF_NS || worker->syscall != SYS_futex ||
		    worker->args[0] != m->workers[number].args[0])
			continue;
		warning.tasks++;
		warning.sum_ns += worker->blocked_ns;
		if (worker->blocked_ns > longest->blocked_ns)
			longest = worker;
	}
	if (warning.sum_ns < WAITS_LONG_NS || !find_lock(w, longest, &lock))
		return;
	warning.wait_kind = (uint8_t)lock.kind;
	warning.object = lock.address;
	warning.longest_ns = longest->blocked_ns;
	warning.links = xcalloc(2, sizeof(*warning.links));
	fill_worker_link(&warning.links[0], longest);
	fill_owner(w, m, &warning.links[1], lock.owner, longest->blocked_ns);
	warning_add(m, &warning);
}

void futexes_read(struct watch *w, struct model *m)
{
	unsigned locks = 0;
	for (uint32_t i = 0; i < m->worker_count && locks < LOCKS; i++) {
		if (!waits_first(m, i))
			continue;
		locks++;
		look_at_futex(w, m, i);
	}
}
