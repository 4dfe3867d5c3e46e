/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What tasks.h cannot hold; and the main() of a ported server: the server's own one is the first task. */
#include "tasks.h"

#undef main

int ported_main(int argc, char **argv);

static struct {
	int argc;
	char **argv;
} given;

/* As pthreads tell errors. */
int task_error(int result)
{
	return -result;
}

/* A thread's function, and its argument: see tasks.h. */
void task_run(void *start)
{
	void **block = start;
	((void *(*)(void *))block[0])(block[1]);
}

static int run(void *unused)
{
	(void)unused;
	return ported_main(given.argc, given.argv);
}

int main(int argc, char **argv)
{
	int result = 1;
	given.argc = argc;
	given.argv = argv;
	return sley_run(run, NULL, NULL, &result) == 0 ? result : 1;
}
