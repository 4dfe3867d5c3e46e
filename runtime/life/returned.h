/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Checks after functions of the service: in a forked child, the runtime below them is gone, so they cannot return to
 * it.
 */
#ifndef LIFE_RETURNED_H
#define LIFE_RETURNED_H

struct task;

/* Called first after the function of a task has returned. Returns the task. Does not return in a forked child. */
struct task *returned_task(void);

/* The same check after any other function of the service. */
void returned_from(const char *function);

#endif
