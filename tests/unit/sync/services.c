/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/sync/services.h"

#include <stdio.h>
#include <string.h>

#include "base/atomic.h"

struct service services[SERVICES];
struct services_log services_log;
struct sley_child *handles[SERVICES];
struct sley_scope *supervised;
int answer;
unsigned spawned;

static void note(char what, unsigned number)
{
	lock_take(&services_log.lock);
	size_t n = strlen(services_log.text);
	REQUIRE(n + 3 < sizeof(services_log.text));
	snprintf(services_log.text + n, sizeof(services_log.text) - n, "%c%u", what, number);
	lock_drop(&services_log.lock);
}

void forget(void)
{
	lock_take(&services_log.lock);
	services_log.text[0] = '\0';
	lock_drop(&services_log.lock);
}

int serves(void *arg)
{
	unsigned number = (unsigned)(uintptr_t)arg;
	int error = 0;
	note('+', number);
	fetch_add(&services[number].starts, 1, release);
	while (error == 0 && !load(&services[number].done, relaxed)) {
		if (exchange(&services[number].failing, 0, relaxed))
			error = -EIO;
		else if (sley_cancelled())
			error = -ECANCELED;
		else
			sley_yield();
	}
	note('-', number);
	fetch_add(&services[number].ends, 1, release);
	return error;
}

void await(const unsigned *word, unsigned value)
{
	sley_time deadline = SOON;
	while (load(word, acquire) != value) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

void await_starts(unsigned a, unsigned b, unsigned c, unsigned d)
{
	await(&services[0].starts, a);
	await(&services[1].starts, b);
	await(&services[2].starts, c);
	await(&services[3].starts, d);
}

struct sley_scope *open_with(struct sley_scope_options options)
{
	struct sley_scope *scope;
	memset(services, 0, sizeof(services));
	forget();
	REQUIRE(sley_scope_open(&scope, &options) == 0);
	return scope;
}

void spawn_services(struct sley_scope *scope)
{
	for (uintptr_t i = 0; i < SERVICES; i++) {
		struct sley_child_options options = { .size = sizeof(options), .child = &handles[i] };
		REQUIRE(sley_scope_spawn_with(scope, &options, serves, (void *)i, SLEY_BY_POINTER) > 0);
	}
}

static void owner(void *options)
{
	supervised = open_with(*(struct sley_scope_options *)options);
	spawn_services(supervised);
	store(&spawned, 1, release);
	answer = sley_scope_close(supervised, SLEY_NEVER);
}

int supervise_with(struct sley_scope_options options, void (*act)(sley_task owner))
{
	spawned = 0;
	sley_task task = sley_spawn_copy(owner, &options, sizeof(options));
	await(&spawned, 1);
	await_starts(1, 1, 1, 1);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SCOPE);
	act(task);
	REQUIRE(sley_join(task, SOON) == 0);
	for (unsigned i = 0; i < SERVICES; i++)
		REQUIRE(services[i].starts == services[i].ends);
	return answer;
}

void crash(unsigned number)
{
	store(&services[number].failing, 1, relaxed);
}

void finish(unsigned number)
{
	store(&services[number].done, 1, relaxed);
	await(&services[number].ends, load(&services[number].starts, relaxed));
}

void finish_all(void)
{
	for (unsigned i = 0; i < SERVICES; i++)
		finish(i);
}
