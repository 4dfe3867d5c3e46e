/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The weight of a file: the memory that it takes in the reader. libelf maps it privately and writable, and keeps its
 * decompressed sections: a few megabytes can become thousands. A file that does not fit is refused before it is read,
 * since libdw without memory goes on with a part of the file and does not say so.
 */
#ifndef ASYNCTOP_SYMBOLS_WEIGHT_H
#define ASYNCTOP_SYMBOLS_WEIGHT_H

#include <stdint.h>

#define READER_DATA_MOST (1ULL << 30)   /* bytes of the reader: RLIMIT_DATA */
#define WEIGHT_MOST      (768ULL << 20) /* of its files; libdw's own structures have the rest */

/* Of an ELF file: its size and that of its compressed sections when they are not; UINT64_MAX if it cannot be told. */
uint64_t weight_of(int fd);

#endif
