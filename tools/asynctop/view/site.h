/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Columns that several tables have: where a task was spawned, places in the source, and what a task waits for. */
#ifndef ASYNCTOP_SITE_H
#define ASYNCTOP_SITE_H

#include "view/table.h"

extern const struct record record_site;  /* rows: struct region_site */
extern const struct record record_place; /* rows: struct model_place */

/* A row of record_site, or null for NO_SITE. */
void value_site(struct value *out, const struct model *m, uint32_t site);

/* The object of a wait of that kind: a number or an address, or null. */
void value_object(struct value *out, unsigned kind, uint64_t object);

/* "file:line". */
void put_site(struct text *out, const struct model *m, uint32_t site);

#endif
