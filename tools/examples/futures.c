/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * futures LATENCY...: asks several shops for a price at once, each of which answers after so many milliseconds (0: it
 * cannot be reached), and gives them two seconds. Prints what the first one said, each shop's answer, and the best
 * price.
 *
 * It shows fanning out (sley_async), a timeout for each, a step on each result (map), and the first of several (any).
 *
 * Exit code: 0; 1: no shop has answered; 2: usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sley.h>

#define SHOPS_MAX 16
#define PATIENCE  SLEY_SEC(2)

struct request {
	int shop;
	long latency; /* ms */
};

struct offer {
	int shop;
	int cents;
};

/* A task for each shop. Its request is its own copy; what it stores at `result` travels to whoever awaits it. */
static int ask(void *arg, void *result)
{
	const struct request *request = arg;
	struct offer *offer = result;
	int error;
	if (request->latency == 0)
		return -EHOSTUNREACH;
	if ((error = sley_sleep(sley_in(SLEY_MS(request->latency)))) != 0)
		return error; /* -ECANCELED: nobody waits for us any more */
	*offer = (struct offer){ request->shop, 1000 + 700 * (request->shop * 5 % 7) };
	return 0;
}

static int add_shipping(void *cents, const void *value, void *result)
{
	struct offer offer = *(const struct offer *)value;
	offer.cents += *(const int *)cents;
	*(struct offer *)result = offer;
	return 0;
}

/*
 * Asks one shop: the future of its offer, shipping included, or of -ETIMEDOUT; and the one of the bare answer, to be
 * cancelled. Handles are independent of each other, so what is only in between is freed at once.
 */
static int ask_in_time(struct request request, struct sley_future **answer, struct sley_future **offer)
{
	struct sley_future *timely = NULL;
	int shipping = 499;
	int error = sley_async(answer, ask, &request, sizeof(request), sizeof(struct offer));
	if (error)
		return error;
	error = sley_future_timeout(&timely, *answer, sley_in(PATIENCE));
	if (error == 0)
		error = sley_future_map(offer, timely, add_shipping, &shipping, sizeof(shipping), sizeof(struct offer));
	sley_future_free(timely);
	return error;
}

static void print_first(struct sley_future **offers, size_t n)
{
	struct sley_future *first;
	struct offer offer;
	if (sley_future_any(&first, offers, n) != 0)
		return;
	int error = sley_await(first, &offer, SLEY_NEVER);
	if (error == 0)
		printf("first: shop %d, %d.%02d\n", offer.shop, offer.cents / 100, offer.cents % 100);
	sley_future_free(first);
}

/* What each has said, in their order; the cheapest is in `best`. */
static void print_all(struct sley_future **offers, size_t n, struct offer *best)
{
	struct offer offer;
	for (size_t i = 0; i < n; i++) {
		int error = sley_await(offers[i], &offer, SLEY_NEVER);
		if (error) {
			printf("shop %zu: %s\n", i, strerror(-error));
			continue;
		}
		printf("shop %zu: %d.%02d\n", i, offer.cents / 100, offer.cents % 100);
		if (best->cents == 0 || offer.cents < best->cents)
			*best = offer;
	}
}

struct options {
	size_t n;
	long latencies[SHOPS_MAX];
};

static int run(void *arg)
{
	const struct options *options = arg;
	struct sley_future *answers[SHOPS_MAX], *offers[SHOPS_MAX];
	struct offer best = { 0, 0 };
	for (size_t i = 0; i < options->n; i++) {
		int error = ask_in_time((struct request){ (int)i, options->latencies[i] }, &answers[i], &offers[i]);
		if (error) {
			fprintf(stderr, "futures: %s\n", strerror(-error));
			return 1;
		}
	}
	print_first(offers, options->n);
	print_all(offers, options->n, &best);
	for (size_t i = 0; i < options->n; i++) {
		sley_future_cancel(answers[i]); /* those that were late; -EALREADY for the others */
		sley_future_free(answers[i]);
		sley_future_free(offers[i]);
	}
	if (best.cents == 0)
		return 1;
	printf("best: shop %d, %d.%02d\n", best.shop, best.cents / 100, best.cents % 100);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int error, result = 1;
	for (; argc > 1 && argc - 1 <= SHOPS_MAX && options.n < (size_t)argc - 1; options.n++) {
		char *end, *text = argv[options.n + 1];
		options.latencies[options.n] = strtol(text, &end, 10);
		if (end == text || *end || options.latencies[options.n] < 0)
			break;
	}
	if (options.n == 0 || options.n < (size_t)argc - 1) {
		fprintf(stderr, "usage: futures LATENCY... (ms, up to %d of them)\n", SHOPS_MAX);
		return 2;
	}
	error = sley_run(run, &options, NULL, &result);
	if (error)
		fprintf(stderr, "futures: %s\n", strerror(-error));
	return error ? 1 : result;
}
