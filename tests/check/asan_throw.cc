// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the sley authors
/*
 * C++ exceptions in tasks, built with -fsanitize=address (tests/check/asan_test.sh): at each throw the sanitizer clears
 * the red zones up to the end of the stack that it takes for the thread's.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include <sley.h>

#define CHECK(x) ((x) ? (void)0 : (std::fprintf(stderr, "line %d: %s\n", __LINE__, #x), std::abort()))

static void thrower(int depth)
{
	char bytes[40];
	std::memset(bytes, depth, sizeof(bytes));
	sley_yield();
	if (depth == 0)
		throw std::runtime_error(std::string(bytes, 3) + "thrown");
	thrower(depth - 1);
	CHECK(bytes[39] == depth);
}

/* Waits in the catch block, throws there again, and waits while it unwinds. */
struct waits {
	char bytes[30];
	waits()
	{
		std::memset(bytes, 5, sizeof(bytes));
	}
	~waits()
	{
		sley_sleep(sley_in(SLEY_US(50)));
		CHECK(bytes[29] == 5);
	}
};

static void task(void *)
{
	for (int i = 0; i < 10; i++) {
		try {
			waits one;
			thrower(i % 5);
		} catch (const std::exception &e) {
			sley_yield();
			CHECK(std::strcmp(e.what() + std::strlen(e.what()), "") == 0);
			try {
				thrower(2);
			} catch (const std::runtime_error &again) {
				sley_sleep(sley_in(SLEY_US(50)));
			}
		}
	}
}

static int main_throw(void *)
{
	sley_task tasks[200];
	for (auto &t : tasks)
		CHECK((t = sley_spawn(task, nullptr)) > 0);
	for (auto t : tasks)
		CHECK(sley_join(t, SLEY_NEVER) == 0);
	return 0;
}

int main()
{
	int result = -1;
	CHECK(sley_run(main_throw, nullptr, nullptr, &result) == 0 && result == 0);
	std::puts("0 errors");
	return 0;
}
