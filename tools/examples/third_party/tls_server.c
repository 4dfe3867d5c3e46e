/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * tls_server PORT CERTIFICATE [-t SECONDS] [-w WORKERS]: an echo server over TLS on 127.0.0.1:PORT, until SIGTERM or
 * SIGINT. It is echo.c with tls_read() and tls_write() for sley_read() and sley_write(); how these come about is in
 * tls.c.
 *
 * It makes a key and a certificate for "localhost" for itself and writes the certificate to the file CERTIFICATE, for
 * clients to trust. A client has SECONDS (30) for its handshake. On a signal the server accepts no more, gives the
 * connections DRAIN to end, and says how many it served.
 *
 * PORT 0: the kernel chooses; the port is printed. Exit code: 0; 1: it cannot serve; 2: usage.
 */
#include "arguments.h"
#include "certificate.h"
#include "tls.h"

#include <netinet/in.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define USAGE "tls_server PORT CERTIFICATE [-t SECONDS] [-w WORKERS]"
#define IDLE  SLEY_SEC(60) /* a client that says nothing more must not stay for ever */
#define DRAIN SLEY_SEC(10)

static struct {
	SSL_CTX *context;
	char address[32];
	long seconds;     /* for a handshake: neither may one that says nothing at all */
	sigset_t signals; /* that end it; blocked in all threads */
} service = { .seconds = 30 };

static struct sley_group connections;
static atomic_uint open_now, open_most, served, refused;

static void count_open(void)
{
	unsigned now = atomic_fetch_add(&open_now, 1) + 1, most = atomic_load(&open_most);
	while (now > most && !atomic_compare_exchange_weak(&open_most, &most, now))
		;
}

/*
 * After the client's last byte its end is answered, so that it knows that nothing was cut off. The buffer is small
 * because it is alive while the task waits: it is copied when another task needs the stack.
 */
static void echo(struct tls *t)
{
	char buffer[1024];
	ssize_t n;
	while ((n = tls_read(t, buffer, sizeof(buffer), sley_in(IDLE))) > 0)
		if (tls_write(t, buffer, (size_t)n, sley_in(IDLE)) < 0)
			return;
	if (n == 0 && tls_end(t, sley_in(SLEY_SEC(service.seconds))) == 0)
		atomic_fetch_add(&served, 1);
}

static void serve_connection(void *arg)
{
	struct tls t;
	sley_set_name("tls");
	if (tls_accept(&t, service.context, (int)(intptr_t)arg, sley_in(SLEY_SEC(service.seconds))) == 0) {
		count_open();
		echo(&t);
		atomic_fetch_sub(&open_now, 1);
	} else {
		atomic_fetch_add(&refused, 1);
	}
	tls_close(&t);
	sley_group_done(&connections);
}

static void take_connection(int fd)
{
	sley_group_add(&connections, 1);
	if (sley_go(serve_connection, (void *)(intptr_t)fd) < 0) {
		sley_close(fd);
		sley_group_done(&connections);
	}
}

/* Without descriptors or memory the newcomers wait, and the others are served. */
static void accept_connections(void *arg)
{
	int listener = (int)(intptr_t)arg, fd;
	while ((fd = sley_accept(listener, SLEY_NEVER)) != -EBADF) {
		if (fd < 0)
			sley_sleep(sley_in(SLEY_MS(10)));
		else
			take_connection(fd);
	}
}

static void print_address(int listener)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("tls_server: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

/* The main task: waits for a signal as for any other event. */
static int serve(void *arg)
{
	int signals = signalfd(-1, &service.signals, SFD_NONBLOCK | SFD_CLOEXEC);
	int listener = sley_listen(service.address, 0);
	struct signalfd_siginfo signal;
	sley_task acceptor;
	(void)arg;
	if (listener < 0) {
		fprintf(stderr, "tls_server: %s: %s\n", service.address, strerror(-listener));
		return 1;
	}
	acceptor = sley_spawn(accept_connections, (void *)(intptr_t)listener);
	if (signals < 0 || acceptor < 0)
		return 1;
	print_address(listener);
	sley_read(signals, &signal, sizeof(signal), SLEY_NEVER);
	sley_close(listener);
	sley_join(acceptor, SLEY_NEVER);
	if (sley_group_wait(&connections, sley_in(DRAIN)))
		fprintf(stderr, "tls_server: some connections did not end in time, and are given up\n");
	printf("tls_server: %u connections served to their end, at most %u at once, %u refused\n", atomic_load(&served),
	       atomic_load(&open_most), atomic_load(&refused));
	return 0;
}

/*
 * SSL_MODE_RELEASE_BUFFERS: a connection that waits gives back the 32 KiB that OpenSSL reads into and writes from. That
 * is far more than its task needs.
 */
static SSL_CTX *make_context(const char *path)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) || !certificate_make(context, path)) {
		fprintf(stderr, "tls_server: no certificate in %s\n", path);
		ERR_print_errors_fp(stderr);
		return NULL;
	}
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	return context;
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "tls_server" };
	int o, error, result;
	while ((o = getopt(argc, argv, "t:w:")) != -1) {
		if (o == 't')
			service.seconds = argument_number(optarg, 1, 86400, USAGE);
		else
			options.workers = (unsigned)argument_number(o == 'w' ? optarg : "", 1, 256, USAGE);
	}
	if (optind != argc - 2)
		argument_failed(USAGE);
	snprintf(service.address, sizeof(service.address), "127.0.0.1:%ld",
		 argument_number(argv[optind], 0, 65535, USAGE));
	service.context = make_context(argv[optind + 1]);
	if (!service.context)
		return 1;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL does not ask for MSG_NOSIGNAL */
	sigemptyset(&service.signals);
	sigaddset(&service.signals, SIGTERM);
	sigaddset(&service.signals, SIGINT);
	sigprocmask(SIG_BLOCK, &service.signals, NULL);

	error = sley_run(serve, NULL, &options, &result);
	if (error)
		fprintf(stderr, "tls_server: %s\n", strerror(-error));
	SSL_CTX_free(service.context);
	return error ? 1 : result;
}
