/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The end that asks; the other is looker.c. */
#include "source/look.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child/abandoned.h"
#include "child/child.h"
#include "child/patience.h"
#include "child/user.h"
#include "common/interrupt.h"
#include "source/looker.h"
#include "source/thread.h"

#define PATIENCE_NS 5000000000 /* for a child that gets no CPU */

static struct child looker;
static int64_t cpu_before, cpu_ns; /* of the lookers before; of this one */

static void leave(pid_t because)
{
	pid_t child = looker.pid;
	child_end(&looker);
	abandoned_child(child, because);
	cpu_before += cpu_ns;
	cpu_ns = 0;
}

void look_close(void)
{
	leave(0);
}

int64_t look_cpu(void)
{
	return cpu_before + cpu_ns;
}

static int exchange(struct look_message *m, int descriptor, int *got)
{
	int64_t deadline = message_clock() + PATIENCE_NS;
	int error = looker.pid ? 0 : child_start(&looker, "asynctop-looker", looker_main, NULL);
	if (!error) {
		child_expect(&looker);
		error = child_send(&looker, m, descriptor, deadline);
	}
	if (!error)
		error = child_receive(&looker, m, sizeof(*m), got, deadline);
	return error == 1 ? 0 : error == 0 ? -EPIPE : error;
}

/* *got: the descriptor of the answer, or -1. A dead looker may have been killed from outside: it is asked again. */
static int ask_for(pid_t pid, int descriptor, const struct look_message *question, struct look_message *m, int *got)
{
	int error = -EPIPE;
	*got = -1;
	if (interrupted())
		return -EINTR;
	if (abandoned_why(pid))
		return -EDEADLK;
	for (int try = 0; try < 2 && error == -EPIPE; try++) {
		int64_t start = message_clock();
		*m = *question;
		m->head = (struct message_head){ .size = sizeof(*m) };
		error = exchange(m, descriptor, got);
		patience_charge(PATIENCE_LOOKS, user_of(pid), error ? message_clock() - start : m->took_ns,
				message_clock());
		if (error)
			leave(error == -EDEADLK ? pid : 0);
	}
	if (error)
		return error;
	cpu_ns = m->cpu_ns;
	return m->result;
}

static struct look_message answer;
static struct look_message question;

static int ask_looker(pid_t pid, int descriptor)
{
	int got, result = ask_for(pid, descriptor, &question, &answer, &got);
	if (got >= 0)
		close(got);
	return result;
}

int look_named(pid_t pid, int dir)
{
	question = (struct look_message){ .what = LOOK_NAMED };
	return ask_looker(pid, dir);
}

int look_region(pid_t pid, int dir, long own_pid, struct found *found)
{
	int error;
	question = (struct look_message){ .what = LOOK_REGION, .own_pid = own_pid };
	error = ask_for(pid, dir, &question, &answer, &found->fd);
	found->status = (enum process_status)answer.status;
	snprintf(found->link, sizeof(found->link), "%s", answer.link);
	snprintf(found->why, sizeof(found->why), "%s", answer.why);
	return error;
}

int look_control(pid_t pid, int dir, int *fd)
{
	question = (struct look_message){ .what = LOOK_CONTROL };
	return ask_for(pid, dir, &question, &answer, fd);
}

int look_part(pid_t pid, int dir, int number, int *fd)
{
	question = (struct look_message){ .what = LOOK_PART, .number = number };
	return ask_for(pid, dir, &question, &answer, fd);
}

int look_current(pid_t pid, int dir, const char *link, uint64_t inode)
{
	question = (struct look_message){ .what = LOOK_CURRENT, .inode = inode };
	snprintf(question.link, sizeof(question.link), "%s", link);
	return ask_looker(pid, dir);
}

int look_call(pid_t pid, int dir, uint32_t tid, struct block_record *r, uint32_t *sample)
{
	int error;
	question = (struct look_message){ .what = LOOK_CALL, .tid = tid, .record = *r };
	error = ask_looker(pid, dir);
	if (error)
		return error;
	*r = answer.record;
	*sample = answer.sample;
	return 0;
}

int look_state(pid_t pid, int dir, uint32_t tid, uint32_t *sample)
{
	int error;
	question = (struct look_message){ .what = LOOK_STATE, .tid = tid };
	error = ask_looker(pid, dir);
	*sample = error ? SAMPLE_NONE : answer.sample;
	return error;
}

int look_computing(pid_t pid, int dir, uint32_t tid, uint32_t *sample, struct computing *times, int *event)
{
	int error, got;
	question = (struct look_message){ .what = LOOK_COMPUTING, .tid = tid, .number = event != NULL };
	error = ask_for(pid, dir, &question, &answer, &got);
	if (event != NULL)
		*event = got;
	else if (got >= 0)
		close(got);
	*sample = error ? SAMPLE_NONE : answer.sample;
	*times = answer.computing;
	return error;
}

int look_memory(pid_t pid, int dir, struct block_record *r)
{
	int error;
	question = (struct look_message){ .what = LOOK_MEMORY, .record = *r };
	error = ask_looker(pid, dir);
	if (!error)
		*r = answer.record;
	return error;
}

int look_bytes(pid_t pid, int dir, uint64_t address, void *to, size_t size)
{
	int error;
	question = (struct look_message){ .what = LOOK_BYTES, .address = address, .text_length = (uint32_t)size };
	error = size > LOOK_BYTES_MAX ? -EINVAL : ask_looker(pid, dir);
	if (!error)
		memcpy(to, answer.text, size);
	return error;
}

int look_parked(pid_t pid, int dir, const struct sley_region_entries *entries, uint64_t task, struct block_record *r)
{
	int error;
	question = (struct look_message){ .what = LOOK_PARKED, .entries = *entries, .record = *r };
	question.record.task = task;
	error = ask_looker(pid, dir);
	if (!error)
		*r = answer.record;
	return error;
}

int look_throttled(pid_t pid, int dir, struct throttled *out)
{
	int result;
	question = (struct look_message){ .what = LOOK_THROTTLED };
	result = ask_looker(pid, dir);
	if (result == 1)
		*out = answer.throttled;
	return result;
}

int look_name(pid_t pid, int dir, struct text *out, const struct block_record *r)
{
	int same;
	question = (struct look_message){ .what = LOOK_NAME, .record = *r };
	same = ask_looker(pid, dir);
	if (same >= 0)
		text_put(out, answer.text, answer.text_length);
	return same;
}

int look_same(pid_t pid, int dir, const struct block_record *r)
{
	question = (struct look_message){ .what = LOOK_SAME, .record = *r };
	return ask_looker(pid, dir);
}

int look_lease(pid_t pid, int page, uint32_t level, int64_t lease_ns)
{
	question = (struct look_message){ .what = LOOK_LEASE, .level = level, .lease_ns = lease_ns };
	return ask_looker(pid, page);
}

int look_release(pid_t pid, int page, int64_t lease_ns)
{
	question = (struct look_message){ .what = LOOK_RELEASE, .lease_ns = lease_ns };
	return ask_looker(pid, page);
}
