/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/posix/many.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sley.h>

static struct {
	unsigned n;
	void (*request)(unsigned i);
	void (*main)(void);
} many;

static void one(void *number)
{
	many.request(*(unsigned *)number);
}

static int main_many(void *unused)
{
	sley_task *tasks = calloc(many.n, sizeof(*tasks));
	REQUIRE(tasks != NULL);
	for (unsigned i = 0; i < many.n; i++)
		REQUIRE((tasks[i] = sley_spawn_copy(one, &i, sizeof(i))) > 0);
	if (many.main)
		many.main();
	for (unsigned i = 0; i < many.n; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	free(tasks);
	return 0;
}

static void too_long(int signal)
{
	static const char text[] = "the requests do not end: calls block their threads, or wait for ever\n";
	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) > 0)
		abort();
	_exit(1);
}

void run_many(unsigned n, void (*request)(unsigned i), void (*main)(void), unsigned seconds)
{
	struct sley_options two = { .size = sizeof(two), .workers = 2 };
	int result = -1;
	many.n = n;
	many.request = request;
	many.main = main;
	setenv("SLEY_ASSIST", "off", 1);
	signal(SIGALRM, too_long);
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds);
	assert_int_equal(sley_run(main_many, NULL, &two, &result), 0);
	alarm(0);
	assert_int_equal(result, 0);
}

void need_descriptors(unsigned n)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < n)
		test_skip("the process may have too few descriptors");
	if (limit.rlim_cur < n) {
		limit.rlim_cur = n;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	}
}

unsigned count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned n = 0;
	REQUIRE(directory != NULL);
	for (const struct dirent *entry; (entry = readdir(directory));)
		n += entry->d_name[0] != '.';
	closedir(directory);
	return n;
}

int start_program(char *const argv[], int *output)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	*output = ends[0];
	return pid;
}

void end_program(int pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

void await_output(int output, const char *text)
{
	static char log[65536];
	size_t n = 0;
	log[0] = '\0';
	while (!strstr(log, text)) {
		ssize_t part = n + 1 < sizeof(log) ? read(output, log + n, sizeof(log) - n - 1) : 0;
		if (part <= 0)
			fail_msg("the server does not start:\n%s", log);
		n += (size_t)part;
		log[n] = '\0';
	}
}
