/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * How many system calls an operation makes: no call that it does not need.
 *
 * Each case runs in a process of its own with one worker, which is traced: between two marks every system call of the
 * worker is counted, but for what the scheduler makes (epoll_wait, futex, clocks) and for plain read() and write(),
 * which are the test's own, as a peer that costs nothing.
 */
#include "tests/unit/run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

/* ---- marks ---- */

/* A system call that does nothing, with an argument that says what it means. */
#define MARK 0x51e7

enum { MARK_BEGIN = MARK << 8, MARK_END };

static void mark(int what)
{
	syscall(SYS_getpgid, what);
}

/* ---- cases: they run in the traced process ---- */

#define ROUNDS 10

static int ends[2];
static char bytes[4096];

static void tcp_pair(void)
{
	char address[32];
	struct sockaddr_in a;
	socklen_t size = sizeof(a);
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &size) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
	ends[0] = sley_dial(address, SOON);
	ends[1] = sley_accept(listener, SOON);
	REQUIRE(ends[0] >= 0 && ends[1] >= 0 && sley_close(listener) == 0);
}

static void echo(void *arg)
{
	int in = ends[0], out = ((int *)arg)[0];
	char buffer[100];
	ssize_t n;
	while ((n = sley_read(in, buffer, sizeof(buffer), SLEY_NEVER)) > 0)
		REQUIRE(sley_write_full(out, buffer, (size_t)n, SLEY_NEVER) == n);
}

/* `in` is read from by a task, which answers to `out`; the test writes to `peer_in` and reads from `peer_out`. */
static void rounds(int out, int peer_in, int peer_out)
{
	static int to;
	to = out;
	sley_task task = sley_spawn(echo, &to);
	for (int i = 0; i < ROUNDS + 2; i++) {
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
		if (i == 2) /* what is registered at the first wait is */
			mark(MARK_BEGIN);
		REQUIRE(write(peer_in, "some words", 10) == 10);
		sley_time deadline = SOON;
		int there = 0;
		while (there < 10) {
			sley_yield();
			REQUIRE(ioctl(peer_out, FIONREAD, &there) == 0 && sley_now() < deadline);
		}
		REQUIRE(read(peer_out, bytes, 10) == 10);
	}
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	mark(MARK_END);
}

static void tcp_echo(void)
{
	tcp_pair();
	rounds(ends[0], ends[1], ends[1]);
}

static void unix_echo(void)
{
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	rounds(ends[0], ends[1], ends[1]);
}

static void foreign_echo(void)
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	rounds(ends[0], ends[1], ends[1]);
}

static void pipe_echo(void)
{
	int back[2], there[2];
	REQUIRE(sley_pipe(there) == 0 && sley_pipe(back) == 0);
	ends[0] = there[0];
	rounds(back[1], there[1], back[0]);
}

/* A connection that never waits is not even registered. */
static void connection(void)
{
	char address[32];
	struct sockaddr_in a;
	socklen_t size = sizeof(a);
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &size) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(a.sin_port));
	mark(MARK_BEGIN);
	ends[0] = sley_dial(address, SOON);
	ends[1] = sley_accept(listener, SOON);
	REQUIRE(sley_write(ends[0], "x", 1, SOON) == 1);
	REQUIRE(sley_read(ends[1], bytes, 1, SOON) == 1);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	mark(MARK_END);
}

static void ready(void)
{
	struct iovec v[] = { { bytes, 1 }, { bytes + 1, 1 } };
	struct msghdr message = { .msg_iov = v, .msg_iovlen = 2 };
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	mark(MARK_BEGIN);
	REQUIRE(sley_write_full(ends[0], bytes, 100, SOON) == 100 && sley_read_full(ends[1], bytes, 100, SOON) == 100);
	REQUIRE(sley_writev(ends[0], v, 2, SOON) == 2 && sley_readv(ends[1], v, 2, SOON) == 2);
	REQUIRE(sley_send(ends[0], bytes, 5, 0, SOON) == 5 && sley_recv(ends[1], bytes, 5, 0, SOON) == 5);
	REQUIRE(sley_sendmsg(ends[0], &message, 0, SOON) == 2 && sley_recvmsg(ends[1], &message, 0, SOON) == 2);
	REQUIRE(sley_read(ends[1], bytes, 0, SOON) == 0 && sley_write(ends[0], bytes, 0, SOON) == 0);
	REQUIRE(sley_poll(ends[0], POLLOUT, SOON) == POLLOUT);
	REQUIRE(sley_shutdown(ends[0], SHUT_WR) == 0);
	mark(MARK_END);
}

static void files(void)
{
	int file = memfd_create("file", MFD_CLOEXEC), event = eventfd(3, 0), other[2];
	uint64_t count;
	off_t offset = 0;
	REQUIRE(write(file, bytes, sizeof(bytes)) == sizeof(bytes) && lseek(file, 0, SEEK_SET) == 0);
	REQUIRE(sley_pipe(ends) == 0 && pipe(other) == 0 && write(other[1], "xyz", 3) == 3);
	REQUIRE(sley_own(event) == 0);
	mark(MARK_BEGIN);
	REQUIRE(sley_write(ends[1], "abc", 3, SOON) == 3 && sley_read(ends[0], bytes, 3, SOON) == 3); /* an own pipe */
	REQUIRE(sley_read(event, &count, 8, SOON) == 8);
	REQUIRE(sley_read(other[0], bytes, 3, SOON) == 3); /* two: it is no socket */
	REQUIRE(sley_sendfile(ends[1], file, &offset, 100, SOON) == 100);
	REQUIRE(sley_splice(ends[0], NULL, other[1], NULL, 100, 0, SOON) == 100); /* the foreign one is asked */
	mark(MARK_END);
}

static void buffered(void)
{
	struct sley_reader r;
	struct sley_writer w;
	char *line;
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	REQUIRE(sley_reader_init(&r, ends[1], NULL, 0) == 0 && sley_writer_init(&w, ends[0], NULL, 0) == 0);
	mark(MARK_BEGIN);
	for (int i = 0; i < 100; i++)
		REQUIRE(sley_writer_print(&w, SOON, "line %d\n", i) > 0);
	REQUIRE(sley_writer_flush(&w, SOON) == 0);
	for (int i = 0; i < 100; i++)
		REQUIRE(sley_reader_line(&r, &line, NULL, SOON) == 1);
	mark(MARK_END);
}

static const struct one {
	const char *name;
	void (*run)(void);
	const char *expected;
} cases[] = {
	/* a TCP stream that gave less than was asked for is drained: it is waited for without another try */
	{ "tcp_echo", tcp_echo, "recv 10 send 10" },
	/* a Unix one may have stopped at a descriptor, a pipe at the bounds of a packet: tried once more */
	{ "unix_echo", unix_echo, "recv 20 send 10" },
	{ "foreign_echo", foreign_echo, "recv 20 send 10 epoll_ctl 10" },
	{ "pipe_echo", pipe_echo, "readv 20 writev 10" },
	{ "connection", connection, "recv 1 send 1 socket 1 connect 2 accept 1 getsockopt 2 setsockopt 1 close 2" },
	{ "ready", ready, "recv 2 send 2 recvmsg 2 sendmsg 2 poll 1 shutdown 1" },
	{ "files", files, "recv 1 readv 3 writev 1 sendfile 1 splice 1 fcntl 2 fstat 1" },
	{ "buffered", buffered, "recv 1 sendmsg 1" },
};

static int run_case(void *arg)
{
	((const struct one *)arg)->run();
	_exit(0);
}

static void traced(const char *name)
{
	const struct sley_options options = { .size = sizeof(options), .workers = 1 };
	int result;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (strcmp(cases[i].name, name) == 0)
			exit(sley_run(run_case, (void *)(uintptr_t)&cases[i], &options, &result));
	}
	exit(127);
}

/* ---- counting: in the tracing process ---- */

/* What is counted, in the order in which it is printed. Calls that do the same have one name. */
static const struct counted {
	const char *name;
	long number;
} counted[] = {
	{ "recv", SYS_recvfrom },
	{ "send", SYS_sendto },
	{ "recvmsg", SYS_recvmsg },
	{ "sendmsg", SYS_sendmsg },
	{ "readv", SYS_readv },
	{ "readv", SYS_preadv2 },
	{ "writev", SYS_writev },
	{ "writev", SYS_pwritev2 },
	{ "sendfile", SYS_sendfile },
	{ "splice", SYS_splice },
	{ "socket", SYS_socket },
	{ "connect", SYS_connect },
	{ "accept", SYS_accept4 },
	{ "getpeername", SYS_getpeername },
	{ "getsockopt", SYS_getsockopt },
	{ "setsockopt", SYS_setsockopt },
	{ "poll", SYS_ppoll },
	{ "fcntl", SYS_fcntl },
	{ "fstat", SYS_newfstatat },
	{ "fstat", SYS_fstat },
	{ "epoll_ctl", SYS_epoll_ctl },
	{ "shutdown", SYS_shutdown },
	{ "close", SYS_close },
#ifdef SYS_poll
	{ "poll", SYS_poll },
#endif
};

static unsigned counts[ARRAY_SIZE(counted)];

/* At a stop of the child: the number of the system call that it enters; its first argument is *arg. -1: no entry. */
static long entered(pid_t child, uint64_t *arg)
{
	struct ptrace_syscall_info info = { 0 };
	if (syscall(SYS_ptrace, PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) < 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return -1;
	*arg = info.entry.args[0];
	return (long)info.entry.nr;
}

static void count(long number)
{
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++) {
		if (counted[i].number == number)
			counts[i]++;
	}
}

/* Follows the child to its end: its status. */
static int follow(pid_t child)
{
	bool counting = false;
	int status, deliver = 0;
	uint64_t arg = 0;
	for (;;) {
		assert_int_equal(syscall(SYS_ptrace, PTRACE_SYSCALL, child, 0, deliver), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (!WIFSTOPPED(status))
			return status;
		deliver = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (deliver != 0)
			continue;
		long number = entered(child, &arg);
		if (number == SYS_getpgid && arg >> 8 == MARK)
			counting = arg == MARK_BEGIN;
		else if (counting && number >= 0)
			count(number);
	}
}

static void print_counts(char *text, size_t size)
{
	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++) {
		unsigned sum = 0;
		size_t used = strlen(text);
		for (size_t j = 0; j < ARRAY_SIZE(counted); j++) {
			if (strcmp(counted[j].name, counted[i].name) == 0) {
				sum += counts[j];
				counts[j] = 0;
			}
		}
		if (sum > 0)
			snprintf(text + used, size - used, "%s%s %u", used ? " " : "", counted[i].name, sum);
	}
}

static void check_case(const struct one *c)
{
	char text[500];
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) != 0)
			_exit(77);
		execl("/proc/self/exe", program_invocation_name, "--case", c->name, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("needs ptrace");
	assert_true(WIFSTOPPED(status));
	assert_int_equal(syscall(SYS_ptrace, PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL),
			 0);
	status = follow(child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	print_counts(text, sizeof(text));
	if (strcmp(text, c->expected) != 0)
		fail_msg("%s: %s, and not %s", c->name, text, c->expected);
}

/* Every case makes exactly the calls that it is documented to need. */
TEST(counts)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check_case(&cases[i]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--case") == 0)
		traced(argv[2]);
	return tests_main(NULL, NULL);
}
