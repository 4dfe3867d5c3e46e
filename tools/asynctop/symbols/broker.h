/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The broker's tables: processes that were asked about, and images of address spaces that the reader has. */
#ifndef ASYNCTOP_SYMBOLS_BROKER_H
#define ASYNCTOP_SYMBOLS_BROKER_H

#include "child/child.h"
#include "symbols/maps.h"

#include <sys/types.h>

#define BROKER_PROCESSES 64

/*
 * The identity of an address space for the reader: its files and their addresses, seen from its root (the reader looks
 * for debug information there). (Rejected: build ids. A file states its own, and a hostile one could state a
 * neighbour's.)
 */
struct image_key {
	uint64_t root_device, root_inode, mounts;
	size_t count;
	struct file_key {
		uint64_t device, inode, size, modified_ns, changed_ns;
		uint64_t start, end, offset;
	} file[IMAGE_MODULES];
};

struct image {
	uint64_t serial; /* never the same again; 0: empty */
	uint64_t used;
	struct image_key *key;
};

struct process {
	pid_t pid; /* 0: free */
	pid_t tid; /* the thread that `files` are opened through: the first, unless that has ended */
	uint64_t used;
	struct target_files files;
	struct mapping *map; /* NULL: not read */
	size_t mappings;
	int64_t read_ns; /* when */
	int64_t cost_ns; /* how long that took: there may be tens of thousands of mappings */
	unsigned slot;   /* its image, if images[slot].serial == serial */
	uint64_t serial;
};

struct broker {
	int socket; /* to asynctop */
	int vdso;
	unsigned timeout_ms;
	uint64_t clock; /* counts uses */
	struct child reader;
	struct image image[IMAGE_SLOTS];
	struct process process[BROKER_PROCESSES];
};

/*
 * Finds the process of that number, with current files: SYMBOLS_RESOLVED, or the reason why not. A process that has
 * died since its image was made is still found: questions about it are about the time before.
 */
enum symbols_status process_find(struct broker *broker, pid_t pid, struct process **process);

bool process_covers(const struct process *process, uint64_t address);

/*
 * Reads the maps, unless that was done less than `age` ns ago or took more than a hundredth of the time since. If they
 * have changed, or the reader lacks them, `*image` gets the image to be sent (descriptors in order, -1 for a file that
 * cannot be had); else it is left alone. 0 or -errno.
 */
struct new_image {
	struct image_key *key; /* code that takes it over sets it to NULL */
	size_t count;
	int descriptor[IMAGE_MODULES];
};
int process_refresh(struct broker *broker, struct process *process, int64_t age, struct new_image **image);

/* The image of these files, if the reader has it (`*have`); else the image to be replaced. */
unsigned image_find(struct broker *broker, const struct image_key *key, bool *have);

void new_image_free(struct new_image *image);

#endif
