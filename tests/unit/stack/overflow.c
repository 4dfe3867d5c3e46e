/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A stack that overflows: the process says whose it was and dies as ever. Each case is a process of its own. */
#include "tests/unit/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/race.h"
#include "stack/overflow.h"
#include "tests/race.h"

/* Deeper and deeper, in small steps. */
NOINLINE static int recurse(int n, volatile char *above)
{
	volatile char frame[512];
	frame[0] = above[0];
	int below = n == 0 ? 0 : recurse(n - 1, frame);
	return below + frame[0];
}

static void overflow_it(void *arg)
{
	char first = 0;
	sley_yield();
	fprintf(stderr, "victim is %lld\n", (long long)sley_self());
	exit(recurse(1 << 30, &first) != 0);
}

static int main_overflow(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "deep" };
	sley_task task = sley_spawn_with(&options, overflow_it, NULL, SLEY_BY_POINTER); /* the victim's site */
	return sley_join(task, SLEY_NEVER);
}

static int run_overflow(void)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_size = 128 << 10 };
	return sley_run(main_overflow, NULL, &options, NULL);
}

static int main_overflow_private(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "deep", .private_stack = 1 };
	sley_task task = sley_spawn_with(&options, overflow_it, NULL, SLEY_BY_POINTER);
	sley_join(task, SLEY_NEVER);
	return 0;
}

static int scenario_private(void)
{
	return sley_run(main_overflow_private, NULL, NULL, NULL);
}

static void service_handler(int signal, siginfo_t *info, void *context)
{
	static const char text[] = "the service's handler\n";
	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0 && signal == SIGSEGV && info->si_addr && context)
		_exit(42);
}

static void old_handler(int signal)
{
	_exit(signal == SIGSEGV ? 43 : 44);
}

static int scenario_chained(void)
{
	struct sigaction action = { .sa_sigaction = service_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	sigaction(SIGSEGV, &action, NULL);
	return run_overflow();
}

#if RACE_POINTS

static unsigned rearmed; /* atomic */

static void rearm_once(const char *point)
{
	if (strcmp(point, "fault_is_passed_on") == 0 && fetch_add(&rearmed, 1, relaxed) == 0)
		overflow_rearm();
}

static int scenario_rearmed(void)
{
	store(&race_hook, rearm_once, release);
	return scenario_chained();
}

#endif

static int scenario_chained_old(void)
{
	struct sigaction action = { .sa_handler = old_handler, .sa_flags = SA_ONSTACK };
	sigaction(SIGSEGV, &action, NULL);
	return run_overflow();
}

static int main_other_fault(void *arg)
{
	volatile char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return *nowhere;
}

static int scenario_other_fault(void)
{
	return sley_run(main_other_fault, NULL, NULL, NULL);
}

/*
 * Sends a signal, as another process would, but to this thread. A thread that ThreadSanitizer is busy in could not take a
 * SIGSEGV: it runs its handler at once, and waits for itself.
 */
static int send_here(int signal)
{
	return (int)syscall(SYS_tgkill, getpid(), gettid(), signal);
}

static int main_sent(void *arg)
{
	send_here(SIGSEGV);
	sley_sleep(sley_in(SLEY_SEC(20)));
	return 0;
}

static int scenario_sent(void)
{
	return sley_run(main_sent, NULL, NULL, NULL);
}

/* ---- a wait on another stack ---- */

struct coroutine {
	ucontext_t self, caller;
	int rounds;
	char stack[64 << 10];
};

static struct coroutine *coroutine_of_main;

static void sleep_in_coroutine(void)
{
	struct coroutine *coroutine = coroutine_of_main;
	for (int i = 0; i < 5; i++) {
		REQUIRE(sley_sleep(sley_in(SLEY_US(100))) == 0);
		coroutine->rounds++;
	}
	swapcontext(&coroutine->self, &coroutine->caller);
}

static void yield_in_coroutine(void)
{
	sley_yield();
	_exit(1);
}

static void run_coroutine(void (*body)(void))
{
	struct coroutine *coroutine = coroutine_of_main = calloc(1, sizeof(*coroutine));
	REQUIRE(coroutine && getcontext(&coroutine->self) == 0);
	coroutine->self.uc_stack = (stack_t){ .ss_sp = coroutine->stack, .ss_size = sizeof(coroutine->stack) };
	makecontext(&coroutine->self, body, 0);
	swapcontext(&coroutine->caller, &coroutine->self);
}

static void sleep_astray(void *arg)
{
	run_coroutine(sleep_in_coroutine);
}

static void yield_astray(void *arg)
{
	run_coroutine(yield_in_coroutine);
}

static int main_astray(void *fn)
{
	sley_task task = sley_spawn(*(void (**)(void *))fn, NULL); /* the stray's site */
	return sley_join(task, SLEY_NEVER);
}

static int run_astray(void (*fn)(void *), unsigned flags)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .flags = flags };
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	return sley_run(main_astray, &fn, &options, NULL);
}

static int scenario_astray(void)
{
	return run_astray(sleep_astray, 0);
}

static int scenario_astray_yield(void)
{
	return run_astray(yield_astray, 0);
}

static int scenario_astray_strict(void)
{
	return run_astray(sleep_astray, SLEY_RUN_STRICT_STACKS);
}

/* The main task's stack is private. */
static int main_coroutine(void *arg)
{
	run_coroutine(sleep_in_coroutine);
	return coroutine_of_main->rounds;
}

static int scenario_astray_private(void)
{
	int rounds = 0, error = sley_run(main_coroutine, NULL, NULL, &rounds);
	free(coroutine_of_main);
	return error ? 100 : rounds;
}

NOINLINE static void wait_far_below(void)
{
	char far[400 << 10];
	__asm__ volatile("" : : "r"(far) : "memory");
	sley_yield();
}

static void jump_over_guard(void *arg)
{
	wait_far_below();
}

static int scenario_jump(void)
{
	return run_astray(jump_over_guard, 0);
}

/* ---- a handler with flags and a mask ---- */

static void report(int signal, siginfo_t *info, void *context)
{
	static const char text[] = "report\n";
	ssize_t unused = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)unused;
}

static void report_and_raise(int signal, siginfo_t *info, void *context)
{
	report(signal, info, context);
	raise(signal);
}

static int run_reporter(void (*handler)(int, siginfo_t *, void *), int flags, int (*main)(void *))
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, NULL);
	return sley_run(main, NULL, NULL, NULL);
}

static int scenario_once(void)
{
	return run_reporter(report, SA_RESETHAND, main_other_fault);
}

static int scenario_once_raise(void)
{
	return run_reporter(report_and_raise, SA_RESETHAND | SA_NODEFER | SA_ONSTACK, main_other_fault);
}

static int scenario_once_sent(void)
{
	return run_reporter(report_and_raise, SA_RESETHAND, main_sent);
}

static int scenario_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	return sley_run(main_other_fault, NULL, NULL, NULL);
}

static int main_sent_ignored(void *arg)
{
	return send_here(SIGSEGV) != 0;
}

static int scenario_sent_ignored(void)
{
	int result = 1;
	signal(SIGSEGV, SIG_IGN);
	return sley_run(main_sent_ignored, NULL, NULL, &result) != 0 || result != 0;
}

static volatile char *barrier; /* a page that a handler makes accessible */
static char *stack_of_main;
static volatile int repairs, blocked, on_own_stack;

static void repair(int signal, siginfo_t *info, void *context)
{
	sigset_t mask;
	char here;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	blocked = sigismember(&mask, SIGSEGV) + 2 * sigismember(&mask, SIGUSR1);
	on_own_stack = &here<stack_of_main && & here> stack_of_main - (64 << 10);
	repairs += info->si_addr == (void *)(uintptr_t)barrier;
	mprotect((void *)(uintptr_t)barrier, 4096, PROT_READ | PROT_WRITE);
}

static int main_repair(void *flags)
{
	sley_time deadline = SOON;
	struct sigaction now;
	sigset_t mask;
	char here;
	stack_of_main = &here;
	barrier = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 1; i <= 2; i++) {
		*barrier = 1;
		REQUIRE(repairs == i);
		mprotect((void *)(uintptr_t)barrier, 4096, PROT_NONE);
		pthread_sigmask(SIG_SETMASK, NULL, &mask);
		REQUIRE(!sigismember(&mask, SIGSEGV) && !sigismember(&mask, SIGUSR1));
		do { /* until the runtime's is there again */
			REQUIRE(sley_now() < deadline && sley_sleep(sley_in(SLEY_MS(1))) == 0);
			sigaction(SIGSEGV, NULL, &now);
		} while (now.sa_sigaction == repair);
	}
	return blocked + 4 * on_own_stack;
}

static int run_repair(int flags)
{
	struct sigaction action = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO | flags }, now;
	int result = -1;
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGUSR1);
	sigaction(SIGSEGV, &action, NULL);
	REQUIRE(sley_run(main_repair, NULL, NULL, &result) == 0);
	REQUIRE(sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == repair);
	return result;
}

static int scenario_repair(void)
{
	return run_repair(0);
}

static int scenario_repair_flags(void)
{
	return run_repair(SA_NODEFER | SA_ONSTACK);
}

static int main_nothing(void *arg)
{
	return 0;
}

/* The service's handlers are there again after the run; one that it installed during the run stays. */
static int main_install(void *arg)
{
	signal(SIGSEGV, old_handler);
	return 0;
}

static int scenario_restored(void)
{
	struct sigaction action = { .sa_sigaction = service_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK }, now;
	stack_t stack;
	sigaction(SIGSEGV, &action, NULL);
	if (sley_run(main_nothing, NULL, NULL, NULL) != 0 || sigaction(SIGSEGV, NULL, &now) != 0 ||
	    now.sa_sigaction != service_handler)
		return 1;
	if (sley_run(main_install, NULL, NULL, NULL) != 0 || sigaction(SIGSEGV, NULL, &now) != 0 ||
	    now.sa_handler != old_handler)
		return 2;
	return sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_DISABLE ? 0 : 3;
}

static const struct scenario scenarios[] = {
	{ "overflow", run_overflow },
	{ "private", scenario_private },
	{ "chained", scenario_chained },
#if RACE_POINTS
	{ "rearmed", scenario_rearmed },
#endif
	{ "chained_old", scenario_chained_old },
	{ "other_fault", scenario_other_fault },
	{ "sent", scenario_sent },
	{ "restored", scenario_restored },
	{ "astray", scenario_astray },
	{ "astray_yield", scenario_astray_yield },
	{ "astray_strict", scenario_astray_strict },
	{ "astray_private", scenario_astray_private },
	{ "jump", scenario_jump },
	{ "once", scenario_once },
	{ "once_raise", scenario_once_raise },
	{ "once_sent", scenario_once_sent },
	{ "ignored", scenario_ignored },
	{ "sent_ignored", scenario_sent_ignored },
	{ "repair", scenario_repair },
	{ "repair_flags", scenario_repair_flags },
	{ NULL, NULL },
};

/* stderr names the task by id and name, its spawn site and the size of its stack; then the process dies by SIGSEGV. */
TEST(named)
{
	char text[8192], expected[128];
	long long id = 0;

	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	assert_segv(scenario_run("overflow", text, sizeof(text)));
	assert_said(text, "sley: a task has overflowed its stack of 131072 bytes. ", 1);
	assert_int_equal(sscanf(text, "victim is %lld", &id), 1);
	snprintf(expected, sizeof(expected), "task %lld deep", id);
	assert_non_null(strstr(text, expected));
	snprintf(expected, sizeof(expected), "spawned at %s:%u as overflow_it", __FILE__,
		 test_source_line("tests/unit/stack/overflow.c", "/* the victim's "
								 "site */"));
	assert_non_null(strstr(text, expected));
}

/* The same for a private stack. */
TEST(private)
{
	char text[8192];
	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	assert_segv(scenario_run("private", text, sizeof(text)));
	assert_said(text, "sley: a task has overflowed its stack of 262144 bytes. ", 1);
	assert_non_null(strstr(text, " deep "));
}

/* The service's own handler is called afterwards, with what it was to get, of either kind. */
TEST(chained)
{
	char text[8192];
	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	int status = scenario_run("chained", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_said(text, "overflowed", 1);
	assert_true(strstr(text, "overflowed") < strstr(text, "the service's handler"));
	status = scenario_run("chained_old", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 43);
}

#if RACE_POINTS

/*
 *   the fault                              watchdog
 *   names it, installs the service's action
 *                                          the service has survived, it seems: installs ours
 *   happens again: it is not named again, and the service gets it
 */
TEST(rearmed)
{
	char text[8192];
	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	int status = scenario_run("rearmed", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_said(text, "overflowed", 1);
}

#endif

/* Any other fault says nothing of stacks and dies as ever. */
TEST(other_fault)
{
	char text[8192];
	assert_segv(scenario_run("other_fault", text, sizeof(text)));
	assert_said(text, "overflowed", 0);
}

/* A SIGSEGV that somebody sent kills as ever. */
TEST(sent)
{
	char text[8192];
	assert_segv(scenario_run("sent", text, sizeof(text)));
	assert_said(text, "overflowed", 0);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* they do not know the coroutine's stack */
static void assert_astray(const char *name, const char *remedy)
{
	char text[8192], expected[200];
	int status = scenario_run(name, text, sizeof(text));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		fail_msg("%s: status %x: %s", name, status, text);
	snprintf(expected, sizeof(expected), "spawned at %s:%u as ", __FILE__,
		 test_source_line("tests/unit/stack/overflow.c", "/* the stray's "
								 "site */"));
	assert_said(text, expected, 1);
	assert_said(text, remedy, 1);
}

/* A wait on a stack that is not the task's ends the process with a line, on any kind of copying stack. */
TEST(astray)
{
	assert_astray("astray", "private_stack");
	assert_astray("astray_yield", "private_stack");
	assert_astray("astray_strict", "private_stack");
}

/* With a private stack it works. */
TEST(astray_private)
{
	char text[8192];
	int status = scenario_run("astray_private", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 5);
}

/* A frame that jumped over the guard is named by its first wait, before it is copied. */
TEST(jump)
{
	assert_astray("jump", "-fstack-clash-protection");
}
#endif

/* A handler for one time is called once, whether it returns, raises the signal or was called for a signal that was sent. */
TEST(once)
{
	static const char *const names[] = { "once", "once_raise", "once_sent" };
	char text[8192];
	for (unsigned i = 0; i < 3; i++) {
		assert_segv(scenario_run(names[i], text, sizeof(text)));
		assert_said(text, "report", 1);
	}
}

/* Whoever ignores the signal dies of a fault, and not of one that is sent. */
TEST(ignored)
{
	char text[8192];
	assert_segv(scenario_run("ignored", text, sizeof(text)));
	int status = scenario_run("sent_ignored", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A handler that goes on is called each time, with the mask and on the stack that it asked for. */
TEST(repaired)
{
	char text[8192];
	int status = scenario_run("repair", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1 + 2 + 4);
#ifndef SLEY_TSAN /* it blocks all signals in a handler */
	status = scenario_run("repair_flags", text, sizeof(text));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
#endif
}

/* After a run the handlers and the alternate stack are the service's again. */
TEST(restored)
{
	char text[8192];
	int status = scenario_run("restored", text, sizeof(text));
	assert_true(WIFEXITED(status));
#if defined(SLEY_ASAN) || defined(SLEY_TSAN)
	if (WEXITSTATUS(status) == 3) /* they have an alternate stack of their own */
		return;
#endif
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
