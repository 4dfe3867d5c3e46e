/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Who wakes a blocked thread: the current thread, unless an interrupt has come between. A softirq counts as one: it may serve
 * anybody, in whatever thread it finds.
 *
 * An interrupt has a stack of its own, unless it has come in user mode: then its entry was no system call. The programs run
 * on the stack on which they find the kernel. Rejected: the kernel's count of reasons not to preempt, which says it too. Where
 * that lies changes between versions, and many kernels do not let programs find it.
 */
#ifndef SLEY_BPF_WAKER_H
#define SLEY_BPF_WAKER_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "events.h"
#include "record.h"
#include "sley/introspect.h"
#include "threads.h"

#define STACK_MOST 16384

/*
 * Whether the kernel is on the current thread's own stack. A function that needs 64 bytes of stack or more may get them
 * elsewhere (since Linux 6.13), so this is one of its own.
 */
static __noinline bool is_on_own_stack(struct task_struct *current)
{
	struct {
		const void *here, *top;
	} pointers;
	struct {
		uint64_t here, top;
	} numbers;
	pointers.here = &pointers;
	pointers.top = (void *)bpf_task_pt_regs(current);
	return !bpf_probe_read_kernel(&numbers, sizeof(numbers), &pointers) && numbers.top - numbers.here < STACK_MOST;
}

static bool in_interrupt(struct task_struct *current)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(current);
	return (!(current->flags & (PF_KTHREAD | PF_IO_WORKER)) && (int32_t)regs->orig_ax == -1) ||
	       !is_on_own_stack(current);
}

/* Whether the current thread is a worker in a task, which `waker` is then. */
static bool is_in_task(struct task_struct *current, struct waker *waker)
{
	struct sley_region_worker line;
	const struct thread *thread = read_task(current, &line);
	if (!thread)
		return false;
	waker->task = line.task;
	waker->site = line.site;
	record_name(waker->name, line.task, process_of(thread));
	return true;
}

static void record_waker(struct waker *waker, const struct task_struct *woken)
{
	struct task_struct *current = bpf_get_current_task_btf();
	waker->kind = WAKER_INTERRUPT;
	if (!current->pid || in_interrupt(current))
		return;
	waker->pid = current->tgid;
	waker->tid = current->pid;
	if (current->tgid == woken->tgid && is_in_task(current, waker)) {
		waker->kind = WAKER_TASK;
		return;
	}
	waker->task = 0;
	bpf_get_current_comm(waker->name, sizeof(waker->name));
	if (current->tgid == woken->tgid)
		waker->kind = WAKER_THREAD;
	else
		waker->kind = current->flags & PF_KTHREAD ? WAKER_KERNEL : WAKER_PROCESS;
}

#endif
