/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef LIFE_LOCAL_H
#define LIFE_LOCAL_H

#include <stdbool.h>

struct task_extra;

/* Destroys the latest value of the calling task. Returns false if it has none. */
bool local_destroy(struct task_extra *extra);

#endif
