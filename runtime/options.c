/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Options of sley_run(): given by the caller, overridden by the environment, completed by defaults, and checked. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/check.h"
#include "base/cpus.h"
#include "io/sigmask.h"
#include "runtime.h"
#include <sley/introspect.h>

#define TARGET_MOST    256u
#define SPARES_MOST    (SLEY_REGION_WORKERS - TARGET_MOST)
#define SPARES_DEFAULT 256u
#define TASKS_DEFAULT  (1u << 21)
#define SLOTS_DEFAULT  4096u
#define SLOTS_MOST     (1u << 20)
#define STACK_DEFAULT  ((size_t)256 << 10)
#define STACK_LEAST    ((size_t)16 << 10)
#define STACK_MOST     ((size_t)1 << 30)

#define OFFLOAD_DEFAULT 256u /* each blocking call takes a thread; Tokio has 512, libuv 4 */
#define OFFLOAD_MOST    (1u << 14)
#define COMPUTE_MOST    1024u
#define NAMES_MOST      1024u
#define QUEUE_DEFAULT   1024u
#define QUEUE_MOST      (1u << 20)

/*
 * Reads a number with an optional K, M or G from the environment into *value. Returns false if the text is no number.
 */
static bool from_environment(const char *name, size_t *value)
{
	const char *text = getenv(name);
	char *end;
	if (!text || !*text)
		return true;
	unsigned long long n = strtoull(text, &end, 10);
	int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	end += shift != 0;
	if (*end || text[0] < '0' || text[0] > '9' || n > SIZE_MAX >> shift) {
		complain("%s=%s is not a number: remove it, or give one such as 4 or 256K", name, text);
		return false;
	}
	*value = (size_t)n << shift;
	return true;
}

/* A variable that sets a flag by the text `on`, and clears it by "off". Returns false for any other text. */
static bool flag_from_environment(const char *name, const char *on, unsigned flag, unsigned *flags)
{
	const char *text = getenv(name);
	if (!text || !*text)
		return true;
	if (strcmp(text, on) == 0) {
		*flags |= flag;
	} else if (strcmp(text, "off") == 0) {
		*flags &= ~flag;
	} else {
		complain("%s=%s is unknown: remove it, or give %s or off", name, text, on);
		return false;
	}
	return true;
}

/* The words of SLEY_CHECK, separated by commas. Returns false for any other. */
static bool check_from_environment(unsigned *flags)
{
	static const struct {
		const char *word;
		unsigned flags;
	} checks[] = {
		{ "strict", SLEY_RUN_STRICT_STACKS },
		{ "migrate", SLEY_RUN_MIGRATE },
		{ "all", SLEY_RUN_STRICT_STACKS | SLEY_RUN_MIGRATE },
	};
	const unsigned count = sizeof(checks) / sizeof(checks[0]);
	const char *text = getenv("SLEY_CHECK");
	while (text && *text) {
		size_t n = strcspn(text, ",");
		unsigned i = 0;
		while (i < count && (strlen(checks[i].word) != n || memcmp(text, checks[i].word, n) != 0))
			i++;
		if (i == count) {
			complain(
				"SLEY_CHECK: %.*s is unknown: give strict, migrate or all, or some of them with commas between",
				(int)n, text);
			return false;
		}
		*flags |= checks[i].flags;
		text += n + (text[n] == ',');
	}
	return true;
}

static bool within(const char *what, size_t value, size_t least, size_t most)
{
	if (value >= least && value <= most)
		return true;
	complain("option %s is %zu: it must be from %zu to %zu", what, value, least, most);
	return false;
}

/* The limits of the thread pools. */
static bool resolve_offload(const struct sley_options *given, struct sley_options *result)
{
	size_t threads = given->offload_threads, compute = given->compute_threads, queue = given->offload_queue;
	size_t names = given->name_threads;
	if (!from_environment("SLEY_OFFLOAD_THREADS", &threads) ||
	    !from_environment("SLEY_COMPUTE_THREADS", &compute) || !from_environment("SLEY_OFFLOAD_QUEUE", &queue) ||
	    !from_environment("SLEY_NAME_THREADS", &names))
		return false;
	threads = threads ? threads : OFFLOAD_DEFAULT;
	compute = compute ? compute : MIN(cpus_available(), COMPUTE_MOST);
	names = names ? names : OFFLOAD_DEFAULT;
	queue = queue ? queue : QUEUE_DEFAULT;
	if (!within("offload_threads", threads, 1, OFFLOAD_MOST) ||
	    !within("compute_threads", compute, 1, COMPUTE_MOST) || !within("name_threads", names, 1, NAMES_MOST) ||
	    !within("offload_queue", queue, 1, QUEUE_MOST))
		return false;
	result->offload_threads = (unsigned)threads;
	result->compute_threads = (unsigned)compute;
	result->offload_queue = (unsigned)queue;
	result->name_threads = (unsigned)names;
	return true;
}

/* SLEY_ASSIST names the source. False: there is something else there. */
static bool resolve_assist(unsigned *assist)
{
	static const char *const names[] = {
		[SLEY_ASSIST_OFF] = "off",
		[SLEY_ASSIST_TICK] = "tick",
		[SLEY_ASSIST_BPF] = "bpf",
		[SLEY_ASSIST_IDLE] = "idle",
	};
	const char *text = getenv("SLEY_ASSIST");
	const unsigned count = sizeof(names) / sizeof(names[0]);
	if (text && *text) {
		unsigned i = SLEY_ASSIST_OFF;
		while (i < count && strcmp(text, names[i]) != 0)
			i++;
		if (i == count) {
			complain("SLEY_ASSIST=%s is unknown: remove it, or give idle, bpf, tick or off", text);
			return false;
		}
		*assist = i;
	}
	if (*assist == SLEY_ASSIST_DEFAULT)
		*assist = SLEY_ASSIST_IDLE;
	if (*assist < count)
		return true;
	complain("option assist is %u: it must be one of enum sley_assist", *assist);
	return false;
}

/* The number of spares, and how blocked threads are found. */
static bool resolve_spares(const struct sley_options *given, struct sley_options *result)
{
	size_t spares = given->max_threads;
	result->assist = given->assist;
	if (!from_environment("SLEY_MAX_THREADS", &spares) || !resolve_assist(&result->assist))
		return false;
	spares = spares ? spares : SPARES_DEFAULT;
	result->max_threads = (unsigned)spares;
	return within("max_threads", spares, 1, SPARES_MOST);
}

static int resolve_signals(const struct sley_options *given, struct sley_options *result)
{
	bool dump = given->flags & SLEY_RUN_DUMP_ON_SIGQUIT;
	result->signals = given->signals;
	if (!given->signals)
		return 0;
	if (dump && sigismember(given->signals, SIGQUIT) == 1)
		return -EINVAL;
	return signals_check(given->signals);
}

static void drop_migration(unsigned workers, unsigned *flags)
{
	static unsigned told; /* atomic */
	if (workers > 1 || !(*flags & SLEY_RUN_MIGRATE))
		return;
	*flags &= ~SLEY_RUN_MIGRATE;
	if (!exchange(&told, 1, relaxed))
		complain(
			"migration (SLEY_CHECK=migrate) has no effect on one worker: let it have more, as by SLEY_WORKERS=2");
}

int options_resolve(const struct sley_options *options, struct sley_options *result)
{
	struct sley_options given = { .size = sizeof(given) };
	if (options && options->size != sizeof(given))
		return -EINVAL;
	if (options)
		given = *options;
	size_t workers = given.workers, tasks = given.max_tasks, slots = given.stack_slots, stack = given.stack_size;
	if (!from_environment("SLEY_WORKERS", &workers) || !from_environment("SLEY_MAX_TASKS", &tasks) ||
	    !from_environment("SLEY_STACK_SLOTS", &slots) || !from_environment("SLEY_STACK_SIZE", &stack) ||
	    !flag_from_environment("SLEY_STACK_CHECK", "strict", SLEY_RUN_STRICT_STACKS, &given.flags) ||
	    !check_from_environment(&given.flags) ||
	    !flag_from_environment("SLEY_POSIX", "private", SLEY_RUN_OWN_STACKS, &given.flags))
		return -EINVAL;
	const char *name = getenv("SLEY_NAME");
	workers = workers ? workers : MIN(cpus_available(), TARGET_MOST);
	tasks = tasks ? tasks : TASKS_DEFAULT;
	slots = slots ? slots : SLOTS_DEFAULT;
	stack = stack ? stack : STACK_DEFAULT;
	if (!within("workers", workers, 1, TARGET_MOST) || !within("max_tasks", tasks, 1, SLEY_TASK_INDEX_MASK - 1) ||
	    !within("stack_slots", slots, 1, SLOTS_MOST) || !within("stack_size", stack, STACK_LEAST, STACK_MOST) ||
	    given.flags & ~(SLEY_RUN_DUMP_ON_SIGQUIT | SLEY_RUN_STRICT_STACKS | SLEY_RUN_OWN_STACKS | SLEY_RUN_MIGRATE))
		return -EINVAL;
	drop_migration((unsigned)workers, &given.flags);
	*result = (struct sley_options){
		.size = sizeof(*result),
		.name = name && *name ? name
			: given.name  ? given.name
				      : program_invocation_short_name,
		.workers = (unsigned)workers,
		.max_tasks = (unsigned)tasks,
		.stack_slots = (unsigned)slots,
		.stack_size = ROUND_UP(stack, PAGE),
		.flags = given.flags,
	};
	return resolve_offload(&given, result) && resolve_spares(&given, result) ? resolve_signals(&given, result)
										 : -EINVAL;
}
