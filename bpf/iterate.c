/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "iterate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <unistd.h>

/* The walk is made by reading; there is nothing to read. */
static int drain(int iterator)
{
	char nothing[64];
	ssize_t n;
	while ((n = read(iterator, nothing, sizeof(nothing))) > 0)
		;
	return n < 0 ? -errno : 0;
}

int iterate_threads(const struct bpf_program *program, int pidfd)
{
	union bpf_iter_link_info info = { .task.pid_fd = pidfd };
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(program, &options);
	int iterator, error;

	if (!link)
		return -errno;
	iterator = bpf_iter_create(bpf_link__fd(link));
	error = iterator < 0 ? -errno : drain(iterator);
	if (iterator >= 0)
		close(iterator);
	bpf_link__destroy(link);
	return error;
}
