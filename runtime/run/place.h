/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Places in the code, as text: only in the debug library. */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#ifdef SLEY_DEBUG

#define PLACE 256

/*
 * "program+0x1234 (function+0x56)": for addr2line. It is the address of the byte before the return address `pc`, which
 * is in the line of the call.
 */
const char *place_of(char text[PLACE], const void *pc);

#endif

#endif
