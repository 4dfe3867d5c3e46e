/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An HTTP server that answers no request before REQUESTS are there: who gets an answer had them all under way at once.
 * Usage: third_party_curl.planted REQUESTS. GET /SEED/LENGTH is answered with the LENGTH bytes SEED, SEED + 7, SEED +
 * 14 ...; POST with its own body, but for `Expect: 100-continue`, which it ignores. It says where it listens, and runs
 * until SIGTERM.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <sley.h>

static struct sley_group awaited;

struct request {
	int fd;
	char head[1024];
	char *body; /* what is to be sent: on the heap, behind room for the head of the answer */
	size_t length;
};

#define HEAD_MAX 128

/* Reads up to the empty line: how many bytes of the body came with it; -1: the stream ended. */
static ssize_t read_head(struct request *r)
{
	size_t n = 0;
	ssize_t part;
	char *end;
	do {
		part = sley_read(r->fd, r->head + n, sizeof(r->head) - n - 1, sley_in(SLEY_SEC(30)));
		if (part <= 0)
			return -1;
		n += (size_t)part;
		r->head[n] = '\0';
		end = strstr(r->head, "\r\n\r\n");
	} while (!end);
	return r->head + n - (end + 4);
}

static bool make_body(struct request *r, size_t came)
{
	const char *length = strstr(r->head, "\r\nContent-Length: "), *end = strstr(r->head, "\r\n\r\n") + 4;
	unsigned seed = 0;
	bool is_post = strncmp(r->head, "POST ", 5) == 0;
	if (is_post)
		r->length = length ? strtoul(length + 18, NULL, 10) : 0;
	else if (sscanf(r->head, "GET /%u/%zu ", &seed, &r->length) != 2)
		return false;
	r->body = malloc(HEAD_MAX + r->length);
	if (!r->body || came > r->length)
		return false;
	for (size_t i = 0; !is_post && i < r->length; i++)
		r->body[HEAD_MAX + i] = (char)(seed + i * 7);
	if (!is_post)
		return true;
	memcpy(r->body + HEAD_MAX, end, came);
	return sley_read_full(r->fd, r->body + HEAD_MAX + came, r->length - came, sley_in(SLEY_SEC(30))) ==
	       (ssize_t)(r->length - came);
}

/* In one piece: the head is put before the body. */
static void answer(const struct request *r)
{
	char head[HEAD_MAX];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
			 r->length);
	memcpy(r->body + HEAD_MAX - n, head, (size_t)n);
	sley_write_full(r->fd, r->body + HEAD_MAX - n, (size_t)n + r->length, sley_in(SLEY_SEC(30)));
}

static void serve_connection(void *arg)
{
	struct request r = { .fd = (int)(intptr_t)arg };
	ssize_t came = read_head(&r);
	if (came >= 0 && make_body(&r, (size_t)came)) {
		sley_group_done(&awaited);
		sley_group_wait(&awaited, SLEY_NEVER);
		answer(&r);
	}
	free(r.body);
	sley_close(r.fd);
}

static int serve(void *requests)
{
	int listener = sley_listen("127.0.0.1:0", 0), fd;
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	sley_group_add(&awaited, atoi(requests));
	getsockname(listener, (struct sockaddr *)&address, &size);
	printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	while ((fd = sley_accept(listener, SLEY_NEVER)) >= 0)
		sley_go(serve_connection, (void *)(intptr_t)fd);
	return 1;
}

int main(int argc, char **argv)
{
	int result = 1;
	return argc == 2 && sley_run(serve, argv[1], NULL, &result) == 0 ? result : 2;
}
