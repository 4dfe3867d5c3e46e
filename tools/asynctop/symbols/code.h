/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Looking at the bytes of a module's code (x86-64). */
#ifndef ASYNCTOP_SYMBOLS_CODE_H
#define ASYNCTOP_SYMBOLS_CODE_H

#include "symbols/frames.h"

enum call {
	CALL_NONE,    /* no call returns there, or the code cannot be read */
	CALL_DIRECT,  /* of the function, or the entry of the procedure linkage table, at *target */
	CALL_POINTER, /* of any function */
};

/* The call that returns to this address of the module. */
enum call code_call(const struct module *module, uint64_t returns, uint64_t *target);

/* Whether call-frame information covers the address. Where none does, libdw guesses by frame pointers. */
bool code_described(const struct module *module, uint64_t address);

/* `size` bytes of code at an address; NULL: it is not all code of one section. */
const uint8_t *code_bytes(const struct module *module, uint64_t address, size_t size);

/* The 4 bytes of an operand that is relative to the next instruction. */
int64_t code_offset(const uint8_t *bytes);

#endif
