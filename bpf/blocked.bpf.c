// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Copyright (c) 2026 the sley authors */
/*
 * Records blocks: the task that blocked its thread, the system call or page fault, the place and the duration.
 *
 *   switch out ──► cause ──► count (process, worker, site, cause)
 *       │            └─ block ──► worker_state.block: task, call, registers, stack, descriptor
 *   wake-up ─────────────────────► wake_ns
 *   switch in ───────────────────► end_ns, asleep, waiting for a CPU
 *   next switch out: is it the same call, never returned? ── yes ──► the block goes on
 *                                                         └─ no ───► totals, longest, events
 *
 * No program is attached to system calls themselves. The user registers of a thread tell its call, and they are read
 * when the thread is switched out asleep. For the unwatched threads of a host, a switch costs two lookups that find
 * nothing.
 *
 * All threads of a watched process are marked, and its new threads before they run: see "marking". A thread may begin or
 * cease to be a worker at any time. So each switch out of a marked thread looks: the worker word of a thread that is no
 * worker, and the thread that is named by the line of one that is. Rejected: to mark the workers alone, when user space
 * finds them in the process's table. A spare that was made because of a block may itself be blocked long before that.
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
 * A thread that is stopped by a signal or a debugger, or frozen, is not blocked: neither its task nor the call is to blame.
 * A block ends when that begins. The call goes on as a new block, when the thread does.
 *
 * A sleep that ends at a time may be interrupted by what is none of the service's business: a tracer, work of io_uring, a
 * signal that is ignored in the end. Then the kernel goes back to user mode for one instruction, which calls
 * restart_syscall with the same registers. That is the same block; after a stop, a new one in the same call. (Other calls
 * are made again as they were. They look like a loop of such calls, and count as it.)
 *
 * The process's worker line is untrusted: false values only make that process's own figures wrong.
 */
#include "kernel.h"

#pragma clang diagnostic ignored "-Wunused-parameter" /* BPF_PROG's own */

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "delay.h"
#include "events.h"
#include "record.h"
#include "sley/introspect.h"
#include "totals.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

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
struct watched_process watched[WATCH_PROCESSES] = {};
struct watch_request request = {};
struct sleeper sleepers[WATCH_WORKERS] = {}; /* as `request` lists them */
struct early_block early = {};

/* A thread's mark. It dies with the thread; exec removes it. */
struct thread {
	uint32_t process; /* written last; 0: it is being made */
	uint32_t place;
	uint32_t slot;   /* index plus 1 of its state; 0: it is no worker. Written after `worker` */
	uint32_t worker; /* its number, if it is one */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

/* The mark of a process, at its first thread, which exists as long as the process does. */
struct process {
	uint32_t process; /* as above */
	uint32_t place;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct process);
} processes SEC(".maps");

static const struct watched_process *process_of(const struct thread *thread)
{
	return &watched[thread->place & (WATCH_PROCESSES - 1)];
}

static uint64_t line_of(const struct watched_process *process, uint32_t worker)
{
	return process->lines + (uint64_t)worker * process->line_stride;
}

/* All times of blocks are by the process's clock, as those that it tells itself. */
static uint64_t now_of(const struct thread *thread)
{
	return bpf_ktime_get_ns() + process_of(thread)->clock_offset_ns;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 512);
	__type(key, uint32_t);
	__type(value, struct worker_state);
} workers SEC(".maps");

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
	state->phase = WORKER_BLOCKED;
	state->over = false;
	state->uninterruptible = (task_state & TASK_UNINTERRUPTIBLE) != 0;
	state->out_ns = now;
	state->wake_ns = task_state ? 0 : now; /* a preempted thread only waits for a CPU */
	state->block.end_ns = 0;
	if (state->block.sleeps != UINT16_MAX)
		state->block.sleeps++;
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

/* Whether the last block was in the same dispatch. */
static bool continues(const struct block_record *last, const struct sley_region_worker *line)
{
	return last->number && last->dispatches == line->dispatches && last->task == line->task &&
	       last->end_ns > last->start_ns;
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
	block->before_ns = continues(block, line) ? block->before_ns + (block->end_ns - block->start_ns) : 0;
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
		record_name(block, process_of(thread)->records, process_of(thread)->record_count);
		record_memory(block);
		record_stack(block);
	}
	block->place = find_place(block, task->mm, !known);
	fall_asleep(state, now, task_state);
	change(state);
}

/* ---- switches ---- */

/* The state of a worker's thread. User space takes a state back by removing it from the process's slots. */
static struct worker_state *state_of(const struct thread *thread)
{
	const struct watched_process *process = process_of(thread);
	uint32_t index = thread->slot - 1;
	if (process->process != thread->process || process->slots[thread->worker & (WATCH_WORKERS - 1)] != thread->slot)
		return NULL;
	return bpf_map_lookup_elem(&workers, &index);
}

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

/* Whether the thread is still in the block's call or fault, and was not in user mode since. */
static bool still_inside(const struct worker_state *state, const struct pt_regs *regs, uint64_t now,
			 uint32_t task_state)
{
	const struct block_record *block = &state->block;
	uint64_t raised = state->in_flags & resume_flags;
	if (state->over)
		return false;
	if (is_restart(block, regs) || is_before_restart(block, regs, task_state))
		return true;
	if ((int32_t)regs->orig_ax != block->syscall || regs->ip != block->regs[BLOCK_REG_IP] ||
	    regs->sp != block->regs[BLOCK_REG_SP] || regs->di != block->args[0] || regs->si != block->args[1] ||
	    regs->dx != block->args[2])
		return false;
	if (raised)
		return (state->out_flags & raised) == raised;
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

/* Ends the block before this switch out, unless its call goes on. Returns whether it goes on. */
static bool goes_on(const struct thread *thread, struct worker_state *state, struct task_struct *task,
		    const struct pt_regs *regs, const struct sley_region_worker *line, enum switch_cause cause,
		    uint32_t task_state)
{
	uint64_t now = now_of(thread);
	see_switch_in(state, task, now);
	if (cause == SWITCH_STOP || !still_inside(state, regs, now, task_state)) {
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

/* ---- threads that become workers, and others ---- */

/* The thread is a worker from now on. */
static void take_state(struct thread *thread, struct worker_state *state, const struct task_struct *task,
		       uint32_t worker, uint32_t slot)
{
	thread->worker = worker;
	barrier();
	thread->slot = slot;
	state->live = task->pid;
}

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

/* Not sched_waking, which may run before the switch out is over. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	struct thread *thread = bpf_task_storage_get(&threads, task, NULL, 0);
	struct worker_state *state = thread ? state_of(thread) : NULL;
	if (state && state->phase == WORKER_BLOCKED && !state->wake_ns)
		state->wake_ns = now_of(thread);
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

/* ---- marking ---- */

/*
 * The iterator `watch` comes to the process's first thread, and marks the process there; then it marks this and all other
 * threads, one by one. on_newtask marks those that are made afterwards. No thread is left out between the two: the kernel
 * puts a new thread at the end of the process's list, and calls on_newtask then. If this finds the process unmarked, the
 * walk has not passed the first thread, so it comes to the new one later. And a new thread does not run before on_newtask
 * is over, so its first switch out finds its mark.
 *
 * The walk also knows the workers that there are, which may sleep. It ends early if the thread at which it is ends just
 * then. Then a worker is not `live`, and user space walks again at its next look.
 *
 * A child process has a first thread of its own, after vfork() too, so it is not marked. A mark belongs to the thread, so
 * another thread with the same number has none.
 */
static struct thread *mark(struct task_struct *task, uint32_t process, uint32_t place)
{
	struct thread *thread;
	if (task->flags & (PF_EXITING | PF_IO_WORKER))
		return NULL;
	thread = bpf_task_storage_get(&threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!thread || thread->process == process)
		return thread;
	thread->slot = 0;
	thread->place = place;
	barrier();
	thread->process = process;
	return thread;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *task)
{
	struct process *process = bpf_task_storage_get(&processes, task->group_leader, NULL, 0);
	if (process && process->process)
		mark(task, process->process, process->place);
	return 0;
}

/* A search in the request's list. Called by the kernel's loop, which the verifier reads once: not each of its turns. */
struct search {
	uint64_t thread; /* 0: by slot */
	uint32_t slot;
	uint32_t found; /* index, or WATCH_WORKERS */
};

static long compare(uint32_t i, struct search *search)
{
	if (i >= WATCH_WORKERS ||
	    (search->thread ? request.threads[i] != search->thread : request.slots[i] != search->slot))
		return 0;
	search->found = i;
	return 1;
}

static uint32_t find(uint64_t thread, uint32_t slot)
{
	struct search search = { thread, slot, WATCH_WORKERS };
	bpf_loop(request.count, compare, &search, 0);
	return search.found;
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
