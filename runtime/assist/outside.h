/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* An eBPF program that sees workers being switched out, and the thread that listens to it. */
#ifndef ASSIST_OUTSIDE_H
#define ASSIST_OUTSIDE_H

#include <stdbool.h>
#include <stdint.h>

/* A new run begins; `on`: libsley_assist is to be opened. Called when the watchdog runs. */
void outside_open(bool on);

/* Ends the thread. Called when the workers and the watchdog have ended. */
void outside_close(void);

/*
 * Has workers watched that have started since. Returns whether there are some that are not yet: the next look should come
 * soon. Called by the watchdog.
 */
bool outside_look(void);

enum outside_state {
	OUTSIDE_NONE,    /* not asked for */
	OUTSIDE_OPENS,   /* the program is being loaded */
	OUTSIDE_WATCHES, /* it watches the workers */
	OUTSIDE_REFUSED, /* there is no library, or no privilege */
};

/* Any thread. */
enum outside_state outside_state(void);

#endif
