/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/call.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/descriptor.h"

struct call call_of(uint32_t tid)
{
	struct call call = { .kind = CALL_UNKNOWN };
	char path[64], line[64] = "";
	snprintf(path, sizeof(path), "/proc/self/task/%u/syscall", tid);
	int fd = descriptor_lift(open(path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return call;
	ssize_t n = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[n > 0 ? n : 0] = '\0';
	if (line[0] == 'r') /* "running" */
		call.kind = CALL_COMPUTES;
	else if (sscanf(line, "%ld %" SCNx64, &call.number, &call.first) == 2)
		call.kind = call.number >= 0 ? CALL_SYSTEM : CALL_CODE;
	return call;
}

const char *call_text(char text[CALL_TEXT], const struct call *call)
{
	if (call->kind == CALL_SYSTEM)
		snprintf(text, CALL_TEXT, "in system call %ld", call->number);
	else
		snprintf(text, CALL_TEXT, "%s", call->kind == CALL_COMPUTES ? "computing" : "in its code");
	return text;
}

const char *call_instead(const struct call *call)
{
	static const struct {
		long number;
		const char *name;
	} calls[] = {
		{ SYS_read, "sley_read()" },
		{ SYS_write, "sley_write()" },
		{ SYS_recvfrom, "sley_recv()" },
		{ SYS_sendto, "sley_send()" },
		{ SYS_accept, "sley_accept()" },
		{ SYS_accept4, "sley_accept()" },
		{ SYS_connect, "sley_connect()" },
		{ SYS_nanosleep, "sley_sleep()" },
		{ SYS_clock_nanosleep, "sley_sleep()" },
		{ SYS_ppoll, "sley_poll()" },
#ifdef SYS_poll
		{ SYS_poll, "sley_poll()" },
#endif
		{ SYS_futex, "a lock of sley's" },
		{ SYS_wait4, "sley_process_wait()" },
	};
	for (size_t i = 0; call->kind == CALL_SYSTEM && i < ARRAY_SIZE(calls); i++) {
		if (calls[i].number == call->number)
			return calls[i].name;
	}
	return NULL;
}
