/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Spawn sites: what the runtime found of blocks of their tasks and did about it, and their CPU time. */
#include "view/site.h"
#include "view/views.h"

static const struct model_site_blocks *blocks(const void *row)
{
	return row;
}

static void blocks_site(struct value *out, const struct model *m, const void *row)
{
	value_site(out, m, blocks(row)->site);
}

static void blocks_noted(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocks(row)->noted);
}

static void blocks_handed(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocks(row)->handed);
}

static void blocks_in_vain(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocks(row)->in_vain);
}

static void blocks_kept(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, blocks(row)->kept);
}

static void blocks_cpu(struct value *out, const struct model *m, const void *row)
{
	value_known(out, model_cpu_of(m, 0, blocks(row)->site));
}

static void cell_blocks_site(struct text *out, const struct model *m, const void *row)
{
	put_site(out, m, blocks(row)->site);
}

static void cell_blocks_entry(struct text *out, const struct model *m, const void *row)
{
	text_puts(out, model_site(m, blocks(row)->site)->entry);
}

static int compare_noted(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(blocks(a)->noted, blocks(b)->noted);
}

static int compare_handed(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(blocks(a)->handed, blocks(b)->handed);
}

static int compare_in_vain(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(blocks(a)->in_vain, blocks(b)->in_vain);
}

static int compare_blocks_kept(const struct model *m, const void *a, const void *b)
{
	(void)m;
	return compare_u64(blocks(a)->kept, blocks(b)->kept);
}

static int compare_cpu(const struct model *m, const void *a, const void *b)
{
	return compare_i64(model_cpu_of(m, 0, blocks(a)->site), model_cpu_of(m, 0, blocks(b)->site));
}

static int compare_blocks_site(const struct model *m, const void *a, const void *b)
{
	return model_compare_sites(m, blocks(a)->site, blocks(b)->site);
}

static uint64_t blocks_identity(const void *row)
{
	return blocks(row)->site;
}

static const void *blocks_rows(const struct model *m, uint32_t *count)
{
	*count = m->site_block_count;
	return m->site_blocks;
}

static enum style blocks_style(const struct model *m, const void *row)
{
	(void)m;
	(void)row;
	return STYLE_NORMAL;
}

static bool blocks_told(const struct model *m)
{
	return m->site_block_count > 0;
}

static const struct column blocks_columns[] = {
	{ .name = "site",
	  .type = VALUE_RECORD,
	  .value = blocks_site,
	  .record = &record_site,
	  .key = "site",
	  .place = 6,
	  .title = "SPAWNED AT",
	  .help = "where these tasks were spawned",
	  .min = 10,
	  .max = 40,
	  .align = TEXT_TAIL,
	  .cell = cell_blocks_site,
	  .compare = compare_blocks_site },
	{ .name = "noted",
	  .type = VALUE_UINT,
	  .value = blocks_noted,
	  .key = "noted",
	  .place = 1,
	  .title = "NOTED",
	  .help = "times that the runtime found a worker blocked, or computing for long, in such a task",
	  .min = 6,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_noted },
	{ .name = "handed_over",
	  .type = VALUE_UINT,
	  .value = blocks_handed,
	  .key = "handed",
	  .place = 2,
	  .title = "HANDED OVER",
	  .help = "of these: another worker began a task meanwhile, in the place of the blocked one",
	  .min = 11,
	  .max = 11,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_handed },
	{ .name = "in_vain",
	  .type = VALUE_UINT,
	  .value = blocks_in_vain,
	  .key = "vain",
	  .place = 3,
	  .title = "IN VAIN",
	  .help = "times that one was woken for that, and came late or found nothing to do",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_in_vain },
	{ .name = "keeps_waiting",
	  .type = VALUE_UINT,
	  .value = blocks_kept,
	  .key = "keeps",
	  .place = 4,
	  .title = "KEEPS",
	  .help = "tasks that wait now for the stack or the thread of such a task, which no other worker can run",
	  .min = 5,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_COUNT,
	  .compare = compare_blocks_kept },
	{ .name = "cpu_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = blocks_cpu,
	  .key = "cpu",
	  .place = 5,
	  .title = "CPU",
	  .help = "time that these tasks had a CPU, in samples",
	  .min = 7,
	  .max = 7,
	  .align = TEXT_RIGHT,
	  .down = true,
	  .format = FORMAT_DURATION,
	  .compare = compare_cpu },
	{ .key = "function",
	  .place = 7,
	  .title = "RUNS",
	  .help = "the function that they run",
	  .min = 6,
	  .max = 30,
	  .cell = cell_blocks_entry },
};

const struct table table_sites = {
	.key = "sites",
	.title = "spawn sites: blocks of their tasks, as the runtime found, and CPU time",
	.none = "no task has blocked its thread, as far as the runtime found, or had a CPU",
	.record = RECORD(blocks_columns),
	.row_size = sizeof(struct model_site_blocks),
	.sort = "noted",
	.rows = blocks_rows,
	.identity = blocks_identity,
	.style = blocks_style,
	.told = blocks_told,
};
