/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls: results, the thread that they run on, signals, and bad input. */
#include "tests/unit/io/offloaded.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

/* ---- results ---- */

static void compute_squares(void *arg)
{
	struct numbers numbers;
	for (int64_t i = 1; i <= 100; i++) {
		numbers = (struct numbers){ .in = i };
		REQUIRE(sley_offload(square, &numbers, sizeof(numbers), SLEY_NEVER) == 0);
		REQUIRE(numbers.in == i && numbers.out == i * i);
	}
}

static int main_squares(void *arg)
{
	sley_task tasks[32];
	for (unsigned i = 0; i < 32; i++)
		tasks[i] = sley_spawn(compute_squares, NULL);
	for (unsigned i = 0; i < 32; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(load(&offloaded.ended, acquire) == 3200);
	return 0;
}

/* The block comes back as fn left it, into the task's own stack, also where 32 tasks share one. */
TEST(squares)
{
	for (unsigned workers = 1; workers <= 8; workers *= 2) {
		struct sley_options o = SMALL(workers, 4, 8);
		o.stack_slots = FEW_SLOTS(1);
		offloaded_reset();
		run_with(main_squares, NULL, &o);
	}
}

struct large {
	char bytes[60000];
};

static void invert(void *block)
{
	struct large *large = block;
	for (size_t i = 0; i < sizeof(large->bytes); i++)
		large->bytes[i] = (char)~large->bytes[i];
}

static void note_alignment(void *block)
{
	*(bool *)block = (uintptr_t)block % _Alignof(max_align_t) == 0;
}

static void note_nothing(void *block)
{
	fetch_add(&offloaded.began, block == NULL ? 100 : 1, relaxed);
}

static int main_sizes(void *arg)
{
	struct large *large = malloc(sizeof(*large));
	char *most = calloc(1, SLEY_OFFLOAD_MAX);
	bool aligned = false;
	memset(large, 0x5a, sizeof(*large));
	REQUIRE(sley_offload(invert, large, sizeof(*large), SOON) == 0);
	for (size_t i = 0; i < sizeof(large->bytes); i++)
		REQUIRE(large->bytes[i] == (char)~0x5a);
	REQUIRE(sley_offload(note_alignment, &aligned, sizeof(aligned), SOON) == 0 && aligned);
	REQUIRE(sley_offload(note_nothing, most, SLEY_OFFLOAD_MAX, SOON) == 0);
	REQUIRE(sley_offload(note_nothing, NULL, 0, SOON) == 0);
	REQUIRE(sley_offload(note_nothing, most, 0, SOON) == 0);
	REQUIRE(offloaded.began == 3); /* a block of no bytes still has an address */
	free(most);
	free(large);
	return 0;
}

/* Blocks from none to the most that is allowed. */
TEST(sizes)
{
	offloaded_reset();
	run(main_sizes, 1);
}

struct thread_facts {
	pthread_t thread;
	int inner;
	sley_task self, spawned;
};

static void leave_a_note(void *chan)
{
	int item = 42;
	REQUIRE(sley_chan_send(chan, &item, SOON) == 0);
}

static struct sley_chan *notes;

static void look_around(void *block)
{
	struct thread_facts *facts = block;
	struct numbers numbers = { .in = 3 };
	facts->thread = pthread_self();
	facts->inner = sley_offload(square, &numbers, sizeof(numbers), SLEY_NEVER);
	facts->self = sley_self();
	facts->spawned = sley_spawn(leave_a_note, notes);
	errno = EXDEV;
}

static int main_look_around(void *arg)
{
	struct thread_facts facts;
	int item = 0;
	REQUIRE(sley_chan_new(&notes, sizeof(int), 0) == 0);
	errno = EDOM;
	REQUIRE(sley_offload(look_around, &facts, sizeof(facts), SOON) == 0);
	REQUIRE(errno == EDOM); /* the thread's is not the task's */
	REQUIRE(!pthread_equal(facts.thread, pthread_self()));
	REQUIRE(facts.inner == -EDEADLK && facts.self == 0);
	REQUIRE(facts.spawned > 0);
	REQUIRE(sley_chan_recv(notes, &item, SOON) == 0 && item == 42);
	REQUIRE(sley_join(facts.spawned, SOON) == 0);
	REQUIRE(sley_chan_free(notes) == 0);
	return 0;
}

/* fn runs on another thread; it is no task; what is for any thread works there. */
TEST(thread)
{
	offloaded_reset();
	run(main_look_around, 1);
}

/* ---- signals ---- */

/* Notes the mask that it runs with, and changes it. */
static void spoil_mask(void *block)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, block);
}

/* A child that would go on if SIGTERM were blocked in it. */
static void run_child(void *block)
{
	*(int *)block = system("kill -TERM $$; exit 33");
}

static bool same_signals(const sigset_t *a, const sigset_t *b)
{
	for (int s = 1; s <= SIGRTMAX; s++) {
		if (sigismember(a, s) != sigismember(b, s))
			return false;
	}
	return true;
}

static sigset_t dropped_mask;

static void note_mask(void *block)
{
	pthread_sigmask(SIG_SETMASK, NULL, &dropped_mask);
	fetch_add(&offloaded.drops, 1, release);
}

static int main_mask(void *arg)
{
	static const struct sley_offload_options both[] = { { .size = sizeof(both[0]), .dropped = note_mask },
							    { .size = sizeof(both[0]), .cpu = 1 } };
	struct numbers numbers = { 0 };
	sigset_t mine, seen;
	int status;
	pthread_sigmask(SIG_SETMASK, NULL, &mine);
	REQUIRE(sigismember(&mine, SIGUSR1) == 1 && sigismember(&mine, SIGUSR2) == 1 && !sigismember(&mine, SIGTERM));
	for (unsigned i = 0; i < 4; i++) { /* by the same thread, or another */
		REQUIRE(sley_offload_with(&both[i % 2], spoil_mask, &seen, sizeof(seen), SOON) == 0);
		REQUIRE(same_signals(&seen, &mine));
	}
	REQUIRE(sley_offload_with(&both[0], square_slowly, &numbers, sizeof(numbers), sley_in(SLEY_MS(1))) ==
		-ETIMEDOUT);
	open_gate(1);
	await_at_least(&offloaded.drops, 1);
	REQUIRE(load(&offloaded.began, relaxed) == 0 ||
		same_signals(&dropped_mask, &mine)); /* or by this task, before it began */
	if (getenv("SLEY_TEST_EMULATOR"))            /* no processes there */
		return 0;
	REQUIRE(sley_offload(run_child, &status, sizeof(status), SOON) == 0);
	REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	return 0;
}

/* What is offloaded has the mask of the run, whatever was offloaded before it did to its own; so have its children. */
TEST(mask)
{
	struct sley_options o = SMALL(1, 1, 0);
	sigset_t values, outer, before;
	sigemptyset(&values);
	sigaddset(&values, SIGUSR1);
	o.signals = &values;
	sigemptyset(&outer);
	sigaddset(&outer, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &outer, &before);
	offloaded_reset();
	run_with(main_mask, NULL, &o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- bad input ---- */

static int main_bad_input(void *arg)
{
	struct sley_offload_options wrong = with_drop;
	struct numbers numbers = { .in = 7, .out = 5 };
	wrong.size--;
	REQUIRE(sley_offload(NULL, &numbers, sizeof(numbers), SOON) == -EINVAL);
	REQUIRE(sley_offload(square, NULL, sizeof(numbers), SOON) == -EINVAL);
	REQUIRE(sley_offload_with(&wrong, square, &numbers, sizeof(numbers), SOON) == -EINVAL);
	REQUIRE(sley_offload_with(&with_drop, NULL, &numbers, sizeof(numbers), SOON) == -EINVAL);
	REQUIRE(offloaded.drops == 0);
	REQUIRE(sley_offload_with(&with_drop, square, &numbers, SLEY_OFFLOAD_MAX + 1, SOON) == -E2BIG);
	REQUIRE(offloaded.drops == 1);
	REQUIRE(sley_offload(square, &numbers, SIZE_MAX, SOON) == -E2BIG);
	REQUIRE(sley_offload(square, &numbers, SLEY_BY_POINTER, SOON) == -E2BIG);
	REQUIRE(sley_offload_with(&with_drop, square, &numbers, sizeof(numbers), 0) == -ETIMEDOUT);
	REQUIRE(offloaded.drops == 2);
	REQUIRE(sley_offload(square, &numbers, sizeof(numbers), INT64_MIN) == -ETIMEDOUT);
	REQUIRE(numbers.out == 5 && offloaded.began == 0);
	REQUIRE(sley_offload_with(NULL, square, &numbers, sizeof(numbers), SOON) == 0 && numbers.out == 49);
	return 0;
}

/* Each thing that a caller can get wrong has its code, fn does not run, and the block goes where it is to. */
TEST(bad_input)
{
	struct numbers numbers = { .in = 7 };
	offloaded_reset();
	run(main_bad_input, 1);
	offloaded_reset();
	assert_int_equal(sley_offload(square, &numbers, sizeof(numbers), SOON), -EDEADLK); /* a plain thread */
	assert_int_equal(sley_offload_with(&with_drop, square, &numbers, sizeof(numbers), SOON), -EDEADLK);
	assert_int_equal(offloaded.drops, 1);
	assert_int_equal(offloaded.began, 0);
}

static int main_fork(void *arg)
{
	struct numbers numbers = { .in = 7 };
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(sley_offload(square, &numbers, sizeof(numbers), SLEY_NEVER) == -ECHILD ? 0 : 1);
	REQUIRE(waitpid(child, &status, 0) == child && status == 0);
	return 0;
}

TEST(fork)
{
	offloaded_reset();
	run(main_fork, 1);
	assert_int_equal(offloaded.began, 0);
}

static void hand_over_pointer(void *arg)
{
	int64_t local = 0;
	int64_t *pointers[] = { NULL, arg ? arg : &local };
	REQUIRE(sley_offload(note_nothing, pointers, sizeof(pointers), SOON) == 0);
}

static int main_pointer(void *arg)
{
	REQUIRE(sley_join(sley_spawn(hand_over_pointer, arg), SOON) == 0);
	return 0;
}

/* In strict mode, a block that holds an address of the caller's copying stack is reported; one of the heap is fine. */
TEST(pointer)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .flags = SLEY_RUN_STRICT_STACKS };
	char text[1000];
	for (int heap = 0; heap <= 1; heap++) {
		int64_t *word = malloc(sizeof(*word));
		capture_begin();
		run_with(main_pointer, heap ? word : NULL, &o);
		capture_end(text, sizeof(text));
		assert_int_equal(occurrences(text, "sley_offload(): the block holds at offset 8 "), !heap);
		free(word);
	}
}
