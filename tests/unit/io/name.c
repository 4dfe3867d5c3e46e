/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Resolving names: answers, what is kept of them and for how long, and questions that tasks share. */
#include "io/name.h"

#include "tests/unit/run.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "io/offload.h"

/* ---- a resolver of the test's own ---- */

static unsigned calls, frees; /* atomic */
static unsigned slow, inside; /* atomic: wait at the gate */
static sem_t gate;

static struct addrinfo *address_new(uint32_t host, const char *canonical)
{
	struct addrinfo *a = calloc(1, sizeof(*a));
	struct sockaddr_in *in = calloc(1, sizeof(*in));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(host);
	*a = (struct addrinfo){ .ai_family = AF_INET, .ai_addr = (void *)in, .ai_addrlen = sizeof(*in) };
	a->ai_canonname = canonical ? strdup(canonical) : NULL;
	return a;
}

/* "fail-N" fails with EAI code -N; "empty" has no addresses; others have two, that tell the number of the call. */
static int get(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	unsigned call = fetch_add(&calls, 1, relaxed) + 1;
	if (load(&slow, relaxed)) {
		fetch_add(&inside, 1, release);
		while (sem_wait(&gate) != 0)
			;
	}
	errno = EMFILE; /* for EAI_SYSTEM */
	if (host && strncmp(host, "fail-", 5) == 0)
		return -atoi(host + 5);
	*result = NULL;
	if (host && strcmp(host, "empty") == 0)
		return 0;
	*result = address_new(0x7f000000 + call, host);
	(*result)->ai_next = address_new(0x7f000000 + (hints ? (uint32_t)hints->ai_flags : 0), service);
	return 0;
}

static void put(struct addrinfo *list)
{
	fetch_add(&frees, 1, relaxed);
	while (list) {
		struct addrinfo *next = list->ai_next;
		free(list->ai_addr);
		free(list->ai_canonname);
		free(list);
		list = next;
	}
}

static void reset(void)
{
	calls = frees = slow = inside = 0;
	names_test_later = 0;
	sem_init(&gate, 0, 0);
	assert_int_equal(sley_resolver_set(get, put), 0);
}

static uint32_t number_of(const struct addrinfo *a)
{
	return ntohl(((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr.s_addr) - 0x7f000000;
}

/* Resolves, and answers the number of the call whose answer it is, or the error. */
static int ask(const char *host)
{
	struct addrinfo *list = (void *)&gate;
	int error = sley_resolve(host, "http", NULL, &list, SOON);
	if (error) {
		REQUIRE(error < 0 && list == NULL);
		return error;
	}
	REQUIRE(list->ai_next && !list->ai_next->ai_next);
	REQUIRE(strcmp(list->ai_canonname, host) == 0 && strcmp(list->ai_next->ai_canonname, "http") == 0);
	int number = (int)number_of(list);
	sley_resolve_free(list);
	return number;
}

/* ---- answers ---- */

static int main_answers(void *arg)
{
	struct addrinfo hints = { .ai_flags = 77 }, *list;
	REQUIRE(ask("a") == 1);
	REQUIRE(sley_resolve("a", "http", &hints, &list, SOON) == 0 && number_of(list->ai_next) == 77);
	sley_resolve_free(list);
	REQUIRE(sley_resolve("a", NULL, NULL, &list, SOON) == 0 && list->ai_next->ai_canonname == NULL);
	sley_resolve_free(list);
	REQUIRE(sley_resolve(NULL, "http", NULL, &list, SOON) == 0 && list->ai_canonname == NULL);
	sley_resolve_free(list);
	REQUIRE(sley_resolve("a", "http", NULL, &list, SOON) == 0);
	freeaddrinfo(list);
	REQUIRE(ask("a") == 1); /* what is kept is not what was freed */
	REQUIRE(load(&calls, relaxed) == 4 && load(&frees, relaxed) == 4);
	sley_resolve_free(NULL);
	return 0;
}

/* Copies of what the resolver says; each question is its own. */
TEST(answers)
{
	reset();
	run(main_answers, 1);
}

static int main_errors(void *arg)
{
	static const struct {
		int code, error;
	} cases[] = {
		{ EAI_NONAME, -ENOENT },  { EAI_NODATA, -ENOENT },    { EAI_ADDRFAMILY, -ENOENT },
		{ EAI_AGAIN, -EAGAIN },   { EAI_FAIL, -EIO },         { EAI_SERVICE, -ENOTSUP },
		{ EAI_FAMILY, -ENOTSUP }, { EAI_SOCKTYPE, -ENOTSUP }, { EAI_BADFLAGS, -EINVAL },
		{ EAI_MEMORY, -ENOMEM },  { EAI_SYSTEM, -EMFILE },    { -999, -EIO },
	};
	char host[1026], service[70];
	struct addrinfo *list;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(host, sizeof(host), "fail-%d", -cases[i].code);
		REQUIRE(ask(host) == cases[i].error);
	}
	REQUIRE(ask("empty") == -ENOENT);
	memset(host, 'a', sizeof(host));
	host[1025] = '\0';
	memset(service, 'h', sizeof(service));
	service[65] = '\0';
	REQUIRE(load(&calls, relaxed) == ARRAY_SIZE(cases) + 1);
	REQUIRE(ask(host) == -ENAMETOOLONG && sley_resolve("a", service, NULL, &list, SOON) == -ENAMETOOLONG);
	REQUIRE(sley_resolve("a", "http", NULL, NULL, SOON) == -EFAULT);
	REQUIRE(sley_resolve(NULL, NULL, NULL, &list, SOON) == -EINVAL && list == NULL);
	REQUIRE(load(&calls, relaxed) == ARRAY_SIZE(cases) + 1);
	host[1024] = service[64] = '\0';
	REQUIRE(ask(host) > 0 && sley_resolve("a", service, NULL, &list, SOON) == 0);
	sley_resolve_free(list);
	REQUIRE(sley_resolve("late", "http", NULL, &list, 0) == -ETIMEDOUT && list == NULL);
	REQUIRE(sley_resolver_set(get, NULL) == -EINVAL && sley_resolver_set(NULL, put) == -EINVAL);
	return 0;
}

/* Each of the resolver's codes, and what the caller can get wrong. */
TEST(errors)
{
	struct addrinfo *list;
	reset();
	run(main_errors, 1);
	assert_int_equal(sley_resolve("a", "http", NULL, &list, SOON), -EDEADLK);
	assert_int_equal(sley_dial_host("a", "http", SOON), -EDEADLK);
}

/* ---- what is kept ---- */

static int main_kept(void *arg)
{
	REQUIRE(ask("a") == 1 && ask("a") == 1);
	struct addrinfo *list;
	REQUIRE(sley_resolve("a", "http", NULL, &list, 0) == 0); /* it is there: no wait */
	sley_resolve_free(list);
	store(&names_test_later, SLEY_SEC(9), relaxed);
	REQUIRE(ask("a") == 1);
	store(&names_test_later, SLEY_SEC(20), relaxed);
	REQUIRE(ask("a") == 2 && ask("a") == 2 && names_count == 1);
	sley_resolve_flush();
	REQUIRE(names_count == 0 && ask("a") == 3);
	REQUIRE(sley_resolver_set(get, put) == 0 && ask("a") == 4); /* another resolver, another answer */

	REQUIRE(ask("fail-2") == -ENOENT && ask("fail-2") == -ENOENT); /* EAI_NONAME */
	REQUIRE(load(&calls, relaxed) == 5);
	store(&names_test_later, SLEY_SEC(22), relaxed);
	REQUIRE(ask("fail-2") == -ENOENT && load(&calls, relaxed) == 5);
	store(&names_test_later, SLEY_SEC(26), relaxed);
	REQUIRE(ask("fail-2") == -ENOENT && load(&calls, relaxed) == 6);

	REQUIRE(ask("fail-3") == -EAGAIN && ask("fail-3") == -EAGAIN && load(&calls, relaxed) == 7); /* EAI_AGAIN */
	store(&names_test_later, SLEY_SEC(28), relaxed);
	REQUIRE(ask("fail-3") == -EAGAIN && load(&calls, relaxed) == 8);

	REQUIRE(ask("fail-11") == -EMFILE && ask("fail-11") == -EMFILE); /* EAI_SYSTEM: the process's, not the name's */
	REQUIRE(load(&calls, relaxed) == 10);
	return 0;
}

/* Answers are kept until they are too old: failures for less long, and some not at all. */
TEST(kept)
{
	reset();
	run(main_kept, 1);
	assert_int_equal(names_count, 0); /* nothing outlives the run */
	reset();
	run(main_kept, 2);
}

static int main_bound(void *arg)
{
	char name[16];
	for (int i = 0; i < NAMES_MOST; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		REQUIRE(ask(name) == i + 1);
	}
	REQUIRE(names_count == NAMES_MOST);
	REQUIRE(ask("n0") == 1); /* from now on not the oldest */
	REQUIRE(ask("one-more") == NAMES_MOST + 1 && names_count == NAMES_MOST);
	REQUIRE(ask("n0") == 1 && ask("n2") == 3);
	REQUIRE(ask("n1") == NAMES_MOST + 2); /* had to go */
	REQUIRE(names_count == NAMES_MOST);
	return 0;
}

/* No more than so many are kept: those asked for last. */
TEST(bound)
{
	reset();
	run(main_bound, 1);
}

/* ---- questions that are shared ---- */

static int answers[64];

static void ask_for(void *number)
{
	struct addrinfo *list = NULL;
	int error = sley_resolve("shared", "http", NULL, &list, SLEY_NEVER);
	answers[(intptr_t)number] = error ? error : (int)number_of(list);
	sley_resolve_free(list);
}

static void await_inside(unsigned n)
{
	sley_time deadline = SOON;
	while (load(&inside, acquire) < n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static sley_task start_asking(intptr_t number)
{
	sley_task task = sley_spawn(ask_for, (void *)number);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_RESOLVE);
	return task;
}

static int main_shared(void *arg)
{
	enum { TASKS = 20 };
	sley_task tasks[TASKS];
	struct addrinfo *list;
	store(&slow, 1, relaxed);
	for (intptr_t i = 0; i < TASKS; i++)
		tasks[i] = start_asking(i);
	await_inside(1);
	REQUIRE(sley_resolve("shared", "http", NULL, &list, sley_in(SLEY_MS(2))) == -ETIMEDOUT);
	REQUIRE(sley_cancel(tasks[0]) == 0); /* the one that began */
	REQUIRE(sley_cancel(tasks[1]) == 0); /* one that waits for it */
	REQUIRE(sley_join(tasks[0], SOON) == 0 && answers[0] == -ECANCELED);
	REQUIRE(sley_join(tasks[1], SOON) == 0 && answers[1] == -ECANCELED);
	sem_post(&gate);
	for (unsigned i = 2; i < TASKS; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0 && answers[i] == 1);
	REQUIRE(load(&calls, relaxed) == 1);
	return 0;
}

/* One call for all; it goes on for the others when those that gave up are gone, the first of them included. */
TEST(shared)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		reset();
		run(main_shared, workers);
	}
}

static void occupy(void *arg)
{
	REQUIRE(ask("other") == 1);
}

static int main_never_put(void *arg)
{
	store(&slow, 1, relaxed);
	sley_task busy = sley_spawn(occupy, NULL), tasks[4];

	await_inside(1);
	store(&slow, 0, relaxed);
	for (intptr_t i = 0; i < 4; i++)
		tasks[i] = start_asking(i);
	REQUIRE(sley_cancel(tasks[0]) == 0 && sley_join(tasks[0], SOON) == 0 && answers[0] == -ECANCELED);
	REQUIRE(sley_cancel(tasks[1]) == 0 && sley_join(tasks[1], SOON) == 0 && answers[1] == -ECANCELED);
	REQUIRE(load(&calls, relaxed) == 1);
	sem_post(&gate);
	REQUIRE(sley_join(busy, SOON) == 0);
	for (unsigned i = 2; i < 4; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0 && answers[i] == 2);
	REQUIRE(load(&calls, relaxed) == 2);
	return 0;
}

/* The one that began gives up while its question is queued: another puts it. */
TEST(never_put)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = { .size = sizeof(o), .workers = workers, .name_threads = 1 };
		reset();
		run_with(main_never_put, NULL, &o);
	}
}

static void wait_at_gate(void *block)
{
	fetch_add(&inside, 1, release);
	while (sem_wait(&gate) != 0)
		;
}

static void block_offload(void *cpu)
{
	struct sley_offload_options o = { .size = sizeof(o), .cpu = cpu != NULL };
	REQUIRE(sley_offload_with(&o, wait_at_gate, NULL, 0, SLEY_NEVER) == 0);
}

static int main_own_threads(void *arg)
{
	struct stat status;
	REQUIRE(sley_go(block_offload, NULL) == 0 && sley_go(block_offload, &gate) == 0);
	await_inside(2);
	REQUIRE(ask("a") == 1); /* behind no file */
	REQUIRE(sley_dial_host("fail-2", "1", SOON) == -ENOENT);
	sem_post(&gate);
	sem_post(&gate);
	sley_time deadline = SOON;
	while (offload_active() > 0) { /* or the name's thread could take what was posted for them */
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	store(&slow, 1, relaxed);
	sley_task asking = start_asking(0);
	await_inside(3);
	REQUIRE(sley_stat("/", &status, SOON) == 0); /* behind no name */
	sem_post(&gate);
	REQUIRE(sley_join(asking, SOON) == 0);
	return 0;
}

/* Names wait for what blocks or computes as little as that waits for names. */
TEST(own_threads)
{
	struct sley_options o = {
		.size = sizeof(o), .offload_threads = 1, .compute_threads = 1, .name_threads = 1, .offload_queue = 1
	};
	for (o.workers = 1; o.workers <= 2; o.workers++) {
		reset();
		run_with(main_own_threads, NULL, &o);
	}
}

static int main_forgotten(void *arg)
{
	store(&slow, 1, relaxed);
	sley_task old = start_asking(0);
	await_inside(1);
	sley_resolve_flush(); /* while it is being asked */
	REQUIRE(names_count == 0);
	sley_task new = start_asking(1);
	await_inside(2);
	sem_post(&gate);
	sem_post(&gate);
	REQUIRE(sley_join(old, SOON) == 0 && sley_join(new, SOON) == 0);
	REQUIRE(answers[0] + answers[1] == 3); /* each has its own */
	int kept = ask("shared");
	REQUIRE(kept == answers[1] && load(&calls, relaxed) == 2);
	return 0;
}

/* Answers that are forgotten while they are asked for still reach those that wait; they are not kept. */
TEST(forgotten)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		reset();
		run(main_forgotten, workers);
	}
}

static void open_gate(void *unused)
{
	sem_post(&gate);
}

static int main_abandoned(void *arg)
{
	store(&slow, 1, relaxed);
	start_asking(0);
	await_inside(1);
	start_asking(1);
	open_gate(NULL);
	return 0;
}

/* The run ends while a question is being asked: the thread is waited for, and nothing is lost (ASan looks). */
TEST(abandoned)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		reset();
		run(main_abandoned, workers);
		assert_int_equal(calls, 1);
		assert_int_equal(frees, 1);
		assert_int_equal(names_count, 0);
	}
}

/* ---- races ---- */

/*
 * Few names, many tasks, deadlines, and somebody who makes all be forgotten. Each call gets an answer to its own question,
 * or its deadline.
 */
static unsigned stop; /* atomic */

static void ask_much(void *arg)
{
	for (long i = 0; i < test_scale(1000); i++) {
		char host[16];
		struct addrinfo *list;
		snprintf(host, sizeof(host), "race-%ld", i * 7 % 5);
		int error = sley_resolve(host, "http", NULL, &list, i % 2 ? SLEY_NEVER : sley_in(SLEY_US(i % 100)));
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		REQUIRE(error != 0 || strcmp(list->ai_canonname, host) == 0);
		sley_resolve_free(list);
	}
}

static void forget_often(void *arg)
{
	while (!load(&stop, relaxed)) {
		sley_resolve_flush();
		sley_sleep(sley_in(SLEY_US(50)));
	}
}

static int main_race(void *arg)
{
	sley_task tasks[8], forgetter = sley_spawn(forget_often, NULL);
	for (unsigned i = 0; i < 8; i++)
		tasks[i] = sley_spawn(ask_much, NULL);
	for (unsigned i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	store(&stop, 1, relaxed);
	REQUIRE(sley_join(forgetter, SOON) == 0);
	return 0;
}

TEST(race)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = {
			.size = sizeof(o), .workers = workers, .name_threads = 3, .offload_queue = 2
		};
		reset();
		stop = 0;
		run_with(main_race, NULL, &o);
		assert_int_equal(calls, frees);
	}
}

/* ---- the real one ---- */

static int main_real(void *arg)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM }, *list;
	REQUIRE(sley_resolve("127.0.0.1", "80", &hints, &list, SOON) == 0);
	const struct sockaddr_in *in = (const void *)list->ai_addr;
	REQUIRE(list->ai_family == AF_INET && list->ai_addrlen == sizeof(*in) && in->sin_port == htons(80));
	REQUIRE(in->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && list->ai_socktype == SOCK_STREAM);
	sley_resolve_free(list);
	REQUIRE(sley_resolve("no-number", "80", &hints, &list, SOON) == -ENOENT);
	hints.ai_flags = -1;
	REQUIRE(sley_resolve("127.0.0.1", "80", &hints, &list, SOON) == -EINVAL);
	return 0;
}

/* getaddrinfo() itself, without a network. */
TEST(real)
{
	assert_int_equal(sley_resolver_set(NULL, NULL), 0);
	names_test_later = 0;
	run(main_real, 1);
}
