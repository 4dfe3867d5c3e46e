/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Directories: one call of the pool reads a whole directory. Rejected: an open directory that further calls continue to
 * read: a call that was given up while it ran would have moved the position.
 */
#include <sley/file.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/request.h"
#include "run/worker.h"

/* A buffer that grows. */
struct buffer {
	char *bytes;
	size_t n, capacity;
};

/* Extends the buffer by n bytes and returns their address; null: no memory. */
static void *buffer_extend(struct buffer *buffer, size_t n)
{
	if (buffer->capacity - buffer->n < n) {
		size_t capacity = MAX(2 * buffer->capacity, buffer->n + n + 1024);
		char *bytes = realloc(buffer->bytes, capacity);
		if (!bytes)
			return NULL;
		buffer->bytes = bytes;
		buffer->capacity = capacity;
	}
	buffer->n += n;
	return buffer->bytes + buffer->n - n;
}

struct listing {
	struct buffer entries; /* whose `name` is not set yet */
	struct buffer names;   /* the names, one after the other */
};

static int listing_add(struct listing *listing, const struct dirent *d)
{
	size_t n = strlen(d->d_name) + 1;
	struct sley_dir_entry *entry = buffer_extend(&listing->entries, sizeof(*entry));
	char *name = buffer_extend(&listing->names, n);
	if (!entry || !name)
		return -ENOMEM;
	*entry = (struct sley_dir_entry){ .inode = d->d_ino, .type = d->d_type };
	memcpy(name, d->d_name, n);
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int read_all(DIR *dir, struct listing *listing)
{
	int error = 0;
	while (error == 0) {
		errno = 0;
		const struct dirent *d = readdir(dir);
		if (!d)
			return -errno; /* 0: the end */
		if (!is_dots(d->d_name))
			error = listing_add(listing, d);
	}
	return error;
}

/* Joins the entries and, behind them, their names into one block. Returns the number of entries, or -ENOMEM. */
static ssize_t listing_join(struct listing *listing, void **block)
{
	size_t count = listing->entries.n / sizeof(struct sley_dir_entry), at = listing->entries.n;
	if (count == 0)
		return 0;
	char *names = buffer_extend(&listing->entries, listing->names.n);
	if (!names)
		return -ENOMEM;
	memcpy(names, listing->names.bytes, listing->names.n);
	struct sley_dir_entry *entries = (void *)listing->entries.bytes;
	for (size_t i = 0; i < count; i++) {
		entries[i].name = listing->entries.bytes + at;
		at += strlen(entries[i].name) + 1;
	}
	*block = entries;
	listing->entries.bytes = NULL; /* the block now belongs to the caller */
	return (ssize_t)count;
}

static ssize_t run_read_directory(struct request *r)
{
	struct listing listing = { { NULL, 0, 0 }, { NULL, 0, 0 } };
	DIR *dir = opendir(r->path);
	if (!dir)
		return -errno;
	ssize_t result = read_all(dir, &listing);
	closedir(dir);
	if (result == 0)
		result = listing_join(&listing, &r->made);
	free(listing.entries.bytes);
	free(listing.names.bytes);
	return result;
}

static void undo_read(struct request *r)
{
	free(r->made);
}

ssize_t sley_dir_read(const char *path, struct sley_dir_entry **entries, sley_time deadline)
{
	struct request *request;
	if (entries)
		*entries = NULL;
	if (!task_self())
		return outside_error();
	if (!entries)
		return -EFAULT;
	ssize_t result = request_for_path(&request, run_read_directory, path, NULL, 0);
	if (result)
		return result;
	request->undo = undo_read;
	result = request_make(&request, &CALL_WAIT(sley_dir_read), deadline);
	if (result)
		return result;
	result = request->result;
	*entries = request->made;
	request_free(request);
	return result;
}
