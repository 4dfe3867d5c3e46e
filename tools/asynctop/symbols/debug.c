/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Separate debug information: libdw names it, the broker opens candidates, and the first that fits is taken. */
#include "symbols/want.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static bool has_build_id(int fd, const unsigned char *id, int length)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	const void *found;
	bool same = elf && dwelf_elf_gnu_build_id(elf, &found) == length && !memcmp(found, id, (size_t)length);
	elf_end(elf);
	return same;
}

static bool has_checksum(int fd, GElf_Word crc)
{
	struct stat st;
	void *data;
	uLong sum;
	if (fstat(fd, &st) || st.st_size <= 0)
		return false;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return false;
	sum = crc32_z(crc32_z(0, NULL, 0), data, (size_t)st.st_size);
	munmap(data, (size_t)st.st_size);
	return sum == crc;
}

/* How to recognise the right file. */
struct fit {
	const unsigned char *id;
	int length;  /* of the build id; not above 0: there is none */
	bool linked; /* crc is known */
	GElf_Word crc;
};

static bool fits(int fd, const struct fit *fit)
{
	if (fit->length > 0)
		return has_build_id(fd, fit->id, fit->length);
	return !fit->linked || has_checksum(fd, fit->crc);
}

static int want(const struct module *m, enum want how, const char *name, const struct fit *fit)
{
	for (unsigned nth = 0;; nth++) {
		int fd = reader_want(m, how, name, nth);
		if (fd == -ENOENT)
			return -1;
		if (fd >= 0 && fits(fd, fit) && reader_affords(m, fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
}

static int want_build_id(const struct module *m, const struct fit *fit)
{
	char name[2 * 64 + 1];
	if (fit->length <= 0 || fit->length > 64)
		return -1;
	for (int i = 0; i < fit->length; i++)
		snprintf(name + 2 * i, 3, "%02x", fit->id[i]);
	return want(m, WANT_BUILD_ID, name, fit);
}

int module_find_debug(Dwfl_Module *dwfl, void **data, const char *name, Dwarf_Addr base, const char *file,
		      const char *link, GElf_Word crc, char **debug_file)
{
	const struct module *m = *data;
	struct fit fit = { .linked = true, .crc = crc };
	const char *dwz = link ? strstr(link, "/.dwz/") : NULL;
	GElf_Addr address;
	int fd;
	(void)name, (void)base, (void)file, (void)debug_file;
	if (!m)
		return -1;
	if (dwz) /* the second link, from debug information to the part that several files share */
		return want(m, WANT_DWZ, dwz + strlen("/.dwz/"), &(struct fit){ 0 });
	fit.length = dwfl_module_build_id(dwfl, &fit.id, &address);
	fd = want_build_id(m, &fit);
	if (fd < 0 && link)
		fd = want(m, WANT_LINK, strrchr(link, '/') ? strrchr(link, '/') + 1 : link, &fit);
	return fd;
}
