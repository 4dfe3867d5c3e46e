/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* libmariadb, unchanged, against the real MariaDB server: a thousand queries, fifty at once, on two threads. */
#include "tests/posix/many.h"
#include "tests/tools/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mysql.h>
#include <sley.h>

#define CONNECTIONS 50
#define QUERIES     20 /* of each */
#define SERVER      "/usr/sbin/mariadbd"

static int server;
static char directory[128], data[160], socket_path[160];

static int setup(void **state)
{
	(void)state;
	scratch_make();
	snprintf(directory, sizeof(directory), "%s", scratch_path(""));
	snprintf(data, sizeof(data), "%s", scratch_path("data"));
	snprintf(socket_path, sizeof(socket_path), "%s", scratch_path("socket"));
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

static void start_server(void)
{
	char command[1024];
	char *argv[] = { "bash", "-c", command, NULL };
	int ready;
	if (access(SERVER, X_OK) != 0)
		test_skip("needs the package mariadb-server-core");
	assert_int_equal(mkdir(data, 0700), 0);
	/* without tables of its own it knows no users */
	snprintf(
		command, sizeof(command),
		"exec " SERVER
		" --no-defaults --datadir=%s --socket=%s --pid-file=%s/pid --tmpdir=%s --skip-networking --user=$(id -un) "
		"--skip-grant-tables --max-connections=%d --innodb-buffer-pool-size=8M --innodb-flush-log-at-trx-commit=0",
		data, socket_path, directory, directory, CONNECTIONS + 10);
	server = start_program(argv, &ready);
	await_output(ready, "ready for connections");
}

static void expect(MYSQL *connection, bool good)
{
	if (!good)
		fprintf(stderr, "%s\n", mysql_error(connection));
	REQUIRE(good);
}

static MYSQL *dial(void)
{
	MYSQL *connection = mysql_init(NULL);
	REQUIRE(connection != NULL);
	expect(connection, mysql_real_connect(connection, NULL, "root", "", NULL, 0, socket_path, 0) != NULL);
	return connection;
}

/* The first value of a query, as a number. */
static int value_of(MYSQL *connection, const char *query)
{
	expect(connection, mysql_query(connection, query) == 0);
	MYSQL_RES *result = mysql_store_result(connection);
	expect(connection, result != NULL);
	MYSQL_ROW row = mysql_fetch_row(result);
	REQUIRE(row && row[0]);
	int value = atoi(row[0]);
	mysql_free_result(result);
	return value;
}

static MYSQL *gate;

/* Opens the gate when all of them wait for it in the server. */
static void opens_gate(void)
{
	MYSQL *connection = dial();
	while (value_of(connection, "select count(*) from information_schema.processlist where state = 'User lock'") <
	       CONNECTIONS)
		sley_sleep(sley_in(SLEY_MS(1)));
	REQUIRE(value_of(gate, "select release_lock('gate')") == 1);
	mysql_close(connection);
}

/* Waits at the gate; then each query takes 20 ms in the server, and answers with what only it knows. */
static void queries(unsigned i)
{
	char query[256], expected[64];
	MYSQL *connection = dial();
	REQUIRE(value_of(connection, "select get_lock('gate', 1000)") == 1);
	REQUIRE(value_of(connection, "select release_lock('gate')") == 1);
	for (unsigned k = 0; k < QUERIES; k++) {
		snprintf(query, sizeof(query), "select %u * 1000 + %u, repeat(char(65 + %u), %u), sleep(0.02)", i, k, k,
			 i * 1000);
		expect(connection, mysql_query(connection, query) == 0);
		MYSQL_RES *result = mysql_store_result(connection);
		expect(connection, result != NULL);
		MYSQL_ROW row = mysql_fetch_row(result);
		REQUIRE(row && mysql_num_rows(result) == 1);
		snprintf(expected, sizeof(expected), "%u", i * 1000 + k);
		REQUIRE(strcmp(row[0], expected) == 0 && mysql_fetch_lengths(result)[1] == i * 1000);
		REQUIRE(strspn(row[1], (char[]){ (char)('A' + k), '\0' }) == i * 1000);
		mysql_free_result(result);
	}
	REQUIRE(mysql_query(connection, "select 1 from information_schema.nothing") != 0);
	REQUIRE(mysql_errno(connection) == 1109 && strcmp(mysql_sqlstate(connection), "42S02") == 0);
	mysql_close(connection);
}

/* On two threads all connections wait at the same time; the gate is closed by a connection of no task. */
TEST_WITH(queries, setup, teardown)
{
	start_server();
	assert_int_equal(mysql_library_init(0, NULL, NULL), 0);
	gate = dial();
	assert_int_equal(value_of(gate, "select get_lock('gate', 0)"), 1);
	run_many(CONNECTIONS, queries, opens_gate, 200);
	mysql_close(gate);
}
