/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * sums DIRECTORY: a checksum (FNV-1a, 64 bits), the size and the name of each file below the directory, in the order in
 * which they are known. Symbolic links are not followed.
 *
 * A task for each directory and each file, of which some at a time have it open; reading waits for the disk and not for
 * a thread, and the sums are computed by the threads of the pool that is for computing. Exit code: 0; 1: something
 * could not be read; 2: usage.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sley.h>

#define OPEN_MOST 64
#define PART      ((size_t)64 << 10)

static struct sley_sem places = SLEY_SEM_INIT(OPEN_MOST); /* for open files and directories */
static struct sley_group pending;
static struct sley_mutex output;
static int failed; /* protected by output */

static void complain(const char *path, int error)
{
	sley_mutex_lock(&output, SLEY_NEVER);
	fprintf(stderr, "sums: %s: %s\n", path, strerror(-error));
	failed = 1;
	sley_mutex_unlock(&output);
}

/* Starts fn(path) as a task that is waited for; the path becomes its own. */
static void start(void (*fn)(void *path), char *path)
{
	sley_group_add(&pending, 1);
	int error = sley_go(fn, path);
	if (error) {
		complain(path, error);
		free(path);
		sley_group_done(&pending);
	}
}

/* ---- one file ---- */

/* What the pool's thread gets and gives. It has a copy of this, but the bytes are where they are: on the heap. */
struct part {
	const unsigned char *bytes;
	size_t n;
	uint64_t sum;
};

static void add_part(void *block)
{
	struct part *part = block;
	for (size_t i = 0; i < part->n; i++)
		part->sum = (part->sum ^ part->bytes[i]) * 1099511628211u;
}

/*
 * The bytes may be freed only when the thread has done with them. It has, when the call returns: it has no deadline,
 * and nobody cancels this task. (Where that cannot be said, option `dropped` tells when they are free.)
 */
static int sum_open(int fd, unsigned char *bytes, struct part *part, off_t *size)
{
	const struct sley_offload_options computing = { .size = sizeof(computing), .cpu = 1 };
	ssize_t n;
	*part = (struct part){ .bytes = bytes, .sum = 14695981039346656037u };
	for (*size = 0; (n = sley_pread(fd, bytes, PART, *size, SLEY_NEVER)) > 0; *size += n) {
		part->n = (size_t)n;
		int error = sley_offload_with(&computing, add_part, part, sizeof(*part), SLEY_NEVER);
		if (error)
			return error;
	}
	return (int)n;
}

static void sum_file(void *arg)
{
	char *path = arg;
	unsigned char *bytes = malloc(PART);
	struct part part;
	off_t size;
	sley_sem_acquire(&places, 1, SLEY_NEVER);
	int fd = bytes ? sley_open(path, O_RDONLY | O_NOFOLLOW, 0, SLEY_NEVER) : -ENOMEM;
	int error = fd < 0 ? fd : sum_open(fd, bytes, &part, &size);
	if (fd >= 0)
		sley_close(fd);
	sley_sem_release(&places, 1);
	if (error) {
		complain(path, error);
	} else {
		sley_mutex_lock(&output, SLEY_NEVER);
		printf("%016llx %lld %s\n", (unsigned long long)part.sum, (long long)size, path);
		sley_mutex_unlock(&output);
	}
	free(bytes);
	free(path);
	sley_group_done(&pending);
}

/* ---- one directory ---- */

static void sum_directory(void *arg);

/* What kind of thing it is: DT_*. Some file systems do not say. */
static int type_of(const char *path, int type)
{
	struct stat stat;
	if (type != DT_UNKNOWN)
		return type;
	int error = sley_lstat(path, &stat, SLEY_NEVER);
	if (error)
		complain(path, error);
	return error ? DT_UNKNOWN : IFTODT(stat.st_mode);
}

static void start_entry(const char *directory, const struct sley_dir_entry *entry)
{
	char *path;
	if (asprintf(&path, "%s/%s", directory, entry->name) < 0)
		abort();
	int type = type_of(path, entry->type);
	if (type == DT_DIR)
		start(sum_directory, path);
	else if (type == DT_REG)
		start(sum_file, path);
	else
		free(path);
}

static void sum_directory(void *arg)
{
	char *path = arg;
	struct sley_dir_entry *entries;
	sley_sem_acquire(&places, 1, SLEY_NEVER);
	ssize_t n = sley_dir_read(path, &entries, SLEY_NEVER);
	sley_sem_release(&places, 1);
	if (n < 0)
		complain(path, (int)n);
	for (ssize_t i = 0; i < n; i++)
		start_entry(path, &entries[i]);
	free(entries);
	free(path);
	sley_group_done(&pending);
}

static int sum_all(void *directory)
{
	char *path = strdup(directory);
	if (!path)
		abort();
	start(sum_directory, path);
	sley_group_wait(&pending, SLEY_NEVER);
	return failed;
}

int main(int argc, char **argv)
{
	const struct sley_options options = { .size = sizeof(options), .name = "sums" };
	int result;
	if (argc != 2) {
		fprintf(stderr, "usage: sums DIRECTORY\n");
		return 2;
	}
	int error = sley_run(sum_all, argv[1], &options, &result);
	if (error)
		fprintf(stderr, "sums: %s\n", strerror(-error));
	return error ? 1 : result;
}
