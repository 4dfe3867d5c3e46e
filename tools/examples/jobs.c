/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * jobs [-j JOBS] [-t SECONDS]: runs the commands that it reads from its standard input, one a line, up to JOBS (default
 * 4) at once. What a command writes is printed as a whole when it has ended, after a line that says how. One that takes
 * longer than SECONDS is killed, with all that it started. SIGINT or SIGTERM end what is running, and nothing more is
 * started.
 *
 * A task per command, which talks to its child process by a pipe and waits for it; and one that waits for signals as
 * for any other event. Exit code: 0; 1: a command failed, or there was a signal; 2: usage.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sley.h>

#define JOBS_MOST 256
#define LINE      4096

struct command {
	char line[LINE];
};

static struct {
	long at_once, seconds; /* of the command line; seconds 0: as long as it takes */
	struct sley_chan *commands;
	sley_task reader;
	struct sley_mutex mutex;  /* for the rest, and the output */
	pid_t running[JOBS_MOST]; /* process groups; 0: none */
	int interrupted, failed;
} jobs;

/* ---- what is running ---- */

/* Remembers the group for a signal that comes, from which on nothing is started: false. Where, is *place. */
static int enter(pid_t group, int *place)
{
	sley_mutex_lock(&jobs.mutex, SLEY_NEVER);
	int go_on = !jobs.interrupted;
	for (*place = 0; jobs.running[*place]; ++*place)
		;
	jobs.running[*place] = group;
	sley_mutex_unlock(&jobs.mutex);
	return go_on;
}

static void leave(int place)
{
	sley_mutex_lock(&jobs.mutex, SLEY_NEVER);
	jobs.running[place] = 0;
	sley_mutex_unlock(&jobs.mutex);
}

static void interrupt(void)
{
	sley_mutex_lock(&jobs.mutex, SLEY_NEVER);
	jobs.interrupted = jobs.failed = 1;
	for (int i = 0; i < JOBS_MOST; i++) {
		if (jobs.running[i])
			kill(-jobs.running[i], SIGTERM);
	}
	sley_cancel(jobs.reader); /* it may wait for a line */
	sley_mutex_unlock(&jobs.mutex);
}

/* ---- one command ---- */

static void report(const char *line, const char *how, const char *output, size_t n)
{
	sley_mutex_lock(&jobs.mutex, SLEY_NEVER);
	jobs.failed |= strcmp(how, "ok") != 0;
	printf("[%s] %s\n%.*s", how, line, (int)n, output);
	fflush(stdout);
	sley_mutex_unlock(&jobs.mutex);
}

/* All that the child writes: on the heap, for a pipe holds little and a child may write much. */
static char *read_all(int fd, size_t *n, sley_time deadline, int *error)
{
	char *output = NULL;
	ssize_t part;
	*n = 0;
	do {
		char *more = realloc(output, *n + LINE);
		if (!more)
			abort();
		output = more;
		part = sley_read(fd, output + *n, LINE, deadline);
		*n += part > 0 ? (size_t)part : 0;
	} while (part > 0);
	*error = (int)part;
	return output;
}

static void describe(int status, char how[32])
{
	if (WIFSIGNALED(status))
		snprintf(how, 32, "signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(how, 32, "exit %d", WEXITSTATUS(status));
	else
		strcpy(how, "ok");
}

static void run_command(const char *line)
{
	const char *const argv[] = { "sh", "-c", line, NULL };
	struct sley_process_options options = { .size = sizeof(options),
						.in = SLEY_STDIO_NULL,
						.out = SLEY_STDIO_PIPE,
						.err = SLEY_STDIO_OUT,
						.group = 1 };
	sley_time deadline = jobs.seconds ? sley_in(SLEY_SEC(jobs.seconds)) : SLEY_NEVER;
	struct sley_process process;
	char how[32];
	int error, place, status;
	size_t n;
	error = sley_process_spawn(&process, argv, &options, deadline);
	if (error) {
		report(line, strerror(-error), "", 0);
		return;
	}
	if (!enter(process.pid, &place))
		kill(-process.pid, SIGTERM);
	char *output = read_all(process.out, &n, deadline, &error);
	if (error == 0)
		error = sley_process_wait(&process, &status, deadline);
	if (error) {
		kill(-process.pid, SIGKILL);
		sley_process_wait(&process, &status, SLEY_NEVER);
	}
	leave(place);
	describe(status, how);
	report(line, error == -ETIMEDOUT ? "timeout" : how, output, n);
	sley_process_close(&process);
	free(output);
}

/* Command after command, until there are no more. */
static void work(void *arg)
{
	struct command *command = malloc(sizeof(*command));
	(void)arg;
	while (command && sley_chan_recv(jobs.commands, command, SLEY_NEVER) == 0)
		run_command(command->line);
	free(command);
}

/* ---- the whole ---- */

static void wait_for_signals(void *fd)
{
	while (sley_signal_next((int)(intptr_t)fd, NULL, SLEY_NEVER) > 0)
		interrupt();
}

/* Hands out the lines of the standard input, which may be a file, a pipe or a terminal: 0, or an error. */
static int hand_out(void)
{
	struct command *command = malloc(sizeof(*command));
	struct sley_reader reader;
	char *line;
	size_t n;
	int result = command ? sley_reader_init(&reader, STDIN_FILENO, NULL, 0) : -ENOMEM;
	if (result < 0) {
		free(command);
		return result;
	}
	while ((result = sley_reader_line(&reader, &line, &n, SLEY_NEVER)) > 0) {
		if (n == 0)
			continue;
		if (n >= sizeof(command->line)) {
			result = -E2BIG;
			break;
		}
		memcpy(command->line, line, n + 1);
		if ((result = sley_chan_send(jobs.commands, command, SLEY_NEVER)) != 0)
			break;
	}
	sley_reader_fini(&reader);
	free(command);
	return result;
}

static void read_commands(void *unused)
{
	int error = hand_out();
	(void)unused;
	if (error && error != -ECANCELED) {
		fprintf(stderr, "jobs: the commands cannot be read: %s\n", strerror(-error));
		jobs.failed = 1;
	}
	sley_chan_close(jobs.commands);
}

/* The task that waits for signals ends with the run; the others have ended by then. */
static int run_jobs(void *set)
{
	sley_task workers[JOBS_MOST];
	int error = sley_chan_new(&jobs.commands, sizeof(struct command), 0);
	int signals = error ? error : sley_signal_open(set);
	if (signals < 0) {
		fprintf(stderr, "jobs: %s\n", strerror(-signals));
		return 1;
	}
	jobs.reader = sley_spawn(read_commands, NULL);
	for (long i = 0; i < jobs.at_once; i++)
		workers[i] = sley_spawn(work, NULL);
	jobs.failed |= sley_go(wait_for_signals, (void *)(intptr_t)signals) != 0;
	for (long i = 0; i < jobs.at_once; i++)
		jobs.failed |= sley_join(workers[i], SLEY_NEVER) != 0;
	jobs.failed |= sley_join(jobs.reader, SLEY_NEVER) != 0;
	sley_chan_free(jobs.commands);
	return jobs.failed;
}

static long number(const char *text, long low, long high)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < low || value > high) {
		fprintf(stderr, "usage: jobs [-j JOBS] [-t SECONDS]\n");
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	sigset_t set;
	struct sley_options options = { .size = sizeof(options), .name = "jobs", .signals = &set };
	int o, error, result;
	jobs.at_once = 4;
	while ((o = getopt(argc, argv, "j:t:")) != -1) {
		if (o == 'j')
			jobs.at_once = number(optarg, 1, JOBS_MOST);
		else
			jobs.seconds = number(o == 't' ? optarg : "", 1, 1000000);
	}
	if (optind != argc)
		number("", 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	error = sley_run(run_jobs, &set, &options, &result);
	if (error)
		fprintf(stderr, "jobs: %s\n", strerror(-error));
	return error ? 1 : result;
}
