/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * keyd: a key-value server that speaks a part of Redis's protocol, with a thread for each connection.
 *
 *   server.c   accepts connections, and ends in order: on SIGTERM it lets the clients go, and writes a last snapshot
 *   client.c   a connection: reads commands, and writes replies; those who subscribe also get what others publish
 *   command.c  the commands
 *   store.c    the keys, under one mutex: strings and lists that may expire; the thread that removes what has expired
 *   snapshot.c the store as a file
 *
 * Locks, in this order: those of publish(), store, one client's output. No other lock is taken below the store's.
 */
#ifndef KEYD_H
#define KEYD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGUMENTS 64
#define CHANNELS  8

struct bytes {
	char *at;
	size_t n;
};

/* Bytes that grow at their end. */
struct buffer {
	char *at;
	size_t n, room;
};

void buffer_add(struct buffer *, const void *bytes, size_t n);
__attribute__((format(printf, 2, 3))) void buffer_print(struct buffer *, const char *format, ...);

/* ---- a client ---- */

struct waiter {
	struct waiter *next;
	struct bytes key;
	pthread_cond_t wake;
	bool woken; /* an item has come for it, or its time */
};

struct client {
	int fd;
	bool over;             /* the connection is to end when the replies are out */
	struct client *next;   /* of all; under the lock of server.c */
	struct client **place; /* what points to it */
	struct buffer in;
	size_t used;       /* bytes of `in` that were understood */
	struct buffer out; /* replies that were not written yet */
	struct bytes argument[ARGUMENTS];
	int arguments;
	struct waiter waiter;
	pthread_mutex_t writing; /* one write at a time */
	struct client *next_subscriber;
	struct bytes channel[CHANNELS]; /* under the lock of publish() */
	int channels;
};

/* A thread's function: serves the connection to its end, and frees the client. */
void *client_serve(void *client);

/* Whether the peer is still there: it has not closed its end. */
bool client_is_there(const struct client *);

/* Runs the command in `argument`, and adds the reply to `out`. */
void command_run(struct client *);

/* Publishing, over all clients. */
void publish_open(void);
int publish(struct bytes channel, struct bytes text);
bool subscribe(struct client *, struct bytes channel);
void unsubscribe_all(struct client *);

/* ---- the server ---- */

void server_forget(struct client *);
unsigned server_clients(void);

/* ---- the store ---- */

enum kind { STRING, LIST };

struct item {
	struct item *next;
	struct bytes value;
};

struct entry {
	struct entry *next;
	struct bytes key;
	enum kind kind;
	int64_t expires; /* ms since 1970; 0: never */
	struct bytes value;
	struct item *first, *last;
	unsigned items;
};

#define WRONG_KIND   (-1)
#define NO_NUMBER    (-2)
#define NOTHING      (-3)
#define STOPPED      (-4)
#define NEVER        0
#define BUCKETS      4096
#define CHECK_PEER   200 /* ms */
#define MOST_SECONDS 1000000000

int64_t now_ms(void);

void store_open(void);

/* Ends the thread that removes what has expired, and all waits for items. */
void store_stop(void);
void store_close(void);

void store_set(struct bytes key, struct bytes value, int64_t expires);

/* Return 0, and a copy that the caller frees; NOTHING or WRONG_KIND. */
int store_get(struct bytes key, struct bytes *value);
int store_pop(struct bytes key, struct bytes *value);

/* As store_pop(), but waits until there is an item, or until `until`, or until the client has gone: NOTHING then; STOPPED. */
int store_wait_pop(struct client *, struct bytes key, int64_t until, struct bytes *value);

/* Returns the new length, or WRONG_KIND. */
int store_push(struct bytes key, struct bytes value, bool first);

bool store_remove(struct bytes key);
bool store_has(struct bytes key);
int store_add(struct bytes key, int64_t n, int64_t *sum);
int store_length(struct bytes key);
bool store_expire(struct bytes key, int64_t expires);
bool store_expiry(struct bytes key, int64_t *expires);
void store_count(unsigned *keys, unsigned *waiters);
void store_clear(void);

/* Calls the function for each entry, with the lock held. */
void store_each(void (*function)(const struct entry *, void *), void *arg);

/* ---- the snapshot ---- */

/*
 * Reads the file, and remembers its path (null: none). Returns the number of keys, 0 if there is no file, or -1 with errno.
 * EINVAL: the file is damaged.
 */
int snapshot_open(const char *path);

/* Replaces the file by one with all that the store has. Returns the number of keys, or -1 with errno. */
int snapshot_save(void);

#endif
