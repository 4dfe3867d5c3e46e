/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Task-local values: a list, the latest first. Tasks have few values or none, so a search of the list costs less than
 * an array for each task with values.
 */
#include "life/local.h"

#include <errno.h>

#include "life/returned.h"
#include "run/report.h"
#include "run/worker.h"

struct local {
	struct local *next; /* the rest is owned by the task */
	const struct sley_local *key;
	void *value;
};

/* Returns the link to the key's value. *link is null if there is none. */
static struct local **local_find(struct task_extra *extra, const struct sley_local *key)
{
	struct local **link = &extra->locals;
	while (*link && (*link)->key != key)
		link = &(*link)->next;
	return link;
}

static void *local_take(struct local **link)
{
	struct local *local = *link;
	void *value = local->value;
	*link = local->next;
	block_free(local, sizeof(*local));
	return value;
}

bool local_destroy(struct task_extra *extra)
{
	if (!extra->locals)
		return false;
	void (*destroy)(void *) = extra->locals->key->destroy;
	void *value = local_take(&extra->locals);
	extra->destroying = true;
	if (destroy)
		destroy(value);
	returned_from("the destructor of a task's value");
	extra->destroying = false;
	return true;
}

static int local_add(struct task *task, const struct sley_local *key, void *value)
{
	struct task_extra *extra = task_extra_own(task);
	struct local *local = extra ? block_alloc(sizeof(*local)) : NULL;
	if (!local)
		return -ENOMEM;
	*local = (struct local){ .next = extra->locals, .key = key, .value = value };
	extra->locals = local;
	return 0;
}

int sley_local_set(const struct sley_local *key, void *value)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	if (!key)
		return -EINVAL;
	int error = check_shared(key, "sley_local_set", "key");
	if (error)
		return error;
	struct task_extra *extra = task_extra(task);
	if (extra && extra->destroying)
		return -EPERM;
	struct local **link = extra ? local_find(extra, key) : NULL;
	if (!link || !*link)
		return value ? local_add(task, key, value) : 0;
	if (value)
		(*link)->value = value;
	else
		local_take(link);
	return 0;
}

void *sley_local_get(const struct sley_local *key)
{
	struct task *task = task_self();
	struct task_extra *extra = task ? task_extra(task) : NULL;
	struct local *local = extra ? *local_find(extra, key) : NULL;
	return local ? local->value : NULL;
}
