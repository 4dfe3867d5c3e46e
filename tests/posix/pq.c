/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* libpq, unchanged, against the real PostgreSQL server: a thousand queries, fifty at once, on two threads. */
#include "tests/posix/many.h"
#include "tests/tools/scratch.h"

#include <glob.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <sley.h>

#define CONNECTIONS 50
#define QUERIES     20 /* of each */

static int server;
static char directory[128], data[160];

static int setup(void **state)
{
	(void)state;
	scratch_make();
	snprintf(directory, sizeof(directory), "%s", scratch_path(""));
	snprintf(data, sizeof(data), "%s", scratch_path("data"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (server > 0)
		end_program(server);
	server = 0;
	scratch_remove();
	return 0;
}

/* The newest release's programs, which are not in PATH. */
static void find_programs(char *path, size_t size)
{
	glob_t found = { 0 };
	if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) != 0 || !getpwnam("postgres"))
		test_skip("needs the package postgresql");
	snprintf(path, size, "%s", found.gl_pathv[found.gl_pathc - 1]);
	*strrchr(path, '/') = '\0';
	globfree(&found);
}

/* The server refuses to run as root, and belongs to a user of its own. */
static void start_server(void)
{
	char programs[256], command[2048], output[8192];
	char *argv[] = { "bash", "-c", command, NULL };
	int ready;
	find_programs(programs, sizeof(programs));
	const struct passwd *user = getpwnam("postgres");
	const char *as = "";
	if (geteuid() == 0) {
		assert_int_equal(chown(directory, user->pw_uid, user->pw_gid), 0);
		as = "setpriv --reuid postgres --regid postgres --clear-groups";
	}
	snprintf(command, sizeof(command),
		 "cd / && %s %s/initdb -D %s -U tester -A trust -E UTF8 --no-sync --locale C 2>&1", as, programs, data);
	if (test_run(argv, output, sizeof(output)) != 0)
		fail_msg("initdb: %s", output);
	snprintf(command, sizeof(command),
		 "cd / && exec %s %s/postgres -D %s -k %s -c listen_addresses= -c max_connections=%d -c fsync=off "
		 "-c shared_buffers=8MB -c dynamic_shared_memory_type=mmap",
		 as, programs, data, directory, CONNECTIONS + 10);
	server = start_program(argv, &ready);
	await_output(ready, "ready to accept connections");
}

static PGconn *dial(void)
{
	char conninfo[256];
	snprintf(conninfo, sizeof(conninfo), "host=%s user=tester dbname=postgres", directory);
	PGconn *connection = PQconnectdb(conninfo);
	if (PQstatus(connection) != CONNECTION_OK)
		fprintf(stderr, "%s", PQerrorMessage(connection));
	REQUIRE(PQstatus(connection) == CONNECTION_OK);
	return connection;
}

/* The only value of a query, as a number. */
static int value_of(PGconn *connection, const char *query)
{
	PGresult *result = PQexec(connection, query);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fprintf(stderr, "%s", PQerrorMessage(connection));
	REQUIRE(PQresultStatus(result) == PGRES_TUPLES_OK);
	int value = atoi(PQgetvalue(result, 0, 0));
	PQclear(result);
	return value;
}

static PGconn *gate;

/* Opens the gate when all of them wait for it in the server. */
static void opens_gate(void)
{
	PGconn *connection = dial();
	while (value_of(connection, "select count(*) from pg_locks where locktype = 'advisory' and not granted") <
	       CONNECTIONS)
		sley_sleep(sley_in(SLEY_MS(1)));
	value_of(gate, "select pg_advisory_unlock(1)");
	PQfinish(connection);
}

/* Waits at the gate; then each query takes 20 ms in the server, and answers with what only it knows. */
static void queries(unsigned i)
{
	char query[256], expected[64];
	PGconn *connection = dial();
	value_of(connection, "select pg_advisory_lock_shared(1)");
	for (unsigned k = 0; k < QUERIES; k++) {
		snprintf(query, sizeof(query), "select %u * 1000 + %u, repeat(chr(65 + %u), %u) from pg_sleep(0.02)", i,
			 k, k, i * 1000);
		PGresult *result = PQexec(connection, query);
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			fprintf(stderr, "%s", PQerrorMessage(connection));
		REQUIRE(PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1);
		snprintf(expected, sizeof(expected), "%u", i * 1000 + k);
		REQUIRE(strcmp(PQgetvalue(result, 0, 0), expected) == 0);
		const char *text = PQgetvalue(result, 0, 1);
		REQUIRE(PQgetlength(result, 0, 1) == (int)(i * 1000) &&
			strspn(text, (char[]){ (char)('A' + k), '\0' }) == i * 1000);
		PQclear(result);
	}
	PGresult *wrong = PQexec(connection, "select 1 / 0");
	REQUIRE(PQresultStatus(wrong) == PGRES_FATAL_ERROR);
	REQUIRE(strcmp(PQresultErrorField(wrong, PG_DIAG_SQLSTATE), "22012") == 0);
	PQclear(wrong);
	PQfinish(connection);
}

/* On two threads all connections wait at the same time; the gate is closed by a connection of no task. */
TEST_WITH(queries, setup, teardown)
{
	start_server();
	gate = dial();
	value_of(gate, "select pg_advisory_lock(1)");
	run_many(CONNECTIONS, queries, opens_gate, 200);
	PQfinish(gate);
}
