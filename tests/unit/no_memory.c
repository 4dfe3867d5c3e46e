/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Without memory calls that allocate answer -ENOMEM and change nothing; with some again they work. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"

/* ---- blocks that are images (the allocation that fails is counted) ---- */

static void check_select(struct sley_case *cases, unsigned allocations, struct sley_chan *chan)
{
	char item[100];
	for (unsigned good = 0; good < allocations; good++) {
		store(&block_test_fail, good + 1, relaxed);
		REQUIRE(sley_select(cases, 2, SLEY_NEVER) == -ENOMEM);
	}
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_try_select(cases, 2) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	memset(item, 7, sizeof(item));
	REQUIRE(sley_chan_try_send(chan, item) == 0); /* into the buffer: nobody was left waiting */
	REQUIRE(sley_select(cases, 2, SLEY_NEVER) == 1 && cases[1].error == 0 && ((char *)cases[1].into)[0] == 7);
}

TASK_TEST(select, 1)
{
	char item[100];
	struct sley_chan *words, *large;
	REQUIRE(sley_chan_new(&words, 8, 1) == 0 && sley_chan_new(&large, sizeof(item), 1) == 0);
	struct sley_case cases[2] = { { .op = SLEY_RECV }, { .chan = words, .op = SLEY_RECV, .into = item } };
	check_select(cases, 1, words); /* the record */
	cases[1].chan = large;
	check_select(cases, 2, large); /* and a block for the item */
	REQUIRE(sley_chan_free(words) == 0 && sley_chan_free(large) == 0);
}

static unsigned called, drops; /* atomic */

static void call(void *block)
{
	REQUIRE(strcmp(block, "block") == 0);
	fetch_add(&called, 1, relaxed);
}

static void drop(void *block)
{
	REQUIRE(strcmp(block, "block") == 0);
	fetch_add(&drops, 1, relaxed);
}

/* The block is given back once. */
TASK_TEST(offload, 1)
{
	struct sley_offload_options options = { .size = sizeof(options), .dropped = drop };
	char block[] = "block";
	called = drops = 0;
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_offload(call, block, sizeof(block), SOON) == -ENOMEM && load(&drops, relaxed) == 0);
	REQUIRE(sley_offload_with(&options, call, block, sizeof(block), SOON) == -ENOMEM);
	REQUIRE(load(&drops, relaxed) == 1);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(sley_offload_with(&options, call, block, sizeof(block), SOON) == 0);
	REQUIRE(load(&called, relaxed) == 1 && load(&drops, relaxed) == 1);
}

/* ---- what comes from malloc(): there is none (the sanitizers' own ends the process instead) ---- */

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
struct hoard {
	struct hoard *next;
};

static struct hoard *hoard;
static struct rlimit plenty;

static void take(size_t size)
{
	struct hoard *block;
	while ((block = malloc(size))) {
		block->next = hoard;
		hoard = block;
	}
}

/* Small blocks of each size: malloc() keeps freed ones for requests of the same size alone, up to some 1,000 bytes. */
static void take_all(void)
{
	struct rlimit none;
	REQUIRE(getrlimit(RLIMIT_DATA, &plenty) == 0);
	none = plenty;
	none.rlim_cur = 4096; /* 0 would be ignored: mm/mmap.c, for Valgrind */
	REQUIRE(setrlimit(RLIMIT_DATA, &none) == 0);
	for (size_t size = 64 << 10; size > 1 << 10; size /= 2)
		take(size);
	for (size_t size = 1 << 10; size >= sizeof(*hoard); size -= 8)
		take(size);
}

static void give_all(void)
{
	REQUIRE(setrlimit(RLIMIT_DATA, &plenty) == 0);
	while (hoard) {
		struct hoard *next = hoard->next;
		free(hoard);
		hoard = next;
	}
}

static int none(void *arg)
{
	return 0;
}

static int counts(void *state, void *item, sley_time deadline)
{
	*(uint64_t *)item = ++*(uint64_t *)state;
	return 0;
}

static int doubles(void *arg, const void *from, void *to)
{
	*(uint64_t *)to = 2 * *(const uint64_t *)from;
	return 0;
}

static int is_any(void *arg, const void *item)
{
	return 1;
}

static int sees(void *arg, void *item)
{
	return -EIO; /* is not called */
}

static int main_objects(void *arg)
{
	struct sley_chan *chan = NULL;
	struct sley_promise *promise = NULL;
	struct sley_future *future = NULL;
	struct sley_gen *gen = NULL;
	struct sley_reader reader;
	struct sley_writer writer;
	struct sley_process process;
	const char *const argv[] = { "true", NULL };
	take_all();
	int errors[] = { sley_chan_new(&chan, 8, 1),
			 sley_promise_new(&promise, &future, 8),
			 sley_gen_new(&gen, none, NULL, 0, 8),
			 sley_reader_init(&reader, 0, NULL, 0),
			 sley_writer_init(&writer, 1, NULL, 0),
			 sley_process_spawn(&process, argv, NULL, SOON) };
	give_all();
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		REQUIRE(errors[i] == -ENOMEM);
	REQUIRE(!chan && !promise && !future && !gen && process.pidfd == -1);
	return 0;
}

TEST(objects)
{
	test_need_kernel("qemu-user does not keep RLIMIT_DATA");
	run(main_objects, 1);
}

static int main_streams(void *arg)
{
	struct sley_stream *stream, *made = NULL;
	struct sley_chan *chan;
	struct sley_gen *gen;
	uint64_t state = 0, item;
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0 && sley_chan_new(&chan, 8, 1) == 0 && sley_gen_new(&gen, none, NULL, 0, 8) == 0);
	REQUIRE(sley_stream_new(&stream, counts, NULL, &state, sizeof(state), 8) == 0);
	take_all();
	int errors[] = { sley_stream_new(&made, counts, NULL, &state, sizeof(state), 8),
			 sley_stream_from_chan(&made, chan),
			 sley_stream_from_gen(&made, gen),
			 sley_stream_ticker(&made, SLEY_SEC(1)),
			 sley_stream_from_listener(&made, listener),
			 sley_stream_map(stream, doubles, NULL, 0, 8),
			 sley_stream_filter(stream, is_any, NULL, 0),
			 sley_stream_take(stream, 1),
			 sley_stream_buffered(stream, 4, doubles, NULL, 0, 8, NULL),
			 sley_stream_for_each(stream, sees, NULL, SLEY_NEVER) };
	give_all();
	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		REQUIRE(errors[i] == -ENOMEM);
	/* the sources are ours still, and the stream is what it was */
	REQUIRE(!made && sley_chan_send(chan, &state, 0) == 0 && sley_chan_free(chan) == 0);
	REQUIRE(sley_gen_next(gen, &item, SOON) == SLEY_END && sley_gen_free(gen, SOON) == 0);
	REQUIRE(sley_close(listener) == 0);
	for (uint64_t i = 1; i < 4; i++)
		REQUIRE(sley_stream_next(stream, &item, SOON) == 0 && item == i);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	return 0;
}

TEST(streams)
{
	test_need_kernel("qemu-user does not keep RLIMIT_DATA");
	run(main_streams, 1);
}

static sem_t go;
static int submitted;

static void never(void *block)
{
	abort();
}

static void *submits(void *arg)
{
	while (sem_wait(&go) != 0)
		;
	submitted = sley_submit(never, NULL, 0, SLEY_NEVER);
	return NULL;
}

static int main_submit(void *arg)
{
	pthread_t thread;
	REQUIRE(sem_init(&go, 0, 0) == 0 && pthread_create(&thread, NULL, submits, NULL) == 0);
	take_all();
	sem_post(&go);
	int error = pthread_join(thread, NULL);
	give_all();
	REQUIRE(error == 0 && submitted == -ENOMEM && sem_destroy(&go) == 0);
	return 0;
}

TEST(submit)
{
	test_need_kernel("qemu-user does not keep RLIMIT_DATA");
	run(main_submit, 1);
}
#endif
