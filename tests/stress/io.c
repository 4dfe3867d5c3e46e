/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Descriptors under load: streams of words that name their connection and their place in it, cut at random, with
 * deadlines that come and go and connections that are closed and whose numbers are reused at once. No word is lost,
 * doubled or read by another connection's task.
 */
#include "stress.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- streams of words ---- */

#define PIECE 6000

/* Byte `at` of the stream of connection `id`: its 8-byte words are id << 32 | number. */
static unsigned char byte_of(uint32_t id, uint64_t at)
{
	uint64_t word = (uint64_t)id << 32 | (uint32_t)(at / 8);
	return (unsigned char)(word >> at % 8 * 8);
}

static void compose(unsigned char *bytes, size_t n, uint32_t id, uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_of(id, at + i);
}

static void verify(const unsigned char *bytes, size_t n, uint32_t id, uint64_t at)
{
	for (size_t i = 0; i < n; i++)
		REQUIRE(bytes[i] == byte_of(id, at + i));
}

/* One in four is over already, the others come soon or never. */
static sley_time some_deadline(uint32_t *seed)
{
	switch (stress_random(seed) % 4) {
	case 0:
		return 1;
	case 1:
		return sley_in(SLEY_US(stress_random(seed) % 50));
	case 2:
		return sley_in(SLEY_US(stress_random(seed) % 1000));
	default:
		return SLEY_NEVER;
	}
}

/* A deadline that never came in this try comes in the next; each try sends or receives something, or nothing. */
static size_t write_some(int fd, const void *bytes, size_t n, uint32_t *seed)
{
	ssize_t done = sley_write(fd, bytes, n, some_deadline(seed));
	REQUIRE(done > 0 || done == -ETIMEDOUT);
	if (done < 0)
		sley_yield(); /* deadlines that are over park nobody */
	return done > 0 ? (size_t)done : 0;
}

struct stream {
	uint32_t id;
	int client, server;
	uint64_t length;
};

static struct sley_group closing;

static void write_stream(void *arg)
{
	const struct stream *stream = arg;
	uint32_t seed = stream->id;
	unsigned char bytes[PIECE];
	uint64_t at = 0;
	while (at < stream->length) {
		size_t n = 1 + stress_random(&seed) % (stress_random(&seed) % 4 ? 100 : PIECE);
		n = MIN(n, stream->length - at);
		compose(bytes, n, stream->id, at);
		at += write_some(stream->client, bytes, n, &seed);
	}
	REQUIRE(shutdown(stream->client, SHUT_WR) == 0);
}

static void read_stream(void *arg)
{
	const struct stream *stream = arg;
	uint32_t seed = ~stream->id;
	unsigned char bytes[PIECE];
	uint64_t at = 0;
	ssize_t n;
	while ((n = sley_read(stream->client, bytes, 1 + stress_random(&seed) % PIECE, some_deadline(&seed))) != 0) {
		REQUIRE(n > 0 || n == -ETIMEDOUT);
		if (n < 0) {
			sley_yield();
			continue;
		}
		verify(bytes, (size_t)n, stream->id, at);
		at += (uint64_t)n;
		stress_progress();
	}
	REQUIRE(at == stream->length);
}

static void echo_stream(void *arg)
{
	const struct stream *stream = arg;
	uint32_t seed = stream->id + 1000;
	unsigned char bytes[PIECE];
	ssize_t n;
	while ((n = sley_read(stream->server, bytes, 1 + stress_random(&seed) % PIECE, some_deadline(&seed))) != 0) {
		REQUIRE(n > 0 || n == -ETIMEDOUT);
		if (n > 0)
			REQUIRE(sley_write_full(stream->server, bytes, (size_t)n, SLEY_NEVER) == n);
		else
			sley_yield();
	}
	REQUIRE(sley_close(stream->server) == 0);
}

/* Its writer and its reader wait for the same descriptor. */
static void run_stream(void *arg)
{
	struct stream stream = *(struct stream *)arg; /* the copy is shared: this task's stack is a private one */
	sley_task task[] = {
		stress_spawn(write_stream, &stream),
		stress_spawn(read_stream, &stream),
		stress_spawn(echo_stream, &stream),
	};
	for (int i = 0; i < 3; i++)
		stress_join(task[i]);
	REQUIRE(sley_close(stream.client) == 0);
	REQUIRE(sley_group_done(&closing) == 0);
}

static void start_stream(uint32_t id, int client, int server)
{
	const struct sley_task_options options = { .size = sizeof(options), .private_stack = 1, .detached = 1 };
	struct stream stream = { id, client, server, (uint64_t)test_scale(20000) + id % 8 };
	REQUIRE(sley_group_add(&closing, 1) == 0);
	REQUIRE(sley_spawn_with(&options, run_stream, &stream, sizeof(stream)) > 0);
}

static char address[40];

/* A listener on a port of the kernel's choice, whose address is left in `address`. */
static int open_listener(void)
{
	struct sockaddr_in name;
	socklen_t size = sizeof(name);
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&name, &size) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(name.sin_port));
	return listener;
}

static void streams_body(void)
{
	int listener = open_listener();
	for (uint32_t id = 1; id <= 60; id++) {
		int ends[2];
		if (id % 2) {
			REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		} else {
			ends[0] = sley_dial(address, SLEY_NEVER);
			ends[1] = sley_accept(listener, SLEY_NEVER);
			REQUIRE(ends[0] >= 0 && ends[1] >= 0);
		}
		start_stream(id, ends[0], ends[1]);
	}
	stress_wait(&closing);
	REQUIRE(sley_close(listener) == 0);
}

/*
 * Proves that streams over sockets of both kinds (made by sley, and foreign) come back whole, however they are cut and
 * however many reads and writes time out: one that times out has taken and given nothing. A reader and a writer wait
 * for the same descriptor at once.
 */
TEST(streams)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(streams_body, .workers = workers);
}

/* ---- connections that come and go ---- */

#define CLIENTS 40
#define WORDS   400

static long whole, cut; /* atomic: connections by how they ended */
static int churn_listener;

static bool is_cut(ssize_t n)
{
	return n == -ECONNRESET || n == -EPIPE || n == -EBADF;
}

/* Echoes; now and then it loses interest. The descriptor travels by value. */
static void serve(void *arg)
{
	int fd = *(int *)arg;
	uint32_t seed = (uint32_t)fd * 31 + (uint32_t)sley_self();
	long patience = stress_random(&seed) % 4 ? 1000000 : stress_random(&seed) % 20;
	unsigned char bytes[1000];
	while (patience-- > 0) {
		ssize_t n = sley_read(fd, bytes, 1 + stress_random(&seed) % sizeof(bytes), some_deadline(&seed));
		if (n == -ETIMEDOUT) {
			sley_yield();
			continue;
		}
		if (n <= 0 || sley_write_full(fd, bytes, (size_t)n, SLEY_NEVER) < 0)
			break;
	}
	REQUIRE(sley_close(fd) == 0);
	REQUIRE(sley_group_done(&closing) == 0);
}

static void accept_all(void *arg)
{
	uint32_t seed = 4;
	int fd;
	while ((fd = sley_accept(churn_listener, some_deadline(&seed))) >= 0 || fd == -ETIMEDOUT) {
		if (fd < 0) {
			sley_yield();
			continue;
		}
		REQUIRE(sley_group_add(&closing, 1) == 0);
		REQUIRE(sley_spawn_copy(serve, &fd, sizeof(fd)) > 0);
	}
	/* the runtime's watchdog may have its number, for a file in /proc: that is no socket, and nothing to wait for */
	REQUIRE(fd == -EBADF || fd == -ENOTSOCK || fd == -ENOTSUP);
}

/* One connection: some words there and back. What comes is a prefix of what was sent. */
static void converse(uint32_t id, uint32_t *seed)
{
	unsigned char bytes[8 * WORDS];
	uint64_t n = 8 + stress_random(seed) % (sizeof(bytes) - 8), got = 0;
	int fd = sley_dial(address, SLEY_NEVER);
	REQUIRE(fd >= 0);
	compose(bytes, n, id, 0);
	ssize_t answer = sley_write_full(fd, bytes, n, SLEY_NEVER);
	REQUIRE(answer == (ssize_t)n || is_cut(answer));
	while (answer > 0 && got < n) {
		if (stress_random(seed) % 64 == 0)
			break; /* not interested any more: the server's words meet a closed socket */
		answer = sley_read(fd, bytes, n - got, some_deadline(seed));
		REQUIRE(answer >= 0 || answer == -ETIMEDOUT || is_cut(answer));
		if (answer > 0) {
			verify(bytes, (size_t)answer, id, got);
			got += (uint64_t)answer;
		} else if (answer == -ETIMEDOUT) {
			sley_yield();
			answer = 1;
		}
	}
	fetch_add(got == n ? &whole : &cut, 1, relaxed); /* read after the join */
	REQUIRE(sley_close(fd) == 0);
}

static void client(void *arg)
{
	uint32_t number = (uint32_t)(uintptr_t)arg, seed = number;
	long rounds = test_scale(100);
	for (long i = 0; i < rounds; i++) {
		converse(number << 16 | (uint32_t)i, &seed);
		stress_progress();
	}
}

static void churn_body(void)
{
	sley_task task[CLIENTS];
	churn_listener = open_listener();
	whole = cut = 0;
	sley_task acceptor = stress_spawn(accept_all, NULL);
	for (uintptr_t i = 0; i < CLIENTS; i++)
		task[i] = stress_spawn(client, (void *)(i + 1));
	for (int i = 0; i < CLIENTS; i++)
		stress_join(task[i]);
	REQUIRE(sley_close(churn_listener) == 0);
	stress_join(acceptor);
	stress_wait(&closing);
	REQUIRE(whole + cut == CLIENTS * test_scale(100) && stress_provoked(whole > 0));
}

/*
 * Proves that connections that are opened and closed all the time, by either side and with words under way, while
 * others wait with deadlines, get their own words in order and nobody else's, although numbers are reused at once.
 */
TEST(connections_come_and_go)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(churn_body, .workers = workers);
}

/* ---- closed under a reader, and reused ---- */

static struct {
	long closed, had; /* atomic: readers by how their wait ended */
} reused;

/* Ways to read a word. Nothing but splice() has a loop of its own to wait in. */
static ssize_t read_by_splice(int fd, unsigned char *bytes)
{
	int ends[2];
	REQUIRE(sley_pipe(ends) == 0);
	ssize_t n = sley_splice(fd, NULL, ends[1], NULL, 8, 0, SLEY_NEVER);
	if (n > 0)
		REQUIRE(sley_read(ends[0], bytes, 8, 0) == n);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	return n;
}

static ssize_t read_somehow(int fd, unsigned char *bytes, unsigned way)
{
	struct iovec v[] = { { bytes, 3 }, { bytes + 3, 5 } };
	struct msghdr message = { .msg_iov = v, .msg_iovlen = 2 };
	switch (way % 4) {
	case 0:
		return sley_read(fd, bytes, 8, SLEY_NEVER);
	case 1:
		return sley_readv(fd, v, 2, SLEY_NEVER);
	case 2:
		return sley_recvmsg(fd, &message, 0, SLEY_NEVER);
	default:
		return read_by_splice(fd, bytes);
	}
}

/*
 * Reads the connection it was made for. It has one word, or none, and is closed under the reader; what else comes is
 * another connection's.
 */
static void reads_one(void *arg)
{
	const struct stream *stream = arg;
	unsigned char bytes[8];
	ssize_t n = read_somehow(stream->client, bytes, stream->id / 8);
	REQUIRE(n == 8 || n == -EBADF);
	if (n == 8)
		verify(bytes, 8, stream->id, 0);
	fetch_add(n == 8 ? &reused.had : &reused.closed, 1, relaxed);
}

/*
 * Once a task waits in a call, and only then, another may close the descriptor: before, the number may be reused
 * before the call.
 */
static void until_waits(sley_task task)
{
	while (load(&stress_record(task)->state, relaxed) != SLEY_TASK_WAITING)
		sley_yield();
}

/* A pair of connected sockets, foreign ones or sley's own. */
static void open_pair(int ends[2], int listener, bool own)
{
	if (!own) {
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
		return;
	}
	ends[0] = sley_dial(address, SLEY_NEVER);
	ends[1] = sley_accept(listener, SLEY_NEVER);
	REQUIRE(ends[0] >= 0 && ends[1] >= 0);
}

static void reuse(bool own)
{
	uint32_t seed = own;
	int listener = open_listener();
	long rounds = test_scale(3000);
	for (uint32_t i = 1; i <= (uint32_t)rounds; i++) {
		int ends[2], next[2];
		unsigned char word[8];
		open_pair(ends, listener, own);
		struct stream stream = { 2 * i, ends[0], ends[1], 8 };
		sley_task reader = stress_spawn(reads_one, &stream); /* ours is the main task's stack, a private one */
		until_waits(reader);
		if (i % 4) {
			compose(word, 8, 2 * i, 0);
			REQUIRE(send(ends[1], word, 8, MSG_NOSIGNAL) == 8);
			stress_spin(stress_random(&seed) % 600);
			if (i % 4 == 1)
				sley_yield();
		}
		/* closed under the reader; the number is the next pair's, which has a word at once */
		REQUIRE(sley_close(ends[0]) == 0);
		open_pair(next, listener, own);
		compose(word, 8, 2 * i + 1, 0);
		REQUIRE(send(next[1], word, 8, MSG_NOSIGNAL) == 8);
		stress_join(reader);
		REQUIRE(sley_read_full(next[0], word, 8, SLEY_NEVER) == 8);
		verify(word, 8, 2 * i + 1, 0);
		REQUIRE(sley_close(ends[1]) == 0 && sley_close(next[0]) == 0 && sley_close(next[1]) == 0);
		stress_progress();
	}
	REQUIRE(sley_close(listener) == 0);
}

static void reuse_body(void)
{
	reuse(false);
	reuse(true);
}

/*
 * Proves that a read whose descriptor is closed under it ends with its own data or -EBADF, and never takes a word of
 * the connection that has the number next.
 *
 *   reader, worker 1              main, worker 2
 *   waits for 7
 *   a word comes, it is ready
 *                                 sley_close(7)
 *                                 the next socket is 7, and has a word
 *   resumes and tries again: must see that 7 is not its own any more
 */
TEST(closed_and_reused)
{
	reused.closed = reused.had = 0;
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(reuse_body, .workers = workers);
	print_message("closed %ld, had its word %ld\n", reused.closed, reused.had);
	assert_true(stress_provoked(reused.closed > 0 && reused.had > 0));
}
