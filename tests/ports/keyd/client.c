/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A connection: what it reads are arrays of strings, or lines; what it writes are the replies, and what others publish. */
#include "keyd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE      1024
#define MOST_BYTES (1 << 20) /* of one argument */

static void grow(struct buffer *buffer, size_t n)
{
	if (buffer->room - buffer->n >= n)
		return;
	buffer->room = buffer->n + n > 2 * buffer->room ? buffer->n + n : 2 * buffer->room;
	buffer->at = realloc(buffer->at, buffer->room);
	if (!buffer->at) {
		perror("keyd: realloc");
		abort();
	}
}

void buffer_add(struct buffer *buffer, const void *bytes, size_t n)
{
	grow(buffer, n);
	memcpy(buffer->at + buffer->n, bytes, n);
	buffer->n += n;
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	buffer_add(buffer, text, n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* ---- output ---- */

/* Writes all of it. False: the client has gone, or takes nothing for long. */
static bool write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t part = write(fd, bytes, n);
		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0 && errno != EPIPE && errno != ECONNRESET)
			perror(errno == EAGAIN ? "keyd: a client takes nothing" : "keyd: write");
		if (part < 0)
			return false;
		bytes += part;
		n -= (size_t)part;
	}
	return true;
}

static bool flush(struct client *client)
{
	pthread_mutex_lock(&client->writing);
	bool good = write_all(client->fd, client->out.at, client->out.n);
	pthread_mutex_unlock(&client->writing);
	client->out.n = 0;
	return good;
}

bool client_is_there(const struct client *client)
{
	char byte;
	ssize_t n = recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* ---- publishing ---- */

static struct {
	pthread_mutex_t lock;
	struct client *first;
} subscribers;

void publish_open(void)
{
	pthread_mutex_init(&subscribers.lock, NULL);
}

static bool has_channel(const struct client *client, struct bytes channel)
{
	for (int i = 0; i < client->channels; i++) {
		if (client->channel[i].n == channel.n && memcmp(client->channel[i].at, channel.at, channel.n) == 0)
			return true;
	}
	return false;
}

/* The subscribers get it one after another. One that takes nothing for long is sent away. */
int publish(struct bytes channel, struct bytes text)
{
	struct buffer message = { NULL, 0, 0 };
	int n = 0;
	buffer_print(&message, "*3\r\n$7\r\nmessage\r\n$%zu\r\n", channel.n);
	buffer_add(&message, channel.at, channel.n);
	buffer_print(&message, "\r\n$%zu\r\n", text.n);
	buffer_add(&message, text.at, text.n);
	buffer_add(&message, "\r\n", 2);
	pthread_mutex_lock(&subscribers.lock);
	for (struct client *client = subscribers.first; client; client = client->next_subscriber) {
		if (!has_channel(client, channel))
			continue;
		pthread_mutex_lock(&client->writing);
		if (write_all(client->fd, message.at, message.n))
			n++;
		else
			shutdown(client->fd, SHUT_RDWR);
		pthread_mutex_unlock(&client->writing);
	}
	pthread_mutex_unlock(&subscribers.lock);
	free(message.at);
	return n;
}

bool subscribe(struct client *client, struct bytes channel)
{
	bool good = true;
	pthread_mutex_lock(&subscribers.lock);
	if (client->channels == 0) {
		client->next_subscriber = subscribers.first;
		subscribers.first = client;
	}
	if (!has_channel(client, channel)) {
		good = client->channels < CHANNELS;
		if (good) {
			struct bytes *own = &client->channel[client->channels++];
			own->n = channel.n;
			own->at = strndup(channel.at, channel.n);
		}
	}
	pthread_mutex_unlock(&subscribers.lock);
	return good;
}

void unsubscribe_all(struct client *client)
{
	pthread_mutex_lock(&subscribers.lock);
	struct client **place = &subscribers.first;
	while (*place && *place != client)
		place = &(*place)->next_subscriber;
	if (*place)
		*place = client->next_subscriber;
	while (client->channels > 0)
		free(client->channel[--client->channels].at);
	pthread_mutex_unlock(&subscribers.lock);
}

/* ---- input ---- */

/* A line that ends with \r\n or \n, without that. Null: it is not whole yet. */
static char *take_line(struct client *client, size_t *at, size_t *n)
{
	char *line = client->in.at + *at;
	char *end = client->in.n > *at ? memchr(line, '\n', client->in.n - *at) : NULL;
	if (!end)
		return NULL;
	*at += (size_t)(end - line) + 1;
	*n = (size_t)(end - line) - (end > line && end[-1] == '\r');
	return line;
}

static int wrong(struct client *client, const char *what)
{
	buffer_print(&client->out, "-ERR Protocol error: %s\r\n", what);
	client->over = true;
	return -1;
}

static int take_words(struct client *client, char *line)
{
	char *rest;
	for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (client->arguments == ARGUMENTS)
			return wrong(client, "too many arguments");
		client->argument[client->arguments++] = (struct bytes){ word, strlen(word) };
	}
	return 1;
}

/* Returns 1: there is a command in `argument`; 0: it is not whole yet; -1: the input makes no sense. */
static int take_command(struct client *client)
{
	size_t at = client->used, n;
	char *line = take_line(client, &at, &n), *end;
	client->arguments = 0;
	if (!line)
		return client->in.n - client->used > MOST_BYTES ? wrong(client, "too big inline request") : 0;
	if (*line != '*') {
		client->used = at;
		line[n] = '\0';
		return take_words(client, line);
	}
	long count = strtol(line + 1, &end, 10);
	if (end != line + n || n == 1 || count > ARGUMENTS)
		return wrong(client, "invalid multibulk length");
	for (long i = 0; i < count; i++) {
		line = take_line(client, &at, &n);
		if (!line)
			return 0;
		long size = *line == '$' ? strtol(line + 1, &end, 10) : -1;
		if (size < 0 || size > MOST_BYTES || end != line + n || n == 1)
			return wrong(client, "invalid bulk length");
		if (client->in.n - at < (size_t)size + 2)
			return 0;
		client->argument[client->arguments++] = (struct bytes){ client->in.at + at, (size_t)size };
		at += (size_t)size + 2;
	}
	client->used = at;
	return 1;
}

/* Moves what is left to the front, and reads more behind it. False: the connection is over. */
static bool read_more(struct client *client)
{
	struct buffer *in = &client->in;
	memmove(in->at, in->at + client->used, in->n - client->used);
	in->n -= client->used;
	client->used = 0;
	grow(in, PIECE);
	ssize_t n;
	do
		n = read(client->fd, in->at + in->n, in->room - in->n);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN && client->channels == 0)
		buffer_print(&client->out, "-ERR idle for too long\r\n");
	else if (n < 0 && errno == EAGAIN)
		return true;
	else if (n < 0 && errno != ECONNRESET)
		perror("keyd: read");
	if (n > 0)
		in->n += (size_t)n;
	return n > 0;
}

static void serve(struct client *client)
{
	bool more = true;
	while (more) {
		int taken;
		while (!client->over && (taken = take_command(client)) > 0) {
			if (client->arguments > 0)
				command_run(client);
		}
		if (client->out.n > 0 && !flush(client))
			return;
		more = !client->over && read_more(client);
	}
	if (client->out.n > 0)
		flush(client);
}

void *client_serve(void *arg)
{
	struct client *client = arg;
	pthread_mutex_init(&client->writing, NULL);
	pthread_cond_init(&client->waiter.wake, NULL);
	serve(client);
	unsubscribe_all(client);
	pthread_cond_destroy(&client->waiter.wake);
	pthread_mutex_destroy(&client->writing);
	free(client->in.at);
	free(client->out.at);
	server_forget(client);
	return NULL;
}
