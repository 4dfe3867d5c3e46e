/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The pidfd says it from Linux 6.13 on. */
#include "child/user.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
long user_of(pid_t pid)
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
