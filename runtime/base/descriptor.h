/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The runtime's own descriptors are 3 and up. A service that was started without standard input, output or error may
 * open these numbers later, by dup2(2) as a daemon does. Or it may write its log to a number that it believes to be
 * standard error.
 */
#ifndef BASE_DESCRIPTOR_H
#define BASE_DESCRIPTOR_H

/*
 * Moves `fd`, which the runtime has just made, to a number of 3 and up, close-on-exec. If the number changes, `fd` is
 * closed. A negative `fd`, from a call that failed, is returned as it is. -1 with errno on failure, and nothing is left
 * open.
 */
int descriptor_lift(int fd);

/*
 * Enlarges the process's table of descriptors at once, by duplicating the open descriptor `fd` to a high number. In a
 * process with threads, a call that finds the table full stalls in the kernel for 7 to 21 ms, at each doubling. So this
 * is called before the second thread starts.
 */
void descriptors_presize(int fd);

#endif
