/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Both ends: who asks, and the child. */
#include "look.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "abandoned.h"
#include "child.h"
#include "control.h"
#include "sampler.h"
#include "symbols_proto.h"
#include "target.h"

#define PATIENCE_NS 5000000000 /* for a child that gets no CPU */

static struct child looker;

/* ---- the child ---- */

static int name_target(int dir, struct message_look *m)
{
	struct text name = { 0 };
	bool same = target_name(&name, dir, &m->record);

	m->text_length = (uint32_t)(name.length < sizeof(m->text) ? name.length : sizeof(m->text));
	memcpy(m->text, text_string(&name), m->text_length);
	text_free(&name);
	return same;
}

static int look(int descriptor, struct message_look *m)
{
	switch (m->what) {
	case LOOK_CALL:
		m->sample = sampler_read(descriptor, m->tid, &m->record);
		return 0;
	case LOOK_MEMORY:
		sampler_memory(descriptor, &m->record);
		return 0;
	case LOOK_NAME:
		return name_target(descriptor, m);
	case LOOK_LEASE:
		return control_store(descriptor, m->level, m->lease_ns);
	case LOOK_RELEASE:
		return control_release(descriptor, m->lease_ns);
	}
	return -EINVAL;
}

static _Noreturn void looker_main(int socket, const void *unused)
{
	static union message m;
	int descriptor;

	(void)unused;
	while (message_receive(socket, &m, &descriptor, MESSAGE_FOREVER) == 1 && m.head.type == MESSAGE_LOOK) {
		m.look.result = look(descriptor, &m.look);
		if (descriptor >= 0)
			close(descriptor);
		if (message_send(socket, &m, -1, MESSAGE_FOREVER))
			break;
	}
	_exit(0);
}

/* ---- who asks ---- */

static void leave(pid_t because)
{
	pid_t child = looker.pid;

	child_end(&looker);
	abandoned_child(child, because);
}

void look_close(void)
{
	leave(0);
}

static int exchange(union message *m, int descriptor)
{
	int64_t deadline = message_clock() + PATIENCE_NS;
	int error = looker.pid ? 0 : child_start(&looker, "asynctop-looker", looker_main, NULL);

	if (!error) {
		child_expect(&looker);
		error = child_send(&looker, m, descriptor, deadline);
	}
	if (!error)
		error = child_receive(&looker, m, deadline);
	return error == 1 ? 0 : error == 0 ? -EPIPE : error;
}

/* A looker that died may have been killed by anybody: then another is asked. */
static int ask(pid_t pid, int descriptor, const struct message_look *question, union message *m)
{
	int error = -EPIPE;

	if (abandoned_why(pid))
		return -EDEADLK;
	for (int try = 0; try < 2 && error == -EPIPE; try++) {
		m->look = *question;
		m->look.head = (struct message_head){ .type = MESSAGE_LOOK, .size = sizeof(m->look) };
		error = exchange(m, descriptor);
		if (error)
			leave(error == -EDEADLK ? pid : 0);
	}
	return error ? error : m->look.result;
}

static union message answer;

int look_call(pid_t pid, int dir, uint32_t tid, struct block_record *r, uint32_t *sample)
{
	static struct message_look m;
	int error;

	m = (struct message_look){ .what = LOOK_CALL, .tid = tid, .record = *r };
	error = ask(pid, dir, &m, &answer);
	if (error)
		return error;
	*r = answer.look.record;
	*sample = answer.look.sample;
	return 0;
}

int look_memory(pid_t pid, int dir, struct block_record *r)
{
	static struct message_look m;
	int error;

	m = (struct message_look){ .what = LOOK_MEMORY, .record = *r };
	error = ask(pid, dir, &m, &answer);
	if (!error)
		*r = answer.look.record;
	return error;
}

int look_name(pid_t pid, int dir, struct text *out, const struct block_record *r)
{
	static struct message_look m;
	int same;

	m = (struct message_look){ .what = LOOK_NAME, .record = *r };
	same = ask(pid, dir, &m, &answer);
	if (same >= 0)
		text_put(out, answer.look.text, answer.look.text_length);
	return same;
}

int look_lease(pid_t pid, int page, uint32_t level, int64_t lease_ns)
{
	static struct message_look m;

	m = (struct message_look){ .what = LOOK_LEASE, .level = level, .lease_ns = lease_ns };
	return ask(pid, page, &m, &answer);
}

int look_release(pid_t pid, int page, int64_t lease_ns)
{
	static struct message_look m;

	m = (struct message_look){ .what = LOOK_RELEASE, .lease_ns = lease_ns };
	return ask(pid, page, &m, &answer);
}
