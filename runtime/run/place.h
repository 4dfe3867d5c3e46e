/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Places in the code, as text: only in the debug library. */
#ifndef RUN_PLACE_H
#define RUN_PLACE_H

#ifdef SLEY_DEBUG

#define PLACE 256

/*
 * "program+0x1234 (function)". It is the address of the byte before the return address `pc`, which is in the line of the
 * call.
 */
const char *place_of(char text[PLACE], const void *pc);

#define PLACE_COMMAND (2 * PLACE + 128)

/*
 * " (lines: addr2line ...)", for the end of a message: the command that prints the lines of one place, or of two. `second`
 * may be null. "" if the program's file is not known, or its path has characters that a shell would take for others.
 */
const char *place_command(char text[PLACE_COMMAND], const void *first, const void *second);

#endif

#endif
