/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "source/living.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MOST 16384 /* that are looked at for a living one */
#define AGAIN_MOST   16    /* times that the thread may end during a look */

bool living_ended(int dir)
{
	char first;
	return readlinkat(dir, "exe", &first, 1) < 0 && (errno == ENOENT || errno == ESRCH);
}

/*
 * The number may mean another process by the time that it is opened. It does not if, afterwards, it is a thread of
 * `dir` and the opened thread still lives: a number belongs to one thread for as long as that lives.
 */
static int open_thread(int dir, pid_t tid)
{
	char task[32], name[32];
	int thread;
	snprintf(task, sizeof(task), "task/%d", (int)tid);
	snprintf(name, sizeof(name), "../%d", (int)tid);
	thread = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (thread >= 0 && (faccessat(dir, task, F_OK, 0) != 0 || living_ended(thread))) {
		close(thread);
		thread = -1;
	}
	return thread;
}

int living_open(int dir, pid_t *tid)
{
	int fd = living_ended(dir) ? openat(dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, thread = -1;
	DIR *tasks = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	if (tasks == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (int i = 0; i < THREADS_MOST && thread < 0 && (entry = readdir(tasks)) != NULL; i++) {
		*tid = (pid_t)atoi(entry->d_name);
		if (*tid > 0)
			thread = open_thread(dir, *tid);
	}
	closedir(tasks);
	return thread;
}

int living_do(int dir, int (*body)(int dir, void *argument), void *argument)
{
	bool again = true;
	int result = 0;
	for (int i = 0; i < AGAIN_MOST && again; i++) {
		pid_t tid;
		int thread = living_open(dir, &tid);
		if (i > 0 && thread < 0)
			break; /* all have ended */
		result = body(thread >= 0 ? thread : dir, argument);
		again = living_ended(thread >= 0 ? thread : dir);
		if (thread >= 0)
			close(thread);
	}
	return result;
}
