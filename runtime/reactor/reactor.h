/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The reactor: epoll, and an entry per descriptor number.
 *
 * Entries are type-stable and carry a generation that sley_close() advances; an event brings number and generation,
 * and a stale one is dropped. A direction of an entry has at most one waiter.
 *
 * Two kinds of descriptors:
 *   owned    made by sley or adopted by it, and non-blocking: registered once, at its first wait, edge-triggered, both
 *   directions. `ready[d]` says whether trying is worth it. Until it is registered no event comes, and none is lost:
 *   registering reports what is there.
 *   foreign  everything else: armed one-shot for each wait. Nothing is known of it between waits.
 *
 * The edge protocol of an owned descriptor. The poller sets ready[d] on every event, before it claims the waiter. A
 * task clears ready[d] *before* it tries the system call, and sets it again if there may be more. So an edge that
 * comes after the try is never lost, and one that came before it costs at most one call that answers EAGAIN. The
 * clearing exchange is a full barrier, as is the kernel's locking of the socket.
 *
 *   task                                poller
 *   ready = 0                           event
 *   read() -> short or EAGAIN           ready = 1
 *   lock; ready? retry : link; unlock   lock; waiter? claim it; unlock
 *
 * A stream that answered with less than was asked for is drained, so the next read parks without the call that must
 * fail. That is not true of an end of stream or an error that came with the data, nor of urgent data, at which a read
 * stops: those events set `hung`, and from then on every call is tried first (epoll(7), "short read"; EPOLLRDHUP). A
 * read of a Unix socket also stops at a descriptor that the peer passed, which no event tells: those sockets are not
 * FD_STREAM. Nor are pipes: whoever has the other end may make it one of packets (O_DIRECT), at whose bounds a read stops.
 *
 * A plain close() behind the runtime's back delivers no event, ever, and the number may be reused. So waits older
 * than a second are looked at by the watchdog (reactor_rearm), which modifies their registration: ENOENT adds it
 * again, EBADF wakes the task with it.
 *
 * A number that is closed and reused while a call is about to use it again after a wait would read another connection's
 * data. So a call holds on to the descriptor from the end of a wait until its try is over: `life` has the generation
 * and the number of those calls in one word, a close that finds some leaves the close(2) to the last of them, and one
 * that comes late finds the generation changed and answers EBADF. Before its first wait a call is not protected:
 * nobody can know that it is there, so closing then is a mistake of the service.
 *
 *   task, after its event                       sley_close()
 *   life: same generation? users + 1  : EBADF   life: generation + 1; users? closing = 1 : close(2)
 *   read()
 *   users - 1: last, and closing? close(2)
 *
 * close(2) is called without a lock, after all that the entry says of the descriptor is gone. A wait that begins just
 * before it would get no event: the closer looks for such waits afterwards, and has them registered again.
 *
 * Lock order: an entry's lock is an object lock (base/lock.h). epoll_ctl() is called under it, the one exception to "no
 * system call under a lock": it orders registration against close, is contended only by users of the same descriptor,
 * and never sleeps for long.
 */
#ifndef REACTOR_REACTOR_H
#define REACTOR_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>

#include "task/wait.h"

enum direction { READING, WRITING };

/* What an owned descriptor is. */
#define FD_OWNED    1u
#define FD_STREAM   2u  /* a short read means drained */
#define FD_FILE     4u  /* no socket */
#define FD_PIPE     8u  /* one whose write may raise SIGPIPE */
#define FD_LISTENER 16u /* of sley_listen(): what it accepts has the options that it needs */
#define FD_PLAIN    32u /* a file that knows no RWF_NOWAIT */
#define FD_ZEROCOPY 64u /* a socket that sends without copies: its error queue has notifications */

/*
 * What was sent without a copy and the kernel still reads: counters of calls. Atomic, for want of better: one task
 * writes to a descriptor, but nothing keeps two from it. Of the FD_ZEROCOPY descriptor; zero when it is taken over.
 */
struct unreleased {
	uint32_t sent, released;
	uint32_t copied; /* of the released ones, since it was last asked: the kernel made a copy after all */
};

/* What a call remembers of its waits. Zero at first. */
struct hold {
	uint32_t generation; /* of the descriptor that it waited for */
	bool waited;
	bool held; /* counted in the entry's life */
};

/* 0 or a negative errno value. */
int reactor_open(void);
void reactor_close(void);

/* For sched_hooks. */
unsigned reactor_poll(int64_t timeout);
void reactor_interrupt(void);
void reactor_rearm(int64_t now);
bool reactor_expecting(void); /* whether a task waits for a descriptor; looks at all entries */

/* Takes a new descriptor over, with the flags above. 0 or a negative errno value; it stays open. */
int reactor_own(int fd, unsigned flags);

/* The same for one that is no socket, registered at once: -ENOTSUP if epoll does not take it. */
int reactor_own_file(int fd, unsigned flags);

/* It turned out not to be what was owned: closed behind our back, and the number reused. Its waiters get -EBADF. */
void reactor_disown(int fd);

/*
 * Forgets the descriptor, closes it and wakes its waiters with CLAIM_CLOSED. The negative errno of close(2), which is
 * not known (0) if a call that holds it is to close it.
 */
int reactor_close_fd(int fd);

/* The flags of an entry: 0 for a foreign descriptor, or none at all. */
unsigned reactor_flags(int fd);

/* An owned file turned out not to know RWF_NOWAIT. */
void reactor_set_plain(int fd);

/*
 * An owned socket sends without a copy from now on: its error queue has notifications, so an error alone concerns its
 * writer, and not the reader of a stream.
 */
void reactor_set_zerocopy(int fd);

/* Of an owned descriptor. */
struct unreleased *reactor_unreleased(int fd);

/* Whether a try is worth it; if so, the mark is cleared and the caller must try now. Always true for foreign ones. */
bool reactor_begin_try(int fd, enum direction direction);

/* After a try that took or gave what it could: there may be more. */
void reactor_maybe_more(int fd, enum direction direction);

/*
 * Parks the calling task until the direction is worth a try: 0, and the descriptor is held; -ETIMEDOUT or -ECANCELED;
 * -EBADF: closed, or not open; -EBUSY: another task waits for it; -ENOTSUP: epoll does not take it (a regular file);
 * -EMFILE: its number is beyond the table; -ENOMEM. `hold` is the call's, which lets go by reactor_let_go() before it
 * returns.
 */
int reactor_wait(int fd, enum direction direction, enum sley_wait_kind kind, sley_time deadline, const void *pc,
		 struct hold *hold);

/* The same for both directions at once: returns when either is. */
int reactor_wait_any(int fd, bool reading, bool writing, sley_time deadline, const void *pc, struct hold *hold);

/*
 * Holds the descriptor as it is now, without a wait: its number is not reused before reactor_let_go(), by any thread.
 * 0; -EBADF; -EMFILE; -ENOMEM.
 */
int reactor_hold_now(int fd, struct hold *hold);

/*
 * Holds the descriptor after a wait that ended by other than an event, for a last try: 0; or -EBADF: it is not the one
 * that was waited for, or was not waited for.
 */
int reactor_hold_again(int fd, struct hold *hold);

/* The try is over. May be called at any time. */
void reactor_let_go(int fd, struct hold *hold);

#endif
