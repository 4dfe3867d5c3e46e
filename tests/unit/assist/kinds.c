/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * All workers are in calls of one kind that block, and a task that is queued behind them runs: it is what lets the calls
 * end. Each kind with each source, and with none. (Those that need a file system of their own are in tests/bpf/assist.c.)
 */
#include "tests/unit/assist/kind.h"
#include "tests/unit/assist/sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <nss.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"

/* ---- nanosleep ---- */

static struct {
	unsigned n;
	pid_t threads[KIND_MOST]; /* atomic; 0: it does not sleep */
	struct sigaction old;
} sleepers;

static void ignore(int unused)
{
}

static void sleep_open(unsigned n)
{
	const struct sigaction action = { .sa_handler = ignore };
	sleepers.n = n;
	REQUIRE(sigaction(SIGUSR1, &action, &sleepers.old) == 0);
}

static void sleep_close(void)
{
	REQUIRE(sigaction(SIGUSR1, &sleepers.old, NULL) == 0);
}

static void sleep_block(unsigned i)
{
	const struct timespec long_time = { .tv_sec = 3600 };
	store(&sleepers.threads[i], (pid_t)syscall(SYS_gettid), release);
	REQUIRE(nanosleep(&long_time, NULL) == -1 && errno == EINTR);
	store(&sleepers.threads[i], 0, release);
}

/* A signal that comes before the call ends nothing, and the next one does. */
static void sleep_end(void)
{
	for (unsigned i = 0; i < sleepers.n; i++) {
		pid_t thread = load(&sleepers.threads[i], acquire);
		if (thread)
			REQUIRE(syscall(SYS_tgkill, getpid(), thread, SIGUSR1) == 0);
	}
}

static const struct kind nanosleeps = { sleep_open, sleep_close, sleep_block, sleep_end };
KIND_TESTS(nanosleeps)

/* ---- a file of the test's own, which is a FIFO or not ---- */

static struct {
	char path[40];
	int other; /* a descriptor of a plain thread */
} file;

static void file_path(void)
{
	strcpy(file.path, "/tmp/sley-kinds-XXXXXX");
	REQUIRE(mkdtemp(file.path) != NULL);
	strcat(file.path, "/file");
	file.other = -1;
}

static void file_close(void)
{
	REQUIRE(close(file.other) == 0 && unlink(file.path) == 0);
	*strrchr(file.path, '/') = '\0';
	REQUIRE(rmdir(file.path) == 0);
}

static void fifo_open(unsigned n)
{
	file_path();
	REQUIRE(mkfifo(file.path, 0600) == 0);
}

static void fifo_block(unsigned i)
{
	int fd = open(file.path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && close(fd) == 0);
}

/* The descriptor is a writer. This open() does not block. */
static void fifo_end(void)
{
	if (file.other < 0)
		REQUIRE((file.other = open(file.path, O_RDWR | O_CLOEXEC)) >= 0);
}

static const struct kind fifos = { fifo_open, file_close, fifo_block, fifo_end };
KIND_TESTS(fifos)

/* ---- flock ---- */

static void flock_open(unsigned n)
{
	file_path();
	file.other = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(file.other >= 0 && flock(file.other, LOCK_EX) == 0);
}

static void flock_block(unsigned i)
{
	int fd = open(file.path, O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0 && flock(fd, LOCK_EX) == 0 && close(fd) == 0);
}

static void flock_end(void)
{
	REQUIRE(flock(file.other, LOCK_UN) == 0);
}

static const struct kind flocks = { flock_open, file_close, flock_block, flock_end };
KIND_TESTS(flocks)

/* ---- a mutex of libc ---- */

static struct {
	pthread_mutex_t mutex;
	pthread_t holder;
	unsigned held, give_up; /* atomic */
} lock = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void *mutex_hold(void *unused)
{
	REQUIRE(pthread_mutex_lock(&lock.mutex) == 0);
	store(&lock.held, 1, release);
	while (!load(&lock.give_up, acquire))
		usleep(1000);
	REQUIRE(pthread_mutex_unlock(&lock.mutex) == 0);
	return NULL;
}

static void mutex_open(unsigned n)
{
	lock.held = lock.give_up = 0;
	REQUIRE(pthread_create(&lock.holder, NULL, mutex_hold, NULL) == 0);
	while (!load(&lock.held, acquire))
		usleep(1000);
}

static void mutex_block(unsigned i)
{
	REQUIRE(pthread_mutex_lock(&lock.mutex) == 0 && pthread_mutex_unlock(&lock.mutex) == 0);
}

static void mutex_end(void)
{
	store(&lock.give_up, 1, release);
}

static void mutex_close(void)
{
	REQUIRE(pthread_join(lock.holder, NULL) == 0);
}

static const struct kind mutexes = { mutex_open, mutex_close, mutex_block, mutex_end };
KIND_TESTS(mutexes)

/* ---- a resolver ---- */

static struct {
	int server;
	struct sockaddr_in address;
	pthread_mutex_t mutex; /* ThreadSanitizer does not see the lock that libc has for the state's parts in common */
} resolver = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* A server that does not answer. This process asks it alone, whatever the system's files say. */
static void resolver_open(unsigned n)
{
	socklen_t size = sizeof(resolver.address);
	resolver.address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	resolver.server = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	REQUIRE(resolver.server >= 0 && bind(resolver.server, (void *)&resolver.address, size) == 0);
	REQUIRE(getsockname(resolver.server, (void *)&resolver.address, &size) == 0);
	REQUIRE(__nss_configure_lookup("hosts", "dns") == 0);
}

static void resolver_close(void)
{
	REQUIRE(close(resolver.server) == 0);
}

/* The resolver's state is the thread's. */
static void resolver_prepare(void)
{
	REQUIRE(pthread_mutex_lock(&resolver.mutex) == 0);
	REQUIRE(res_ninit(&_res) == 0);
	REQUIRE(pthread_mutex_unlock(&resolver.mutex) == 0);
	_res.nscount = 1;
	_res.nsaddr_list[0] = resolver.address;
	_res.retrans = RES_MAXRETRANS;
	_res.retry = 1;
}

/* EAI_NONAME is the server's answer; without an answer the error is another one. */
static void resolver_block(unsigned i)
{
	struct addrinfo *list;
	resolver_prepare();
	REQUIRE(getaddrinfo("sley.example.", NULL, NULL, &list) == EAI_NONAME);
	REQUIRE(pthread_mutex_lock(&resolver.mutex) == 0);
	res_nclose(&_res);
	REQUIRE(pthread_mutex_unlock(&resolver.mutex) == 0);
}

static void resolver_end(void)
{
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	char query[512];
	ssize_t n = recvfrom(resolver.server, query, sizeof(query), 0, (void *)&from, &size);
	if (n < (ssize_t)sizeof(HEADER))
		return;
	HEADER *header = (void *)query;
	header->qr = header->ra = 1;
	header->rcode = NXDOMAIN;
	REQUIRE(sendto(resolver.server, query, (size_t)n, 0, (void *)&from, size) == n);
}

static const struct kind resolvers = { resolver_open, resolver_close, resolver_block, resolver_end };
KIND_TESTS(resolvers)
