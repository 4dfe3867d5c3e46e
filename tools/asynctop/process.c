/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Finding sley processes in /proc and opening them without being led astray. */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"

#define REGION_LINK "/memfd:" SLEY_REGION_NAME " (deleted)"
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

static long fdinfo(int fd, const char *key)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	return last_number_after(name, key);
}

static long mount_of(int fd)
{
	return fdinfo(fd, "\nmnt_id:\t");
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

/* ---- opening one process ---- */

static enum process_status fail(struct process *p, enum process_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static enum process_status fail(struct process *p, enum process_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(p->why, sizeof(p->why), format, args);
	va_end(args);
	return status;
}

static enum process_status fail_errno(struct process *p, int error, const char *doing)
{
	if (error == ESRCH || error == ENOENT)
		return fail(p, PROCESS_GONE, "there is no such process");
	if (error == EACCES || error == EPERM)
		return fail(p, PROCESS_DENIED, "%s: %s; be its user or root", doing, strerror(error));
	return fail(p, PROCESS_ERROR, "%s: %s", doing, strerror(error));
}

/* Takes `fd` as the process's region if it is good and its own. */
static enum process_status try_region(struct process *p, int fd)
{
	struct region region;
	enum region_status status = region_open(&region, fd);
	long own_pid = fdinfo(p->pidfd, "\nNSpid:\t");

	if (status == REGION_NONE)
		return fail(p, PROCESS_FOREIGN, "it has not started sley");
	if (status == REGION_VERSION)
		return fail(p, PROCESS_VERSION, "its sley is of another version: %s", region.why);
	if (status == REGION_INVALID)
		return fail(p, PROCESS_INVALID, "its sley region is not valid: %s", region.why);
	if (region.header.pid != own_pid)
		return fail(p, PROCESS_FOREIGN, "it only inherited or was passed the region of process %d", region.header.pid);
	p->region = region;
	return PROCESS_OK;
}

/* How much a status says, when a process has several descriptors of that name. */
static int weight(enum process_status s)
{
	return s == PROCESS_OK ? 4 : s == PROCESS_VERSION ? 3 : s == PROCESS_INVALID ? 2 : s == PROCESS_DENIED ? 1 : 0;
}

static enum process_status consider_region(struct process *p, int dir, const char *name, enum process_status so_far)
{
	struct process attempt = *p;
	int fd = open_memfd(dir, name, O_RDONLY);
	enum process_status status;

	if (fd < 0)
		return so_far;
	status = try_region(&attempt, fd);
	if (status != PROCESS_OK)
		close(fd);
	if (weight(status) < weight(so_far))
		return so_far;
	*p = attempt;
	snprintf(p->region_link, sizeof(p->region_link), "fd/%.20s", name);
	return status;
}

static void consider_control(struct process *p, int dir, const char *name)
{
	int fd = open_memfd(dir, name, O_RDWR);

	if (fd < 0)
		p->control.error = errno;
	else if (control_open(&p->control, p->pid, fd) != 0)
		close(fd);
}

static enum process_status look_through(struct process *p, DIR *fds)
{
	enum process_status status = fail(p, PROCESS_FOREIGN, "it does not run sley");
	int dir = dirfd(fds);
	struct dirent *entry;

	while ((entry = readdir(fds)) != NULL) {
		if (status != PROCESS_OK && link_is(dir, entry->d_name, REGION_LINK))
			status = consider_region(p, dir, entry->d_name, status);
		else if (p->control.fd < 0 && link_is(dir, entry->d_name, CONTROL_LINK))
			consider_control(p, dir, entry->d_name);
	}
	return status;
}

static DIR *open_fds(int proc)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

/* The part that every kernel with it knows of; <linux/pidfd.h> may be older. */
struct pidfd_info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define PIDFD_INFO _IOWR(0xff, 11, struct pidfd_info)

/*
 * /proc/PID/status says it too, but reading that may have us take down the memory of a process that is ending. Before
 * Linux 6.13 there is the directory's owner, which is root for a process that may not be traced.
 */
long process_user(pid_t pid)
{
	struct pidfd_info info = { 0 };
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	char path[32];
	struct stat st;
	bool known = pidfd >= 0 && ioctl(pidfd, PIDFD_INFO, &info) == 0;

	if (pidfd >= 0)
		close(pidfd);
	if (known)
		return info.ruid;
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) == 0 ? (long)st.st_uid : -1;
}

static enum process_status open_handles(struct process *p)
{
	char path[32];

	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd < 0)
		return errno == EINVAL ? fail(p, PROCESS_GONE, "there is no such process") :
					 fail_errno(p, errno, "pidfd_open");
	snprintf(path, sizeof(path), "/proc/%d", (int)p->pid);
	p->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return fail_errno(p, errno, "open of its /proc directory");
	p->uid = process_user(p->pid);
	if (!process_alive(p))
		return fail(p, PROCESS_GONE, "it has ended");
	return PROCESS_OK;
}

enum process_status process_open(struct process *p, pid_t pid)
{
	enum process_status status;
	DIR *fds;

	*p = (struct process){ .pid = pid, .pidfd = -1, .dir = -1, .region.fd = -1, .control.fd = -1 };
	status = open_handles(p);
	if (status == PROCESS_OK) {
		fds = open_fds(p->dir);
		if (fds != NULL) {
			status = look_through(p, fds);
			closedir(fds);
		} else {
			status = fail_errno(p, errno, "reading its descriptors");
		}
	}
	if (status != PROCESS_OK)
		process_close(p);
	return status;
}

void process_close(struct process *p)
{
	control_close(&p->control);
	region_close(&p->region);
	if (p->dir >= 0)
		close(p->dir);
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->dir = p->pidfd = -1;
}

bool process_alive(const struct process *p)
{
	struct pollfd pfd = { .fd = p->pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 0;
}

bool process_current(const struct process *p)
{
	return process_alive(p) && link_is(p->dir, p->region_link, REGION_LINK);
}

/* ---- the whole machine ---- */

/* 1: it holds a descriptor of that name; 0: not; -EACCES. */
static int holds_region(int proc, const char *pid)
{
	char path[288];
	struct dirent *entry;
	DIR *fds;
	int found = 0;

	snprintf(path, sizeof(path), "%s/fd", pid);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == EACCES || errno == EPERM ? -EACCES : 0;
	fds = fdopendir(fd);
	if (fds == NULL) {
		close(fd);
		return 0;
	}
	while (!found && (entry = readdir(fds)) != NULL)
		found = link_is(dirfd(fds), entry->d_name, REGION_LINK);
	closedir(fds);
	return found;
}

int process_scan(struct process_list *list)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	list->count = list->denied = 0;
	if (proc == NULL)
		return -errno;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		int holds;

		if (pid <= 0 || pid == getpid())
			continue;
		holds = holds_region(dirfd(proc), entry->d_name);
		if (holds < 0) {
			list->denied++;
		} else if (holds) {
			list->pids = xgrow(list->pids, list->count, &list->room, sizeof(*list->pids));
			list->pids[list->count++] = pid;
		}
	}
	closedir(proc);
	return 0;
}

void process_list_free(struct process_list *list)
{
	free(list->pids);
	*list = (struct process_list){ 0 };
}
