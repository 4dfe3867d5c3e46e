/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Finding the memfds of sley processes without being led astray. */
#include "source/find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The bound on descriptors that are looked at in a process, from the lowest: looking at so many takes some 50 ms. The
 * runtime opens its own when it starts.
 */
#define DESCRIPTORS_MOST 16384

#define REGION_LINK  "/memfd:" SLEY_REGION_NAME " (deleted)"
#define PART_LINK    "/memfd:" SLEY_TASKS_NAME " (deleted)"
#define CONTROL_LINK "/memfd:" SLEY_CONTROL_NAME " (deleted)"

/* ---- small readers of /proc ---- */

static bool link_is(int dir, const char *name, const char *want)
{
	char target[64];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));
	return n == (ssize_t)strlen(want) && memcmp(target, want, (size_t)n) == 0;
}

/* Reads the number after `key` in the small file `name`; with several numbers, the last. -1: none. */
static long last_number_after(const char *name, const char *key)
{
	char buffer[4096], *at, *end;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	long value = -1;
	if (fd < 0)
		return -1;
	n = read(fd, buffer, sizeof(buffer) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buffer[n] = '\0';
	at = strstr(buffer, key);
	if (at == NULL)
		return -1;
	at += strlen(key);
	end = strchrnul(at, '\n');
	while (at < end) {
		value = strtol(at, &at, 10);
		at += strspn(at, " \t");
		if (*at != '\n' && (*at < '0' || *at > '9'))
			break;
	}
	return value;
}

long find_fdinfo(int fd, const char *key)
{
	char name[64];
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	return last_number_after(name, key);
}

static long mount_of(int fd)
{
	return find_fdinfo(fd, "\nmnt_id:\t");
}

/* The mount that all memfds are on: -1 when it cannot be told. Numbers start with 0. */
static long memfd_mount(void)
{
	static long mount = -1;
	int fd;
	if (mount >= 0)
		return mount;
	fd = memfd_create("asynctop", MFD_CLOEXEC);
	mount = fd < 0 ? -1 : mount_of(fd);
	if (fd >= 0)
		close(fd);
	return mount;
}

/*
 * Opens descriptor `name` of the process whose fd directory is `dir`, if it is a memfd: on that mount are regular files
 * only. -1 with errno.
 */
static int open_memfd(int dir, const char *name, int flags)
{
	char path[64];
	int handle = openat(dir, name, O_PATH | O_CLOEXEC);
	int fd;
	if (handle < 0)
		return -1;
	if (memfd_mount() < 0 || mount_of(handle) != memfd_mount()) {
		close(handle);
		errno = ENOENT;
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	close(handle);
	return fd;
}

/* ---- the region ---- */

static void say(struct found *f, enum process_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct found *f, enum process_status status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(f->why, sizeof(f->why), format, args);
	va_end(args);
	f->status = status;
}

/* Whether `fd` is a good region, and its own. */
static void try_region(struct found *f, int fd, long own_pid)
{
	struct region region;
	enum region_status status = region_open(&region, fd);
	if (status == REGION_NONE)
		say(f, PROCESS_FOREIGN, "it has not started sley");
	else if (status == REGION_VERSION)
		say(f, PROCESS_VERSION, "its sley is of another version: %s", region.why);
	else if (status == REGION_INVALID)
		say(f, PROCESS_INVALID, "its sley region is not valid: %s", region.why);
	else if (region.header.pid != own_pid)
		say(f, PROCESS_FOREIGN, "it only inherited or was passed the region of process %d", region.header.pid);
	else
		say(f, PROCESS_OK, "%s", "");
}

/* The rank of a status: with several descriptors of that name, the status of the highest rank is answered. */
static int weight(enum process_status s)
{
	return s == PROCESS_OK ? 4 : s == PROCESS_VERSION ? 3 : s == PROCESS_INVALID ? 2 : s == PROCESS_DENIED ? 1 : 0;
}

static void consider_region(struct found *f, int fds, const char *name, long own_pid)
{
	struct found attempt = { .fd = open_memfd(fds, name, O_RDONLY) };
	if (attempt.fd < 0)
		return;
	try_region(&attempt, attempt.fd, own_pid);
	if (attempt.status != PROCESS_OK) {
		close(attempt.fd);
		attempt.fd = -1;
	}
	snprintf(attempt.link, sizeof(attempt.link), "fd/%.20s", name);
	if (weight(attempt.status) >= weight(f->status))
		*f = attempt;
}

static DIR *open_fds(int proc)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

static void say_errno(struct found *f, int error)
{
	if (error == ESRCH || error == ENOENT)
		say(f, PROCESS_GONE, "there is no such process");
	else if (error == EACCES || error == EPERM)
		say(f, PROCESS_DENIED, "reading its descriptors: %s; be its user or root", strerror(error));
	else
		say(f, PROCESS_ERROR, "reading its descriptors: %s", strerror(error));
}

/* The next of at most *left; NULL at the end. */
static const char *next_descriptor(DIR *fds, unsigned *left)
{
	struct dirent *entry = *left > 0 ? readdir(fds) : NULL;
	--*left;
	return entry != NULL ? entry->d_name : NULL;
}

void find_region(int dir, long own_pid, struct found *f)
{
	unsigned left = DESCRIPTORS_MOST;
	DIR *fds = open_fds(dir);
	const char *name;
	*f = (struct found){ .fd = -1 };
	if (fds == NULL) {
		say_errno(f, errno);
		return;
	}
	say(f, PROCESS_FOREIGN, "it does not run sley");
	while (f->status != PROCESS_OK && (name = next_descriptor(fds, &left)) != NULL)
		if (link_is(dirfd(fds), name, REGION_LINK))
			consider_region(f, dirfd(fds), name, own_pid);
	closedir(fds);
}

/* ---- the others ---- */

int find_control(int dir, int *fd)
{
	unsigned left = DESCRIPTORS_MOST;
	DIR *fds = open_fds(dir);
	const char *name;
	int error = fds == NULL ? -errno : 0;
	*fd = -1;
	while (fds != NULL && *fd < 0 && (name = next_descriptor(fds, &left)) != NULL) {
		if (!link_is(dirfd(fds), name, CONTROL_LINK))
			continue;
		*fd = open_memfd(dirfd(fds), name, O_RDWR);
		error = *fd < 0 ? -errno : 0;
	}
	if (fds != NULL)
		closedir(fds);
	return error;
}

int find_named(int dir)
{
	unsigned left = DESCRIPTORS_MOST;
	DIR *fds = open_fds(dir);
	const char *name;
	int found = 0;
	if (fds == NULL)
		return errno == EACCES || errno == EPERM ? -EACCES : 0;
	while (!found && (name = next_descriptor(fds, &left)) != NULL)
		found = link_is(dirfd(fds), name, REGION_LINK);
	closedir(fds);
	return found;
}

int find_part(int dir, int number)
{
	char name[32];
	int fds = openat(dir, "fd", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1;
	snprintf(name, sizeof(name), "%d", number);
	if (fds >= 0 && number >= 0 && link_is(fds, name, PART_LINK))
		fd = open_memfd(fds, name, O_RDONLY);
	if (fds >= 0)
		close(fds);
	return fd;
}

bool find_current(int dir, const char *link, uint64_t inode)
{
	struct stat st;
	int handle;
	bool same;
	if (!link_is(dir, link, REGION_LINK))
		return false;
	handle = openat(dir, link, O_PATH | O_CLOEXEC);
	same = handle >= 0 && mount_of(handle) == memfd_mount() && !fstat(handle, &st) && st.st_ino == inode;
	if (handle >= 0)
		close(handle);
	return same;
}
