/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The child's end of look.h. */
#include "source/looker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "source/find.h"
#include "source/lease.h"
#include "source/living.h"
#include "source/parked.h"
#include "source/target.h"
#include "source/thread.h"

static int64_t own_cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int name_target(int dir, struct look_message *m)
{
	struct text name = { 0 };
	bool same = target_name(&name, dir, &m->record);
	m->text_length = (uint32_t)(name.length < sizeof(m->text) ? name.length : sizeof(m->text));
	memcpy(m->text, text_string(&name), m->text_length);
	text_free(&name);
	return same;
}

static int region(int dir, struct look_message *m, int *answer)
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
	struct look_message *m;
	int answer; /* a descriptor that goes with the answer; -1: none */
};

/* May be called again for the same message: it changes no field that it reads. */
static int look_in(int dir, void *argument)
{
	struct look_in *in = argument;
	struct look_message *m = in->m;
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
		return find_current(dir, m->link, m->inode);
	case LOOK_STATE:
		m->sample = thread_state(dir, m->tid);
		return 0;
	case LOOK_COMPUTING:
		m->sample = thread_computing(dir, m->tid, &m->computing);
		if (m->number != 0 && m->sample == SAMPLE_RUNNING)
			in->answer = thread_event(dir, m->tid);
		return 0;
	case LOOK_CALL:
		m->sample = thread_sample(dir, m->tid, &m->record);
		return 0;
	case LOOK_MEMORY:
		thread_memory(dir, &m->record);
		return 0;
	case LOOK_BYTES:
		return thread_bytes(dir, m->address, m->text, m->text_length) ? 0 : -EFAULT;
	case LOOK_PARKED:
		return parked_read(dir, &m->entries, m->record.task, &m->record);
	case LOOK_THROTTLED:
		return throttle_read(dir, &m->throttled);
	case LOOK_NAME:
		return name_target(dir, m);
	case LOOK_SAME:
		return target_same(dir, &m->record);
	}
	return -EINVAL;
}

static int look(int descriptor, struct look_message *m, int *answer)
{
	struct look_in in = { .m = m, .answer = -1 };
	int result;
	if (m->what == LOOK_LEASE)
		return lease_store(descriptor, m->level, m->lease_ns);
	if (m->what == LOOK_RELEASE)
		return lease_release(descriptor, m->lease_ns);
	result = living_do(descriptor, look_in, &in);
	*answer = in.answer;
	return result;
}

/* The time that this thread has waited for a CPU; 0 if the kernel does not say. */
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

_Noreturn void looker_main(int socket, const void *unused)
{
	int descriptor, error = 0, schedstat = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	static struct look_message m;
	(void)unused;
	while (!error && message_receive(socket, &m, sizeof(m), &descriptor, MESSAGE_FOREVER) == 1) {
		int64_t start = message_clock(), waited = waited_for_cpu(schedstat);
		int answer = -1;
		m.result = look(descriptor, &m, &answer);
		m.cpu_ns = own_cpu();
		m.took_ns = message_clock() - start - (waited_for_cpu(schedstat) - waited);
		error = message_send(socket, &m, answer, MESSAGE_FOREVER);
		if (descriptor >= 0)
			close(descriptor);
		if (answer >= 0)
			close(answer);
	}
	_exit(0);
}
