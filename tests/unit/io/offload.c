/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Offloaded calls: results, bad input, queue, deadlines and cancellation at every stage, and the end of the run. */
#include "io/offload.h"

#include "tests/unit/run.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

/* Options of a run with few threads and places. */
#define SMALL(w, t, q) \
	((struct sley_options){ \
		.size = sizeof(struct sley_options), .workers = (w), .offload_threads = (t), .offload_queue = (q) })

/* Stacks that tasks share; under ASan they do not. */
#ifdef SLEY_ASAN
#define FEW_SLOTS(n) 0
#else
#define FEW_SLOTS(n) (n)
#endif

/* ---- functions to offload ---- */

static unsigned began, ended, drops; /* atomic */
static sem_t gate;

struct numbers {
	int64_t in, out;
};

static void square(void *block)
{
	struct numbers *numbers = block;
	fetch_add(&began, 1, relaxed);
	numbers->out = numbers->in * numbers->in;
	fetch_add(&ended, 1, release);
}

/* Waits for the gate, in the thread. */
static void square_slowly(void *block)
{
	fetch_add(&began, 1, release);
	while (sem_wait(&gate) != 0)
		;
	((struct numbers *)block)->out = -1;
	fetch_add(&ended, 1, release);
}

static int64_t dropped_out; /* atomic */

static void on_drop(void *block)
{
	store(&dropped_out, ((struct numbers *)block)->out, relaxed);
	fetch_add(&drops, 1, release);
}

static const struct sley_offload_options with_drop = { .size = sizeof(with_drop), .dropped = on_drop };

static void reset(void)
{
	began = ended = drops = 0;
	dropped_out = 0;
	sem_init(&gate, 0, 0);
}

static void await(const unsigned *counter, unsigned n)
{
	sley_time deadline = SOON;
	while (load(counter, acquire) < n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Until the threads have come to the end of all calls. */
static void await_rest(void)
{
	sley_time deadline = SOON;
	while (offload_active() > 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static void open_gate(unsigned n)
{
	while (n-- > 0)
		sem_post(&gate);
}

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
	REQUIRE(load(&ended, acquire) == 3200);
	return 0;
}

/* The block comes back as fn left it, into the task's own stack, also where 32 tasks share one. */
TEST(squares)
{
	for (unsigned workers = 1; workers <= 8; workers *= 2) {
		struct sley_options o = SMALL(workers, 4, 8);
		o.stack_slots = FEW_SLOTS(1);
		reset();
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
	fetch_add(&began, block == NULL ? 100 : 1, relaxed);
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
	REQUIRE(began == 3); /* a block of no bytes still has an address */
	free(most);
	free(large);
	return 0;
}

/* Blocks from none to the most that is allowed. */
TEST(sizes)
{
	reset();
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
	reset();
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
	fetch_add(&drops, 1, release);
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
	await(&drops, 1);
	REQUIRE(load(&began, relaxed) == 0 ||
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
	reset();
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
	REQUIRE(drops == 0);
	REQUIRE(sley_offload_with(&with_drop, square, &numbers, SLEY_OFFLOAD_MAX + 1, SOON) == -E2BIG);
	REQUIRE(drops == 1);
	REQUIRE(sley_offload(square, &numbers, SIZE_MAX, SOON) == -E2BIG);
	REQUIRE(sley_offload(square, &numbers, SLEY_BY_POINTER, SOON) == -E2BIG);
	REQUIRE(sley_offload_with(&with_drop, square, &numbers, sizeof(numbers), 0) == -ETIMEDOUT);
	REQUIRE(drops == 2);
	REQUIRE(sley_offload(square, &numbers, sizeof(numbers), INT64_MIN) == -ETIMEDOUT);
	REQUIRE(numbers.out == 5 && began == 0);
	REQUIRE(sley_offload_with(NULL, square, &numbers, sizeof(numbers), SOON) == 0 && numbers.out == 49);
	return 0;
}

/* Each thing that a caller can get wrong has its code, fn does not run, and the block goes where it is to. */
TEST(bad_input)
{
	struct numbers numbers = { .in = 7 };
	reset();
	run(main_bad_input, 1);
	reset();
	assert_int_equal(sley_offload(square, &numbers, sizeof(numbers), SOON), -EDEADLK); /* a plain thread */
	assert_int_equal(sley_offload_with(&with_drop, square, &numbers, sizeof(numbers), SOON), -EDEADLK);
	assert_int_equal(drops, 1);
	assert_int_equal(began, 0);
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
	reset();
	run(main_fork, 1);
	assert_int_equal(began, 0);
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
		assert_int_equal(occurrences(text, "sley_offload: the block holds at offset 8 "), !heap);
		free(word);
	}
}

/* ---- deadlines and cancellation ---- */

struct call {
	const struct sley_offload_options *options;
	void (*fn)(void *);
	sley_time deadline;
	int error; /* result */
	struct numbers numbers;
};

static void make_call(void *arg)
{
	struct call *call = arg;
	struct numbers numbers = call->numbers;
	call->error = sley_offload_with(call->options, call->fn, &numbers, sizeof(numbers), call->deadline);
	call->numbers = numbers;
}

/* Spawns the call, which cannot end by itself, and waits until it waits for its end, or for a place. */
static sley_task start_call(struct call *call)
{
	sley_task task = sley_spawn(make_call, call);
	REQUIRE(task > 0);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_OFFLOAD);
	return task;
}

static int join_call(sley_task task, struct call *call)
{
	REQUIRE(sley_join(task, SOON) == 0);
	return call->error;
}

static void check_queued(bool cancel)
{
	static struct call first, second;
	first = (struct call){ NULL, square_slowly, SLEY_NEVER };
	second = (struct call){ &with_drop, square, cancel ? SLEY_NEVER : sley_in(SLEY_MS(5)), .numbers = { 3, 4 } };
	reset();
	sley_task one = start_call(&first);
	await(&began, 1); /* the only thread is busy */
	sley_task two = sley_spawn(make_call, &second);
	if (cancel) {
		await_state(two, SLEY_TASK_WAITING, SLEY_WAIT_OFFLOAD);
		REQUIRE(load(&record_of(two)->wait_object, relaxed) == (uintptr_t)square);
		REQUIRE(sley_cancel(two) == 0);
	}
	REQUIRE(join_call(two, &second) == (cancel ? -ECANCELED : -ETIMEDOUT));
	REQUIRE(drops == 1 && dropped_out == 4);
	REQUIRE(second.numbers.in == 3 && second.numbers.out == 4);
	open_gate(1);
	REQUIRE(join_call(one, &first) == 0);
	second.deadline = SLEY_NEVER;
	REQUIRE(join_call(sley_spawn(make_call, &second), &second) == 0); /* its thread works */
	REQUIRE(began == 2 && drops == 1 && second.numbers.out == 9);
}

static void check_running(bool cancel)
{
	static struct call call;
	call = (struct call){ &with_drop, square_slowly, SLEY_NEVER, .numbers = { 3, 4 } };
	reset();
	if (!cancel)
		call.deadline = sley_in(SLEY_MS(5));
	sley_task task = sley_spawn(make_call, &call);
	if (cancel) {
		await(&began, 1);
		REQUIRE(sley_cancel(task) == 0);
	}
	REQUIRE(join_call(task, &call) == (cancel ? -ECANCELED : -ETIMEDOUT));
	REQUIRE(call.numbers.out == 4); /* unchanged */
	if (load(&began, acquire) == 0) /* the deadline came before the thread did: it never ran */
		return;
	REQUIRE(load(&drops, relaxed) == 0 &&
		load(&ended, relaxed) == 0); /* it has not ended, and the call has returned */
	open_gate(1);
	await(&drops, 1);
	REQUIRE(ended == 1 && dropped_out == -1); /* as fn left it */
}

static int main_give_up(void *arg)
{
	for (int i = 0; i < 5; i++) {
		check_queued(false);
		check_queued(true);
		check_running(false);
		check_running(true);
	}
	await_rest();
	return 0;
}

/* A call that is given up while it is queued never runs; one that runs ends by itself, and its block is dropped. */
TEST(give_up)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 1, 4);
		run_with(main_give_up, NULL, &o);
	}
}

static int main_cancelled_before(void *arg)
{
	struct numbers numbers = { .in = 3 };
	REQUIRE(sley_cancel(sley_self()) == 0);
	REQUIRE(sley_offload_with(&with_drop, square, &numbers, sizeof(numbers), SLEY_NEVER) == -ECANCELED);
	REQUIRE(drops == 1);
	REQUIRE(sley_cancel_mask(1) == 0);
	REQUIRE(sley_offload(square, &numbers, sizeof(numbers), SLEY_NEVER) == 0 && numbers.out == 9);
	REQUIRE(sley_cancel_mask(0) == 1);
	REQUIRE(began == 1);
	return 0;
}

/* A task that was cancelled before does not even begin; unless that is masked. */
TEST(cancelled_before)
{
	reset();
	run(main_cancelled_before, 1);
}

/* ---- the queue ---- */

static unsigned order[8], order_length; /* the only thread's */

static void note_order(void *block)
{
	order[order_length++] = (unsigned)((struct numbers *)block)->in;
}

static int main_full(void *arg)
{
	static struct call busy, calls[6];
	sley_task tasks[6];
	busy = (struct call){ NULL, square_slowly, SLEY_NEVER };
	order_length = 0;
	sley_task first = start_call(&busy);
	await(&began, 1);
	for (unsigned i = 0; i < 6; i++) {
		calls[i] = (struct call){ &with_drop, note_order, SLEY_NEVER, .numbers = { i, i } };
		if (i == 2) /* the queue has two places: the third waits for one, and its deadline passes */
			calls[i].deadline = sley_in(SLEY_MS(5));
		tasks[i] = sley_spawn(make_call, &calls[i]);
		if (i == 2) {
			REQUIRE(join_call(tasks[i], &calls[i]) == -ETIMEDOUT);
			REQUIRE(drops == 1 && dropped_out == 2);
		} else {
			await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_OFFLOAD);
		}
	}
	REQUIRE(offload_active() == 3);
	REQUIRE(sley_cancel(tasks[4]) == 0); /* while it waits for a place */
	REQUIRE(join_call(tasks[4], &calls[4]) == -ECANCELED && drops == 2 && dropped_out == 4);
	REQUIRE(sley_cancel(tasks[0]) == 0); /* while it is queued: its place is the next one's */
	REQUIRE(join_call(tasks[0], &calls[0]) == -ECANCELED && drops == 3);
	open_gate(1);
	REQUIRE(join_call(first, &busy) == 0);
	REQUIRE(join_call(tasks[1], &calls[1]) == 0 && join_call(tasks[3], &calls[3]) == 0);
	REQUIRE(join_call(tasks[5], &calls[5]) == 0);
	REQUIRE(order_length == 3 && order[0] == 1 && order[1] == 3 && order[2] == 5);
	REQUIRE(drops == 3);
	await_rest();
	return 0;
}

/* A call that finds the queue full waits for a place, in order, and can be given up there. */
TEST(full)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 1, 2);
		reset();
		run_with(main_full, NULL, &o);
	}
}

static int main_separate(void *arg)
{
	static const struct sley_offload_options cpu = { .size = sizeof(cpu), .cpu = 1 };
	static struct call blocks[3];
	sley_task tasks[3];
	struct numbers numbers = { .in = 5 };
	for (unsigned i = 0; i < 3; i++) {
		blocks[i] = (struct call){ NULL, square_slowly, SLEY_NEVER };
		tasks[i] = start_call(&blocks[i]);
	}
	await(&began, 2);
	REQUIRE(sley_offload_with(&cpu, square, &numbers, sizeof(numbers), SOON) == 0 && numbers.out == 25);
	REQUIRE(load(&jobs_of[POOL_BLOCKING].threads, relaxed) == 2 &&
		load(&jobs_of[POOL_COMPUTE].threads, relaxed) == 1);
	REQUIRE(began == 3); /* the third is queued still */
	open_gate(3);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(join_call(tasks[i], &blocks[i]) == 0);
	return 0;
}

/* What computes has threads of its own: it goes on while all of the others are blocked and their queue is full. */
TEST(separate)
{
	struct sley_options o = SMALL(1, 2, 1);
	reset();
	o.compute_threads = 1;
	run_with(main_separate, NULL, &o);
}

/* ---- the end of the run ---- */

struct ending {
	struct call running, queued, waiting, untaken;
};

/* Opens the gate when sley_run() waits for the pool: the jobs have lost their tasks by then. */
static void *open_late(void *arg)
{
	struct jobs *jobs = &jobs_of[POOL_BLOCKING];
	bool stopping;
	do {
		usleep(1000);
		lock_take(&jobs->lock);
		stopping = jobs->stopping;
		lock_drop(&jobs->lock);
	} while (!stopping);
	open_gate(1);
	return NULL;
}

static pthread_t opener;

static int main_end(void *arg)
{
	struct ending *e = arg;
	REQUIRE(pthread_create(&opener, NULL, open_late, NULL) == 0);
	start_call(&e->running);
	await(&began, 1);
	start_call(&e->queued);
	start_call(&e->waiting);
	return 0;
}

/* main returns: what runs is waited for and dropped, what is queued is dropped and never runs, what waits is lost. */
TEST(end)
{
	struct ending e = {
		.running = { &with_drop, square_slowly, SLEY_NEVER, .error = 99 },
		.queued = { &with_drop, square, SLEY_NEVER, .error = 99 },
		.waiting = { &with_drop, square, SLEY_NEVER, .error = 99 },
	};
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 1, 1);
		reset();
		run_with(main_end, &e, &o);
		assert_int_equal(pthread_join(opener, NULL), 0);
		assert_int_equal(began, 1);
		assert_int_equal(ended, 1);
		assert_int_equal(drops, 2);
		assert_int_equal(e.running.error, 99); /* none of them came back */
		assert_int_equal(e.queued.error, 99);
		assert_int_equal(e.waiting.error, 99);
	}
}

/* The one worker is main's all the time: the other task is ready, but does not come to take its result. */
static int main_end_untaken(void *arg)
{
	static struct call call;
	call = (struct call){ &with_drop, square_slowly, SLEY_NEVER, .error = 99 };
	sley_task task = start_call(&call);
	await(&began, 1);
	open_gate(1);
	while (state_of(task) != SLEY_TASK_READY)
		;
	REQUIRE(drops == 0);
	return 0;
}

TEST(end_untaken)
{
	reset();
	run(main_end_untaken, 1);
	assert_int_equal(ended, 1);
	assert_int_equal(drops, 1);
	assert_int_equal(dropped_out, -1);
}

/* ---- races ---- */

/*
 * Cancellation and deadlines against start and end of the job. Whatever wins, of each call exactly one is true: it
 * returned 0, fn ran and nothing was dropped; or it failed and its block was dropped, once, whether fn ran or not.
 *
 *   task: queue -------- take back?
 *   thread:   take -- fn -- end
 *   canceller:    ^ here, or anywhere
 */
struct race {
	unsigned began, ran, dropped; /* atomic */
	int error;
	unsigned spin;
	sley_time deadline;
};

struct race_block {
	struct race *race;
	unsigned done;
};

static void race_run(void *block)
{
	struct race_block *b = block;
	fetch_add(&b->race->began, 1, release);
	for (unsigned i = 0; i < b->race->spin; i++)
		cpu_relax();
	b->done = 1;
	fetch_add(&b->race->ran, 1, relaxed);
}

static void race_dropped(void *block)
{
	struct race_block *b = block;
	REQUIRE(b->done == load(&b->race->ran, relaxed));
	fetch_add(&b->race->dropped, 1, release);
}

static void race_call(void *arg)
{
	static const struct sley_offload_options options = { .size = sizeof(options), .dropped = race_dropped };
	struct race *race = arg;
	struct race_block block = { .race = race };
	race->error = sley_offload_with(&options, race_run, &block, sizeof(block), race->deadline);
	REQUIRE(block.done == (race->error == 0));
}

static unsigned outcomes[4]; /* succeeded; never ran; ran and was dropped */

static void settle(struct race *race, int failure)
{
	sley_time deadline = SOON;
	if (race->error == 0) {
		REQUIRE(race->ran == 1 && load(&race->dropped, acquire) == 0);
		outcomes[0]++;
		return;
	}
	REQUIRE(race->error == failure);
	while (load(&race->dropped, acquire) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(race->dropped == 1);
	outcomes[race->ran ? 2 : 1]++;
}

#define RACES test_scale(20000)

static int main_race_cancel(void *arg)
{
	static struct race race;
	for (long i = 0; i < RACES; i++) {
		race = (struct race){ .spin = (unsigned)(i * 7 % 2000), .deadline = SLEY_NEVER };
		sley_task task = sley_spawn(race_call, &race);
		for (long yields = i % 4; yields > 0; yields--)
			sley_yield();
		while (i % 4 == 3 && load(&race.began, acquire) == 0) /* against its end; else against its start */
			sley_yield();
		for (long spin = i % 4 == 3 ? i % 16 * 100 : i * 13 % 1500; spin > 0; spin--)
			cpu_relax();
		REQUIRE(sley_cancel(task) == 0);
		REQUIRE(sley_join(task, SOON) == 0);
		settle(&race, -ECANCELED);
	}
	return 0;
}

static int main_race_deadline(void *arg)
{
	static struct race race;
	for (long i = 0; i < RACES; i++) {
		race = (struct race){ .spin = (unsigned)(i * 7 % 2000), .deadline = sley_in(SLEY_US(i % 60)) };
		sley_task task = sley_spawn(race_call, &race);
		REQUIRE(sley_join(task, SOON) == 0);
		settle(&race, -ETIMEDOUT);
	}
	return 0;
}

static void check_race(int (*main)(void *))
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = SMALL(workers, 2, 2);
		memset(outcomes, 0, sizeof(outcomes));
		run_with(main, NULL, &o);
		print_message("%u workers: %u succeeded, %u never ran, %u dropped\n", workers, outcomes[0], outcomes[1],
			      outcomes[2]);
		assert_int_equal(outcomes[0] + outcomes[1] + outcomes[2], RACES);
	}
}

TEST(race_cancel)
{
	check_race(main_race_cancel);
}

TEST(race_deadline)
{
	check_race(main_race_deadline);
}

/* Many tasks, a small queue, deadlines and cancellation everywhere: places are neither lost nor doubled. */
static void race_many(void *arg)
{
	struct race *race = arg;
	unsigned n = (unsigned)test_scale(300);
	for (unsigned i = 0; i < n; i++) {
		*race = (struct race){ .spin = i * 7 % 100, .deadline = i % 3 ? sley_in(SLEY_US(i % 90)) : SLEY_NEVER };
		race_call(race);
		while (race->error && load(&race->dropped, acquire) == 0)
			sley_yield();
		REQUIRE(race->dropped == (race->error != 0));
		if (race->error == -ECANCELED)
			return;
	}
}

static int main_race_many(void *arg)
{
	enum { TASKS = 24 };
	static struct race races[TASKS];
	sley_task tasks[TASKS];
	for (unsigned i = 0; i < TASKS; i++)
		tasks[i] = sley_spawn(race_many, &races[i]);
	for (unsigned i = 0; i < TASKS; i += 5) {
		sley_sleep(sley_in(SLEY_US(500)));
		REQUIRE(sley_cancel(tasks[i]) == 0);
	}
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	struct jobs *jobs = &jobs_of[POOL_BLOCKING];
	await_rest();
	lock_take(&jobs->lock);
	REQUIRE(jobs->length == 0 && jobs->handed == 0 && !jobs->waiters.head);
	REQUIRE(list_is_empty(&jobs->queued) && list_is_empty(&jobs->taken) && jobs->threads <= 2);
	lock_drop(&jobs->lock);
	return 0;
}

TEST(race_many)
{
	for (unsigned workers = 1; workers <= 8; workers *= 2) {
		struct sley_options o = SMALL(workers, 2, 3);
		o.stack_slots = FEW_SLOTS(4);
		run_with(main_race_many, NULL, &o);
	}
}
