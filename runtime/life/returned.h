/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Functions of the service's that return to the runtime: in a forked child there is nothing that they could return to. */
#ifndef LIFE_RETURNED_H
#define LIFE_RETURNED_H

struct task;

/* First thing when the function of a task has returned: its task. It does not return in a forked child. */
struct task *returned_task(void);

/* The same where another function of the service's has returned to what only the run's own process can go on with. */
void returned_from(const char *function);

#endif
