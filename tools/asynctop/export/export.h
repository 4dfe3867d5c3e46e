/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Reports of a model. A new exporter is a file of its own, which defines exporter_NAME, and a line here. Pure.
 */
#ifndef ASYNCTOP_EXPORT_H
#define ASYNCTOP_EXPORT_H

#include "view/views.h"

struct exporter {
	const char *name;
	const char *help; /* of the option --NAME; NULL: there is none */
	/* `orders`: of each table. `limit`: rows of each table. */
	void (*write)(struct text *out, const struct model *m, const struct order orders[TABLES], uint32_t limit);
};

/* EXPORTERS(X): X(name) */
#define EXPORTERS(X) \
	X(text) \
	X(json)

#define EXPORTER(name) extern const struct exporter exporter_##name;
EXPORTERS(EXPORTER)
#undef EXPORTER

/* Of `asynctop dump`; in no list. */
extern const struct exporter exporter_dump;

/* Number i, from 0; NULL past the last. */
const struct exporter *exporter_of(unsigned i);

#endif
