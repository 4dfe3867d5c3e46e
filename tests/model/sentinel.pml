/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model of the arming of sentinels (assist/sentinel.c), for spin. model_test.sh runs it. An inline has the name of the
 * function of the runtime that it models. One CPU, whose workers dispatch tasks of a site that was seen to block; its
 * sentinel, which the watchdog makes; and the memory. Threads have store buffers as in handover.pml.
 *
 * Asserted at rest, when no thread can do a step: each worker that is blocked is noted, and the sentinel sleeps.
 *
 * Not modelled: several CPUs, trust and times to confirm, naps (the sentinel looks again at once), sentinels that end.
 *
 * Sizes: WORKERS, and DISPATCHES of each of them. Planted mistakes: NO_ARM_FENCE, NO_REST_FENCE, NO_REST_LOOK, and
 * WANTED_FIRST (`wanted` is set before the word).
 */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef DISPATCHES
#define DISPATCHES 2
#endif

#define SENTINEL WORKERS
#define WATCHDOG (WORKERS + 1)
#define THREADS  (WORKERS + 2)
#define DEPTH    4

#define WORD     0
#define WANTED_  1
#define TICK(w)  (2 + 3 * (w))
#define MODE(w)  (3 + 3 * (w))
#define WHERE(w) (4 + 3 * (w))
#define WORDS    (2 + 3 * WORKERS)

/* values of WORD, and of MODE */
#define ABSENT  0
#define WANTED  1
#define ASLEEP  2
#define ARMED   3
#define RUNTIME 0
#define TASK    1

byte mem[WORDS];
typedef store_buffer {
	byte count;
	byte entry[DEPTH]
}
store_buffer sb[THREADS];

#define ENTRY(i) sb[me].entry[i]
#define LOAD(w) ((sb[me].count > 3 && ENTRY(3) >> 3 == (w)) -> (ENTRY(3) & 7) : \
		((sb[me].count > 2 && ENTRY(2) >> 3 == (w)) -> (ENTRY(2) & 7) : \
		((sb[me].count > 1 && ENTRY(1) >> 3 == (w)) -> (ENTRY(1) & 7) : \
		((sb[me].count > 0 && ENTRY(0) >> 3 == (w)) -> (ENTRY(0) & 7) : mem[w]))))
#define FLUSHED (sb[me].count == 0)
#define ROOM    (sb[me].count < DEPTH)
#define STORE(w, v) \
		ENTRY(sb[me].count) = (w) << 3 | (v); \
		sb[me].count++
#define DRAIN(t) \
	d_step { \
		sb[t].count > 0 -> \
		mem[sb[t].entry[0] >> 3] = sb[t].entry[0] & 7; \
		sb[t].entry[0] = sb[t].entry[1]; \
		sb[t].entry[1] = sb[t].entry[2]; \
		sb[t].entry[2] = sb[t].entry[3]; \
		sb[t].entry[3] = 0; \
		sb[t].count-- \
	}

bool note[WORKERS];    /* by the sentinel alone */
bool blocked[WORKERS]; /* what the state in /proc tells */
bool made, asleep;     /* the sentinel */

#ifdef NO_ARM_FENCE
#define ARM_FENCE true
#else
#define ARM_FENCE FLUSHED
#endif
#ifdef NO_REST_FENCE
#define REST_FENCE true
#else
#define REST_FENCE FLUSHED
#endif

/* ---- by the worker ---- */

inline sentinel_arm()
{
	d_step { ROOM -> STORE(WHERE(me), tick) };
	d_step { ARM_FENCE -> word = LOAD(WORD) };
	if
	:: word == ASLEEP ->
		d_step { FLUSHED ->
			if
			:: mem[WORD] == ASLEEP -> mem[WORD] = ARMED
			:: else
			fi
		}
	:: word == ABSENT ->
#ifdef WANTED_FIRST
		d_step { ROOM -> STORE(WANTED_, 1) };
#endif
		if
		:: d_step { FLUSHED && mem[WORD] == ABSENT -> mem[WORD] = WANTED };
#ifndef WANTED_FIRST
			d_step { ROOM -> STORE(WANTED_, 1) }
#endif
		:: d_step { FLUSHED && mem[WORD] != ABSENT -> skip }
		fi
	:: else
	fi;
	word = 0
}

proctype worker(byte me)
{
	byte tick, word;
	do
	:: tick < DISPATCHES ->
		d_step { ROOM -> tick++; STORE(TICK(me), tick) };
		d_step { ROOM -> STORE(MODE(me), TASK) };
		sentinel_arm();
		if
		:: d_step { FLUSHED -> blocked[me] = true }; /* a system call */
			if
			:: d_step { true -> blocked[me] = false }
			:: true -> break
			fi
		:: true
		fi;
		d_step { ROOM -> STORE(MODE(me), RUNTIME) };
		d_step { FLUSHED -> note[me] = false } /* blocked_back() */
	:: else -> break
	od
}

/* ---- the sentinel ---- */

/* yes: it is */
inline is_watched(w)
{
	d_step { at = LOAD(WHERE(w)) };
	if
	:: d_step { at != 0 && LOAD(TICK(w)) == at -> at = 0 };
		if
		:: d_step { LOAD(MODE(w)) == TASK && !note[w] -> yes = true }
		:: else -> yes = false
		fi
	:: else -> yes = false; at = 0
	fi
}

proctype sentinel(byte me)
{
	byte w, at;
	bool yes, watched;
	made;
look_around_cpu:
	watched = false;
	w = 0;
	do
	:: w < WORKERS ->
		is_watched(w);
		if
		:: yes ->
			if
			:: d_step { blocked[w] && FLUSHED -> note[w] = true }
			:: !blocked[w] -> watched = true
			fi
		:: else
		fi;
		w++
	:: else -> break
	od;
	if
	:: watched -> goto look_around_cpu
	:: else
	fi;
	/* rest() */
	d_step { ROOM -> STORE(WORD, ASLEEP); w = 0; yes = false };
#ifndef NO_REST_LOOK
	REST_FENCE;
	do
	:: w < WORKERS && !yes -> is_watched(w); w++
	:: else -> break
	od;
#endif
	if
	:: yes -> d_step { ROOM -> STORE(WORD, ARMED); yes = false }
	:: else -> d_step { FLUSHED -> asleep = true };
end_asleep:	d_step { mem[WORD] != ASLEEP -> asleep = false }
	fi;
	goto look_around_cpu
}

/* ---- by the watchdog ---- */

proctype watchdog(byte me)
{
end_rest:
	mem[WANTED_] == 1;
	d_step { FLUSHED -> mem[WANTED_] = 0 };
	if
	:: d_step { LOAD(WORD) == WANTED && FLUSHED -> mem[WORD] = ARMED; made = true }
	:: LOAD(WORD) != WANTED
	fi;
	goto end_rest
}

proctype memory()
{
	do
	:: DRAIN(0)
	:: DRAIN(1)
	:: DRAIN(2)
#if THREADS > 3
	:: DRAIN(3)
#endif
	od
}

proctype quiet()
{
	timeout ->
	assert(!blocked[0] || note[0]);
#if WORKERS > 1
	assert(!blocked[1] || note[1]);
#endif
	assert(!made || asleep)
}

init {
	byte i;
	atomic {
		do
		:: i < WORKERS -> run worker(i); i++
		:: else -> break
		od;
		i = 0;
		run sentinel(SENTINEL);
		run watchdog(WATCHDOG);
		run memory();
		run quiet()
	}
}
