/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Blocks of several size classes, from slabs of 128 KiB. While any block of a slab is in use, all its blocks are of one
 * class. When the last block comes back, the slab becomes stock for every class. Stock that has not been needed for
 * some seconds (base/decay.h) goes back to the kernel.
 *
 *              assign                    give_pages                     grow
 *   WARM stock ------> USED, by a class     WARM ------> LEAVING ------> COLD ------> WARM
 *          <------
 *         last block came back
 *
 * A first touch of a page costs more than a hundred context switches. So memory is populated before it becomes stock,
 * in groups of slabs, each a huge page, and without the lock of the lists. One thread at a time populates: it begins
 * when the stock runs low, while other threads use the rest of the stock. A thread waits for it only when no block is
 * left. The first SLAB_SMALL slabs are populated piece by piece, as their blocks are wanted: a small service uses many
 * classes, and little of each.
 *
 * Pages that were given back stay mapped, and read as zero: blocks are type-stable for readers that expect zero.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/decay.h"
#include "base/list.h"
#include "base/lock.h"

#define SLAB         ((size_t)128 << 10)
#define SLAB_GROUP   16u /* slabs in a huge page */
#define SLAB_SMALL   32u /* the first slabs, populated by pieces */
#define SLAB_CLASSES 54u

/* A free block. */
struct slab_block {
	struct slab_block *next;
};

enum slab_state { SLAB_WARM, SLAB_USED, SLAB_LEAVING, SLAB_COLD };

struct slab {                    /* protected by the lock of the slabs */
	struct list_link link;   /* in the stock, the cold slabs or slabs.open[class] */
	struct slab_block *free; /* blocks that were freed */
	uint64_t newest[2];      /* for the owner of the slabs; zero at first, never cleared */
	uint32_t ready;          /* bytes from the front that are populated */
	uint32_t size;           /* of one block */
	uint32_t cut;            /* bytes from the front that were cut into blocks since the slab was assigned */
	uint32_t end;            /* bytes of the slab that may become blocks */
	uint16_t taken;          /* blocks in use */
	uint8_t class;
	uint8_t state;   /* enum slab_state */
	uint8_t linked;  /* it is in slabs.open[class] */
	uint8_t again;   /* it was assigned before: its blocks were in use before */
	uint8_t growing; /* its next piece is being populated, so it must not leave */
};

typedef LIST(struct slab) slab_list;

/* The properties of the blocks. The functions may be null, except size(). */
struct slab_kind {
	size_t (*size)(unsigned class); /* of one block: a multiple of 16, at most half a slab */
	/*
	 * With the lock held, for each block: cut() when it is used for the first time since its slab was assigned,
	 * back() when it is freed.
	 */
	void (*cut)(struct slab *slab, void *block);
	void (*back)(struct slab *slab, void *block);
	/* With the growth lock only: the first `end` bytes are about to be usable. 0 or -ENOMEM. */
	int (*grow)(size_t end);
	/* The same for [begin, end), which was given back to the kernel before. */
	int (*again)(size_t begin, size_t end);
	/* Without locks: the unused slab is about to lose its bytes. False: it cannot leave now. */
	bool (*leave)(struct slab *slab, void *memory);
};

struct slabs {
	/* constant from slabs_open() to slabs_close() */
	const struct slab_kind *kind;
	char *base;
	struct slab *all;
	size_t limit;            /* bytes */
	unsigned count;          /* slabs within `limit` */
	struct memory_lock lock; /* protects the fields up to `growth` */
	slab_list stock, cold;
	unsigned stocked;  /* slabs in stock */
	unsigned leavable; /* of the stocked, the slabs that have pages */
	unsigned surplus;  /* slabs in stock that are still to be given back */
	unsigned colds;
	unsigned leaving; /* slabs that are losing their pages now */
	unsigned made;    /* slabs that were ever usable */
	size_t taken;     /* blocks in use */
	struct decay decay;
	slab_list open[SLAB_CLASSES]; /* slabs with blocks to take, by class */
	/* Held while memory is populated. Its holder may take `lock`; the holder of `lock` must not take it. */
	struct growth_lock growth; /* protects the fields below */
	struct arena memory, descriptors;
};

/* Reserves `limit` bytes of address space: no block reaches beyond. 0 or -ENOMEM. */
int slabs_open(struct slabs *slabs, const struct slab_kind *kind, size_t limit);
void slabs_close(struct slabs *slabs);

/*
 * Pushes up to `most` blocks of a class onto *list and returns their number. If it is 0, *error is -ENOMEM, or -EAGAIN
 * if all blocks up to the limit are in use.
 */
unsigned slabs_take_or(struct slabs *slabs, unsigned class, struct slab_block **list, unsigned most, int *error);

static inline unsigned slabs_take(struct slabs *slabs, unsigned class, struct slab_block **list, unsigned most)
{
	int error;
	return slabs_take_or(slabs, class, list, most, &error);
}

/* Frees n blocks from the front of *list. */
void slabs_give(struct slabs *slabs, struct slab_block **list, unsigned n);

/* Blocks in use. */
size_t slabs_taken(struct slabs *slabs);

/* A step of decay: marks stock that was unused for long as surplus. Called by one thread, every DECAY_INTERVAL. */
void slabs_age(struct slabs *slabs);

/*
 * Gives some of the surplus back to the kernel; returns the bytes. Called by the same thread as slabs_age(), more
 * often: one call takes at most some milliseconds.
 */
size_t slabs_trim(struct slabs *slabs);

/* Whether so much memory is in use that emptying caches may help. Any thread. */
bool slabs_are_large(struct slabs *slabs);

/* With the growth lock held: the number of slabs whose blocks are in use, or can be before the lock is dropped. */
unsigned slabs_usable(struct slabs *slabs);

/*
 * With the growth lock held: whether all slabs in [first, end) that were ever usable are cold. False if there is none.
 */
bool slabs_are_cold(struct slabs *slabs, unsigned first, unsigned end);

static inline char *slab_memory(struct slabs *slabs, const struct slab *slab)
{
	return slabs->base + (size_t)(slab - slabs->all) * SLAB;
}

#endif
