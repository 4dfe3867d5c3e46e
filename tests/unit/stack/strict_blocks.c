/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Blocks that travel by value in strict mode: an address of the sender's stack that is in one is said. */
#include "tests/unit/run.h"

#include <stdio.h>
#include <string.h>

#include "stack/slot.h"
#include "tests/unit/stack/stray.h"

#define THIS "tests/unit/stack/strict_blocks.c"

static int *stray; /* into a stack that is private */

/* Where a task was spawned, as it is said. */
static void site_text(char text[200], const char *marker, const char *entry)
{
	char needle[64];
	snprintf(needle, sizeof(needle),
		 "/* the %s's "
		 "site */",
		 marker);
	snprintf(text, 200, "spawned at %s:%u as %s", __FILE__, test_source_line(THIS, needle), entry);
}

struct letter {
	char text[20]; /* so that the pointer is not at the front, and there is a hole */
	const void *pointer;
};

static struct sley_chan *letters, *words;

static void nothing(void *arg)
{
}

static void drain(void *arg)
{
	struct letter letter;
	int n = (int)(intptr_t)arg;
	while (n-- > 0)
		REQUIRE(sley_chan_recv(letters, &letter, SLEY_NEVER) == 0);
}

/* What each sender sends to be told, and how; each is a site of its own. */
enum { BY_SPAWN, BY_SEND, BY_TRY_SEND, BY_SELECT, WAYS };

/* Sends the letter; it must arrive in every way. */
static void send_by(int way, struct letter *letter)
{
	struct letter back = { 0 };
	struct sley_case cases[] = { { .op = SLEY_SEND, .chan = letters, .from = letter } };
	switch (way) {
	case BY_SPAWN:
		REQUIRE(sley_join(sley_spawn_copy(nothing, letter, sizeof(*letter)), SLEY_NEVER) == 0);
		return;
	case BY_SEND:
		REQUIRE(sley_chan_send(letters, letter, SLEY_NEVER) == 0);
		break;
	case BY_TRY_SEND:
		REQUIRE(sley_chan_try_send(letters, letter) == 0);
		break;
	case BY_SELECT:
		REQUIRE(sley_select(cases, 1, SLEY_NEVER) == 0);
	}
	REQUIRE(sley_chan_recv(letters, &back, SLEY_NEVER) == 0 && back.pointer == letter->pointer);
}

static void send_own_address(void *arg)
{
	int value = 5;
	struct letter letter = { .pointer = &value };
	for (int i = 0; i < 3; i++)
		send_by((int)(intptr_t)arg, &letter);
	REQUIRE(value == 5);
}

static int main_letters(void *arg)
{
	struct sley_task_options options = { .size = sizeof(options), .name = "sender" };
	sley_task task = 0;
	REQUIRE(sley_chan_new(&letters, sizeof(struct letter), 1) == 0);
	switch ((int)(intptr_t)arg) {
	case BY_SPAWN:
		task = sley_spawn_with(&options, send_own_address, arg, SLEY_BY_POINTER); /* the spawner's site */
		break;
	case BY_SEND:
		task = sley_spawn_with(&options, send_own_address, arg, SLEY_BY_POINTER); /* the sender's site */
		break;
	case BY_TRY_SEND:
		task = sley_spawn_with(&options, send_own_address, arg, SLEY_BY_POINTER); /* the trier's site */
		break;
	case BY_SELECT:
		task = sley_spawn_with(&options, send_own_address, arg, SLEY_BY_POINTER); /* the selector's site */
	}
	fprintf(stderr, "sender is %lld\n", (long long)task);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return sley_chan_free(letters);
}

static void run_letters(int way, unsigned flags, char *text, size_t size)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .flags = flags };
	capture_begin();
	run_with(main_letters, (void *)(intptr_t)way, &options);
	capture_end(text, size);
}

/*
 * In each way that a block travels, an address of the sender's own stack is said once for its site, with the offset; and
 * the block arrives. Not in other modes.
 */
TEST(letters)
{
	static const char *const calls[] = { "sley_spawn_copy(): the block", "sley_chan_send(): the item",
					     "sley_chan_try_send(): the item", "sley_select(): the item" };
	static const char *const markers[] = { "spawner", "sender", "trier", "selector" };
	char text[4096], site[200], expected[400];
	for (int way = 0; way < WAYS; way++) {
		long long id = 0;
		run_letters(way, 0, text, sizeof(text));
		assert_said(text, "holds", 0);
		run_letters(way, SLEY_RUN_STRICT_STACKS, text, sizeof(text));
		assert_said(text, "holds", 1);
		assert_int_equal(sscanf(text, "sender is %lld", &id), 1);
		snprintf(expected, sizeof(expected), "sley: %s holds at offset %zu the address 0x", calls[way],
			 offsetof(struct letter, pointer));
		assert_said(text, expected, 1);
		site_text(site, markers[way], "send_own_address");
		snprintf(expected, sizeof(expected), " the stack of the sender, task %lld sender, %s. ", id, site);
		assert_said(text, expected, 1);
		assert_said(text, "Put what it points to on the heap", 1);
	}
}

static void send_word(void *arg)
{
	int value = 0;
	void *word = &value;
	REQUIRE(sley_chan_send(words, &word, SLEY_NEVER) == 0);
}

static int main_word(void *arg)
{
	REQUIRE(sley_chan_new(&words, sizeof(void *), 1) == 0);
	REQUIRE(sley_join(sley_spawn(send_word, NULL), SLEY_NEVER) == 0);
	return sley_chan_free(words);
}

/* The smallest item that can hold an address. */
TEST(word)
{
	char text[1000];
	capture_begin();
	assert_int_equal(run_strict(main_word), 0);
	capture_end(text, sizeof(text));
	assert_said(text, "sley_chan_send(): the item holds at offset 0 ", 1);
}

/* Not inlined: its frame is below those of the calls that are made afterwards. */
__attribute__((noinline)) static uintptr_t dead_address(void)
{
	volatile char local[3000];
	local[0] = 0;
	return (uintptr_t)launder((void *)local);
}

static void send_legal(void *arg)
{
	static int shared;
	struct letter letter = { .text = "text" };
	const void *pointers[] = { NULL,       &shared, letters, stray, (void *)dead_address(), (void *)stacks_begin,
				   (void *)-1L };
	for (size_t i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
		letter.pointer = pointers[i];
		for (int way = 0; way < WAYS; way++)
			send_by(way, &letter);
	}
	/* too short for an address */
	REQUIRE(sley_join(sley_spawn_copy(nothing, &letter, sizeof(void *) - 1), SLEY_NEVER) == 0);
	REQUIRE(sley_join(sley_spawn_copy(nothing, &letter, 0), SLEY_NEVER) == 0);
}

static int main_legal(void *arg)
{
	int value = 0; /* main's stack is private: its address may travel */
	struct letter letter = { .pointer = &value };
	stray = &value;
	REQUIRE(sley_chan_new(&letters, sizeof(struct letter), 1) == 0);
	for (int way = 0; way < WAYS; way++)
		send_by(way, &letter);
	REQUIRE(sley_join(sley_spawn(send_legal, NULL), SLEY_NEVER) == 0);
	sley_task task = sley_spawn(drain, (void *)1);
	REQUIRE(sley_chan_send(letters, &letter, SLEY_NEVER) == 0 && sley_join(task, SLEY_NEVER) == 0);
	return sley_chan_free(letters);
}

/* The heap, statics, private stacks, and stale words that point below all live frames are nothing to report. */
TEST(legal)
{
	char text[4096];
	capture_begin();
	assert_int_equal(run_strict(main_legal), 0);
	capture_end(text, sizeof(text));
	assert_string_equal(text, "");
}
