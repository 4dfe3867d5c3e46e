/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "service.h"

#include "tests/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noreturn)) static void become(char *const argv[], int output, unsigned files)
{
	const struct rlimit limit = { files, files };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	if (files > 0)
		setrlimit(RLIMIT_NOFILE, &limit);
	execv(argv[0], argv);
	_exit(127);
}

/* The line "NAME: listening on 127.0.0.1:PORT". */
static unsigned read_port(int fd)
{
	char line[128];
	const char *colon;
	size_t n = 0;
	while (n < sizeof(line) - 1 && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	colon = strrchr(line, ':');
	assert_non_null(strstr(line, "listening on 127.0.0.1:"));
	return (unsigned)atoi(colon + 1);
}

void service_start(struct service *s, unsigned files, char *const argv[])
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		become(argv, ends[1], files);
	close(ends[1]);
	s->output = ends[0];
	s->port = read_port(s->output);
	assert_true(s->port > 0);
}

void service_signal(struct service *s, int signal)
{
	assert_int_equal(kill(s->pid, signal), 0);
}

void service_receive_output(const struct service *s, char *text, size_t size)
{
	size_t got = 0;
	ssize_t n;
	while (got + 1 < size && (n = read(s->output, text + got, size - got - 1)) > 0)
		got += (size_t)n;
	text[got] = '\0';
}

int service_wait(struct service *s)
{
	int status;
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	s->pid = 0;
	close(s->output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void service_kill(struct service *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	close(s->output);
	s->pid = 0;
}

int service_connect(const struct service *s)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
	const struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void service_send(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

void service_send_text(int fd, const char *text)
{
	service_send(fd, text, strlen(text));
}

size_t service_receive_all(int fd, char *bytes, size_t n)
{
	size_t got = 0;
	ssize_t count;
	while (got < n && (count = recv(fd, bytes + got, n - got, 0)) != 0) {
		assert_true(count > 0);
		got += (size_t)count;
	}
	return got;
}

/* Byte by byte up to the empty line, so that nothing of a next response is taken. */
static size_t receive_head(int fd, char *text, size_t size)
{
	size_t n = 0;
	while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0) {
		assert_true(n + 1 < size);
		assert_int_equal(recv(fd, text + n, 1, 0), 1);
		n++;
	}
	text[n] = '\0';
	return n;
}

int service_response(int fd, char *text, size_t size)
{
	size_t n = receive_head(fd, text, size), length = 0;
	const char *field = strstr(text, "\r\nContent-Length: ");
	assert_int_equal(strncmp(text, "HTTP/1.1 ", 9), 0);
	if (field)
		length = (size_t)atol(field + 18);
	assert_true(n + length < size);
	assert_int_equal(service_receive_all(fd, text + n, length), length);
	text[n + length] = '\0';
	return atoi(text + 9);
}
