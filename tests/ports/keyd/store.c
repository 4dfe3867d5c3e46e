/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The keys. All under one mutex, which is held for short: nothing here waits with it but on a condition. */
#include "keyd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* `next` has come nearer, or it is to stop */
	pthread_t janitor;
	struct entry *bucket[BUCKETS];
	unsigned keys, waiters;
	int64_t next; /* nothing expires before */
	bool stopped;
	struct waiter *first, **last; /* those who wait for items, the oldest first */
} store;

int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct timespec at_ms(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static struct bytes copy(struct bytes from)
{
	struct bytes to = { malloc(from.n + 1), from.n };
	if (!to.at) {
		perror("keyd: malloc");
		abort();
	}
	memcpy(to.at, from.at, from.n);
	to.at[from.n] = '\0';
	return to;
}

static bool same(struct bytes a, struct bytes b)
{
	return a.n == b.n && memcmp(a.at, b.at, a.n) == 0;
}

/* ---- entries ---- */

static struct entry **bucket_of(struct bytes key)
{
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < key.n; i++)
		hash = (hash ^ (unsigned char)key.at[i]) * 16777619u;
	return &store.bucket[hash % BUCKETS];
}

static void remove_value(struct entry *entry)
{
	for (struct item *item = entry->first, *next; item; item = next) {
		next = item->next;
		free(item->value.at);
		free(item);
	}
	free(entry->value.at);
	entry->value = (struct bytes){ NULL, 0 };
	entry->first = entry->last = NULL;
	entry->items = 0;
}

static void remove_entry(struct entry **place)
{
	struct entry *entry = *place;
	*place = entry->next;
	remove_value(entry);
	free(entry->key.at);
	free(entry);
	store.keys--;
}

/* What points to the entry; null: there is none, or it has expired. */
static struct entry **find(struct bytes key)
{
	for (struct entry **place = bucket_of(key); *place; place = &(*place)->next) {
		if (!same((*place)->key, key))
			continue;
		if (!(*place)->expires || (*place)->expires > now_ms())
			return place;
		remove_entry(place);
		return NULL;
	}
	return NULL;
}

static struct entry *make(struct bytes key, enum kind kind)
{
	struct entry **place = find(key), *entry;
	if (place)
		return *place;
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		perror("keyd: calloc");
		abort();
	}
	entry->key = copy(key);
	entry->kind = kind;
	place = bucket_of(key);
	entry->next = *place;
	*place = entry;
	store.keys++;
	return entry;
}

static void set_expiry(struct entry *entry, int64_t expires)
{
	entry->expires = expires;
	if (expires && expires < store.next) {
		store.next = expires;
		pthread_cond_signal(&store.changed);
	}
}

void store_set(struct bytes key, struct bytes value, int64_t expires)
{
	pthread_mutex_lock(&store.lock);
	struct entry *entry = make(key, STRING);
	remove_value(entry);
	entry->kind = STRING;
	entry->value = copy(value);
	set_expiry(entry, expires);
	pthread_mutex_unlock(&store.lock);
}

int store_get(struct bytes key, struct bytes *value)
{
	pthread_mutex_lock(&store.lock);
	struct entry **place = find(key);
	int result = !place ? NOTHING : (*place)->kind != STRING ? WRONG_KIND : 0;
	if (result == 0)
		*value = copy((*place)->value);
	pthread_mutex_unlock(&store.lock);
	return result;
}

bool store_remove(struct bytes key)
{
	pthread_mutex_lock(&store.lock);
	struct entry **place = find(key);
	if (place)
		remove_entry(place);
	pthread_mutex_unlock(&store.lock);
	return place != NULL;
}

bool store_has(struct bytes key)
{
	pthread_mutex_lock(&store.lock);
	bool has = find(key) != NULL;
	pthread_mutex_unlock(&store.lock);
	return has;
}

static int add(struct entry *entry, int64_t n, int64_t *sum)
{
	char text[32], *end;
	long long old = 0;
	if (entry->kind != STRING)
		return WRONG_KIND;
	if (entry->value.at) {
		errno = 0;
		old = strtoll(entry->value.at, &end, 10);
		if (end == entry->value.at || end != entry->value.at + entry->value.n || errno == ERANGE)
			return NO_NUMBER;
	}
	if (__builtin_add_overflow(old, n, sum))
		return NO_NUMBER;
	free(entry->value.at);
	entry->value = copy((struct bytes){ text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)*sum) });
	return 0;
}

int store_add(struct bytes key, int64_t n, int64_t *sum)
{
	pthread_mutex_lock(&store.lock);
	int result = add(make(key, STRING), n, sum);
	pthread_mutex_unlock(&store.lock);
	return result;
}

bool store_expire(struct bytes key, int64_t expires)
{
	pthread_mutex_lock(&store.lock);
	struct entry **place = find(key);
	if (place)
		set_expiry(*place, expires);
	pthread_mutex_unlock(&store.lock);
	return place != NULL;
}

bool store_expiry(struct bytes key, int64_t *expires)
{
	pthread_mutex_lock(&store.lock);
	struct entry **place = find(key);
	*expires = place ? (*place)->expires : 0;
	pthread_mutex_unlock(&store.lock);
	return place != NULL;
}

/* ---- lists ---- */

static int pop(struct bytes key, struct bytes *value)
{
	struct entry **place = find(key), *entry = place ? *place : NULL;
	if (!entry)
		return NOTHING;
	if (entry->kind != LIST)
		return WRONG_KIND;
	struct item *item = entry->first;
	entry->first = item->next;
	*value = item->value;
	free(item);
	if (--entry->items == 0)
		remove_entry(place);
	return 0;
}

int store_pop(struct bytes key, struct bytes *value)
{
	pthread_mutex_lock(&store.lock);
	int result = pop(key, value);
	pthread_mutex_unlock(&store.lock);
	return result;
}

int store_push(struct bytes key, struct bytes value, bool first)
{
	pthread_mutex_lock(&store.lock);
	struct entry *entry = make(key, LIST);
	struct item *item = entry->kind == LIST ? calloc(1, sizeof(*item)) : NULL;
	int result = WRONG_KIND;
	if (item) {
		item->value = copy(value);
		item->next = first ? entry->first : NULL;
		if (!entry->first)
			entry->first = entry->last = item;
		else if (first)
			entry->first = item;
		else
			entry->last = entry->last->next = item;
		result = (int)++entry->items;
		struct waiter *waiter = store.first;
		while (waiter && (waiter->woken || !same(waiter->key, key)))
			waiter = waiter->next;
		if (waiter) {
			waiter->woken = true;
			pthread_cond_signal(&waiter->wake);
		}
	}
	pthread_mutex_unlock(&store.lock);
	return result;
}

int store_length(struct bytes key)
{
	pthread_mutex_lock(&store.lock);
	struct entry **place = find(key);
	int result = !place ? 0 : (*place)->kind == LIST ? (int)(*place)->items : WRONG_KIND;
	pthread_mutex_unlock(&store.lock);
	return result;
}

static void enqueue(struct waiter *waiter, struct bytes key)
{
	waiter->key = key;
	waiter->next = NULL;
	*store.last = waiter;
	store.last = &waiter->next;
	store.waiters++;
}

static void dequeue(struct waiter *waiter)
{
	struct waiter **place = &store.first;
	while (*place != waiter)
		place = &(*place)->next;
	*place = waiter->next;
	if (!*place)
		store.last = place;
	store.waiters--;
}

int store_wait_pop(struct client *client, struct bytes key, int64_t until, struct bytes *value)
{
	struct waiter *waiter = &client->waiter;
	int result;
	pthread_mutex_lock(&store.lock);
	enqueue(waiter, key);
	while ((result = pop(key, value)) == NOTHING) {
		int64_t now = now_ms(), next = now + CHECK_PEER;
		if (until && now >= until)
			break;
		if (store.stopped) {
			result = STOPPED;
			break;
		}
		struct timespec time = at_ms(until && until < next ? until : next);
		waiter->woken = false;
		if (pthread_cond_timedwait(&waiter->wake, &store.lock, &time) == ETIMEDOUT && !client_is_there(client))
			break;
	}
	dequeue(waiter);
	pthread_mutex_unlock(&store.lock);
	return result;
}

/* ---- all of them ---- */

void store_count(unsigned *keys, unsigned *waiters)
{
	pthread_mutex_lock(&store.lock);
	*keys = store.keys;
	*waiters = store.waiters;
	pthread_mutex_unlock(&store.lock);
}

void store_clear(void)
{
	pthread_mutex_lock(&store.lock);
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (store.bucket[i])
			remove_entry(&store.bucket[i]);
	}
	pthread_mutex_unlock(&store.lock);
}

void store_each(void (*function)(const struct entry *, void *), void *arg)
{
	pthread_mutex_lock(&store.lock);
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (const struct entry *entry = store.bucket[i]; entry; entry = entry->next)
			function(entry, arg);
	}
	pthread_mutex_unlock(&store.lock);
}

/* Removes what has expired, and notes when that will be so again. */
static void sweep(int64_t now)
{
	store.next = INT64_MAX;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct entry **place = &store.bucket[i]; *place;) {
			int64_t expires = (*place)->expires;
			if (expires && expires <= now) {
				remove_entry(place);
				continue;
			}
			if (expires && expires < store.next)
				store.next = expires;
			place = &(*place)->next;
		}
	}
}

static void *janitor(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&store.lock);
	while (!store.stopped) {
		int64_t now = now_ms();
		if (store.next <= now)
			sweep(now);
		struct timespec time = at_ms(store.next < now + MOST_SECONDS ? store.next : now + MOST_SECONDS);
		pthread_cond_timedwait(&store.changed, &store.lock, &time);
	}
	pthread_mutex_unlock(&store.lock);
	return NULL;
}

void store_open(void)
{
	store.next = INT64_MAX;
	store.last = &store.first;
	pthread_mutex_init(&store.lock, NULL);
	pthread_cond_init(&store.changed, NULL);
	int error = pthread_create(&store.janitor, NULL, janitor, NULL);
	if (error) {
		errno = error;
		perror("keyd: pthread_create");
		exit(1);
	}
}

void store_stop(void)
{
	pthread_mutex_lock(&store.lock);
	store.stopped = true;
	pthread_cond_signal(&store.changed);
	for (struct waiter *waiter = store.first; waiter; waiter = waiter->next)
		pthread_cond_signal(&waiter->wake);
	pthread_mutex_unlock(&store.lock);
	pthread_join(store.janitor, NULL);
}

void store_close(void)
{
	store_clear();
	pthread_cond_destroy(&store.changed);
	pthread_mutex_destroy(&store.lock);
}
