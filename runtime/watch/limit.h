/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Detects that work waits because no thread is left for it: as many workers are blocked as max_threads allows, or the
 * system refuses more threads. If the blocked ones wait for what only that work could give, they wait for ever.
 */
#ifndef WATCH_LIMIT_H
#define WATCH_LIMIT_H

#include <stdint.h>

/* A run begins. */
void limit_open(void);

/*
 * By the watchdog, at each look, after spares were made. If there was no thread for as long as hold_long (watch/stuck.h),
 * the call counts this, and once in a run reports it on stderr: who keeps the threads, and in which calls.
 */
void limit_look(int64_t now);

#endif
