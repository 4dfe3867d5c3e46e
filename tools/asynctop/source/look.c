/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Both ends: who asks, and the child. */
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
#include "common/interrupt.h"
#include "source/control.h"
#include "source/living.h"
#include "source/process.h"
#include "source/sampler.h"
#include "source/target.h"
#include "symbols/proto.h"

#define PATIENCE_NS 5000000000 /* for a child that gets no CPU */

static struct child looker;
static int64_t cpu_before, cpu_ns; /* of the lookers before; of this one */

/* ---- the child ---- */

static int64_t own_cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int name_target(int dir, struct message_look *m)
{
	struct text name = { 0 };
	bool same = target_name(&name, dir, &m->record);
	m->text_length = (uint32_t)(name.length < sizeof(m->text) ? name.length : sizeof(m->text));
	memcpy(m->text, text_string(&name), m->text_length);
	text_free(&name);
	return same;
}

static int region(int dir, struct message_look *m, int *answer)
{
	struct found found;
	find_region(dir, (long)m->own_pid, &found);
	*answer = found.fd;
	m->status = found.status;
	snprintf(m->link, sizeof(m->link), "%s", found.link);
	snprintf(m->why, sizeof(m->why), "%s", found.why);
	return 0;
}

struct look_in {
	struct message_look *m;
	int answer; /* a descriptor that goes with the answer; -1: none */
};

/* May be called again: what it reads of the message it leaves as it is. */
static int look_in(int dir, void *argument)
{
	struct look_in *in = argument;
	struct message_look *m = in->m;
	if (in->answer >= 0)
		close(in->answer);
	in->answer = -1;
	switch (m->what) {
	case LOOK_NAMED:
		return find_named(dir);
	case LOOK_REGION:
		return region(dir, m, &in->answer);
	case LOOK_CONTROL:
		return find_control(dir, &in->answer);
	case LOOK_PART:
		in->answer = find_part(dir, m->number);
		return 0;
	case LOOK_CURRENT:
		return find_current(dir, m->link);
	case LOOK_CALL:
		m->sample = sampler_read(dir, m->tid, &m->record);
		return 0;
	case LOOK_MEMORY:
		sampler_memory(dir, &m->record);
		return 0;
	case LOOK_NAME:
		return name_target(dir, m);
	}
	return -EINVAL;
}

static int look(int descriptor, struct message_look *m, int *answer)
{
	struct look_in in = { .m = m, .answer = -1 };
	int result;
	if (m->what == LOOK_LEASE)
		return control_store(descriptor, m->level, m->lease_ns);
	if (m->what == LOOK_RELEASE)
		return control_release(descriptor, m->lease_ns);
	result = living_do(descriptor, look_in, &in);
	*answer = in.answer;
	return result;
}

/* How long this thread has waited for a CPU; 0 where the kernel does not say. */
static int64_t waited_for_cpu(int schedstat)
{
	char text[64];
	long long waited = 0;
	ssize_t n = schedstat < 0 ? -1 : pread(schedstat, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*u %lld", &waited) == 1 ? waited : 0;
}

static _Noreturn void looker_main(int socket, const void *unused)
{
	int descriptor, error = 0, schedstat = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	static union message m;
	(void)unused;
	while (!error && message_receive(socket, &m, &descriptor, MESSAGE_FOREVER) == 1 &&
	       m.head.type == MESSAGE_LOOK) {
		int64_t start = message_clock(), waited = waited_for_cpu(schedstat);
		int answer = -1;
		m.look.result = look(descriptor, &m.look, &answer);
		m.look.cpu_ns = own_cpu();
		m.look.took_ns = message_clock() - start - (waited_for_cpu(schedstat) - waited);
		error = message_send(socket, &m, answer, MESSAGE_FOREVER);
		if (descriptor >= 0)
			close(descriptor);
		if (answer >= 0)
			close(answer);
	}
	_exit(0);
}

/* ---- who asks ---- */

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

static int exchange(union message *m, int descriptor, int *got)
{
	int64_t deadline = message_clock() + PATIENCE_NS;
	int error = looker.pid ? 0 : child_start(&looker, "asynctop-looker", looker_main, NULL);
	if (!error) {
		child_expect(&looker);
		error = child_send(&looker, m, descriptor, deadline);
	}
	if (!error)
		error = child_receive(&looker, m, got, deadline);
	return error == 1 ? 0 : error == 0 ? -EPIPE : error;
}

/* *got: the descriptor that came with the answer, or -1. A looker that died may have been killed by anybody. */
static int ask_for(pid_t pid, int descriptor, const struct message_look *question, union message *m, int *got)
{
	int error = -EPIPE;
	*got = -1;
	if (interrupted())
		return -EINTR;
	if (abandoned_why(pid))
		return -EDEADLK;
	for (int try = 0; try < 2 && error == -EPIPE; try++) {
		int64_t start = message_clock();
		m->look = *question;
		m->look.head = (struct message_head){ .type = MESSAGE_LOOK, .size = sizeof(m->look) };
		error = exchange(m, descriptor, got);
		patience_charge(PATIENCE_LOOKS, process_user(pid), error ? message_clock() - start : m->look.took_ns,
				message_clock());
		if (error)
			leave(error == -EDEADLK ? pid : 0);
	}
	if (error)
		return error;
	cpu_ns = m->look.cpu_ns;
	return m->look.result;
}

static union message answer;
static struct message_look question;

static int ask(pid_t pid, int descriptor)
{
	int got, result = ask_for(pid, descriptor, &question, &answer, &got);
	if (got >= 0)
		close(got);
	return result;
}

int look_named(pid_t pid, int dir)
{
	question = (struct message_look){ .what = LOOK_NAMED };
	return ask(pid, dir);
}

int look_region(pid_t pid, int dir, long own_pid, struct found *found)
{
	int error;
	question = (struct message_look){ .what = LOOK_REGION, .own_pid = own_pid };
	error = ask_for(pid, dir, &question, &answer, &found->fd);
	found->status = (enum process_status)answer.look.status;
	snprintf(found->link, sizeof(found->link), "%s", answer.look.link);
	snprintf(found->why, sizeof(found->why), "%s", answer.look.why);
	return error;
}

int look_control(pid_t pid, int dir, int *fd)
{
	question = (struct message_look){ .what = LOOK_CONTROL };
	return ask_for(pid, dir, &question, &answer, fd);
}

int look_part(pid_t pid, int dir, int number, int *fd)
{
	question = (struct message_look){ .what = LOOK_PART, .number = number };
	return ask_for(pid, dir, &question, &answer, fd);
}

int look_current(pid_t pid, int dir, const char *link)
{
	question = (struct message_look){ .what = LOOK_CURRENT };
	snprintf(question.link, sizeof(question.link), "%s", link);
	return ask(pid, dir);
}

int look_call(pid_t pid, int dir, uint32_t tid, struct block_record *r, uint32_t *sample)
{
	int error;
	question = (struct message_look){ .what = LOOK_CALL, .tid = tid, .record = *r };
	error = ask(pid, dir);
	if (error)
		return error;
	*r = answer.look.record;
	*sample = answer.look.sample;
	return 0;
}

int look_memory(pid_t pid, int dir, struct block_record *r)
{
	int error;
	question = (struct message_look){ .what = LOOK_MEMORY, .record = *r };
	error = ask(pid, dir);
	if (!error)
		*r = answer.look.record;
	return error;
}

int look_name(pid_t pid, int dir, struct text *out, const struct block_record *r)
{
	int same;
	question = (struct message_look){ .what = LOOK_NAME, .record = *r };
	same = ask(pid, dir);
	if (same >= 0)
		text_put(out, answer.look.text, answer.look.text_length);
	return same;
}

int look_lease(pid_t pid, int page, uint32_t level, int64_t lease_ns)
{
	question = (struct message_look){ .what = LOOK_LEASE, .level = level, .lease_ns = lease_ns };
	return ask(pid, page);
}

int look_release(pid_t pid, int page, int64_t lease_ns)
{
	question = (struct message_look){ .what = LOOK_RELEASE, .lease_ns = lease_ns };
	return ask(pid, page);
}
