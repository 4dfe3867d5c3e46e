/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* An eBPF program that sees workers being switched out, and the thread that listens to it. */
#ifndef ASSIST_OUTSIDE_H
#define ASSIST_OUTSIDE_H

#include <stdbool.h>
#include <stdint.h>

/* A new run begins, with this source (enum sley_assist). Called when the watchdog runs. */
void outside_open(unsigned assist);

/* Ends the thread. Called when the workers and the watchdog have ended. */
void outside_close(void);

/*
 * Has workers watched that have started since, and finds a helper. Returns whether some workers are not watched yet: the
 * next look should come soon. Called by the watchdog.
 */
bool outside_look(int64_t now);

enum outside_state {
	OUTSIDE_NONE,    /* nobody tells */
	OUTSIDE_OPENS,   /* the runtime loads the program */
	OUTSIDE_WATCHES, /* the runtime's program watches the workers */
	OUTSIDE_REFUSED, /* it was asked for, but there is no library, or no privilege */
	OUTSIDE_HELPED,  /* a helper's program watches them */
};

/* Any thread. */
enum outside_state outside_state(void);

/* For tests: looks at a helper's words, in all runs. Atomic. */
extern unsigned outside_looks;

#endif
