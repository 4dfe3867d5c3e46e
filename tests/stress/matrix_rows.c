/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/stress/matrix_rows.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/stress/stress.h"

/* ---- tasks ---- */

static sley_task target;
static struct sley_chan *leave;

static void wait_to_leave(void *arg)
{
	REQUIRE(sley_chan_recv(leave, NULL, SLEY_NEVER) == 0);
}

static void join_reset(void)
{
	target = stress_spawn(wait_to_leave, NULL);
}

static void join_open(void)
{
	REQUIRE(sley_chan_new(&leave, 0, 1) == 0);
	join_reset();
}

static void join_ready(void)
{
	REQUIRE(sley_chan_send(leave, NULL, SLEY_NEVER) == 0);
	while (load(&stress_record(target)->state, relaxed) != SLEY_TASK_ENDED && /* or joined already */
	       load(&stress_record(target)->id, relaxed) == (uint64_t)target)
		sley_yield();
}

static int join_call(sley_time deadline)
{
	return sley_join(target, deadline);
}

static void join_end(void)
{
	join_ready();
	stress_join(target);
	REQUIRE(sley_chan_free(leave) == 0);
}

static void nothing(void)
{
}

static int sleep_call(sley_time deadline)
{
	int error = sley_sleep(deadline);

	return error == 0 ? -ETIMEDOUT : error; /* what is a deadline to others is its aim */
}

/* ---- mutex and group ---- */

static struct sley_mutex mutex;
static struct sley_group group;

static void mutex_hold(void)
{
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
}

static void mutex_ready(void)
{
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

static int mutex_call(sley_time deadline)
{
	int error = sley_mutex_lock(&mutex, deadline);

	if (error == 0)
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	return error;
}

static void group_more(void)
{
	REQUIRE(sley_group_add(&group, 1) == 0);
}

static void group_ready(void)
{
	REQUIRE(sley_group_done(&group) == 0);
}

static int group_call(sley_time deadline)
{
	return sley_group_wait(&group, deadline);
}

/* ---- the other ways to wait for each other ---- */

static struct sley_mutex state_mutex;
static struct sley_cond cond;
static struct sley_rwlock rwlock;
static struct sley_sem sem;
static bool state; /* protected by state_mutex */

static void cond_ready(void)
{
	REQUIRE(sley_mutex_lock(&state_mutex, SLEY_NEVER) == 0);
	state = true;
	REQUIRE(sley_cond_signal(&cond) == 0);
	REQUIRE(sley_mutex_unlock(&state_mutex) == 0);
}

static int cond_call(sley_time deadline)
{
	int error = 0;

	while (sley_mutex_trylock(&state_mutex) != 0) /* as cancelled tasks do not wait */
		sley_yield();
	while (!state && error == 0)
		error = sley_cond_wait(&cond, &state_mutex, deadline);
	state = false;
	REQUIRE(sley_mutex_unlock(&state_mutex) == 0);
	return error;
}

static void rw_ready(void)
{
	REQUIRE(sley_rwlock_unlock(&rwlock) == 0);
}

static void rdlock_hold(void)
{
	REQUIRE(sley_rwlock_wrlock(&rwlock, SLEY_NEVER) == 0);
}

static void wrlock_hold(void)
{
	REQUIRE(sley_rwlock_rdlock(&rwlock, SLEY_NEVER) == 0);
}

static int rdlock_call(sley_time deadline)
{
	int error = sley_rwlock_rdlock(&rwlock, deadline);

	if (error == 0)
		rw_ready();
	return error;
}

static int wrlock_call(sley_time deadline)
{
	int error = sley_rwlock_wrlock(&rwlock, deadline);

	if (error == 0)
		rw_ready();
	return error;
}

static void sem_ready(void)
{
	REQUIRE(sley_sem_release(&sem, 2) == 0);
}

static int sem_call(sley_time deadline)
{
	return sley_sem_acquire(&sem, 2, deadline);
}

/* Another task runs the function, until it may leave. */
static struct sley_once once;
static sley_task other_task;

static int run_once(void *arg)
{
	return sley_chan_recv(leave, NULL, SLEY_NEVER);
}

static void once_runner(void *arg)
{
	REQUIRE(sley_once(&once, run_once, NULL, SLEY_NEVER) == 0);
}

static void once_reset(void)
{
	once = (struct sley_once)SLEY_ONCE_INIT;
	other_task = stress_spawn(once_runner, NULL);
	while (load(&stress_record(other_task)->state, relaxed) != SLEY_TASK_WAITING)
		sley_yield();
}

static void once_open(void)
{
	REQUIRE(sley_chan_new(&leave, 0, 1) == 0);
	once_reset();
}

static void once_ready(void)
{
	REQUIRE(sley_chan_send(leave, NULL, SLEY_NEVER) == 0);
	stress_join(other_task);
}

static void once_end(void)
{
	once_ready();
	REQUIRE(sley_chan_free(leave) == 0);
}

static int once_call(sley_time deadline)
{
	return sley_once(&once, run_once, NULL, deadline);
}

static struct sley_barrier barrier = SLEY_BARRIER_INIT(2);

static void meet(void *arg)
{
	REQUIRE(sley_barrier_wait(&barrier, SLEY_NEVER) >= 0);
}

static void barrier_ready(void)
{
	other_task = stress_spawn(meet, NULL);
	for (;;) {
		unsigned now = load(&stress_record(other_task)->state, relaxed);
		if (now == SLEY_TASK_WAITING || now == SLEY_TASK_ENDED)
			return;
		sley_yield();
	}
}

static void barrier_reset(void)
{
	stress_join(other_task);
}

static int barrier_call(sley_time deadline)
{
	int answer = sley_barrier_wait(&barrier, deadline);

	return answer == SLEY_BARRIER_SERIAL ? 0 : answer;
}

static void scope_open(void)
{
	REQUIRE(sley_chan_new(&leave, 0, 1) == 0);
}

static void scope_end(void)
{
	REQUIRE(sley_chan_free(leave) == 0);
}

static void scope_ready(void)
{
	REQUIRE(sley_chan_send(leave, NULL, SLEY_NEVER) == 0);
}

static int scope_call(sley_time deadline)
{
	struct sley_scope *scope;
	int error = sley_scope_open(&scope, NULL);

	if (error)
		return error;
	sley_task child = sley_scope_spawn(scope, run_once, NULL);
	error = sley_scope_close(scope, deadline);
	return child < 0 ? (int)child : error;
}

/* ---- channels: small and large items ---- */

#define LARGE 200

static struct sley_chan *chan, *other;
static char item[LARGE];

static void chan_open_of(size_t size, bool full)
{
	memset(item, 7, sizeof(item));
	REQUIRE(sley_chan_new(&chan, size, 1) == 0 && sley_chan_new(&other, size, 0) == 0);
	if (full)
		REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
}

static void recv_open(void)
{
	chan_open_of(8, false);
}

static void recv_open_large(void)
{
	chan_open_of(LARGE, false);
}

static void send_open(void)
{
	chan_open_of(8, true);
}

static void send_open_large(void)
{
	chan_open_of(LARGE, true);
}

static void chan_end(void)
{
	REQUIRE(sley_chan_free(chan) == 0 && sley_chan_free(other) == 0);
}

static void chan_close(void)
{
	REQUIRE(sley_chan_close(chan) == 0);
}

static void recv_reopen(void)
{
	chan_end();
	recv_open();
}

static void recv_reopen_large(void)
{
	chan_end();
	recv_open_large();
}

static void send_reopen(void)
{
	chan_end();
	send_open();
}

static void send_reopen_large(void)
{
	chan_end();
	send_open_large();
}

static void recv_ready(void)
{
	REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
}

static void send_ready(void)
{
	char here[LARGE];

	REQUIRE(sley_chan_recv(chan, here, SLEY_NEVER) == 0);
	REQUIRE(here[0] == 7 && here[7] == 7);
}

static int recv_call(sley_time deadline)
{
	char here[LARGE] = { 0 };
	int error = sley_chan_recv(chan, here, deadline);

	REQUIRE(here[0] == (error ? 0 : 7));
	return error;
}

static int recv_call_large(sley_time deadline)
{
	char here[LARGE] = { 0 };
	int error = sley_chan_recv(chan, here, deadline);

	REQUIRE(here[0] == (error ? 0 : 7) && here[LARGE - 1] == here[0]);
	return error;
}

static int send_call(sley_time deadline)
{
	char here[LARGE];

	memset(here, 7, sizeof(here));
	return sley_chan_send(chan, here, deadline);
}

static int null_call(sley_time deadline)
{
	return sley_chan_recv(NULL, NULL, deadline);
}

static int select_recv_call(sley_time deadline)
{
	char here[2][LARGE];
	struct sley_case cases[] = { { .chan = other, .op = SLEY_RECV, .into = here[0] },
				     { .op = SLEY_SEND, .from = here[0] },
				     { .chan = chan, .op = SLEY_RECV, .into = here[1] } };
	int which = sley_select(cases, 3, deadline);

	if (which >= 0 && cases[which].error == 0)
		REQUIRE(here[1][0] == 7);
	return which >= 0 && cases[which].error ? cases[which].error : which;
}

static int select_send_call(sley_time deadline)
{
	char here[2][LARGE];
	struct sley_case cases[] = { { .chan = chan, .op = SLEY_SEND, .from = here[1] },
				     { .chan = other, .op = SLEY_RECV, .into = here[0] } };

	memset(here, 7, sizeof(here));
	int which = sley_select(cases, 2, deadline);
	return which >= 0 && cases[which].error ? cases[which].error : which;
}

static int select_none_call(sley_time deadline)
{
	return sley_select(NULL, 0, deadline);
}

/* ---- descriptors ---- */

static int ends[2];
static struct sockaddr_un address;

static void pair_open(void)
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
}

static void pair_end(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
	REQUIRE(close(ends[1]) == 0);
}

static void end_close(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
}

static void pair_reopen(void)
{
	REQUIRE(close(ends[1]) == 0);
	pair_open();
}

static void read_ready(void)
{
	REQUIRE(send(ends[1], "7", 1, MSG_DONTWAIT) == 1);
}

static int read_call(sley_time deadline)
{
	char here[16];
	ssize_t n = sley_read(ends[0], here, sizeof(here), deadline);

	REQUIRE(n < 0 || here[0] == '7');
	return (int)n;
}

static int poll_call(sley_time deadline)
{
	char here[16];
	int events = sley_poll(ends[0], POLLIN, deadline);

	if (events > 0)
		REQUIRE(recv(ends[0], here, sizeof(here), MSG_DONTWAIT) == 1);
	return events;
}

static void write_fill(void)
{
	while (send(ends[0], item, sizeof(item), MSG_DONTWAIT) > 0)
		continue;
}

static void write_open(void)
{
	pair_open();
	write_fill();
}

static void write_reopen(void)
{
	REQUIRE(close(ends[1]) == 0);
	write_open();
}

static void write_ready(void)
{
	char here[4096];

	while (recv(ends[1], here, sizeof(here), MSG_DONTWAIT) > 0)
		continue;
}

static int write_call(sley_time deadline)
{
	return (int)sley_write(ends[0], "7", 1, deadline);
}

static int connected;

static void accept_open(void)
{
	char text[128];
	static unsigned number;

	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/sley-matrix-%d-%u", (int)getpid(), number++);
	snprintf(text, sizeof(text), "unix:%s", address.sun_path);
	ends[0] = sley_listen(text, 0);
	REQUIRE(ends[0] >= 0);
}

static void accept_end(void)
{
	REQUIRE(unlink(address.sun_path) == 0);
	REQUIRE(sley_close(ends[0]) == 0);
}

static void accept_close(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
	REQUIRE(unlink(address.sun_path) == 0);
}

static void accept_ready(void)
{
	connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connected >= 0 && connect(connected, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static int accept_call(sley_time deadline)
{
	int fd = sley_accept(ends[0], deadline);

	if (fd < 0)
		return fd;
	REQUIRE(sley_close(fd) == 0 && close(connected) == 0);
	return 0;
}

/* ---- the other calls on descriptors ---- */

static int readv_call(sley_time deadline)
{
	char here[2][8];
	struct iovec parts[] = { { here[0], 0 }, { here[1], 8 } };

	return (int)sley_readv(ends[0], parts, 2, deadline);
}

static int recv_bytes_call(sley_time deadline)
{
	char here[8];

	return (int)sley_recv(ends[0], here, sizeof(here), 0, deadline);
}

static int recvmsg_call(sley_time deadline)
{
	char here[8], control[64];
	struct iovec part = { here, sizeof(here) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};

	return (int)sley_recvmsg(ends[0], &message, 0, deadline);
}

static int reader_call(sley_time deadline)
{
	char buffer[64];
	const char *bytes;
	struct sley_reader reader;

	REQUIRE(sley_reader_init(&reader, ends[0], buffer, sizeof(buffer)) == 0);
	int n = (int)sley_reader_until(&reader, '7', &bytes, deadline);
	sley_reader_fini(&reader);
	return n;
}

static int writev_call(sley_time deadline)
{
	struct iovec part = { (char[]){ '7' }, 1 };

	return (int)sley_writev(ends[0], &part, 1, deadline);
}

static int send_bytes_call(sley_time deadline)
{
	return (int)sley_send(ends[0], "7", 1, 0, deadline);
}

static int sendmsg_call(sley_time deadline)
{
	struct iovec part = { (char[]){ '7' }, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	return (int)sley_sendmsg(ends[0], &message, 0, deadline);
}

static void packet_open(void)
{
	REQUIRE(sley_socketpair(SOCK_DGRAM, ends) == 0);
}

static void packet_end(void)
{
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

static void packet_reopen(void)
{
	REQUIRE(sley_close(ends[1]) == 0);
	packet_open();
}

static int recvfrom_call(sley_time deadline)
{
	char here[8];
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);

	return (int)sley_recvfrom(ends[0], here, sizeof(here), 0, (struct sockaddr *)&from, &size, deadline);
}

/* ---- futures ---- */

static struct sley_promise *promise;
static struct sley_future *future;

static void await_open(void)
{
	REQUIRE(sley_promise_new(&promise, &future, LARGE) == 0);
}

static void await_end(void)
{
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

static void await_ready(void)
{
	char value[LARGE];

	memset(value, 7, sizeof(value));
	REQUIRE(sley_promise_resolve(promise, value) == 0);
}

static void await_reset(void)
{
	await_end();
	await_open();
}

/* The promise is broken. */
static void await_close(void)
{
	REQUIRE(sley_promise_free(promise) == 0);
	promise = NULL;
}

static int await_call(sley_time deadline)
{
	char value[LARGE] = { 0 };
	int error = sley_await(future, value, deadline);

	REQUIRE(value[0] == (error ? 0 : 7) && value[LARGE - 1] == value[0]);
	return error;
}

/* ---- generators: one that waits at a gate for each item ---- */

static struct sley_gen *gen;
static struct sley_chan *gen_gate;
static sley_task gen_body; /* atomic */

static int gen_main(void *arg)
{
	char value[LARGE];
	int error = 0;

	store(&gen_body, sley_self(), release);
	memset(value, 7, sizeof(value));
	while (error == 0 && (error = sley_chan_recv(gen_gate, NULL, SLEY_NEVER)) == 0)
		error = sley_gen_yield(value);
	return error;
}

/* Sends it to its gate. */
static void gen_reset(void)
{
	REQUIRE(sley_gen_next(gen, NULL, 0) == -ETIMEDOUT);
}

static void gen_open(void)
{
	store(&gen_body, 0, relaxed);
	REQUIRE(sley_chan_new(&gen_gate, 0, 1) == 0);
	REQUIRE(sley_gen_new(&gen, gen_main, NULL, 0, LARGE) == 0);
	gen_reset();
}

static void gen_end(void)
{
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0 && sley_chan_free(gen_gate) == 0);
}

/* Its item is there, or taken by who waits for it. */
static void gen_ready(void)
{
	sley_task body;

	REQUIRE(sley_chan_send(gen_gate, NULL, SLEY_NEVER) == 0);
	while ((body = load(&gen_body, acquire)) == 0 ||
	       load(&stress_record(body)->state, relaxed) != SLEY_TASK_WAITING ||
	       load(&stress_record(body)->wait_kind, relaxed) != SLEY_WAIT_GENERATOR)
		sley_yield();
}

static int gen_call(sley_time deadline)
{
	char value[LARGE] = { 0 };
	int error = sley_gen_next(gen, value, deadline);

	REQUIRE(value[0] == (error ? 0 : 7) && value[LARGE - 1] == value[0]);
	return error;
}

/* ---- streams ---- */

static struct sley_stream *stream;

static int add_one(void *arg, const void *from, void *to)
{
	*(uint64_t *)to = *(const uint64_t *)from + 1;
	return 0;
}

static void stream_open(void)
{
	recv_open();
	REQUIRE(sley_stream_from_chan(&stream, chan) == 0);
	REQUIRE(sley_stream_map(stream, add_one, NULL, 0, sizeof(uint64_t)) == 0);
}

static void stream_end(void)
{
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
	chan_end();
}

static void stream_reopen(void)
{
	stream_end();
	stream_open();
}

static int stream_call(sley_time deadline)
{
	uint64_t value = 0;
	int error = sley_stream_next(stream, &value, deadline);

	REQUIRE(value == (error ? 0 : 0x0707070707070708));
	return error;
}

/* ---- monitors ---- */

static struct sley_monitor *monitor;
static sley_task watched;

static void watched_main(void *arg)
{
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
}

static void watch(void)
{
	group_more();
	watched = sley_spawn(watched_main, NULL);
	REQUIRE(sley_monitor_add(monitor, watched) == 0);
}

static void monitor_open(void)
{
	REQUIRE(sley_monitor_new(&monitor) == 0);
	watch();
}

/* The message is there when the task has been joined. */
static void monitor_ready(void)
{
	group_ready();
	REQUIRE(sley_join(watched, SLEY_NEVER) == 0);
}

static void monitor_end(void)
{
	monitor_ready();
	REQUIRE(sley_monitor_free(monitor) == 0);
}

static int monitor_call(sley_time deadline)
{
	struct sley_end end;
	int error = sley_monitor_wait(monitor, &end, deadline);

	REQUIRE(error || (end.task == watched && end.reason == SLEY_END_RETURNED));
	return error;
}

/* ---- offload ---- */

/* Each call has a gate of its own, which its function waits at; also one that was given up, so it is opened then. */
static unsigned gates[1 << 16]; /* atomic */
static unsigned gate;

static void pass_gate(void *block)
{
	while (!load(*(unsigned **)block, acquire))
		usleep(100);
}

static void offload_open(void)
{
	memset(gates, 0, sizeof(gates));
	gate = 0;
}

static void offload_ready(void)
{
	store(&gates[gate], 1, release);
}

static int offload_call(sley_time deadline)
{
	unsigned *mine = &gates[gate];
	int error = sley_offload(pass_gate, &mine, sizeof(mine), deadline);

	store(mine, 1, release);
	gate++;
	return error;
}

const struct matrix_row matrix_rows[] = {
	{ "join", SLEY_WAIT_JOIN, join_open, join_end, join_call, join_ready, join_reset, .in_thread = -EDEADLK },
	{ "sleep", SLEY_WAIT_SLEEP, nothing, nothing, sleep_call, .in_thread = -EDEADLK },
	{ "mutex_lock", SLEY_WAIT_MUTEX, mutex_hold, mutex_ready, mutex_call, mutex_ready, mutex_hold },
	{ "group_wait", SLEY_WAIT_GROUP, group_more, group_ready, group_call, group_ready, group_more },
	{ "cond_wait", SLEY_WAIT_COND, nothing, nothing, cond_call, cond_ready },
	{ "rwlock_rdlock", SLEY_WAIT_RDLOCK, rdlock_hold, rw_ready, rdlock_call, rw_ready, rdlock_hold },
	{ "rwlock_wrlock", SLEY_WAIT_WRLOCK, wrlock_hold, rw_ready, wrlock_call, rw_ready, wrlock_hold },
	{ "sem_acquire", SLEY_WAIT_SEM, nothing, nothing, sem_call, sem_ready },
	{ "once", SLEY_WAIT_ONCE, once_open, once_end, once_call, once_ready, once_reset },
	{ "barrier_wait", SLEY_WAIT_BARRIER, nothing, nothing, barrier_call, barrier_ready, barrier_reset },
	{ "scope_close", SLEY_WAIT_SCOPE, scope_open, scope_end, scope_call, scope_ready, .in_thread = -EDEADLK,
	  .always_waits = true },
	{ "chan_recv", SLEY_WAIT_RECV, recv_open, chan_end, recv_call, recv_ready, NULL, chan_close, recv_reopen,
	  .closed = -EPIPE },
	{ "chan_recv, large", SLEY_WAIT_RECV, recv_open_large, chan_end, recv_call_large, recv_ready, NULL, chan_close,
	  recv_reopen_large, .closed = -EPIPE },
	{ "chan_send", SLEY_WAIT_SEND, send_open, chan_end, send_call, send_ready, NULL, chan_close, send_reopen,
	  .closed = -EPIPE },
	{ "chan_send, large", SLEY_WAIT_SEND, send_open_large, chan_end, send_call, send_ready, NULL, chan_close,
	  send_reopen_large, .closed = -EPIPE },
	{ "chan_recv, null", SLEY_WAIT_RECV, nothing, nothing, null_call },
	{ "select, receiving", SLEY_WAIT_SELECT, recv_open, chan_end, select_recv_call, recv_ready, NULL, chan_close,
	  recv_reopen, .done = 2, .closed = -EPIPE },
	{ "select, sending large", SLEY_WAIT_SELECT, send_open_large, chan_end, select_send_call, send_ready, NULL,
	  chan_close, send_reopen_large, .done = 0, .closed = -EPIPE },
	{ "select, nothing", SLEY_WAIT_SELECT, nothing, nothing, select_none_call },
	{ "read", SLEY_WAIT_READ, pair_open, pair_end, read_call, read_ready, NULL, end_close, pair_reopen, .done = 1,
	  .closed = -EBADF, .in_thread = -EDEADLK },
	{ "poll", SLEY_WAIT_POLL, pair_open, pair_end, poll_call, read_ready, NULL, end_close, pair_reopen,
	  .done = POLLIN, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "write", SLEY_WAIT_WRITE, write_open, pair_end, write_call, write_ready, write_fill, end_close, write_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "accept", SLEY_WAIT_ACCEPT, accept_open, accept_end, accept_call, accept_ready, NULL, accept_close,
	  accept_open, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "readv", SLEY_WAIT_READ, pair_open, pair_end, readv_call, read_ready, NULL, end_close, pair_reopen, .done = 1,
	  .closed = -EBADF, .in_thread = -EDEADLK },
	{ "recv", SLEY_WAIT_READ, pair_open, pair_end, recv_bytes_call, read_ready, NULL, end_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "recvmsg", SLEY_WAIT_READ, pair_open, pair_end, recvmsg_call, read_ready, NULL, end_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "reader_until", SLEY_WAIT_READ, pair_open, pair_end, reader_call, read_ready, NULL, end_close, pair_reopen,
	  .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "writev", SLEY_WAIT_WRITE, write_open, pair_end, writev_call, write_ready, write_fill, end_close,
	  write_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "send", SLEY_WAIT_WRITE, write_open, pair_end, send_bytes_call, write_ready, write_fill, end_close,
	  write_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "sendmsg", SLEY_WAIT_WRITE, write_open, pair_end, sendmsg_call, write_ready, write_fill, end_close,
	  write_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "recvfrom, datagrams", SLEY_WAIT_READ, packet_open, packet_end, recvfrom_call, read_ready, NULL, end_close,
	  packet_reopen, .done = 1, .closed = -EBADF, .in_thread = -EDEADLK },
	{ "await", SLEY_WAIT_FUTURE, await_open, await_end, await_call, await_ready, await_reset, await_close,
	  await_reset, .closed = -EOWNERDEAD },
	{ "gen_next", SLEY_WAIT_GENERATOR, gen_open, gen_end, gen_call, gen_ready, gen_reset },
	{ "stream_next", SLEY_WAIT_RECV, stream_open, stream_end, stream_call, recv_ready, NULL, chan_close,
	  stream_reopen, .closed = SLEY_END },
	{ "monitor_wait", SLEY_WAIT_MONITOR, monitor_open, monitor_end, monitor_call, monitor_ready, watch },
	{ "offload", SLEY_WAIT_OFFLOAD, offload_open, nothing, offload_call, offload_ready, .in_thread = -EDEADLK,
	  .always_waits = true },
	{ NULL },
};
