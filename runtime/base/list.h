/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Doubly linked lists, intrusive and typed. An element has a link for each list that it can be in at the same time:
 *
 *     struct job { struct list_link link; ... };
 *     LIST(struct job) queued;
 *     list_append(&queued, job, link);
 *     struct job *oldest = list_first(&queued, link);
 *
 * Zero bytes are an empty list. The owner of a list owns the links of its elements; nothing here is atomic. The value
 * of a link outside of lists is unspecified: an element needs another field to tell whether it is in a list.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_link {
	struct list_link *next, *prev; /* null at the ends */
};

struct list {
	struct list_link *first, *last;
};

/* A list of elements of the type. `element` has no value: the macros take the type from it. */
#define LIST(type) \
	union { \
		struct list list; \
		type *element; \
	}

static inline void list_link_after(struct list *list, struct list_link *link, struct list_link *prev)
{
	struct list_link *next = prev ? prev->next : list->first;
	*link = (struct list_link){ .next = next, .prev = prev };
	*(prev ? &prev->next : &list->first) = link;
	*(next ? &next->prev : &list->last) = link;
}

static inline void list_unlink(struct list *list, struct list_link *link)
{
	struct list_link *next = link->next, *prev = link->prev;
	*(prev ? &prev->next : &list->first) = next;
	*(next ? &next->prev : &list->last) = prev;
}

static inline void list_move(struct list *to, struct list *from)
{
	if (!from->first)
		return;
	from->first->prev = to->last;
	*(to->last ? &to->last->next : &to->first) = from->first;
	to->last = from->last;
	*from = (struct list){ 0 };
}

/* Null stays null. */
static inline void *list_container(struct list_link *link, size_t offset)
{
	return link ? (char *)link - offset : NULL;
}

#define LIST_CONTAINER(link, pointer, member) \
	((__typeof__(pointer))list_container(link, offsetof(__typeof__(*(pointer)), member)))

/* Makes the compiler warn if the element's type is not the list's type. */
#define LIST_CHECK(l, e) ((void)sizeof((l)->element == (e)))

#define list_append(l, e, member)  (LIST_CHECK(l, e), list_link_after(&(l)->list, &(e)->member, (l)->list.last))
#define list_prepend(l, e, member) (LIST_CHECK(l, e), list_link_after(&(l)->list, &(e)->member, NULL))

/* The element is in the list. */
#define list_remove(l, e, member) (LIST_CHECK(l, e), list_unlink(&(l)->list, &(e)->member))

/* Moves all elements of `from` behind those of `to`. */
#define list_append_all(to, from) \
	((void)sizeof((to)->element == (from)->element), list_move(&(to)->list, &(from)->list))

#define list_is_empty(l) (!(l)->list.first)

/* An element, or null if there is none. */
#define list_first(l, member) LIST_CONTAINER((l)->list.first, (l)->element, member)
#define list_last(l, member)  LIST_CONTAINER((l)->list.last, (l)->element, member)
#define list_next(e, member)  LIST_CONTAINER((e)->member.next, e, member)

/* The body must not remove `e` from the list. A loop that removes elements calls list_first() until it returns null. */
#define list_each(e, l, member) for (e = list_first(l, member); e; e = list_next(e, member))

#endif
