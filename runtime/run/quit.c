/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/quit.h"

#include <pthread.h>
#include <stdlib.h>

#include "run/report.h"
#include "run/worker.h"

static pthread_key_t key;
static bool made; /* constant during a run */

static void on_exit_of_thread(void *value)
{
	char who[TASK_TEXT];
	const struct task *task = task_self();
	(void)value;
	complain(
		"%s, has ended its thread by pthread_exit(), thrd_exit() or a cancellation. The thread belongs to sley, so the "
		"process ends here (abort). Return from the function instead",
		task ? task_text(who, task->id, task->site) : "a function that was passed to sley_offload()");
	abort();
}

void quit_open(void)
{
	made = pthread_key_create(&key, on_exit_of_thread) == 0;
}

void quit_close(void)
{
	if (made)
		pthread_key_delete(key);
	made = false;
}

void quit_forbid(void)
{
	if (made)
		pthread_setspecific(key, &key);
}

void quit_allow(void)
{
	if (made)
		pthread_setspecific(key, NULL);
}
