/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The pair of sockets that rows of descriptors wait at: the call uses ends[0], the row the other. */
#ifndef STRESS_MATRIX_PAIR_H
#define STRESS_MATRIX_PAIR_H

extern int ends[2];

/* Empty: who reads waits. */
void pair_open(void);
void pair_end(void);

/* Closes ends[0], by sley_close(); and opens it all again. */
void pair_close(void);
void pair_reopen(void);

/* Something to read at ends[0]: "7". */
void pair_give(void);

/* Without room: who writes waits. */
void pair_open_full(void);
void pair_reopen_full(void);
void pair_fill(void);

/* Room to write at ends[0]. */
void pair_drain(void);

#endif
