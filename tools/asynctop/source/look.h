/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Looks at watched processes that may block. A child makes them, the looker (looker.h); these calls ask it, and wait.
 *
 * asynctop itself makes only accesses that never wait for the process:
 *   its region     pread and lseek of a descriptor that is known to be a memfd (find.h). Not write, nor stat, which
 *                  take the inode's lock (stat did in Linux 6.12-rc). The process may hold it: it may be writing to
 *                  the memfd out of a page that never comes.
 *   its pidfd      whether it has ended, its numbers, its user.
 *   /proc          the list of processes and their directories themselves, opened for their names only.
 *   the tracer     its programs read what is resident, or nothing.
 * The looker makes all others: it finds and opens the memfds, and reads. They may wait:
 *   links of descriptors, task/TID/syscall     for an exec under way, which may wait for a file that it closes
 *   status, stat, and other files with         for the end of the process's memory: its last user has to take it
 *   numbers of its memory                      down, the dirty pages of its files included
 *   memory                                     for a page that never comes
 *   the name of a descriptor                   for a network file system that is asked whether the name still holds
 *   the lease                                  for the inode's lock
 * The resolver has children of its own (symbols/symbols.h).
 *
 * One thread makes all calls. A call takes at most about CHILD_SLEEP_NS: after that its process is noted (abandoned.h),
 * and the next process has a looker of its own. The time is charged to the process's user (patience.h). While asynctop
 * is interrupted, calls answer -EINTR at once (interrupt.h). `dir` is a descriptor of /proc/PID.
 */
#ifndef ASYNCTOP_LOOK_H
#define ASYNCTOP_LOOK_H

#include "common/text.h"
#include "events.h"
#include "source/find.h"
#include "source/thread.h"
#include "source/throttle.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * As thread_sample(). This and the following calls answer 0 or -errno; -EDEADLK: this process is not to be read
 * (abandoned_why()).
 */
int look_call(pid_t pid, int dir, uint32_t tid, struct block_record *r, uint32_t *sample);

/* As thread_state(). */
int look_state(pid_t pid, int dir, uint32_t tid, uint32_t *sample);

/*
 * Whether a thread computes: *sample as look_state(), and if it is SAMPLE_RUNNING, its times so far. `event` is NULL, or
 * *event becomes the descriptor of profile_event(), or -1.
 */
int look_computing(pid_t pid, int dir, uint32_t tid, uint32_t *sample, struct computing *times, int *event);

/* Fills in stack and memory, as thread_memory(); the other fields of the record are set. */
int look_memory(pid_t pid, int dir, struct block_record *r);

/* Copies at most LOOK_BYTES_MAX bytes at an address of the process, all or none: -EFAULT. */
#define LOOK_BYTES_MAX 128u
int look_bytes(pid_t pid, int dir, uint64_t address, void *to, size_t size);

/* As parked_read(). */
int look_parked(pid_t pid, int dir, const struct sley_region_entries *entries, uint64_t task, struct block_record *r);

/* As throttle_read(): 1 or 0. */
int look_throttled(pid_t pid, int dir, struct throttled *out);

/* As target_name(): 1 or 0. */
int look_name(pid_t pid, int dir, struct text *out, const struct block_record *r);

/* As target_same(): 1 or 0. */
int look_same(pid_t pid, int dir, const struct block_record *r);

/* Writes a control page, as lease_store() and lease_release(). */
int look_lease(pid_t pid, int page, uint32_t level, int64_t lease_ns);
int look_release(pid_t pid, int page, int64_t lease_ns);

/* As find_named(), find_region(), find_control(), find_part() and find_current(). The first and the last: 1 or 0. */
int look_named(pid_t pid, int dir);
int look_region(pid_t pid, int dir, long own_pid, struct found *);
int look_control(pid_t pid, int dir, int *fd);
int look_part(pid_t pid, int dir, int number, int *fd);
int look_current(pid_t pid, int dir, const char *link, uint64_t inode);

/* CPU time that lookers have used, ns. */
int64_t look_cpu(void);

/* Ends the looker, which is started when it is needed. */
void look_close(void);

#endif
