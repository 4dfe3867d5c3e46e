/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Warnings: what blocks no thread and yet keeps tasks from going on. Each is a few words about who waits, who could end
 * that and what that one does now, and ends with what to do. Pure.
 */
#ifndef ASYNCTOP_WARNING_H
#define ASYNCTOP_WARNING_H

#include "common/text.h"
#include "model/model.h"

void warning_put(struct text *out, const struct model *m, const struct model_warning *w);

/* Adds a warning, which is taken over. */
void warning_add(struct model *m, const struct model_warning *w);

/* For qsort(): the worst first. */
int warning_compare(const void *a, const void *b);

#endif
