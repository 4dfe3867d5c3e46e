/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "life/shield.h"

#include <stdlib.h>

#include "run/report.h"
#include "run/worker.h"

_Unwind_Reason_Code shield_pass(const char *call, _Unwind_Action actions)
{
	char who[TASK_TEXT];
	const struct task *task = task_self();
	if (actions & _UA_SEARCH_PHASE)
		return _URC_CONTINUE_UNWIND;
	complain(
		"%s(): an exception or pthread_exit() leaves the function that was passed to it, in %s. The process ends here "
		"(abort), because the call cannot be finished. Catch exceptions inside the function",
		call, task ? task_text(who, task->id, task->site) : "a thread that runs no task");
	abort();
}
