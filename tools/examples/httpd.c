/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * httpd PORT [options]: an HTTP/1.1 server on 127.0.0.1:PORT with one task per connection. It is the service of
 * `make demo`, and has a mistake in it that asynctop is to find: see append_line().
 *
 *	GET /               hello
 *	GET /sleep?ms=N     answers after N milliseconds (up to 60,000); only its own task waits
 *	GET /log            appends a line to the log and makes it durable, the wrong way
 *	GET /hash?mb=N      hashes N MiB (up to 1,024): keeps its thread computing
 *
 * A connection's task reads a request, answers it, and so on: keep-alive and pipelining are nothing but that loop. An
 * idle connection is closed after a time, a request that does not arrive whole in time is answered 408, and what the
 * parser refuses is answered with its status; after each of these the connection is closed.
 *
 * SIGTERM (or SIGINT): the listener is closed, idle connections are closed, requests under way are answered with
 * `Connection: close`, for as long as --drain allows. Exit code: 0; 1: it cannot serve, and why; 2: usage.
 */
#include "exchange.h"
#include "http_text.h"

#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <sley.h>

/* A connection's place in the table. fd and next_free are protected by table.lock. */
struct connection {
	int fd;           /* -1: the place is free */
	atomic_bool idle; /* waits for the next request: may be ended at once */
	struct connection *next_free;
};

static struct {
	char address[32];
	unsigned workers;
	unsigned max_connections;
	struct exchange_times times;
	sley_time drain; /* a duration */
	const char *log_path;
	sigset_t signals;
} option = {
	.max_connections = 10000,
	.times = { .idle = SLEY_SEC(60), .request = SLEY_SEC(10) },
	.drain = SLEY_SEC(10),
};

static struct {
	struct sley_mutex lock;
	struct connection *all, *free;
} table;

static struct sley_group connections; /* that are open */
static atomic_bool stopping;
static int log_file = -1;

/* ---- what it serves ---- */

static void serve_hello(struct exchange *x)
{
	exchange_respond(x, 200, "hello from sley");
}

static void serve_sleep(struct exchange *x)
{
	uint64_t ms;
	if (text_query_number(x->parser.query, "ms", 60000, &ms)) {
		exchange_respond(x, 400, "/sleep?ms=N with N up to 60000");
		return;
	}
	exchange_flush(x);
	sley_sleep(sley_in(SLEY_MS(ms)));
	exchange_respond(x, 200, "slept");
}

/*
 * The planted mistake. fsync() waits for the disk in the kernel, so the thread waits, and with it every task that is
 * queued on that worker: a request for / behind it takes as long as the disk. Nothing in the source of this function
 * looks slow; asynctop names the line.
 */
__attribute__((noinline)) static int append_line(const char *query)
{
	char line[HTTP_TARGET_MAX + 64];
	int n = snprintf(line, sizeof(line), "%lld GET /log?%s\n", (long long)time(NULL), query);
	int failed = write(log_file, line, (size_t)n) != n;
	if (!failed)
		failed = fsync(log_file) != 0;
	return failed ? -EIO : 0;
}

static void serve_log(struct exchange *x)
{
	if (log_file < 0)
		exchange_respond(x, 404, "There is no log: start httpd with --log FILE");
	else if (append_line(x->parser.query))
		exchange_respond(x, 500, "The log cannot be written");
	else
		exchange_respond(x, 200, "logged");
}

/* Eight bytes at a time: some tenths of a millisecond for a MiB. */
__attribute__((noinline)) static uint64_t hash(uint64_t mib)
{
	uint64_t state = 0xcbf29ce484222325ULL;
	for (uint64_t i = 0; i < mib << 17; i++) {
		state = (state ^ i) * 0x9e3779b97f4a7c15ULL;
		state ^= state >> 29;
	}
	return state;
}

static void serve_hash(struct exchange *x)
{
	char text[32];
	uint64_t mib;
	if (text_query_number(x->parser.query, "mb", 1024, &mib)) {
		exchange_respond(x, 400, "/hash?mb=N with N up to 1024");
		return;
	}
	exchange_flush(x);
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash(mib));
	exchange_respond(x, 200, text);
}

static const struct route {
	const char *path;
	const char *task_name; /* what asynctop shows, until the connection's next request */
	void (*serve)(struct exchange *);
} routes[] = {
	{ "/", "GET /", serve_hello },
	{ "/sleep", "GET /sleep", serve_sleep },
	{ "/log", "GET /log", serve_log },
	{ "/hash", "GET /hash", serve_hash },
};

static const struct route *find_route(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

/* ---- one connection: requests ---- */

static bool is_method_served(enum http_method method)
{
	return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD;
}

static bool is_served(const struct http_parser *p)
{
	return is_method_served(p->method) && find_route(p->path);
}

static void answer(struct exchange *x)
{
	const struct route *route = find_route(x->parser.path);
	x->closing |= !x->parser.keep_alive;
	if (x->parser.method == HTTP_METHOD_UNKNOWN) {
		exchange_respond(x, 501, "This method is not implemented");
	} else if (!route) {
		exchange_respond(x, 404, "There is no such thing here");
	} else if (!is_method_served(x->parser.method)) {
		exchange_respond(x, 405, "Only GET and HEAD");
	} else {
		sley_set_name(route->task_name);
		route->serve(x);
	}
}

static void close_connection(struct connection *c)
{
	int fd = c->fd;
	sley_mutex_lock(&table.lock, SLEY_NEVER);
	c->fd = -1;
	c->next_free = table.free;
	table.free = c;
	sley_mutex_unlock(&table.lock);
	sley_close(fd);
	sley_group_done(&connections);
}

static void serve_connection(void *arg)
{
	struct connection *c = arg;
	struct exchange x = {
		.fd = c->fd,
		.times = &option.times,
		.idle = &c->idle,
		.stopping = &stopping,
		.is_served = is_served,
	};
	while (exchange_read(&x))
		answer(&x);
	exchange_flush(&x);
	exchange_linger(&x);
	close_connection(c);
}

/* ---- all connections ---- */

/* A free place of the table, filled; null: there is none. */
static struct connection *open_connection(int fd)
{
	struct connection *c;
	sley_mutex_lock(&table.lock, SLEY_NEVER);
	c = table.free;
	if (c) {
		table.free = c->next_free;
		c->fd = fd;
		atomic_store_explicit(&c->idle, false, memory_order_relaxed); /* the lock publishes it */
	}
	sley_mutex_unlock(&table.lock);
	return c;
}

static void turn_away(int fd)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n"
				   "Content-Length: 0\r\n\r\n";
	sley_write(fd, text, sizeof(text) - 1, sley_in(SLEY_MS(10)));
	sley_close(fd);
}

static void take_connection(int fd)
{
	struct connection *c = open_connection(fd);
	if (!c) {
		turn_away(fd);
		return;
	}
	sley_group_add(&connections, 1);
	if (sley_go(serve_connection, c) < 0)
		close_connection(c);
}

/* Without descriptors or memory newcomers wait in the kernel's queue, and the others are served. */
static void accept_connections(void *arg)
{
	int listener = (int)(intptr_t)arg, fd, told = 0;
	sley_set_name("accept");
	while ((fd = sley_accept(listener, SLEY_NEVER)) != -EBADF) {
		if (fd >= 0) {
			take_connection(fd);
			told = 0;
			continue;
		}
		if (fd != told)
			fprintf(stderr, "httpd: accept: %s; connections wait\n", strerror(-fd));
		told = fd;
		sley_sleep(sley_in(SLEY_MS(20)));
	}
}

/* Ends what is idle, waits for the rest. The lock keeps the descriptors from being closed and reused meanwhile. */
static void stop(void)
{
	atomic_store(&stopping, true);
	sley_mutex_lock(&table.lock, SLEY_NEVER);
	for (unsigned i = 0; i < option.max_connections; i++)
		if (table.all[i].fd >= 0 && atomic_load(&table.all[i].idle))
			shutdown(table.all[i].fd, SHUT_RD);
	sley_mutex_unlock(&table.lock);
	if (sley_group_wait(&connections, sley_in(option.drain)))
		fprintf(stderr, "httpd: some requests were not done within the time to drain, and are given up\n");
}

/* ---- start ---- */

static int fail(const char *what, int error)
{
	fprintf(stderr, "httpd: %s: %s\n", what, strerror(error));
	return 1;
}

static int listen_failed(int error)
{
	if (error != EADDRINUSE)
		return fail(option.address, error);
	fprintf(stderr,
		"httpd: %s is in use: end the process that has it (`ss -ltnp` shows it), or take another port "
		"(0: any that is free)\n",
		option.address);
	return 1;
}

static void print_address(int listener)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("httpd: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

static int make_table(void)
{
	table.all = calloc(option.max_connections, sizeof(*table.all));
	for (unsigned i = 0; table.all && i < option.max_connections; i++) {
		table.all[i].fd = -1;
		table.all[i].next_free = table.free;
		table.free = &table.all[i];
	}
	return table.all ? 0 : -ENOMEM;
}

/* The main task. */
static int serve(void *arg)
{
	int signals = signalfd(-1, &option.signals, SFD_NONBLOCK | SFD_CLOEXEC), listener;
	struct signalfd_siginfo signal;
	sley_task acceptor;
	(void)arg;
	if (signals < 0)
		return fail("signalfd", errno);
	listener = sley_listen(option.address, 0);
	if (listener < 0)
		return listen_failed(-listener);
	exchange_write_date();
	acceptor = sley_spawn(accept_connections, (void *)(intptr_t)listener);
	if (acceptor < 0 || sley_go(exchange_keep_date, NULL) < 0)
		return fail("spawn", ENOMEM);
	print_address(listener);
	sley_read(signals, &signal, sizeof(signal), SLEY_NEVER);
	sley_close(listener);
	sley_join(acceptor, SLEY_NEVER);
	stop();
	return 0;
}

__attribute__((noreturn)) static void usage(void)
{
	fputs("usage: httpd PORT [-w WORKERS] [--log FILE] [--max-connections N] [--idle MS] [--request MS] [--drain MS]\n"
	      "  PORT               on 127.0.0.1; 0: any that is free\n"
	      "  -w N               threads (default: as many as there are CPUs)\n"
	      "  --log FILE         where /log appends\n"
	      "  --max-connections  more are answered 503 (10000)\n"
	      "  --idle MS          closes connections that wait so long for a request (60000)\n"
	      "  --request MS       a request must be complete, and an answer taken, in this time (10000)\n"
	      "  --drain MS         how long SIGTERM waits for requests under way (10000)\n",
	      stderr);
	exit(2);
}

static long number(const char *text, long low, long high)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < low || value > high)
		usage();
	return value;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "log", required_argument, NULL, 'l' },   { "max-connections", required_argument, NULL, 'c' },
		{ "idle", required_argument, NULL, 'i' },  { "request", required_argument, NULL, 'r' },
		{ "drain", required_argument, NULL, 'd' }, { 0 },
	};
	int o;
	while ((o = getopt_long(argc, argv, "w:", longs, NULL)) != -1) {
		switch (o) {
		case 'w':
			option.workers = (unsigned)number(optarg, 1, 256);
			break;
		case 'l':
			option.log_path = optarg;
			break;
		case 'c':
			option.max_connections = (unsigned)number(optarg, 1, 1000000);
			break;
		case 'i':
			option.times.idle = SLEY_MS(number(optarg, 1, 86400000));
			break;
		case 'r':
			option.times.request = SLEY_MS(number(optarg, 1, 86400000));
			break;
		case 'd':
			option.drain = SLEY_MS(number(optarg, 0, 86400000));
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1)
		usage();
	snprintf(option.address, sizeof(option.address), "127.0.0.1:%ld", number(argv[optind], 0, 65535));
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "httpd" };
	int error, result;
	parse(argc, argv);
	options.workers = option.workers;
	if (option.log_path) {
		log_file = open(option.log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (log_file < 0)
			return fail(option.log_path, errno);
	}
	if (make_table())
		return fail("memory", ENOMEM);
	sigemptyset(&option.signals);
	sigaddset(&option.signals, SIGTERM);
	sigaddset(&option.signals, SIGINT);
	sigprocmask(SIG_BLOCK, &option.signals, NULL);

	error = sley_run(serve, NULL, &options, &result);
	return error ? fail("sley_run", -error) : result;
}
