/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef SYNC_GENERATOR_H
#define SYNC_GENERATOR_H

#include <stddef.h>

struct sley_gen;

/* Returns the size of the items. */
size_t generator_item(const struct sley_gen *gen);

#endif
