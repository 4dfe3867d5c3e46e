/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Names of hosts. libc's resolver does its waits inside libc, so it runs on a thread of the pool for blocking calls, and
 * the task waits for its end. All that it is given and gives back is on the heap. An address in the place of a name needs
 * no wait. Rejected: sley_resolve(), whose cache and error codes are not libc's.
 */
#include "posix/posix.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static bool is_address(const char *name)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Runs fn(block) on a thread of the pool. False: with errno; `dropped` has been called. */
static bool on_a_thread(void (*fn)(void *), void (*dropped)(void *), void *block, size_t n)
{
	struct sley_offload_options options = { .size = sizeof(options), .dropped = dropped };
	int pinned = sley_pin(1);
	int error = sley_offload_with(&options, fn, block, n, posix_deadline());
	sley_pin(pinned);
	if (error)
		errno = -error;
	return error == 0;
}

/* ---- getaddrinfo ---- */

struct lookup {
	char *host, *service; /* copies, or null */
	struct addrinfo hints, *result;
	bool with_hints;
	int code, error;
};

static void lookup_run(void *block)
{
	struct lookup *l = block;
	l->code = NEXT(getaddrinfo)(l->host, l->service, l->with_hints ? &l->hints : NULL, &l->result);
	l->error = errno;
}

static void lookup_free(void *block)
{
	struct lookup *l = block;
	free(l->host);
	free(l->service);
	if (l->code == 0 && l->result)
		freeaddrinfo(l->result);
}

/* False: no memory. */
static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return !from || *to;
}

int posix_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
		      const void *pc)
{
	struct lookup l = { .with_hints = hints != NULL };
	(void)pc;
	if (!host || (hints && hints->ai_flags & AI_NUMERICHOST) || is_address(host))
		return NEXT(getaddrinfo)(host, service, hints, result);
	if (hints)
		l.hints = *hints;
	if (!copy_text(&l.host, host) || !copy_text(&l.service, service)) {
		free(l.host);
		return EAI_MEMORY;
	}
	if (!on_a_thread(lookup_run, lookup_free, &l, sizeof(l)))
		return EAI_SYSTEM;
	if (l.code == 0)
		*result = l.result;
	l.result = NULL;
	lookup_free(&l);
	if (l.code != 0)
		errno = l.error;
	return l.code;
}

/* ---- gethostbyname ---- */

struct host {
	char *name;
	int family; /* 0: gethostbyname_r() */
	size_t size, shift;
	char *memory; /* the buffer is behind `shift` bytes, so that it is aligned as the caller's */
	struct hostent entry, *result;
	int code, error, h_error;
};

static void host_run(void *block)
{
	struct host *h = block;
	char *buffer = h->memory + h->shift;
	if (h->family)
		h->code =
			NEXT(gethostbyname2_r)(h->name, h->family, &h->entry, buffer, h->size, &h->result, &h->h_error);
	else
		h->code = NEXT(gethostbyname_r)(h->name, &h->entry, buffer, h->size, &h->result, &h->h_error);
	h->error = errno;
}

static void host_free(void *block)
{
	struct host *h = block;
	free(h->name);
	free(h->memory);
}

static char *moved_by(char *p, ptrdiff_t by)
{
	return p ? p + by : NULL;
}

/* Copies the answer to the caller's buffer, where its pointers point to. */
static void host_move(const struct host *h, struct hostent *entry, char *buffer)
{
	ptrdiff_t by = buffer - (h->memory + h->shift);
	memcpy(buffer, h->memory + h->shift, h->size);
	*entry = h->entry;
	entry->h_name = moved_by(h->entry.h_name, by);
	entry->h_aliases = (char **)(void *)moved_by((char *)h->entry.h_aliases, by);
	entry->h_addr_list = (char **)(void *)moved_by((char *)h->entry.h_addr_list, by);
	for (char **p = entry->h_aliases; p && *p; p++)
		*p += by;
	for (char **p = entry->h_addr_list; p && *p; p++)
		*p += by;
}

static int host_lookup(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
		       struct hostent **result, int *h_error)
{
	const size_t align = 16;
	struct host h = { .family = family, .size = size, .shift = (uintptr_t)buffer % align };
	h.memory = size <= SIZE_MAX - align ? aligned_alloc(align, (size + 2 * align) / align * align) : NULL;
	*result = NULL;
	if (!copy_text(&h.name, name) || !h.memory) {
		host_free(&h);
		*h_error = NETDB_INTERNAL;
		return ENOMEM;
	}
	if (!on_a_thread(host_run, host_free, &h, sizeof(h))) {
		*h_error = NETDB_INTERNAL;
		return errno;
	}
	if (h.result) {
		host_move(&h, entry, buffer);
		*result = entry;
	}
	*h_error = h.h_error;
	host_free(&h);
	if (h.code != 0)
		errno = h.error;
	return h.code;
}

int posix_gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
			  int *h_error, const void *pc)
{
	(void)pc;
	if (is_address(name))
		return NEXT(gethostbyname_r)(name, entry, buffer, size, result, h_error);
	return host_lookup(name, 0, entry, buffer, size, result, h_error);
}

int posix_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
			   struct hostent **result, int *h_error, const void *pc)
{
	(void)pc;
	if (family == 0 || is_address(name))
		return NEXT(gethostbyname2_r)(name, family, entry, buffer, size, result, h_error);
	return host_lookup(name, family, entry, buffer, size, result, h_error);
}

/*
 * The answer is valid until the next call on this thread; libc's until that of any thread. The buffer is the thread's only
 * when the task has it again: others may make the same call meanwhile.
 */
static struct hostent *host_static(const char *name, int family)
{
	static __thread struct hostent entry;
	static __thread char *last;
	struct hostent own, *result = NULL;
	char *buffer = NULL;
	int code = ERANGE, h_error = NETDB_INTERNAL, pinned = sley_pin(1);
	for (size_t size = 1024; code == ERANGE; size *= 2) {
		char *more = realloc(buffer, size);
		if (!more)
			break;
		buffer = more;
		code = host_lookup(name, family, &own, buffer, size, &result, &h_error);
	}
	sley_pin(pinned);
	h_errno = h_error;
	if (!result) {
		free(buffer);
		return NULL;
	}
	free(last);
	last = buffer;
	entry = own;
	return &entry;
}

struct hostent *posix_gethostbyname(const char *name, const void *pc)
{
	(void)pc;
	return is_address(name) ? NEXT(gethostbyname)(name) : host_static(name, 0);
}

struct hostent *posix_gethostbyname2(const char *name, int family, const void *pc)
{
	(void)pc;
	return family == 0 || is_address(name) ? NEXT(gethostbyname2)(name, family) : host_static(name, family);
}
