/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Blocks of some size classes, from slabs of 128 KiB. A slab has blocks of one class while any of them is in use; when
 * the last one comes back it is stock for every class. Stock that has not been needed for some seconds (base/decay.h)
 * goes back to the kernel.
 *
 *              assign                    give_pages                     grow
 *   WARM stock ------> USED, by a class     WARM ------> LEAVING ------> COLD ------> WARM
 *          <------
 *         last block came back
 *
 * A first touch of a page costs more than a hundred context switches. So memory is populated in groups of slabs, each a
 * huge page, before it becomes stock, and without the lock of the lists: by one thread at a time, who begins when the
 * stock runs low, while the others go on with what is left. Only who finds nothing at all waits for it. The first
 * SLAB_SMALL slabs are populated piece by piece, as their blocks are wanted: a small service uses many classes, and
 * little of each.
 *
 * Pages that were given back stay mapped, and are zero: blocks are type-stable to a reader who expects that.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/decay.h"
#include "base/lock.h"

#define SLAB         ((size_t)128 << 10)
#define SLAB_GROUP   16u /* slabs in a huge page */
#define SLAB_SMALL   32u /* the first ones are populated by pieces */
#define SLAB_CLASSES 54u

/* A free block. */
struct slab_block {
	struct slab_block *next;
};

enum slab_state { SLAB_WARM, SLAB_USED, SLAB_LEAVING, SLAB_COLD };

struct slab {                     /* protected by the lock of the slabs */
	struct slab *next, *prev; /* of the stock, or of the slabs of its class with blocks to be had; null: the ends */
	struct slab_block *free;  /* blocks that came back */
	uint64_t newest[2];       /* for the owner of the slabs; zero at first, and kept */
	uint32_t ready;           /* bytes from the front that are populated */
	uint32_t size;            /* of a block */
	uint32_t cut;             /* bytes from the front that have been blocks since it was assigned */
	uint32_t end;             /* bytes of it that may be */
	uint16_t taken;           /* blocks in use */
	uint8_t class;
	uint8_t state;   /* enum slab_state */
	uint8_t linked;  /* among those of its class */
	uint8_t again;   /* it is assigned for another time: its blocks were used before */
	uint8_t growing; /* its next piece is being populated: it must not leave */
};

struct slab_list {
	struct slab *first, *last;
};

/* What kind of blocks they are. The functions may be null. */
struct slab_kind {
	size_t (*size)(unsigned class); /* of a block: a multiple of 16, at most half a slab */
	/* under the lock, for each: it is in use for the first time since its slab was assigned; it comes back */
	void (*cut)(struct slab *slab, void *block);
	void (*back)(struct slab *slab, void *block);
	/* without it, but with the growth lock: memory from the first up to that byte is about to be used: 0 or -ENOMEM */
	int (*grow)(size_t end);
	/* the same of what had lost its bytes, from `begin` to `end` */
	int (*again)(size_t begin, size_t end);
	/* without it: the slab, which nobody uses, is to lose its bytes; false: not now */
	bool (*leave)(struct slab *slab, void *memory);
};

struct slabs {
	/* constant while it is open */
	const struct slab_kind *kind;
	char *base;
	struct slab *all;
	size_t limit;     /* bytes */
	unsigned count;   /* slabs in them */
	struct lock lock; /* protects what follows */
	struct slab_list stock, cold;
	unsigned stocked;  /* slabs in stock */
	unsigned leavable; /* of them, those that have pages */
	unsigned surplus;  /* slabs in stock that are still to be given back */
	unsigned colds;
	unsigned leaving; /* slabs that are just losing their pages */
	unsigned made;    /* slabs that were ever usable */
	size_t taken;     /* blocks in use */
	struct decay decay;
	struct slab_list open[SLAB_CLASSES]; /* slabs with blocks to be had, by class */
	/* A lock that is held while memory is populated. Who holds it takes the other one; never the other way round. */
	struct lock growth; /* protects what follows */
	struct arena memory, descriptors;
};

/* Reserves `limit` bytes of address space: no block reaches beyond. 0 or -ENOMEM. */
int slabs_open(struct slabs *slabs, const struct slab_kind *kind, size_t limit);
void slabs_close(struct slabs *slabs);

/*
 * Pushes up to `most` blocks of a class onto *list: how many. 0: *error is -ENOMEM, or -EAGAIN if all up to the limit
 * are in use.
 */
unsigned slabs_take_or(struct slabs *slabs, unsigned class, struct slab_block **list, unsigned most, int *error);

static inline unsigned slabs_take(struct slabs *slabs, unsigned class, struct slab_block **list, unsigned most)
{
	int error;
	return slabs_take_or(slabs, class, list, most, &error);
}

/* Gives n blocks from the front of *list back. */
void slabs_give(struct slabs *slabs, struct slab_block **list, unsigned n);

/* Blocks in use. */
size_t slabs_taken(struct slabs *slabs);

/* A step of decay: what has been stock for long is to leave. By one thread, every DECAY_INTERVAL. */
void slabs_age(struct slabs *slabs);

/*
 * Gives back some of what is to leave; returns the bytes. By the same thread, more often: a call takes some milliseconds at
 * most.
 */
size_t slabs_trim(struct slabs *slabs);

/* Whether so much memory is in use that emptying caches may be worth it. Any thread. */
bool slabs_are_large(struct slabs *slabs);

/* With the growth lock held: how many slabs have blocks that are, or can be, in use before it is dropped. */
unsigned slabs_usable(struct slabs *slabs);

/* With the growth lock held: whether slabs in [first, end) were used, and all have lost their bytes since. */
bool slabs_are_cold(struct slabs *slabs, unsigned first, unsigned end);

static inline char *slab_memory(struct slabs *slabs, const struct slab *slab)
{
	return slabs->base + (size_t)(slab - slabs->all) * SLAB;
}

#endif
