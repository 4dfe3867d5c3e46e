/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef SYNC_SUPERVISE_H
#define SYNC_SUPERVISE_H

#include "sync/children.h"

/* Starts again what has failed. By the owner, in its wait. 0, or what ended that. */
int supervise(struct sley_scope *scope, sley_time deadline, const void *pc);

#endif
