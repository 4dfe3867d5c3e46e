/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A file whose pages take their time: each page that is read for the first time comes after a delay, and any number of
 * pages may be asked for at the same time.
 *
 * It lies on a FUSE file system whose process speaks the kernel's protocol itself: libfuse would be one more library to
 * build the benchmark, and it needs a thread for each answer that is delayed.
 */
#ifndef BENCH_SLOW_FILE_H
#define BENCH_SLOW_FILE_H

#include <stdint.h>

/*
 * Makes the file and its process, which ends with this one. Returns a descriptor for reading and mapping; nothing of it
 * is left in the file system. A negative errno value: FUSE does not work here. Root.
 */
int slow_file_open(uint64_t size, unsigned delay_us);

#endif
