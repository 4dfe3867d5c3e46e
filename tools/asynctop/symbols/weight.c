/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "symbols/weight.h"

#include <endian.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>

#define OLD_MAGIC "ZLIB" /* followed by the size, big-endian: a section .zdebug_* */

/* The decompressed size of the section; 0: it is not compressed. */
static uint64_t section_weight(Elf_Scn *section)
{
	GElf_Shdr header;
	GElf_Chdr compressed;
	uint64_t size;
	Elf_Data *data;
	if (gelf_getshdr(section, &header) == NULL || header.sh_type == SHT_NOBITS)
		return 0;
	if (header.sh_flags & SHF_COMPRESSED)
		return gelf_getchdr(section, &compressed) ? compressed.ch_size : 0;
	data = elf_rawdata(section, NULL);
	if (data == NULL || data->d_size < strlen(OLD_MAGIC) + sizeof(size) ||
	    memcmp(data->d_buf, OLD_MAGIC, strlen(OLD_MAGIC)) != 0)
		return 0;
	memcpy(&size, (const char *)data->d_buf + strlen(OLD_MAGIC), sizeof(size));
	return be64toh(size);
}

uint64_t weight_of(int fd)
{
	Elf_Scn *section = NULL;
	struct stat st;
	uint64_t sum;
	Elf *elf;
	if (fstat(fd, &st) != 0)
		return UINT64_MAX;
	sum = (uint64_t)st.st_size;
	elf = sum <= WEIGHT_MOST ? elf_begin(fd, ELF_C_READ_MMAP, NULL) : NULL;
	while (elf != NULL && sum <= WEIGHT_MOST && (section = elf_nextscn(elf, section)) != NULL) {
		uint64_t more = section_weight(section);
		sum = more > UINT64_MAX - sum ? UINT64_MAX : sum + more;
	}
	elf_end(elf);
	return sum;
}
