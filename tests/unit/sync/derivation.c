/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Links: their order, taking any of them out, and the counts that keep a derivation alive. */
#include "tests/unit/run.h"

#include <string.h>

#include "base/block.h"
#include "sync/derivation.h"

#define LINKS 4

struct block {
	struct derivation derivation;
	char name;
	struct link links[LINKS];
};

static struct sley_future *source;
static struct sley_promise *promise;
static char log_text[64];

/* Notes whose link it is, and gives it up. */
static void note(struct link *link, struct todo *todo)
{
	const struct block *block = CONTAINER_OF(link->derivation, struct block, derivation);
	size_t n = strlen(log_text);
	log_text[n] = (char)(block->name + (link - block->links));
	log_text[n + 1] = '\0';
	derivation_put(link->derivation, todo);
}

/* `count` links to the source, called name, name + 1, ... */
static struct block *make(char name, size_t count)
{
	struct sley_future *sources[LINKS] = { source, source, source, source };
	struct todo todo = { 0 };
	int error;
	struct derivation *derivation =
		derivation_new(sizeof(struct block), offsetof(struct block, links), sources, count, 0, &error);
	struct block *block = CONTAINER_OF(derivation, struct block, derivation);
	REQUIRE(derivation && error == 0);
	derivation->run = note;
	block->name = name;
	derivation_attach(derivation, &todo);
	return block;
}

/* Its future is cancelled, and our handle on it given back: the block is gone. */
static void unmake(struct block *block)
{
	struct sley_future *future = block->derivation.future;
	REQUIRE(sley_future_cancel(future) == 0);
	REQUIRE(load(&future->refs, relaxed) == FUTURE_HANDLE); /* the derivation was its producer */
	REQUIRE(sley_future_free(future) == 0);
}

static void begin(void)
{
	log_text[0] = '\0';
	REQUIRE(sley_promise_new(&promise, &source, 0) == 0);
}

static void end(const char *expected)
{
	REQUIRE(sley_promise_resolve(promise, NULL) == 0);
	REQUIRE(strcmp(log_text, expected) == 0);
	REQUIRE(list_is_empty(&source->links) && sley_promise_free(promise) == 0 && sley_future_free(source) == 0);
}

/* What is left of a block whose links have been run: its future, with the claimer's count. */
static void finish(struct block *block)
{
	REQUIRE(load(&block->derivation.refs, relaxed) == 1);
	REQUIRE(load(&source->refs, relaxed) >= FUTURE_HANDLE);
	unmake(block);
}

/* Links are run in the order in which they were linked; while one is there, its source is held. */
TASK_TEST(order, 1)
{
	begin();
	struct block *a = make('a', 2), *k = make('k', 1), *x = make('x', 3);
	REQUIRE(load(&source->refs, relaxed) / FUTURE_HANDLE == 1 + 6);
	REQUIRE(sley_promise_resolve(promise, NULL) == 0);
	REQUIRE(strcmp(log_text, "abkxyz") == 0);
	finish(a);
	finish(k);
	finish(x);
	REQUIRE(load(&source->refs, relaxed) / FUTURE_HANDLE == 1);
	a = make('A', 1); /* complete already: at once */
	REQUIRE(strcmp(log_text, "abkxyzA") == 0);
	finish(a);
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(source) == 0);
}

/* The first, a middle one, the last, all. */
TASK_TEST(take_out, 1)
{
	static const char *const left[] = { "bcd", "acd", "abd", "abc" };
	for (int which = 0; which < 4; which++) {
		struct block *blocks[4];
		begin();
		for (int i = 0; i < 4; i++)
			blocks[i] = make((char)('a' + i), 1);
		unmake(blocks[which]);
		blocks[which] = make('e', 1); /* behind the rest */
		unmake(blocks[which]);
		blocks[which] = NULL;
		REQUIRE(sley_promise_resolve(promise, NULL) == 0);
		REQUIRE(strcmp(log_text, left[which]) == 0);
		for (int i = 0; i < 4; i++) {
			if (blocks[i])
				finish(blocks[i]);
		}
		REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(source) == 0);
	}
	begin();
	unmake(make('a', 4)); /* the only ones, all at once */
	end("");
}
