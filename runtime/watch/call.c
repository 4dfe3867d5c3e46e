/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/call.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

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
