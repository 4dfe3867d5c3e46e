/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * shards PORT [-w WORKERS] [-t MS]: a service that goes on when parts of it fail. It speaks lines of text on
 * 127.0.0.1:PORT, until SIGTERM or SIGINT:
 *
 *   sum N        asks its three shards at once, and adds up their answers: N, 2N and 3N
 *   crash S [MS] the same, but shard S fails over it, and the others take MS
 *   slow MS      the same, but all shards take MS
 *   starts       how often each shard has been started
 *
 * A request has MS in all (-t; default 200), wherever it spends them. Its tasks:
 *
 *   main                 the supervisor: whatever fails below is started again, at most 5 times in 10 s
 *     shard 0, 1, 2      take questions from a channel of theirs
 *     accept             keeps the connections, whose failures are their own
 *       connect ...      one for each
 *         ask 0, 1, 2    one for each shard, while a request is under way: the first failure cancels the others
 *     end on signal      cancels the supervisor, and with it everything
 *
 * PORT 0: the kernel chooses; the port is printed. Exit code: 0; 1: it cannot serve, or failed too often; 2: usage.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sley.h>

#define SHARDS 3

/* What a shard gets. It owns the promise, and resolves it with a long. */
struct question {
	long n;
	sley_time takes;
	sley_time deadline; /* nobody wants the answer later */
	int crash;          /* which shard is to fail over it; -1: none */
	struct sley_promise *answer;
};

static struct {
	struct sley_chan *questions;
	unsigned starts; /* atomic */
} shards[SHARDS];

static sley_time request_time = SLEY_MS(200);

/* ---- the shards ---- */

/* A promise that is freed unresolved tells those who await it. So nobody waits for a shard that is no more. */
static void drop_promise(void *promise)
{
	sley_promise_free(promise);
}

static int answer(int number, const struct question *question)
{
	sley_time until = sley_in(question->takes);
	long value = question->n * (number + 1);
	int error;
	error = sley_cleanup_push(drop_promise, question->answer);
	if (error) {
		drop_promise(question->answer);
		return error;
	}
	if (question->crash == number)
		return -EPROTO;
	error = sley_sleep(until < question->deadline ? until : question->deadline);
	if (error)
		return error;
	sley_promise_resolve(question->answer, &value);
	return sley_cleanup_pop(1);
}

static int shard(void *block)
{
	int number = *(int *)block, error;
	struct question question;
	__atomic_fetch_add(&shards[number].starts, 1, __ATOMIC_RELAXED);
	while ((error = sley_chan_recv(shards[number].questions, &question, SLEY_NEVER)) == 0) {
		error = answer(number, &question);
		if (error)
			return error;
	}
	return error;
}

/* ---- a request ---- */

struct part {
	struct question question;
	int shard;
	long value; /* the answer */
};

/* The request's deadline ends these waits: they need not know it. */
static int ask(void *block)
{
	struct part *part = block;
	struct sley_future *future;
	int error = sley_promise_new(&part->question.answer, &future, sizeof(part->value));
	if (error)
		return error;
	part->question.deadline = sley_deadline();
	error = sley_chan_send(shards[part->shard].questions, &part->question, SLEY_NEVER);
	if (error)
		sley_promise_free(part->question.answer);
	else
		error = sley_await(future, &part->value, SLEY_NEVER);
	sley_future_free(future);
	return error;
}

/* Spawns the parts of a request. That the scope takes no more, as one has failed already, is no error: it is its answer. */
static int spawn_parts(struct sley_scope *scope, const struct question *question, struct sley_child **children)
{
	sley_task id = 1;
	for (int i = 0; i < SHARDS && id > 0; i++) {
		struct sley_child_options options = { .size = sizeof(options), .child = &children[i], .copy_back = 1 };
		struct part part = { .question = *question, .shard = i };
		id = sley_scope_spawn_with(scope, &options, ask, &part, sizeof(part));
	}
	return id > 0 || id == -ECANCELED ? 0 : (int)id;
}

/* Asks all shards at once. 0 and the sum, or what went wrong first. */
static int ask_all(const struct question *question, long *sum)
{
	struct sley_scope_options options = { .size = sizeof(options), .deadline = sley_in(request_time) };
	struct sley_child *children[SHARDS];
	struct sley_scope *scope;
	struct part part;
	int result;
	int error = sley_scope_open(&scope, &options);
	if (error)
		return error;
	error = spawn_parts(scope, question, children);
	if (error)
		sley_scope_cancel(scope);
	int answer = sley_scope_wait(scope, SLEY_NEVER);
	*sum = 0;
	for (int i = 0; i < SHARDS && answer == 0; i++) {
		sley_child_result(children[i], &result, &part, sizeof(part));
		*sum += part.value;
	}
	sley_scope_close(scope, SLEY_NEVER);
	return error ? error : answer;
}

static int say_starts(int fd)
{
	char text[100];
	int n = snprintf(text, sizeof(text), "%u %u %u\n", __atomic_load_n(&shards[0].starts, __ATOMIC_RELAXED),
			 __atomic_load_n(&shards[1].starts, __ATOMIC_RELAXED),
			 __atomic_load_n(&shards[2].starts, __ATOMIC_RELAXED));
	return (int)sley_write_full(fd, text, (size_t)n, sley_in(SLEY_SEC(10)));
}

/* One line. Negative: the connection is to end. */
static int serve_line(int fd, const char *line)
{
	struct question question = { .crash = -1 };
	long ms = 0, sum;
	char text[100];
	int n;
	if (strcmp(line, "starts") == 0)
		return say_starts(fd);
	if (sscanf(line, "sum %ld", &question.n) != 1 && sscanf(line, "crash %d %ld", &question.crash, &ms) < 1 &&
	    sscanf(line, "slow %ld", &ms) != 1) {
		n = snprintf(text, sizeof(text), "what?\n");
		return (int)sley_write_full(fd, text, (size_t)n, sley_in(SLEY_SEC(10)));
	}
	question.takes = SLEY_MS(ms);
	int error = ask_all(&question, &sum);
	if (error == -ECANCELED)
		return error; /* the end */
	if (error)
		n = snprintf(text, sizeof(text), "error: %s\n", strerror(-error));
	else
		n = snprintf(text, sizeof(text), "%ld\n", sum);
	return (int)sley_write_full(fd, text, (size_t)n, sley_in(SLEY_SEC(10)));
}

/* ---- connections ---- */

static void close_descriptor(void *fd)
{
	sley_close((int)(intptr_t)fd);
}

static int connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[256], *line;
	struct sley_reader reader;
	int error = sley_cleanup_push(close_descriptor, arg);
	if (error) {
		sley_close(fd);
		return error;
	}
	sley_reader_init(&reader, fd, buffer, sizeof(buffer));
	while ((error = sley_reader_line(&reader, &line, NULL, SLEY_NEVER)) > 0 && (error = serve_line(fd, line)) >= 0)
		;
	return error;
}

static int is_passing(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ECONNABORTED;
}

/* When it ends, by a failure or the end of all, so do its connections, at once. */
static int accept_connections(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .keep_going = 1 };
	struct sley_scope *connections;
	int listener = (int)(intptr_t)arg;
	int error = sley_scope_open(&connections, &options);
	if (error)
		return error;
	for (;;) {
		int fd = sley_accept(listener, SLEY_NEVER);
		if (is_passing(fd))
			sley_sleep(sley_in(SLEY_MS(10)));
		else if (fd < 0)
			return fd;
		else if (sley_scope_spawn(connections, connection, (void *)(intptr_t)fd) < 0)
			sley_close(fd);
	}
}

/* ---- the service ---- */

static int end_on_signal(void *scope)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	int signals = sley_signal_open(&set);
	if (signals < 0)
		return signals;
	int error = sley_signal_next(signals, NULL, SLEY_NEVER);
	sley_close(signals);
	if (error < 0)
		return error;
	return sley_scope_cancel(scope);
}

static void print_address(int listener)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("shards: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

static int start_all(struct sley_scope *supervisor, int listener)
{
	sley_task id = 1;
	for (int i = 0; i < SHARDS && id > 0; i++) {
		int error = sley_chan_new(&shards[i].questions, sizeof(struct question), 16);
		id = error ? error : sley_scope_spawn_copy(supervisor, shard, &i, sizeof(i));
	}
	if (id > 0)
		id = sley_scope_spawn(supervisor, accept_connections, (void *)(intptr_t)listener);
	if (id > 0)
		id = sley_scope_spawn(supervisor, end_on_signal, supervisor);
	return id < 0 ? (int)id : 0;
}

static int serve(void *arg)
{
	struct sley_scope_options options = {
		.size = sizeof(options), .restart = SLEY_RESTART_ONE, .restarts = 5, .within = SLEY_SEC(10)
	};
	struct sley_scope *supervisor;
	int listener = sley_listen(arg, 0), error;
	if (listener < 0) {
		fprintf(stderr, "shards: %s: %s\n", (char *)arg, strerror(-listener));
		return 1;
	}
	error = sley_scope_open(&supervisor, &options);
	if (error == 0) {
		error = start_all(supervisor, listener);
		if (error)
			sley_scope_cancel(supervisor);
		else
			print_address(listener);
		int answer = sley_scope_close(supervisor, SLEY_NEVER);
		if (error == 0)
			error = answer;
	}
	if (error == -ECANCELED)
		return 0;
	fprintf(stderr, "shards: %s\n", error == -ELOOP ? "restarted too often" : strerror(-error));
	return 1;
}

static long number(const char *text, long low, long high)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < low || value > high) {
		fprintf(stderr, "usage: shards PORT [-w WORKERS] [-t MS]\n");
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	sigset_t signals;
	struct sley_options options = { .size = sizeof(options), .name = "shards", .signals = &signals };
	char address[32];
	int o, error, result;
	while ((o = getopt(argc, argv, "w:t:")) != -1) {
		if (o == 't')
			request_time = SLEY_MS(number(optarg, 1, 3600000));
		else
			options.workers = (unsigned)number(o == 'w' ? optarg : "", 1, 256);
	}
	snprintf(address, sizeof(address), "127.0.0.1:%ld", number(optind == argc - 1 ? argv[optind] : "", 0, 65535));
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);

	error = sley_run(serve, address, &options, &result);
	if (error)
		fprintf(stderr, "shards: %s\n", strerror(-error));
	return error ? 1 : result;
}
