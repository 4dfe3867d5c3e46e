/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Power series as streams of rational coefficients, after M. D. McIlroy, "Squinting at Power Series" (1989): a web of
 * tasks that grows with every term, in which selects with cases that come and go feed results back into their own
 * making. What is checked are identities, so a term that is lost, doubled or late anywhere shows.
 *
 * A stream is asked for a term (`ask`) and gives it (`term`); nothing is computed that nobody asks for, or the products,
 * which are made of products, would unfold without end.
 */
#include "stress.h"

#include <stdlib.h>

#define TERMS 9
#define MOST  4096

struct rational {
	int64_t over, under;
};

struct series {
	struct sley_chan *ask, *term;
};

/* What a task of the web is given. */
struct part {
	struct series out[2], in[2];
	struct rational c;
	unsigned n;
};

/* All that was made, to be taken down at the end. */
static struct {
	sley_task task[MOST];
	struct sley_chan *chan[2 * MOST];
	unsigned tasks, chans; /* atomic */
} web;

static struct series series_new(void)
{
	struct series s;
	unsigned i = fetch_add(&web.chans, 2, relaxed);
	REQUIRE(i + 1 < 2 * MOST);
	REQUIRE(sley_chan_new(&s.ask, 0, 0) == 0 && sley_chan_new(&s.term, sizeof(struct rational), 0) == 0);
	web.chan[i] = s.ask;
	web.chan[i + 1] = s.term;
	return s;
}

#define part_start(fn, ...) part_started(sley_spawn_copy(fn, &((struct part){ __VA_ARGS__ }), sizeof(struct part)))

static void part_started(sley_task task)
{
	unsigned i = fetch_add(&web.tasks, 1, relaxed);
	REQUIRE(task > 0 && i < MOST);
	store(&web.task[i], task, release);
}

/* ---- rationals ---- */

static int64_t gcd(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a < 0 ? -a : a;
}

static struct rational ratio(int64_t over, int64_t under)
{
	int64_t g = gcd(over, under) * (under < 0 ? -1 : 1);
	return (struct rational){ over / g, under / g };
}

static struct rational plus(struct rational a, struct rational b)
{
	int64_t g = gcd(a.under, b.under);
	return ratio(a.over * (b.under / g) + b.over * (a.under / g), a.under / g * b.under);
}

static struct rational times(struct rational a, struct rational b)
{
	struct rational x = ratio(a.over, b.under), y = ratio(b.over, a.under);
	return ratio(x.over * y.over, x.under * y.under);
}

/* ---- terms; false: the web is being taken down ---- */

static bool asked(struct series s)
{
	return sley_chan_recv(s.ask, NULL, SLEY_NEVER) == 0;
}

static bool give(struct series s, struct rational r)
{
	stress_progress();
	return sley_chan_send(s.term, &r, SLEY_NEVER) == 0;
}

static bool get(struct series s, struct rational *r)
{
	return sley_chan_send(s.ask, NULL, SLEY_NEVER) == 0 && sley_chan_recv(s.term, r, SLEY_NEVER) == 0;
}

static void pass_on(struct series from, struct series to)
{
	struct rational r;
	while (asked(to) && get(from, &r) && give(to, r))
		;
}

/* ---- the parts: each a task, and a function that starts it ---- */

static void run_constant(void *arg) /* n times 0, then c for ever, or once and zeros if n is odd */
{
	struct part *p = arg;
	for (unsigned i = 0; asked(p->out[0]); i++) {
		bool now = p->n & 1 ? i == p->n / 2 : i >= p->n / 2;
		if (!give(p->out[0], now ? p->c : ratio(0, 1)))
			break;
	}
}

/* c + c x + c x^2 + ... */
static struct series repeated(struct rational c)
{
	struct series z = series_new();
	part_start(run_constant, .out = { z }, .c = c);
	return z;
}

/* c x^n */
static struct series monomial(struct rational c, unsigned n)
{
	struct series z = series_new();
	part_start(run_constant, .out = { z }, .c = c, .n = 2 * n + 1);
	return z;
}

static void run_sum(void *arg)
{
	struct part *p = arg;
	struct rational a, b;
	while (asked(p->out[0]) && get(p->in[0], &a) && get(p->in[1], &b) && give(p->out[0], plus(a, b)))
		;
}

static struct series sum(struct series u, struct series v)
{
	struct series z = series_new();
	part_start(run_sum, .out = { z }, .in = { u, v });
	return z;
}

static void run_scaled(void *arg)
{
	struct part *p = arg;
	struct rational a;
	while (asked(p->out[0]) && get(p->in[0], &a) && give(p->out[0], times(p->c, a)))
		;
}

static struct series scaled(struct rational c, struct series u)
{
	struct series z = series_new();
	part_start(run_scaled, .out = { z }, .in = { u }, .c = c);
	return z;
}

static void run_prefixed(void *arg)
{
	struct part *p = arg;
	if (asked(p->out[0]) && give(p->out[0], p->c))
		pass_on(p->in[0], p->out[0]);
}

/* c + x u */
static struct series prefixed(struct rational c, struct series u)
{
	struct series z = series_new();
	part_start(run_prefixed, .out = { z }, .in = { u }, .c = c);
	return z;
}

/*
 * Two outputs that are read at different rates, either of which may be what the input is made of: so while it waits for
 * the input it serves both. One select: askers, answers and the input, each a null channel while it is not its turn.
 */
static void run_split(void *arg)
{
	struct part *p = arg;
	struct rational terms[TERMS + 4], next;
	bool wants[2] = { false, false };
	unsigned count = 0, at[2] = { 0, 0 };
	enum { IDLE, TO_ASK, ASKED } input = IDLE;
	for (;;) {
		struct sley_case cases[6] = {
			{ .chan = input == TO_ASK ? p->in[0].ask : NULL, .op = SLEY_SEND },
			{ .chan = input == ASKED ? p->in[0].term : NULL, .op = SLEY_RECV, .into = &next },
		};
		for (unsigned k = 0; k < 2; k++) {
			struct sley_case *c = &cases[2 + 2 * k];
			c[0] = (struct sley_case){ .chan = wants[k] ? NULL : p->out[k].ask, .op = SLEY_RECV };
			c[1] = (struct sley_case){ .chan = wants[k] && at[k] < count ? p->out[k].term : NULL,
						   .op = SLEY_SEND };
			c[1].from = &terms[at[k]];
		}
		int which = sley_select(cases, 6, SLEY_NEVER);
		if (which < 0)
			return;
		REQUIRE(cases[which].error == 0);
		if (which == 0) {
			input = ASKED;
		} else if (which == 1) {
			REQUIRE(count < sizeof(terms) / sizeof(terms[0]));
			terms[count++] = next;
			input = IDLE;
		} else {
			unsigned k = (unsigned)(which - 2) / 2;
			wants[k] = which % 2 == 0;
			at[k] += which % 2;
			if (wants[k] && at[k] == count && input == IDLE)
				input = TO_ASK;
		}
	}
}

static void split(struct series u, struct series a, struct series b)
{
	part_start(run_split, .out = { a, b }, .in = { u });
}

static struct series product(struct series u, struct series v);

/* (a + x A)(b + x B) = a b + x (a B + b A) + x^2 A B */
static void run_product(void *arg)
{
	struct part *p = arg;
	struct series z = p->out[0];
	struct rational a, b, c;
	if (!asked(z) || !get(p->in[0], &a) || !get(p->in[1], &b) || !give(z, times(a, b)))
		return;
	struct series u[2] = { series_new(), series_new() }, v[2] = { series_new(), series_new() };
	split(p->in[0], u[0], u[1]);
	split(p->in[1], v[0], v[1]);
	struct series w = sum(scaled(a, v[0]), scaled(b, u[0]));
	if (asked(z) && get(w, &c) && give(z, c))
		pass_on(sum(w, product(u[1], v[1])), z);
}

static struct series product(struct series u, struct series v)
{
	struct series z = series_new();
	part_start(run_product, .out = { z }, .in = { u, v });
	return z;
}

static void run_derivative(void *arg)
{
	struct part *p = arg;
	struct rational a;
	if (!asked(p->out[0]) || !get(p->in[0], &a))
		return;
	for (int64_t i = 1; get(p->in[0], &a) && give(p->out[0], times(ratio(i, 1), a)) && asked(p->out[0]); i++)
		;
}

static struct series derivative(struct series u)
{
	struct series z = series_new();
	part_start(run_derivative, .out = { z }, .in = { u });
	return z;
}

static void run_integral(void *arg)
{
	struct part *p = arg;
	struct rational a;
	if (!asked(p->out[0]) || !give(p->out[0], p->c))
		return;
	for (int64_t i = 1; asked(p->out[0]) && get(p->in[0], &a) && give(p->out[0], times(ratio(1, i), a)); i++)
		;
}

static struct series integral(struct rational c, struct series u)
{
	struct series z = series_new();
	part_start(run_integral, .out = { z }, .in = { u }, .c = c);
	return z;
}

/* exp(u), u without a constant: Z' = Z u', so Z = 1 + integral of Z u': fed back. */
static struct series exponential(struct series u)
{
	struct series z[2] = { series_new(), series_new() };
	split(integral(ratio(1, 1), product(z[0], derivative(u))), z[0], z[1]);
	return z[1];
}

/* 1 / (a + x A) = b + x Z, with b = 1/a and Z = -b A (b + x Z): fed back. */
static void run_reciprocal(void *arg)
{
	struct part *p = arg;
	struct rational a;
	if (!asked(p->out[0]) || !get(p->in[0], &a))
		return;
	struct rational b = ratio(a.under, a.over);
	if (!give(p->out[0], b))
		return;
	struct series z[2] = { series_new(), series_new() };
	split(product(scaled(ratio(-b.over, b.under), p->in[0]), prefixed(b, z[0])), z[0], z[1]);
	pass_on(z[1], p->out[0]);
}

static struct series reciprocal(struct series u)
{
	struct series z = series_new();
	part_start(run_reciprocal, .out = { z }, .in = { u });
	return z;
}

/* ---- the test ---- */

static void expect(struct series u, struct series v)
{
	for (int i = 0; i < TERMS; i++) {
		struct rational a, b;
		REQUIRE(get(u, &a) && get(v, &b));
		REQUIRE(a.over == b.over && a.under == b.under);
	}
}

/* A task that is cancelled still does what it can at once, also start others: so until there are no more. */
static void take_down(void)
{
	for (unsigned i = 0; i < load(&web.tasks, acquire); i++) {
		sley_task task;
		while ((task = load(&web.task[i], acquire)) == 0)
			sley_yield();
		REQUIRE(sley_cancel(task) == 0);
		stress_join(task);
		web.task[i] = 0;
	}
	for (unsigned i = 0; i < web.chans; i++)
		REQUIRE(sley_chan_free(web.chan[i]) == 0); /* not -EBUSY: cancelled waits are linked nowhere */
	web.tasks = web.chans = 0;
}

/* 1 + 2 x + 3 x^2 ... and others, so that nothing is symmetrical by chance. */
static struct series squares(void)
{
	return derivative(repeated(ratio(1, 1)));
}

static void series_body(void)
{
	struct rational zero = ratio(0, 1), one = ratio(1, 1), half = ratio(1, 2), minus = ratio(-1, 1);
	expect(sum(repeated(one), repeated(half)), repeated(ratio(3, 2)));
	expect(derivative(integral(half, squares())), squares());
	expect(product(repeated(one), repeated(one)), squares());
	expect(product(monomial(half, 2), monomial(ratio(4, 3), 1)), monomial(ratio(2, 3), 3));
	expect(reciprocal(repeated(one)), prefixed(one, monomial(minus, 0)));
	expect(product(reciprocal(squares()), squares()), monomial(one, 0));
	expect(derivative(exponential(monomial(one, 1))), exponential(monomial(one, 1)));
	/* exp(u) exp(-u) = 1, with u = x/2 + x^2/2 + ... */
	expect(product(exponential(prefixed(zero, repeated(half))),
		       exponential(prefixed(zero, repeated(ratio(-1, 2))))),
	       monomial(one, 0));
	/* the derivative of -log(1 - x) is 1 / (1 - x) */
	expect(exponential(integral(zero, repeated(one))), repeated(one));
	take_down();
}

/* Proves that webs of some hundred tasks, cyclic ones too, deliver every term, whatever shares whose stack. */
TEST(series)
{
	for (unsigned workers = 1; workers <= 8; workers *= workers < 2 ? 2 : 4) {
		STRESS_RUN(series_body, .workers = workers);
#ifndef SLEY_ASAN /* there a slot is for one task */
		STRESS_RUN(series_body, .workers = workers, .stack_slots = 4);
#endif
	}
}
