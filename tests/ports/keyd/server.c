/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Accepts connections, and gives each a thread; ends in order on SIGTERM and SIGINT. */
#include "keyd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK   (128 << 10)
#define BACKLOG 4096

static struct {
	pthread_mutex_t lock;
	pthread_cond_t gone; /* the last client has */
	struct client *first;
	unsigned clients;
	bool stopping;
} server;

static int listener, wake[2]; /* a pipe from the handler to main() */
static struct timeval idle_time = { .tv_sec = 300 }, send_time = { .tv_sec = 10 };

static void fail(const char *what)
{
	fprintf(stderr, "keyd: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- clients ---- */

/* The client that has ended: closes its connection and frees it. */
void server_forget(struct client *client)
{
	pthread_mutex_lock(&server.lock);
	*client->place = client->next;
	if (client->next)
		client->next->place = client->place;
	close(client->fd);
	if (--server.clients == 0)
		pthread_cond_signal(&server.gone);
	pthread_mutex_unlock(&server.lock);
	free(client);
}

unsigned server_clients(void)
{
	pthread_mutex_lock(&server.lock);
	unsigned n = server.clients;
	pthread_mutex_unlock(&server.lock);
	return n;
}

static bool remember(struct client *client)
{
	pthread_mutex_lock(&server.lock);
	bool good = !server.stopping;
	if (good) {
		client->next = server.first;
		client->place = &server.first;
		if (client->next)
			client->next->place = &client->next;
		server.first = client;
		server.clients++;
	}
	pthread_mutex_unlock(&server.lock);
	return good;
}

static void welcome(int fd, const pthread_attr_t *attributes)
{
	static const char full[] = "-ERR max number of clients reached\r\n";
	struct client *client = calloc(1, sizeof(*client));
	pthread_t thread;
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle_time, sizeof(idle_time));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send_time, sizeof(send_time));
	if (client)
		client->fd = fd;
	if (!client || !remember(client)) {
		close(fd);
		free(client);
		return;
	}
	errno = pthread_create(&thread, attributes, client_serve, client);
	if (errno == 0)
		return;
	perror("keyd: pthread_create");
	if (write(fd, full, sizeof(full) - 1) < 0)
		perror("keyd: write");
	server_forget(client);
}

/* Ends when the listener was shut down. */
static void *accept_clients(void *unused)
{
	pthread_attr_t attributes;
	(void)unused;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0) {
			welcome(fd, &attributes);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			perror("keyd: accept");
			usleep(100000);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			break;
		}
	}
	if (errno != EINVAL)
		perror("keyd: accept");
	pthread_attr_destroy(&attributes);
	return NULL;
}

/* ---- the process ---- */

static void on_signal(int number)
{
	int error = errno;
	if (write(wake[1], "", 1) < 0) /* never blocks; a full pipe says enough */
		(void)number;
	errno = error;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	if (pipe2(wake, O_CLOEXEC) != 0)
		fail("pipe");
	fcntl(wake[1], F_SETFL, O_NONBLOCK);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static void listen_at(const char *address, const char *port)
{
	struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	socklen_t size = sizeof(place);
	int one = 1;
	if (inet_pton(AF_INET, address, &place.sin_addr) != 1)
		errno = EINVAL, fail(address);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&place, size) != 0 || listen(listener, BACKLOG) != 0 ||
	    getsockname(listener, (struct sockaddr *)&place, &size) != 0)
		fail("listen");
	printf("listening on %s:%u\n", address, ntohs(place.sin_port));
	fflush(stdout);
}

/* Lets the clients go, and waits until the last one has. */
static void stop(pthread_t acceptor)
{
	shutdown(listener, SHUT_RDWR);
	pthread_join(acceptor, NULL);
	close(listener);
	pthread_mutex_lock(&server.lock);
	server.stopping = true;
	for (struct client *client = server.first; client; client = client->next)
		shutdown(client->fd, SHUT_RD);
	pthread_mutex_unlock(&server.lock);
	store_stop();
	pthread_mutex_lock(&server.lock);
	while (server.clients > 0)
		pthread_cond_wait(&server.gone, &server.lock);
	pthread_mutex_unlock(&server.lock);
}

static void raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	pthread_t acceptor;
	const char *snapshot = NULL;
	int option, keys;
	char byte;
	while ((option = getopt(argc, argv, "t:s:")) != -1) {
		if (option == 't')
			idle_time.tv_sec = atoi(optarg);
		else if (option == 's')
			snapshot = optarg;
		else
			return 2;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: keyd [-t SECONDS] [-s SNAPSHOT] ADDRESS PORT\n");
		return 2;
	}
	pthread_mutex_init(&server.lock, NULL);
	pthread_cond_init(&server.gone, NULL);
	raise_limit();
	catch_signals();
	publish_open();
	store_open();
	if (snapshot_open(snapshot) < 0)
		fail(snapshot);
	listen_at(argv[optind], argv[optind + 1]);
	errno = pthread_create(&acceptor, NULL, accept_clients, NULL);
	if (errno)
		fail("pthread_create");
	while (read(wake[0], &byte, 1) < 0 && errno == EINTR)
		;
	stop(acceptor);
	if ((keys = snapshot_save()) < 0)
		fail(snapshot);
	store_close();
	printf("ended with %d keys\n", keys);
	return 0;
}
