/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * bench-load: a closed-loop load generator on one thread: each connection sends a request, waits for its answer, sends
 * the next. It speaks echo (and compares what comes back) or HTTP/1.1 (GET on a mix of paths), only to 127.0.0.0/8.
 *
 * Latency is from the send to the last byte of the answer, so in a closed loop it includes the queueing that the load
 * itself makes: figures compare servers under the same load, they do not predict a service's.
 *
 * With --rounds the work is bounded, and so can be counted: each connection sends one request, and when all are answered, the
 * next, so many times.
 *
 * It prints "key value" lines. With --mix, the plain keys are those of the main path alone, and each path of the mix has its own,
 * "/path.key". With --block likewise, and the requests that are to block have "B.key". Exit code: 0; 1: it could not run, or
 * no request was answered; 2: usage. Errors (refused, closed, wrong answers, other statuses than 200) are counted, and the
 * connection is given up.
 */
#include "histogram.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS      512
#define HEAD_MAX    512 /* of an HTTP answer */
#define PATHS       9   /* the main one, and those of the mix */
#define REQUEST_MAX 65536
#define RECEIVE     65536
#define SECOND      1000000000LL

struct path {
	const char *name;
	unsigned percent;
	char *request;
	size_t length;
	struct histogram *latency;
};

struct connection {
	int fd; /* -1: given up */
	unsigned path;
	int64_t sent_at;
	size_t left; /* bytes of the answer still to come, once known */
	bool in_body;
	size_t head_length;
	char head[HEAD_MAX];
};

static struct {
	bool http;
	unsigned connections;
	size_t size;
	double seconds, warm_up;
	double rate;     /* requests per second over all connections; 0: no limit */
	unsigned rounds; /* 0: as long as the time says */
	unsigned block;  /* one echo request in so many begins with 'B'; 0: none */
	pid_t server;    /* whose CPU time is to be told; 0: nobody's */
	struct sockaddr_in address;
} option = { .connections = 64, .size = 512, .seconds = 5, .warm_up = 1 };

static struct path paths[PATHS] = { { .name = "/" } };
static unsigned path_count = 1;
static struct connection *connections, **waiting; /* waiting: a stack of those that the rate holds back */
static unsigned alive, waiting_count;
static uint64_t errors, issued, picks;
static int64_t server_cpu = -1; /* at the start of the measured time; after it: in that time, ns */
static int64_t started_at, measured_from, ends_at;
static int epoll;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* CPU time of a process so far, ns; 0 if there is none to ask for. */
static int64_t cpu_time(pid_t pid)
{
	struct timespec t;
	clockid_t clock;
	if (pid == 0 || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* ---- one connection ---- */

static void give_up(struct connection *c)
{
	errors++;
	alive--;
	close(c->fd);
	c->fd = -1;
}

/* xorshift64: the same sequence in every run. */
static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252;
	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

/*
 * Spreads the mix evenly: any 100 requests in a row have exactly the share of each path. 37 is coprime to 100. Requests
 * that are to block come at random: they meet, too.
 */
static unsigned pick_path(void)
{
	unsigned point = (unsigned)(picks++ * 37 % 100), i;
	if (option.block)
		return next_random() % option.block == 0;
	for (i = path_count - 1; i > 0; i--) {
		if (point < paths[i].percent)
			return i;
		point -= paths[i].percent;
	}
	return 0;
}

static void send_request(struct connection *c, int64_t at)
{
	const struct path *path;
	c->path = pick_path();
	c->sent_at = at;
	c->left = option.http ? 0 : option.size;
	c->in_body = !option.http;
	c->head_length = 0;
	path = &paths[c->path];
	issued++;
	if (send(c->fd, path->request, path->length, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)path->length)
		give_up(c);
}

/* Sends the next request, or has the connection wait until the rate allows it. */
static void next_request(struct connection *c, int64_t at)
{
	if (at >= ends_at || option.rounds)
		return;
	if (option.rate > 0 && (double)issued >= (double)(at - started_at) / SECOND * option.rate)
		waiting[waiting_count++] = c;
	else
		send_request(c, at);
}

static void answered(struct connection *c)
{
	int64_t at = now();
	if (at >= measured_from && at <= ends_at)
		histogram_add(paths[c->path].latency, (uint64_t)(at - c->sent_at));
	next_request(c, at);
}

/* The length of the answer's body; -1: it is not a 200 with a Content-Length. */
static long body_length(const char *head)
{
	const char *field = strcasestr(head, "\r\nContent-Length:");
	return strncmp(head, "HTTP/1.1 200 ", 13) == 0 && field ? strtol(field + 17, NULL, 10) : -1;
}

/* Takes bytes of the answer's head: how many, or -1. */
static ssize_t take_head(struct connection *c, const char *bytes, size_t n)
{
	size_t before = c->head_length, room = HEAD_MAX - 1 - before;
	char *end;
	long length;
	memcpy(c->head + before, bytes, n < room ? n : room);
	c->head_length += n < room ? n : room;
	c->head[c->head_length] = '\0';
	end = strstr(c->head, "\r\n\r\n");
	if (!end)
		return n < room ? (ssize_t)n : -1;
	end[2] = '\0';
	length = body_length(c->head);
	c->in_body = true;
	c->left = (size_t)length;
	return length < 0 ? -1 : end + 4 - c->head - (ssize_t)before;
}

static ssize_t take_body(struct connection *c, const char *bytes, size_t n)
{
	size_t at = option.size - c->left;
	if (n > c->left)
		return -1;
	if (!option.http && memcmp(bytes, paths[c->path].request + at, n) != 0)
		return -1;
	c->left -= n;
	return (ssize_t)n;
}

static void take(struct connection *c, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t used = c->in_body ? take_body(c, bytes, n) : take_head(c, bytes, n);
		if (used < 0) {
			give_up(c);
			return;
		}
		bytes += used;
		n -= (size_t)used;
	}
	if (c->in_body && c->left == 0)
		answered(c);
}

static void on_event(struct connection *c)
{
	static char buffer[RECEIVE];
	while (c->fd >= 0) {
		ssize_t n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			give_up(c);
		else
			take(c, buffer, (size_t)n);
		if (n < (ssize_t)sizeof(buffer))
			return;
	}
}

/* ---- all of them ---- */

static void open_connection(struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = c };
	const struct linger reset = { .l_onoff = 1 }; /* leaves no TIME_WAIT: thousands would use up the ports */
	const int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&option.address, sizeof(option.address)))
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll_ctl");
	alive++;
}

static void release_waiting(int64_t at)
{
	while (waiting_count > 0 && (double)issued < (double)(at - started_at) / SECOND * option.rate)
		send_request(waiting[--waiting_count], at);
}

/* Milliseconds until the end, or until the rate allows a request. */
static int wait_ms(int64_t at)
{
	int64_t until = ends_at;
	if (waiting_count > 0) {
		int64_t due = started_at + (int64_t)((double)(issued + 1) / option.rate * SECOND);
		until = due < until ? due : until;
	}
	return until > at ? (int)((until - at + 999999) / 1000000) : 0;
}

static void run(void)
{
	struct epoll_event events[EVENTS];
	int64_t at = now();
	started_at = at;
	measured_from = at + (int64_t)(option.warm_up * SECOND);
	ends_at = measured_from + (int64_t)(option.seconds * SECOND);
	for (unsigned i = 0; i < option.connections; i++)
		next_request(&connections[i], at);
	while (at < ends_at && alive > 0) {
		int n = epoll_wait(epoll, events, EVENTS, wait_ms(at));
		if (server_cpu < 0 && at >= measured_from)
			server_cpu = cpu_time(option.server);
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr);
		at = now();
		release_waiting(at);
	}
	server_cpu = cpu_time(option.server) - server_cpu;
}

/* One request of each connection, and all answers. Each round is measured. */
static void run_round(void)
{
	struct epoll_event events[EVENTS];
	uint64_t before = paths[0].latency->count;
	int64_t at = now();
	for (unsigned i = 0; i < option.connections; i++)
		if (connections[i].fd >= 0)
			send_request(&connections[i], at);
	while (paths[0].latency->count - before < alive) {
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++)
			on_event(events[i].data.ptr);
	}
}

static void run_rounds(void)
{
	ends_at = INT64_MAX;
	for (unsigned i = 0; i < option.rounds; i++)
		run_round();
}

static void print_latency(const char *prefix, const char *dot, const struct histogram *h, double seconds)
{
	printf("%s%srequests %llu\n", prefix, dot, (unsigned long long)h->count);
	printf("%s%srps %.1f\n", prefix, dot, (double)h->count / seconds);
	printf("%s%sp50_us %.1f\n", prefix, dot, histogram_quantile(h, 0.5) / 1e3);
	printf("%s%sp99_us %.1f\n", prefix, dot, histogram_quantile(h, 0.99) / 1e3);
	printf("%s%sp99.9_us %.1f\n", prefix, dot, histogram_quantile(h, 0.999) / 1e3);
	printf("%s%smax_us %.1f\n", prefix, dot, (double)h->max / 1e3);
}

/* The requests answered in the measured time, whatever their path. */
static uint64_t report(void)
{
	uint64_t total = 0;
	printf("connections %u\nseconds %.2f\nerrors %llu\n", option.connections, option.seconds,
	       (unsigned long long)errors);
	print_latency("", "", paths[0].latency, option.seconds);
	for (unsigned i = 0; i < path_count; i++) {
		total += paths[i].latency->count;
		if (i > 0)
			print_latency(paths[i].name, ".", paths[i].latency, option.seconds);
	}
	if (option.server && total > 0)
		printf("server_cpu_s_per_m %.4f\n", (double)server_cpu / 1e9 / ((double)total / 1e6));
	return total;
}

/* ---- options ---- */

static const char usage[] =
	"usage: bench-load [options] 127.x.y.z:PORT\n"
	"  -c N                connections (64)\n"
	"  -t SECONDS          measured time, up to 3600 (5)\n"
	"  -u SECONDS          warm-up before it, up to 60 (1)\n"
	"  -s BYTES            size of an echo message, up to 65536 (512)\n"
	"  --http PATH         speak HTTP/1.1: GET PATH\n"
	"  --mix PATH=PERCENT  this share of the requests is for PATH (up to 8 times)\n"
	"  --block N           one echo request in N, at random, begins with 'B' instead of 'a'\n"
	"  --rate N            at most N requests a second\n"
	"  --rounds N          N requests on each connection, in rounds, in the place of a time\n"
	"  --server PID        print the CPU time that this process used in the measured time, per request\n";

__attribute__((noreturn)) static void refuse(const char *what, const char *argument)
{
	fprintf(stderr, "bench-load: %s: %s\n%s", what, argument, usage);
	exit(2);
}

static double number(const char *text, double low, double high)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end || !(value >= low && value <= high))
		refuse("not a number in its range", text);
	return value;
}

static void add_path(char *text)
{
	char *equals = strrchr(text, '=');
	unsigned sum = 0;
	if (path_count == PATHS || !equals)
		refuse("bad --mix", text);
	*equals = '\0';
	paths[path_count].name = text;
	paths[path_count++].percent = (unsigned)number(equals + 1, 1, 100);
	for (unsigned i = 1; i < path_count; i++)
		sum += paths[i].percent;
	if (sum > 100)
		refuse("the shares add up to more than 100", text);
}

static void parse_address(char *text)
{
	char *colon = strrchr(text, ':');
	option.address.sin_family = AF_INET;
	if (!colon)
		refuse("not ADDRESS:PORT", text);
	*colon = '\0';
	option.address.sin_port = htons((uint16_t)number(colon + 1, 1, 65535));
	if (inet_pton(AF_INET, text, &option.address.sin_addr) != 1 ||
	    ntohl(option.address.sin_addr.s_addr) >> 24 != 127)
		refuse("only addresses in 127.0.0.0/8 are loaded", text);
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "block", required_argument, NULL, 'b' },
		{ "http", required_argument, NULL, 'h' },
		{ "mix", required_argument, NULL, 'm' },
		{ "rate", required_argument, NULL, 'r' },
		{ "server", required_argument, NULL, 'p' },
		{ "rounds", required_argument, NULL, 'n' },
		{ 0 },
	};
	int o;
	while ((o = getopt_long(argc, argv, "c:t:u:s:", longs, NULL)) != -1) {
		switch (o) {
		case 'c':
			option.connections = (unsigned)number(optarg, 1, 100000);
			break;
		case 't':
			option.seconds = number(optarg, 0.01, 3600);
			break;
		case 'u':
			option.warm_up = number(optarg, 0, 60);
			break;
		case 's':
			option.size = (size_t)number(optarg, 1, REQUEST_MAX);
			break;
		case 'b':
			option.block = (unsigned)number(optarg, 1, 1e9);
			break;
		case 'h':
			option.http = true;
			paths[0].name = optarg;
			break;
		case 'm':
			add_path(optarg);
			break;
		case 'n':
			option.rounds = (unsigned)number(optarg, 1, 1e9);
			break;
		case 'p':
			option.server = (pid_t)number(optarg, 1, 1 << 22);
			break;
		case 'r':
			option.rate = number(optarg, 1, 1e9);
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind != argc - 1)
		refuse("one address is needed", optind < argc ? argv[optind + 1] : "none given");
	if (path_count > 1 && !option.http)
		refuse("--mix needs --http", paths[1].name);
	if (option.block && option.http)
		refuse("--block is for echo", paths[0].name);
	if (option.rounds && (path_count > 1 || option.block))
		refuse("--rounds is for one path", paths[0].name);
	if (option.block)
		paths[path_count++].name = "B";
	parse_address(argv[optind]);
}

static void make_requests(void)
{
	for (unsigned i = 0; i < path_count; i++) {
		struct path *p = &paths[i];
		p->latency = calloc(1, sizeof(*p->latency));
		p->request = malloc(REQUEST_MAX);
		if (!p->latency || !p->request)
			die("memory");
		p->length = option.size;
		for (size_t at = 0; at < option.size; at++)
			p->request[at] = (char)('a' + at % 23);
		if (option.block && i > 0)
			p->request[0] = 'B';
		if (option.http)
			p->length = (size_t)snprintf(p->request, REQUEST_MAX,
						     "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", p->name);
		if (option.http && p->length >= REQUEST_MAX)
			refuse("the path is too long", p->name);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	parse(argc, argv);
	make_requests();
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	connections = calloc(option.connections, sizeof(*connections));
	waiting = calloc(option.connections, sizeof(struct connection *));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!connections || !waiting || epoll < 0)
		die("start");
	for (unsigned i = 0; i < option.connections; i++)
		open_connection(&connections[i]);
	if (option.rounds)
		run_rounds();
	else
		run();
	return report() > 0 ? 0 : 1;
}
