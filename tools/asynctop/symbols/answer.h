/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Answers as asynctop holds them: cleaned, only as long as their frames, cached by question. */
#ifndef ASYNCTOP_SYMBOLS_ANSWER_H
#define ASYNCTOP_SYMBOLS_ANSWER_H

#include "symbols/proto.h"

#define ANSWER_CACHE 1024 /* direct-mapped */

/* struct symbols_answer with as many frames as it has. */
struct kept_answer {
	uint64_t key;
	pid_t pid;
	enum symbols_kind kind;
	enum symbols_status status;
	bool truncated;
	int location;
	unsigned left_out;
	unsigned frames;
	struct symbols_frame frame[];
};

struct answer_cache {
	struct cached_answer {
		uint64_t digest;
		int64_t expires_ns;
		struct kept_answer *answer; /* NULL: empty */
	} entry[ANSWER_CACHE];
};

/* Ends the string, and replaces bytes that are not UTF-8 and control characters of both sets. */
void answer_clean(char *text, size_t size);

/*
 * A digest of all inputs of the answer. A process can make its own digests collide, but no other's: the process number
 * is compared too.
 */
uint64_t request_digest(const struct symbols_request *request);

/* The received answer, cleaned. The results of the following three are freed with free() and never NULL. */
struct kept_answer *answer_from(const struct message_answer *message, const struct symbols_request *request);

/* For a request that got no answer. */
struct kept_answer *answer_failed(const struct symbols_request *request, enum symbols_status status);

/* The same answer, for another question. */
struct kept_answer *answer_again(const struct kept_answer *answer, uint64_t key);

void answer_give(const struct kept_answer *from, struct symbols_answer *to);

const struct kept_answer *cache_find(const struct answer_cache *cache, uint64_t digest, pid_t pid, int64_t now);

/* Keeps a copy, unless the answer may be better next time. */
void cache_keep(struct answer_cache *cache, uint64_t digest, const struct kept_answer *answer, int64_t now);

/* Of one process, or of all with pid 0. */
void cache_forget(struct answer_cache *cache, pid_t pid);

#endif
