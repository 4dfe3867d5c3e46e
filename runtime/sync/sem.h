/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The semaphore's operations under its lock, for sem.c and select. */
#ifndef SYNC_SEM_H
#define SYNC_SEM_H

#include <stdbool.h>

#include <sley.h>

struct task_list;

/* Whether a caller that comes now gets n permits at once. */
static inline bool sem_can(const struct sley_sem *sem, int64_t n)
{
	return n == 0 || (!sem->waiters.head && sem->count >= n);
}

/* Gives permits to as many waiters as possible. Their tasks go to `woken`. */
void sem_grant(struct sley_sem *sem, struct task_list *woken);

#endif
