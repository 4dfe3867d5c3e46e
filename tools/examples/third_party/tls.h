/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * OpenSSL's connections for tasks: each call waits its task, not the thread.
 *
 *	struct tls t;
 *
 *	if (tls_accept(&t, context, fd, deadline) == 0)
 *		while ((n = tls_read(&t, buffer, sizeof(buffer), deadline)) > 0)
 *			...
 *	tls_close(&t);
 *
 * A struct tls belongs to one task at a time and may lie on its stack. `fd` is a non-blocking socket, as sley_accept()
 * and sley_dial() make them. An SSL_CTX is shared by all. The process must ignore SIGPIPE: OpenSSL writes with
 * write(2).
 *
 * Errors: -EPROTO: this is no TLS, the certificate is refused, or the stream ended without the peer saying so:
 * tls_reason(); -ETIMEDOUT; -ENOMEM; what the socket answers. After any of them the connection is only good for
 * tls_close().
 */
#ifndef TLS_H
#define TLS_H

#include <openssl/ssl.h>

#include <sley.h>

struct tls {
	SSL *ssl;
	int fd;
	unsigned turns;      /* calls since the task last let others run */
	unsigned long error; /* OpenSSL's code for the -EPROTO, else 0 */
};

/* The server's and the client's handshake. Takes over `fd`, also when it fails: end it with tls_close(). 0. */
int tls_accept(struct tls *, SSL_CTX *, int fd, sley_time deadline);

/* The client also checks that the certificate is good for `host`. */
int tls_connect(struct tls *, SSL_CTX *, int fd, const char *host, sley_time deadline);

/* Reads what there is, up to n bytes: the count; 0: the peer has said that this was all. */
ssize_t tls_read(struct tls *, void *buffer, size_t n, sley_time deadline);

/* Writes all n bytes, up to INT_MAX: n. */
ssize_t tls_write(struct tls *, const void *buffer, size_t n, sley_time deadline);

/* Says that this was all, and waits until the peer has said so too; what it still sends is dropped. 0. */
int tls_end(struct tls *, sley_time deadline);

/* Closes the socket and frees what belongs to it, at any point after tls_accept() or tls_connect(). */
void tls_close(struct tls *);

/* What OpenSSL says of the last -EPROTO, in English. */
const char *tls_reason(const struct tls *);

#endif
