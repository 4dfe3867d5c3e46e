/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * fetch HOST:PORT[/PATH]...: gets each document by HTTP/1.0 and prints what it is told, all at the same time; each has
 * ten seconds, from the first question for the host's address to the last byte.
 *
 * The host is a name, whose addresses are tried as RFC 8305 says, or an address. One deadline serves all calls. Exit
 * code: 0; 1: one could not be fetched; 2: usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sley.h>

#define PATIENCE SLEY_SEC(10)

static struct sley_mutex output;
static int failed; /* protected by output */

struct document {
	char *bytes;
	size_t n;
};

static int append(struct document *document, const char *bytes, size_t n)
{
	char *more = realloc(document->bytes, document->n + n);
	if (!more)
		return -ENOMEM;
	document->bytes = more;
	memcpy(more + document->n, bytes, n);
	document->n += n;
	return 0;
}

/* Sends the request, and receives until the server closes: 0, or an error. */
static int converse(int fd, const char *host, const char *path, struct document *document, sley_time deadline)
{
	char buffer[4096];
	int n = snprintf(buffer, sizeof(buffer), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
	ssize_t got = n < (int)sizeof(buffer) ? sley_write_full(fd, buffer, (size_t)n, deadline) : -ENAMETOOLONG;
	while (got > 0) {
		got = sley_read(fd, buffer, sizeof(buffer), deadline);
		if (got > 0 && append(document, buffer, (size_t)got) != 0)
			return -ENOMEM;
	}
	return (int)got;
}

static int fetch(const char *url, struct document *document)
{
	sley_time deadline = sley_in(PATIENCE);
	const char *slash = strchr(url, '/');
	char *host = slash ? strndup(url, (size_t)(slash - url)) : strdup(url);
	int fd = host ? sley_dial(host, deadline) : -ENOMEM;
	int error = fd < 0 ? fd : converse(fd, host, slash ? slash : "/", document, deadline);
	if (fd >= 0)
		sley_close(fd);
	free(host);
	return error;
}

static void fetch_and_print(void *url)
{
	struct document document = { NULL, 0 };
	int error = fetch(url, &document);
	sley_mutex_lock(&output, SLEY_NEVER);
	if (error) {
		fprintf(stderr, "fetch: %s: %s\n", (const char *)url, strerror(-error));
		failed = 1;
	} else {
		fwrite(document.bytes, 1, document.n, stdout);
	}
	sley_mutex_unlock(&output);
	free(document.bytes);
}

static int fetch_all(void *arg)
{
	char **urls = arg;
	size_t n = 0;
	while (urls[n])
		n++;
	sley_task *tasks = calloc(n, sizeof(*tasks));
	for (size_t i = 0; tasks && i < n; i++)
		tasks[i] = sley_spawn(fetch_and_print, urls[i]);
	for (size_t i = 0; tasks && i < n; i++)
		failed |= tasks[i] < 0 || sley_join(tasks[i], SLEY_NEVER) != 0;
	failed |= !tasks;
	free(tasks);
	return failed;
}

int main(int argc, char **argv)
{
	const struct sley_options options = { .size = sizeof(options), .name = "fetch" };
	int result;
	if (argc < 2) {
		fprintf(stderr, "usage: fetch HOST:PORT[/PATH]...\n");
		return 2;
	}
	int error = sley_run(fetch_all, argv + 1, &options, &result);
	if (error)
		fprintf(stderr, "fetch: %s\n", strerror(-error));
	return error ? 1 : result;
}
