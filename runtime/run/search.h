/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A worker's search for the next task to run. */
#ifndef RUN_SEARCH_H
#define RUN_SEARCH_H

#include "run/worker.h"

/* The next task for the worker, which calls it. The worker sleeps until there is one. Null: the run is over. */
struct task *search_task(struct worker *worker);

#endif
