/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The handler restores the service's action and returns, so that the fault happens again. So the kernel itself applies
 * the flags, the mask and the stack of the service's action. Rejected: calling the service's handler from here. This
 * code would have to imitate the kernel for each flag, and cannot for SA_ONSTACK. If the service survives the fault,
 * for example by mapping memory in its handler, the watchdog installs our handler again.
 */
#include "stack/overflow.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/race.h"

#define ALTERNATE ((size_t)64 << 10)

static struct sigaction previous; /* the service's; constant during a run */
static bool (*name_fault)(const struct fault *);
static bool installed;
static unsigned passed;    /* atomic: the service's action is in place */
static unsigned defaulted; /* atomic: the service's action is the default now, by SA_RESETHAND or by its own call */

static const struct sigaction *services(void)
{
	static const struct sigaction by_default = { .sa_handler = SIG_DFL };
	return load(&defaulted, relaxed) ? &by_default : &previous;
}

/* Installs the service's action, which takes effect when this handler returns. */
static void fault_pass_on(int signal, siginfo_t *info)
{
	const struct sigaction *action = services();
	sigaction(signal, action, NULL);
	/*
	 * A hint: the watchdog asks the kernel for the action in place. By default the process ends here; if the watchdog put
	 * our handler back before that, the same fault would be named twice.
	 */
	if (action->sa_handler != SIG_DFL)
		store(&passed, 1, relaxed);
	if (info->si_code <= 0) /* sent by a process, so no instruction faults again */
		syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info);
}

/* Adds the fields of the fault that the machine knows. */
static void fault_decode(struct fault *fault, const ucontext_t *context)
{
#if defined(__x86_64__)
	const greg_t *registers = context->uc_mcontext.gregs;
	fault->pc = (const void *)registers[REG_RIP];
	fault->sp = (const void *)registers[REG_RSP];
	fault->kind = registers[REG_ERR] & 2 ? FAULT_WRITE : FAULT_READ;
#elif defined(__aarch64__)
	fault->pc = (const void *)context->uc_mcontext.pc;
	fault->sp = (const void *)context->uc_mcontext.sp;
#else
	(void)fault, (void)context;
#endif
}

/*
 * Whether the thread's fault is its last one again, which was passed on: the watchdog may have put our handler back before
 * the service's got it.
 */
static bool is_again(const struct fault *fault)
{
	static __thread struct fault last;
	bool again = fault->address == last.address && fault->pc == last.pc && fault->sp == last.sp;
	last = *fault;
	return again;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (info->si_code > 0) { /* from the kernel, so si_addr means something */
		struct fault fault = { .address = info->si_addr };
		fault_decode(&fault, context);
		if (!is_again(&fault))
			name_fault(&fault);
	}
	fault_pass_on(signal, info);
	RACE_POINT(fault_is_passed_on);
}

/*
 * Installs our handler. SIGSEGV is blocked while it runs: a fault in the handler ends the process, and a signal that
 * fault_pass_on() sends stays pending until the handler returns.
 */
static bool put_ours(struct sigaction *before)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigemptyset(&action.sa_mask);
	return sigaction(SIGSEGV, &action, before) == 0;
}

void overflow_open(bool (*name)(const struct fault *))
{
	name_fault = name;
	store(&passed, 0, relaxed);
	store(&defaulted, 0, relaxed);
	installed = put_ours(&previous);
}

void overflow_rearm(void)
{
	struct sigaction now;
	if (likely(!load(&passed, relaxed)))
		return;
	store(&passed, 0, relaxed);
	if (!put_ours(&now))
		return;
	if (now.sa_handler == SIG_DFL)
		store(&defaulted, 1, relaxed);
	else if (now.sa_sigaction != previous.sa_sigaction && now.sa_sigaction != on_fault)
		sigaction(SIGSEGV, &now, NULL); /* a handler that the service installed meanwhile stays */
}

void overflow_close(void)
{
	struct sigaction now;
	/* a handler that the service installed meanwhile stays */
	if (installed && sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == on_fault)
		sigaction(SIGSEGV, services(), NULL);
	installed = false;
}

void overflow_thread_enter(void **place)
{
	stack_t now;
	*place = NULL;
	if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
		return;
	void *memory = mmap(NULL, ALTERNATE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return; /* an overflow is a plain crash then */
	stack_t stack = { .ss_sp = memory, .ss_size = ALTERNATE };
	if (sigaltstack(&stack, NULL) == 0)
		*place = memory;
	else
		munmap(memory, ALTERNATE);
}

void overflow_thread_leave(void *place)
{
	if (!place)
		return;
	stack_t off = { .ss_flags = SS_DISABLE };
	sigaltstack(&off, NULL);
	munmap(place, ALTERNATE);
}
