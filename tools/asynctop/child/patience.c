/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A leaky bucket for each user, of each kind. */
#include "child/patience.h"

#include <stddef.h>

#define USERS 64

static struct book {
	int64_t most_ns, share;
	/* debt_ns of 0: free */
	struct account {
		long user;
		int64_t debt_ns;
	} accounts[USERS];
	int64_t settled_ns; /* the debts are of then */
} books[PATIENCE_KINDS] = {
	[PATIENCE_LOOKS] = { .most_ns = PATIENCE_MOST_NS, .share = PATIENCE_SHARE },
	[PATIENCE_TICKS] = { .most_ns = PATIENCE_TICKS_MOST_NS, .share = PATIENCE_TICKS_SHARE },
};

static unsigned debtors(const struct book *b)
{
	unsigned n = 0;
	for (unsigned i = 0; i < USERS; i++)
		n += b->accounts[i].debt_ns > 0;
	return n;
}

/* An account that owes less than its part leaves the rest to the others. */
static void settle_account(struct book *b, int64_t now_ns)
{
	int64_t back = (now_ns - b->settled_ns) / b->share, part;
	unsigned n;
	while ((n = debtors(b)) > 0 && (part = back / n) > 0) {
		for (unsigned i = 0; i < USERS; i++) {
			int64_t paid = b->accounts[i].debt_ns < part ? b->accounts[i].debt_ns : part;
			b->accounts[i].debt_ns -= paid;
			back -= paid;
		}
	}
	b->settled_ns = now_ns;
}

static struct account *find_account(struct book *b, long user)
{
	for (unsigned i = 0; i < USERS; i++)
		if (b->accounts[i].debt_ns > 0 && b->accounts[i].user == user)
			return &b->accounts[i];
	return NULL;
}

/* A full book forgets the account that owes least. */
static struct account *open_account(struct book *b, long user)
{
	struct account *least = &b->accounts[0];
	for (unsigned i = 1; i < USERS; i++)
		if (b->accounts[i].debt_ns < least->debt_ns)
			least = &b->accounts[i];
	*least = (struct account){ .user = user };
	return least;
}

void patience_charge(enum patience kind, long user, int64_t took_ns, int64_t now_ns)
{
	struct book *b = &books[kind];
	struct account *a;
	settle_account(b, now_ns);
	if (took_ns <= PATIENCE_FREE)
		return;
	a = find_account(b, user);
	if (a == NULL)
		a = open_account(b, user);
	a->debt_ns += took_ns - PATIENCE_FREE;
}

bool patience_left(enum patience kind, long user, int64_t now_ns)
{
	struct book *b = &books[kind];
	const struct account *a;
	settle_account(b, now_ns);
	a = find_account(b, user);
	return a == NULL || a->debt_ns < b->most_ns;
}
