/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "stack/overflow.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <ucontext.h>

#define ALTERNATE ((size_t)64 << 10)

static struct sigaction previous;
static bool (*name_fault)(const struct fault *);
static bool installed;

/* On to the service's handler. One that was ignored or default is put back, and the instruction faults again. */
static void chain(int signal, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal, info, context);
	} else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal);
	} else if (info->si_code > 0 || previous.sa_handler == SIG_DFL) {
		struct sigaction action = { .sa_handler = SIG_DFL };
		sigaction(signal, &action, NULL);
		if (info->si_code <= 0)
			raise(signal); /* sent by somebody: nothing faults again */
	}
}

/* What the machine says besides. */
static void decode(struct fault *fault, const ucontext_t *context)
{
#if defined(__x86_64__)
	const greg_t *registers = context->uc_mcontext.gregs;
	fault->pc = (const void *)registers[REG_RIP];
	fault->kind = registers[REG_ERR] & 2 ? FAULT_WRITE : FAULT_READ;
#elif defined(__aarch64__)
	fault->pc = (const void *)context->uc_mcontext.pc;
#else
	(void)fault, (void)context;
#endif
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (info->si_code > 0) { /* from the kernel, so si_addr means something */
		struct fault fault = { .address = info->si_addr };
		decode(&fault, context);
		name_fault(&fault);
	}
	chain(signal, info, context);
}

void overflow_open(bool (*name)(const struct fault *))
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	name_fault = name;
	sigemptyset(&action.sa_mask);
	installed = sigaction(SIGSEGV, &action, &previous) == 0;
}

void overflow_close(void)
{
	struct sigaction now;
	/* a handler that the service installed meanwhile stays */
	if (installed && sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == on_fault)
		sigaction(SIGSEGV, &previous, NULL);
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
