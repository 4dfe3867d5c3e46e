/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Reports for files: a model as one JSON object on a line, or as plain text. Pure. */
#ifndef ASYNCTOP_REPORT_H
#define ASYNCTOP_REPORT_H

#include "common/text.h"
#include "model/model.h"
#include "view/table.h"

#define REPORT_SCHEMA_VERSION 1

void report_json(struct text *out, const struct model *m);

/* `orders` says by what each table is ordered; `limit` is for the rows of each. */
void report_text(struct text *out, const struct model *m, const struct order orders[TABLES], uint32_t limit);

#endif
