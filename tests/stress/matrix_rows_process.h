/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef STRESS_MATRIX_ROWS_PROCESS_H
#define STRESS_MATRIX_ROWS_PROCESS_H

#include "tests/stress/matrix_row.h"

/* Ended by a row without a name. */
extern const struct matrix_row matrix_rows_process[];

#endif
