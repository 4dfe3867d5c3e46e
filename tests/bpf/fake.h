/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A region with one worker, the calling thread, whose line the test writes by hand. */
#ifndef TESTS_BPF_FAKE_H
#define TESTS_BPF_FAKE_H

#include "source/tracer.h"

struct fake {
	int region;
	struct tracer_target target;
	struct sley_region_worker *line; /* shared */
};

/* The line says that the thread runs task 1 of site 1. */
void fake_open(struct fake *);
void fake_close(struct fake *);

#endif
