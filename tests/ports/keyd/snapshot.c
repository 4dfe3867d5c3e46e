/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The store as a file: for each key a line "kind expires bytes-of-key count", the key, and then for each value a line with
 * its size, and the value. It is written beside the old file, and takes its place when it is whole and on the disk.
 */
#include "keyd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path;
static pthread_mutex_t saving; /* one file at a time; held while it is written */

struct image {
	struct buffer text;
	int keys;
};

static void add_bytes(struct buffer *text, struct bytes value)
{
	buffer_print(text, "%zu\n", value.n);
	buffer_add(text, value.at, value.n);
	buffer_add(text, "\n", 1);
}

static void add_entry(const struct entry *entry, void *arg)
{
	struct image *image = arg;
	buffer_print(&image->text, "%c %lld %u\n", entry->kind == LIST ? 'L' : 'S', (long long)entry->expires,
		     entry->kind == LIST ? entry->items : 1);
	add_bytes(&image->text, entry->key);
	if (entry->kind == STRING)
		add_bytes(&image->text, entry->value);
	for (const struct item *item = entry->first; item; item = item->next)
		add_bytes(&image->text, item->value);
	image->keys++;
}

static int write_file(const char *path, const struct buffer *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t done = 0;
	if (fd < 0)
		return -1;
	while (done < text->n) {
		ssize_t n = write(fd, text->at + done, text->n - done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	int result = done == text->n && fsync(fd) == 0 ? 0 : -1, error = errno;
	close(fd);
	errno = error;
	return result;
}

int snapshot_save(void)
{
	char beside[4096];
	struct image image = { .keys = 0 };
	if (!path)
		return 0;
	snprintf(beside, sizeof(beside), "%s.new", path);
	pthread_mutex_lock(&saving);
	store_each(add_entry, &image);
	int result = write_file(beside, &image.text);
	if (result == 0)
		result = rename(beside, path);
	int error = errno;
	pthread_mutex_unlock(&saving);
	free(image.text.at);
	errno = error;
	return result == 0 ? image.keys : -1;
}

/* ---- reading ---- */

static bool take_bytes(char **at, const char *end, struct bytes *value)
{
	char *rest;
	unsigned long n = *at < end ? strtoul(*at, &rest, 10) : 0;
	if (*at >= end || rest == *at || *rest != '\n' || n >= (unsigned long)(end - rest - 1))
		return false;
	*value = (struct bytes){ rest + 1, n };
	*at = rest + 1 + n + 1;
	return rest[1 + n] == '\n';
}

static bool take_entry(char **at, const char *end)
{
	long long expires;
	unsigned count;
	char kind;
	int n;
	struct bytes key, value;
	if (sscanf(*at, "%c %lld %u\n%n", &kind, &expires, &count, &n) != 3 || (kind != 'S' && kind != 'L'))
		return false;
	*at += n;
	if (!take_bytes(at, end, &key))
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (!take_bytes(at, end, &value))
			return false;
		if (kind == 'S')
			store_set(key, value, expires);
		else
			store_push(key, value, false);
	}
	if (kind == 'L' && expires)
		store_expire(key, expires);
	return true;
}

static char *read_file(size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *text = NULL;
	ssize_t n = 1;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &status) == 0)
		text = malloc((size_t)status.st_size + 1);
	for (*size = 0; text && n > 0 && *size<(size_t)status.st_size; *size += n> 0 ? (size_t)n : 0)
		n = read(fd, text + *size, (size_t)status.st_size - *size);
	if (text && n >= 0) {
		text[*size] = '\0';
	} else {
		int error = errno;
		free(text);
		text = NULL;
		errno = error;
	}
	close(fd);
	return text;
}

int snapshot_open(const char *file)
{
	size_t size;
	int keys = 0;
	path = file;
	pthread_mutex_init(&saving, NULL);
	char *text = path ? read_file(&size) : NULL;
	if (!text)
		return !path || errno == ENOENT ? 0 : -1;
	for (char *at = text; at < text + size && keys >= 0; keys++) {
		if (!take_entry(&at, text + size)) {
			errno = EINVAL;
			keys = -2;
		}
	}
	int error = errno;
	free(text);
	errno = error;
	return keys;
}
