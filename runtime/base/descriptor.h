/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Descriptors of the runtime's own. They are 3 and up: a service that was started without standard input, output or
 * error opens these numbers later, by dup2(2) as a daemon does, or writes its log to what it takes for them.
 */
#ifndef BASE_DESCRIPTOR_H
#define BASE_DESCRIPTOR_H

/*
 * What the runtime has just made (or failed to, below 0), as a number of 3 and up, close-on-exec; `fd` is closed if it
 * is another. -1 with errno on failure, and nothing is open.
 */
int descriptor_lift(int fd);

/*
 * Makes the process's table of descriptors large at once, with the help of the open one `fd`. In a process with threads
 * the kernel stalls the call that finds it full for 7 to 21 ms, at each doubling: so before the second thread.
 */
void descriptors_presize(int fd);

#endif
