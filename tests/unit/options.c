/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Options: their limits and defaults, and the environment, which overrides them. */
#include "runtime/runtime.h"

#include "tests/unit/run.h"

#include <stdlib.h>
#include <string.h>

#define MIB (1u << 20)

static int resolve(struct sley_options *options, struct sley_options *result)
{
	char text[1024];
	capture_begin();
	int error = options_resolve(options, result);
	capture_end(text, sizeof(text));
	if (error && options->size == sizeof(*options) && !(options->flags >> 31))
		assert_int_equal(occurrences(text, "sley: "), 1); /* it says which option, and what it may be */
	return error;
}

/* Each option's limits: the last value that is taken, and the first that is not. */
TEST(limits)
{
	struct sley_options result, o = { .size = sizeof(o) };
	o.workers = 256;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.workers, 256);
	o.workers = 257;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.workers = 0;
	o.max_tasks = (1u << 24) - 2;
	assert_int_equal(resolve(&o, &result), 0);
	o.max_tasks++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.max_tasks = 0;
	o.stack_size = 16 << 10;
	assert_int_equal(resolve(&o, &result), 0);
	o.stack_size--;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.stack_size = 1u << 30;
	assert_int_equal(resolve(&o, &result), 0);
	o.stack_size++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.stack_size = (16 << 10) + 1;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.stack_size, 20 << 10); /* whole pages */
	o.stack_size = 0;
	o.flags = 1u << 31;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.flags = SLEY_RUN_DUMP_ON_SIGQUIT;
	assert_int_equal(resolve(&o, &result), 0);
	o.size--;
	assert_int_equal(resolve(&o, &result), -EINVAL);
}

/* The same for the pools of offloaded calls. */
TEST(offload_limits)
{
	struct sley_options result, o = { .size = sizeof(o) };
	o.offload_threads = 1u << 14;
	o.compute_threads = 1024;
	o.name_threads = 1024;
	o.offload_queue = 1u << 20;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.offload_threads, 1 << 14);
	assert_int_equal(result.compute_threads, 1024);
	assert_int_equal(result.name_threads, 1024);
	assert_int_equal(result.offload_queue, 1 << 20);
	o.offload_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.offload_threads = (unsigned)-1;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.offload_threads = 1;
	o.compute_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.compute_threads = 1;
	o.name_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.name_threads = 1;
	o.offload_queue++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.offload_queue = 1;
	assert_int_equal(resolve(&o, &result), 0);
	setenv("SLEY_OFFLOAD_THREADS", "7", 1);
	setenv("SLEY_COMPUTE_THREADS", "8", 1);
	setenv("SLEY_OFFLOAD_QUEUE", "9K", 1);
	setenv("SLEY_NAME_THREADS", "10", 1);
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.offload_threads, 7);
	assert_int_equal(result.compute_threads, 8);
	assert_int_equal(result.name_threads, 10);
	assert_int_equal(result.offload_queue, 9 << 10);
	setenv("SLEY_OFFLOAD_QUEUE", "-1", 1);
	assert_int_equal(resolve(&o, &result), -EINVAL);
	unsetenv("SLEY_OFFLOAD_THREADS");
	unsetenv("SLEY_COMPUTE_THREADS");
	unsetenv("SLEY_OFFLOAD_QUEUE");
	unsetenv("SLEY_NAME_THREADS");
}

/* The same for spares, and for how blocked threads are found. */
TEST(spare_limits)
{
	struct sley_options result, o = { .size = sizeof(o), .max_threads = 768 };
	unsetenv("SLEY_ASSIST");
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.max_threads, 768);
	assert_int_equal(result.assist, SLEY_ASSIST_IDLE);
	o.max_threads++;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.max_threads = 0;
	o.assist = SLEY_ASSIST_OFF;
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.max_threads, 256);
	assert_int_equal(result.assist, SLEY_ASSIST_OFF);
	o.assist = SLEY_ASSIST_IDLE + 1;
	assert_int_equal(resolve(&o, &result), -EINVAL);
	o.assist = SLEY_ASSIST_OFF;
	setenv("SLEY_MAX_THREADS", "5", 1);
	setenv("SLEY_ASSIST", "tick", 1);
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.max_threads, 5);
	assert_int_equal(result.assist, SLEY_ASSIST_TICK);
	setenv("SLEY_ASSIST", "bpf", 1);
	assert_int_equal(resolve(&o, &result), 0);
	assert_int_equal(result.assist, SLEY_ASSIST_BPF);
	setenv("SLEY_ASSIST", "ticks", 1);
	assert_int_equal(resolve(&o, &result), -EINVAL);
	unsetenv("SLEY_MAX_THREADS");
	unsetenv("SLEY_ASSIST");
}

/* Zero and null mean the documented defaults. */
TEST(defaults)
{
	struct sley_options result, zero = { .size = sizeof(zero) };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(options_resolve(i ? &zero : NULL, &result), 0);
		assert_int_equal(result.max_tasks, 1 << 21);
		assert_int_equal(result.stack_slots, 4096);
		assert_int_equal(result.stack_size, 256 << 10);
		assert_int_equal(result.flags, 0);
		assert_int_equal(result.offload_threads, 256);
		assert_int_equal(result.name_threads, 256);
		assert_int_equal(result.offload_queue, 1024);
		assert_true(result.compute_threads >= 1 && result.compute_threads <= 1024);
		assert_true(result.workers >= 1 && result.workers <= 256);
		assert_string_equal(result.name, program_invocation_short_name);
	}
}

/* The environment overrides; numbers have a K, M or G; anything else is -EINVAL and says which variable. */
TEST(environment)
{
	static const char *const bad[] = {
		"x", "-1", "4x", "1KK", " 4", "0x10", "99999999999999999999999", "18446744073709551615G", "+4"
	};
	struct sley_options result, o = { .size = sizeof(o), .workers = 3, .name = "given", .stack_size = MIB };
	char text[1024];
	setenv("SLEY_WORKERS", "5", 1);
	setenv("SLEY_STACK_SIZE", "64K", 1);
	setenv("SLEY_STACK_SLOTS", "99", 1);
	setenv("SLEY_MAX_TASKS", "1M", 1);
	setenv("SLEY_NAME", "by-environment", 1);
	assert_int_equal(options_resolve(&o, &result), 0);
	assert_int_equal(result.workers, 5);
	assert_int_equal(result.stack_size, 64 << 10);
	assert_int_equal(result.stack_slots, 99);
	assert_int_equal(result.max_tasks, MIB);
	assert_string_equal(result.name, "by-environment");
	setenv("SLEY_WORKERS", "", 1); /* as if it were not there */
	unsetenv("SLEY_NAME");
	assert_int_equal(options_resolve(&o, &result), 0);
	assert_int_equal(result.workers, 3);
	assert_string_equal(result.name, "given");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("SLEY_WORKERS", bad[i], 1);
		capture_begin();
		int error = options_resolve(&o, &result);
		capture_end(text, sizeof(text));
		assert_int_equal(error, -EINVAL);
		assert_int_equal(occurrences(text, "\n"), 1);
		assert_non_null(strcasestr(text, "workers"));
	}
	setenv("SLEY_WORKERS", "257", 1);
	assert_int_equal(resolve(&o, &result), -EINVAL);
	unsetenv("SLEY_WORKERS");
	unsetenv("SLEY_STACK_SIZE");
	unsetenv("SLEY_STACK_SLOTS");
	unsetenv("SLEY_MAX_TASKS");
}
