/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/call.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/descriptor.h"
#include "run/worker.h"

#define CALLS_A_LOOK 2u
#define AGAIN        100u /* looks */

static struct {
	unsigned next;  /* number of the worker at which the next look begins */
	unsigned looks; /* so far */
} calls;                /* owned by the watchdog */

struct call call_of(uint32_t tid)
{
	struct call call = { .kind = CALL_UNKNOWN };
	char path[64], line[256] = "", *at, *end;
	uint64_t words[8]; /* six arguments, the stack pointer, the return address; of a fault only the last two */
	unsigned n_words = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%u/syscall", tid);
	int fd = descriptor_lift(open(path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return call;
	ssize_t n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	if (line[0] == 'r') { /* "running" */
		call.kind = CALL_COMPUTES;
		return call;
	}
	call.number = strtol(line, &at, 10);
	while (n_words < ARRAY_SIZE(words) && (words[n_words] = strtoull(at, &end, 16), end != at)) {
		n_words++;
		at = end;
	}
	if (n_words == ARRAY_SIZE(words)) {
		call.kind = CALL_SYSTEM;
		call.first = words[0];
		call.second = words[1];
		call.pc = words[7];
	} else if (n_words == 2) {
		call.kind = CALL_CODE;
		call.pc = words[1];
	}
	return call;
}

static const struct known {
	long number;
	const char *name, *instead; /* sley's call that a task could make; null: none */
} known_calls[] = {
	{ SYS_read, "read", "sley_read()" },
	{ SYS_readv, "readv", "sley_readv()" },
	{ SYS_pread64, "pread", "sley_pread()" },
	{ SYS_write, "write", "sley_write()" },
	{ SYS_writev, "writev", "sley_writev()" },
	{ SYS_pwrite64, "pwrite", "sley_pwrite()" },
	{ SYS_recvfrom, "recv", "sley_recv()" },
	{ SYS_recvmsg, "recvmsg", "sley_recvmsg()" },
	{ SYS_sendto, "send", "sley_send()" },
	{ SYS_sendmsg, "sendmsg", "sley_sendmsg()" },
	{ SYS_accept, "accept", "sley_accept()" },
	{ SYS_accept4, "accept4", "sley_accept()" },
	{ SYS_connect, "connect", "sley_connect()" },
	{ SYS_nanosleep, "nanosleep", "sley_sleep()" },
	{ SYS_clock_nanosleep, "clock_nanosleep", "sley_sleep()" },
	{ SYS_ppoll, "ppoll", "sley_poll()" },
#ifdef SYS_poll
	{ SYS_poll, "poll", "sley_poll()" },
#endif
	{ SYS_futex, "futex", "a lock of sley's" },
	{ SYS_wait4, "wait4", "sley_process_wait()" },
	{ SYS_openat, "openat", "sley_open()" },
	{ SYS_fsync, "fsync", "sley_fsync()" },
	{ SYS_fdatasync, "fdatasync", "sley_fdatasync()" },
	{ SYS_flock, "flock", NULL },
	{ SYS_fcntl, "fcntl", NULL },
	{ SYS_ioctl, "ioctl", NULL },
};

static const struct known *find_known(const struct call *call)
{
	for (size_t i = 0; call->kind == CALL_SYSTEM && i < ARRAY_SIZE(known_calls); i++) {
		if (known_calls[i].number == call->number)
			return &known_calls[i];
	}
	return NULL;
}

const char *call_text(char text[CALL_TEXT], const struct call *call)
{
	const struct known *known = find_known(call);
	if (known)
		snprintf(text, CALL_TEXT, "in %s()", known->name);
	else if (call->kind == CALL_SYSTEM)
		snprintf(text, CALL_TEXT, "in system call %ld", call->number);
	else
		snprintf(text, CALL_TEXT, "%s", call->kind == CALL_COMPUTES ? "computing" : "in its code");
	return text;
}

const char *call_remedy(char text[CALL_TEXT], const struct call *call)
{
	const struct known *known = find_known(call);
	if (known && known->instead)
		snprintf(text, CALL_TEXT, "use %s instead", known->instead);
	else
		snprintf(text, CALL_TEXT, "%s",
			 call->kind == CALL_COMPUTES ? "call sley_yield() now and then" : "do it in sley_offload()");
	return text;
}

/* ---- in the region ---- */

/* Whether the call of this worker is to be read: it is noted as blocked, and not named yet, or named long ago. */
static bool is_wanted(const struct worker *worker, bool again)
{
	const struct sley_region_block *block = worker->block;
	return SLEY_NOTE_STATE(load(&block->note, relaxed)) == SLEY_BLOCK_BLOCKED &&
	       (again || load(&block->call, relaxed) == 0);
}

/* See blocked_back(): either it takes back what is stored here, or the second look at the note sees that it is over. */
static void publish_call(struct worker *worker)
{
	struct sley_region_block *block = worker->block;
	uint64_t note = load(&block->note, acquire);
	uint64_t tick = load(&worker->tick, relaxed);
	struct call call = call_of(load(&worker->line->tid, relaxed));
	if ((call.kind != CALL_SYSTEM && call.kind != CALL_CODE) || SLEY_NOTE_DISPATCH(note) != tick ||
	    load(&worker->tick, relaxed) != tick || load(&block->note, relaxed) != note)
		return;
	store(&block->call, 0, relaxed);
	store(&block->args[0], call.first, release); /* after the call */
	store(&block->args[1], call.second, release);
	store(&block->pc, call.pc, release);
	store(&block->call, (uint16_t)(call.kind == CALL_CODE ? SLEY_BLOCK_FAULT : call.number + 1), release);
	fence();
	if (load(&block->note, relaxed) != note)
		store(&block->call, 0, relaxed);
}

void calls_look(void)
{
	struct worker *worker;
	unsigned left = CALLS_A_LOOK;
	bool again = ++calls.looks % AGAIN == 0;
	if (likely(load(&scheduler.blocked, relaxed) == 0))
		return;
	for (worker = worker_awake_round(calls.next); worker && left > 0; worker = worker_awake(worker->number + 1)) {
		if (is_wanted(worker, again)) {
			publish_call(worker);
			left--;
		}
		calls.next = worker->number + 1;
	}
	if (left > 0)
		calls.next = 0;
}
