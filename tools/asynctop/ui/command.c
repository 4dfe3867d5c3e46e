/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Parsing of the command line; the help's lists are made from those of exporters, keys and columns. */
#include "ui/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "ui/keys.h"

enum { OPTION_ROWS = 256, OPTION_MIN_BLOCK, OPTION_VERSION, OPTION_EXPORTER /* + its number */ };

#define EXPORTERS_MAX 16 /* that have options */

static const struct option fixed_options[] = {
	{ "pid", required_argument, NULL, 'p' },
	{ "batch", no_argument, NULL, 'b' },
	{ "delay", required_argument, NULL, 'd' },
	{ "ticks", required_argument, NULL, 'n' },
	{ "rows", required_argument, NULL, OPTION_ROWS },
	{ "sort", required_argument, NULL, 's' },
	{ "filter", required_argument, NULL, 'F' },
	{ "min-block", required_argument, NULL, OPTION_MIN_BLOCK },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPTION_VERSION },
};

static const char usage[] =
	"usage: asynctop [-b] [--json] [-p PID] [-d SECONDS] [-n TICKS] [--rows N] [-s KEY] [-F KEY=GLOB]...\n"
	"                [--min-block TIME]\n"
	"       asynctop assist -p PID\n"
	"       asynctop dump [--json] [-F KEY=GLOB]... -p PID\n";

static const char help[] =
	"\n"
	"Shows the tasks of processes that run sley, and which task blocked a thread in which call at which line.\n"
	"dump: shows the stacks of its parked tasks, once, without stopping it; equal ones together.\n"
	"assist: shows nothing, but tells the process itself at once, so that other threads take its other tasks over.\n"
	"\n"
	"  -p, --pid PID          only this process; without it, all that can be found\n"
	"  -b, --batch            reports instead of the screen: plain text, or with --json that\n";

static const char help_more[] =
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
	"4 not permitted, 5 another version of sley. More in asynctop(1).\n";

static void print_exporters(FILE *out)
{
	for (unsigned i = 0; exporter_of(i) != NULL; i++)
		if (exporter_of(i)->help != NULL)
			fprintf(out, "      --%-16s %s\n", exporter_of(i)->name, exporter_of(i)->help);
}

static void print_key(void *out, const char *names, const char *text)
{
	fprintf(out, "  %-18s %s\n", names, text);
}

static void print_columns(FILE *out, const struct table *t)
{
	const struct column *shown[COLUMNS_MAX];
	unsigned count = table_shown(t, shown);
	fprintf(out, "\nKEY for %s%s:\n", t->key, t == &table_tasks ? " (-s and -F)" : " (-s)");
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "  %-11s %s%s\n", shown[i]->key, shown[i]->help,
			shown[i]->compare == NULL ? " (not for -s)" : "");
}

/* The tables come as the screen has them. */
static void print_help(FILE *out)
{
	fputs(usage, out);
	fputs(help, out);
	print_exporters(out);
	fputs(help_more, out);
	fputs("\nKeys of the screen:\n", out);
	keys_help(print_key, out);
	for (unsigned tab = 0; tab < views_count(); tab++) {
		const struct table *t = table_of(view_of_tab(tab));
		print_columns(out, t);
		if (t->below != NULL)
			print_columns(out, t->below);
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

int64_t command_duration(const char *text)
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
	if (option >= OPTION_EXPORTER) {
		o->exporter = exporter_of((unsigned)(option - OPTION_EXPORTER));
		return true;
	}
	switch (option) {
	case 'p':
		if (!parse_number(value, 1, INT32_MAX, &n))
			return wrong(errors, "-p: not a process number", value);
		o->pid = (pid_t)n;
		return true;
	case 'b':
		if (o->exporter == NULL)
			o->exporter = &exporter_text;
		return true;
	case 'd':
		o->interval_ns = command_duration(value);
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
		o->min_block_ns = command_duration(value);
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

/* The fixed ones, and one for each exporter that has help. */
static void list_options(struct option out[])
{
	size_t n = sizeof(fixed_options) / sizeof(fixed_options[0]);
	memcpy(out, fixed_options, sizeof(fixed_options));
	for (unsigned i = 0; exporter_of(i) != NULL && i < EXPORTERS_MAX; i++)
		if (exporter_of(i)->help != NULL)
			out[n++] = (struct option){ exporter_of(i)->name, no_argument, NULL, OPTION_EXPORTER + (int)i };
	out[n] = (struct option){ 0 };
}

enum command_result command_parse(struct options *o, int argc, char **argv, bool terminal, FILE *out, FILE *errors)
{
	struct option long_options[sizeof(fixed_options) / sizeof(fixed_options[0]) + EXPORTERS_MAX + 1];
	const char *command = NULL;
	int option;
	set_defaults(o, terminal);
	list_options(long_options);
	if (argc > 1 && (strcmp(argv[1], "assist") == 0 || strcmp(argv[1], "dump") == 0)) {
		o->assist = argv[1][0] == 'a';
		o->dump = !o->assist;
		command = argv[1];
		argv++;
		argc--;
	}
	optind = 0;
	while ((option = getopt_long(argc, argv, "p:bd:n:s:F:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			print_help(out);
			return COMMAND_DONE;
		}
		if (option == OPTION_VERSION) {
			fprintf(out, "asynctop %s\n", ASYNCTOP_VERSION);
			return COMMAND_DONE;
		}
		if (!apply(o, option, optarg, errors))
			return COMMAND_WRONG;
	}
	if (optind < argc) {
		wrong(errors, "no such argument", argv[optind]);
		return COMMAND_WRONG;
	}
	if (command != NULL && o->pid == 0) {
		wrong(errors, "needs -p PID", command);
		return COMMAND_WRONG;
	}
	if (o->exporter == NULL && o->dump)
		o->exporter = &exporter_dump;
	if (o->exporter == NULL && !terminal)
		o->exporter = &exporter_text;
	return COMMAND_RUN;
}

void command_free(struct options *o)
{
	for (unsigned i = 0; i < o->filter_count; i++)
		filter_free(&o->filters[i]);
	free(o->filters);
	o->filters = NULL;
}
