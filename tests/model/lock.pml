/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model of the runtime's lock (base/lock.h) and of the fence on its rare side (base/rare.h), for spin. model_test.sh runs
 * it. An inline has the name of the function of the runtime that it models. The processes: thread() takes and drops one lock
 * ROUNDS times; memory() empties the store buffers.
 *
 * The store of a drop stays in the thread's buffer, as on x86. Compare-and-swaps and additions wait until the buffer is
 * empty. What is done with a bucket's lock held is one step. A fence on the rare side empties the buffers of all threads one
 * after the other; what a thread does between two of its own steps is where the kernel's interrupt finds it.
 *
 * Asserted: one thread at a time holds the lock; at rest, when no thread can do a step, all have done their rounds, so that
 * nobody sleeps for ever, and nothing is left in the table and in `rare`. Sleeps have no limit.
 *
 * Not modelled: several locks in a bucket, memory of locks that goes, filters that come late.
 *
 * Sizes: THREADS, ROUNDS. With FENCED membarrier(2) is not there. Planted mistakes:
 *   NO_RARE_FENCE  The sleeper has a fence of its own, and none for the others.
 *   NO_OWN_FENCE   The same where membarrier(2) is not there: a drop has none.
 *   LATE_JOIN      The sleeper goes into the table after it has looked.
 *   SILENT         A woken sleeper that finds the lock held does not say that it sleeps again.
 *   NO_LOOK        A woken sleeper says that it sleeps again, and does not look once more.
 *   WAKES_NONE     Who sleeps when the lock goes from a sleeper to the next thread is forgotten: a drop wakes only if a
 *                  sleeper came since the last wake-up.
 */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define ASLEEP 1
#define WOKEN  2

byte word;
bool buffered[THREADS]; /* the store of 0 to the word */
byte rare;
byte state[THREADS];
chan sleepers = [THREADS] of { byte };
bool came; /* for WAKES_NONE */

/* ghosts */
byte holders, ended;

#define FLUSHED   (!buffered[me])
#define DRAIN(t)  d_step { buffered[t] -> buffered[t] = false; word = 0 }
#define LOAD_WORD (buffered[me] -> 0 : word)

#ifdef FENCED
#define RARE_ANY_FENCE FLUSHED
#else
#define RARE_ANY_FENCE true
#endif
#ifdef NO_OWN_FENCE
#undef RARE_ANY_FENCE
#define RARE_ANY_FENCE true
#endif

inline got()
{
	assert(holders == 0);
	word = 1;
	holders++
}

/* ---- base/rare.c ---- */

inline rare_fence()
{
	FLUSHED;
#if !defined(NO_RARE_FENCE) && !defined(FENCED)
	i = 0;
	do
	:: i < THREADS ->
		d_step {
			if
			:: buffered[i] -> buffered[i] = false; word = 0
			:: !buffered[i]
			fi;
			i++
		}
	:: i == THREADS -> i = 0; break
	od
#endif
}

/* ---- base/lock.c ---- */

inline sleeper_join()
{
	d_step { FLUSHED -> state[me] = ASLEEP; came = true; sleepers ! me }
}

inline lock_slow()
{
	d_step { FLUSHED -> rare++ };
#ifndef LATE_JOIN
	sleeper_join();
#endif
	rare_fence();
look:
	if
	:: d_step { FLUSHED && word == 0 -> got() }
	:: LOAD_WORD != 0 ->
#ifdef LATE_JOIN
		if
		:: state[me] == 0 -> sleeper_join()
		:: state[me] != 0
		fi;
#endif
sleep:		if
#ifdef SILENT
		:: state[me] == WOKEN -> false
#else
		:: d_step { state[me] == WOKEN && FLUSHED -> state[me] = ASLEEP; came = true };
#endif
#ifdef NO_LOOK
			goto sleep
#else
			goto look
#endif
		:: state[me] == ASLEEP ->
end_asleep:		state[me] != ASLEEP; /* in futex(2) */
			goto look
		fi
	fi;
	/* sleeper_leave() */
	d_step {
		FLUSHED ->
		state[me] = 0;
		if
		:: sleepers ?? [eval(me)] -> sleepers ?? eval(me)
		:: else
		fi
	};
	d_step { rare-- }
}

inline lock_take()
{
	if
	:: d_step { FLUSHED && word == 0 -> got() }
	:: LOAD_WORD != 0 -> lock_slow()
	fi
}

inline lock_wake()
{
	d_step {
		FLUSHED ->
		if
		:: sleepers ? [i] ->
			sleepers ? <i>;
			if
#ifdef WAKES_NONE
			:: state[i] == ASLEEP && came -> state[i] = WOKEN; came = false
#else
			:: state[i] == ASLEEP -> state[i] = WOKEN
#endif
			:: else
			fi;
			i = 0
		:: else
		fi
	}
}

inline lock_drop()
{
	d_step { assert(holders == 1); holders--; buffered[me] = true };
	if
	:: d_step { RARE_ANY_FENCE && rare == 0 -> skip }
	:: RARE_ANY_FENCE && rare != 0 -> lock_wake()
	fi
}

proctype thread(byte me)
{
	byte i, rounds;
	do
	:: rounds < ROUNDS ->
		lock_take();
		lock_drop();
		rounds++
	:: rounds == ROUNDS -> break
	od;
	ended++
}

proctype memory()
{
end_memory:
	do
	:: DRAIN(0)
	:: DRAIN(1)
#if THREADS > 2
	:: DRAIN(2)
#endif
#if THREADS > 3
	:: DRAIN(3)
#endif
	od
}

proctype quiet()
{
	timeout ->
	assert(ended == THREADS);
	assert(word == 0 && rare == 0 && empty(sleepers))
}

init {
	byte i;
	atomic {
		do
		:: i < THREADS -> run thread(i); i++
		:: i == THREADS -> break
		od;
		run memory();
		run quiet()
	}
}
