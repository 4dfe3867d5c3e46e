/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Resolving names, and the cache of answers.
 *
 * An entry is a question and, later, its answer. It is *listed* from its creation until it is too old, has to make room
 * for another entry, or the cache is flushed. It is freed when it is not listed and has no holder.
 *
 *   ASKED      The task that made it holds it, and offloads the question. Other tasks with the same question wait on
 *              it.
 *   ANSWERED   The pool's thread has set the answer and woken all waiters.
 *   ABANDONED  The question was not asked, as that task gave up while its call was queued. The others ask anew.
 *
 * The thread answers whether or not the first task still waits. So a deadline ends that task's call, and not the
 * others'. Each asking task gets a copy of the answer and owns it.
 *
 * Lock: the cache's lock is an object lock (base/lock.h). Memory is allocated and freed without it.
 */
#include "io/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/race.h"
#include "io/addresses.h"
#include "io/offload.h"
#include "run/park.h"
#include "run/queue.h"
#include "run/worker.h"

#define KEPT_ADDRESSES (10 * NS_PER_SEC)
#define KEPT_NO_NAME   (3 * NS_PER_SEC)
#define KEPT_FAILURE   NS_PER_SEC
#define HOST_MOST      1024
#define SERVICE_MOST   64

struct question {
	const char *host, *service; /* either may be null */
	bool hinted;
	int flags, family, type, protocol; /* the hints */
};

enum name_stage { ASKED, ANSWERED, ABANDONED };

struct name_entry {
	struct list_link link; /* protected by the cache's lock, as all fields except the question */
	unsigned holders;      /* number of holders: the list, tasks, and the offloaded call */
	bool listed;
	enum name_stage stage;
	int error;
	struct addrinfo *addresses; /* constant once the stage is ANSWERED */
	int64_t expires;
	struct sley_waiters waiters; /* tasks that wait for its answer */
	struct question question;    /* constant */
	char strings[];
};

typedef LIST(struct name_entry) entry_list;

static struct {
	struct object_lock lock;     /* protects the fields below */
	entry_list listed, unlisted; /* listed: most recently asked first; unlisted: still held */
	int (*get)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	void (*free)(struct addrinfo *);
} cache;

int64_t names_test_later;
unsigned names_count;

static int64_t now(void)
{
	return clock_now() + load(&names_test_later, relaxed);
}

/* ---- entries ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_question(const struct question *a, const struct question *b)
{
	return a->hinted == b->hinted && a->flags == b->flags && a->family == b->family && a->type == b->type &&
	       a->protocol == b->protocol && same_text(a->host, b->host) && same_text(a->service, b->service);
}

static struct name_entry *entry_new(const struct question *question)
{
	size_t host = question->host ? strlen(question->host) + 1 : 0;
	size_t service = question->service ? strlen(question->service) + 1 : 0;
	int saved = errno;
	struct name_entry *entry = malloc(sizeof(*entry) + host + service);
	errno = saved;
	if (!entry)
		return NULL;
	*entry = (struct name_entry){ .question = *question };
	if (host)
		entry->question.host = memcpy(entry->strings, question->host, host);
	if (service)
		entry->question.service = memcpy(entry->strings + host, question->service, service);
	return entry;
}

static void entry_free(struct name_entry *entry)
{
	if (!entry)
		return;
	addresses_free(entry->addresses);
	free(entry);
}

/* ---- the lists; with the lock held ---- */

static void cache_take_out(struct name_entry *entry)
{
	list_remove(entry->listed ? &cache.listed : &cache.unlisted, entry, link);
}

static void put_first(struct name_entry *entry)
{
	list_prepend(entry->listed ? &cache.listed : &cache.unlisted, entry, link);
}

/* Ends one hold. Returns the entry if it has to be freed, else null. */
static struct name_entry *let_go(struct name_entry *entry)
{
	if (--entry->holders > 0)
		return NULL;
	cache_take_out(entry);
	return entry;
}

static void list(struct name_entry *entry)
{
	entry->listed = true;
	entry->holders++;
	put_first(entry);
	store(&names_count, names_count + 1, relaxed);
}

static struct name_entry *unlist(struct name_entry *entry)
{
	cache_take_out(entry);
	entry->listed = false;
	put_first(entry);
	store(&names_count, names_count - 1, relaxed);
	return let_go(entry);
}

/*
 * Returns the listed entry for the question, or null. If the entry is too old, unlists it; *old has to be freed then.
 */
static struct name_entry *cache_find(const struct question *question, struct name_entry **old)
{
	struct name_entry *entry;
	list_each(entry, &cache.listed, link) {
		if (same_question(&entry->question, question))
			break;
	}
	if (!entry || entry->stage == ASKED || entry->expires > now())
		return entry;
	*old = unlist(entry);
	return NULL;
}

/* ---- on the thread ---- */

static int error_of(int code)
{
	switch (code) {
	case 0:
		return 0;
	case EAI_NONAME:
	case EAI_NODATA:
	case EAI_ADDRFAMILY:
		return -ENOENT;
	case EAI_AGAIN:
		return -EAGAIN;
	case EAI_SERVICE:
	case EAI_FAMILY:
	case EAI_SOCKTYPE:
		return -ENOTSUP;
	case EAI_BADFLAGS:
		return -EINVAL;
	case EAI_MEMORY:
		return -ENOMEM;
	case EAI_SYSTEM:
		return errno > 0 ? -errno : -EIO;
	default:
		return -EIO;
	}
}

static int64_t kept(int error)
{
	switch (error) {
	case 0:
		return KEPT_ADDRESSES;
	case -ENOENT:
	case -ENOTSUP:
		return KEPT_NO_NAME;
	case -EAGAIN:
	case -EIO:
		return KEPT_FAILURE;
	default: /* failures of this process, not of the name */
		return 0;
	}
}

/* Ends the stage ASKED: wakes the waiters. */
static void settle(struct name_entry *entry, enum name_stage stage, int error, struct addrinfo *addresses)
{
	struct name_entry *old = NULL;
	struct task_list woken = { 0 };
	lock_take(&cache.lock);
	entry->stage = stage;
	entry->error = error;
	entry->addresses = addresses;
	entry->expires = now() + kept(error);
	if (entry->listed && (stage == ABANDONED || kept(error) == 0))
		old = unlist(entry); /* null: the offloaded call still holds it */
	wait_pop_all(&entry->waiters, CLAIM_EVENT, &woken);
	lock_drop(&cache.lock);
	DCHECK(!old);
	task_ready_list(&woken);
}

static void question_resolve(void *block)
{
	struct name_entry *entry = *(struct name_entry **)block;
	const struct question *q = &entry->question;
	struct addrinfo *list = NULL, *addresses = NULL;
	struct addrinfo hints = {
		.ai_flags = q->flags, .ai_family = q->family, .ai_socktype = q->type, .ai_protocol = q->protocol
	};
	lock_take(&cache.lock);
	int (*get)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = cache.get;
	void (*free)(struct addrinfo *) = cache.free;
	lock_drop(&cache.lock);
	int error = error_of((get ? get : getaddrinfo)(q->host, q->service, q->hinted ? &hints : NULL, &list));
	if (error == 0) {
		error = list ? addresses_copy(list, &addresses) : -ENOENT;
		if (list)
			(free ? free : freeaddrinfo)(list);
	}
	settle(entry, ANSWERED, error, addresses);
}

static void leave_entry(struct name_entry *entry)
{
	lock_take(&cache.lock);
	struct name_entry *old = let_go(entry);
	lock_drop(&cache.lock);
	entry_free(old);
}

/* Called when the task that asked the question has given up. */
static void question_dropped(void *block)
{
	struct name_entry *entry = *(struct name_entry **)block;
	lock_take(&cache.lock);
	bool never = entry->stage == ASKED;
	lock_drop(&cache.lock);
	if (never)
		settle(entry, ABANDONED, -ECANCELED, NULL);
	leave_entry(entry);
}

/* ---- asking ---- */

/* Offloads the question of a new entry, and waits for its answer. */
static int question_ask(struct name_entry *entry, sley_time deadline, const void *pc)
{
	const struct offload what = {
		question_resolve, question_dropped, { SLEY_WAIT_RESOLVE, 0, pc }, POOL_NAMES, true
	};
	int error = offload_run(&what, &entry, sizeof(entry), deadline);
	if (error == 0)
		leave_entry(entry); /* ends the hold of the offloaded call */
	return error;
}

/* Waits for the answer to another task's question. The lock is held, and dropped. */
static int wait_for_answer(struct name_entry *entry, sley_time deadline, const void *pc)
{
	return park_in(&entry->waiters, task_self(), &cache.lock, SLEY_WAIT_RESOLVE, 0, deadline, pc);
}

/*
 * Returns the entry for the question, held by the caller, after its answer has come, or with *error. If there is no
 * entry, `fresh` becomes the entry. Returns null if there is no entry and `fresh` is null.
 */
static struct name_entry *obtain(const struct question *question, struct name_entry *fresh, sley_time deadline,
				 const void *pc, int *error)
{
	struct name_entry *old = NULL, *pushed = NULL;
	lock_take(&cache.lock);
	struct name_entry *entry = cache_find(question, &old);
	*error = 0;
	if (!entry && fresh) {
		entry = fresh;
		entry->holders = 2; /* held by the caller and the offloaded call */
		list(entry);
		if (names_count > NAMES_MOST)
			pushed = unlist(list_last(&cache.listed, link));
		lock_drop(&cache.lock);
		*error = question_ask(entry, deadline, pc);
	} else if (entry) {
		entry->holders++;
		if (entry != list_first(&cache.listed, link)) {
			cache_take_out(entry);
			put_first(entry);
		}
		if (entry->stage == ASKED)
			*error = wait_for_answer(entry, deadline, pc);
		else
			lock_drop(&cache.lock);
	} else {
		lock_drop(&cache.lock);
	}
	entry_free(old);
	entry_free(pushed);
	return entry;
}

/* Copies the answer of an obtained entry. Returns 1 if the entry was abandoned. */
static int answer(struct name_entry *entry, struct addrinfo **result)
{
	lock_take(&cache.lock);
	enum name_stage stage = entry->stage;
	int error = entry->error;
	lock_drop(&cache.lock);
	if (stage == ABANDONED)
		return 1;
	return error ? error : addresses_copy(entry->addresses, result);
}

int name_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
		 sley_time deadline, const void *pc)
{
	struct question question = { .host = host, .service = service, .hinted = hints != NULL };
	struct name_entry *fresh = NULL;
	int error;
	if (hints) {
		question.flags = hints->ai_flags;
		question.family = hints->ai_family;
		question.type = hints->ai_socktype;
		question.protocol = hints->ai_protocol;
	}
	for (;;) {
		struct name_entry *entry = obtain(&question, fresh, deadline, pc, &error);
		if (!entry) {
			if (!(fresh = entry_new(&question)))
				return -ENOMEM;
			continue;
		}
		if (entry == fresh)
			fresh = NULL;
		if (error == 0)
			error = answer(entry, result);
		leave_entry(entry);
		if (error <= 0)
			break;
	}
	entry_free(fresh);
	return error;
}

static bool is_too_long(const char *text, size_t most)
{
	return text && strnlen(text, most + 1) > most;
}

int name_check(const char *host, const char *service)
{
	return is_too_long(host, HOST_MOST) || is_too_long(service, SERVICE_MOST) ? -ENAMETOOLONG : 0;
}

int sley_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
		 sley_time deadline)
{
	if (result)
		*result = NULL;
	if (!task_self())
		return outside_error();
	if (!result)
		return -EFAULT;
	if (!host && !service)
		return -EINVAL;
	int error = name_check(host, service);
	if (error == 0)
		error = name_resolve(host, service, hints, result, deadline, __builtin_return_address(0));
	worker_spend(__builtin_return_address(0));
	return error;
}

void sley_resolve_free(struct addrinfo *addresses)
{
	addresses_free(addresses);
}

/* ---- the cache as a whole ---- */

/* Called with the lock held. Unlists all entries. The entries in `old` have to be freed. */
static void unlist_all(entry_list *old)
{
	struct name_entry *entry;
	while ((entry = list_first(&cache.listed, link))) {
		if (unlist(entry))
			list_append(old, entry, link);
	}
}

static void free_all(entry_list *old)
{
	struct name_entry *entry;
	while ((entry = list_first(old, link))) {
		list_remove(old, entry, link);
		entry_free(entry);
	}
}

void sley_resolve_flush(void)
{
	if (load(&scheduler.forked, relaxed)) /* no name is resolved there, and the lock may be held for ever */
		return;
	entry_list old = { 0 };
	lock_take(&cache.lock);
	RACE_POINT(resolve_flush_locked);
	unlist_all(&old);
	lock_drop(&cache.lock);
	free_all(&old);
}

int sley_resolver_set(int (*get)(const char *, const char *, const struct addrinfo *, struct addrinfo **),
		      void (*free)(struct addrinfo *))
{
	if (!get != !free)
		return -EINVAL;
	if (load(&scheduler.forked, relaxed)) /* see sley_resolve_flush() */
		return -ECHILD;
	entry_list old = { 0 };
	lock_take(&cache.lock);
	cache.get = get;
	cache.free = free;
	unlist_all(&old);
	lock_drop(&cache.lock);
	free_all(&old);
	return 0;
}

void names_close(void)
{
	sley_resolve_flush();
	free_all(&cache.unlisted); /* held by tasks that were abandoned */
}
