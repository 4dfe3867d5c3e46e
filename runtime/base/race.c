/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/race.h"

#ifdef SLEY_DEBUG
void (*race_hook)(const char *point);
#endif
