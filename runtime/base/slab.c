/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/slab.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

#define PIECE     ((uint32_t)16 << 10) /* bytes of a small slab that are populated at once */
#define AHEAD     2u                   /* growth begins when fewer slabs are in stock */
#define TRIM_MOST 256u                 /* groups per call of slabs_trim(), at most */

int slabs_open(struct slabs *slabs, const struct slab_kind *kind, size_t limit)
{
	*slabs = (struct slabs){ .kind = kind, .limit = limit, .count = (unsigned)((limit + SLAB - 1) / SLAB) };
	size_t places = MAX(ROUND_UP(slabs->count, SLAB_GROUP), SLAB_SMALL);
	int error = arena_reserve(&slabs->memory, places * SLAB);
	if (error)
		return error;
	if ((error = arena_reserve(&slabs->descriptors, places * sizeof(struct slab))) != 0 ||
	    (error = arena_open(&slabs->memory, SLAB_SMALL * SLAB)) != 0 ||
	    (error = arena_grow(&slabs->descriptors, SLAB_SMALL * sizeof(struct slab))) != 0) {
		slabs_close(slabs);
		return error;
	}
	slabs->base = slabs->memory.base;
	slabs->all = (struct slab *)(void *)slabs->descriptors.base;
	return 0;
}

void slabs_close(struct slabs *slabs)
{
	arena_free(&slabs->descriptors);
	arena_free(&slabs->memory);
	*slabs = (struct slabs){ 0 };
}

/* ---- lists, with the lock held ---- */

/* Adds an unused slab to the stock. Its pages are populated, except those of the first SLAB_SMALL slabs. */
static void stock(struct slabs *slabs, struct slab *slab)
{
	slab->state = SLAB_WARM;
	list_prepend(&slabs->stock, slab, link);
	slabs->stocked++;
	slabs->leavable += slab->ready > 0;
}

static void unstock(struct slabs *slabs, struct slab *slab)
{
	list_remove(&slabs->stock, slab, link);
	slabs->leavable -= slab->ready > 0;
	decay_note(&slabs->decay, --slabs->stocked);
}

static void cool(struct slabs *slabs, struct slab *slab)
{
	slab->state = SLAB_COLD;
	list_prepend(&slabs->cold, slab, link);
	slabs->colds++;
}

static void open_slab(struct slabs *slabs, struct slab *slab)
{
	list_prepend(&slabs->open[slab->class], slab, link);
	slab->linked = 1;
}

static void close_slab(struct slabs *slabs, struct slab *slab)
{
	list_remove(&slabs->open[slab->class], slab, link);
	slab->linked = 0;
}

/* ---- taking and giving ---- */

/* Whether one of the first SLAB_SMALL slabs was never used: such a slab can become stock at once. */
static bool has_small(const struct slabs *slabs)
{
	return slabs->made < MIN(SLAB_SMALL, slabs->count);
}

/* Assigns a slab of the stock to the class; null: there is none. */
static struct slab *assign(struct slabs *slabs, unsigned class)
{
	struct slab *slab = list_first(&slabs->stock, link);
	if (!slab && has_small(slabs)) {
		slab = &slabs->all[slabs->made++];
		stock(slabs, slab);
	}
	if (!slab)
		return NULL;
	unstock(slabs, slab);
	slabs->surplus = MIN(slabs->surplus, slabs->stocked);
	slab->state = SLAB_USED;
	slab->class = class;
	slab->size = (uint32_t)slabs->kind->size(class);
	slab->end = (uint32_t)MIN(SLAB, slabs->limit - (size_t)(slab - slabs->all) * SLAB);
	slab->cut = 0;
	slab->free = NULL;
	open_slab(slabs, slab);
	return slab;
}

static bool is_full(const struct slab *slab)
{
	return !slab->free && slab->cut + slab->size > slab->end;
}

/* Takes a block from an open slab; null: its next block is not populated yet. */
static struct slab_block *take_one(struct slabs *slabs, struct slab *slab)
{
	struct slab_block *block = slab->free;
	if (block) {
		slab->free = block->next;
	} else {
		if (slab->cut + slab->size > slab->ready)
			return NULL;
		block = (void *)(slab_memory(slabs, slab) + slab->cut);
		slab->cut += slab->size;
		if (slabs->kind->cut)
			slabs->kind->cut(slab, block);
	}
	slab->taken++;
	if (is_full(slab))
		close_slab(slabs, slab);
	return block;
}

/*
 * Takes blocks that are populated, with the lock held. A slab that waits for its next piece is the last open one of its
 * class.
 */
static unsigned take_there(struct slabs *slabs, unsigned class, struct slab_block **list, unsigned most)
{
	unsigned n = 0;
	while (n < most) {
		struct slab *slab = list_first(&slabs->open[class], link);
		if (!slab && !(slab = assign(slabs, class)))
			break;
		struct slab_block *block = take_one(slabs, slab);
		if (!block)
			break;
		block->next = *list;
		*list = block;
		n++;
	}
	slabs->taken += n;
	return n;
}

/* ---- growing: with the growth lock held; the lock of the lists is taken only to publish the result ---- */

/* Populates the next piece of a slab of the first SLAB_SMALL. */
static int grow_piece(struct slabs *slabs, struct slab *slab, uint32_t end)
{
	char *memory = slab_memory(slabs, slab);
	size_t before = (size_t)(memory - slabs->base) + slab->ready;
	uint32_t more = MAX(PIECE, (uint32_t)ROUND_UP(end - slab->ready, PAGE));
	more = MIN(more, (uint32_t)SLAB - slab->ready);
	int error = slabs->kind->grow ? slabs->kind->grow(before + more) : 0;
	if (!error)
		error = memory_populate(memory + slab->ready, more);
	lock_take(&slabs->lock);
	if (!error) {
		slabs->leavable += slab->state == SLAB_WARM && slab->ready == 0;
		slab->ready += more;
	}
	slab->growing = 0;
	lock_drop(&slabs->lock);
	return error;
}

/* Takes adjacent cold slabs of one group off their list; returns their number. */
static unsigned take_cold(struct slabs *slabs, struct slab **first)
{
	unsigned n = 0;
	lock_take(&slabs->lock);
	struct slab *slab = *first = list_first(&slabs->cold, link);
	while (slab && slab == *first + n && (n == 0 || (size_t)(slab - slabs->all) % SLAB_GROUP != 0)) {
		list_remove(&slabs->cold, slab, link);
		slabs->colds--;
		slab->state = SLAB_LEAVING;
		slab = list_first(&slabs->cold, link);
		n++;
	}
	lock_drop(&slabs->lock);
	return n;
}

/* Makes a group of never used slabs accessible; returns their number. */
static unsigned take_fresh(struct slabs *slabs, struct slab **first)
{
	size_t begin = slabs->memory.populated, end = begin + SLAB_GROUP * SLAB;
	*first = &slabs->all[begin / SLAB];
	if ((slabs->kind->grow && slabs->kind->grow(end) != 0) ||
	    arena_grow(&slabs->descriptors, end / SLAB * sizeof(struct slab)) != 0 ||
	    arena_grow(&slabs->memory, end) != 0)
		return 0;
	return MIN(SLAB_GROUP, slabs->count - (unsigned)(begin / SLAB));
}

/*
 * Whether slabs are leaving, cold or in stock. A slab that was leaving when nothing was found becomes cold or stock
 * soon.
 */
static bool something_comes(struct slabs *slabs)
{
	lock_take(&slabs->lock);
	bool comes = slabs->leaving > 0 || !list_is_empty(&slabs->cold) || !list_is_empty(&slabs->stock);
	lock_drop(&slabs->lock);
	if (comes)
		sched_yield();
	return comes;
}

/* Populates n cold slabs again. */
static int warm(struct slabs *slabs, const struct slab *first, unsigned n)
{
	char *memory = slab_memory(slabs, first);
	size_t begin = (size_t)(memory - slabs->base), size = n * SLAB;
	int error = slabs->kind->again ? slabs->kind->again(begin, begin + size) : 0;
	return error ? error : arena_populate(memory, size);
}

/* Puts cold slabs, or fresh ones if there are none, into the stock. */
static int grow_group(struct slabs *slabs)
{
	struct slab *first;
	bool fresh = false;
	unsigned n = take_cold(slabs, &first);
	int error = 0;
	if (n > 0)
		error = warm(slabs, first, n);
	else if (slabs->memory.populated >= slabs->limit)
		return something_comes(slabs) ? 0 : -EAGAIN;
	else if (!(fresh = (n = take_fresh(slabs, &first)) > 0))
		return -ENOMEM;
	lock_take(&slabs->lock);
	if (fresh)
		slabs->made += n;
	while (n-- > 0) { /* from the end, so that the first slab is used next */
		first[n].ready = error ? 0 : SLAB;
		if (!error) {
			stock(slabs, &first[n]);
		} else {
			cool(slabs, &first[n]);
		}
	}
	lock_drop(&slabs->lock);
	return error;
}

/*
 * Whether the class has a block or a slab to use now. If not, *waiting is the slab that waits for its next piece, which
 * must reach `*end`; null: none.
 */
static bool look_again(struct slabs *slabs, unsigned class, struct slab **waiting, uint32_t *end)
{
	lock_take(&slabs->lock);
	struct slab *slab = list_first(&slabs->open[class], link);
	bool there = slab ? slab->free || slab->cut + slab->size <= slab->ready
			  : !list_is_empty(&slabs->stock) || has_small(slabs);
	*waiting = there ? NULL : slab;
	if (*waiting) {
		*end = slab->cut + slab->size;
		slab->growing = 1;
	}
	lock_drop(&slabs->lock);
	return there;
}

/* Called when there is no block for the class: populates memory, or waits for a thread that does so. */
static int slabs_grow(struct slabs *slabs, unsigned class)
{
	struct slab *waiting;
	uint32_t end = 0; /* gcc -O1 warns of a use before initialisation otherwise */
	int error = 0;
	lock_take(&slabs->growth);
	if (!look_again(slabs, class, &waiting, &end))
		error = waiting ? grow_piece(slabs, waiting, end) : grow_group(slabs);
	lock_drop(&slabs->growth);
	return error;
}

/* Whether the stock is so low that growing should begin before it is empty. With the lock held. */
static bool runs_low(const struct slabs *slabs)
{
	return slabs->made >= SLAB_SMALL && slabs->stocked < AHEAD &&
	       (!list_is_empty(&slabs->cold) || (slabs->made > SLAB_SMALL && slabs->made < slabs->count));
}

unsigned slabs_take_or(struct slabs *slabs, unsigned class, struct slab_block **list, unsigned most, int *error)
{
	unsigned n;
	bool low;
	do {
		lock_take(&slabs->lock);
		n = take_there(slabs, class, list, most);
		low = runs_low(slabs);
		lock_drop(&slabs->lock);
	} while (unlikely(n == 0) && (*error = slabs_grow(slabs, class)) == 0);
	if (unlikely(low && n > 0) && lock_try(&slabs->growth)) {
		grow_group(slabs); /* a failure is reported later, by the call that finds no block at all */
		lock_drop(&slabs->growth);
	}
	return n;
}

void slabs_give(struct slabs *slabs, struct slab_block **list, unsigned n)
{
	lock_take(&slabs->lock);
	slabs->taken -= n;
	while (n-- > 0) {
		struct slab_block *block = *list;
		*list = block->next;
		struct slab *slab = &slabs->all[(size_t)((char *)block - slabs->base) / SLAB];
		DCHECK(slab->state == SLAB_USED && slab->taken > 0);
		if (slabs->kind->back)
			slabs->kind->back(slab, block);
		block->next = slab->free;
		slab->free = block;
		if (--slab->taken == 0) {
			if (slab->linked)
				close_slab(slabs, slab);
			slab->again = 1;
			stock(slabs, slab);
		} else if (!slab->linked) {
			open_slab(slabs, slab);
		}
	}
	lock_drop(&slabs->lock);
}

size_t slabs_taken(struct slabs *slabs)
{
	lock_take(&slabs->lock);
	size_t taken = slabs->taken;
	lock_drop(&slabs->lock);
	return taken;
}

/* ---- giving back ---- */

void slabs_age(struct slabs *slabs)
{
	lock_take(&slabs->lock);
	slabs->surplus = decay_step(&slabs->decay, slabs->stocked);
	lock_drop(&slabs->lock);
}

bool slabs_are_large(struct slabs *slabs)
{
	lock_take(&slabs->lock);
	bool large = slabs->made - slabs->colds > SLAB_SMALL;
	lock_drop(&slabs->lock);
	return large;
}

unsigned slabs_usable(struct slabs *slabs)
{
	lock_take(&slabs->lock);
	unsigned n = MAX(slabs->made, MIN(SLAB_SMALL, slabs->count)) - slabs->colds;
	lock_drop(&slabs->lock);
	return n;
}

bool slabs_are_cold(struct slabs *slabs, unsigned first, unsigned end)
{
	lock_take(&slabs->lock);
	unsigned i = first;
	end = MIN(end, slabs->made);
	while (i < end && slabs->all[i].state == SLAB_COLD)
		i++;
	lock_drop(&slabs->lock);
	return i == end && first < end;
}

static bool can_leave(const struct slab *slab)
{
	return slab->state == SLAB_WARM && slab->ready > 0 && !slab->growing;
}

/*
 * Adds the cold slabs of a group to those that are leaving, if there are no others. The kernel may have made a huge page
 * of the group when some were cold already, and has given these pages again, which nobody would give back else.
 */
static unsigned take_cold_too(struct slabs *slabs, struct slab *group, unsigned leaving)
{
	unsigned cold = 0;
	for (unsigned i = 0; i < SLAB_GROUP; i++)
		cold |= group[i].state == SLAB_COLD ? 1u << i : 0;
	if ((leaving | cold) != (1u << SLAB_GROUP) - 1)
		return leaving;
	for (unsigned i = 0; i < SLAB_GROUP; i++) {
		if (!(cold & 1u << i))
			continue;
		list_remove(&slabs->cold, &group[i], link);
		slabs->colds--;
		group[i].state = SLAB_LEAVING;
		slabs->leaving++;
	}
	return leaving | cold;
}

/*
 * Takes the slabs of a group that can leave out of the stock, as far as they are surplus; returns their mask. `whole`:
 * all slabs of the group or none, because the kernel has to split a huge page before it loses a part of itself.
 */
static unsigned take_leaving(struct slabs *slabs, struct slab *group, bool whole)
{
	unsigned mask = 0, n = 0;
	lock_take(&slabs->lock);
	for (unsigned i = 0; i < SLAB_GROUP; i++)
		n += can_leave(&group[i]);
	if (n > 0 && (n == SLAB_GROUP || !whole) && (!whole || slabs->surplus >= n)) {
		for (unsigned i = 0; i < SLAB_GROUP && slabs->surplus > 0; i++) {
			if (!can_leave(&group[i]))
				continue;
			unstock(slabs, &group[i]);
			group[i].state = SLAB_LEAVING;
			slabs->surplus--;
			slabs->leaving++;
			mask |= 1u << i;
		}
		mask = take_cold_too(slabs, group, mask);
	}
	lock_drop(&slabs->lock);
	return mask;
}

/* Asks the owner for each slab of the mask whether it may leave; returns the mask of those that may. The cold ones have left. */
static unsigned ask_to_leave(struct slabs *slabs, struct slab *group, unsigned mask)
{
	for (unsigned i = 0; slabs->kind->leave && i < SLAB_GROUP; i++) {
		if (mask & 1u << i && group[i].ready > 0 &&
		    !slabs->kind->leave(&group[i], slab_memory(slabs, &group[i])))
			mask &= ~(1u << i);
	}
	return mask;
}

/*
 * One call for each run of slabs, so that a whole group is given back in one call and can be a huge page again later.
 */
static void give_pages(char *memory, unsigned mask)
{
	for (unsigned i = 0, n; i < SLAB_GROUP; i += n) {
		for (n = 0; i + n < SLAB_GROUP && mask & 1u << (i + n); n++)
			;
		if (n > 0)
			madvise(memory + i * SLAB, n * SLAB, MADV_DONTNEED);
		else
			n = 1;
	}
}

/*
 * Slabs that left become cold, except the first SLAB_SMALL: these are stock without pages, and are populated by pieces.
 */
static void put_away(struct slabs *slabs, struct slab *group, unsigned taken, unsigned left)
{
	lock_take(&slabs->lock);
	for (unsigned i = SLAB_GROUP; i-- > 0;) { /* from the end, so that take_cold() finds them in order */
		if (!(taken & 1u << i))
			continue;
		slabs->leaving--;
		if (left & 1u << i)
			group[i].ready = 0;
		if (!(left & 1u << i) || &group[i] < slabs->all + SLAB_SMALL) {
			stock(slabs, &group[i]);
		} else {
			cool(slabs, &group[i]);
		}
	}
	lock_drop(&slabs->lock);
}

static size_t trim_group(struct slabs *slabs, struct slab *group, bool whole)
{
	unsigned taken = take_leaving(slabs, group, whole);
	if (taken == 0)
		return 0;
	unsigned left = ask_to_leave(slabs, group, taken);
	size_t given = 0;
	for (unsigned i = 0; i < SLAB_GROUP; i++)
		given += left & 1u << i && group[i].ready > 0 ? SLAB : 0;
	give_pages(slab_memory(slabs, group), left);
	put_away(slabs, group, taken, left);
	return given;
}

size_t slabs_trim(struct slabs *slabs)
{
	size_t given = 0;
	lock_take(&slabs->lock);
	unsigned made = slabs->surplus > 0 && slabs->leavable > 0 ? slabs->made : 0;
	lock_drop(&slabs->lock);
	/* from the end, so that the slabs in use gather at the front; whole groups first */
	for (unsigned round = 0, most = TRIM_MOST; round < 2 && made > 0; round++) {
		for (unsigned i = (made - 1) / SLAB_GROUP + 1; i-- > 0 && most > 0;) {
			size_t bytes = trim_group(slabs, &slabs->all[i * SLAB_GROUP], round == 0);
			most -= bytes > 0;
			given += bytes;
		}
	}
	return given;
}
