/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Strict mode. Each rule that a program can break is a scenario: a process of its own, which dies, and whose last words
 * name both tasks. What looks similar and is legal, runs on.
 */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "stack/slot.h"
#include "tests/unit/stack/stray.h"

#define THIS "tests/unit/stack/strict.c"

static int *stray;       /* into the victim's stack; atomic */
static sley_task victim; /* whose it is */
static struct sley_chan *never;
static struct sley_group group;

/* ---- rules ---- */

static void be_victim(void *arg)
{
	int local = 42;
	store(&stray, (int *)launder(&local), release);
	if (arg)
		sley_chan_recv(never, &local, SLEY_NEVER);
}

/* It is parked when its slot was released; its record says so before. */
static void await_release(const void *address)
{
	struct slot *slot = slot_of(address);
	sley_time deadline = SOON;
	while (load(&slot->word, acquire) != 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static void start_victim(void *parks)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "victim" };
	REQUIRE(sley_chan_new(&never, sizeof(int), 0) == 0);
	victim = sley_spawn_with(&options, be_victim, parks, SLEY_BY_POINTER); /* the victim's site */
	REQUIRE(victim > 0);
	if (parks)
		await_state(victim, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	else
		await_state(victim, SLEY_TASK_ENDED, SLEY_WAIT_NONE);
	await_release(load(&stray, acquire));
	fprintf(stderr, "victim is %lld, address is %p\n", (long long)victim, (void *)load(&stray, acquire));
}

/* Of tasks and threads. It exits only if nothing stops it. */
static void touch(void *writes)
{
	volatile int *p = stray;
	int value = 0;
	fprintf(stderr, "toucher is %lld\n", (long long)(sley_self() ? sley_self() : syscall(SYS_gettid)));
	if (writes)
		*p = 1;
	else
		value = *p;
	exit(value ? 3 : 4);
}

static void touch_in_task(void *writes)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "toucher" };
	sley_join(sley_spawn_with(&options, touch, writes, SLEY_BY_POINTER), SLEY_NEVER); /* the toucher's site */
}

static int main_read(void *arg)
{
	start_victim(&group);
	touch_in_task(NULL);
	return 0;
}

static int main_write(void *arg)
{
	start_victim(&group);
	touch_in_task(&group);
	return 0;
}

static int main_ended(void *arg)
{
	start_victim(NULL);
	touch_in_task(NULL);
	return 0;
}

static int main_from_private(void *arg)
{
	start_victim(&group);
	touch(NULL); /* main's stack is private, and no excuse */
	return 0;
}

static void *touch_in_thread(void *arg)
{
	pthread_setname_np(pthread_self(), "outsider");
	touch(arg);
	return NULL;
}

static int main_thread(void *arg)
{
	pthread_t thread;
	start_victim(&group);
	REQUIRE(pthread_create(&thread, NULL, touch_in_thread, NULL) == 0);
	pthread_join(thread, NULL);
	return 0;
}

static int scenario_read(void)
{
	return run_strict(main_read);
}

static int scenario_write(void)
{
	return run_strict(main_write);
}

static int scenario_ended(void)
{
	return run_strict(main_ended);
}

static int scenario_from_private(void)
{
	return run_strict(main_from_private);
}

static int scenario_thread(void)
{
	return run_strict(main_thread);
}

/* By the environment alone. */
static int scenario_environment(void)
{
	setenv("SLEY_STACK_CHECK", "strict", 1);
	return sley_run(main_read, NULL, NULL, NULL);
}

/* Where the two were spawned, as they say it. */
static void site_text(char text[200], const char *marker, const char *entry)
{
	char needle[64];
	snprintf(needle, sizeof(needle),
		 "/* the %s's "
		 "site */",
		 marker);
	snprintf(text, 200, "spawned at %s:%u as %s", __FILE__, test_source_line(THIS, needle), entry);
}

/* Runs the scenario and checks its last words: who touched what of whose, where both were spawned, and the remedy. */
static void check_death(const char *scenario, const char *verb, const char *who, const char *victim_is)
{
	char text[8192], site[200], expected[512];
	long long toucher_id = 0, victim_id = 0;
	void *address = NULL;

	assert_segv(scenario_run(scenario, text, sizeof(text)));
	const char *first = strstr(text, "victim is "), *second = strstr(text, "toucher is ");
	assert_true(first && sscanf(first, "victim is %lld, address is %p", &victim_id, &address) == 2);
	assert_true(second && sscanf(second, "toucher is %lld", &toucher_id) == 1);
	if (strcmp(who, "toucher") == 0) {
		site_text(site, "toucher", "touch");
		snprintf(expected, sizeof(expected), "sley: task %lld toucher, %s, %s %p ", toucher_id, site, verb,
			 address);
	} else {
		snprintf(expected, sizeof(expected), who, toucher_id);
	}
	assert_said(text, expected, 1);
	snprintf(expected, sizeof(expected), "%s %p ", verb, address);
	assert_said(text, expected, 1);
	site_text(site, "victim", "be_victim");
	snprintf(expected, sizeof(expected), "on the stack of task %lld victim, %s, which %s. ", victim_id, site,
		 victim_is);
	assert_said(text, expected, 1);
	assert_said(text,
		    "put what is shared on the heap, into a static variable or on a private stack, or pass it by value",
		    1);
}

#if defined(__x86_64__)
#define READ  "read"
#define WROTE "wrote"
#else
#define READ  "touched"
#define WROTE "touched"
#endif

/* A task reads what a parked one has on its stack. */
TEST(read)
{
	check_death("read", READ, "toucher", "is parked");
}

/* A task writes there. */
TEST(write)
{
	check_death("write", WROTE, "toucher", "is parked");
}

/* A stack that was left for good is as forbidden. (The task has not been joined, so its name is still known.) */
TEST(ended)
{
	check_death("ended", READ, "toucher", "has ended");
}

/* So it is for a task whose own stack is private. */
TEST(from_private)
{
	check_death("from_private", READ, "sley: task %lld main, spawned at ", "is parked");
}

/* And for a thread that is no worker, which is named by its number and name. */
TEST(thread)
{
	check_death("thread", READ, "sley: thread %lld outsider, which runs no task, ", "is parked");
}

/* SLEY_STACK_CHECK=strict does it without a change of the program. */
TEST(environment)
{
	check_death("environment", READ, "toucher", "is parked");
}

static const struct scenario scenarios[] = {
	{ "read", scenario_read },
	{ "write", scenario_write },
	{ "ended", scenario_ended },
	{ "from_private", scenario_from_private },
	{ "thread", scenario_thread },
	{ "environment", scenario_environment },
	{ NULL, NULL },
};

/* ---- the environment ---- */

static int main_is_strict(void *strict)
{
	REQUIRE(stack_strict == (strict != NULL));
	return 0;
}

/* It overrides the option both ways; what is neither is refused, and said. */
TEST(options)
{
	struct sley_options on = { .size = sizeof(on), .flags = SLEY_RUN_STRICT_STACKS }, off = { .size = sizeof(off) };
	char text[1000];
	unsetenv("SLEY_STACK_CHECK");
	run_with(main_is_strict, NULL, &off);
	run_with(main_is_strict, &on, &on);
	setenv("SLEY_STACK_CHECK", "", 1);
	run_with(main_is_strict, &on, &on);
	setenv("SLEY_STACK_CHECK", "off", 1);
	run_with(main_is_strict, NULL, &on);
	setenv("SLEY_STACK_CHECK", "strict", 1);
	run_with(main_is_strict, &on, &off);
	setenv("SLEY_STACK_CHECK", "stricter", 1);
	capture_begin();
	int error = sley_run(main_is_strict, NULL, NULL, NULL);
	capture_end(text, sizeof(text));
	unsetenv("SLEY_STACK_CHECK");
	assert_int_equal(error, -EINVAL);
	assert_said(text, "SLEY_STACK_CHECK=stricter", 1);
}

/* ---- what is legal ---- */

static void keep(void *arg)
{
	unsigned id = *(unsigned *)arg; /* a block on its own stack */
	volatile unsigned frame[100];
	for (unsigned i = 0; i < 100; i++)
		frame[i] = id * 1000 + i;
	for (int round = 0; round < 3; round++) {
		if (round == 1)
			REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
		else
			sley_yield();
		for (unsigned i = 0; i < 100; i++)
			REQUIRE(frame[i] == id * 1000 + i);
	}
	REQUIRE(*(unsigned *)arg == id);
}

/* Mappings of the copying range. */
static unsigned mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned n = 0;
	REQUIRE(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long begin, end;
		REQUIRE(sscanf(line, "%lx-%lx", &begin, &end) == 2);
		n += begin >= stacks_begin && end <= stacks_begin + stacks_size;
	}
	fclose(maps);
	return n;
}

static int main_many(void *arg)
{
	static sley_task tasks[10000];
	long count = test_scale(10000);
	REQUIRE(sley_group_add(&group, 1) == 0);
	for (long i = 0; i < count; i++) {
		unsigned id = (unsigned)i;
		REQUIRE((tasks[i] = sley_spawn_copy(keep, &id, sizeof(id))) > 0);
	}
	for (long i = 0; i < count; i++)
		await_state(tasks[i], SLEY_TASK_WAITING, SLEY_WAIT_GROUP);
	REQUIRE(mappings() <= 6); /* two workers, and what is not used yet, which core dumps leave out */
	REQUIRE(sley_group_done(&group) == 0);
	for (long i = 0; i < count; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

/* Ten thousand parked tasks keep their bytes and cost no mappings; nothing is ever copied. */
TEST(many)
{
	uint64_t copies = counter(SLEY_COUNTER_copies);
	assert_int_equal(run_strict(main_many), 0);
	assert_int_equal(counter(SLEY_COUNTER_copies), copies);
}

static void tell_address(void *arg)
{
	int local = 0;
	*(void **)arg = launder(&local); /* a word of main's private stack */
}

static int compare_pointers(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	return x < y ? -1 : x > y;
}

static int main_reuse(void *arg)
{
	static void *seen[2000];
	for (int i = 0; i < 2000; i++) {
		void *address = NULL;
		sley_task task = sley_spawn(tell_address, &address);
		REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0);
		seen[i] = address;
	}
	qsort(seen, 2000, sizeof(*seen), compare_pointers);
	for (int i = 1; i < 2000; i++)
		REQUIRE(seen[i] != seen[i - 1]);
	return 0;
}

/* The addresses of a task that ended are not another's soon, so that a stale pointer keeps finding nothing. */
TEST(reuse)
{
	assert_int_equal(run_strict(main_reuse), 0);
}

static int main_few(void *arg)
{
	for (int i = 0; i < 100; i++) {
		void *address = NULL;
		sley_task task = sley_spawn(tell_address, &address);
		REQUIRE(task > 0 && sley_join(task, SLEY_NEVER) == 0 && address);
	}
	return 0;
}

/* But when there are no more than so many tasks, they are. */
TEST(few)
{
	struct sley_options options = {
		.size = sizeof(options), .workers = 1, .max_tasks = 3, .flags = SLEY_RUN_STRICT_STACKS
	};
	run_with(main_few, NULL, &options);
}

static int main_system_call(void *arg)
{
	int ends[2];
	start_victim(&group);
	REQUIRE(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	REQUIRE(read(ends[0], stray, 1) == -1 && errno == EFAULT);
	REQUIRE(write(ends[1], stray, 1) == -1 && errno == EFAULT);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* A system call does not die of it but answers EFAULT. */
TEST(system_call)
{
	char text[1000];
	capture_begin();
	assert_int_equal(run_strict(main_system_call), 0);
	capture_end(text, sizeof(text));
}

static void add_one(void *arg)
{
	++*(int *)arg;
}

static void share_private(void *arg)
{
	int value = 0;
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(sley_spawn(add_one, &value), SLEY_NEVER) == 0);
	REQUIRE(value == 3);
}

static int main_private(void *arg)
{
	struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	share_private(NULL);
	sley_task task = sley_spawn_with(&private, share_private, NULL, SLEY_BY_POINTER);
	return sley_join(task, SLEY_NEVER);
}

/* Private stacks are shared while their tasks are parked, as in every mode. */
TEST(private)
{
	assert_int_equal(run_strict(main_private), 0);
}

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
