/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Columns that several tables have: where a task was spawned, and places in the source. */
#ifndef ASYNCTOP_SITE_H
#define ASYNCTOP_SITE_H

#include "view/table.h"

extern const struct record record_site;  /* rows: struct region_site */
extern const struct record record_place; /* rows: struct model_place */

/* A row of record_site, or null for NO_SITE. */
void value_site(struct value *out, const struct model *m, uint32_t site);

/* "file:line". */
void put_site(struct text *out, const struct model *m, uint32_t site);

#endif
