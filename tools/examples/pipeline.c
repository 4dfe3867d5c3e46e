/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * pipeline FIRST COUNT: prints the first COUNT primes from FIRST on, one a line, in order.
 *
 * It shows a stream: numbers from a generator, those that can be no primes left out (filter), four tests under way at
 * once, on the threads for what computes, with their results in order (buffered), as many as are wanted (take). Nothing
 * runs further ahead than four tests, however slow the consumer is, and what is under way at the end is cleaned up by
 * freeing the stream.
 *
 * Exit code: 0; 1: something failed; 2: usage.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sley.h>

/* ---- the source: a generator, which looks like a loop that prints ---- */

static int numbers(void *arg)
{
	uint64_t n = *(uint64_t *)arg;
	int error = 0;
	for (; error == 0 && n <= UINT32_MAX; n++)
		error = sley_gen_yield(&n);
	return error; /* -ECANCELED: the stream was freed, nobody wants more */
}

/* ---- on the way ---- */

static int is_candidate(void *arg, const void *item)
{
	uint64_t n = *(const uint64_t *)item;
	(void)arg;
	return n == 2 || n % 2;
}

struct number {
	uint64_t n;
	bool prime;
};

/* Computes for long: so it runs on another thread than the tasks. */
static void test(void *block)
{
	struct number *number = block;
	number->prime = number->n > 1;
	for (uint64_t d = 2; number->prime && d * d <= number->n; d++)
		number->prime = number->n % d != 0;
}

static int test_offloaded(void *arg, const void *from, void *to)
{
	static const struct sley_offload_options computing = { .size = sizeof(computing), .cpu = 1 };
	struct number number = { .n = *(const uint64_t *)from };
	int error = sley_offload_with(&computing, test, &number, sizeof(number), SLEY_NEVER);
	(void)arg;
	*(struct number *)to = number;
	return error;
}

static int is_prime(void *arg, const void *item)
{
	(void)arg;
	return ((const struct number *)item)->prime;
}

/* ---- the consumer ---- */

static int print(void *arg, void *item)
{
	(void)arg;
	printf("%llu\n", (unsigned long long)((const struct number *)item)->n);
	return fflush(stdout) ? -EIO : 0; /* ends the loop, and is what for_each() returns */
}

/* Each stage changes the stream in place, for the items that come after it. */
static int build(struct sley_stream *stream, uint64_t count)
{
	int error = sley_stream_filter(stream, is_candidate, NULL, 0);
	if (error == 0)
		error = sley_stream_buffered(stream, 4, test_offloaded, NULL, 0, sizeof(struct number), NULL);
	if (error == 0)
		error = sley_stream_filter(stream, is_prime, NULL, 0);
	return error ? error : sley_stream_take(stream, count);
}

struct range {
	uint64_t first, count;
};

static int run(void *arg)
{
	struct range *range = arg;
	struct sley_gen *gen;
	struct sley_stream *stream;
	int error = sley_gen_new(&gen, numbers, &range->first, sizeof(range->first), sizeof(uint64_t));
	if (error == 0 && (error = sley_stream_from_gen(&stream, gen)) != 0)
		sley_gen_free(gen, 0);
	if (error == 0) { /* the generator is the stream's from here on */
		error = build(stream, range->count);
		if (error == 0)
			error = sley_stream_for_each(stream, print, NULL, SLEY_NEVER);
		sley_stream_free(stream, SLEY_NEVER);
	}
	if (error)
		fprintf(stderr, "pipeline: %s\n", strerror(-error));
	return error ? 1 : 0;
}

static uint64_t number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (end == text || *end || text[0] == '-' || value > UINT32_MAX) {
		fprintf(stderr, "usage: pipeline FIRST COUNT\n");
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct range range = { number(argc == 3 ? argv[1] : ""), number(argc == 3 ? argv[2] : "") };
	int result = 1, error = sley_run(run, &range, NULL, &result);
	if (error)
		fprintf(stderr, "pipeline: %s\n", strerror(-error));
	return error ? 1 : result;
}
