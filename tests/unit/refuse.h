/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* System calls that are refused, as by the filter of a container: for scenarios, as it cannot be undone. */
#ifndef REFUSE_H
#define REFUSE_H

/* A system call, or one with a certain value as its i-th argument. */
struct call {
	const char *name;
	long number;
	int argument; /* 0: any; else which, from 1 */
	unsigned value;
};

/* From now on the call answers `error` in all threads. */
void refuse(const struct call *call, int error);

/* From now on the call kills the process. */
void refuse_deadly(const struct call *call);

#endif
