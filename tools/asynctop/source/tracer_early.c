/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Blocks that are under way when the watching begins; bpf/blocked.bpf.c says why that takes two walks. Between them the
 * line and the name are read from the region; the looker reads stack and memory, and leaves out the unreadable parts.
 */
#include "source/tracer_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "source/look.h"

/* The number that the process has here, and its /proc directory: -1 if it has ended. */
static int open_proc(int pidfd, pid_t *pid)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	char path[48], line[64];
	FILE *info;
	int dir;
	*pid = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		if (sscanf(line, "Pid: %d", pid) == 1)
			break;
	if (info)
		fclose(info);
	snprintf(path, sizeof(path), "/proc/%d", (int)*pid);
	dir = *pid > 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0 && poll(&ended, 1, 0) != 0) {
		close(dir);
		dir = -1;
	}
	return dir;
}

/* From the public record; empty if that is another task's by now. */
static void read_name(const struct tracer_process *process, struct early_block *early)
{
	const struct sley_region_table *tasks = &process->target.tasks;
	uint64_t index = (early->line.task & SLEY_TASK_INDEX_MASK) - 1;
	struct sley_region_task task;
	memset(early->name, 0, sizeof(early->name));
	if (index < tasks->capacity &&
	    pread(process->target.region, &task, sizeof(task), tasks->offset + index * tasks->stride) == sizeof(task) &&
	    task.id == early->line.task)
		memcpy(early->name, task.name, sizeof(early->name));
}

/* Without permission, or if its memory does not answer, the process has blocks without a stack. */
static void read_early_memory(pid_t pid, int dir, const struct sleeper *sleeper, struct early_block *early)
{
	static struct block_record r;
	r = (struct block_record){ .syscall = sleeper->syscall, .stack_top = early->line.stack_top };
	memcpy(r.args, sleeper->args, sizeof(r.args));
	r.regs[BLOCK_REG_SP] = sleeper->sp;
	early->stack_size = early->memory_size = 0;
	if (dir < 0 || look_memory(pid, dir, &r))
		return;
	early->stack_size = r.stack_size;
	early->memory_size = r.memory_size;
	memcpy(early->stack, r.stack, sizeof(early->stack));
	memcpy(early->memory, r.memory, sizeof(early->memory));
}

static int catch_one(struct tracer *tracer, const struct tracer_process *process, unsigned i, pid_t pid, int dir)
{
	const struct sleeper *sleeper = &tracer->bpf->bss->sleepers[i];
	const struct watch_request *request = &tracer->bpf->bss->request;
	struct early_block *early = &tracer->bpf->bss->early;
	if (!tracer_read_line(process, request->workers[i], &early->line) || early->line.mode != SLEY_WORKER_TASK)
		return 0;
	early->switches = sleeper->switches;
	early->slot = request->slots[i];
	tracer_read_replaced(process, request->workers[i], &early->replaced);
	read_name(process, early);
	read_early_memory(pid, dir, sleeper, early);
	return tracer_catch_early(tracer, process->target.pidfd);
}

int tracer_catch_blocked(struct tracer *tracer, const struct tracer_process *process)
{
	const struct watch_request *request = &tracer->bpf->bss->request;
	pid_t pid;
	int dir, error;
	memset(tracer->bpf->bss->sleepers, 0, sizeof(tracer->bpf->bss->sleepers));
	error = tracer_look_blocked(tracer, process->target.pidfd);
	if (error)
		return error;
	dir = open_proc(process->target.pidfd, &pid);
	for (unsigned i = 0; i < request->count && i < WATCH_WORKERS && !error; i++)
		if (tracer->bpf->bss->sleepers[i].switches)
			error = catch_one(tracer, process, i, pid, dir);
	if (dir >= 0)
		close(dir);
	return error;
}
