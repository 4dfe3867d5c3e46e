/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Running the programs that walk over the threads of a process. */
#include "source/tracer_private.h"

#include "iterate.h"

int tracer_mark_threads(struct tracer *tracer, int pidfd)
{
	return iterate_threads(tracer->bpf->progs.watch, pidfd);
}

int tracer_look_blocked(struct tracer *tracer, int pidfd)
{
	return iterate_threads(tracer->bpf->progs.look_blocked, pidfd);
}

int tracer_catch_early(struct tracer *tracer, int pidfd)
{
	return iterate_threads(tracer->bpf->progs.catch_blocked, pidfd);
}
