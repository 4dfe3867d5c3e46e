/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The sentence, and the table of remedies. A remedy names a call that sley's headers have; where there is none of its
 * kind, the pool's.
 */
#include "model/verdict.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define KEPT_NS 40000000 /* a task that others wait for so long is worth a sentence */

#define OFFLOAD     "sley_offload() would have made the call on a thread of the pool while the task waits"
#define PARKS(call) call " would have parked the task instead of the thread"

static const char *const remedies[REMEDY_COUNT] = {
	[REMEDY_HAND] = OFFLOAD,
	[REMEDY_READ] = PARKS("sley_read()"),
	[REMEDY_WRITE] = PARKS("sley_write()"),
	[REMEDY_PREAD] = PARKS("sley_pread()"),
	[REMEDY_PWRITE] = PARKS("sley_pwrite()"),
	[REMEDY_OPEN] = PARKS("sley_open()") " (a FIFO: open it with O_NONBLOCK and wait with sley_poll())",
	[REMEDY_CLOSE] = "closing it waits for its data to be written or its peer (SO_LINGER): " OFFLOAD,
	[REMEDY_FILE] = PARKS("its namesake in sley/file.h, such as sley_stat() or sley_unlink(),"),
	[REMEDY_POLL] =
		PARKS("sley_poll()") ": one task for each descriptor (a host name's lookup in libc ends here too: "
				     "sley_resolve())",
	[REMEDY_SLEEP] = PARKS("sley_sleep()"),
	[REMEDY_LOCK] = PARKS("sley_mutex_lock(), sley_group_wait() or a channel"),
	[REMEDY_DIAL] = PARKS("sley_dial()"),
	[REMEDY_ACCEPT] = PARKS("sley_accept()"),
	[REMEDY_COPY] = PARKS("sley_sendfile() or sley_splice()"),
	[REMEDY_SYNC] = PARKS("sley_fsync()"),
	[REMEDY_FLOCK] =
		"ask for the lock without waiting (LOCK_NB, F_SETLK) and sley_sleep() between attempts, or wait for "
		"it in sley_offload()",
	[REMEDY_CHILD] =
		"sley_process_wait() would have parked the task instead of the thread (a child that others started: sley_poll() its pidfd and reap it with WNOHANG)",
	[REMEDY_SIGNAL] = PARKS("sley_signal_next()"),
	[REMEDY_MEMORY] =
		"threads that change the address space wait for each other: map once and reuse, no sley call helps",
	[REMEDY_RANDOM] = "the kernel's random numbers were not ready or many: draw them once into a pool",
	[REMEDY_YIELD] = "sley_yield() lets other tasks run; this call only other threads",
	[REMEDY_COMPUTE] =
		"sley_yield() now and then in its loop, or sley_offload() for all of it, would have let other tasks run",
	[REMEDY_FAULT] = "the page was not in memory: populate it before (MADV_POPULATE_READ, mlock()), or touch it in "
			 "sley_offload()",
};

/*
 * A call that sley made. Waits for its locks and changes of its memory are its own affair. All other calls (and page
 * faults) work with what the service gave it: a descriptor, a buffer, a function.
 */
static void put_runtime(struct text *out, const char *function, enum remedy remedy)
{
	if (remedy == REMEDY_LOCK || remedy == REMEDY_MEMORY || remedy == REMEDY_YIELD)
		text_printf(out, "sley itself waited there, in %s(): nothing in the service to change", function);
	else
		text_printf(out,
			    "sley made the call for the service, in %s(): look at what it was given there, or let "
			    "sley_offload() make the call on a thread of the pool",
			    function);
}

void verdict_put_remedy(struct text *out, const struct model_block *b)
{
	enum remedy remedy = syscall_remedy(b->syscall);
	bool file = S_ISREG(b->fd_mode) || S_ISDIR(b->fd_mode) || S_ISBLK(b->fd_mode);
	if (b->runtime[0] != '\0' && b->syscall != SYSCALL_COMPUTING) {
		put_runtime(out, b->runtime, remedy);
		return;
	}
	if (b->lookup) {
		text_puts(out, PARKS("sley_resolve()"));
		return;
	}
	if (file && remedy == REMEDY_READ)
		remedy = REMEDY_PREAD;
	if (file && (remedy == REMEDY_WRITE || remedy == REMEDY_COPY))
		remedy = REMEDY_PWRITE;
	text_puts(out, remedies[remedy]);
}

static void put_target(struct text *out, const struct model_block *b)
{
	text_printf(out, "<%s", b->target);
	if (b->target_was != NULL)
		text_printf(out, ", was %s", b->target_was);
	text_puts(out, ">");
}

void verdict_put_call(struct text *out, const struct model_block *b)
{
	char name[SYSCALL_NAME_MAX];
	text_puts(out, syscall_name(b->syscall, name));
	if (b->syscall == SYSCALL_FAULT || b->syscall == SYSCALL_COMPUTING)
		return;
	text_puts(out, "(");
	for (unsigned i = 0; i < b->arg_count; i++) {
		text_printf(out, "%s%s", i ? ", " : "", b->args[i]);
		if (b->target != NULL && (int)i == syscall_descriptor(b->syscall))
			put_target(out, b);
	}
	text_puts(out, ")");
}

void verdict_put_task(struct text *out, const struct model *m, uint64_t task, const char *name, uint32_t number)
{
	const struct region_site *site = model_site(m, number);
	char place[160];
	if (task != 0)
		text_printf(out, "task %" PRIu64 " \"%s\" (spawned at %s", task, name,
			    model_site_text(m, number, place));
	else
		text_printf(out, "a task running %s (spawned at %s", site->entry, model_site_text(m, number, place));
	if (site->function[0] != '\0' && strcmp(site->function, "?") != 0)
		text_printf(out, " by %s", site->function);
	text_puts(out, ")");
}

static void put_place(struct text *out, const struct model_block *b)
{
	if (b->place.text[0] != '\0')
		text_printf(out, ", %s in %s", b->syscall == SYSCALL_COMPUTING ? "seen" : "called", b->place.text);
	else if (b->frameless)
		text_puts(out, ", called in a function that left no frame (its last act was a call)");
	else if (b->resolved)
		text_puts(out, ", called from a place that could not be found out");
}

/* A time that was over, a device, and the kernel's own threads say nothing that the call does not. */
static void put_waker(struct text *out, const struct model *m, const struct model_waker *w)
{
	switch (w->kind) {
	case WAKER_TASK:
		text_puts(out, ", until ");
		verdict_put_task(out, m, w->task, w->name, w->site);
		text_puts(out, " woke it");
		break;
	case WAKER_THREAD:
		text_printf(out, ", until thread %u \"%s\" of the process, in no task, woke it", w->tid, w->name);
		break;
	case WAKER_PROCESS:
		text_printf(out, ", until process %u \"%s\" woke it", w->pid, w->name);
		break;
	default:
		break;
	}
}

static void put_sum(struct text *out, const struct model *m, const struct model_blocker *b)
{
	char total[TEXT_SHORT], cpu[TEXT_SHORT];
	if (b->total.count + b->in_progress > 1)
		text_printf(out, "; its site's tasks did this %" PRIu64 " times for %s in all",
			    b->total.count + b->in_progress, text_duration(total, blocker_total_ns(b)));
	if (b->total.cpu_ns > b->total.total_ns / 2)
		text_printf(out, ", %s of it ready to go on but without a free CPU, so look %s first",
			    text_duration(cpu, (int64_t)b->total.cpu_ns),
			    m->throttled_periods > 0 ? "why its cgroup is throttled" : "at the machine's load");
	else if (b->total.cpu_ns > b->total.total_ns / 10)
		text_printf(out, ", %s of it waiting for a CPU", text_duration(cpu, (int64_t)b->total.cpu_ns));
}

/* What became of the tasks behind the longest block, and what to do about it. */
static void put_handover(struct text *out, const struct model_blocker *b, bool still)
{
	const struct model_block *longest = &b->longest;
	char after[TEXT_SHORT];
	switch (longest->handover) {
	case HANDOVER_DONE:
		text_printf(out, "; worker %u took over", longest->handed_to);
		if (longest->handed_after_ns > 0 || !longest->began_before)
			text_printf(out, " after %s", text_duration(after, longest->handed_after_ns));
		if (b->total.count > 1 && b->total.handed == b->total.count)
			text_puts(out, " (one did each time)");
		else if (b->total.count > 1)
			text_printf(out, " (one did in %" PRIu64 " of the %" PRIu64 ")", b->total.handed,
				    b->total.count);
		break;
	case HANDOVER_OTHERS:
		text_puts(out, "; workers that were running took tasks from it");
		break;
	case HANDOVER_PINNED:
		text_puts(out, "; no other worker could take over: the tasks behind it are pinned to this one");
		break;
	case HANDOVER_OFF:
		text_puts(out, "; no worker took over: the process does not look for blocks (option assist is off)");
		break;
	case HANDOVER_FULL:
		text_printf(out, "; no worker took over: all %u threads were in use: raise max_threads",
			    longest->threads);
		break;
	case HANDOVER_UNNOTICED:
		text_puts(out, still ? "; no worker has taken over yet"
				     : "; no worker took over: it was over before it was noticed");
		break;
	case HANDOVER_NONE:
		text_puts(out, still ? "; no worker has taken over yet" : "; no worker took over in time");
		break;
	default:
		break;
	}
	if (longest->handover != HANDOVER_DONE && b->total.handed > 0)
		text_printf(out, "; at %" PRIu64 " of the others one did", b->total.handed);
}

static void put_delay(struct text *out, const struct model_blocker *b, bool still)
{
	char delayed[TEXT_SHORT];
	uint64_t tasks = blocker_delayed_tasks(b);
	put_handover(out, b, still);
	if (tasks == 0)
		text_puts(out, b->longest.handover == HANDOVER_DONE ? ", and nobody waited; "
								    : "; no ready task had to wait behind it; ");
	else
		text_printf(out, "; %" PRIu64 " ready task%s waited %s behind it; ", tasks, tasks == 1 ? "" : "s",
			    text_duration(delayed, blocker_delayed_ns(b)));
}

static const char *verb_of(const struct model_blocker *b, bool still)
{
	if (b->syscall == SYSCALL_COMPUTING)
		return still ? "is keeping" : "kept";
	return still ? "is blocking" : "blocked";
}

void verdict_put(struct text *out, const struct model *m, const struct model_blocker *b)
{
	bool still = b->in_progress > 0 && b->in_progress_ns >= (int64_t)b->total.max_ns;
	char time[TEXT_SHORT];
	verdict_put_task(out, m, b->longest.task, b->longest.name, b->site);
	text_printf(out, " %s worker %u for %s%s%s %s ", verb_of(b, still), b->longest.worker,
		    b->longest.began_before ? "at least " : "", text_duration(time, blocker_max_ns(b)),
		    still ? " so far" : "", b->syscall == SYSCALL_COMPUTING ? "by" : "in");
	if (b->longest.task != 0)
		verdict_put_call(out, &b->longest);
	else
		text_puts(out, syscall_name(b->syscall, (char[SYSCALL_NAME_MAX]){ 0 }));
	put_place(out, &b->longest);
	if (!still)
		put_waker(out, m, &b->longest.waker);
	put_sum(out, m, b);
	put_delay(out, b, still);
	verdict_put_remedy(out, &b->longest);
	text_puts(out, ".");
}

/* ---- workers ---- */

/* Nobody takes the place of a stopped thread: who stopped it knows alone when it is to go on. */
static void put_stop(struct text *out, const struct model *m, const struct model_worker *w)
{
	static const char *const stops[STOP_COUNT] = {
		[STOP_SIGNAL] = "a signal has stopped the thread of worker %u",
		[STOP_DEBUGGER] = "a debugger holds the thread of worker %u",
		[STOP_FREEZER] = "the thread of worker %u is frozen with its cgroup",
		[STOP_SOMEBODY] = "a signal or a debugger has stopped the thread of worker %u",
	};
	static const char *const remedies[STOP_COUNT] = {
		[STOP_SIGNAL] = "SIGCONT lets it go on",
		[STOP_DEBUGGER] = "it goes on when the debugger lets it",
		[STOP_FREEZER] = "it goes on when that is thawed",
		[STOP_SOMEBODY] = "SIGCONT or the debugger lets it go on",
	};
	text_printf(out, stops[w->stop], w->line.index);
	if (w->line.mode == SLEY_WORKER_TASK && w->line.task != 0) {
		text_puts(out, ", in ");
		verdict_put_task(out, m, w->line.task, w->task_name, w->line.site);
	}
	if (w->line.queue > 0)
		text_printf(out, "; %u task%s behind it", w->line.queue, w->line.queue == 1 ? " is" : "s are");
	text_printf(out, "; that is no block, and no other worker takes over: %s.", remedies[w->stop]);
}

static void put_kept(struct text *out, const struct model_kept *kept, const char *who, const char *remedy)
{
	char time[TEXT_SHORT];
	if (kept->waiters == 0)
		return;
	text_printf(out, "; %u task%s %s wait%s for it", kept->waiters, kept->waiters == 1 ? "" : "s", who,
		    kept->waiters == 1 ? "s" : "");
	if (kept->longest_ns != MODEL_UNKNOWN)
		text_printf(out, ", task %" PRIu64 " for %s", kept->first, text_duration(time, kept->longest_ns));
	text_printf(out, ": %s", remedy);
}

/* What a hand-over cannot move. */
static void put_holder(struct text *out, const struct model *m, const struct model_worker *w)
{
	char time[TEXT_SHORT];
	verdict_put_task(out, m, w->line.task, w->task_name, w->line.site);
	text_printf(out, " has kept worker %u for at least %s, and no other worker can run what waits for it",
		    w->line.index, text_duration(time, w->in_task_ns));
	put_kept(out, &w->stack, "on the same stack", "give it a private stack");
	put_kept(out, &w->own, "pinned to that worker", "do not pin them");
	text_puts(out, ".");
}

bool verdict_put_worker(struct text *out, const struct model *m, const struct model_worker *w)
{
	int64_t longest;
	bool keeps = worker_kept(w, &longest) > 0 && w->in_task_ns >= KEPT_NS;
	if (w->stop != STOP_NONE)
		put_stop(out, m, w);
	if (w->stop != STOP_NONE && keeps)
		text_puts(out, " ");
	if (keeps)
		put_holder(out, m, w);
	return keeps || w->stop != STOP_NONE;
}
