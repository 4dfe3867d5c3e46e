/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The pair of a lock's drop, which has no fence, and of a thread that falls asleep on it, which has one for both. The
 * sleeps have no limit here: a lost wake-up hangs. Where membarrier(2) is refused is a scenario.
 */
#include "base/rare.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "tests/race.h"
#include "tests/unit/run.h"

#define THREADS 12u

static int no_limit(void **state)
{
	(void)state;
	lock_sleep_most = NULL;
	return 0;
}

/* ---- the pair ---- */

/* The stores of a round are its number, so a store of an earlier round counts for nothing. */
static struct {
	unsigned round CACHE_ALIGNED; /* atomic */
	unsigned a CACHE_ALIGNED;     /* atomic */
	unsigned b CACHE_ALIGNED;     /* atomic */
	unsigned seen CACHE_ALIGNED;  /* atomic: whether the common side saw b */
	unsigned done CACHE_ALIGNED;  /* atomic: the last round of the common side */
	unsigned far[8u << 20];       /* atomic */
} pair;

static void await_round(const unsigned *word, unsigned round)
{
	for (unsigned spins = 1; load(word, acquire) != round; spins++) {
		if (spins % 4096 == 0)
			sched_yield(); /* there may be one processor */
		cpu_relax();
	}
}

/*
 * Stores to memory that is in no cache delay the store of the pair that comes behind them: it stays in the store
 * buffer.
 */
static void *be_common(void *rounds)
{
	unsigned seed = 1;
	for (unsigned i = 1; i <= *(unsigned *)rounds; i++) {
		await_round(&pair.round, i);
		for (int k = 0; k < 24; k++) {
			seed = seed * 1103515245 + 12345;
			store(&pair.far[(seed >> 8) % ARRAY_SIZE(pair.far)], i, relaxed);
		}
		store(&pair.a, i, relaxed);
		store(&pair.seen, rare_any() && load(&pair.b, relaxed) == i, relaxed);
		store(&pair.done, i, release);
	}
	return NULL;
}

/*
 * One of the two sees what the other one stored. Without the fence of the rare side some ten thousand rounds find two
 * that miss.
 */
TEST(one_of_two_sees)
{
	unsigned rounds = (unsigned)test_scale(40000);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, be_common, &rounds), 0);
	for (unsigned i = 1; i <= rounds; i++) {
		store(&pair.round, i, release);
		for (unsigned spin = i % 24; spin > 0; spin--)
			cpu_relax();
		rare_begin();
		store(&pair.b, i, relaxed);
		rare_fence();
		unsigned seen = load(&pair.a, relaxed) == i;
		await_round(&pair.done, i);
		REQUIRE(seen || load(&pair.seen, relaxed));
		rare_end();
	}
	pthread_join(thread, NULL);
}

/* ---- any interleaving ---- */

/* Two locks of one line, and so of one bucket, and another one. */
static struct {
	struct object_lock lock;
	unsigned inside;
	uint64_t plain; /* protected by lock */
} locks[3] __attribute__((aligned(CACHE_LINE)));

static void section(unsigned which, unsigned seed)
{
	static const struct timespec nap = { .tv_nsec = 20 * 1000 };
	lock_take(&locks[which].lock);
	REQUIRE(fetch_add(&locks[which].inside, 1, relaxed) == 0);
	locks[which].plain++;
	if (seed % 128 == 0)
		nanosleep(&nap, NULL); /* the others fall asleep */
	else if (seed % 16 == 0)
		sched_yield();
	fetch_sub(&locks[which].inside, 1, relaxed);
	lock_drop(&locks[which].lock);
}

/* Some threads have so little of the processors that they lose them within their sections. */
static void *oversubscribe(void *number)
{
	unsigned seed = 1 + *(unsigned *)number;
	if (*(unsigned *)number % 2)
		setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 19);
	for (long i = 0; i < test_scale(20000); i++) {
		seed = seed * 1103515245 + 12345;
		section((seed >> 20) % 3, seed >> 8);
	}
	return NULL;
}

static void contend(void)
{
	pthread_t threads[THREADS];
	unsigned numbers[THREADS];
	uint64_t sum = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		REQUIRE(pthread_create(&threads[i], NULL, oversubscribe, &numbers[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(locks); i++) {
		sum += locks[i].plain;
		locks[i].plain = 0;
		REQUIRE(locks[i].lock.word == 0);
	}
	REQUIRE(sum == THREADS * (uint64_t)test_scale(20000));
	REQUIRE((load(&rare, relaxed) & ~RARE_FENCED) == 0);
}

/* Many more threads than processors, which lose theirs with a lock held: all come to their ends. */
TEST(oversubscribed)
{
	contend();
}

/* ---- without membarrier(2) ---- */

static void refuse_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		_exit(CANNOT);
}

static int scenario_refused(void)
{
	refuse_membarrier();
	scenario_exec("without");
	return 1;
}

static int scenario_without(void)
{
	no_limit(NULL);
	REQUIRE(load(&rare, relaxed) == RARE_FENCED);
	REQUIRE(!rare_any());
	contend();
	return 0;
}

static void assert_ends_well(const char *scenario)
{
	char text[8192];
	int status = scenario_run(scenario, text, sizeof(text));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		test_skip("no filter of system calls can be made here");
	if (status != 0)
		print_error("%s", text);
	assert_int_equal(status, 0);
}

/* A filter refuses it from the start: each drop has a fence of its own. */
TEST(refused)
{
	assert_ends_well("refused");
}

/* A filter comes when threads rely on it: the first thread that falls asleep says so, and nobody sleeps for ever. */
static int scenario_refused_later(void)
{
	refuse_membarrier();
	contend();
	rare_begin();
	rare_fence();
	REQUIRE(load(&rare, relaxed) & RARE_FENCED);
	REQUIRE(rare_any());
	rare_end();
	REQUIRE(!rare_any());
	return 0;
}

TEST(refused_later)
{
	assert_ends_well("refused_later");
}

/* ---- driven ---- */

#if RACE_POINTS

static struct object_lock lock;
static unsigned taken; /* atomic */

static void *take_and_drop(void *unused)
{
	(void)unused;
	lock_take(&lock);
	store(&taken, 1, relaxed);
	lock_drop(&lock);
	return NULL;
}

/* The lock is held, and a thread that wants it stands at the point. */
static pthread_t wait_at(const char *point)
{
	pthread_t thread;
	store(&taken, 0, relaxed);
	lock_take(&lock);
	race_stop(point);
	assert_int_equal(pthread_create(&thread, NULL, take_and_drop, NULL), 0);
	race_wait(point);
	assert_int_equal(load(&taken, relaxed), 0);
	return thread;
}

static void assert_taken(pthread_t thread)
{
	pthread_join(thread, NULL);
	assert_int_equal(load(&taken, relaxed), 1);
	assert_int_equal(lock.word, 0);
	assert_false(rare_any());
}

static void *drop(void *unused)
{
	(void)unused;
	lock_order_hold(&lock.word, RANK_OBJECT);
	lock_drop(&lock);
	return NULL;
}

/*
 * The drop sees the sleeper, which has not looked at the lock since it is in the table; or which has, and found it
 * held.
 */
TEST(drop_sees_sleeper)
{
	static const char *const points[] = { "lock_sleeper_looks", "lock_sleeper_sleeps" };
	for (unsigned i = 0; i < ARRAY_SIZE(points); i++) {
		pthread_t thread = wait_at(points[i]);
		lock_drop(&lock);
		race_go(points[i]);
		assert_taken(thread);
	}
}

/* The drop has stored, and not looked yet, when the sleeper goes into the table and looks. */
TEST(sleeper_sees_drop)
{
	pthread_t dropper, thread = wait_at("lock_sleeper_begins");
	race_stop("lock_is_dropped");
	lock_order_drop(RANK_OBJECT); /* the other thread drops it */
	assert_int_equal(pthread_create(&dropper, NULL, drop, NULL), 0);
	race_wait("lock_is_dropped");
	race_go("lock_sleeper_begins");
	assert_taken(thread);
	race_go("lock_is_dropped");
	pthread_join(dropper, NULL);
}

/* A second drop leaves the lock to the sleeper that the first one woke, and which has not looked yet. */
TEST(drop_leaves_it_to_the_woken)
{
	pthread_t thread = wait_at("lock_sleeper_sleeps");
	lock_drop(&lock);
	lock_take(&lock);
	lock_drop(&lock);
	race_go("lock_sleeper_sleeps");
	assert_taken(thread);
}

/* The woken one finds the lock held by a newcomer, and says so; the newcomer's drop sees that. */
TEST(newcomer_wakes_again)
{
	pthread_t thread = wait_at("lock_sleeper_sleeps");
	lock_drop(&lock);
	lock_take(&lock);
	race_stop("lock_sleeper_looks_again");
	race_go("lock_sleeper_sleeps");
	race_wait("lock_sleeper_looks_again");
	race_stop("lock_sleeper_sleeps");
	race_go("lock_sleeper_looks_again");
	race_wait("lock_sleeper_sleeps");
	lock_drop(&lock);
	race_go("lock_sleeper_sleeps");
	assert_taken(thread);
}

#endif

/* A forked child has no sleepers, whoever slept in its parent. */
TEST(forked)
{
	int status;
	rare_begin();
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		lock_forked();
		_exit(rare_any());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(rare_any());
	rare_end();
}

static const struct scenario scenarios[] = {
	{ "refused", scenario_refused },
	{ "without", scenario_without },
	{ "refused_later", scenario_refused_later },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(no_limit, NULL);
}
