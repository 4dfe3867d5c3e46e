/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A key and a certificate for "localhost" that a server makes for itself at each start: for examples and tests only. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <openssl/ssl.h>

/* Makes both, has the context use them, and writes the certificate (not the key) as PEM to `path`. False: OpenSSL's
 * error queue, or errno, says why. */
_Bool certificate_make(SSL_CTX *, const char *path);

#endif
