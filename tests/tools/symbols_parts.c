/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What stands between a hostile process and asynctop, part by part: opening, cleaning, checking, striking out. */
#include "symbols/answer.h"
#include "symbols/maps.h"
#include "symbols/strikes.h"
#include "symbols_target.h"

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The broker's opening: a FIFO in place of a file does not stop it, and no link leads out of a process's root. */
static void opening_is_careful(void **state)
{
	struct target_files files = { .vdso = -1 };
	struct mapping m = { .start = 1, .end = 2 };
	char root[128], path[160];
	struct stat st;
	int fd;
	snprintf(root, sizeof(root), "%s/root", target_directory());
	assert_int_equal(mkdir(root, 0755), 0);
	files.proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
	files.root = open(root, O_PATH | O_DIRECTORY);
	snprintf(path, sizeof(path), "%s/fifo", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(stat(path, &st), 0);
	m.inode = st.st_ino;
	strcpy(m.path, "/fifo");
	assert_int_equal(target_open(&files, &m), -1);
	snprintf(path, sizeof(path), "%s/link", root);
	assert_int_equal(symlink("/bin/true", path), 0);
	assert_int_equal(stat("/bin/true", &st), 0);
	m.inode = st.st_ino;
	strcpy(m.path, "/link");
	assert_int_equal(target_open(&files, &m), -1);
	strcpy(m.path, "/../../../../bin/true");
	assert_int_equal(target_open(&files, &m), -1);
	assert_int_equal(target_open_debug(&files, "/x", WANT_LINK, "../../bin/true", 0), -ENOENT);
	assert_int_equal(target_open_debug(&files, "/x", WANT_BUILD_ID, "../../../../bin/true", 0), -ENOENT);
	assert_int_equal(target_open_debug(&files, "/x", WANT_DWZ, "../../../../bin/true", 0), -ENOENT);
	close(files.root);
	files.root = open("/", O_PATH | O_DIRECTORY);
	strcpy(m.path, "/bin/true");
	fd = target_open(&files, &m);
	assert_true(fd >= 0); /* the same, where it is right */
	close(fd);
	m.inode++;
	assert_int_equal(target_open(&files, &m), -1);
	close(files.root);
	close(files.proc);
}

/* Strings from the reader are ended and hold nothing that a terminal obeys; counts and indices are checked. */
static void answers_are_cleaned(void **state)
{
	static struct message_answer m = { .head = { .type = MESSAGE_ANSWER }, .frames = 1 };
	const struct symbols_request request = { .pid = 1, .key = 7 };
	struct kept_answer *a;
	m.head.size = message_answer_size(1);
	memset(m.frame[0].file, 'x', sizeof(m.frame[0].file));
	strcpy(m.frame[0].function, "a\033[2J\x7f\xc2\x9b\xff\xe2\x82\xac\xc0\xaf\xed\xa0\x80z\xe2\x82");
	m.frame[0].owner = 99;
	assert_true(message_answer_ok(&m));
	a = answer_from(&m, &request);
	assert_int_equal(strlen(a->frame[0].file), sizeof(a->frame[0].file) - 1);
	assert_string_equal(a->frame[0].function, "a?[2J????\xe2\x82\xac?????z??");
	assert_int_equal(a->frame[0].owner, SYMBOLS_NOBODY);
	assert_int_equal(a->key, 7);
	free(a);
	m.location = 1;
	assert_false(message_answer_ok(&m));
	m.location = -2;
	assert_false(message_answer_ok(&m));
	m.location = 0;
	m.frames = 2;
	assert_false(message_answer_ok(&m));
	m.frames = SYMBOLS_FRAMES + 1;
	m.head.size = message_answer_size(SYMBOLS_FRAMES + 1);
	assert_false(message_answer_ok(&m));
}

/* Three failures in a row of time put a process out, for a while and alone. */
static void three_strikes(void **state)
{
	static struct strikes s;
	int64_t now = 1000;
	strikes_note(&s, 5, now);
	strikes_note(&s, 5, now);
	assert_false(strikes_out(&s, 5, now));
	strikes_note(&s, 5, now + STRIKE_LIFE_NS - 1);
	assert_true(strikes_out(&s, 5, now + STRIKE_LIFE_NS));
	assert_false(strikes_out(&s, 6, now));
	assert_false(strikes_out(&s, 5, now + 2 * STRIKE_LIFE_NS));
	for (pid_t pid = 100; pid < 100 + STRIKE_TABLE - 1; pid++)
		strikes_note(&s, pid, now + STRIKE_LIFE_NS);
	assert_true(strikes_out(&s, 5, now + STRIKE_LIFE_NS));
	strikes_note(&s, 5, now + 2 * STRIKE_LIFE_NS); /* the old ones do not count */
	assert_false(strikes_out(&s, 5, now + 2 * STRIKE_LIFE_NS));
}

static int tear_down(void **state)
{
	target_directory_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening_is_careful),
		cmocka_unit_test(answers_are_cleaned),
		cmocka_unit_test(three_strikes),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
