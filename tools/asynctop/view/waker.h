/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Who has ended a block. */
#ifndef ASYNCTOP_WAKER_H
#define ASYNCTOP_WAKER_H

#include "view/table.h"

extern const struct record record_waker; /* rows: struct model_waker */

/* A row of record_waker, or null if it is not known. */
void value_waker(struct value *out, const struct model_waker *waker);

#endif
