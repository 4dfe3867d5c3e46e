/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The sides of a race: they meet in another way in each round. */
#ifndef STAGGER_H
#define STAGGER_H

/* Begins a round. A side of the last one may still run. */
void stagger_begin(void);

/* The number of the round. */
unsigned stagger_round(void);

/* Called by a side, a task: moves it against the others. On one worker by yields, on several by time. */
void stagger(unsigned side);

#endif
