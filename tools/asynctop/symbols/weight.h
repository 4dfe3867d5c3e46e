/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * How much of the reader's memory a file takes. libelf maps it privately and writable and keeps what it decompresses:
 * of a few megabytes that can be thousands. What does not fit is refused before it is read, since libdw goes on without
 * what it got no memory for and says nothing of it.
 */
#ifndef ASYNCTOP_SYMBOLS_WEIGHT_H
#define ASYNCTOP_SYMBOLS_WEIGHT_H

#include <stdint.h>

#define READER_DATA_MOST (1ULL << 30)   /* bytes of the reader: RLIMIT_DATA */
#define WEIGHT_MOST      (768ULL << 20) /* of the files that it holds; the rest is what libdw makes of them */

/* Of an ELF file: its size and that of its compressed sections when they are not; UINT64_MAX if it cannot be told. */
uint64_t weight_of(int fd);

#endif
