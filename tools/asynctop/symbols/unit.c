/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Finding compilation units. The index of addresses (.debug_aranges) covers the units of gcc and not those of clang. In
 * a program that has both, libdwfl takes an address that is in no entry for one of the entry before it. So the unit that
 * it names is asked too.
 */
#include "symbols/frames.h"

Dwarf_Die *module_unit(const struct module *m, uint64_t address, Dwarf_Addr *bias)
{
	Dwarf_Die *unit = dwfl_module_addrdie(m->dwfl, address, bias);
	if (unit && dwarf_haspc(unit, address - *bias) > 0)
		return unit;
	unit = NULL;
	while ((unit = dwfl_module_nextcu(m->dwfl, unit, bias))) {
		if (dwarf_haspc(unit, address - *bias) > 0)
			return unit;
	}
	return NULL;
}
