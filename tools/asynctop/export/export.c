/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The list of exporters. */
#include "export/export.h"

#include <stddef.h>

const struct exporter *exporter_of(unsigned i)
{
	static const struct exporter *const exporters[] = {
#define EXPORTER_ROW(name) &exporter_##name,
		EXPORTERS(EXPORTER_ROW)
#undef EXPORTER_ROW
	};
	return i < sizeof(exporters) / sizeof(exporters[0]) ? exporters[i] : NULL;
}
