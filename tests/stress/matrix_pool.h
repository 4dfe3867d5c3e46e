/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The only thread of the pool for what blocks, kept by a call of the row's own. */
#ifndef STRESS_MATRIX_POOL_H
#define STRESS_MATRIX_POOL_H

/* Returns when the thread is taken. */
void pool_keep(void);

/* Returns when it is free; without effect when it is already. */
void pool_let_go(void);

#endif
