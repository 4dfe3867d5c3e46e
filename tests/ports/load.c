/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * load ADDRESS PORT CONNECTIONS SECONDS PID: each connection asks keyd for a key, waits for the answer, asks again; on one
 * thread. Prints "requests/s, ns of the server's CPU a request, KiB of its memory, page tables included, KiB of kernel
 * stacks since the first connection, its threads". Ends with 1 at the first wrong answer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEYS   1000
#define VALUE  64
#define ANSWER 71 /* "$64\r\n", the value, "\r\n" */
#define EVENTS 512

static struct connection {
	int fd;
	unsigned key;
	size_t got;
	char answer[ANSWER + 1];
} * connections;

static int epoll;
static long server;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The number behind a word of a file of /proc. */
static long number_in(const char *path, const char *word)
{
	char line[256];
	long n = 0;
	FILE *file = fopen(path, "r");
	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, word, strlen(word)) == 0)
			n = atol(line + strlen(word));
	}
	fclose(file);
	return n;
}

static long server_status(const char *word)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/status", server);
	return number_in(path, word);
}

/* The server's CPU time in ns: of all threads, those that ended included. */
static double server_cpu(void)
{
	struct timespec time;
	clockid_t clock;
	if (clock_getcpuclockid((pid_t)server, &clock) != 0 || clock_gettime(clock, &time) != 0)
		die("the server's clock");
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void value_of(unsigned key, char value[VALUE + 1])
{
	snprintf(value, VALUE + 1, "%0*u", VALUE, key);
}

static void ask(struct connection *connection)
{
	char request[64];
	int n = snprintf(request, sizeof(request), "*2\r\n$3\r\nGET\r\n$8\r\nkey:%04u\r\n", connection->key);
	connection->got = 0;
	if (send(connection->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("send");
}

/* Returns whether the answer is whole. */
static int take(struct connection *connection)
{
	char wanted[ANSWER + 1], value[VALUE + 1];
	ssize_t n = recv(connection->fd, connection->answer + connection->got, ANSWER + 1 - connection->got, 0);
	if (n <= 0)
		die("recv");
	connection->got += (size_t)n;
	if (connection->got < ANSWER)
		return 0;
	value_of(connection->key, value);
	snprintf(wanted, sizeof(wanted), "$%d\r\n%s\r", VALUE, value);
	if (connection->got != ANSWER || memcmp(connection->answer, wanted, ANSWER - 1) != 0) {
		fprintf(stderr, "a wrong answer: %.*s\n", (int)connection->got, connection->answer);
		exit(1);
	}
	return 1;
}

static void set_keys(int fd)
{
	char request[256], value[VALUE + 1], answer[5];
	for (unsigned key = 0; key < KEYS; key++) {
		value_of(key, value);
		int n = snprintf(request, sizeof(request), "*3\r\n$3\r\nSET\r\n$8\r\nkey:%04u\r\n$%d\r\n%s\r\n", key,
				 VALUE, value);
		if (send(fd, request, (size_t)n, 0) != n || recv(fd, answer, 5, MSG_WAITALL) != 5 ||
		    memcmp(answer, "+OK\r\n", 5) != 0)
			die("SET");
	}
}

static void dial(struct connection *connection, const struct sockaddr_in *address)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	connection->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (connection->fd < 0 || connect(connection->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		die("connect");
	if (connection == connections)
		set_keys(connection->fd);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		die("epoll_ctl");
}

/* Runs until the time; returns the number of answers. */
static long run_until(double end)
{
	static struct epoll_event events[EVENTS];
	long answers = 0;
	while (now() < end) {
		int n = epoll_wait(epoll, events, EVENTS, 100);
		for (int i = 0; i < n; i++) {
			if (take(events[i].data.ptr)) {
				answers++;
				ask(events[i].data.ptr);
			}
		}
	}
	return answers;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct rlimit limit;
	if (argc != 6 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	unsigned n = (unsigned)atoi(argv[3]);
	double seconds = atof(argv[4]);
	server = atol(argv[5]);
	connections = calloc(n, sizeof(*connections));
	epoll = epoll_create1(0);
	if (!connections || epoll < 0)
		die("memory");
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	long stacks = number_in("/proc/meminfo", "KernelStack:");
	for (unsigned i = 0; i < n; i++) {
		connections[i].key = i % KEYS;
		dial(&connections[i], &address);
		ask(&connections[i]);
	}
	run_until(now() + seconds / 4 + (double)n / 20000); /* until all threads have run */
	double cpu = server_cpu(), start = now();
	long answers = run_until(start + seconds);
	double time = now() - start;
	cpu = server_cpu() - cpu;
	printf("%.0f %.0f %ld %ld %ld\n", (double)answers / time, cpu / (double)answers,
	       server_status("VmRSS:") + server_status("VmPTE:"), number_in("/proc/meminfo", "KernelStack:") - stacks,
	       server_status("Threads:"));
	return 0;
}
