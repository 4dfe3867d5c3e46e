/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* libcurl's easy interface, unchanged: a thousand transfers at once on two threads. */
#include "tests/posix/many.h"
#include "tests/tools/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static struct service holder;

static int teardown(void **state)
{
	(void)state;
	service_kill(&holder);
	return 0;
}

/* The server that answers when so many requests are there. */
static void start_holder(unsigned requests)
{
	char path[4096], number[16];
	char *argv[] = { path, number, NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("tests/tools/third_party_curl.planted"));
	snprintf(number, sizeof(number), "%u", requests);
	service_start(&holder, 0, argv);
}

struct body {
	unsigned seed;
	size_t n;
};

/* Of very different lengths: none, some that fit one packet, and some that no socket takes at once. */
static size_t length_of(unsigned i)
{
	return i % 10 == 0 ? 0 : i % 100 == 9 ? 1000000 + i : i * 37 % 5000;
}

static size_t takes(char *bytes, size_t size, size_t n, void *arg)
{
	struct body *body = arg;
	for (size_t i = 0; i < size * n; i++, body->n++) {
		if ((unsigned char)bytes[i] != (unsigned char)(body->seed + body->n * 7))
			return 0; /* the transfer fails */
	}
	return size * n;
}

static const char *host;

static void fetches(unsigned i)
{
	CURL *curl = curl_easy_init();
	struct body *body = malloc(sizeof(*body));
	char url[128], error[CURL_ERROR_SIZE] = "";
	long status = 0;
	REQUIRE(curl && body);
	*body = (struct body){ .seed = i };
	snprintf(url, sizeof(url), "http://%s:%u/%u/%zu", host, holder.port, i, length_of(i));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, takes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK)
		fprintf(stderr, "%s: %s, %s\n", url, curl_easy_strerror(code), error);
	REQUIRE(code == CURLE_OK);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	REQUIRE(status == 200 && body->n == length_of(i));
	curl_easy_cleanup(curl);
	free(body);
}

/* The server answers the first request when it has the last, so all are under way at once. Each gets its own bytes. */
TEST_WITH(transfers, NULL, teardown)
{
	need_descriptors(8 * TASKS);
	assert_int_equal(curl_global_init(CURL_GLOBAL_ALL), 0);
	start_holder(TASKS);
	host = "127.0.0.1";
	run_many(TASKS, fetches, NULL, 300);
}

/* With a name libcurl starts a thread of its own for each transfer, which writes to what the task has. */
TEST_WITH(names, NULL, teardown)
{
	setenv("SLEY_POSIX", "private", 1);
	start_holder(100);
	host = "localhost";
	run_many(100, fetches, NULL, 200);
	unsetenv("SLEY_POSIX");
}
