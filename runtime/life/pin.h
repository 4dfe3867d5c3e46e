/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef LIFE_PIN_H
#define LIFE_PIN_H

#include "run/worker.h"

/* Called when a task ends that sley_pin() has pinned to this worker. */
void pin_end(struct worker *worker, struct task *task);

#endif
