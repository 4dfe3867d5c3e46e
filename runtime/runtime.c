/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * sley_run(): start and stop. The map of the library, in the order in which control flows through it:
 *
 *   runtime.c            start: options.c, then each layer's open(); the calling thread becomes worker 0
 *   run/workers.c        the workers: records and threads
 *   run/blocked.c          workers that are blocked or compute, and their replacement by spares
 *   run/block_site.c       spawn sites whose tasks were seen to block, and for how long at least
 *   run/replacement.c      which worker runs in the place of which, for tools
 *   run/worker.c           the loop of one worker: find a task, hold its slot, switch to it, land
 *   run/coroutine.c        a task that runs another one as a call, on the same worker
 *   run/land.c             what is done for a task that has left its stack, by whoever runs then
 *   run/current.c          the current run, worker and task of the calling thread
 *   run/search.c           a worker's search for its next task
 *   run/queue.c            queues of ready tasks; steal.c: taking tasks from other workers
 *   run/deque.h            the run queue of one worker; global.c: the queue of all workers
 *   run/starved.c          ready tasks without memory to run
 *   run/idle.c             a worker without work: spin, park, wait in the reactor; waking
 *   run/timer.c            deadlines
 *   run/park.c             waiting, from the side of the waiting task; thread.c: plain threads that wait
 *   run/depth.c            current and largest depth of stacks; when pages are given back
 *   run/report.c           refuses shared objects on copying stacks
 *   run/quit.c             threads of the runtime that the service's code ends
 *   run/libc_locks.c       in the debug library: locks of libc that a task holds while it waits; owned.c: locks of sley
 *                          that a task holds when it ends; relative.c: durations given as deadlines; place.c: their
 *                          places
 *   task/task.c          the table of tasks, their states and public records; records.c: the memory of these
 *   task/wait.c            the protocol of every wait, from the side of the waker
 *   task/forgotten.c       tasks that are never joined
 *   life/spawn.c         the task's own calls: spawn, join, yield, sleep, its end
 *   life/join.c            a join in parts, for select
 *   life/pin.c             keeping a task on its thread for a while
 *   life/cancel.c          cancelling a task
 *   life/cleanup.c         the cleanups of a task that has ended; local.c: its values
 *   life/returned.c        functions that return in a forked child; shield.c: exceptions that leave the service's
 *                          functions
 *   watch/watchdog.c     the thread that notices states which no other thread would; run/watchdog_wake.c: wakes it
 *   watch/deadlock.c       a run in which every task waits for another one
 *   watch/stuck.c          a task that keeps a stack while others want it, or its worker when the run is to end
 *   watch/convoy.c         many workers behind one lock of libc
 *   watch/limit.c          no thread is left for the work that waits; call.c: the system call of a thread
 *   watch/memory.c         when unused memory is given back; base/slab.c: how
 *   assist/sentinel.c    finds blocked workers at once, by threads of the lowest priority
 *   assist/tick.c        finds workers that are blocked or compute; thread.c: what the kernel says about their threads;
 *                          told.c: tasks that say so themselves
 *   assist/outside.c     is told of blocked workers by an eBPF program
 *   stack/slot.c         which task's bytes are on a stack: holding, releasing and exchanging tenants
 *   stack/slots.c          where stacks come from; range.c: the address range of most of them
 *   base/block.c           images of the other tenants, and all other memory that comes and goes with tasks
 *   stack/pages.c          gives back pages that deep calls touched
 *   stack/strict.c         strict mode: stacks that only their own task can touch
 *   stack/overflow.c       faults in a guard or a parked stack; crash.c: names the tasks
 *   context/x86_64.S     the switch (or aarch64.S, or ucontext.c)
 *   context/control.h      floating-point control words; exceptions.c: C++ exceptions: state of the thread, saved per
 *                          task
 *   reactor/reactor.c    descriptors that are waited for; own.c: taken over, held, closed; entry.c: their table;
 *                          turn.c: acceptors in line;
 *                          registration.c: their registration with epoll
 *   io/operation.c       the common part of all calls on descriptors: try, wait, try again
 *   io/io.c                read, write; poll.c: poll; splice.c: sendfile, splice; descriptor.c: pipe, own, close
 *   io/socket.c            making sockets, accept; connect.c: connect; message.c: send, recv; address.c: addresses as
 *                          text
 *   io/zerocopy.c          sending without a copy
 *   io/reader.c            buffered reading; writer.c: buffered writing
 *   io/sigpipe.c           writing to pipes without SIGPIPE; base/raised.c: all calls without SIGXFSZ
 *   io/nowait.c            files without blocking; system.h: the system calls
 *   io/file.c            files through the pools: open ones; io/path.c: by name; io/directory.c; io/request.c: how
 *   io/offload.c         functions run by the pools of threads (io/jobs.c, io/job.c); io/submit.c: run by tasks, for
 *                          plain threads
 *   io/name.c            resolving names, and the cache; dial.c: dial, by happy eyeballs; addresses.c: lists of
 *                        addresses
 *   io/process.c         child processes; io/signal.c: signals as values; sigmask.c: blocked signals
 *   sync/                mutex, condition (cond.c), rwlock, semaphore (sem.c), once, group, barrier, event,
 *                          channel (chan.c, users.c), timer, broadcast,
 *                          watch (watch.c)
 *   sync/select.c        the first of several channels; select_any.c: of things of any kind (select_kinds.c)
 *   sync/future.c        values that come later; completed by a task (async.c), by a holder of the promise (promise.c),
 *                          or by other futures (derivation.c): then.c, combine.c
 *   sync/generator.c     functions that give items one at a time; generator_step.c: an item
 *   sync/stream.c        items over time: from sync/source.c and io/listener.c, changed on their way (sync/buffered.c)
 *   sync/scope.c         scopes: the owner's calls; children.c: state shared by the owner and the children
 *   sync/child.c           a child's life; supervise.c: restarts of failed children
 *   sync/monitor.c       notice of the end of tasks; link.c: cancellation at the end of a linked task
 *   region/region.c      the state that tools may see; site.c: spawn sites; part.c: task records that can be given back
 *   attach.c             sley_run() itself; one run for several libraries
 *   dump.c               the state as text
 *   copies.c             finding another copy of the runtime in the process
 *
 * Each part that is opened is closed, in reverse order. The region alone stays for the life of the process.
 */
#include "runtime.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assist/outside.h"
#include "assist/sentinel.h"
#include "assist/thread.h"
#include "assist/tick.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/lock.h"
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

#define DEADLOCK_TASKS 100 /* tasks that are named when a run has deadlocked */
#define ATTACHED_LONG  NS_PER_SEC
#define SLOTS_ALONE    16384u /* with two mappings each they use half of the default vm.max_map_count */

static struct {
	unsigned busy;     /* atomic: a run is starting, under way, or ending */
	unsigned users;    /* atomic: of the run under way; 0: it is to end, or there is none */
	int64_t main_over; /* atomic: when main returned; 0: it has not, or that was told */
	void (*on_begin)(void);
	struct sley_site *site;
	int (*main)(void *);
	void *arg;
	int result;
	bool deadlocked;      /* written by the watchdog, read after its end */
	unsigned dump_wanted; /* atomic: SIGQUIT came */
	struct sigaction old_quit;
} run;

/* Once per process: ThreadSanitizer needs a library that is built with it. */
static void tell_missing_sanitizer(void)
{
#ifndef SLEY_TSAN
	static unsigned told; /* atomic */
	if (sanitizer_finds_races() && !exchange(&told, 1, relaxed))
		complain(
			"this process uses ThreadSanitizer, but a libsley that was built without it: data races are "
			"reported that do not exist. Link with libsley-tsan (make install-lib CC=clang SANITIZE=thread)");
#endif
}

/* ---- hooks ---- */

static void on_quit(int signal)
{
	(void)signal;
	store(&run.dump_wanted, 1, relaxed); /* a dump is not signal-safe, so the watchdog makes it */
}

/* Says once that main has returned, but attachments keep the run. */
static void tell_attached(void)
{
	int64_t over = load(&run.main_over, relaxed);
	unsigned users = load(&run.users, relaxed);
	if (likely(over == 0) || users == 0 || clock_now() - over < ATTACHED_LONG)
		return;
	store(&run.main_over, 0, relaxed);
	complain(
		"main has returned, but sley_run() waits for %u call%s of sley_detach(), as there were more of sley_attach(). "
		"Remedy: let each library that attaches detach when the service closes it, before main returns",
		users, users == 1 ? "" : "s");
}

static void runtime_tick(void)
{
	tell_attached();
	overflow_rearm();
	if (exchange(&run.dump_wanted, 0, relaxed))
		sley_dump(complaint_fd());
	offload_retry();
	threads_forget_ended();
	sentinels_look();
}

static enum look_result runtime_look(int64_t now)
{
	enum look_result result = tick_look(now);
	return outside_look(now) && result == LOOK_REST ? LOOK_SOON : result;
}

/*
 * Sentinels have nothing to tell that the runtime's own program has not told. They are armed while a helper is there: it is not
 * trusted, and may take a lease and say nothing.
 */
static void runtime_arm(struct worker *worker)
{
	if (outside_state() != OUTSIDE_WATCHES)
		sentinel_arm(worker);
}

static bool expecting(void)
{
	return offload_active() > 0 || reactor_expecting();
}

/* The run is deadlocked. */
static void deadlock(void)
{
	complain(
		"deadlock: every task waits for another task, and there is no timer, descriptor or thread that could wake "
		"one. sley_run() returns -EDEADLK. The tasks, and what each waits for:");
	dump_tasks(complaint_fd(), DEADLOCK_TASKS);
	run.deadlocked = true;
	workers_stop();
}

/* In a forked child no part of the run works: the other threads are gone and the region is not mapped. */
static void in_child(void)
{
	store(&scheduler.running, 0, relaxed);
	store(&scheduler.forked, 1, relaxed);
	worker_forked();
	lock_forked();
	quit_allow();
}

/* Called once, before the first run. */
static void prepare(void)
{
	pthread_atfork(NULL, NULL, in_child);
	copies_keep();
}

/* ---- the users of a run ---- */

bool runtime_hold(void)
{
	unsigned users = load(&run.users, relaxed);
	while (users > 0) {
		if (cas(&run.users, &users, users + 1, acquire, relaxed)) /* pairs with the store in run_workers() */
			return true;
	}
	return false;
}

/* The visit keeps the run's memory, as the run may end as soon as `stopping` is set. */
bool runtime_release(unsigned number)
{
	if (thread_visit() != 0)
		return false;
	bool last = load(&run.users, relaxed) > 0 && scheduler.run == number && fetch_sub(&run.users, 1, acq_rel) == 1;
	if (last)
		workers_stop();
	thread_depart();
	return last;
}

/* ---- the first task ---- */

static void main_entry(void *unused)
{
	(void)unused;
	run.result = run.main(run.arg);
	cleanup_finish(); /* before the run ends, as it may wait */
	store(&run.main_over, clock_now(), relaxed);
	runtime_release(scheduler.run);
}

static int spawn_main(void)
{
	static const struct sley_task_options options = {
		.size = sizeof(options), .name = "main", .private_stack = 1, .detached = 1
	};
	if (!run.main)
		return 0;
	sley_task id = sley_spawn_at(run.site, &options, main_entry, NULL, SLEY_BY_POINTER);
	return id < 0 ? (int)id : 0;
}

/* ---- the run ---- */

/*
 * Blocks the signals of option `signals` in this thread, and so in all threads that it starts. Stores in `before` the
 * mask to restore after the run.
 */
static void signals_block(const struct sley_options *options, sigset_t *before)
{
	sigset_t blocked;
	pthread_sigmask(SIG_BLOCK, options->signals, before); /* a null set changes nothing */
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	signals_open(&blocked);
}

/* Called when all layers are open. Runs until there is no user. */
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
		outside_open(options->assist);
		quit_forbid();
		store(&run.users, 1, release); /* pairs with runtime_hold() */
		error = workers_start();
		if (error == 0 && run.on_begin)
			run.on_begin();
		if (error)
			store(&scheduler.stopping, 1, release);
		else
			worker_run(worker_get(0));
		store(&run.users, 0, relaxed);
		quit_allow();
		workers_join();
		watchdog_stop();
		outside_close();
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
 * With AddressSanitizer each slot serves one task, so many are opened at once. Slots beyond these would be added on
 * demand, but the leak checker reads the memory map of the process once for each piece of memory registered with it.
 * The range of all slots is one piece.
 */
static int stacks_open(const struct sley_options *options, unsigned max_tasks)
{
	unsigned alone = MIN(max_tasks, SLOTS_ALONE);
	if (options->flags & SLEY_RUN_STRICT_STACKS)
		return strict_open(max_tasks, options->stack_size);
	if (sanitizer_knows_stacks() && options->stack_slots < alone &&
	    slots_open(alone, options->stack_size, options->workers) == 0)
		return 0;
	if (options->flags & SLEY_RUN_OWN_STACKS)
		return slots_open_alone(options->stack_slots, options->stack_size);
	return slots_open(options->stack_slots, options->stack_size, options->workers);
}

/* Opens layer by layer, runs, and closes in reverse order. */
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
	if ((error = workers_open(options->workers, options->max_threads)) != 0)
		goto workers;
	region_begin(options->name, stacks_begin, stacks_begin + stacks_size, stack_size, slots_count());
	store(&region.header->worker_count, MAX(region.header->worker_count, scheduler.made), release);
	region.header->target = options->workers;
	region.header->max_threads = options->max_threads;
	store(&scheduler.stopping, 0, relaxed);
	scheduler.migrates = options->flags & SLEY_RUN_MIGRATE;
	scheduler.run++;
	thread_files_open();
	tick_open(options->assist != SLEY_ASSIST_OFF);
	sentinels_open(options->assist == SLEY_ASSIST_IDLE || options->assist == SLEY_ASSIST_BPF);
	threads_open();
	quit_open();
	offload_open(options);
	store(&scheduler.running, 1, release);
	error = run_workers(options);
	sentinels_close();
	threads_end(); /* before offload_close(): an offloaded function may be such a thread */
	offload_close();
	quit_close();
	store(&scheduler.running, 0, seq_cst); /* see thread.h */
	threads_close();
	submit_close();
	names_close();
	tasks_each(abandon, NULL);
	region_end();
	thread_files_close();
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
	/* field by field: plain threads read `running` at any time */
	store(&scheduler.threads, 0, relaxed);
	starved_close();
	return error;
}

int runtime_run(struct sley_site *site, int (*main)(void *), void *arg, const struct sley_options *options, int *result,
		void (*on_begin)(void))
{
	static const struct sched_hooks hooks = { .poll = reactor_poll,
						  .ready = reactor_count_ready,
						  .interrupt = reactor_interrupt,
						  .rearm = reactor_rearm,
						  .tick = runtime_tick,
						  .look = runtime_look,
						  .look_around = tick_look_around,
						  .arm = runtime_arm,
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
	if (!load(&run.busy, relaxed)) /* a run under way has already opened it */
		complaints_open();
	int error = options_resolve(options, &resolved);
	if (error)
		return error;
	if (!cas(&run.busy, &free, 1, acquire, relaxed)) /* pairs with the release below: a run begins after the
							  * previous one has ended */
		return -EBUSY;
	pthread_once(&once, prepare);
	exceptions_open();
	tell_missing_sanitizer();
	run.site = site;
	run.main = main;
	run.arg = arg;
	run.on_begin = on_begin;
	run.main_over = 0;
	run.deadlocked = false;
	sched_hooks = hooks;
	int saved = errno, cancel;
	/* the cancellation of a thread in a task would unwind that task's stack, and leave its slot held for ever */
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
