/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Lists against an array that is kept beside them. */
#include "base/list.h"

#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

#define ELEMENTS 8u

struct element {
	int value;
	struct list_link link, other;
};

static LIST(struct element) list, other;
static struct element elements[ELEMENTS];
static struct element *model[ELEMENTS];
static size_t length;

static void check(void)
{
	struct element *e;
	size_t i = 0;
	assert_int_equal(list_is_empty(&list), length == 0);
	list_each(e, &list, link)
		assert_ptr_equal(e, model[i++]);
	assert_int_equal(i, length);
	assert_ptr_equal(list_first(&list, link), length ? model[0] : NULL);
	assert_ptr_equal(list_last(&list, link), length ? model[length - 1] : NULL);
	for (i = length; i-- > 0;)
		assert_ptr_equal(model[i]->link.prev, i > 0 ? &model[i - 1]->link : NULL);
}

static size_t place_of(const struct element *e)
{
	size_t i = 0;
	while (i < length && model[i] != e)
		i++;
	return i;
}

static void step(struct element *e, bool first)
{
	size_t at = place_of(e);
	if (at < length) {
		list_remove(&list, e, link);
		memmove(&model[at], &model[at + 1], (--length - at) * sizeof(model[0]));
	} else if (first) {
		list_prepend(&list, e, link);
		memmove(&model[1], &model[0], length++ * sizeof(model[0]));
		model[0] = e;
	} else {
		list_append(&list, e, link);
		model[length++] = e;
	}
}

/* Any order of adding at either end and removing anywhere keeps the order, both ways. */
TEST(model)
{
	unsigned seed = 1;
	for (int i = 0; i < 20000; i++) {
		step(&elements[(unsigned)rand_r(&seed) % ELEMENTS], rand_r(&seed) & 64);
		check();
	}
}

/* An element is in two lists by two links, and each names the element. */
TEST(two)
{
	list.list = other.list = (struct list){ 0 };
	for (size_t i = 0; i < ELEMENTS; i++) {
		list_append(&list, &elements[i], link);
		list_prepend(&other, &elements[i], other);
	}
	struct element *e = list_first(&other, other);
	for (size_t i = ELEMENTS; i-- > 0; e = list_next(e, other))
		assert_ptr_equal(e, &elements[i]);
	assert_null(e);
	list_remove(&list, &elements[3], link);
	assert_ptr_equal(list_next(&elements[2], link), &elements[4]);
	assert_ptr_equal(list_next(&elements[4], other), &elements[3]);
}

/* All of one list go behind all of another, whichever is empty. */
TEST(append_all)
{
	for (size_t n = 0; n <= ELEMENTS; n++) {
		list.list = other.list = (struct list){ 0 };
		for (length = 0; length < ELEMENTS; length++) {
			model[length] = &elements[length];
			if (length < n)
				list_append(&list, model[length], link);
			else
				list_append(&other, model[length], link);
		}
		list_append_all(&list, &other);
		check();
		assert_true(list_is_empty(&other));
	}
}
