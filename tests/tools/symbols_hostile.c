/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The resolver against processes that lie, files that are broken and helpers that die: every question is answered, a
 * healthy neighbour's is answered right, and what reads foreign bytes has nothing to lose.
 */
#include "symbols_target.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUZZ_ROUNDS   60
#define FUZZ_SECTIONS 48

static const char *plain;
static struct symbols_answer answer;

/* A process that does no harm, and a question about it whose answer is known. */
static struct target healthy;
static struct symbols_request healthy_request;
static uint8_t healthy_stack[SYMBOLS_STACK];

/* The question is new each time: r15 is of no use to this chain. */
static void assert_healthy(struct symbols *symbols)
{
	healthy_request.registers.r15++;
	target_ask(symbols, &healthy_request, &answer);
	assert_int_equal(answer.status, SYMBOLS_RESOLVED);
	assert_true(answer.location >= 0);
	assert_string_equal(symbols_location(&answer)->function, "deep");
	assert_int_equal(symbols_location(&answer)->line, test_source_line(PLANTED, "MARK deep */"));
}

static uint64_t random_state = 88172645463325252; /* the same numbers each time */

static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static void status_line(pid_t pid, const char *field, char *out, size_t size)
{
	char path[64], line[256];
	FILE *f;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	out[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, strlen(field)) || line[strlen(field)] != ':')
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(out, size, "%s", line + strlen(field) + 1 + strspn(line + strlen(field) + 1, "\t "));
	}
	fclose(f);
}

static void assert_status(pid_t pid, const char *field, const char *expected)
{
	char value[128];
	status_line(pid, field, value, sizeof(value));
	assert_string_equal(value, expected);
}

/* The reader is nobody, has no capability in any set, gets none by executing, and runs behind a filter. */
static void reader_has_no_privileges(void **state)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	struct symbols *symbols = symbols_open(NULL);
	pid_t reader;
	test_need_root();
	assert_healthy(symbols);
	reader = symbols_processes(symbols).reader;
	assert_true(reader > 0);
	assert_status(reader, "Uid", "65534\t65534\t65534\t65534");
	assert_status(reader, "Gid", "65534\t65534\t65534\t65534");
	assert_status(reader, "Groups", "");
	assert_status(reader, "NoNewPrivs", "1");
	assert_status(reader, "Seccomp", "2");
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		assert_status(reader, sets[i], "0000000000000000");
	symbols_close(symbols);
}

/* Without root too: it sees its own user's processes, and says which it may not see. */
static void as_nobody(void)
{
	struct symbols *symbols;
	struct symbols_request request;
	struct target t;
	test_become_nobody();
	symbols = symbols_open(NULL);
	target_sample(symbols, &t, plain, "deep", NULL, &answer);
	REQUIRE(answer.location >= 0 && !strcmp(symbols_location(&answer)->function, "deep"));
	REQUIRE(symbols_location(&answer)->line == test_source_line(PLANTED, "MARK deep */"));
	target_kill(&t);
	request = (struct symbols_request){ .pid = getppid(), .kind = SYMBOLS_ADDRESS, .address = 1 << 20 };
	target_ask(symbols, &request, &answer);
	REQUIRE(answer.status == SYMBOLS_DENIED);
	symbols_close(symbols);
	_exit(0);
}

static void unprivileged(void **state)
{
	int status;
	pid_t child;
	test_need_root();
	child = fork();
	if (child == 0)
		as_nobody();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* A number that no process has. */
static void no_such_process(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	struct symbols_request request = { .kind = SYMBOLS_ADDRESS, .address = 1 << 20 };
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	request.pid = child;
	target_ask(symbols, &request, &answer);
	assert_int_equal(answer.status, SYMBOLS_NO_PROCESS);
	request.pid = 0;
	assert_int_equal(symbols_submit(symbols, &request), -EINVAL);
	request = (struct symbols_request){ .pid = child, .kind = SYMBOLS_SAMPLE };
	assert_int_equal(symbols_submit(symbols, &request), -EINVAL);
	symbols_close(symbols);
}

/* Registers and stacks of a liar: a mixture of addresses that exist, small offsets and noise. */
static uint64_t lie(void)
{
	const uint64_t some[] = {
		healthy_request.registers.rip,
		healthy_request.registers.rsp,
		healthy_request.registers.rbp,
		healthy_request.registers.rip + random_number() % 65536,
		((uint64_t *)healthy_stack)[random_number() % 400],
		healthy_request.registers.rsp + random_number() % 8192,
		random_number(),
		random_number() % 65536,
		0,
		~0ULL,
	};
	return some[random_number() % (sizeof(some) / sizeof(some[0]))];
}

/* 1,000 of them: all are answered, by the same reader. */
static void garbage_is_survived(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	uint64_t stack[SYMBOLS_STACK / 8];
	pid_t reader;
	assert_healthy(symbols);
	reader = symbols_processes(symbols).reader;
	for (int i = 0; i < 1000; i++) {
		struct symbols_request r = healthy_request;
		for (size_t word = 0; word < SYMBOLS_STACK / 8; word++)
			stack[word] = i % 2 ? lie() : random_number();
		r.registers = (struct symbols_registers){ lie(), lie(), lie(), lie(), lie(), lie(), lie(), lie() };
		if (i % 4 < 2) /* unwinding begins well */
			r.registers.rip = healthy_request.registers.rip;
		r.registers.rip += !r.registers.rip;
		r.stack = stack;
		r.stack_size = random_number() % (SYMBOLS_STACK + 1);
		target_ask(symbols, &r, &answer);
		assert_true(answer.status == SYMBOLS_RESOLVED || answer.status == SYMBOLS_UNKNOWN);
	}
	assert_healthy(symbols);
	assert_int_equal(symbols_processes(symbols).reader, reader);
	assert_int_equal(symbols_processes(symbols).restarts, 0);
	symbols_close(symbols);
}

/* What of an executable may be broken without breaking the program: all that only debuggers read. */
struct fuzz {
	unsigned count;
	struct {
		uint64_t offset, size;
	} part[FUZZ_SECTIONS + 1];
};

static void find_fuzz(const char *path, struct fuzz *fuzz)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf *elf = (elf_version(EV_CURRENT), elf_begin(fd, ELF_C_READ, NULL));
	Elf_Scn *section = NULL;
	GElf_Ehdr header;
	size_t names;
	assert_non_null(elf);
	assert_non_null(gelf_getehdr(elf, &header));
	elf_getshdrstrndx(elf, &names);
	fuzz->count = 1; /* the section headers */
	fuzz->part[0].offset = header.e_shoff;
	fuzz->part[0].size = header.e_shnum * header.e_shentsize;
	while ((section = elf_nextscn(elf, section)) && fuzz->count <= FUZZ_SECTIONS) {
		GElf_Shdr s;
		const char *name = gelf_getshdr(section, &s) ? elf_strptr(elf, names, s.sh_name) : NULL;
		if (!name || s.sh_size == 0 || ((s.sh_flags & SHF_ALLOC) && strncmp(name, ".eh_frame", 9)))
			continue;
		fuzz->part[fuzz->count].offset = s.sh_offset;
		fuzz->part[fuzz->count++].size = s.sh_size;
	}
	elf_end(elf);
	close(fd);
	assert_true(fuzz->count > 10);
}

/* In one part of the file: some places or thousands; a byte of noise, or a word of extremes. */
static void corrupt(const char *path, const struct fuzz *fuzz, unsigned round)
{
	unsigned part = round % fuzz->count;
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint64_t i = random_number() % (random_number() % 2 ? 16 : 4096) + 1; i > 0; i--) {
		static const uint64_t extremes[] = { 0, ~0ULL, 1ULL << 63, 0x7fffffff, 0xffffffff, 0xfffffff0 };
		uint64_t word = random_number() % 3 ? random_number() : extremes[random_number() % 6];
		uint64_t at = random_number() % fuzz->part[part].size, left = fuzz->part[part].size - at;
		size_t n = random_number() % 2 ? 1 : left < 8 ? left : 8;
		assert_int_equal(pwrite(fd, &word, n, (off_t)(fuzz->part[part].offset + at)), n);
	}
	close(fd);
}

/* Broken executables that run: whatever libdw does with them, the next question is answered right. */
static void broken_files(void **state)
{
	const struct symbols_options options = { .size = sizeof(options), .timeout_ms = 3000 };
	struct symbols *symbols = symbols_open(&options);
	unsigned resolved = 0, whole = 0, failed = 0;
	struct fuzz fuzz;
	char path[128];
	find_fuzz(plain, &fuzz);
	snprintf(path, sizeof(path), "%s/broken", target_directory());
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++) {
		struct target t;
		unlink(path);
		target_copy(plain, path);
		corrupt(path, &fuzz, round);
		target_sample(symbols, &t, path, "deep", NULL, &answer);
		resolved += answer.status == SYMBOLS_RESOLVED;
		whole += answer.frames >= 12 && symbols_location(&answer) && symbols_location(&answer)->line;
		failed += answer.status == SYMBOLS_FAILED;
		target_kill(&t);
		assert_healthy(symbols);
	}
	assert_int_equal(symbols_processes(symbols).restarts, 0);
	assert_int_equal(resolved + failed, FUZZ_ROUNDS);
	assert_true(whole < FUZZ_ROUNDS); /* what was broken is what is read */
	print_message("%d broken files: %u resolved, %u of them whole; %u failed\n", FUZZ_ROUNDS, resolved, whole,
		      failed);
	symbols_close(symbols);
}

static pid_t wait_for_reader(struct symbols *symbols, pid_t not_this)
{
	int64_t end = test_now() + 30000000000;
	while (symbols_processes(symbols).reader == not_this) {
		assert_true(test_now() < end);
		symbols_wait(symbols, 10);
		sched_yield();
	}
	return symbols_processes(symbols).reader;
}

/*
 * The file is cut while the reader has it mapped: its next look is a SIGBUS. The next reader finds no ELF file there,
 * and still names it.
 */
static void truncated_file(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	struct symbols_request request, prepare = { .kind = SYMBOLS_PREPARE };
	const char *library =
		target_compile("library.so", (const char *const[]){ "-DLIBRARY", "-shared", "-fPIC", NULL });
	struct target t;
	uint64_t before;
	pid_t reader;
	target_start(&t, plain, "dlopen", library);
	target_wait_blocked(&t, SYS_read);
	target_capture(&t, SAMPLE, &request);
	before = request.registers.rsp;
	target_continue(&t);
	while (request.registers.rsp == before) { /* until it reads in the library */
		target_wait_blocked(&t, SYS_read);
		target_capture(&t, SAMPLE, &request);
	}
	prepare.pid = t.pid;
	target_ask(symbols, &prepare, &answer);
	assert_int_equal(answer.status, SYMBOLS_RESOLVED);
	reader = symbols_processes(symbols).reader;
	assert_int_equal(truncate(library, 64), 0);
	target_ask(symbols, &request, &answer);
	assert_int_not_equal(wait_for_reader(symbols, reader), reader);
	assert_int_equal(answer.status, SYMBOLS_RESOLVED);
	assert_string_equal(symbols_location(&answer)->module, "library.so");
	assert_string_equal(symbols_location(&answer)->function, "");
	target_kill(&t);
	assert_healthy(symbols);
	symbols_close(symbols);
}

/* Both helpers are killed, in turn: the next question is answered as if nothing had happened. */
static void killed_helpers(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	pid_t reader, broker;
	assert_healthy(symbols);
	for (int i = 0; i < 3; i++) {
		reader = symbols_processes(symbols).reader;
		assert_int_equal(kill(reader, SIGKILL), 0);
		assert_healthy(symbols);
		assert_true(wait_for_reader(symbols, reader) > 0);
		assert_int_equal(symbols_processes(symbols).restarts, i);
		broker = symbols_processes(symbols).broker;
		assert_int_equal(kill(broker, SIGKILL), 0);
		assert_healthy(symbols);
		assert_int_not_equal(symbols_processes(symbols).broker, broker);
		assert_int_equal(symbols_processes(symbols).restarts, i + 1);
	}
	symbols_close(symbols);
}

/* They hang (are stopped): the question fails after its time, the following ones are answered. */
static void hung_helpers(void **state)
{
	const struct symbols_options options = { .size = sizeof(options), .timeout_ms = 2000 };
	struct symbols *symbols = symbols_open(&options);
	assert_healthy(symbols);
	assert_int_equal(kill(symbols_processes(symbols).reader, SIGSTOP), 0);
	healthy_request.registers.r15++;
	target_ask(symbols, &healthy_request, &answer);
	assert_int_equal(answer.status, SYMBOLS_FAILED);
	assert_healthy(symbols);
	assert_int_equal(symbols_processes(symbols).restarts, 0);
	assert_int_equal(kill(symbols_processes(symbols).broker, SIGSTOP), 0);
	healthy_request.registers.r15++;
	target_ask(symbols, &healthy_request, &answer);
	assert_int_equal(answer.status, SYMBOLS_FAILED);
	assert_healthy(symbols);
	assert_int_equal(symbols_processes(symbols).restarts, 1);
	assert_int_equal(kill(symbols_processes(symbols).reader, SIGSTOP), 0);
	healthy_request.registers.r15++;
	target_ask(symbols, &healthy_request, &answer);
	assert_int_equal(answer.status, SYMBOLS_FAILED); /* the third: this process is not asked about for a while */
	healthy_request.registers.r15++;
	assert_int_equal(symbols_submit(symbols, &healthy_request), 0);
	assert_int_equal(symbols_collect(symbols, &answer), 1);
	assert_int_equal(answer.status, SYMBOLS_FAILED);
	symbols_close(symbols);
}

/* Nothing waits for a broker that does not read: the queue fills, and is answered whole when it does. */
static void full_queue(void **state)
{
	struct symbols *symbols = symbols_open(NULL);
	struct symbols_request request = healthy_request;
	unsigned answers = 0;
	int64_t longest = 0;
	assert_healthy(symbols);
	assert_int_equal(kill(symbols_processes(symbols).broker, SIGSTOP), 0);
	for (int i = 0; i <= SYMBOLS_PENDING; i++) {
		int64_t start = test_now();
		int error;
		request.registers.r14 = (uint64_t)i;
		error = symbols_submit(symbols, &request);
		longest = test_now() - start > longest ? test_now() - start : longest;
		assert_int_equal(error, i < SYMBOLS_PENDING ? 0 : -EAGAIN);
	}
	assert_int_equal(symbols_collect(symbols, &answer), 0);
	assert_int_equal(kill(symbols_processes(symbols).broker, SIGCONT), 0);
	while (symbols_wait(symbols, 30000) > 0 && symbols_collect(symbols, &answer)) {
		assert_int_equal(answer.status, SYMBOLS_RESOLVED);
		answers++;
	}
	assert_int_equal(answers, SYMBOLS_PENDING);
	assert_int_equal(symbols_processes(symbols).restarts, 0);
	print_message("longest symbols_submit() with a full socket: %.0f us\n", (double)longest / 1e3);
	symbols_close(symbols);
}

/* When asynctop dies, so do both. */
static void nothing_is_left(void **state)
{
	struct symbols_processes p;
	int ends[2], status;
	pid_t child;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		struct symbols *symbols = symbols_open(NULL);
		assert_healthy(symbols);
		p = symbols_processes(symbols);
		REQUIRE(write(ends[1], &p, sizeof(p)) == sizeof(p));
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(read(ends[0], &p, sizeof(p)), sizeof(p));
	for (int64_t end = test_now() + 30000000000; !kill(p.broker, 0) || !kill(p.reader, 0); sched_yield()) {
		char path[64], value[64];
		snprintf(path, sizeof(path), "/proc/%d/status", (int)p.broker);
		if (access(path, F_OK))
			break;
		status_line(p.broker, "State", value, sizeof(value)); /* a zombie where nobody reaps orphans */
		if (value[0] == 'Z')
			break;
		assert_true(test_now() < end);
	}
	close(ends[0]);
	close(ends[1]);
}

static int set_up(void **state)
{
	plain = target_compile("plain", (const char *const[]){ "-DPLAIN", NULL });
	target_start(&healthy, plain, "deep", NULL);
	target_wait_blocked(&healthy, SYS_read);
	target_capture(&healthy, SAMPLE, &healthy_request);
	memcpy(healthy_stack, healthy_request.stack, healthy_request.stack_size);
	healthy_request.stack = healthy_stack;
	return 0;
}

static int tear_down(void **state)
{
	target_kill(&healthy);
	target_directory_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_has_no_privileges),
		cmocka_unit_test(unprivileged),
		cmocka_unit_test(no_such_process),
		cmocka_unit_test(garbage_is_survived),
		cmocka_unit_test(broken_files),
		cmocka_unit_test(truncated_file),
		cmocka_unit_test(killed_helpers),
		cmocka_unit_test(hung_helpers),
		cmocka_unit_test(full_queue),
		cmocka_unit_test(nothing_is_left),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
