/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Identity without asking a file system. The descriptor is opened with O_PATH, so that the compared file is the named
 * one, even if the process shuffles its descriptors meanwhile. /proc/self/fdinfo has the inode number (since Linux
 * 5.14) and the mount; the process's mountinfo has the device of the mount. Both are the kernel's own numbers.
 * (Rejected: stat. It asks the file system, and on btrfs and overlayfs it answers another device.) Older kernels, and
 * mounts that are not in the list, use statx with AT_STATX_DONT_SYNC.
 */
#include "source/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/memory.h"
#include "source/syscalls.h"
#include "source/target_unix.h"

#define PROC_FILE_MAX (4 << 20) /* of a table in /proc that is searched */

/* Reads a file of /proc up to PROC_FILE_MAX; NULL if it cannot be opened. */
static char *slurp(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t size = 0, room = 0;
	char *data = NULL;
	if (fd < 0)
		return NULL;
	for (;;) {
		ssize_t n;
		if (room - size < 4096)
			data = xresize(data, room += 65536, 1);
		n = read(fd, data + size, room - size - 1);
		if (n <= 0 || (size += (size_t)n) > PROC_FILE_MAX)
			break;
	}
	close(fd);
	data[size] = '\0';
	return data;
}

/* ---- is it still the same file? ---- */

struct identity {
	uint64_t inode;
	uint64_t mount;
	bool known;
};

static struct identity read_identity(int handle)
{
	struct identity id = { 0 };
	char name[48], *info, *inode, *mount;
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", handle);
	info = slurp(AT_FDCWD, name);
	if (info == NULL)
		return id;
	inode = strstr(info, "\nino:\t");
	mount = strstr(info, "\nmnt_id:\t");
	if (inode != NULL && mount != NULL) {
		id.inode = strtoull(inode + strlen("\nino:\t"), NULL, 10);
		id.mount = strtoull(mount + strlen("\nmnt_id:\t"), NULL, 10);
		id.known = true;
	}
	free(info);
	return id;
}

/* The device of a mount, from the process's own list. */
static bool mount_device(int dir, uint64_t mount, dev_t *device)
{
	char *list = slurp(dir, "mountinfo"), *line, *next;
	bool found = false;
	for (line = list; line != NULL && *line && !found; line = next) {
		uint64_t id;
		unsigned major, minor;
		next = strchr(line, '\n');
		next = next ? next + 1 : NULL;
		if (sscanf(line, "%" SCNu64 " %*s %u:%u", &id, &major, &minor) == 3 && id == mount) {
			*device = makedev(major, minor);
			found = true;
		}
	}
	free(list);
	return found;
}

static bool identify(int dir, int handle, uint64_t *inode, dev_t *device)
{
	struct identity id = read_identity(handle);
	struct statx st;
	*inode = id.inode;
	if (id.known && mount_device(dir, id.mount, device))
		return true;
	if (statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &st) != 0)
		return false;
	*inode = st.stx_ino;
	*device = makedev(st.stx_dev_major, st.stx_dev_minor);
	return true;
}

static bool same_file(int dir, int handle, const struct block_record *r)
{
	uint64_t inode;
	dev_t device;
	return identify(dir, handle, &inode, &device) && inode == r->inode && device == (dev_t)r->device;
}

static int open_handle(int dir, int fd)
{
	char name[32];
	snprintf(name, sizeof(name), "fd/%d", fd);
	return openat(dir, name, O_PATH | O_CLOEXEC);
}

void target_identify(int dir, struct block_record *r)
{
	int fd = syscall_descriptor(r->syscall) == 0 ? (int)r->args[0] : -1, handle;
	struct statx st;
	dev_t device;
	r->fd = -1;
	if (fd < 0 || (handle = open_handle(dir, fd)) < 0)
		return;
	if (identify(dir, handle, &r->inode, &device)) {
		r->fd = fd;
		r->device = device;
	}
	if (statx(handle, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0)
		r->fd_mode = st.stx_mode;
	close(handle);
}

/* ---- sockets ---- */

static bool parse_inet(const char *text, char *out, size_t size)
{
	char digits[33], host[INET6_ADDRSTRLEN];
	struct in6_addr address;
	unsigned port, *words = (unsigned *)&address;
	size_t n;
	if (sscanf(text, "%32[0-9A-Fa-f]:%x", digits, &port) != 2)
		return false;
	n = strlen(digits) / 8;
	for (size_t i = 0; i < n; i++)
		if (sscanf(digits + i * 8, "%8x", &words[i]) != 1)
			return false;
	if (n != 1 && n != 4)
		return false;
	inet_ntop(n == 1 ? AF_INET : AF_INET6, &address, host, sizeof(host));
	snprintf(out, size, n == 1 ? "%s:%u" : "[%s]:%u", host, port);
	return true;
}

/* Looks for the inode in one table of /proc/PID/net; appends "tcp LOCAL to PEER". */
static bool find_inet(struct text *out, int dir, const char *protocol, uint64_t inode)
{
	char path[24], local[64], peer[64], local_hex[48], peer_hex[48];
	char *list, *line;
	bool found = false;
	snprintf(path, sizeof(path), "net/%s", protocol);
	list = slurp(dir, path);
	for (line = list; line != NULL && !found; line = strchr(line, '\n')) {
		uint64_t n;
		line += *line == '\n';
		if (sscanf(line, " %*s %47s %47s %*s %*s %*s %*s %*s %*s %" SCNu64, local_hex, peer_hex, &n) == 3 &&
		    n == inode && parse_inet(local_hex, local, sizeof(local)) &&
		    parse_inet(peer_hex, peer, sizeof(peer))) {
			text_printf(out, "%s %s to %s", protocol, local, peer);
			found = true;
		}
	}
	free(list);
	return found;
}

static bool put_socket(struct text *out, int dir, uint64_t inode)
{
	static const char *const protocols[] = { "tcp", "tcp6", "udp", "udp6" };
	if (target_unix(out, dir, inode)) /* first: the kernel finds it without a list of all */
		return true;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (find_inet(out, dir, protocols[i], inode))
			return true;
	return false;
}

/* ---- the name ---- */

static void put_link(struct text *out, int handle)
{
	char name[48], path[4096];
	ssize_t n;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", handle);
	n = readlink(name, path, sizeof(path));
	if (n > 0)
		text_put(out, path, strnlen(path, (size_t)n));
}

bool target_same(int dir, const struct block_record *r)
{
	int handle = open_handle(dir, r->fd);
	bool same = handle >= 0 && same_file(dir, handle, r);
	if (handle >= 0)
		close(handle);
	return same;
}

bool target_name(struct text *out, int dir, const struct block_record *r)
{
	int handle;
	bool same;
	if (syscall_descriptor(r->syscall) < 0 || r->fd < 0)
		return false;
	handle = open_handle(dir, r->fd);
	same = handle >= 0 && same_file(dir, handle, r);
	if (!same)
		text_puts(out, TARGET_CLOSED);
	else if (!S_ISSOCK(r->fd_mode) || !put_socket(out, dir, r->inode))
		put_link(out, handle);
	if (handle >= 0)
		close(handle);
	return same;
}
