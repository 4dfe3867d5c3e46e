// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Copyright (c) 2026 the sley authors */
/*
 * Records blocks: the task that blocked its thread, the system call or page fault, the place and the duration.
 *
 *   switch out ──► cause ──► count (process, worker, site, cause)
 *       │            └─ block ──► worker_state.block: task, call, registers, stack, descriptor
 *   wake-up ─────────────────────► wake_ns, who wakes it
 *   switch in ───────────────────► end_ns, asleep, waiting for a CPU
 *   next switch out: is it the same call, never returned? ── yes ──► the block goes on
 *                                                         └─ no ───► totals, longest, events
 *
 * No program is attached to system calls themselves. The user registers of a thread tell its call, and they are read
 * when the thread is switched out asleep. For the unwatched threads of a host, a switch costs two lookups that find
 * nothing.
 *
 * record.h records the thread, waker.h who wakes it; block.h says when a block goes on and when it is over; delay.h weighs it,
 * totals.h adds it up. cpu.h samples which task has the CPU.
 *
 * All threads of a watched process are marked, and its new threads before they run: see threads.h. A thread may begin or
 * cease to be a worker at any time. So each switch out of a marked thread looks: the worker word of a thread that is no
 * worker, and the thread that is named by the line of one that is. Rejected: to mark the workers alone, when user space
 * finds them in the process's table. A spare that was made because of a block may itself be blocked long before that.
 *
 * A thread that is stopped by a signal or a debugger, or frozen, is not blocked: neither its task nor the call is to blame.
 * A block ends when that begins. The call goes on as a new block, when the thread does.
 *
 * The process's worker line is untrusted: false values only make that process's own figures wrong.
 */
#include "kernel.h"

#pragma clang diagnostic ignored "-Wunused-parameter" /* BPF_PROG's own */

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "block.h"
#include "cpu.h"
#include "events.h"
#include "sley/introspect.h"
#include "threads.h"
#include "totals.h"
#include "waker.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set by user space at run time. */
struct sleeper sleepers[WATCH_WORKERS] = {}; /* as `request` lists them */
struct early_block early = {};

/* ---- switches ---- */

/* A process that makes up sites must not fill the tables with them. */
static void bound_site(struct sley_region_worker *line)
{
	if (line->site >= SLEY_REGION_SITES)
		line->site = 0;
}

/* Frozen by version 2 of cgroups, a thread sleeps interruptibly. A wake-up for that is why it does not sleep elsewhere. */
static bool is_stopped(const struct task_struct *task, uint32_t task_state)
{
	return task_state & (TASK_STOPPED | TASK_TRACED | TASK_FROZEN) ||
	       (task_state & TASK_INTERRUPTIBLE && task->jobctl & JOBCTL_TRAP_FREEZE);
}

/* `task_state` is 0 for a thread that does not sleep. */
static enum switch_cause cause_of(const struct sley_region_worker *line, const struct task_struct *task,
				  const struct pt_regs *regs, uint32_t task_state)
{
	if (line->mode == SLEY_WORKER_GONE)
		return SWITCH_OUTSIDE;
	if (!task_state)
		return SWITCH_PREEMPT;
	if (is_stopped(task, task_state))
		return SWITCH_STOP;
	if (line->mode == SLEY_WORKER_IDLE)
		return SWITCH_IDLE;
	if ((int32_t)regs->orig_ax == -1)
		return SWITCH_FAULT;
	return line->mode == SLEY_WORKER_TASK ? SWITCH_BLOCK : SWITCH_RUNTIME;
}

/* Counters of one worker have one writer. */
static void count(struct worker_state *state, const struct thread *thread, const struct sley_region_worker *line,
		  enum switch_cause cause)
{
	struct switch_key key = { thread->process, thread->worker, line->site, cause };
	uint64_t one = 1, *counter;
	uint32_t place = thread->place;
	void *table;
	if (line->mode != SLEY_WORKER_TASK) {
		if ((uint32_t)cause < SWITCH_CAUSE_COUNT)
			state->switches[cause]++;
		return;
	}
	table = bpf_map_lookup_elem(&switches, &place);
	counter = table ? bpf_map_lookup_elem(table, &key) : NULL;
	if (counter)
		++*counter;
	else if (!table || bpf_map_update_elem(table, &key, &one, BPF_NOEXIST))
		DROP(place, switches);
}

/* ---- threads that become workers, and others ---- */

/* The thread is this worker no more, so its block is over. The state may be its successor's already. */
static void leave_state(struct thread *thread, struct worker_state *state, const struct task_struct *task,
			const struct sley_region_worker *line)
{
	if ((int)state->live == task->pid) {
		if (state->phase != WORKER_UNBLOCKED) {
			see_switch_in(state, task, now_of(thread));
			finish(thread, state, line);
		}
		state->live = 0;
	}
	thread->slot = 0;
}

/* Finds out whether the current thread has become a worker, and reads its line then. */
static struct worker_state *become_worker(struct thread *thread, const struct task_struct *task,
					  struct sley_region_worker *line)
{
	const struct watched_process *process = process_of(thread);
	uint64_t pointer = task->thread.fsbase;
	struct worker_state *state;
	uint32_t number = 0, slot, index;
	if (process->process != thread->process || !process->worker_word || task->flags & PF_EXITING ||
	    bpf_probe_read_user(&number, sizeof(number), (void *)(pointer + process->worker_word)) || !number ||
	    number > WATCH_WORKERS)
		return NULL;
	slot = process->slots[(number - 1) & (WATCH_WORKERS - 1)];
	index = slot - 1;
	state = bpf_map_lookup_elem(&workers, &index);
	if (!state || bpf_probe_read_user(line, sizeof(*line), (void *)line_of(process, number - 1)) ||
	    line->thread != pointer)
		return NULL;
	if (state->phase != WORKER_UNBLOCKED)
		forget(state); /* its thread before has ended without a word */
	take_state(thread, state, task, number - 1, slot);
	return state;
}

/* The state and the line of the worker that the current thread is; null: it is none. */
static struct worker_state *worker_of(struct thread *thread, struct task_struct *task, struct sley_region_worker *line)
{
	struct worker_state *state = state_of(thread);
	if (!state)
		return become_worker(thread, task, line);
	if (bpf_probe_read_user(line, sizeof(*line), (void *)line_of(process_of(thread), thread->worker))) {
		if (!(task->flags & PF_EXITING)) /* its memory is gone */
			DROP(thread->place, lines);
		return state;
	}
	if (line->thread == task->thread.fsbase)
		return state;
	leave_state(thread, state, task, line);
	return become_worker(thread, task, line);
}

/* `task_state` is 0 for a thread that was preempted. */
static void switched_out(struct thread *thread, struct task_struct *task, uint32_t task_state)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	struct sley_region_worker line = {};
	struct worker_state *state = worker_of(thread, task, &line);
	enum switch_cause cause;
	if (!state)
		return;
	state->out_flags = task->thread_info.flags;
	bound_site(&line);
	cause = cause_of(&line, task, regs, task_state);
	count(state, thread, &line, cause);
	if (state->phase != WORKER_UNBLOCKED && goes_on(thread, state, task, regs, &line, cause, task_state))
		return;
	if (task->flags & PF_EXITING)
		leave_state(thread, state, task, &line);
	else if (line.mode == SLEY_WORKER_TASK && (cause == SWITCH_BLOCK || cause == SWITCH_FAULT))
		begin(state, thread, task, regs, &line, task_state, NULL);
}

static void switched_in(const struct thread *thread, struct worker_state *state, struct task_struct *task)
{
	state->in_flags = task->thread_info.flags;
	if (state->phase == WORKER_BLOCKED)
		run_again(state, now_of(thread));
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct worker_state *state;
	struct thread *thread;
	thread = bpf_task_storage_get(&threads, prev, NULL, 0);
	if (thread)
		switched_out(thread, prev, preempt ? 0 : prev_state);
	thread = bpf_task_storage_get(&threads, next, NULL, 0);
	state = thread ? state_of(thread) : NULL;
	if (state)
		switched_in(thread, state, next);
	return 0;
}

/*
 * Not sched_wakeup, which may run on the woken thread's CPU, where nobody knows who wakes it. This may run in the midst of
 * the switch out: then the block does not know its waker, and its time without a CPU counts as asleep.
 */
SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	struct thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	struct worker_state *state = thread ? state_of(thread) : NULL;
	if (!state || state->phase != WORKER_BLOCKED || state->wake_ns)
		return 0;
	state->wake_ns = now_of(thread);
	record_waker(&state->block.waker, task);
	return 0;
}

SEC("perf_event")
int on_sample(void *context)
{
	sample_cpu();
	return 0;
}

static void current_interrupted(enum interrupter by)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	struct worker_state *state = thread ? state_of(thread) : NULL;
	if (state)
		interrupted(thread, state, task, by);
}

SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal, int number, void *info, struct k_sigaction *action)
{
	if ((uint64_t)action->sa.sa_handler <= SIG_IGN)
		current_interrupted(BY_NOBODY);
	else
		current_interrupted(action->sa.sa_flags & SA_RESTART ? BY_HANDLER : BY_HANDLER_ONCE);
	return 0;
}

/* Before signals, if there are any. Not every kernel has it. */
SEC("tp_btf/io_uring_task_work_run")
int BPF_PROG(on_work, void *context, unsigned int count)
{
	current_interrupted(BY_NOBODY);
	return 0;
}

/* The thread runs a new program: its memory is not the watched one. The other threads are dead by now. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	struct worker_state *state = thread ? state_of(thread) : NULL;
	if (state) {
		state->live = 0;
		forget(state);
	}
	bpf_task_storage_delete(&threads, task);
	bpf_task_storage_delete(&processes, task);
	return 0;
}

/* ---- marking: see threads.h ---- */

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *task)
{
	struct process *process = bpf_task_storage_get(&processes, task->group_leader, NULL, 0);
	if (process && process->process)
		mark(task, process->process, process->place);
	return 0;
}

SEC("iter/task")
int watch(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct worker_state *state;
	struct process *process;
	struct thread *thread;
	uint32_t i;
	if (!task)
		return 0;
	if (!request.process) {
		bpf_task_storage_delete(&processes, task);
		bpf_task_storage_delete(&threads, task);
		return 0;
	}
	process = bpf_task_storage_get(&processes, task->group_leader, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (process) {
		process->place = request.place;
		barrier();
		process->process = request.process;
	}
	thread = mark(task, request.process, request.place);
	i = thread && task->thread.fsbase ? find(task->thread.fsbase, 0) : WATCH_WORKERS;
	state = i < WATCH_WORKERS ? bpf_map_lookup_elem(&workers, &request.slots[i]) : NULL;
	if (!thread || !state)
		return 0;
	take_state(thread, state, task, request.workers[i], request.slots[i] + 1);
	request.marked++;
	return 0;
}

/* ---- threads that are blocked already ---- */

/*
 * After `watch`, blocks that have begun already are caught, because users look at services that are stuck. A thread
 * that sleeps is not the current one, and its memory cannot be read without sleeping. So there are two walks:
 *
 * 	look_blocked     the sleeping threads, their calls, and their numbers of context switches
 * 	user space       the line, from the region; stack and memory, by a child process that this may block
 * 	catch_blocked    if the thread was not switched since, the data belongs together: a block begins now
 *
 * The thread may wake up meanwhile. If it was switched in before the block was complete, catch_blocked sees that and
 * makes no block. A switch in at that very moment leaves a block that ends with the next switch out.
 */
static uint64_t switches_of(const struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

/* The marked thread's state, if it sleeps and has no block. */
static struct worker_state *sleeping(struct task_struct *task, struct thread *thread)
{
	struct worker_state *state = thread ? state_of(thread) : NULL;
	return state && state->phase == WORKER_UNBLOCKED && !task->on_cpu && task->__state ? state : NULL;
}

SEC("iter/task")
int look_blocked(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	const struct pt_regs *regs;
	struct sleeper *sleeper;
	struct thread *thread;
	uint32_t i;
	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, NULL, 0);
	if (!thread || !sleeping(task, thread))
		return 0;
	i = find(0, thread->slot - 1);
	if (i >= WATCH_WORKERS)
		return 0;
	regs = (void *)bpf_task_pt_regs(task);
	sleeper = &sleepers[i];
	sleeper->switches = switches_of(task);
	sleeper->syscall = regs->orig_ax;
	sleeper->sp = regs->sp;
	sleeper->args[0] = regs->di;
	sleeper->args[1] = regs->si;
	sleeper->args[2] = regs->dx;
	sleeper->args[3] = regs->r10;
	sleeper->args[4] = regs->r8;
	sleeper->args[5] = regs->r9;
	return 0;
}

SEC("iter/task")
int catch_blocked(struct bpf_iter__task *context)
{
	struct task_struct *task = context->task;
	struct sley_region_worker line = early.line;
	struct worker_state *state;
	const struct pt_regs *regs;
	struct thread *thread;
	enum switch_cause cause;
	if (!task)
		return 0;
	thread = bpf_task_storage_get(&threads, task, NULL, 0);
	if (!thread || thread->slot != early.slot + 1 || switches_of(task) != early.switches)
		return 0;
	state = sleeping(task, thread);
	if (!state)
		return 0;
	bound_site(&line);
	regs = (void *)bpf_task_pt_regs(task);
	cause = cause_of(&line, task, regs, task->__state);
	if (line.mode != SLEY_WORKER_TASK || (cause != SWITCH_BLOCK && cause != SWITCH_FAULT))
		return 0;
	begin(state, thread, task, regs, &line, task->__state, &early);
	if (task->on_cpu || switches_of(task) != early.switches)
		forget(state);
	return 0;
}
