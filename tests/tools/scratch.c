/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "scratch.h"

#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char directory[32];

void scratch_make(void)
{
	strcpy(directory, "/tmp/sley-test-XXXXXX");
	assert_non_null(mkdtemp(directory));
}

void scratch_remove(void)
{
	char *argv[] = { "rm", "-rf", directory, NULL }, output[64];
	if (directory[0])
		test_run(argv, output, sizeof(output));
	directory[0] = '\0';
}

const char *scratch_path(const char *name)
{
	static char buffers[4][96];
	static unsigned next;
	char *buffer = buffers[next++ % 4];
	assert_true(directory[0] != '\0');
	snprintf(buffer, sizeof(buffers[0]), "%s/%s", directory, name);
	return buffer;
}
