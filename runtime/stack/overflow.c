/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The service's action is put back and the fault is left to happen again: so the kernel itself does with it all that the
 * action's flags and mask say, on the stack that they say. Rejected: calling the service's handler from here, which would
 * have to do as the kernel does for each flag, and cannot for SA_ONSTACK. If the service survives the fault, as one does
 * that handles it to map memory, the watchdog puts ours into place again.
 */
#include "stack/overflow.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/atomic.h"

#define ALTERNATE ((size_t)64 << 10)

static struct sigaction previous; /* the service's; constant during a run */
static bool (*name_fault)(const struct fault *);
static bool installed;
static unsigned passed;    /* atomic: the service's action is in place */
static unsigned defaulted; /* atomic: the service's is the default by now: SA_RESETHAND, or it set it so */

static const struct sigaction *services(void)
{
	static const struct sigaction by_default = { .sa_handler = SIG_DFL };
	return load(&defaulted, relaxed) ? &by_default : &previous;
}

/* On to the service's action, which comes to act when this handler returns. */
static void fault_pass_on(int signal, siginfo_t *info)
{
	sigaction(signal, services(), NULL);
	store(&passed, 1, relaxed); /* a hint for the watchdog, which asks the kernel what is in place */
	if (info->si_code <= 0)     /* sent by somebody: no instruction faults again */
		syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info);
}

/* What the machine says besides. */
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

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (info->si_code > 0) { /* from the kernel, so si_addr means something */
		struct fault fault = { .address = info->si_addr };
		fault_decode(&fault, context);
		name_fault(&fault);
	}
	fault_pass_on(signal, info);
}

/* SIGSEGV is blocked meanwhile: a fault in here ends the process, and one that is sent anew waits for the end. */
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
		sigaction(SIGSEGV, &now, NULL); /* one that the service installed meanwhile stays */
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
		return; /* then an overflow is a plain crash */
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
