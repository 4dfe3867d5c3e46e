/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * curl_fetch [options] URL...: fetches all of them at once, a task each, and prints a line for each in the order in
 * which they were given: the HTTP status, the number of bytes and the URL. How curl and sley work together is in
 * curl_driver.c; here is what it is like for a task.
 *
 *	-p FILE         sends the file to each, as POST
 *	-o DIRECTORY    writes the bodies to files there, named 0, 1, 2 ...
 *	-c CONNECTIONS  at most so many to each host at once
 *	-t SECONDS      gives up what takes longer (60)
 *	-w WORKERS
 *
 * Exit code: 0: all have status 200; 1: not so, and why; 2: usage.
 */
#include "arguments.h"
#include "curl_driver.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USAGE "curl_fetch [-p FILE] [-o DIRECTORY] [-c CONNECTIONS] [-t SECONDS] [-w WORKERS] URL..."

static struct {
	const char *directory;
	char *post; /* null: GET */
	size_t post_length;
	long connections, seconds;
	unsigned count;
} option = { .seconds = 60 };

/* On the heap: curl writes to it while its task is parked. */
struct fetch {
	const char *url;
	int error;       /* a negative errno value */
	CURLcode result; /* if that is 0 */
	long status;     /* if that is CURLE_OK */
	char *body;
	size_t length, room;
	char reason[CURL_ERROR_SIZE];
};

static struct curl_driver *driver;

/* Doubles, or a long body would be copied at each of its pieces. */
static bool make_room(struct fetch *f, size_t n)
{
	size_t room = f->room ? f->room : 4096;
	char *body;
	while (room < f->length + n)
		room *= 2;
	if (room == f->room)
		return true;
	body = realloc(f->body, room);
	if (!body)
		return false;
	f->body = body;
	f->room = room;
	return true;
}

/* Called by curl, on the driver's stack: it takes the bytes and returns. */
static size_t take(char *bytes, size_t size, size_t n, void *arg)
{
	struct fetch *f = arg;
	if (!make_room(f, size * n))
		return 0;
	memcpy(f->body + f->length, bytes, size * n);
	f->length += size * n;
	return size * n;
}

/* The body of all requests is one block, on the heap too: curl does not copy it. */
static void set_options(CURL *easy, struct fetch *f)
{
	curl_easy_setopt(easy, CURLOPT_URL, f->url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, f->reason);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
	if (option.post) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)option.post_length);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, option.post);
	}
}

/* A task's whole life: as with curl_easy_perform(). */
static void fetch(void *arg)
{
	struct fetch *f = arg;
	CURL *easy = curl_easy_init();
	sley_set_name("fetch");
	if (!easy) {
		f->error = -ENOMEM;
		return;
	}
	set_options(easy, f);
	f->error = curl_driver_perform(driver, easy, &f->result, sley_in(SLEY_SEC(option.seconds)));
	if (!f->error && f->result == CURLE_OK)
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &f->status);
	curl_easy_cleanup(easy);
}

/* The main task. */
static int fetch_all(void *arg)
{
	struct fetch *fetches = arg;
	sley_task *tasks = calloc(option.count, sizeof(*tasks));
	int error = tasks ? curl_driver_start(&driver, option.connections) : -ENOMEM;
	for (unsigned i = 0; !error && i < option.count; i++) {
		tasks[i] = sley_spawn(fetch, &fetches[i]);
		if (tasks[i] < 0)
			fetches[i].error = (int)tasks[i];
	}
	for (unsigned i = 0; !error && i < option.count; i++)
		if (tasks[i] > 0)
			sley_join(tasks[i], SLEY_NEVER);
	curl_driver_stop(driver);
	free(tasks);
	return error;
}

/* ---- before and after sley_run(): it may block ---- */

static void read_post(const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat status;
	bool done = file && fstat(fileno(file), &status) == 0;
	if (done) {
		option.post_length = (size_t)status.st_size;
		option.post = malloc(option.post_length + 1);
		done = option.post && fread(option.post, 1, option.post_length, file) == option.post_length;
	}
	if (!done) {
		fprintf(stderr, "curl_fetch: %s cannot be read\n", path);
		exit(1);
	}
	fclose(file);
}

static bool write_body(const struct fetch *f, unsigned number)
{
	char path[4096];
	FILE *file;
	bool done;
	snprintf(path, sizeof(path), "%s/%u", option.directory, number);
	file = fopen(path, "w");
	done = file && (f->length == 0 || fwrite(f->body, 1, f->length, file) == f->length);
	if ((file && fclose(file) != 0) || !done) {
		fprintf(stderr, "curl_fetch: %s: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}

/* Prints what came of it: true if it is what was wanted. */
static bool report(const struct fetch *f, unsigned number)
{
	if (f->error) {
		fprintf(stderr, "curl_fetch: %s: %s\n", f->url, strerror(-f->error));
		return false;
	}
	if (f->result != CURLE_OK) {
		fprintf(stderr, "curl_fetch: %s: %s\n", f->url,
			f->reason[0] ? f->reason : curl_easy_strerror(f->result));
		return false;
	}
	printf("%ld %zu %s\n", f->status, f->length, f->url);
	return (!option.directory || write_body(f, number)) && f->status == 200;
}

static void parse(int argc, char **argv, struct sley_options *options)
{
	int o;
	while ((o = getopt(argc, argv, "p:o:c:t:w:")) != -1) {
		if (o == 'p')
			read_post(optarg);
		else if (o == 'o')
			option.directory = optarg;
		else if (o == 'c')
			option.connections = argument_number(optarg, 1, 100000, USAGE);
		else if (o == 't')
			option.seconds = argument_number(optarg, 1, 86400, USAGE);
		else if (o == 'w')
			options->workers = (unsigned)argument_number(optarg, 1, 256, USAGE);
		else
			argument_failed(USAGE);
	}
	if (optind == argc)
		argument_failed(USAGE);
	option.count = (unsigned)(argc - optind);
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "curl_fetch" };
	struct fetch *fetches;
	int error, result;
	bool good = true;
	parse(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN);
	curl_global_init(CURL_GLOBAL_DEFAULT); /* not thread-safe: while there is one thread */
	fetches = calloc(option.count, sizeof(*fetches));
	for (unsigned i = 0; fetches && i < option.count; i++)
		fetches[i].url = argv[optind + (int)i];

	error = fetches ? sley_run(fetch_all, fetches, &options, &result) : -ENOMEM;
	if (!error)
		error = result;
	if (error)
		fprintf(stderr, "curl_fetch: %s\n", strerror(-error));
	for (unsigned i = 0; !error && i < option.count; i++) {
		good &= report(&fetches[i], i);
		free(fetches[i].body);
	}
	free(fetches);
	free(option.post);
	curl_global_cleanup();
	return error || !good ? 1 : 0;
}
