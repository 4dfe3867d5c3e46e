/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#ifndef ASYNCTOP_PLACES_H
#define ASYNCTOP_PLACES_H

#include "session/watch.h"

/* Fills in a place to which a call of a task of that spawn site returns, if it is known; else asks for it. */
void place_of_return(struct watch *w, struct model_place *place, uint32_t site, uint64_t pc);

#endif
