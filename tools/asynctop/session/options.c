/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Parsing of the command line; the help's lists are made from the tables of columns. */
#include "session/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

enum { OPTION_JSON = 256, OPTION_ROWS, OPTION_MIN_BLOCK, OPTION_VERSION };

static const struct option long_options[] = {
	{ "pid", required_argument, NULL, 'p' },
	{ "batch", no_argument, NULL, 'b' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "delay", required_argument, NULL, 'd' },
	{ "ticks", required_argument, NULL, 'n' },
	{ "rows", required_argument, NULL, OPTION_ROWS },
	{ "sort", required_argument, NULL, 's' },
	{ "filter", required_argument, NULL, 'F' },
	{ "min-block", required_argument, NULL, OPTION_MIN_BLOCK },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: asynctop [-b | --json] [-p PID] [-d SECONDS] [-n TICKS] [--rows N] [-s KEY] [-F KEY=GLOB]...\n"
	"                [--min-block TIME]\n";

static const char help[] =
	"\n"
	"Shows the tasks of processes that run sley, and which task blocked a thread in which call at which line.\n"
	"\n"
	"  -p, --pid PID          only this process; without it, all that can be found\n"
	"  -b, --batch            plain text instead of the screen\n"
	"      --json             one JSON object for each process and tick, each on a line\n"
	"  -d, --delay SECONDS    between ticks, 0.05 to 3600 (1); the first tick comes after this time too\n"
	"  -n, --ticks TICKS      end after so many; 0: never. Without it: 1 if standard output is no terminal, else 0\n"
	"      --rows N           rows of each table (100)\n"
	"  -s, --sort KEY         order of the tables that have the column KEY; -KEY reverses it\n"
	"  -F, --filter KEY=GLOB  only tasks whose column KEY matches; several must all match\n"
	"      --min-block TIME   shortest block that is listed as a single event (1ms); totals have them all\n"
	"  -h, --help             this text\n"
	"      --version          the version\n"
	"\n"
	"If standard output is no terminal, -b is implied. Exit codes: 0 fine, 1 error, 2 usage, 3 no such process or gone,\n"
	"4 not permitted, 5 another version of sley. On the screen, h lists the keys. More in asynctop(1).\n";

static void print_columns(FILE *out, const struct table *t)
{
	for (unsigned i = 0; i < t->count; i++)
		fprintf(out, "  %-11s %s%s\n", t->columns[i].key, t->columns[i].help,
			t->columns[i].compare == NULL ? " (not for -s)" : "");
}

static void print_help(FILE *out)
{
	fputs(usage, out);
	fputs(help, out);
	for (unsigned i = 0; i < TABLES; i++) {
		const struct table *t = table_of(i);
		fprintf(out, "\nKEY for %s%s:\n", t->key, i == TABLE_TASKS ? " (-s and -F)" : " (-s)");
		print_columns(out, t);
	}
}

/* A decimal number without sign, in [low, high]: false otherwise. */
static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value >= low && *value <= high;
}

int64_t options_duration(const char *text)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 } };
	char *end;
	double value;
	if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
		return -1;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0 && value * units[i].ns <= 3600e9)
			return (int64_t)(value * units[i].ns + 0.5);
	return -1;
}

static bool wrong(FILE *errors, const char *what, const char *value)
{
	fprintf(errors, "asynctop: %s: \"%s\"\n%s", what, value, usage);
	return false;
}

/* A key orders every table that has it. */
static bool set_order(struct options *o, const char *key, FILE *errors)
{
	bool found = false;
	for (unsigned i = 0; i < TABLES; i++) {
		struct order order = table_order(table_of(i), key);
		if (order.column == NULL)
			continue;
		o->orders[i] = order;
		found = true;
	}
	return found || wrong(errors, "-s: there is no such key (see --help)", key);
}

static bool add_filter(struct options *o, const char *text, FILE *errors)
{
	const char *why = "at most 8 filters";
	if (o->filter_count == FILTERS_MAX || filter_parse(&o->filters[o->filter_count], text, &why) != 0) {
		fprintf(errors, "asynctop: -F: %s: \"%s\" (see --help)\n%s", why, text, usage);
		return false;
	}
	o->filter_count++;
	return true;
}

static bool apply(struct options *o, int option, const char *value, FILE *errors)
{
	uint64_t n;
	switch (option) {
	case 'p':
		if (!parse_number(value, 1, INT32_MAX, &n))
			return wrong(errors, "-p: not a process number", value);
		o->pid = (pid_t)n;
		return true;
	case 'b':
		if (o->output != OUTPUT_JSON)
			o->output = OUTPUT_TEXT;
		return true;
	case OPTION_JSON:
		o->output = OUTPUT_JSON;
		return true;
	case 'd':
		o->interval_ns = options_duration(value);
		return o->interval_ns >= 50000000 || wrong(errors, "-d: not a time from 0.05 to 3600 seconds", value);
	case 'n':
		return parse_number(value, 0, UINT64_MAX, &o->ticks) || wrong(errors, "-n: not a number", value);
	case OPTION_ROWS:
		if (!parse_number(value, 1, ROWS_MAX, &n))
			return wrong(errors, "--rows: not a number from 1 to 100000", value);
		o->rows = (uint32_t)n;
		return true;
	case 's':
		return set_order(o, value, errors);
	case 'F':
		return add_filter(o, value, errors);
	case OPTION_MIN_BLOCK:
		o->min_block_ns = options_duration(value);
		return o->min_block_ns >= 0 || wrong(errors, "--min-block: not a time such as 500us, 1ms, 0.1s", value);
	default:
		fputs(usage, errors);
		return false;
	}
}

static void set_defaults(struct options *o, bool terminal)
{
	const char *no_colour = getenv("NO_COLOR");
	*o = (struct options){
		.output = terminal ? OUTPUT_SCREEN : OUTPUT_TEXT,
		.interval_ns = 1000000000,
		.ticks = terminal ? TICKS_ENDLESS : 1,
		.rows = ROWS_DEFAULT,
		.min_block_ns = 1000000,
		.colour = no_colour == NULL || no_colour[0] == '\0',
		.filters = xcalloc(FILTERS_MAX, sizeof(*o->filters)),
	};
	for (unsigned i = 0; i < TABLES; i++)
		o->orders[i] = table_order(table_of(i), NULL);
}

enum options_result options_parse(struct options *o, int argc, char **argv, bool terminal, FILE *out, FILE *errors)
{
	int option;
	set_defaults(o, terminal);
	optind = 0;
	while ((option = getopt_long(argc, argv, "p:bd:n:s:F:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			print_help(out);
			return OPTIONS_DONE;
		}
		if (option == OPTION_VERSION) {
			fprintf(out, "asynctop %s\n", ASYNCTOP_VERSION);
			return OPTIONS_DONE;
		}
		if (!apply(o, option, optarg, errors))
			return OPTIONS_WRONG;
	}
	if (optind < argc) {
		wrong(errors, "no such argument", argv[optind]);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}

void options_free(struct options *o)
{
	for (unsigned i = 0; i < o->filter_count; i++)
		filter_free(&o->filters[i]);
	free(o->filters);
	o->filters = NULL;
}
