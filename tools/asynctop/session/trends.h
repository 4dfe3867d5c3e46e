/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What only a comparison with the ticks before shows: spawn sites whose tasks wake themselves again and again, and places
 * where more and more tasks wait. Both are warnings when they have lasted for TRENDS_LONG_NS.
 */
#ifndef ASYNCTOP_TRENDS_H
#define ASYNCTOP_TRENDS_H

#include "model/model.h"

#define TRENDS_LONG_NS 1000000000

struct trends;

struct trends *trends_new(void);
void trends_free(struct trends *);

/* Takes the yields of the tick's model, and adds warnings to it, without links. */
void trends_read(struct trends *, struct model *m);

#endif
