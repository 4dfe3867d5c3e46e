/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Looking at the bytes of code, from the file: whether an instruction before a return address is a call, and of what. */
#include "symbols/code.h"

#include <stdlib.h>
#include <string.h>

#define CALL_LONGEST 7 /* bytes of a call through a pointer: opcode, ModRM, SIB, 4 of displacement */

/* The bytes from `before` ahead of the address; NULL: they are not all in one section of code. */
static const uint8_t *bytes_at(const struct module *m, uint64_t address, size_t before, size_t size)
{
	Dwarf_Addr at = address, bias;
	Elf_Scn *section = m->dwfl ? dwfl_module_address_section(m->dwfl, &at, &bias) : NULL;
	GElf_Shdr header;
	Elf_Data *data;
	if (!section || !gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS ||
	    !(header.sh_flags & SHF_EXECINSTR))
		return NULL;
	data = elf_rawdata(section, NULL);
	if (!data || !data->d_buf || at < before || at - before > data->d_size || size > data->d_size - (at - before))
		return NULL;
	return (const uint8_t *)data->d_buf + at - before;
}

const uint8_t *code_bytes(const struct module *m, uint64_t address, size_t size)
{
	return bytes_at(m, address, 0, size);
}

int64_t code_offset(const uint8_t *bytes)
{
	int32_t offset;
	memcpy(&offset, bytes, sizeof(offset));
	return offset;
}

/* Whether the `n` bytes before `end` are a call through a register or memory: opcode ff, and 2 in the ModRM byte. */
static bool is_pointer_call(const uint8_t *end, unsigned n)
{
	const uint8_t *p = end - n;
	unsigned mode = p[1] >> 6, rm = p[1] & 7, length = 2;
	if (p[0] != 0xff || (p[1] >> 3 & 7) != 2)
		return false;
	if (mode != 3 && rm == 4)
		length++;
	if (mode == 1)
		length++;
	else if (mode == 2 || (mode == 0 && (rm == 5 || (rm == 4 && (p[2] & 7) == 5))))
		length += 4;
	return length == n;
}

/* The address is the begin of a function or of an entry of the procedure linkage table. */
static bool is_entry(const struct module *m, uint64_t address)
{
	Dwarf_Addr at = address, bias;
	Elf_Scn *section = dwfl_module_address_section(m->dwfl, &at, &bias);
	GElf_Off offset;
	GElf_Sym symbol;
	GElf_Shdr header;
	const char *name = NULL;
	size_t names;
	if (section && gelf_getshdr(section, &header) && !elf_getshdrstrndx(dwfl_module_getelf(m->dwfl, &bias), &names))
		name = elf_strptr(dwfl_module_getelf(m->dwfl, &bias), names, header.sh_name);
	if (name && (!strncmp(name, ".plt", 4) || !strcmp(name, ".iplt")))
		return true;
	return dwfl_module_addrinfo(m->dwfl, address, &offset, &symbol, NULL, NULL, NULL) && offset == 0;
}

enum call code_call(const struct module *m, uint64_t returns, uint64_t *target)
{
	const uint8_t *p = bytes_at(m, returns, CALL_LONGEST, CALL_LONGEST);
	if (!p)
		return CALL_NONE;
	p += CALL_LONGEST;
	if (p[-5] == 0xe8) {
		*target = returns + (uint64_t)code_offset(p - 4);
		if (is_entry(m, *target))
			return CALL_DIRECT;
	}
	for (unsigned n = 2; n <= CALL_LONGEST; n++) {
		if (is_pointer_call(p, n))
			return CALL_POINTER;
	}
	return CALL_NONE;
}

bool code_described(const struct module *m, uint64_t address)
{
	Dwarf_Addr bias;
	Dwarf_Frame *frame = NULL;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(m->dwfl, &bias);
	bool found = cfi && !dwarf_cfi_addrframe(cfi, address - bias, &frame);
	if (!found) {
		cfi = dwfl_module_dwarf_cfi(m->dwfl, &bias);
		found = cfi && !dwarf_cfi_addrframe(cfi, address - bias, &frame);
	}
	free(frame);
	return found;
}
