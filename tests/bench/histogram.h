/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Durations in buckets of 1.6 %: 64 of them for each power of two, exact below 64 ns. A record costs an increment. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   64
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 36) /* up to 2^41 ns, 36 minutes; longer ones count as that */

struct histogram {
	uint64_t count, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t ns)
{
	unsigned shift, bucket;
	if (ns < HISTOGRAM_STEPS)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - 6;
	bucket = (shift + 1) * HISTOGRAM_STEPS + (unsigned)(ns >> shift) - HISTOGRAM_STEPS;
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of what a bucket holds. */
static inline double histogram_value(unsigned bucket)
{
	unsigned shift = bucket / HISTOGRAM_STEPS;
	if (shift == 0)
		return bucket;
	return ((double)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) + 0.5) * (double)(1ULL << (shift - 1));
}

static inline void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count++;
	h->buckets[histogram_bucket(ns)]++;
	if (ns > h->max)
		h->max = ns;
}

/* The smallest duration, ns, that at least `share` of all do not exceed; 0 if there is none. */
static inline double histogram_quantile(const struct histogram *h, double share)
{
	double rank = share * (double)h->count;
	uint64_t seen = 0;
	for (unsigned i = 0; h->count > 0 && i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > 0 && (double)seen >= rank) {
			double value = histogram_value(i);
			return value < (double)h->max ? value : (double)h->max;
		}
	}
	return 0;
}

#endif
