/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "reactor/reactor.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/descriptor.h"
#include "base/missing.h"
#include "base/race.h"
#include "reactor/registration.h"
#include "reactor/turn.h"
#include "run/idle.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/worker.h"

#define REARM_AGE  NS_PER_SEC
#define REARM_MOST 2000       /* limit of system calls per second for the re-registration of old waits */
#define WAKE_DATA  UINT64_MAX /* data of the event of an interruption */

static uint32_t cursor; /* of reactor_rearm(); owned by the watchdog */

int reactor_open(void)
{
	cursor = 0;
	if (entries_open() != 0)
		return -ENOMEM;
	turns_open();
	reactor.event = -1;
	reactor.epoll = descriptor_lift(epoll_create1(EPOLL_CLOEXEC));
	if (reactor.epoll >= 0)
		reactor.event = descriptor_lift(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = WAKE_DATA };
	if (reactor.event >= 0 && epoll_ctl(reactor.epoll, EPOLL_CTL_ADD, reactor.event, &event) == 0) {
		descriptors_presize(reactor.event);
		return 0;
	}
	int error = -errno;
	reactor_close();
	return error;
}

void reactor_close(void)
{
	if (reactor.epoll >= 0)
		close(reactor.epoll);
	if (reactor.event >= 0)
		close(reactor.event);
	entries_close();
}

/* ---- events ---- */

/* Returns whether the events end a stream, or may have stopped a read early. */
static bool is_hung(const struct entry *entry, uint32_t events)
{
	uint32_t mask = EPOLLRDHUP | EPOLLHUP | EPOLLPRI;
	return events & mask || (events & EPOLLERR && !(entry->flags & FD_ZEROCOPY));
}

/*
 * Returns whether the events concern a direction. An error or a hang-up concerns both. But on a stream that sends
 * without copies, an error alone is a notification for the writer, as a stream that failed is hung up too.
 */
static bool concerns(const struct entry *entry, uint32_t events, int direction)
{
	uint32_t notified = FD_ZEROCOPY | FD_STREAM;
	if (direction == READING && (entry->flags & notified) == notified && !is_hung(entry, events))
		events &= ~(uint32_t)EPOLLERR;
	uint32_t mask = direction == READING ? EPOLLIN | EPOLLRDHUP | EPOLLPRI : EPOLLOUT;
	return events & (mask | EPOLLERR | EPOLLHUP);
}

/*
 * Called with the lock held. Returns the waiter of the direction if the event has ended its wait, or null. Such a waiter
 * makes its try anyway; otherwise the mark says that one is worth it.
 */
static ALWAYS_INLINE struct task *entry_wake(struct entry *entry, int direction)
{
	struct task *waiter = entry->waiter[direction];
	if (waiter) {
		store(&entry->waiter[direction], NULL, relaxed);
		if (!wait_claim_number(waiter, load(&waiter->claim, relaxed) >> CLAIM_BITS, CLAIM_EVENT))
			waiter = NULL;
	}
	if (!waiter || !entry->tries[direction])
		store(&entry->ready[direction], 1, relaxed);
	return waiter;
}

/* Any event of any descriptor. */
NOINLINE static void deliver_any(struct entry *entry, const struct epoll_event *event, struct task *woken[2])
{
	if (is_hung(entry, event->events))
		store(&entry->hung, 1, relaxed);
	for (int d = READING; d <= WRITING; d++)
		woken[d] = concerns(entry, event->events, d) ? entry_wake(entry, d) : NULL;
	/* a one-shot registration is disarmed now, but the other direction's waiter still needs it */
	if (!(entry->flags & FD_OWNED) && (entry->waiter[READING] || entry->waiter[WRITING]))
		entry_register((int)(uint32_t)event->data.u64, entry);
}

/* Returns the number of tasks that it makes ready. */
static ALWAYS_INLINE unsigned event_deliver(struct worker *worker, const struct epoll_event *event)
{
	struct entry *entry = entry_find((int)(uint32_t)event->data.u64);
	struct task *woken[2] = { NULL, NULL };
	unsigned n = 0;
	if (!entry)
		return 0;
	lock_take(&entry->lock);
	if (likely(entry_generation(entry) == (uint32_t)(event->data.u64 >> 32))) {
		if (likely(!(event->events & ~(uint32_t)(EPOLLIN | EPOLLOUT))) && likely(entry->flags & FD_OWNED)) {
			if (event->events & EPOLLIN)
				woken[READING] = entry_wake(entry, READING);
			if (event->events & EPOLLOUT)
				woken[WRITING] = entry_wake(entry, WRITING);
		} else {
			deliver_any(entry, event, woken);
		}
	}
	lock_drop(&entry->lock);
	RACE_POINT(event_taken);
	for (int d = READING; d <= WRITING; d++) {
		if (woken[d]) {
			queue_event(worker, woken[d]);
			n++;
		}
	}
	return n;
}

static int wait_events(struct epoll_event *events, int64_t timeout)
{
	if (timeout == 0)
		return epoll_wait(reactor.epoll, events, POLL_EVENTS, 0);
	if (timeout == SLEY_NEVER)
		return epoll_wait(reactor.epoll, events, POLL_EVENTS, -1);
#ifdef SYS_epoll_pwait2
	static unsigned missing; /* atomic: the call is missing before Linux 5.11, or filtered */
	if (!load(&missing, relaxed)) {
		struct timespec t = clock_timespec(timeout);
		int n = (int)syscall(SYS_epoll_pwait2, reactor.epoll, events, POLL_EVENTS, &t, NULL, 0);
		if (n >= 0 || !is_missing(errno))
			return n;
		store(&missing, 1, relaxed);
	}
#endif
	int64_t ms = (timeout + NS_PER_MS - 1) / NS_PER_MS;
	return epoll_wait(reactor.epoll, events, POLL_EVENTS, (int)MIN(ms, INT32_MAX));
}

/*
 * The interruption is level-triggered, and only a waiting poll resets it: when a busy worker polls, it must not consume
 * an interruption meant for the poller. A poller must not consume one meant for its successor either, so it resets it
 * before it leaves its post (worker_slept()).
 */
static void take_interrupt(const struct epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t count;
		ssize_t ignored = 0;
		if (events[i].data.u64 == WAKE_DATA)
			ignored = read(reactor.event, &count, sizeof(count));
		(void)ignored;
	}
}

unsigned reactor_poll(int64_t timeout)
{
	struct epoll_event events[POLL_EVENTS];
	struct worker *worker = worker_self();
	unsigned woken = 0;
	int saved = errno;
	int n = wait_events(events, timeout);
	if (timeout != 0)
		take_interrupt(events, n);
	worker_slept();
	if (timeout != 0)
		RACE_POINT(poller_has_left);
	count_here(SLEY_COUNTER_polls, 1);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 == WAKE_DATA)
			continue;
		unsigned before = woken;
		woken += event_deliver(worker, &events[i]);
		if (before < 2 && woken >= 2)
			queue_events(worker); /* others may begin with them */
	}
	if (woken > 0)
		queue_events(worker);
	errno = saved;
	if (n > 0)
		count_here(SLEY_COUNTER_events, (uint64_t)n);
	return woken;
}

#define ASKED_MOST 4096u /* descriptors: no more are asked for */
#define ASKED_HIGH (1u << 16)
#define ASKED_PART 256u

static unsigned count_ready(struct pollfd *fds, unsigned n)
{
	unsigned ready = 0;
	if (n == 0 || poll(fds, n, 0) <= 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		ready += fds[i].revents != 0 && !(fds[i].revents & POLLNVAL);
	return ready;
}

unsigned reactor_count_ready(void)
{
	struct pollfd fds[ASKED_PART];
	uint32_t high = MIN(entries_high(), ASKED_HIGH);
	unsigned n = 0, ready = 0, asked = 0;
	int saved = errno;
	for (uint32_t fd = 0; fd < high && asked < ASKED_MOST; fd++) {
		const struct entry *entry = &entries.first[fd];
		short events = (short)((load(&entry->waiter[READING], relaxed) ? POLLIN : 0) |
				       (load(&entry->waiter[WRITING], relaxed) ? POLLOUT : 0));
		if (events == 0)
			continue;
		fds[n++] = (struct pollfd){ .fd = (int)fd, .events = events };
		asked++;
		if (n == ASKED_PART) {
			ready += count_ready(fds, n);
			n = 0;
		}
	}
	ready += count_ready(fds, n);
	errno = saved;
	return ready;
}

void reactor_interrupt(void)
{
	uint64_t one = 1;
	int saved = errno;
	ssize_t ignored = write(reactor.event, &one, sizeof(one));
	(void)ignored;
	errno = saved;
}

/* ---- waiting ---- */

void reactor_maybe_more(int fd, enum direction direction)
{
	struct entry *entry = entry_find(fd);
	if (entry)
		entry_maybe_more(entry, direction);
}

static int64_t roughly_now(const struct worker *worker)
{
	return worker->polled ? worker->polled : clock_now();
}

/* Called with the lock held. Returns 0: the task may wait; 1: ready already; or an error. */
static int check_waits(struct entry *entry, const bool wants[2], struct hold *hold)
{
	if (entry->closing || (hold->waited && hold->generation != entry_generation(entry)))
		return -EBADF;
	hold->generation = entry_generation(entry);
	hold->waited = true;
	for (int d = READING; d <= WRITING; d++) {
		if (wants[d] && entry->waiter[d])
			return -EBUSY;
	}
	if (entry->flags & FD_OWNED) {
		for (int d = READING; d <= WRITING; d++) {
			if (wants[d] && load(&entry->ready[d], relaxed))
				return 1;
		}
	}
	return 0;
}

/* Called with the lock held. Links a wait that was begun. On an error it is not linked. */
static int link_waits(int fd, struct entry *entry, struct task *task, const bool wants[2], bool tries)
{
	for (int d = READING; d <= WRITING; d++) {
		if (wants[d]) {
			store(&entry->waiter[d], task, relaxed);
			entry->tries[d] = tries;
		}
	}
	entry->since = roughly_now(worker_self());
	if (entry->flags & FD_OWNED && entry->added)
		return 0;
	int error = entry_register(fd, entry); /* the event may fire at once: its delivery waits for the lock */
	if (error) {
		for (int d = READING; d <= WRITING; d++) {
			if (wants[d])
				store(&entry->waiter[d], NULL, relaxed);
		}
	}
	return error;
}

static void unlink_waits(struct entry *entry, struct task *task)
{
	lock_take(&entry->lock);
	for (int d = READING; d <= WRITING; d++) {
		if (entry->waiter[d] == task)
			store(&entry->waiter[d], NULL, relaxed);
	}
	lock_drop(&entry->lock);
}

static int directions_wait(int fd, const bool wants[2], bool tries, enum sley_wait_kind kind, sley_time deadline,
			   const void *pc, struct hold *hold)
{
	struct task *task = task_self();
	struct entry *entry;
	int error = entry_get(fd, &entry);
	if (error)
		return error;
	entry_let_go(fd, entry, hold); /* a wait holds no descriptor: it has to end when the descriptor is closed */
	lock_take(&entry->lock);
	error = check_waits(entry, wants, hold);
	bool begun = error == 0;
	if (begun) {
		wait_begin(task, kind, (uint64_t)fd, pc); /* before the link: a linked wait can be claimed */
		error = link_waits(fd, entry, task, wants, tries);
	}
	lock_drop(&entry->lock);
	if (error && begun)
		wait_abort(task);
	if (error)
		return error > 0 ? entry_hold(entry, hold) : error;
	enum claim who = wait_park(task, deadline);
	/* An event for one direction leaves the other one linked. A deadline or a cancellation leaves both linked. */
	if ((who != CLAIM_EVENT && who != CLAIM_CLOSED) || (wants[READING] && wants[WRITING]))
		unlink_waits(entry, task);
	if (kind != SLEY_WAIT_ACCEPT) /* else at the end of the call */
		turn_left(fd);
	return who == CLAIM_EVENT ? entry_hold(entry, hold) : who == CLAIM_CLOSED ? -EBADF : wait_error(who);
}

int reactor_wait(int fd, enum direction direction, enum sley_wait_kind kind, sley_time deadline, const void *pc,
		 struct hold *hold)
{
	const bool wants[2] = { direction == READING, direction == WRITING };
	return directions_wait(fd, wants, false, kind, deadline, pc, hold);
}

/* Called with the lock held. Begins and links a wait for which nothing else has to be done. False: it is another one. */
static ALWAYS_INLINE bool wait_short(struct worker *worker, int fd, struct entry *entry, int direction,
				     enum sley_wait_kind kind, const void *pc)
{
	if (unlikely(!(entry->flags & FD_OWNED)) || unlikely(!entry->added) || unlikely(entry->closing) ||
	    unlikely(load(&entry->ready[direction], relaxed)) || unlikely(entry->waiter[direction]))
		return false;
	wait_begin_task(worker->task, kind, (uint64_t)fd, pc); /* before the link: a linked wait can be claimed */
	store(&entry->waiter[direction], worker->task, relaxed);
	entry->tries[direction] = true;
	entry->since = roughly_now(worker);
	return true;
}

/* How a wait that was linked alone has ended. */
static int wait_over(struct entry *entry, enum claim who, struct hold *hold)
{
	if (likely(who == CLAIM_EVENT))
		return entry_hold(entry, hold);
	if (who == CLAIM_CLOSED)
		return -EBADF;
	unlink_waits(entry, task_self());
	return wait_error(who);
}

int reactor_wait_to_try(int fd, enum direction direction, enum sley_wait_kind kind, sley_time deadline, const void *pc,
			struct hold *hold)
{
	const bool wants[2] = { direction == READING, direction == WRITING };
	struct entry *entry = entry_find(fd);
	if (likely(entry) && likely(!hold->waited)) {
		struct worker *worker = worker_self();
		lock_take(&entry->lock);
		hold->generation = entry_generation(entry);
		bool linked = wait_short(worker, fd, entry, direction, kind, pc);
		lock_drop(&entry->lock);
		if (likely(linked)) {
			hold->waited = true;
			return wait_over(entry, wait_park_inline(worker->task, deadline), hold);
		}
	}
	return directions_wait(fd, wants, true, kind, deadline, pc, hold);
}

int reactor_wait_any(int fd, bool reading, bool writing, sley_time deadline, const void *pc, struct hold *hold)
{
	const bool wants[2] = { reading, writing };
	return directions_wait(fd, wants, false, SLEY_WAIT_POLL, deadline, pc, hold);
}

int reactor_link(int fd, enum direction direction, struct hold *seen)
{
	const bool wants[2] = { direction == READING, direction == WRITING };
	struct task *task = task_self();
	struct entry *entry;
	int error = entry_get(fd, &entry);
	if (error)
		return error;
	lock_take(&entry->lock);
	if (entry->waiter[direction] != task) { /* the task may list the descriptor twice */
		error = check_waits(entry, wants, seen);
		if (error == 0)
			error = link_waits(fd, entry, task, wants, false);
	}
	lock_drop(&entry->lock);
	return error > 0 ? -EAGAIN : error;
}

void reactor_unlink(int fd)
{
	unlink_waits(&entries.first[fd], task_self());
	turn_left(fd);
}

bool reactor_is_same(int fd, const struct hold *seen)
{
	return entry_generation(&entries.first[fd]) == seen->generation;
}

/* ---- old waits ---- */

void reactor_rearm(int64_t now)
{
	uint32_t high = entries_high();
	unsigned calls = 0;
	for (uint32_t i = 0; i < high && calls < REARM_MOST; i++) {
		uint32_t fd = (cursor + i) % high;
		struct entry *entry = &entries.first[fd];
		/* an unlocked check first: most entries have no waiters */
		if ((load(&entry->waiter[READING], relaxed) || load(&entry->waiter[WRITING], relaxed)) &&
		    entry_rearm((int)fd, entry, now - REARM_AGE) && ++calls == REARM_MOST)
			cursor = fd + 1;
	}
}

bool reactor_expecting(void)
{
	uint32_t high = entries_high();
	for (uint32_t fd = 0; fd < high; fd++) {
		const struct entry *entry = &entries.first[fd];
		if (load(&entry->waiter[READING], relaxed) || load(&entry->waiter[WRITING], relaxed))
			return true;
	}
	return false;
}
