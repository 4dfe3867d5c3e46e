/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The values of a process that are in no table. */
#include "view/views.h"

#define SCHEMA_VERSION 1

static const struct model *process(const void *row)
{
	return row;
}

#define PROCESS_VALUE(name, set) \
	static void process_##name(struct value *out, const struct model *m, const void *row) \
	{ \
		(void)m; \
		(void)row; \
		set; \
	}

PROCESS_VALUE(schema_version, value_int(out, SCHEMA_VERSION))
PROCESS_VALUE(pid, value_int(out, process(row)->pid))
PROCESS_VALUE(service, value_string(out, process(row)->service))
PROCESS_VALUE(time, value_int(out, process(row)->time_ns))
PROCESS_VALUE(interval, value_int(out, process(row)->interval_ns))
PROCESS_VALUE(watched, value_int(out, process(row)->watched_ns))
PROCESS_VALUE(running, value_bool(out, process(row)->running))
PROCESS_VALUE(ended, value_bool(out, process(row)->gone))
PROCESS_VALUE(source, value_row(out, row))
PROCESS_VALUE(events_total, value_uint(out, process(row)->events_total))
PROCESS_VALUE(events_left_out, value_uint(out, process(row)->events_left_out))
PROCESS_VALUE(throttled, value_known(out, process(row)->throttled_ns))
PROCESS_VALUE(throttled_periods, value_known(out, process(row)->throttled_periods))
PROCESS_VALUE(throttled_cgroup, value_name(out, process(row)->throttled_cgroup))
PROCESS_VALUE(tool_cpu, value_number(out, process(row)->tool_cpu))

/* ---- the tiers ---- */

static const struct model_tier *tier(const void *row)
{
	return row;
}

static void tier_state(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, tier(row)->active ? "active" : "denied");
}

static void tier_opens_with(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_string(out, tier(row)->active ? NULL : tier(row)->why);
}

static const struct column tier_columns[] = {
	{ .name = "state", .type = VALUE_STRING, .value = tier_state, .help = "active or denied" },
	{ .name = "opens_with",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = tier_opens_with,
	  .help = "what is missing, and how to get it" },
};

static const struct record record_tier = RECORD(tier_columns);

#define TIERS_LIST(X) \
	X(region, TIER_REGION, "the tasks and workers") \
	X(times, TIER_TIMES, "since when a task is in its state") \
	X(bpf, TIER_BPF, "blocking calls and switches") \
	X(symbols, TIER_SYMBOLS, "lines of the source")

#define TIER_VALUE(name, id, help) PROCESS_VALUE(tier_##name, value_row(out, &process(row)->tiers[id]))
TIERS_LIST(TIER_VALUE)

static const struct column source_columns[] = {
#define TIER_COLUMN(name_, id, help_) \
	{ .name = #name_, .type = VALUE_RECORD, .value = process_tier_##name_, .record = &record_tier, .help = help_ },
	TIERS_LIST(TIER_COLUMN)
};

static const struct record record_source = RECORD(source_columns);

/* ---- what the runtime does about blocks ---- */

static const struct model_bucket *bucket(const void *row)
{
	return row;
}

static void bucket_from(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_int(out, bucket(row)->from_ns);
}

static void bucket_count(struct value *out, const struct model *m, const void *row)
{
	(void)m;
	value_uint(out, bucket(row)->count);
}

static const struct column bucket_columns[] = {
	{ .name = "from_ns",
	  .type = VALUE_INT,
	  .value = bucket_from,
	  .help = "those that took so long up to twice that" },
	{ .name = "count", .type = VALUE_UINT, .value = bucket_count, .help = "of them" },
};

static const struct record record_bucket = RECORD(bucket_columns);

#define SOURCE_VALUE(name, text, help) \
	PROCESS_VALUE(source_##name, value_bool(out, process(row)->sources & 1u << SLEY_SOURCE_##name))
SLEY_BLOCK_SOURCES(SOURCE_VALUE)
PROCESS_VALUE(target, value_uint(out, process(row)->target))
PROCESS_VALUE(max_threads, value_uint(out, process(row)->max_threads))
PROCESS_VALUE(handovers,
	      value_list(out, process(row)->handovers, sizeof(struct model_bucket), process(row)->handover_count))

static const struct group found_by = { "found_by", NULL };

/* ---- counters ---- */

#define DROP_VALUE(name, help) PROCESS_VALUE(drop_##name, value_uint(out, process(row)->drops.name))
#define COUNTER_VALUE(name, help) \
	PROCESS_VALUE(counter_##name, value_uint(out, process(row)->counters[SLEY_COUNTER_##name]))
TRACE_DROPS(DROP_VALUE)
SLEY_COUNTERS(COUNTER_VALUE)

static const struct group drops = { "drops", NULL }, counters = { "counters", NULL };

/* ---- the columns ---- */

static const struct column head_columns[] = {
	{ .name = "schema_version", .type = VALUE_INT, .value = process_schema_version, .help = "of what is told" },
	{ .name = "pid", .type = VALUE_INT, .value = process_pid, .help = "the process" },
	{ .name = "service", .type = VALUE_STRING, .value = process_service, .help = "the name that it gave itself" },
	{ .name = "time_ns", .type = VALUE_INT, .value = process_time, .help = "when this was taken" },
	{ .name = "interval_ns", .type = VALUE_INT, .value = process_interval, .help = "since the tick before" },
	{ .name = "watched_ns", .type = VALUE_INT, .value = process_watched, .help = "since asynctop attached" },
	{ .name = "running", .type = VALUE_BOOL, .value = process_running, .help = "the runtime is started" },
	{ .name = "ended", .type = VALUE_BOOL, .value = process_ended, .help = "the process has ended" },
	{ .name = "source",
	  .type = VALUE_RECORD,
	  .value = process_source,
	  .record = &record_source,
	  .help = "what can be known" },
};

const struct record record_head = RECORD(head_columns);

static const struct column tail_columns[] = {
	{ .name = "events_total",
	  .type = VALUE_UINT,
	  .value = process_events_total,
	  .help = "single blocks since asynctop attached" },
#define DROP_COLUMN(name_, help_) \
	{ .name = #name_, .group = &drops, .type = VALUE_UINT, .value = process_drop_##name_, .help = help_ },
	TRACE_DROPS(DROP_COLUMN){ .name = "events",
				  .group = &drops,
				  .type = VALUE_UINT,
				  .value = process_events_left_out,
				  .help = "single blocks: more than --rows came between two ticks" },
	{ .name = "throttled_ns",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = process_throttled,
	  .help = "how long its cgroup was without CPU, as its quota was used up, since asynctop attached" },
	{ .name = "throttled_periods",
	  .type = VALUE_INT,
	  .optional = true,
	  .value = process_throttled_periods,
	  .help = "in how many periods" },
	{ .name = "throttled_cgroup",
	  .type = VALUE_STRING,
	  .optional = true,
	  .value = process_throttled_cgroup,
	  .help = "which cgroup, of its own and those above" },
	{ .name = "target",
	  .type = VALUE_UINT,
	  .value = process_target,
	  .help = "workers that are to run at the same time" },
	{ .name = "max_threads", .type = VALUE_UINT, .value = process_max_threads, .help = "spares that there may be" },
#define SOURCE_COLUMN(name_, text_, help_) \
	{ .name = text_, .group = &found_by, .type = VALUE_BOOL, .value = process_source_##name_, .help = help_ },
	SLEY_BLOCK_SOURCES(SOURCE_COLUMN){
		.name = "handover_times",
		.type = VALUE_LIST,
		.value = process_handovers,
		.record = &record_bucket,
		.help = "hand-overs by the time from the note to the replacement's first task" },
#define COUNTER_COLUMN(name_, help_) \
	{ .name = #name_, .group = &counters, .type = VALUE_UINT, .value = process_counter_##name_, .help = help_ },
	SLEY_COUNTERS(COUNTER_COLUMN){ .name = "tool_cpu",
				       .type = VALUE_NUMBER,
				       .optional = true,
				       .value = process_tool_cpu,
				       .help = "CPUs that asynctop itself used since the tick before" },
};

const struct record record_tail = RECORD(tail_columns);
