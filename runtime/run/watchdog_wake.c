/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/watchdog_wake.h"

#include "base/atomic.h"
#include "base/futex.h"

struct watchdog_promise watchdog_promise;

void watchdog_wake(void)
{
	if (exchange(&watchdog_promise.asleep, 0, seq_cst))
		futex_wake(&watchdog_promise.asleep, 1);
}

void watchdog_watch(void)
{
	if (!exchange(&watchdog_promise.watched, 1, seq_cst))
		watchdog_wake();
}
