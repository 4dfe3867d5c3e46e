/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * sley_run(): start and stop. The map of the library, in the order in which control flows through it:
 *
 *   runtime.c            start: options.c, then each layer's open(); the calling thread becomes worker 0
 *   run/workers.c        the workers: records and threads
 *   run/worker.c           the loop of one: find a task, hold its slot, switch to it, land
 *   run/current.c          who runs here: which run, worker, task
 *   run/queue.c            where ready tasks are, and how it finds the next; stealing
 *   run/deque.h            its own run queue; global.c: the one of all
 *   run/starved.c          ready, but without memory to run
 *   run/idle.c             no work: spin, park, wait in the reactor; waking
 *   run/timer.c            deadlines
 *   run/park.c             waiting, as those do who wait; thread.c: plain threads that wait
 *   run/depth.c            how deep stacks are and were; when pages are given back
 *   run/report.c            refusing shared objects on copying stacks
 *   run/quit.c             threads of the runtime that the service's code ends
 *   run/libc_locks.c       locks of libc that a task holds while it waits, owned.c: of sley, when it ends, relative.c:
 *                          deadlines that are durations, place.c: at which places; in the debug library
 *   task/task.c          the table of tasks, their states and public records; records.c: the memory of these
 *   task/wait.c            the protocol of everything that waits, as wakers see it
 *   task/forgotten.c       tasks that nobody joins
 *   life/spawn.c         the task's own calls: spawn, join, yield, sleep, its end
 *   life/cancel.c          cancelling it
 *   life/cleanup.c         what it does when its function has returned; local.c: its values
 *   life/returned.c        functions that return in a forked child; shield.c: exceptions that end the service's calls
 *   watch/watchdog.c     the thread that looks at what nobody else would see; run/watchdog_wake.c: how it is woken
 *   watch/deadlock.c       a run in which nothing can happen any more
 *   watch/stuck.c          who keeps a stack that others want
 *   watch/memory.c         when memory that nobody has needed for a while is given back; base/slab.c: how
 *   stack/slot.c         which bytes are on the stack: holding, releasing and exchanging tenants
 *   stack/slots.c          where stacks come from; range.c: the range that most of them lie in
 *   base/block.c           where the bytes of the others are, and all else that comes and goes with tasks
 *   stack/pages.c          giving back what deep calls touched
 *   stack/strict.c         stacks that nobody else can touch, in strict mode
 *   stack/overflow.c       catching who touches a guard or a parked stack; crash.c: naming the tasks
 *   context/x86_64.S     the switch (or aarch64.S, or ucontext.c)
 *   context/control.h      floating-point control words; exceptions.c: C++ exceptions: the task's, though the thread has
 *                          them
 *   reactor/reactor.c    descriptors that are waited for; own.c: taken over, held, closed; entry.c: the table of them;
 *                          registration.c: what epoll knows of them
 *   io/operation.c       what all calls on descriptors share: try, wait, try again
 *   io/io.c                read, write; poll.c: poll; splice.c: sendfile, splice; descriptor.c: pipe, own, close
 *   io/socket.c            making sockets, accept; connect.c: connect; message.c: send, recv; address.c: as text
 *   io/zerocopy.c          sending without a copy
 *   io/reader.c            buffered reading; writer.c: and writing
 *   io/sigpipe.c           writing to pipes without SIGPIPE; base/raised.c: and SIGXFSZ, by any call
 *   io/nowait.c            files without blocking; system.h: the system calls
 *   io/file.c            files through the pools: open ones, io/path.c: by name, io/directory.c; io/request.c: how
 *   io/offload.c         functions run by the pools of threads (io/jobs.c, io/job.c); io/submit.c: by tasks, for plain
 *                          threads
 *   io/name.c            resolving names, and the cache; dial.c: dial, by happy eyeballs; addresses.c: lists of addresses
 *   io/process.c         child processes; io/signal.c: signals as values; sigmask.c: those that are blocked
 *   sync/                mutex, condition (cond.c), rwlock, semaphore (sem.c), once, group, barrier, event,
 *                          channel (chan.c), select
 *   sync/future.c        values that will be there later; completed by a task (async.c), by whoever holds the promise
 *                          (promise.c), or by other futures (derivation.c): then.c, combine.c
 *   sync/generator.c     functions that give items one at a time
 *   sync/stream.c        items over time: from sync/source.c and io/listener.c, changed on their way (sync/buffered.c)
 *   sync/scope.c         scopes: the owner's calls; children.c: what all sides of one see
 *   sync/child.c           a child's life; supervise.c: starting again what has failed
 *   sync/monitor.c       being told how tasks end; link.c: being cancelled with them
 *   region/region.c      what tools may see; site.c: spawn sites; part.c: task records that can be given back
 *   dump.c               the same as text
 *   copies.c             finding another copy of all this in the process
 *
 * What is opened is closed in reverse order. The region alone stays for the process's life.
 */
#include "runtime.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/sanitizer.h"
#include "io/name.h"
#include "io/offload.h"
#include "io/sigmask.h"
#include "life/cleanup.h"
#include "life/spawn.h"
#include "reactor/reactor.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/quit.h"
#include "run/starved.h"
#include "run/thread.h"
#include "run/worker.h"
#include "run/workers.h"
#include "stack/overflow.h"
#include "stack/strict.h"
#include "watch/watchdog.h"

#define DEADLOCK_TASKS 100    /* named when a run has deadlocked */
#define SLOTS_ALONE    16384u /* at two mappings each they leave half of the default vm.max_map_count */

static struct {
	unsigned busy; /* atomic: a run is being started, is under way, or is being ended */
	struct sley_site *site;
	int (*main)(void *);
	void *arg;
	int result;
	bool deadlocked;      /* written by the watchdog, read when it has ended */
	unsigned dump_wanted; /* atomic: SIGQUIT came */
	struct sigaction old_quit;
} run;

/* Once in the process: ThreadSanitizer needs a library that is built with it. */
static void tell_missing_sanitizer(void)
{
#ifndef SLEY_TSAN
	static unsigned told; /* atomic */
	if (sanitizer_finds_races() && !exchange(&told, 1, relaxed))
		complain(
			"ThreadSanitizer knows neither the stacks nor the locks of this library, and reports what is not "
			"there: link with libsley-tsan (make install-lib CC=clang SANITIZE=thread)");
#endif
}

/* ---- hooks ---- */

static void on_quit(int signal)
{
	(void)signal;
	store(&run.dump_wanted, 1, relaxed); /* the watchdog does it: a dump is not signal-safe */
}

static void runtime_tick(void)
{
	overflow_rearm();
	if (exchange(&run.dump_wanted, 0, relaxed))
		sley_dump(complaint_fd());
	offload_retry();
}

static bool expecting(void)
{
	return offload_active() > 0 || reactor_expecting();
}

/* Nothing can ever happen again. */
static void deadlock(void)
{
	complain(
		"nothing can happen any more: every task waits for another one, and no thread, timer or descriptor is left "
		"that could wake one. sley_run() returns -EDEADLK. The tasks:");
	dump_tasks(complaint_fd(), DEADLOCK_TASKS);
	run.deadlocked = true;
	store(&scheduler.stopping, 1, release); /* pairs with queue_find() */
	idle_wake_all();
}

/* In a forked child nothing of the run works: the other threads are gone and the region is not mapped. */
static void in_child(void)
{
	store(&scheduler.running, 0, relaxed);
	store(&scheduler.forked, 1, relaxed);
	worker_forked();
	quit_allow();
}

/* Before the first run. */
static void prepare(void)
{
	pthread_atfork(NULL, NULL, in_child);
	copies_keep();
}

/* ---- the first task ---- */

static void main_entry(void *unused)
{
	(void)unused;
	run.result = run.main(run.arg);
	cleanup_finish();                       /* while the run goes on: it may wait */
	store(&scheduler.stopping, 1, release); /* pairs with queue_find() */
	idle_wake_all();
}

static int spawn_main(void)
{
	static const struct sley_task_options options = {
		.size = sizeof(options), .name = "main", .private_stack = 1, .detached = 1
	};
	sley_task id = sley_spawn_at(run.site, &options, main_entry, NULL, SLEY_BY_POINTER);
	return id < 0 ? (int)id : 0;
}

/* ---- the run ---- */

/* Blocks what is to be taken as values, in this thread and so in all that it starts. `before` is for after the run. */
static void signals_block(const struct sley_options *options, sigset_t *before)
{
	sigset_t blocked;
	pthread_sigmask(SIG_BLOCK, options->signals, before); /* null changes nothing */
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	signals_open(&blocked);
}

/* Everything is open: runs until main has returned. */
static int run_workers(const struct sley_options *options)
{
	void *alternate;
	sigset_t mask;
	int error = spawn_main();
	if (error)
		return error;
	signals_block(options, &mask);
	overflow_open(crash_name);
	overflow_thread_enter(&alternate);
	if (options->flags & SLEY_RUN_DUMP_ON_SIGQUIT) {
		struct sigaction action = { .sa_handler = on_quit, .sa_flags = SA_RESTART };
		sigaction(SIGQUIT, &action, &run.old_quit);
	}
	error = watchdog_start();
	if (error == 0) {
		quit_forbid();
		error = workers_start();
		if (error)
			store(&scheduler.stopping, 1, release);
		else
			worker_run(worker_get(0));
		quit_allow();
		idle_wake_all();
		workers_join();
		watchdog_stop();
		if (error == 0 && run.deadlocked)
			error = -EDEADLK;
	}
	if (options->flags & SLEY_RUN_DUMP_ON_SIGQUIT)
		sigaction(SIGQUIT, &run.old_quit, NULL);
	overflow_thread_leave(alternate);
	overflow_close();
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return error;
}

static void abandon(struct task *task, void *unused)
{
	(void)unused;
	if (task->fate & TASK_UNUSED)
		return;
	slot_abandon(&task->tenant);
	if (!(task->flags & TASK_STARTED) && task->start.n != SLEY_BY_POINTER && task->start.n > 0)
		block_free(task->start.arg, task->start.n);
}

/*
 * With AddressSanitizer there are many, as each is for one task. More would follow by themselves, but its leak checker
 * reads the map of the process for each piece of memory that it was told of, and the range is one.
 */
static int stacks_open(const struct sley_options *options, unsigned max_tasks)
{
	unsigned alone = MIN(max_tasks, SLOTS_ALONE);
	if (options->flags & SLEY_RUN_STRICT_STACKS)
		return strict_open(max_tasks, options->stack_size);
	if (sanitizer_knows_stacks() && options->stack_slots < alone && slots_open(alone, options->stack_size) == 0)
		return 0;
	return slots_open(options->stack_slots, options->stack_size);
}

/* Opens layer by layer, runs, closes in reverse. */
static int open_and_run(const struct sley_options *options)
{
	int error = region_open(options->max_tasks);
	if (error)
		return error;
	unsigned max_tasks = MIN(options->max_tasks, region.max_tasks);
	if ((error = blocks_open()) != 0)
		return error;
	if ((error = stacks_open(options, max_tasks)) != 0)
		goto blocks;
	if ((error = global_open(max_tasks)) != 0)
		goto stacks;
	if ((error = tasks_open(max_tasks, global_reserve)) != 0)
		goto global;
	if ((error = reactor_open()) != 0)
		goto tasks;
	if ((error = workers_open(options->workers)) != 0)
		goto workers;
	idle_open();
	region_begin(options->name, stacks_begin, stacks_begin + stacks_size, stack_size, slots_count());
	store(&region.header->worker_count, MAX(region.header->worker_count, scheduler.made), release);
	store(&scheduler.stopping, 0, relaxed);
	scheduler.run++;
	threads_open();
	quit_open();
	offload_open(options);
	store(&scheduler.running, 1, release);
	error = run_workers(options);
	threads_end(); /* an offloaded function may be among them */
	offload_close();
	quit_close();
	store(&scheduler.running, 0, seq_cst); /* see thread.h */
	threads_close();
	submit_close();
	names_close();
	tasks_each(abandon, NULL);
	region_end();
workers:
	workers_close();
	reactor_close();
tasks:
	tasks_close();
global:
	global_close();
stacks:
	slots_close();
blocks:
	blocks_close();
	/* one by one: plain threads look at `running` at any time */
	store(&scheduler.threads, 0, relaxed);
	starved_close();
	return error;
}

int sley_run_at(struct sley_site *site, int (*main)(void *), void *arg, const struct sley_options *options, int *result)
{
	static const struct sched_hooks hooks = { .poll = reactor_poll,
						  .interrupt = reactor_interrupt,
						  .rearm = reactor_rearm,
						  .tick = runtime_tick,
						  .expecting = expecting,
						  .deadlock = deadlock,
						  .task_main = task_main,
						  .task_end = task_end };
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sley_options resolved;
	unsigned free = 0;
	if (load(&scheduler.forked, relaxed))
		return -ECHILD;
	if (worker_self())
		return -EDEADLK;
	if (!load(&run.busy, relaxed)) /* a run that is under way has asked */
		complaints_open();
	int error = main ? options_resolve(options, &resolved) : -EINVAL;
	if (error)
		return error;
	if (!cas(&run.busy, &free, 1, acquire, relaxed)) /* pairs with the release below: one run after the other */
		return -EBUSY;
	pthread_once(&once, prepare);
	exceptions_open();
	tell_missing_sanitizer();
	run.site = site;
	run.main = main;
	run.arg = arg;
	run.deadlocked = false;
	sched_hooks = hooks;
	int saved = errno, cancel;
	/* a thread cancelled in a task would unwind that task's stack, and leave its slot held for ever */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	error = open_and_run(&resolved);
	int main_result = run.result;
	store(&run.busy, 0, release);
	if (error == 0 && result)
		*result = main_result;
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return error;
}
