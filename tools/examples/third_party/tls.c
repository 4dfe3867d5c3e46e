/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * OpenSSL on sley: attempt() makes one call and says what it lacks, run() waits for that and tries again. The rest are
 * the four calls that there are: handshake, read, write, shutdown. What a reader who brings another library should see:
 *
 *   The wait is in run(), never inside OpenSSL. A BIO whose read function calls sley_read() would be shorter, and was
 *   rejected: the task would be parked with all of OpenSSL's frames live under it, some kilobytes to copy for each
 *   connection instead of some hundred bytes, and OpenSSL would go on, maybe on another thread, with what it had
 *   fetched from thread-local storage before.
 *
 *   OpenSSL's error queue belongs to the thread, and the tasks of a thread share it. SSL_get_error() looks into it, so
 *   what another task left there would turn a WANT_READ into a failure; and after a wait this task may be on another
 *   thread, whose queue says nothing about its call. So attempt() clears the queue, calls, and reads the queue, with
 *   nothing in between that can wait. sley does not take the thread away by itself: tasks change in calls that wait.
 *   What is to be known later is copied: tls.error.
 *
 *   Pointers into the task's stack. While this task is parked, other tasks use its stack's addresses, so nobody else
 *   may follow a pointer to there. OpenSSL keeps its data on the heap. The one exception is the buffer of an
 *   SSL_write() that is to be repeated, whose address it remembers, to compare it with that of the repetition. Our
 *   stack is back at the same addresses then, with the same bytes, so a buffer on it may be given.
 *
 *   OpenSSL's mutexes, in the SSL_CTX that all share, are held inside its calls only. So no task waits with one.
 *
 *   Attempts that succeed do not go through sley. As long as there are bytes and room, a task would go from one to the
 *   next and keep its thread to itself: take_turn().
 */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>

#define TURN 64 /* calls of OpenSSL, each some microseconds, before others get the thread */

/* OpenSSL's calls in one form. Like them: > 0 done, else SSL_get_error() says more. */
typedef int tls_call(SSL *, void *buffer, int n);

static int shake_hands(SSL *ssl, void *buffer, int n)
{
	(void)buffer;
	(void)n;
	return SSL_do_handshake(ssl);
}

static int read_some(SSL *ssl, void *buffer, int n)
{
	return SSL_read(ssl, buffer, n);
}

static int write_all(SSL *ssl, void *buffer, int n)
{
	return SSL_write(ssl, buffer, n);
}

/* 0 means that our part is done and the peer's not: that is all that is wanted here. */
static int say_end(SSL *ssl, void *buffer, int n)
{
	int result = SSL_shutdown(ssl);
	(void)buffer;
	(void)n;
	return result == 0 ? 1 : result;
}

/* One call: what it answered; 0: the peer's stream is at its end; -EAGAIN: wait for *events; another error. */
static int attempt(struct tls *t, tls_call *call, void *buffer, int n, int *events)
{
	int result;
	/* From here to the end nothing waits: it is one thread and one call that errno and the queue speak of. */
	ERR_clear_error();
	errno = 0;
	result = call(t->ssl, buffer, n);
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_NONE:
		return result;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ: /* also of a write: TLS has messages of its own */
		*events = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*events = POLLOUT;
		return -EAGAIN;
	case SSL_ERROR_SYSCALL:
		return errno ? -errno : -EPROTO;
	default:
		t->error = ERR_peek_last_error();
		return -EPROTO;
	}
}

static void take_turn(struct tls *t)
{
	if (++t->turns % TURN == 0)
		sley_yield();
}

/*
 * Tries before it waits, and not the other way round: bytes that OpenSSL has read and decrypted already make the call
 * succeed and the socket not readable.
 */
static int run(struct tls *t, tls_call *call, void *buffer, int n, sley_time deadline)
{
	int events = 0, result;
	take_turn(t);
	while ((result = attempt(t, call, buffer, n, &events)) == -EAGAIN) {
		int ready = sley_poll(t->fd, events, deadline);
		if (ready < 0)
			return ready;
	}
	return result;
}

/* The socket stays ours: SSL_free() does not close what SSL_set_fd() was given. */
static int begin(struct tls *t, SSL_CTX *context, int fd)
{
	*t = (struct tls){ .ssl = SSL_new(context), .fd = fd };
	return t->ssl && SSL_set_fd(t->ssl, fd) ? 0 : -ENOMEM;
}

/* An end of the stream within the handshake is none that was agreed on. */
static int handshake(struct tls *t, sley_time deadline)
{
	int result = run(t, shake_hands, NULL, 0, deadline);
	return result > 0 ? 0 : result == 0 ? -EPROTO : result;
}

int tls_accept(struct tls *t, SSL_CTX *context, int fd, sley_time deadline)
{
	int error = begin(t, context, fd);
	if (error)
		return error;
	SSL_set_accept_state(t->ssl);
	return handshake(t, deadline);
}

/* The name goes to the server too, which may have a certificate for each of several. */
int tls_connect(struct tls *t, SSL_CTX *context, int fd, const char *host, sley_time deadline)
{
	int error = begin(t, context, fd);
	if (error)
		return error;
	if (!SSL_set1_host(t->ssl, host) || !SSL_set_tlsext_host_name(t->ssl, host))
		return -ENOMEM;
	SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_connect_state(t->ssl);
	return handshake(t, deadline);
}

static int at_most_int(size_t n)
{
	return n < INT_MAX ? (int)n : INT_MAX;
}

ssize_t tls_read(struct tls *t, void *buffer, size_t n, sley_time deadline)
{
	return run(t, read_some, buffer, at_most_int(n), deadline);
}

/* SSL_write() of nothing is undefined. */
ssize_t tls_write(struct tls *t, const void *buffer, size_t n, sley_time deadline)
{
	return n == 0 ? 0 : run(t, write_all, (void *)(uintptr_t)buffer, at_most_int(n), deadline);
}

int tls_end(struct tls *t, sley_time deadline)
{
	char rest[512];
	ssize_t n = run(t, say_end, NULL, 0, deadline);
	while (n > 0)
		n = tls_read(t, rest, sizeof(rest), deadline);
	return (int)n;
}

/* Not close(): sley has waited for this number, and is to know that it becomes another file. */
void tls_close(struct tls *t)
{
	SSL_free(t->ssl);
	sley_close(t->fd);
}

const char *tls_reason(const struct tls *t)
{
	long refused = t->ssl ? SSL_get_verify_result(t->ssl) : X509_V_OK;
	const char *reason = t->error ? ERR_reason_error_string(t->error) : NULL;
	if (refused != X509_V_OK)
		return X509_verify_cert_error_string(refused);
	return reason ? reason : "the connection ended";
}
