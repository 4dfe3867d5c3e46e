/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The broker's processes. /proc/PID is held open: it never leads to a later process of that number. */
#include "symbols/broker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source/living.h"

static void close_files(struct target_files *files)
{
	if (files->proc >= 0)
		close(files->proc);
	if (files->root >= 0)
		close(files->root);
	files->proc = files->root = -1;
}

static void drop_maps(struct process *p)
{
	free(p->map);
	p->map = NULL;
	p->mappings = 0;
	p->serial = 0;
}

/* 0: both are open and the process has an executable. *tid: the thread of that directory. */
static int open_files(struct target_files *files, pid_t pid, pid_t *tid, int vdso)
{
	char name[32];
	int error, thread;
	snprintf(name, sizeof(name), "/proc/%d", (int)pid);
	*files = (struct target_files){ .root = -1, .vdso = vdso };
	files->proc = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files->proc < 0)
		return -errno;
	*tid = pid;
	thread = living_open(files->proc, tid);
	if (thread >= 0) {
		close(files->proc);
		files->proc = thread;
	}
	if (fstatat(files->proc, "exe", &files->executable, 0)) {
		error = -errno;
		close_files(files);
		return error;
	}
	files->root = openat(files->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

/* Whether it is still the same process and program. This costs one system call for each request. */
static bool is_current(const struct process *p)
{
	struct stat now;
	return !fstatat(p->files.proc, "exe", &now, 0) && now.st_dev == p->files.executable.st_dev &&
	       now.st_ino == p->files.executable.st_ino;
}

static struct process *look_up_process(struct broker *broker, pid_t pid)
{
	struct process *oldest = &broker->process[0];
	for (unsigned i = 0; i < BROKER_PROCESSES; i++) {
		struct process *p = &broker->process[i];
		if (p->pid == pid)
			return p;
		if (p->used < oldest->used)
			oldest = p;
	}
	if (oldest->pid) {
		close_files(&oldest->files);
		drop_maps(oldest);
	}
	*oldest = (struct process){ .files = { .proc = -1, .root = -1 } };
	return oldest;
}

enum symbols_status process_find(struct broker *broker, pid_t pid, struct process **process)
{
	struct process *p = look_up_process(broker, pid);
	struct target_files files;
	pid_t tid;
	int error;
	p->used = ++broker->clock;
	*process = p;
	if (p->pid == pid && is_current(p))
		return SYMBOLS_RESOLVED;
	error = open_files(&files, pid, &tid, broker->vdso);
	if (!error) {
		if (p->pid) {
			close_files(&p->files);
			drop_maps(p);
		}
		p->pid = pid;
		p->tid = tid;
		p->files = files;
		return SYMBOLS_RESOLVED;
	}
	if (p->pid == pid && p->map)
		return SYMBOLS_RESOLVED;
	return error == -EACCES || error == -EPERM ? SYMBOLS_DENIED : SYMBOLS_NO_PROCESS;
}

bool process_covers(const struct process *p, uint64_t address)
{
	for (size_t i = 0; i < p->mappings; i++) {
		if (address >= p->map[i].start && address < p->map[i].end)
			return true;
	}
	return false;
}

static uint64_t nanoseconds(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void key_file(struct file_key *key, const struct mapping *m, int descriptor)
{
	struct stat st;
	*key = (struct file_key){ .start = m->start, .end = m->end, .offset = m->offset };
	if (!m->inode || descriptor < 0 || fstat(descriptor, &st)) /* the vdso, or a file that is not to be had */
		return;
	key->device = st.st_dev;
	key->inode = st.st_ino;
	key->size = (uint64_t)st.st_size;
	key->modified_ns = nanoseconds(st.st_mtim);
	key->changed_ns = nanoseconds(st.st_ctim);
}

static void key_root(struct image_key *key, const struct target_files *files)
{
	struct stat st;
	if (files->root >= 0 && !fstat(files->root, &st)) {
		key->root_device = st.st_dev;
		key->root_inode = st.st_ino;
	}
	if (!fstatat(files->proc, "ns/mnt", &st, 0))
		key->mounts = st.st_ino;
}

static struct new_image *new_image(const struct process *p)
{
	struct new_image *image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->key = calloc(1, sizeof(*image->key));
	if (!image->key) {
		free(image);
		return NULL;
	}
	key_root(image->key, &p->files);
	image->key->count = image->count = p->mappings;
	for (size_t i = 0; i < p->mappings; i++) {
		image->descriptor[i] = target_open(&p->files, &p->map[i]);
		key_file(&image->key->file[i], &p->map[i], image->descriptor[i]);
	}
	return image;
}

void new_image_free(struct new_image *image)
{
	if (!image)
		return;
	for (size_t i = 0; i < image->count; i++) {
		if (image->descriptor[i] >= 0)
			close(image->descriptor[i]);
	}
	free(image->key);
	free(image);
}

static bool same_maps(const struct process *p, const struct mapping *map, size_t count)
{
	return p->map && p->mappings == count && !memcmp(p->map, map, count * sizeof(*map));
}

int process_refresh(struct broker *broker, struct process *p, int64_t age, struct new_image **image)
{
	bool loaded = p->serial && broker->image[p->slot].serial == p->serial;
	int64_t now = message_clock();
	struct mapping *map;
	size_t count;
	int error;
	if (loaded && (now - p->read_ns <= age || now - p->read_ns <= 100 * p->cost_ns))
		return 0;
	error = maps_read(p->files.proc, &map, &count);
	if (!error && count == 0 && p->map) { /* it is exiting */
		free(map);
		error = -ESRCH;
	}
	if (error)
		return loaded ? 0 : error;
	p->read_ns = now;
	p->cost_ns = message_clock() - now;
	if (loaded && same_maps(p, map, count)) {
		free(map);
		return 0;
	}
	drop_maps(p);
	p->map = map;
	p->mappings = count;
	*image = new_image(p);
	return *image ? 0 : -ENOMEM;
}

static bool same_image(const struct image_key *a, const struct image_key *b)
{
	return a->count == b->count && a->root_device == b->root_device && a->root_inode == b->root_inode &&
	       a->mounts == b->mounts && !memcmp(a->file, b->file, a->count * sizeof(a->file[0]));
}

unsigned image_find(struct broker *broker, const struct image_key *key, bool *have)
{
	unsigned oldest = 0;
	*have = true;
	for (unsigned i = 0; i < IMAGE_SLOTS; i++) {
		const struct image *image = &broker->image[i];
		if (image->serial && same_image(image->key, key))
			return i;
		if (image->used < broker->image[oldest].used)
			oldest = i;
	}
	*have = false;
	return oldest;
}
