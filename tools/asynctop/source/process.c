/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Opening sley processes: handles that do not block are opened here, the looker opens the others. */
#include "source/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child/abandoned.h"
#include "child/user.h"
#include "common/interrupt.h"
#include "common/memory.h"
#include "source/find.h"
#include "source/look.h"

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

static enum process_status open_handles(struct process *p)
{
	char path[32];
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd < 0)
		return errno == EINVAL ? fail(p, PROCESS_GONE, "there is no such process")
				       : fail_errno(p, errno, "pidfd_open");
	snprintf(path, sizeof(path), "/proc/%d", (int)p->pid);
	p->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return fail_errno(p, errno, "open of its /proc directory");
	p->uid = user_of(p->pid);
	if (!process_alive(p))
		return fail(p, PROCESS_GONE, "it has ended");
	return PROCESS_OK;
}

static enum process_status fail_look(struct process *p, int error)
{
	const char *why = abandoned_why(p->pid);
	if (why != NULL)
		return fail(p, PROCESS_BLOCKED, "%s", why);
	return fail_errno(p, -error, "looking into it");
}

/* A region that the looker found good is checked once more here: the looker is not trusted. */
static enum process_status open_region(struct process *p)
{
	struct found found;
	int error = look_region(p->pid, p->dir, find_fdinfo(p->pidfd, "\nNSpid:\t"), &found);
	if (error)
		return fail_look(p, error);
	memcpy(p->why, found.why, sizeof(p->why));
	memcpy(p->region_link, found.link, sizeof(p->region_link));
	if (found.status != PROCESS_OK)
		return found.status;
	if (found.fd < 0 || region_open(&p->region, found.fd) != REGION_OK) {
		if (found.fd >= 0)
			close(found.fd);
		p->region.fd = -1;
		return fail(p, PROCESS_INVALID, "its sley region is not valid: it has changed");
	}
	return PROCESS_OK;
}

static void open_control(struct process *p)
{
	int fd, error = look_control(p->pid, p->dir, &fd);
	p->control.error = error ? -error : 0;
	if (fd < 0)
		return;
	if (control_open(&p->control, p->pid, fd) != 0)
		close(fd);
}

/* Opening is tried again if the looker was not asked, or did not answer: these are no proof that there is no page. */
void process_retry_control(struct process *p)
{
	if (p->control.fd < 0 && (p->control.error == EINTR || p->control.error == EDEADLK))
		open_control(p);
}

void process_parts(struct process *p)
{
	for (unsigned part = 1; part <= SLEY_REGION_PARTS; part++) {
		int number = SLEY_PART_FD(p->region.header.parts[part - 1]), fd = -1;
		if (!region_part_changed(&p->region, part))
			continue;
		/* not asked now, or no answer: again at the next look */
		if (number >= 0 && look_part(p->pid, p->dir, number, &fd) != 0)
			continue;
		region_part_set(&p->region, part, fd);
	}
}

/* The offset of CLOCK_MONOTONIC in a time namespace; 0 where there are none. */
static int64_t read_clock_offset(int dir)
{
	char text[256], *at;
	int fd = openat(dir, "timens_offsets", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	long long seconds, ns;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, "monotonic");
	return at != NULL && sscanf(at, "monotonic %lld %lld", &seconds, &ns) == 2 ? seconds * 1000000000 + ns : 0;
}

static void compare_clocks(struct process *p)
{
	int own = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	p->clock_offset_ns = read_clock_offset(p->dir);
	p->ahead_ns = p->clock_offset_ns - (own < 0 ? 0 : read_clock_offset(own));
	if (own >= 0)
		close(own);
}

enum process_status process_open(struct process *p, pid_t pid)
{
	enum process_status status;
	*p = (struct process){ .pid = pid, .pidfd = -1, .dir = -1, .region.fd = -1, .control.fd = -1 };
	status = open_handles(p);
	if (status == PROCESS_OK)
		status = open_region(p);
	if (status == PROCESS_OK) {
		compare_clocks(p);
		process_parts(p);
		open_control(p);
	} else {
		process_close(p);
	}
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
	struct stat st;
	return process_alive(p) && !fstat(p->region.fd, &st) &&
	       look_current(p->pid, p->dir, p->region_link, st.st_ino) != 0;
}

/* ---- the whole machine ---- */

static int holds_region(int proc, const char *name, pid_t pid)
{
	int dir = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC), holds;
	if (dir < 0)
		return errno == EACCES || errno == EPERM ? -EACCES : 0;
	holds = look_named(pid, dir);
	close(dir);
	return holds;
}

/* A process that blocks the look is a candidate: process_open() says why it is not opened. */
int process_scan(struct process_list *list)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	list->count = list->denied = 0;
	if (proc == NULL)
		return -errno;
	while (!interrupted() && (entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		int holds;
		if (pid <= 0 || pid == getpid())
			continue;
		holds = holds_region(dirfd(proc), entry->d_name, pid);
		if (holds == -EACCES) {
			list->denied++;
		} else if (holds == 1 || holds == -EDEADLK) {
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
