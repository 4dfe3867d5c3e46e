/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the programs here have in common of their command lines. */
#ifndef ARGUMENTS_H
#define ARGUMENTS_H

/* The number that the text is. If it is none from low to high, ends the program with its usage and exit code 2. */
long argument_number(const char *text, long low, long high, const char *usage);

/* Ends it so. */
__attribute__((noreturn)) void argument_failed(const char *usage);

#endif
