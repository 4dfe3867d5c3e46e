/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The block of one worker, from its begin to its end: what is recorded, whether it goes on, and when it is added up.
 *
 * One call may sleep several times (fsync does), and one call may follow another call that looks the same (a loop of
 * sleeps). They differ in whether the thread was back in user mode in between. The kernel raises flags of a thread when
 * it switches the thread out, and clears them on the way back to user mode: TIF_NOTIFY_RESUME if the thread has
 * restartable sequences (glibc's threads have; up to 6.18), TIF_NEED_FPU_LOAD on x86. Their numbers differ between
 * versions, so user space watches itself to find the flags that behave like that (`resume_flags`). Each flag may also
 * be raised for another reason, by a closed file or by vector code in the kernel. Hence the call continues only if all
 * of them have stayed. If the kernel has no such flag, a sleep continues the block before it under these conditions:
 * call, place and arguments are the same, the sleep before was uninterruptible, and the thread ran for less than
 * RESUME_GAP_NS in between. A loop of fsync is then one block.
 *
 * A call may be interrupted by what is none of the service's business: a signal whose handler has SA_RESTART, a tracer,
 * work of io_uring. Then the kernel goes back to user mode, and makes the call again. That is the same block; after a stop,
 * a new one in the same call. A call that has to know how long it was asleep becomes restart_syscall with the same
 * registers. Others are made again as they were, and look like the next turn of a loop. Of these it is known only when the
 * signal is delivered or the work done, as the kernel's own result of the call lies in the registers then: interrupted().
 * Rejected: to believe that a call is made again if a signal is pending. A loop of calls that fail with EINTR, or that end
 * just then, would be one block. If the handler itself blocks, the call's block ends before that one. If the call
 * does not sleep again, and the next one in a loop that does not count does, the two are one block.
 */
#ifndef SLEY_BPF_BLOCK_H
#define SLEY_BPF_BLOCK_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "delay.h"
#include "events.h"
#include "record.h"
#include "sley/introspect.h"
#include "threads.h"
#include "totals.h"

#define RESUME_GAP_NS 20000
#define COUNT_GAP_NS  100000000

#ifdef __TARGET_ARCH_x86
#define RESTART_SYSCALL 219
#define SYSCALL_BYTES   2
#else
#define RESTART_SYSCALL 128
#define SYSCALL_BYTES   4
#endif

/* Set by user space at run time. */
uint64_t resume_flags = 0;

/* Brackets changes that a reader must see together. The fetching form of the add is a full barrier. */
static void change(struct worker_state *state)
{
	if (__sync_fetch_and_add(&state->seq, 1) == ~0u)
		state->phase = WORKER_UNBLOCKED; /* uses the result, so that the compiler emits the fetching form */
}

static void forget(struct worker_state *state)
{
	change(state);
	state->phase = WORKER_UNBLOCKED;
	change(state);
}

/* What the process says of the block: nothing, if that cannot be read. */
static void read_replaced(const struct thread *thread, struct worker_state *state)
{
	const struct watched_process *process = process_of(thread);
	uint64_t block = process->blocks + (uint64_t)thread->worker * process->block_stride;
	if (!process->blocks || bpf_probe_read_user(&state->replaced, sizeof(state->replaced), (void *)block))
		__builtin_memset(&state->replaced, 0, sizeof(state->replaced));
}

/* ---- the end of a block ---- */

static void finish(const struct thread *thread, struct worker_state *state, const struct sley_region_worker *line)
{
	struct block_record *block = &state->block;
	read_replaced(thread, state);
	change(state);
	weigh_delay(block, block->end_ns, line, &state->replaced);
	add_up(thread->place, block);
	state->phase = WORKER_UNBLOCKED;
	change(state);
	report(thread->place, block);
}

/* ---- the start of a block ---- */

static void fall_asleep(struct worker_state *state, uint64_t now, uint32_t task_state)
{
	state->over = false;
	state->uninterruptible = (task_state & TASK_UNINTERRUPTIBLE) != 0;
	state->out_ns = now;
	state->block.end_ns = 0;
	if (state->block.sleeps != UINT16_MAX)
		state->block.sleeps++;
	state->wake_ns = now; /* a preempted thread only waits for a CPU */
	if (task_state) {
		state->wake_ns = 0;
		state->restarts = false; /* it is made again, by now */
		state->block.waker.kind = WAKER_UNKNOWN;
	}
	barrier();
	state->phase = WORKER_BLOCKED; /* last: see on_waking */
}

/* Whether the kernel restarts the call of the thread's last block. */
static bool is_restart(const struct block_record *block, const struct pt_regs *regs)
{
	return (int32_t)regs->orig_ax == RESTART_SYSCALL && regs->ip == block->regs[BLOCK_REG_IP] &&
	       regs->sp == block->regs[BLOCK_REG_SP];
}

/* Whether it is about to: the thread was preempted before the instruction. */
static bool is_before_restart(const struct block_record *block, const struct pt_regs *regs, uint32_t task_state)
{
	return !task_state && regs->ip + SYSCALL_BYTES == block->regs[BLOCK_REG_IP] &&
	       regs->sp == block->regs[BLOCK_REG_SP] && regs->di == block->args[0] && regs->si == block->args[1];
}

/* Keeps what is known of the blocks before in the same dispatch. */
static void follow(struct block_record *block, const struct thread *thread, const struct sley_region_worker *line)
{
	uint64_t duration = block->end_ns - block->start_ns;
	if (!block->number || block->process != thread->process || block->dispatches != line->dispatches ||
	    block->task != line->task || block->end_ns <= block->start_ns) {
		block->before_ns = 0;
		block->longest_ns = 0;
		return;
	}
	block->before_ns += duration;
	if (duration < block->longest_ns)
		return;
	block->longest_ns = duration;
	block->longest_end_ns = block->end_ns;
	block->longest_number = block->number;
	block->longest_syscall = block->syscall;
	block->longest_place = (uint32_t)block->place;
}

/* Begins a block of the current thread; or of a sleeping thread, for which `known` is all that can be read. */
static __always_inline void begin(struct worker_state *state, const struct thread *thread, struct task_struct *task,
				  const struct pt_regs *regs, const struct sley_region_worker *line,
				  uint32_t task_state, const struct early_block *known)
{
	struct block_record *block = &state->block;
	uint64_t now = now_of(thread);
	if (known)
		state->replaced = known->replaced;
	else
		read_replaced(thread, state);
	change(state);
	follow(block, thread, line);
	block->number++;
	block->start_ns = now;
	block->blocked_ns = 0;
	block->cpu_ns = 0;
	block->task = line->task;
	block->dispatches = line->dispatches;
	block->elsewhere = line->elsewhere;
	block->elsewhere_ns = line->elsewhere_ns;
	block->delayed_ns = 0;
	block->queued = line->queue < DELAYED_MOST ? line->queue : DELAYED_MOST;
	block->pinned = state->replaced.pinned < DELAYED_MOST ? state->replaced.pinned : DELAYED_MOST;
	block->pinned_ns = state->replaced.pinned_ns;
	block->late = state->replaced.late;
	block->late_ns = state->replaced.late_ns;
	block->late_found_ns = state->replaced.late_found_ns;
	block->delayed_tasks = block->queued + block->pinned;
	block->process = thread->process;
	block->site = line->site;
	block->worker = thread->worker;
	block->sleeps = 0;
	if (!is_restart(block, regs))
		block->syscall = regs->orig_ax;
	block->stack_top = line->stack_top;
	block->slot = thread->slot - 1;
	block->flags = known ? BLOCK_EARLY : 0;
	record_registers(block, regs);
	record_descriptor(block, task);
	if (known) {
		record_early(block, known);
	} else {
		record_name(block->name, block->task, process_of(thread));
		record_memory(block);
		record_stack(block);
	}
	block->place = find_place(block, task->mm, !known);
	fall_asleep(state, now, task_state);
	change(state);
}

/* ---- whether it goes on ---- */

/* Whether flags of the thread say that it was not in user mode since it was switched in. Without such flags: no. */
static bool has_stayed(const struct worker_state *state, uint64_t flags)
{
	uint64_t raised = state->in_flags & resume_flags;
	return raised && (flags & raised) == raised;
}

/* The registers that a call leaves alone, and in which a loop would count. */
static bool is_same_frame(const struct block_record *block, const struct pt_regs *regs)
{
	return regs->bx == block->regs[3] && regs->bp == block->regs[6] && regs->r12 == block->regs[12] &&
	       regs->r13 == block->regs[13] && regs->r14 == block->regs[14] && regs->r15 == block->regs[15];
}

/* Whether the thread is still in the block's call or fault, and was not in user mode since. */
static bool still_inside(const struct worker_state *state, const struct pt_regs *regs, uint64_t now,
			 uint32_t task_state)
{
	const struct block_record *block = &state->block;
	if (state->over)
		return false;
	if (is_restart(block, regs) || is_before_restart(block, regs, task_state))
		return true;
	if ((int32_t)regs->orig_ax != block->syscall || regs->ip != block->regs[BLOCK_REG_IP] ||
	    regs->sp != block->regs[BLOCK_REG_SP] || regs->di != block->args[0] || regs->si != block->args[1] ||
	    regs->dx != block->args[2])
		return false;
	if (state->restarts && is_same_frame(block, regs))
		return true;
	if (state->in_flags & resume_flags)
		return has_stayed(state, state->out_flags);
	return state->uninterruptible && now - block->end_ns < RESUME_GAP_NS;
}

static void run_again(struct worker_state *state, uint64_t now)
{
	struct block_record *block = &state->block;
	uint64_t wake = state->wake_ns ?: now;
	change(state);
	state->phase = WORKER_RESUMED;
	block->end_ns = now;
	block->blocked_ns += wake - state->out_ns;
	block->cpu_ns += now - wake;
	change(state);
}

/*
 * Computes the time of a switch in that was not seen. Some kernels hide the switches out of a hypervisor's agent, and
 * with them a switch from the agent to the watched thread. The scheduler's account tells how long the thread has run
 * since.
 */
static uint64_t unseen_switch_in(const struct worker_state *state, const struct task_struct *task, uint64_t now)
{
	uint64_t earliest = state->wake_ns ?: state->out_ns;
	uint64_t ran = task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
	return ran < now - earliest ? now - ran : earliest;
}

static void see_switch_in(struct worker_state *state, const struct task_struct *task, uint64_t now)
{
	if (state->phase == WORKER_BLOCKED)
		run_again(state, unseen_switch_in(state, task, now));
}

/*
 * Whether the worker is still to count who was late: it does so at its next scheduling point, which is soon. So a block
 * stays resumed when the thread is preempted on its way there. It is over then: the thread may be preempted in the next call
 * from the same place, before it sleeps there, and would seem not to have left the first one.
 */
static bool to_be_counted(const struct block_record *block, const struct sley_region_worker *line, uint64_t now)
{
	return line->dispatches == block->dispatches && line->mode != SLEY_WORKER_IDLE &&
	       now - block->end_ns < COUNT_GAP_NS;
}

/* What interrupts a call. */
enum interrupter {
	BY_NOBODY,       /* no code of the service runs: work for the thread, or a signal that is ignored */
	BY_HANDLER,      /* of a signal */
	BY_HANDLER_ONCE, /* without SA_RESTART */
};

/* Whether the kernel makes a call with that result again, which no process ever sees. */
static bool is_made_again(enum interrupter by, int64_t result)
{
	switch (result) {
	case -ERESTARTNOINTR:
		return true;
	case -ERESTARTSYS:
		return by != BY_HANDLER_ONCE;
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		return by == BY_NOBODY;
	default:
		return false;
	}
}

/*
 * The current thread is interrupted, on its way back to user mode. If a handler runs, the registers are that one's at the next
 * signal. If the kernel has flags that tell it, the call must be the one that has slept, and not the same in the next turn of
 * a loop.
 */
static void interrupted(const struct thread *thread, struct worker_state *state, struct task_struct *task,
			enum interrupter by)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	const struct block_record *block = &state->block;
	see_switch_in(state, task, now_of(thread));
	if (state->phase == WORKER_RESUMED && !state->over && (int32_t)regs->orig_ax == block->syscall &&
	    regs->ip == block->regs[BLOCK_REG_IP] && regs->sp == block->regs[BLOCK_REG_SP] &&
	    (!(state->in_flags & resume_flags) || has_stayed(state, task->thread_info.flags)))
		state->restarts = is_made_again(by, (int64_t)regs->ax);
}

/* Ends the block before this switch out, unless its call goes on. Returns whether it goes on. */
static bool goes_on(const struct thread *thread, struct worker_state *state, struct task_struct *task,
		    const struct pt_regs *regs, const struct sley_region_worker *line, enum switch_cause cause,
		    uint32_t task_state)
{
	uint64_t now = now_of(thread);
	see_switch_in(state, task, now);
	if (cause == SWITCH_STOP || !still_inside(state, regs, now, task_state)) {
		if (!task_state && state->restarts && cause != SWITCH_STOP)
			return true; /* preempted in the handler */
		if (!task_state && to_be_counted(&state->block, line, now)) {
			state->over = true;
			return true;
		}
		finish(thread, state, line);
		return false;
	}
	change(state);
	fall_asleep(state, now, task_state);
	change(state);
	return true;
}

#endif
