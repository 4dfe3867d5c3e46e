/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Opening files on behalf of a process that may be hostile. Its maps can name any path, so a file is first opened with
 * O_PATH: opening a FIFO would wait, and opening a device may act. Only regular files that begin like ELF are handed
 * out. Paths are resolved inside the process's root, links in them included.
 */
#include "symbols/maps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPS_LINES 200000 /* a process has 65,530 mappings by default: this is a bound, not a limit that is met */

static void take_path(struct mapping *m, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t n = strcspn(path, "\n");
	if (n > sizeof(deleted) - 1 && !memcmp(path + n - (sizeof(deleted) - 1), deleted, sizeof(deleted) - 1))
		n -= sizeof(deleted) - 1;
	if (n >= sizeof(m->path))
		n = sizeof(m->path) - 1;
	memcpy(m->path, path, n);
}

/* False for a line that is no executable mapping of a file. */
static bool parse_line(const char *line, struct mapping *m)
{
	const char *permissions = strchr(line, ' ');
	char flags[5];
	int path = 0;
	if (!permissions || strnlen(permissions, 5) < 5 || permissions[3] != 'x')
		return false; /* most of them, at a hundredth of the cost */
	*m = (struct mapping){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &m->start, &m->end, flags,
		   &m->offset, &m->inode, &path) != 5 ||
	    path == 0)
		return false;
	take_path(m, line + path);
	return m->start < m->end && (m->inode || !strcmp(m->path, "[vdso]"));
}

static FILE *open_stream(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (fd >= 0 && !f)
		close(fd);
	return f;
}

int maps_read(int proc, struct mapping **mappings, size_t *count)
{
	struct mapping *list = calloc(IMAGE_MODULES, sizeof(*list));
	FILE *f = list ? open_stream(proc, "maps") : NULL;
	char *line = NULL;
	size_t room = 0, n = 0;
	int error = 0;
	if (!f) {
		error = list ? -errno : -ENOMEM;
		free(list);
		return error;
	}
	for (int i = 0; i < MAPS_LINES && n < IMAGE_MODULES && getline(&line, &room, f) > 0; i++)
		n += parse_line(line, &list[n]);
	if (ferror(f))
		error = -EIO;
	free(line);
	fclose(f);
	if (error) {
		free(list);
		return error;
	}
	*mappings = list;
	*count = n;
	return 0;
}

static bool is_elf(int fd)
{
	char magic[SELFMAG];
	return pread(fd, magic, SELFMAG, 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);
}

/* Takes an O_PATH descriptor: gives one for reading if it is a regular ELF file (of that inode, unless 0), or -1. */
static int reopen(int path, uint64_t inode)
{
	struct stat st;
	char self[64];
	int fd = -1;
	if (path < 0)
		return -1;
	if (!fstat(path, &st) && S_ISREG(st.st_mode) && (inode == 0 || st.st_ino == inode)) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", path);
		fd = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	}
	close(path);
	if (fd >= 0 && !is_elf(fd)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Resolves as the process would: absolute links lead to its root, and no path leads out of it. */
static int open_in_root(int root, const char *path, uint64_t inode)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	return root < 0 ? -1 : reopen((int)syscall(SYS_openat2, root, path, &how, sizeof(how)), inode);
}

int target_open(const struct target_files *files, const struct mapping *mapping)
{
	char name[64];
	int fd;
	if (!mapping->inode)
		return files->vdso < 0 ? -1 : fcntl(files->vdso, F_DUPFD_CLOEXEC, 3);
	snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, mapping->start, mapping->end);
	fd = reopen(openat(files->proc, name, O_PATH | O_CLOEXEC), 0);
	if (fd < 0 && mapping->inode == files->executable.st_ino)
		fd = reopen(openat(files->proc, "exe", O_PATH | O_CLOEXEC), mapping->inode);
	if (fd < 0)
		fd = open_in_root(files->root, mapping->path, mapping->inode);
	return fd;
}

static bool plain_name(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static bool hexadecimal(const char *name)
{
	size_t n = strlen(name);
	return n > 2 && strspn(name, "0123456789abcdef") == n;
}

/* The nth place inside a root, as gdb and elfutils look for it; false past the last. */
static bool debug_place(char *out, size_t size, const char *path, enum want how, const char *name, unsigned nth)
{
	int directory = strrchr(path, '/') ? (int)(strrchr(path, '/') - path) : 0;
	int n = 0;
	if (how == WANT_BUILD_ID && nth == 0 && hexadecimal(name))
		n = snprintf(out, size, "/usr/lib/debug/.build-id/%.2s/%s.debug", name, name + 2);
	else if (how == WANT_DWZ && nth == 0 && name[0] && !strstr(name, ".."))
		n = snprintf(out, size, "/usr/lib/debug/.dwz/%s", name);
	else if (how == WANT_LINK && plain_name(name) && nth == 0)
		n = snprintf(out, size, "%.*s/%s", directory, path, name);
	else if (how == WANT_LINK && plain_name(name) && nth == 1)
		n = snprintf(out, size, "%.*s/.debug/%s", directory, path, name);
	else if (how == WANT_LINK && plain_name(name) && nth == 2)
		n = snprintf(out, size, "/usr/lib/debug%.*s/%s", directory, path, name);
	return n > 0 && (size_t)n < size;
}

int target_open_debug(const struct target_files *files, const char *path, enum want how, const char *name, unsigned nth)
{
	char place[PATH_MAX];
	int own, fd;
	if (!debug_place(place, sizeof(place), path, how, name, nth / 2))
		return -ENOENT;
	if (nth % 2 == 0)
		return open_in_root(files->root, place, 0);
	if (strncmp(place, "/usr/lib/debug/", 15))
		return -1;
	own = open("/", O_PATH | O_CLOEXEC | O_DIRECTORY);
	fd = open_in_root(own, place, 0);
	if (own >= 0)
		close(own);
	return fd;
}

int vdso_copy(void)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)image;
	size_t size;
	int fd;
	if (!image)
		return -1;
	size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd >= 0 && write(fd, image, size) != (ssize_t)size) {
		close(fd);
		fd = -1;
	}
	return fd;
}
