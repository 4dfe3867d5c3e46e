/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Files that would take more memory than the resolver's reader may have: refused, said, and of no harm to others. */
#include <fcntl.h>
#include <gelf.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_region.h"
#include "symbols/weight.h"
#include "symbols_target.h"
#include "tests/test.h"
#include "tool.h"

static struct symbols_answer answer;

/* Writes over the size that the first compressed section has when it is not: what is read is that, before the bytes. */
static void inflate(const char *path, uint64_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	Elf *elf = (elf_version(EV_CURRENT), elf_begin(fd, ELF_C_READ, NULL));
	Elf_Scn *section = NULL;
	GElf_Shdr header = { 0 };
	assert_non_null(elf);
	do
		section = elf_nextscn(elf, section);
	while (section != NULL && (gelf_getshdr(section, &header) == NULL || !(header.sh_flags & SHF_COMPRESSED)));
	assert_non_null(section);
	assert_int_equal(pwrite(fd, &size, sizeof(size), (off_t)(header.sh_offset + offsetof(Elf64_Chdr, ch_size))),
			 sizeof(size));
	elf_end(elf);
	close(fd);
}

static const char *heavy_program(void)
{
	static const char *path;
	if (path == NULL) {
		path = target_compile("heavy", (const char *const[]){ "-DPLAIN", "-gz", NULL });
		inflate(path, 3ULL << 30);
	}
	return path;
}

static void test_weight(void **state)
{
	const char *light = target_compile("light", (const char *const[]){ "-DPLAIN", NULL });
	int fd = open(heavy_program(), O_RDONLY | O_CLOEXEC);
	assert_true(weight_of(fd) > WEIGHT_MOST);
	close(fd);
	fd = open(light, O_RDONLY | O_CLOEXEC);
	assert_int_equal(weight_of(fd), lseek(fd, 0, SEEK_END));
	close(fd);
	fd = memfd_create("sparse", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	assert_int_equal(weight_of(fd), 1LL << 40);
	close(fd);
	assert_true(weight_of(-1) == UINT64_MAX);
}

static unsigned long long data_limit(pid_t pid)
{
	unsigned long long most = 0;
	char path[64], line[256];
	FILE *limits;
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	limits = fopen(path, "re");
	assert_non_null(limits);
	while (most == 0 && fgets(line, sizeof(line), limits) != NULL)
		(void)!sscanf(line, "Max data size %*s %llu", &most);
	fclose(limits);
	return most;
}

/* The limit that holds whatever a file says. */
static void test_limit(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	struct target t;
	target_sample(symbols, &t, target_compile("light", (const char *const[]){ "-DPLAIN", NULL }), "deep", NULL,
		      &answer);
	target_assert_location(&answer, "deep", "MARK deep */");
	assert_int_equal(data_limit(symbols_processes(symbols).reader), READER_DATA_MOST);
	target_kill(&t);
	symbols_close(symbols);
}

/* It is refused and named; another process's lines are there as before. */
static void test_refused(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	struct target heavy, light;
	target_sample(symbols, &heavy, heavy_program(), "deep", NULL, &answer);
	assert_int_equal(answer.status, SYMBOLS_RESOLVED);
	assert_string_equal(symbols_location(&answer)->function, "");
	assert_string_equal(symbols_location(&answer)->module, "heavy");
	assert_non_null(symbols_refused(symbols, heavy.pid));
	assert_non_null(strstr(symbols_refused(symbols, heavy.pid), "heavy with its debug information would take 307"));
	target_sample(symbols, &light, target_compile("light", (const char *const[]){ "-DPLAIN", NULL }), "deep", NULL,
		      &answer);
	target_assert_location(&answer, "deep", "MARK deep */");
	assert_null(symbols_refused(symbols, light.pid));
	symbols_forget(symbols, heavy.pid);
	assert_null(symbols_refused(symbols, heavy.pid));
	target_kill(&heavy);
	target_kill(&light);
	symbols_close(symbols);
}

/* Two that fit, but not together: each is read, in turn. */
static void test_in_turn(void **state)
{
	const char *option[] = { "-DPLAIN", "-gz", NULL };
	struct symbols *symbols = symbols_open(NULL);
	struct target t[2];
	for (int i = 0; i < 4; i++) {
		const char *path = target_compile(i % 2 ? "half" : "other_half", option);
		int fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, (off_t)(WEIGHT_MOST / 3 * 2)), 0);
		close(fd);
		target_sample(symbols, &t[i % 2], path, "deep", NULL, &answer);
		target_assert_location(&answer, "deep", "MARK deep */");
		assert_null(symbols_refused(symbols, t[i % 2].pid));
		target_kill(&t[i % 2]);
	}
	assert_int_equal(symbols_processes(symbols).restarts, 0);
	symbols_close(symbols);
}

static pid_t start_service(const char *program)
{
	int out[2];
	char byte;
	pid_t pid;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		int in[2];
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		REQUIRE(pipe(in) == 0);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(program, "planted", "3", NULL);
		_exit(127);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &byte, 1), 1);
	close(out[0]);
	return pid;
}

/* What asynctop says of it, as text and as JSON. */
static void test_said(void **state)
{
	char path[200];
	struct tool t;
	pid_t pid;
	snprintf(path, sizeof(path), "%s/planted.heavy", target_directory());
	target_tool("objcopy", "--compress-debug-sections=zlib", test_build_path("tests/tools/planted.planted"), path);
	inflate(path, 3ULL << 30);
	pid = start_service(path);
	tool_run(&t, false, "-b", "-d", "0.5", "-p", tool_number(pid), NULL);
	tool_expect(&t, 0, "source lines: planted.heavy with its debug information would take 307");
	tool_expect(&t, 0, "strip -g it");
	tool_free(&t);
	tool_run(&t, false, "--json", "-d", "0.5", "-p", tool_number(pid), NULL);
	tool_expect(
		&t, 0,
		"\"symbols\":{\"state\":\"denied\",\"opens_with\":\"planted.heavy with its debug information would");
	tool_assert_schema(t.out);
	tool_free(&t);
	fake_stop(pid);
}

static int teardown(void **state)
{
	target_directory_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_weight),  cmocka_unit_test(test_limit), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_in_turn), cmocka_unit_test(test_said),
	};
	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, teardown);
}
