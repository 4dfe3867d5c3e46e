/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Starting the runtime, and dumping its state. */
#ifndef SLEY_RUNTIME_H
#define SLEY_RUNTIME_H

#include <signal.h>
#include <sley/base.h>
#include <sys/select.h> /* sigset_t, in strict C too */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The source that finds workers which their tasks block in the kernel, so that spare threads take over. A task can also
 * say so itself, whatever the source (sley/blocking.h).
 */
enum sley_assist {
	SLEY_ASSIST_DEFAULT, /* SLEY_ASSIST_IDLE */
	SLEY_ASSIST_OFF,     /* none */
	/*
	 * A thread of the runtime looks at the other threads' states in /proc: every 10 ms, or up to twice a millisecond
	 * while blocks delay tasks: up to 1 % of a CPU for looks that find nothing, and 1 to 3 % with all that it does.
	 * It also finds tasks that compute for 10 ms while others wait. Needs no privilege.
	 */
	SLEY_ASSIST_TICK,
	/*
	 * The tick; and an eBPF program in the kernel, which sees each task that blocks its thread: a spare takes over some
	 * 50 us after the block, also where other processes keep all CPUs busy. Needs CAP_BPF, CAP_PERFMON, and the library
	 * libsley_assist, which is opened (dlopen) in this case alone. Each switch of a worker's thread takes some 0.3 us
	 * more, and loading the program 50 ms and more, for which the run does not wait but at its end. Where the library or
	 * the privilege is missing this is SLEY_ASSIST_IDLE, and nothing is printed: the region says what is at work.
	 *
	 * A process without the privilege can be helped by one that has it, whatever its source is but SLEY_ASSIST_OFF:
	 * `asynctop assist -p PID`. While a helper is there, the runtime has one thread more, which listens to it.
	 */
	SLEY_ASSIST_BPF,
	/*
	 * The tick; and as soon as a task was seen to block, for tasks of the same spawn site a thread of policy SCHED_IDLE
	 * on each CPU that such tasks use. The kernel runs that thread when a task has blocked the thread that ran there,
	 * and a spare takes over some 20 us after the block. Needs no privilege. Does not help where other processes keep
	 * all CPUs busy: there the tick does. No such thread is made on isolated and nohz_full CPUs, on PREEMPT_RT, and
	 * for a process that is SCHED_IDLE itself.
	 */
	SLEY_ASSIST_IDLE,
};

/*
 * Options of sley_run(). Zero means the default, so `{ .size = sizeof(struct sley_options) }` is complete. Environment
 * variables override the options: SLEY_WORKERS, SLEY_STACK_SIZE, SLEY_STACK_SLOTS, SLEY_MAX_TASKS, SLEY_NAME,
 * SLEY_OFFLOAD_THREADS, SLEY_COMPUTE_THREADS, SLEY_OFFLOAD_QUEUE, SLEY_NAME_THREADS, SLEY_MAX_THREADS,
 * SLEY_ASSIST (idle, bpf, tick or off), SLEY_CHECK (strict: SLEY_RUN_STRICT_STACKS, migrate: SLEY_RUN_MIGRATE, all; or some of
 * these words with commas between), SLEY_STACK_CHECK (strict: the same as there; off: none), SLEY_POSIX (private or off:
 * SLEY_RUN_OWN_STACKS). Numbers may end in K, M or G. A value that is no number, out of range or not one of these words gives
 * -EINVAL, after a line on stderr.
 */
struct sley_options {
	size_t size;      /* sizeof(struct sley_options), so that the struct can grow */
	const char *name; /* of the service, up to 31 bytes, copied; default: the name of the command */
	/* Threads that run tasks, up to 256. Default: as the affinity mask and the CPU quota of the cgroup allow. */
	unsigned workers;
	/*
	 * Tasks alive at once, up to 2^24 - 2; default 2^21. Costs address space, not memory. A later run of the
	 * process gets at most as many as the first run.
	 */
	unsigned max_tasks;
	/*
	 * Copying stacks, up to 2^20; default 4096. A quarter as many more, at least 64, are for tasks of spawn sites
	 * that were seen to block their thread. With AddressSanitizer each stack serves one task, and there are as many
	 * as needed.
	 */
	unsigned stack_slots;
	size_t stack_size; /* bytes of each stack, rounded up to pages, 16 KiB to 1 GiB; default 256 KiB */
	unsigned flags;    /* SLEY_RUN_* */
	/* see sley/offload.h */
	unsigned offload_threads; /* limit for calls that block, up to 16384; default 256 */
	unsigned compute_threads; /* limit for calls that compute, up to 1024; default: as for workers */
	unsigned offload_queue;   /* queued calls of each kind, up to 2^20; default 1024 */
	/*
	 * Signals to be received as values (see sley/signal.h). They are blocked in the threads of the runtime, and in
	 * the calling thread until sley_run() returns. A signal still pending then has its normal effect. Null: none.
	 * -EINVAL: a signal that cannot be received as a value, or SIGQUIT with SLEY_RUN_DUMP_ON_SIGQUIT.
	 */
	const sigset_t *signals;
	unsigned name_threads; /* limit for calls that resolve names, up to 1024; default 256 (see sley/name.h) */
	/*
	 * Limit for spare threads, which run tasks while workers are blocked, up to 768; default 256. If work waits for
	 * a second because none is left, lines on stderr name the tasks that keep them, once in a run.
	 */
	unsigned max_threads;
	unsigned assist; /* enum sley_assist */
};

#define SLEY_RUN_DUMP_ON_SIGQUIT 1u /* SIGQUIT prints sley_dump() on stderr instead of ending the process */

/*
 * Strict mode, for tests. Every task has stack addresses of its own (stack_slots is ignored). They cannot be accessed
 * while the task is parked or after it has ended. An access raises SIGSEGV, after a line on stderr that names the owner
 * of the stack, the task that touched it, and the remedy. Addresses are reused as late as possible. A system call with
 * such a pointer fails with EFAULT. Private stacks stay accessible: pointers into them are valid while the task lives.
 *
 * Blocks passed by value (sley_spawn_copy(), sent items) are searched for addresses of live bytes of the sender's own
 * copying stack. If one is found, a line on stderr names the sender, the offset and the remedy, once per spawn site of
 * a sender. The block is passed all the same: a stale word may look like an address, and an address that is never
 * followed is no mistake.
 *
 * It costs two mprotect(2) calls per resume of a task, and works with any number of tasks.
 */
#define SLEY_RUN_STRICT_STACKS 2u

/*
 * No two tasks share a stack, so pointers into a task's stack stay valid while the task is parked: for services that call
 * libraries which give such pointers to helper threads (see sley/posix.h). The stacks of the first stack_slots tasks still
 * count as copying: as an argument of sley_spawn() and the like, an address on them is refused. A task costs the pages
 * that it has touched, also while it is parked, and beyond stack_slots two mappings of the process.
 */
#define SLEY_RUN_OWN_STACKS 4u

/*
 * Forced migration, for tests. After each wait and each yield a task continues on another worker, unless it is pinned
 * (sley_task_options.pinned, sley_pin(), and the waits of sley/posix.h). Without it most tasks return where they waited, so code
 * that keeps the address of a thread-local, or a lock of libc, over a wait seems to work; here it sees another thread's
 * value at once. It needs two workers: with one a line on stderr says so, and the run goes on without. While a worker is
 * blocked, and so has a spare in its place, tasks may stay where they are; so may one to which no other worker comes for
 * some milliseconds, as on a busy machine, or before the second worker's thread has begun. Each wait costs a switch to the scheduler and
 * often the waking of a thread.
 */
#define SLEY_RUN_MIGRATE 8u

#define SLEY_EXIT_FORKED 70 /* exit code of a forked child that returns from a task's function */

/*
 * Runs `main(arg)` as the first task, on a private stack, with the tasks that it spawns. It is over when `main` has
 * returned. The calling thread becomes worker 0. Tasks that are still alive then are abandoned: they never run again
 * and their memory is released. So if they own resources, let them end first. The call waits for a task in a blocking
 * system call or a computation until the task would park, and for a running offloaded call until its end. If it has
 * waited for such a task for a second, a line on stderr names the task and its system call. A process may call it again
 * afterwards. A mutex, group or channel on which an abandoned task waited must not be used again (a
 * channel may be freed).
 *
 * A macro, to record its place in the source: the spawn site of the first task. `options` may be null. `*result`
 * receives the return value of `main` (`result` may be null).
 *
 * A deadlocked run ends, too: every task waits for another task, and no timer, descriptor, offloaded call or other
 * thread of the process could wake one. The waiting tasks are named on stderr, and the call returns -EDEADLK. A
 * deadlock is not detected in a process whose own threads could call in.
 *
 * Cancellation of a thread of the runtime (pthread_cancel), the caller's included, has no effect before sley_run()
 * returns. exit() in a task ends the process as usual: its handlers run on that task's stack, and the other tasks are
 * not waited for. A stop (SIGSTOP) stops everything; a deadline that passes during the stop ends its wait after
 * SIGCONT. Signal handlers run on the current stack of the thread, which may be a task's 256 KiB.
 *
 * pthread_exit() or thrd_exit() in a task, or a cancellation that the task has enabled, ends the process with SIGABRT,
 * after a line on stderr that names the task: the thread does not belong to the task. The same holds in a function of
 * sley_offload().
 *
 * During the run, the runtime owns the action for SIGSEGV. It names the task of an overflowed stack on stderr, and then
 * passes the signal on as without sley: the kernel calls the service's own handler, with its flags and its mask.
 *
 * A child forked by a task or an offloaded function is to end by exec or _exit(). If the child returns from that
 * function, from `main`, or from a cleanup or destructor of a task that has ended, it ends with the exit code
 * SLEY_EXIT_FORKED, after a line on stderr.
 *
 * If no memfd can be had (a filter, a limit on the size of files), tools cannot see the run, as one line on stderr
 * says; all else works.
 *
 * The runtime writes its messages to descriptor 2 as it was at the beginning of the run. If it was not open then, the
 * runtime writes nothing, as the number may belong to a file of the service later. The runtime's own descriptors are 3
 * and up.
 *
 * Returns 0; -EINVAL: main is null, or an option is out of range; -EDEADLK: called from a task, or a deadlock, see
 * above; -EBUSY: a run is under way in this process, and sley_attach() has not made it; -ECHILD: called in a child forked from a process that had called
 * it; -ENOMEM, -EMFILE, -ENFILE, -EAGAIN: resources; -EAGAIN: threads, or other threads have spawned max_tasks tasks
 * already; -ENOSPC: the user has as many descriptors in epolls as /proc/sys/fs/epoll/max_user_watches allows; -EPERM,
 * -ENOSYS: a filter forbids epoll_create1(2), epoll_ctl(2), eventfd(2) or new threads. After an error it may be called
 * again. Any thread that runs no task.
 */
#define sley_run(main, arg, options, result) sley_run_at(SLEY_SITE(#main), (main), (arg), (options), (result))

SLEY_API int sley_run_at(struct sley_site *site, int (*main)(void *arg), void *arg, const struct sley_options *options,
			 int *result);

/*
 * For libraries: shares one run with the service and with other libraries of the process that link libsley.so. If a run is
 * under way, it goes on until sley_detach() is called as often as this was. Otherwise this starts a run on a thread of its
 * own, with these options (null: the defaults), and returns when tasks can be spawned. What a library may assume:
 *   - From then on its threads, and its tasks, may make all calls that are for "any thread".
 *   - The options are those of whoever made the run. Numbers of workers and limits are the service's business: a library
 *     that is loaded into one should pass null.
 *   - Threads of a run that this call has made have all signals blocked but those of their own faults.
 *   - While such a run is under way, sley_run() spawns its main there, waits for it, and then detaches: its options are
 *     checked and not used. Tasks that main leaves behind go on until the run ends.
 *   - In a run made by sley_run(), this keeps that call from returning when main has returned, so detach before. If it has
 *     waited for a second, a line on stderr says how many calls of sley_detach() are missing.
 * Returns 0; -EINVAL: an option is out of range; -EBUSY: another thread is about to begin or to end a run with sley_run(),
 * try again later; -ENOTCONN: called from a task of a run that is about to end, or the run of those who are attached has
 * ended with a deadlock, and not all of them have detached; -ECHILD and the errors of resources: as sley_run(). Any thread;
 * a plain thread may wait for a run to end or to begin.
 */
SLEY_API int sley_attach(const struct sley_options *options);

/*
 * Ends what sley_attach() began. The last one ends the run, if main has returned or there is none: then a plain thread waits
 * until all is over, as sley_run() does. Tasks that are alive then are abandoned. A task, too, may make the last call; it
 * runs on to its next wait, and to its end no more. Returns 0; -EINVAL: nobody is attached; -ECHILD: as sley_run(). Any
 * thread.
 */
SLEY_API int sley_detach(void);

/*
 * Writes all tasks as text to descriptor `fd`: a line per worker, with the block that it is in and the worker in its
 * place, and a line per task with its id, name, state, wait, live stack bytes, largest known stack depth, and spawn
 * site. The write blocks the thread. Returns 0, or the negative errno of write(2). Any thread.
 */
SLEY_API int sley_dump(int fd);

#ifdef __cplusplus
}
#endif

#endif
