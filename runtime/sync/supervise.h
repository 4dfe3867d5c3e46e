/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef SYNC_SUPERVISE_H
#define SYNC_SUPERVISE_H

#include "sync/children.h"

/* Restarts failed children. Called by the owner, during its wait. Returns 0, or the error that ends the wait. */
int supervise(struct sley_scope *scope, sley_time deadline, const void *pc);

#endif
