/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A leaky bucket for each user. */
#include "patience.h"

#include <stddef.h>

#define USERS 64

/* debt_ns of 0: free */
static struct account {
	long user;
	int64_t debt_ns;
} accounts[USERS];

static int64_t settled_ns; /* the debts are of then */

static unsigned debtors(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < USERS; i++)
		n += accounts[i].debt_ns > 0;
	return n;
}

/* What one does not need of its part is the others'. */
static void settle(int64_t now_ns)
{
	int64_t back = (now_ns - settled_ns) / PATIENCE_SHARE, part;
	unsigned n;

	while ((n = debtors()) > 0 && (part = back / n) > 0) {
		for (unsigned i = 0; i < USERS; i++) {
			int64_t paid = accounts[i].debt_ns < part ? accounts[i].debt_ns : part;

			accounts[i].debt_ns -= paid;
			back -= paid;
		}
	}
	settled_ns = now_ns;
}

static struct account *find(long user)
{
	for (unsigned i = 0; i < USERS; i++)
		if (accounts[i].debt_ns > 0 && accounts[i].user == user)
			return &accounts[i];
	return NULL;
}

/* Who owes least makes room. */
static struct account *open_account(long user)
{
	struct account *least = &accounts[0];

	for (unsigned i = 1; i < USERS; i++)
		if (accounts[i].debt_ns < least->debt_ns)
			least = &accounts[i];
	*least = (struct account){ .user = user };
	return least;
}

void patience_charge(long user, int64_t took_ns, int64_t now_ns)
{
	struct account *a;

	settle(now_ns);
	if (took_ns <= PATIENCE_FREE)
		return;
	a = find(user);
	if (a == NULL)
		a = open_account(user);
	a->debt_ns += took_ns - PATIENCE_FREE;
}

bool patience_left(long user, int64_t now_ns)
{
	const struct account *a;

	settle(now_ns);
	a = find(user);
	return a == NULL || a->debt_ns < PATIENCE_MOST_NS;
}
