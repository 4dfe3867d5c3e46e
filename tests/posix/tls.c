/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * OpenSSL, unchanged, over blocking sockets of its own (BIO_s_connect): many handshakes and transfers at once on two
 * threads, with its error queue, which is a thread-local. The server is OpenSSL on plain threads.
 */
#include "tests/posix/many.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define CLIENTS 100
#define LENGTH  200000

static SSL_CTX *server_context, *client_context;
static int listener;
static unsigned port;
static pthread_barrier_t all_connected;

/* A key and a certificate that it signs itself. */
static void make_server_context(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	REQUIRE(key && certificate);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
				   (const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	REQUIRE(X509_sign(certificate, key, EVP_sha256()) > 0);
	server_context = SSL_CTX_new(TLS_server_method());
	REQUIRE(server_context && SSL_CTX_use_certificate(server_context, certificate) == 1);
	REQUIRE(SSL_CTX_use_PrivateKey(server_context, key) == 1);
	client_context = SSL_CTX_new(TLS_client_method());
	REQUIRE(client_context != NULL);
	SSL_CTX_set_mode(client_context, SSL_MODE_AUTO_RETRY);
	EVP_PKEY_free(key);
	X509_free(certificate);
}

static void make_listener(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 2 * CLIENTS) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	port = ntohs(address.sin_port);
}

/* Sends back what it gets, when all clients are connected. To every other client it does not speak TLS. */
static void *serves(void *unused)
{
	unsigned char *bytes = malloc(LENGTH);
	char number;
	int fd = accept(listener, NULL, NULL), n = 0;
	REQUIRE(bytes && fd >= 0 && recv(fd, &number, 1, 0) == 1);
	if (number % 2) {
		pthread_barrier_wait(&all_connected);
		REQUIRE(send(fd, "this is not TLS", 15, MSG_NOSIGNAL) == 15);
	} else {
		SSL *ssl = SSL_new(server_context);
		REQUIRE(ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1);
		pthread_barrier_wait(&all_connected);
		while (n < LENGTH) {
			int part = SSL_read(ssl, bytes + n, LENGTH - n);
			REQUIRE(part > 0);
			n += part;
		}
		REQUIRE(SSL_write(ssl, bytes, LENGTH) == LENGTH);
		SSL_shutdown(ssl);
		SSL_free(ssl);
	}
	close(fd);
	free(bytes);
	return NULL;
}

static void transfers(SSL *ssl, unsigned i)
{
	unsigned char *sent = malloc(LENGTH), *received = malloc(LENGTH);
	int n = 0;
	REQUIRE(sent && received);
	for (unsigned k = 0; k < LENGTH; k++)
		sent[k] = (unsigned char)(i + k * 7 + k / 256);
	REQUIRE(SSL_write(ssl, sent, LENGTH) == LENGTH);
	while (n < LENGTH) {
		int part = SSL_read(ssl, received + n, LENGTH - n);
		REQUIRE(part > 0);
		n += part;
	}
	REQUIRE(memcmp(sent, received, LENGTH) == 0);
	free(sent);
	free(received);
}

static void connects(unsigned i)
{
	char address[64], number = (char)i;
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	BIO *bio = BIO_new_connect(address);
	SSL *ssl = SSL_new(client_context);
	REQUIRE(bio && ssl && BIO_do_connect(bio) == 1 && BIO_write(bio, &number, 1) == 1);
	SSL_set_bio(ssl, bio, bio);
	int result = SSL_connect(ssl);
	unsigned long error = ERR_get_error();
	if (i % 2 == 0) {
		REQUIRE(result == 1 && error == 0);
		transfers(ssl, i);
	} else {
		REQUIRE(result == -1 && ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER);
		ERR_clear_error();
	}
	SSL_free(ssl);
}

/* Handshakes that succeed and that fail, each with its own result and errors, and all the bytes. */
TEST(handshakes)
{
	pthread_t threads[CLIENTS];
	make_server_context();
	make_listener();
	assert_int_equal(pthread_barrier_init(&all_connected, NULL, CLIENTS), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, serves, NULL), 0);
	run_many(CLIENTS, connects, NULL, 100);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	close(listener);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
}
