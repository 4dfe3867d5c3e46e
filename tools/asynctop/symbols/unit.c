/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Finding compilation units. */
#include "symbols/frames.h"

Dwarf_Die *module_unit(const struct module *m, uint64_t address, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(m->dwfl, address, bias);
	if (unit)
		return unit;
	/* clang writes no .debug_aranges: ask each unit. */
	while ((unit = dwfl_module_nextcu(m->dwfl, unit, bias))) {
		if (dwarf_haspc(unit, address - *bias) > 0)
			return unit;
	}
	return NULL;
}
