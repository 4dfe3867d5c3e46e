/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>

#define DAY (24 * 60 * 60)

static bool extend(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool done = extension && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return done;
}

/* Issued by itself: the name of the issuer is its own, and so is the key that signs. */
static bool fill(X509 *certificate, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	return X509_set_version(certificate, X509_VERSION_3) &&
	       ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), DAY) && X509_set_pubkey(certificate, key) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0) &&
	       X509_set_issuer_name(certificate, name) &&
	       extend(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
	       extend(certificate, NID_subject_alt_name, "DNS:localhost") &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool write_pem(X509 *certificate, const char *path)
{
	FILE *file = fopen(path, "w");
	bool done = file && PEM_write_X509(file, certificate);
	return file && fclose(file) == 0 && done;
}

/* The context counts its own references to both. */
bool certificate_make(SSL_CTX *context, const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	bool done = key && certificate && fill(certificate, key) && SSL_CTX_use_certificate(context, certificate) &&
		    SSL_CTX_use_PrivateKey(context, key) && write_pem(certificate, path);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return done;
}
