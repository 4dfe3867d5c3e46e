/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Running a program that walks over the threads of a process. */
#ifndef SLEY_BPF_ITERATE_H
#define SLEY_BPF_ITERATE_H

struct bpf_program;

/* 0 or a negative errno value; -ESRCH: the process is gone. */
int iterate_threads(const struct bpf_program *program, int pidfd);

#endif
