/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The reader of a foreign region. Invariant: offsets and capacities are checked once against the size of the file,
 * which is sealed, so that every later access is in bounds by arithmetic alone; and each use re-checks what may change.
 */
#include "source/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNTERS_MAX 1024 /* in a row: bounds the reading of one tick */

static enum region_status invalid(struct region *r, const char *what, uint64_t is, uint64_t limit)
{
	snprintf(r->why, sizeof(r->why), "%s is %llu, which does not fit %llu", what, (unsigned long long)is,
		 (unsigned long long)limit);
	return REGION_INVALID;
}

/* All of it, or false. */
static bool read_at(int fd, void *buffer, size_t n, uint64_t offset)
{
	char *to = buffer;
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

struct table_rule {
	const char *name;
	struct sley_region_table table;
	uint32_t stride_min, stride_max;
	uint32_t capacity_max;
};

static enum region_status check_table(struct region *r, const struct table_rule *rule)
{
	const struct sley_region_table *t = &rule->table;
	char what[48];
	snprintf(what, sizeof(what), "the %s table's stride", rule->name);
	if (t->stride < rule->stride_min || t->stride > rule->stride_max || t->stride % 8 != 0)
		return invalid(r, what, t->stride, rule->stride_min);
	snprintf(what, sizeof(what), "the %s table's capacity", rule->name);
	if (t->capacity == 0 || t->capacity > rule->capacity_max)
		return invalid(r, what, t->capacity, rule->capacity_max);
	snprintf(what, sizeof(what), "the %s table's offset", rule->name);
	if (t->offset < sizeof(struct sley_region_header) || t->offset % 8 != 0 || t->offset > r->header.size ||
	    (uint64_t)t->stride * t->capacity > r->header.size - t->offset)
		return invalid(r, what, t->offset, r->header.size);
	return REGION_OK;
}

static enum region_status check_tables(struct region *r)
{
	const struct sley_region_header *h = &r->header;
	uint32_t row = h->counter_count * 8;
	const struct table_rule rules[] = {
		{ "worker", h->workers, sizeof(struct sley_region_worker), sizeof(struct sley_region_worker),
		  SLEY_REGION_WORKERS },
		{ "counter", h->counters, row, COUNTERS_MAX * 8, SLEY_REGION_WORKERS + 1 },
		{ "live", h->live, 8, 8, 1u << (SLEY_TASK_INDEX_BITS - 6) },
		{ "site", h->sites, sizeof(struct sley_region_site), sizeof(struct sley_region_site),
		  SLEY_REGION_SITES },
		{ "task", h->tasks, sizeof(struct sley_region_task), sizeof(struct sley_region_task),
		  1u << SLEY_TASK_INDEX_BITS },
		{ "block", h->blocks, sizeof(struct sley_region_block), sizeof(struct sley_region_block),
		  SLEY_REGION_WORKERS },
		{ "site block", h->site_blocks, sizeof(struct sley_region_site_blocks),
		  sizeof(struct sley_region_site_blocks), SLEY_REGION_SITES },
	};
	if (h->counter_count == 0 || h->counter_count > COUNTERS_MAX)
		return invalid(r, "the number of counters", h->counter_count, COUNTERS_MAX);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		enum region_status status = check_table(r, &rules[i]);
		if (status != REGION_OK)
			return status;
	}
	if ((uint64_t)h->live.capacity * 64 < h->tasks.capacity)
		return invalid(r, "the live bitmap's capacity", h->live.capacity, h->tasks.capacity);
	if (h->stacks_begin > h->stacks_end)
		return invalid(r, "the start of the stacks", h->stacks_begin, h->stacks_end);
	return REGION_OK;
}

/* Checks the words that change during a run against those that do not. */
static enum region_status check_counts(struct region *r)
{
	const struct sley_region_header *h = &r->header;
	if (h->worker_count > h->workers.capacity || h->worker_count > h->blocks.capacity ||
	    h->worker_count >= h->counters.capacity)
		return invalid(r, "the number of workers", h->worker_count, h->workers.capacity);
	if (h->site_count > h->sites.capacity || h->site_count > h->site_blocks.capacity)
		return invalid(r, "the number of sites", h->site_count, h->sites.capacity);
	if (h->task_high > h->tasks.capacity)
		return invalid(r, "the number of task records", h->task_high, h->tasks.capacity);
	if (h->phase > SLEY_PHASE_RUNNING)
		return invalid(r, "the phase", h->phase, SLEY_PHASE_RUNNING);
	return REGION_OK;
}

static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) == (F_SEAL_SHRINK | F_SEAL_GROW);
}

static enum region_status check_file(struct region *r)
{
	const struct sley_region_header *h = &r->header;
	off_t size = lseek(r->fd, 0, SEEK_END); /* and not stat: see look.h */
	if (!is_sealed(r->fd)) {
		snprintf(r->why, sizeof(r->why), "it is not sealed against shrinking and growing");
		return REGION_INVALID;
	}
	if (h->size != (uint64_t)size)
		return invalid(r, "its size", h->size, (uint64_t)size);
	if (h->header_size != sizeof(*h))
		return invalid(r, "the size of its header", h->header_size, sizeof(*h));
	return REGION_OK;
}

static void copy_name(struct region *r)
{
	memcpy(r->name, r->header.name, sizeof(r->header.name));
	r->name[sizeof(r->header.name)] = '\0';
}

enum region_status region_open(struct region *r, int fd)
{
	enum region_status status;
	memset(r, 0, sizeof(*r));
	memset(r->parts, 0xff, sizeof(r->parts)); /* -1 */
	r->fd = fd;
	if (fcntl(fd, F_GET_SEALS) < 0 || !read_at(fd, &r->header, sizeof(r->header), 0) ||
	    r->header.magic != SLEY_REGION_MAGIC) {
		snprintf(r->why, sizeof(r->why), "it has no header");
		return REGION_NONE;
	}
	if (r->header.version != SLEY_REGION_VERSION) {
		snprintf(r->why, sizeof(r->why), "its version is %u and this asynctop reads %u", r->header.version,
			 SLEY_REGION_VERSION);
		return REGION_VERSION;
	}
	status = check_file(r);
	if (status == REGION_OK)
		status = check_tables(r);
	if (status == REGION_OK)
		status = check_counts(r);
	copy_name(r);
	return status;
}

void region_close(struct region *r)
{
	for (unsigned i = 0; r->fd >= 0 && i < SLEY_REGION_PARTS; i++)
		if (r->parts[i] >= 0)
			close(r->parts[i]);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

bool region_part_changed(const struct region *r, unsigned part)
{
	return r->part_words[part - 1] != r->header.parts[part - 1];
}

void region_part_set(struct region *r, unsigned part, int fd)
{
	if (r->parts[part - 1] >= 0)
		close(r->parts[part - 1]);
	if (fd >= 0 && (!is_sealed(fd) || lseek(fd, 0, SEEK_END) != (off_t)r->header.size)) {
		close(fd);
		fd = -1;
	}
	r->parts[part - 1] = fd;
	r->part_words[part - 1] = r->header.parts[part - 1];
}

/* Where record `index` is to be read; -1: it cannot be. */
static int records_of(const struct region *r, uint32_t index)
{
	unsigned part = (unsigned)SLEY_REGION_PART(index);
	if (part == 0 || part > SLEY_REGION_PARTS || r->header.parts[part - 1] == 0)
		return r->fd;
	return r->parts[part - 1];
}

/* The fixed part reaches up to `name`, less the stacks, which are stored by the first run. */
static bool fixed_part_equal(const struct sley_region_header *a, const struct sley_region_header *b)
{
	return memcmp(a, b, offsetof(struct sley_region_header, stacks_begin)) == 0 &&
	       a->counter_count == b->counter_count;
}

enum region_status region_refresh(struct region *r)
{
	struct sley_region_header fresh;
	if (!read_at(r->fd, &fresh, sizeof(fresh), 0)) {
		snprintf(r->why, sizeof(r->why), "its header cannot be read any more");
		return REGION_INVALID;
	}
	if (!fixed_part_equal(&fresh, &r->header)) {
		snprintf(r->why, sizeof(r->why), "its layout changed while it was read");
		return REGION_INVALID;
	}
	r->header = fresh;
	copy_name(r);
	return check_counts(r);
}

int region_workers(struct region *r, struct sley_region_worker *out)
{
	uint32_t n = r->header.worker_count;
	if (!read_at(r->fd, out, n * sizeof(*out), r->header.workers.offset))
		return -1;
	for (uint32_t i = 0; i < n; i++)
		out[i].index = (uint16_t)i;
	return (int)n;
}

int region_blocks(struct region *r, struct sley_region_block *out)
{
	uint32_t n = r->header.worker_count;
	return read_at(r->fd, out, n * sizeof(*out), r->header.blocks.offset) ? (int)n : -1;
}

int region_site_blocks(struct region *r, struct sley_region_site_blocks *out)
{
	uint32_t n = r->header.site_count;
	return read_at(r->fd, out, n * sizeof(*out), r->header.site_blocks.offset) ? (int)n : -1;
}

int region_counters(struct region *r, uint64_t out[SLEY_COUNTER_COUNT])
{
	const struct sley_region_header *h = &r->header;
	uint32_t known = h->counter_count < SLEY_COUNTER_COUNT ? h->counter_count : (uint32_t)SLEY_COUNTER_COUNT;
	uint64_t row[SLEY_COUNTER_COUNT];
	memset(out, 0, SLEY_COUNTER_COUNT * sizeof(*out));
	for (uint32_t i = 0; i <= h->worker_count; i++) {
		if (!read_at(r->fd, row, known * sizeof(row[0]), h->counters.offset + (uint64_t)i * h->counters.stride))
			return -1;
		for (uint32_t k = 0; k < known; k++)
			out[k] += row[k];
	}
	return 0;
}

static void copy_site(struct region_site *to, const struct sley_region_site *from)
{
	*to = (struct region_site){
		.line = from->line,
		.stack = from->live16 * 16u,
		.deepest = from->deepest * 4096u,
		.spawned = from->spawned,
		.waits = from->waits,
		.yields = from->yields,
	};
	memcpy(to->file, from->file, sizeof(to->file) - 1);
	memcpy(to->function, from->function, sizeof(to->function) - 1);
	memcpy(to->entry, from->entry, sizeof(to->entry) - 1);
}

int region_sites(struct region *r, struct region_site *out, uint32_t first)
{
	struct sley_region_site buffer[64];
	uint32_t n = r->header.site_count;
	for (uint32_t i = first; i < n;) {
		uint32_t some = n - i < 64 ? n - i : 64;
		if (!read_at(r->fd, buffer, some * sizeof(buffer[0]), r->header.sites.offset + i * sizeof(buffer[0])))
			return -1;
		for (uint32_t k = 0; k < some; k++)
			copy_site(&out[i + k], &buffer[k]);
		i += some;
	}
	return (int)n;
}

static bool check_task(const struct region *r, uint32_t index, struct sley_region_task *t)
{
	if ((t->id & SLEY_TASK_INDEX_MASK) != index + 1 || t->id > INT64_MAX || t->state == SLEY_TASK_FREE ||
	    t->state >= SLEY_TASK_STATES || t->wait_kind >= SLEY_WAIT_KINDS)
		return false;
	if (SLEY_TASK_WORKER(t->worker) >= r->header.worker_count)
		t->worker = UINT16_MAX;
	if (t->site >= r->header.site_count)
		t->site = 0;
	if (t->since_ns < 0)
		t->since_ns = 0;
	return true;
}

/* The bitmap words of [first, first + REGION_CHUNK), cut at `high`: false if they cannot be read. */
static bool read_live(const struct region *r, uint32_t first, uint32_t high, uint64_t live[REGION_CHUNK / 64])
{
	uint32_t bits = high - first < REGION_CHUNK ? high - first : REGION_CHUNK;
	uint32_t words = (bits + 63) / 64;
	memset(live, 0, REGION_CHUNK / 8);
	if (!read_at(r->fd, live, words * 8, r->header.live.offset + first / 64 * 8))
		return false;
	if (bits % 64)
		live[words - 1] &= (1ULL << (bits % 64)) - 1;
	return true;
}

/* The records between the first and the last live one, moved to the front of `out` as far as they are valid. */
static int read_chunk(struct region *r, uint32_t first, const uint64_t live[REGION_CHUNK / 64],
		      struct region_cursor *cursor, struct sley_region_task *out)
{
	int low = -1, high = -1, n = 0, fd;
	for (int i = 0; i < REGION_CHUNK / 64; i++) {
		if (live[i] == 0)
			continue;
		if (low < 0)
			low = i * 64 + __builtin_ctzll(live[i]);
		high = i * 64 + 63 - __builtin_clzll(live[i]);
	}
	if (low < 0)
		return 0;
	fd = records_of(r, first);
	if (fd < 0) {
		for (int i = 0; i < REGION_CHUNK / 64; i++)
			cursor->invalid += (unsigned)__builtin_popcountll(live[i]);
		return 0;
	}
	if (!read_at(fd, out, (size_t)(high - low + 1) * sizeof(*out),
		     r->header.tasks.offset + ((uint64_t)first + (uint64_t)low) * sizeof(*out)))
		return -1;
	for (int i = low; i <= high; i++) {
		struct sley_region_task *t = &out[i - low];
		if (!(live[i / 64] >> (i % 64) & 1) || t->id == 0)
			continue;
		if (check_task(r, first + (uint32_t)i, t))
			out[n++] = *t;
		else
			cursor->invalid++;
	}
	return n;
}

int region_tasks(struct region *r, struct region_cursor *cursor, struct sley_region_task out[REGION_CHUNK])
{
	uint32_t high = r->header.task_high;
	int n = 0;
	while (n == 0 && cursor->next < high) {
		uint64_t live[REGION_CHUNK / 64];
		if (!read_live(r, cursor->next, high, live))
			return -1;
		n = read_chunk(r, cursor->next, live, cursor, out);
		cursor->next += REGION_CHUNK;
	}
	return n;
}

/* Reads the first n bytes of the task's record. */
static bool read_task(const struct region *r, uint64_t id, void *out, size_t n)
{
	uint64_t index = (id & SLEY_TASK_INDEX_MASK) - 1;
	if ((id & SLEY_TASK_INDEX_MASK) == 0 || index >= r->header.task_high)
		return false;
	int fd = records_of(r, (uint32_t)index);
	return fd >= 0 && read_at(fd, out, n, r->header.tasks.offset + index * sizeof(struct sley_region_task));
}

bool region_still(struct region *r, uint64_t id)
{
	uint64_t now;
	return read_task(r, id, &now, sizeof(now)) && now == id;
}

bool region_task(struct region *r, uint64_t id, struct sley_region_task *out)
{
	return read_task(r, id, out, sizeof(*out)) && out->id == id &&
	       check_task(r, (uint32_t)(id & SLEY_TASK_INDEX_MASK) - 1, out) && region_still(r, id);
}
