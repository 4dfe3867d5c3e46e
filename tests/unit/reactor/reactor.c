/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Waiting for descriptors: the edge protocol, and who may wait. */
#include "reactor/reactor.h"

#include "tests/unit/reactor/connection.h"
#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/atomic.h"
#include "reactor/entry.h"
#include "run/current.h"

/* What a task read, one result after the other. */
struct reader {
	int fd;
	unsigned count; /* atomic */
	ssize_t result[100];
};

static void read_to_end(void *arg)
{
	struct reader *r = arg;
	char buffer[100];
	ssize_t n;
	do {
		n = sley_read(r->fd, buffer, sizeof(buffer), SLEY_NEVER);
		r->result[r->count] = n;
		fetch_add(&r->count, 1, release);
	} while (n > 0);
}

static void await_count(struct reader *r, unsigned count)
{
	sley_time deadline = SOON;
	while (load(&r->count, acquire) < count) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Short reads, reads that leave a rest and reads that leave nothing: each byte is delivered on its edge. */
TASK_TEST(edges, 1, 2)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct connection c = connect_pair();
	char bytes[250] = { 0 };
	r->fd = c.ours;
	sley_task task = sley_spawn(read_to_end, r);
	/* each write finds the reader parked after a short read, or about to */
	for (unsigned i = 0; i < 50; i++) {
		REQUIRE(write(c.theirs, bytes, 10) == 10);
		await_count(r, i + 1);
		REQUIRE(r->result[i] == 10);
	}
	/* more than it asks for at once: no new edge comes for the rest */
	REQUIRE(write(c.theirs, bytes, 250) == 250);
	await_count(r, 53);
	REQUIRE(r->result[50] == 100 && r->result[51] == 100 && r->result[52] == 50);
	/* exactly what it asks for: it must find out that there is no more */
	REQUIRE(write(c.theirs, bytes, 100) == 100);
	await_count(r, 54);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(write(c.theirs, bytes, 1) == 1);
	await_count(r, 55);
	REQUIRE(shutdown(c.theirs, SHUT_WR) == 0);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(r->result[55] == 0);
	disconnect(c);
	free(r);
}

/*
 * An end of the stream that came together with the data is found, whenever its event was collected.
 *
 * The end of the stream comes with the data, on one edge:
 *
 *   peer                 poller              task
 *   data, FIN
 *                        event: ready, hung
 *                                            read: short, so ready is cleared
 *                                            read: must be tried, as no other edge will come
 */
TASK_TEST(hung, 1, 2)
{
	for (int i = 0; i < 200; i++) {
		struct connection c = connect_pair();
		char buffer[100];
		REQUIRE(write(c.theirs, "data", 4) == 4);
		REQUIRE(shutdown(c.theirs, SHUT_WR) == 0);
		if (i % 4 == 0) /* the event is collected first */
			REQUIRE(sley_poll(c.ours, POLLIN, SOON) > 0);
		if (i % 4 == 1)
			reactor_poll(0);
		REQUIRE(sley_read(c.ours, buffer, sizeof(buffer), SOON) == 4);
		if (i % 4 == 2)
			reactor_poll(0);
		REQUIRE(sley_read(c.ours, buffer, sizeof(buffer), SOON) == 0);
		REQUIRE(sley_read(c.ours, buffer, sizeof(buffer), SOON) == 0); /* and it stays so */
		disconnect(c);
	}
}

/* A reset wakes the reader with its error. */
TASK_TEST(reset, 1)
{
	struct linger at_once = { 1, 0 };
	struct connection c = connect_pair();
	struct reader *r = calloc(1, sizeof(*r));
	r->fd = c.ours;
	sley_task task = sley_spawn(read_to_end, r);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(setsockopt(c.theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
	close(c.theirs); /* RST */
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(r->result[0] == -ECONNRESET);
	REQUIRE(sley_write(c.ours, "x", 1, SOON) == -EPIPE); /* and no SIGPIPE */
	REQUIRE(sley_close(c.ours) == 0);
	free(r);
}

/* A read that was short because of urgent data is not taken for one that drained the stream. */
TASK_TEST(urgent, 1)
{
	for (int i = 0; i < 20; i++) {
		struct connection c = connect_pair();
		char buffer[100];
		/* reads stop at the urgent mark: short, but there is more */
		REQUIRE(send(c.theirs, "ab", 2, 0) == 2 && send(c.theirs, "!", 1, MSG_OOB) == 1);
		REQUIRE(send(c.theirs, "cdef", 4, 0) == 4);
		if (i % 2)
			reactor_poll(0);
		REQUIRE(sley_read(c.ours, buffer, sizeof(buffer), SOON) == 2);
		REQUIRE(sley_read_full(c.ours, buffer, 4, BEFORE_REARM) == 4);
		REQUIRE(memcmp(buffer, "cdef", 4) == 0);
		disconnect(c);
	}
}

static void send_descriptor(int socket, int fd, const char *bytes, size_t n)
{
	struct iovec v = { (void *)(uintptr_t)bytes, n };
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct msghdr message = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	REQUIRE(sendmsg(socket, &message, 0) == (ssize_t)n);
}

/* Nor is one on a Unix socket that stopped at a descriptor that the peer passed. */
TASK_TEST(passed_descriptors, 1)
{
	char address[64], buffer[100];
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/sley-test-reactor-%d", getpid());
	snprintf(address, sizeof(address), "unix:%s", name.sun_path);
	unlink(name.sun_path);
	int listener = sley_listen(address, 0);
	REQUIRE(listener >= 0);
	int theirs = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connect(theirs, (struct sockaddr *)&name, sizeof(name)) == 0);
	int ours = sley_accept(listener, SOON);
	REQUIRE(ours >= 0);
	reactor_poll(0);
	for (int i = 0; i < 20; i++) {
		send_descriptor(theirs, 2, "ab", 2); /* reads stop behind it: short, but there is more */
		REQUIRE(write(theirs, "cd", 2) == 2);
		reactor_poll(0);
		size_t got = 0;
		while (got < 4) {
			ssize_t n = sley_read(ours, buffer, sizeof(buffer), BEFORE_REARM);
			REQUIRE(n > 0);
			got += (size_t)n;
		}
	}
	REQUIRE(sley_close(ours) == 0 && sley_close(listener) == 0);
	close(theirs);
	unlink(name.sun_path);
}

/* ---- writing ---- */

static void write_much(void *arg)
{
	static char bytes[4 << 20];
	REQUIRE(sley_write_full(*(int *)arg, bytes, sizeof(bytes), SLEY_NEVER) == sizeof(bytes));
}

/* A writer that fills the connection waits, and goes on as the peer reads; its deadline ends it. */
TASK_TEST(write, 1, 2)
{
	struct connection c = connect_pair();
	static char buffer[64 << 10];
	size_t got = 0;
	int *fd = malloc(sizeof(*fd)), small = 64 << 10;
	*fd = c.ours;
	/* by default the kernel takes some 4 MiB of what a peer does not read: all that is written here */
	REQUIRE(setsockopt(c.ours, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	REQUIRE(setsockopt(c.theirs, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	sley_task task = sley_spawn(write_much, fd);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	while (got < 4 << 20) {
		ssize_t n = recv(c.theirs, buffer, sizeof(buffer), MSG_DONTWAIT);
		REQUIRE(n > 0 || (n < 0 && errno == EAGAIN));
		got += n > 0 ? (size_t)n : 0;
		sley_yield();
	}
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_write(c.ours, buffer, 0, 0) == 0);
	static char flood[8 << 20];
	REQUIRE(sley_write_full(c.ours, flood, sizeof(flood), sley_in(SLEY_MS(5))) == -ETIMEDOUT);
	disconnect(c);
	free(fd);
}

/* ---- who may wait ---- */

static void check_busy(int fd, int peer)
{
	struct waiting *read = calloc(1, sizeof(*read)), *write = calloc(1, sizeof(*write));
	static char bytes[64 << 10];
	char byte;
	read->fd = write->fd = fd;
	sley_task reader = sley_spawn(wait_to_read, read), writer = sley_spawn(wait_to_write, write);
	await_state(reader, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	await_state(writer, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	REQUIRE(sley_read(fd, &byte, 1, SOON) == -EBUSY);
	REQUIRE(sley_poll(fd, POLLIN, SOON) == -EBUSY);
	REQUIRE(sley_poll(fd, POLLOUT, SOON) == -EBUSY);
	REQUIRE(sley_poll(fd, POLLIN | POLLOUT, SOON) == -EBUSY);
	REQUIRE(send(peer, "x", 1, 0) == 1); /* ends the one, leaves the other */
	REQUIRE(sley_join(reader, SOON) == 0 && read->result == 1);
	REQUIRE(sley_read(fd, &byte, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT); /* free for the next */
	while (state_of(writer) != SLEY_TASK_ENDED) {
		ssize_t n = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);
		REQUIRE(n != 0);
		sley_yield();
	}
	REQUIRE(sley_join(writer, SOON) == 0 && write->result == 8 << 20);
	free(read);
	free(write);
}

/*
 * One task may wait to read and another to write; a third gets -EBUSY and disturbs neither. Own and foreign
 * descriptors.
 */
TASK_TEST(busy, 1, 2)
{
	struct connection c = connect_pair();
	int pair[2];
	check_busy(c.ours, c.theirs);
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	check_busy(pair[0], pair[1]);
	disconnect(c);
	REQUIRE(sley_close(pair[0]) == 0 && sley_close(pair[1]) == 0);
}

/* ---- many ---- */

/* One-shot waits for many descriptors at once, armed again each round: each event comes once. */
TASK_TEST(many, 1, 3)
{
	enum { MANY = 200 };
	struct waiting *w = calloc(MANY, sizeof(*w));
	sley_task tasks[MANY];
	int(*pairs)[2] = calloc(MANY, sizeof(*pairs));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < MANY; i++) {
			if (round == 0)
				REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pairs[i]) == 0);
			w[i].fd = pairs[i][0];
			tasks[i] = sley_spawn(wait_to_read, &w[i]);
		}
		for (int i = 0; i < MANY; i++)
			REQUIRE(write(pairs[(i * 7) % MANY][1], "x", 1) == 1);
		for (int i = 0; i < MANY; i++)
			REQUIRE(sley_join(tasks[i], SOON) == 0 && w[i].result == 1);
	}
	for (int i = 0; i < MANY; i++)
		REQUIRE(sley_close(pairs[i][0]) == 0 && sley_close(pairs[i][1]) == 0);
	REQUIRE(counter(SLEY_COUNTER_events) > 0 && counter(SLEY_COUNTER_polls) > 0);
	free(w);
	free(pairs);
}

/* ---- the mark ---- */

static void poll_once(void *arg)
{
	REQUIRE(sley_poll(*(int *)arg, POLLIN, SOON) == POLLIN);
}

/*
 * An event that ends a wait leaves the mark to a waiter that makes no try, for the next call, and no mark to one that makes
 * its try at once. If a mark comes between that waiter's claim and its try, it is cleared before the try.
 */
TASK_TEST(marks, 1)
{
	struct reader *r = calloc(1, sizeof(*r));
	int *fd = calloc(1, sizeof(*fd));
	struct connection c = connect_pair();
	*fd = r->fd = c.ours;
	const uint8_t *mark = &entry_find(c.ours)->ready[READING];
	char byte;
	REQUIRE(sley_read(c.ours, &byte, 1, 0) == -ETIMEDOUT && load(mark, relaxed) == 0);
	sley_task task = sley_spawn(poll_once, fd);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_POLL);
	REQUIRE(write(c.theirs, "a", 1) == 1 && sley_join(task, SOON) == 0 && load(mark, relaxed) == 1);
	REQUIRE(sley_read(c.ours, &byte, 1, SOON) == 1 && byte == 'a');
	REQUIRE(sley_read(c.ours, &byte, 1, 0) == -ETIMEDOUT && load(mark, relaxed) == 0);

	task = sley_spawn(read_to_end, r);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(write(c.theirs, "b", 1) == 1);
	while (sched_hooks.poll(0) == 0) /* the reader is claimed, and runs when this task waits */
		;
	REQUIRE(load(mark, relaxed) == 0 && load(&r->count, relaxed) == 0);
	REQUIRE(write(c.theirs, "c", 1) == 1);
	while (load(mark, relaxed) == 0)
		sched_hooks.poll(0);
	await_count(r, 1);
	REQUIRE(r->result[0] == 2 && load(mark, relaxed) == 0);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(close(c.theirs) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && r->result[1] == 0 && sley_close(c.ours) == 0);
	free(fd);
	free(r);
}

/* ---- in turn ---- */

enum { CROWD = 3000, TURNS = 10 }; /* more than a deque holds */

static struct {
	int fd[CROWD];
	unsigned served[CROWD], before[CROWD];
	unsigned begun, total, from; /* from: the total at which `before` was noted */
	unsigned least, most;        /* served since then */
	bool stop;
} crowd;

static void note_crowd(void)
{
	memcpy(crowd.before, crowd.served, sizeof(crowd.before));
	crowd.from = crowd.total;
}

static void compare_crowd(void)
{
	crowd.least = UINT_MAX;
	for (unsigned i = 0; i < CROWD; i++) {
		unsigned n = crowd.served[i] - crowd.before[i];
		crowd.least = n < crowd.least ? n : crowd.least;
		crowd.most = n > crowd.most ? n : crowd.most;
	}
	crowd.stop = true;
}

/* The descriptor is always ready: with each wait it becomes the last one of those that the kernel tells about. */
static void be_served(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	struct hold hold = { 0 };
	while (!crowd.stop) {
		REQUIRE(reactor_wait(crowd.fd[me], READING, SLEY_WAIT_POLL, SLEY_NEVER, NULL, &hold) == 0);
		crowd.begun += crowd.served[me]++ == 0;
		crowd.total++;
		if (crowd.from == 0 && crowd.begun == CROWD && crowd.total >= 4 * CROWD)
			note_crowd(); /* the queue of all, which they were in at first, is empty */
		if (crowd.from > 0 && crowd.total == crowd.from + TURNS * CROWD)
			compare_crowd();
	}
	reactor_let_go(crowd.fd[me], &hold);
}

static int main_in_turn(void *arg)
{
	sley_task *tasks = calloc(CROWD, sizeof(*tasks));
	for (uintptr_t i = 0; i < CROWD; i++) {
		REQUIRE((crowd.fd[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)) >= 0);
		tasks[i] = sley_spawn(be_served, (void *)i);
	}
	for (unsigned i = 0; i < CROWD; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0 && close(crowd.fd[i]) == 0);
	if (crowd.least < TURNS - 1 || crowd.most > TURNS + 1)
		fprintf(stderr, "served %u to %u times in %d turns\n", crowd.least, crowd.most, TURNS);
	REQUIRE(crowd.least >= TURNS - 1 && crowd.most <= TURNS + 1);
	free(tasks);
	return 0;
}

/* More ready descriptors than a worker can queue: nobody is served a second time before all others were served. */
TEST(in_turn)
{
	struct rlimit old, files;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	files = old;
	files.rlim_cur = files.rlim_max;
	if (files.rlim_max < CROWD + 100)
		test_skip("the limit of descriptors (ulimit -Hn) is too low");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	run(main_in_turn, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* ---- an event that is used up ---- */

static int pipe_to[2];

static void wait_for_count(void *arg)
{
	struct waiting *waiting = arg;
	uint64_t count;
	waiting->result = sley_read(waiting->fd, &count, sizeof(count), SOON);
}

static void wait_to_splice(void *arg)
{
	struct waiting *waiting = arg;
	waiting->result = sley_splice(waiting->fd, NULL, pipe_to[1], NULL, sizeof(uint64_t), 0, SOON);
}

/* With one worker: between the event and the task that it wakes, what there was is read by somebody else. */
static void check_used_up(void (*wait)(void *), int from, int to)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	uint64_t one = 1;
	waiting->fd = from;
	sley_task task = sley_spawn(wait, waiting);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(write(to, &one, sizeof(one)) == sizeof(one));
	await_state(task, SLEY_TASK_READY, SLEY_WAIT_NONE); /* queued behind us */
	REQUIRE(read(from, &one, sizeof(one)) == sizeof(one) && one == 1);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ); /* else it has blocked our thread */
	REQUIRE(write(to, &one, sizeof(one)) == sizeof(one));
	REQUIRE(sley_join(task, SOON) == 0 && waiting->result == sizeof(one));
	free(waiting);
}

/* A terminal: reading it blocks, however it is done. */
static void terminal(int ends[2])
{
	struct termios raw;
	ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(ends[0] >= 0 && unlockpt(ends[0]) == 0);
	ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
	REQUIRE(ends[1] >= 0 && tcgetattr(ends[1], &raw) == 0);
	cfmakeraw(&raw);
	REQUIRE(tcsetattr(ends[1], TCSANOW, &raw) == 0);
}

/* Who was woken for a foreign descriptor that blocks, but finds nothing any more, waits again and not in the kernel. */
TASK_TEST(used_up, 1)
{
	int ends[2];
	terminal(ends);
	REQUIRE(pipe2(pipe_to, O_CLOEXEC) == 0);
	check_used_up(wait_for_count, ends[0], ends[1]);
	check_used_up(wait_to_splice, ends[0], ends[1]);
	for (int i = 0; i < 2; i++)
		REQUIRE(close(ends[i]) == 0 && close(pipe_to[i]) == 0);
}
