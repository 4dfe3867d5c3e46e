/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/stress/matrix_call.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/stress/matrix_rows_chan.h"
#include "tests/stress/matrix_rows_file.h"
#include "tests/stress/matrix_rows_io.h"
#include "tests/stress/matrix_rows_pool.h"
#include "tests/stress/matrix_rows_process.h"
#include "tests/stress/matrix_rows_socket.h"
#include "tests/stress/matrix_rows_sync.h"
#include "tests/stress/matrix_rows_tasks.h"
#include "tests/stress/stress.h"

const struct matrix_row *const matrix_tables[] = { matrix_rows_tasks, matrix_rows_sync,    matrix_rows_chan,
						   matrix_rows_io,    matrix_rows_socket,  matrix_rows_pool,
						   matrix_rows_file,  matrix_rows_process, NULL };

struct matrix_call call;

static void make_call(void *arg)
{
	char frame[512]; /* is whole again after the wait */
	memset(frame, 0x5a, sizeof(frame));
	store(&call.caller, sley_self(), relaxed);
	if (call.mask)
		REQUIRE(sley_cancel_mask(1) == 0);
	while (!load(&call.go, acquire))
		sley_yield();
	call.result = call.row->call(call.deadline);
	for (unsigned i = 0; i < sizeof(frame); i++)
		REQUIRE(frame[i] == 0x5a);
}

sley_task start_call(const struct matrix_row *row, sley_time deadline, bool mask, bool go)
{
	call.row = row;
	call.deadline = deadline;
	call.mask = mask;
	call.result = 1000000;
	store(&call.caller, 0, relaxed);
	store(&call.go, go, release);
	return stress_started(sley_spawn(make_call, NULL));
}

void until_it_waits(sley_task task, const struct matrix_row *row)
{
	const struct sley_region_task *record = stress_record(task);
	while (load(&record->state, relaxed) != SLEY_TASK_WAITING || load(&record->wait_kind, relaxed) != row->kind) {
		if (load(&record->state, relaxed) == SLEY_TASK_ENDED)
			fprintf(stderr, "%s: it did not wait, but returned %d\n", row->name, call.result);
		REQUIRE(load(&record->state, relaxed) != SLEY_TASK_ENDED);
		sley_yield();
	}
}

void check_answer(const char *way, int expected)
{
	stress_progress();
	if (call.result != expected)
		fprintf(stderr, "%s, %s: %d instead of %d\n", call.row->name, way, call.result, expected);
	REQUIRE(call.result == expected);
	if (expected == call.row->done && call.row->reset)
		call.row->reset();
}

void expect_answer(sley_task task, const char *way, int expected)
{
	stress_join(task);
	check_answer(way, expected);
}

void matrix_block_signals(void)
{
	sigset_t taken;
	sigemptyset(&taken);
	sigaddset(&taken, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &taken, NULL);
}
