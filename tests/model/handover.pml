/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model of counting, hand-over and return (run/blocked.h, run/idle.c), for spin. model_test.sh runs it. An inline has
 * the name of the function of the runtime that it models. The processes: worker() is search_task() and what a task does;
 * watchdog() makes spares (run/workers.c) and notes blocked workers (assist/tick.c); plain() is a thread that submits;
 * memory() empties the store buffers.
 *
 * Each thread has a FIFO store buffer, as on x86. Loads read the own buffer first; fences, exchanges and additions wait
 * until it is empty. The release of a lock is a store in the buffer: weaker than the exchange of lock_drop() on x86.
 * Orders that are weaker in other ways are not modelled. An atomic step has one access to shared memory that another
 * thread could interfere with; lock-protected words and own stores are read and written together with the lock.
 * Exceptions, all guesses: the words of idle_spin_begin(); an awake bit is read with the deque to which it belongs.
 *
 * Asserted:
 *   - when a task begins, running <= target + returning. A worker returns from the end of its block, its wake-up or its
 *     start until its next task, and while it runs with a note. A worker that said that it blocks does not run;
 *   - a worker is in the idle list at most once; no counter is negative; no spare is made beyond the records;
 *   - at rest, when no thread can do a step: no task is queued unless all workers are blocked; nobody spins; `sleeping`
 *     is the length of the list, and `blocked` is the number of blocked workers, so no note is left of another block.
 * Tasks are finite, so "is run in the end" is "is not queued at rest". A run without a rest is not searched for.
 *
 * Not modelled: run-next, inbox, timers, the reactor and its poller, hogs, ends of spares, the looks of the watchdog at
 * stuck workers, pauses of replacement. A worker searches in one round. How sentinels come to look: sentinel.pml.
 *
 * Sizes: TARGET, WORKERS (records), READY (threads at the beginning), OUTSIDE and PUSHES (tasks from plain() and from
 * tasks), TOLD and BLOCKS (blocks that the task tells, and that the tick finds), REFUSALS (of spares). With SENTINEL it
 * is a sentinel that finds the blocks: it takes no lock to wake a worker (idle_wake_unlocked()).
 *
 * Planted mistakes: NO_PUSH_FENCE, NO_JOIN_LOOK, LATE_COUNT (a spare counts only once it runs), EARLY_HINTS (a sentinel
 * reads whom it may wake before it notes), WORD_STAYS (a note that ends at a push is not counted any more, but its word
 * stays); and four faults that the runtime had until this model found them:
 *   NOTE_STAYS        The tick notes a worker whose block has ended meanwhile and that sleeps: `blocked` has it until it is
 *                     woken. The mend: the note wakes a sleeper, and a worker with a note does not fall asleep.
 *   SURPLUS_SEARCHES  A note is cleared in find_elsewhere(), which did not look for a surplus: the worker took one more
 *                     task from others. The mend: a surplus worker does not search, and falls asleep.
 */

#ifndef TARGET
#define TARGET 2
#endif
#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef READY
#define READY TARGET
#endif
#ifndef OUTSIDE
#define OUTSIDE 1
#endif
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef TOLD
#define TOLD 0
#endif
#ifndef BLOCKS
#define BLOCKS 1
#endif
#ifndef REFUSALS
#define REFUSALS 0
#endif

#define WATCHDOG WORKERS
#define PLAIN    (WORKERS + 1)
#define THREADS  (WORKERS + 2)
#ifdef SENTINEL
#define DEPTH    6
#else
#define DEPTH    4
#endif

/* ---- memory ---- */

#define IDLE_LOCK   0
#define QUEUE_LOCK  1
#define SLEEPING    2
#define STARTED     3
#define GLOBAL      4
#define AWAKE       5
#define TAIL(w)     (6 + (w))
#define FIRST       (6 + WORKERS)
#define SECOND      (7 + WORKERS)
#define WORDS       (8 + WORKERS)

byte mem[WORDS];
typedef store_buffer {
	byte count;
	byte entry[DEPTH]
}
store_buffer sb[THREADS];

#define ENTRY(i)  sb[me].entry[i]
#ifdef SENTINEL
#define LOAD(w) ((sb[me].count > 5 && ENTRY(5) >> 3 == (w)) -> (ENTRY(5) & 7) : \
		((sb[me].count > 4 && ENTRY(4) >> 3 == (w)) -> (ENTRY(4) & 7) : LOAD4(w)))
#define HINTS STORE(FIRST, list[0]); STORE(SECOND, list[1]);
#define SHIFT(t) sb[t].entry[3] = sb[t].entry[4]; sb[t].entry[4] = sb[t].entry[5]; sb[t].entry[5] = 0;
#else
#define LOAD(w) LOAD4(w)
#define HINTS
#define SHIFT(t) sb[t].entry[3] = 0;
#endif
#define LOAD4(w) ((sb[me].count > 3 && ENTRY(3) >> 3 == (w)) -> (ENTRY(3) & 7) : \
		((sb[me].count > 2 && ENTRY(2) >> 3 == (w)) -> (ENTRY(2) & 7) : \
		((sb[me].count > 1 && ENTRY(1) >> 3 == (w)) -> (ENTRY(1) & 7) : \
		((sb[me].count > 0 && ENTRY(0) >> 3 == (w)) -> (ENTRY(0) & 7) : mem[w]))))
#define FLUSHED (sb[me].count == 0)
/* in an atomic step */
#define STORE(w, v) \
		assert(sb[me].count < DEPTH); \
		ENTRY(sb[me].count) = (w) << 3 | (v); \
		sb[me].count++
#define CAN_TAKE(lock) (FLUSHED && mem[lock] == 0)

#define DRAIN(t) \
	d_step { \
		sb[t].count > 0 -> \
		mem[sb[t].entry[0] >> 3] = sb[t].entry[0] & 7; \
		sb[t].entry[0] = sb[t].entry[1]; \
		sb[t].entry[1] = sb[t].entry[2]; \
		sb[t].entry[2] = sb[t].entry[3]; \
		SHIFT(t) \
		sb[t].count-- \
	}

/* changed by RMW or seq_cst stores, or read by one thread only */
byte blocked, spinning, head[WORKERS];
bool parked[WORKERS], note[WORKERS], due[WORKERS];

/* protected by the idle lock */
byte list[3];
bool listed[WORKERS];

bool spins[WORKERS];

/* ghosts */
mtype = { ABSENT, RUNTIME, TASK, ANNOUNCED, BLOCKED };
mtype doing[WORKERS] = ABSENT;
bool returning[WORKERS];
byte noting; /* the watchdog's note under way: of this worker + 1 */
byte outside = OUTSIDE, pushes = PUSHES, told = TOLD, blocks = BLOCKS, refusals = REFUSALS;

/* ---- run/idle.c ---- */

inline idle_may_wake(order)
{
	if
	:: d_step { (order) && LOAD(SLEEPING) == 0 -> yes = false }
	:: d_step { (order) && LOAD(SLEEPING) != 0 -> s = LOAD(SLEEPING) };
		d_step { yes = LOAD(STARTED) < TARGET + s + blocked; s = 0 }
	fi
}

inline idle_is_surplus()
{
	d_step { s = LOAD(SLEEPING) + TARGET };
	d_step { yes = LOAD(STARTED) > s + blocked; s = 0 }
}

#define LOCKED_MAY_WAKE   (mem[SLEEPING] > 0 && mem[STARTED] < TARGET + mem[SLEEPING] + blocked)
#define LOCKED_IS_SURPLUS (mem[STARTED] > TARGET + mem[SLEEPING] + blocked)

inline link_worker()
{
	assert(!listed[me]);
	listed[me] = true;
	list[2] = list[1];
	list[1] = list[0];
	list[0] = me + 1;
	parked[me] = true;
	STORE(AWAKE, mem[AWAKE] & ~(1 << me));
	HINTS
	STORE(SLEEPING, mem[SLEEPING] + 1)
}

inline unlink_worker(w)
{
	assert(listed[w]);
	listed[w] = false;
	if
	:: list[0] == (w) + 1 -> list[0] = list[1]; list[1] = list[2]
	:: list[1] == (w) + 1 -> list[1] = list[2]
	:: else
	fi;
	list[2] = 0;
	returning[w] = true;
	STORE(AWAKE, mem[AWAKE] | 1 << (w));
	HINTS
	assert(mem[SLEEPING] > 0);
	STORE(SLEEPING, mem[SLEEPING] - 1)
}

inline idle_wake()
{
	if
	:: d_step { CAN_TAKE(IDLE_LOCK) && !LOCKED_MAY_WAKE -> skip }
	:: d_step { CAN_TAKE(IDLE_LOCK) && LOCKED_MAY_WAKE ->
			mem[IDLE_LOCK] = 1;
			o = list[0] - 1;
			unlink_worker(o)
		};
		d_step { FLUSHED -> spins[o] = true; spinning++; STORE(IDLE_LOCK, 0) };
		d_step { FLUSHED -> parked[o] = false; o = 0 }
	fi
}

#ifdef NO_PUSH_FENCE
#define PUSH_FENCE true
#else
#define PUSH_FENCE FLUSHED
#endif
inline idle_notify()
{
	idle_may_wake(PUSH_FENCE);
	if
	:: !yes
	:: d_step { yes && spinning > 0 -> yes = false }
	:: d_step { yes && spinning == 0 -> yes = false };
		idle_wake()
	fi
}

#define HAS(w) ((LOAD(AWAKE) >> (w) & 1) && LOAD(TAIL(w)) > head[w])
#define LAST   (me == WORKERS - 1 -> WORKERS - 2 : WORKERS - 1)
#define AFTER(o) ((o) + 1 == me -> (o) + 2 : (o) + 1)

inline work_for_all(order)
{
	if
	:: d_step { (order) && LOAD(GLOBAL) > 0 -> yes = true }
	:: d_step { (order) && LOAD(GLOBAL) == 0 -> yes = false; o = (me == 0 -> 1 : 0) };
		do
		:: atomic { HAS(o) -> yes = true; o = 0; break }
		:: d_step { o != LAST && !HAS(o) -> o = AFTER(o) }
		:: atomic { o == LAST && !HAS(o) -> o = 0; break }
		od
	fi
}

inline idle_notify_worker(w)
{
	if
	:: d_step { CAN_TAKE(IDLE_LOCK) && !listed[w] -> skip }
	:: d_step { CAN_TAKE(IDLE_LOCK) && listed[w] ->
			mem[IDLE_LOCK] = 1;
			unlink_worker(w);
			STORE(IDLE_LOCK, 0)
		};
		d_step { FLUSHED -> parked[w] = false }
	fi
}

inline idle_spin_begin()
{
	if
	:: d_step { spins[me] -> yes = true }
	:: d_step { !spins[me] && 2 * spinning >= LOAD(STARTED) - LOAD(SLEEPING) -> yes = false }
	:: d_step { !spins[me] && 2 * spinning < LOAD(STARTED) - LOAD(SLEEPING) -> yes = true };
		d_step { FLUSHED -> spins[me] = true; spinning++ }
	fi
}

inline idle_spin_end(found)
{
	d_step {
		FLUSHED ->
		assert(spinning > 0);
		spins[me] = false;
		yes = found && spinning == 1;
		spinning--
	};
	if
	:: !yes
	:: else ->
		idle_may_wake(true);
		if
		:: !yes
		:: else ->
			work_for_all(FLUSHED);
			if
			:: !yes
			:: else -> idle_notify()
			fi
		fi
	fi
}

inline work_there(order)
{
	if
#ifndef NOTE_STAYS
	:: d_step { (order) && note[me] -> yes = true }
	:: (order) && !note[me] ->
#else
	:: true ->
#endif
		idle_may_wake(order);
		if
		:: !yes
		:: else -> work_for_all(true)
		fi
	fi
}

inline idle_leave()
{
	if
#ifdef SENTINEL
	:: d_step { CAN_TAKE(IDLE_LOCK) && listed[me] && !parked[me] ->
			mem[IDLE_LOCK] = 1;
			unlink_worker(me)
		};
		d_step { FLUSHED -> spins[me] = true; spinning++; STORE(IDLE_LOCK, 0) }
	:: d_step { CAN_TAKE(IDLE_LOCK) && listed[me] && parked[me] ->
#else
	:: d_step { CAN_TAKE(IDLE_LOCK) && listed[me] ->
#endif
			mem[IDLE_LOCK] = 1;
			unlink_worker(me);
			STORE(IDLE_LOCK, 0)
		}
	:: d_step { CAN_TAKE(IDLE_LOCK) && !listed[me] -> skip }
	fi;
#ifndef LATE_LEAVE_FENCE
	FLUSHED;
#endif
	idle_is_surplus();
	d_step { FLUSHED -> due[me] = due[me] || yes; yes = false }
}

inline idle_wait()
{
	d_step { CAN_TAKE(IDLE_LOCK) ->
		mem[IDLE_LOCK] = 1;
		link_worker();
		STORE(IDLE_LOCK, 0)
	};
#ifdef NO_JOIN_LOOK
	yes = false;
#elif defined(NO_JOIN_FENCE)
	work_there(true);
#else
	work_there(FLUSHED);
#endif
	if
	:: d_step { yes -> yes = false }
	:: d_step { !yes && FLUSHED && !parked[me] -> skip }
	fi;
	idle_leave()
}

/* yes: it has slept, or might have */
inline idle_step_back()
{
	if
	:: d_step { CAN_TAKE(IDLE_LOCK) && !LOCKED_IS_SURPLUS -> yes = false }
	:: d_step { CAN_TAKE(IDLE_LOCK) && LOCKED_IS_SURPLUS ->
			mem[IDLE_LOCK] = 1;
			link_worker();
			STORE(IDLE_LOCK, 0)
		};
#ifdef NO_STEP_BACK_LOOK
		yes = false;
#else
		work_there(FLUSHED);
#endif
		if
		:: d_step { yes -> yes = false }
		:: d_step { !yes && FLUSHED && !parked[me] -> skip }
		fi;
		idle_leave();
		yes = true
	fi
}

/* ---- run/blocked.c ---- */

inline blocked_work_waits(order)
{
	if
	:: d_step { me < WORKERS && (order) && LOAD(TAIL(me)) > head[me] -> yes = true }
	:: else -> work_for_all(order)
	fi
}

inline read_hints()
{
	d_step { first = LOAD(FIRST) };
	d_step { second = LOAD(SECOND) }
}

inline idle_wake_unlocked()
{
#ifndef EARLY_HINTS
	read_hints();
#endif
	if
	:: d_step { first > 0 && parked[first - 1] -> o = first }
	:: d_step { !(first > 0 && parked[first - 1]) -> skip };
		if
		:: d_step { second > 0 && parked[second - 1] -> o = second }
		:: d_step { !(second > 0 && parked[second - 1]) -> skip }
		fi
	fi;
	if
	:: o > 0 -> d_step { FLUSHED -> parked[o - 1] = false; o = 0 }
	:: else
	fi;
	d_step { first = 0; second = 0 }
}

#ifdef SENTINEL
#define FIND(w) put_note_unlocked(w)
#else
#define FIND(w) put_note(w)
#endif
inline put_note_unlocked(w)
{
#ifdef EARLY_HINTS
	read_hints();
#endif
	d_step { FLUSHED -> blocked++; noting = w + 1 };
	if
	:: d_step { FLUSHED && note[w] -> blocked--; noting = 0 }
	:: d_step { FLUSHED && !note[w] -> note[w] = true; noting = 0 };
		d_step { FLUSHED -> due[w] = true };
		if
		:: LOAD(AWAKE) >> (w) & 1
		:: else -> d_step { FLUSHED -> parked[w] = false }
		fi;
		idle_may_wake(true);
		if
		:: !yes
		:: else ->
			blocked_work_waits(true);
			if
			:: !yes
			:: else -> yes = false; idle_wake_unlocked()
			fi
		fi
	fi
}

inline put_note(w)
{
	d_step { FLUSHED ->
		blocked++;
		if
		:: w == me -> doing[w] = ANNOUNCED
		:: else -> noting = w + 1
		fi
	};
	if
	:: d_step { FLUSHED && note[w] -> skip };
		d_step { FLUSHED -> blocked--; noting = (w == me -> noting : 0) }
	:: d_step { FLUSHED && !note[w] -> note[w] = true; noting = (w == me -> noting : 0) };
		d_step { FLUSHED -> due[w] = true };
#ifndef NOTE_STAYS
		if
		:: LOAD(AWAKE) >> (w) & 1
		:: else -> idle_notify_worker(w)
		fi;
#endif
		idle_may_wake(true);
		if
		:: !yes
		:: else ->
			blocked_work_waits(true);
			if
			:: !yes
			:: else -> yes = false; idle_wake()
			fi
		fi
	fi
}

inline blocked_back()
{
	if
	:: !note[me]
	:: d_step { note[me] -> returning[me] = true; note[me] = false };
		d_step { FLUSHED -> assert(blocked > 0); blocked-- }
	fi
}

/* At a push: the task runs, so its block is over. */
inline end_own_note()
{
	if
	:: blocked == 0 || !note[me]
#ifdef WORD_STAYS
	:: d_step { note[me] && FLUSHED -> blocked-- }
#else
	:: else -> blocked_back();
#ifndef END_WITHOUT_DUE
		d_step { FLUSHED -> due[me] = true }
#endif
#endif
	fi
}

#define WANTS_SPARE (LOAD(STARTED) < WORKERS && LOAD(STARTED) - TARGET <= blocked)

/* ---- run/queue.c, run/steal.c ---- */

inline global_put(n)
{
	d_step { CAN_TAKE(QUEUE_LOCK) ->
		mem[QUEUE_LOCK] = 1;
		STORE(GLOBAL, mem[GLOBAL] + n);
		STORE(QUEUE_LOCK, 0)
	}
}

/* yes: a task to run */
inline take_share()
{
	if
	:: d_step { LOAD(GLOBAL) == 0 -> yes = false }
	:: LOAD(GLOBAL) > 0 ->
		d_step { CAN_TAKE(QUEUE_LOCK) ->
			s = mem[GLOBAL];
			if
			:: s > 0 ->
				mem[QUEUE_LOCK] = 1;
				s = (s / TARGET + 1 < s -> s / TARGET + 1 : s);
				yes = true;
				STORE(GLOBAL, mem[GLOBAL] - s);
				STORE(QUEUE_LOCK, 0);
				if
				:: s > 1 -> STORE(TAIL(me), mem[TAIL(me)] + s - 1)
				:: else
				fi
			:: else -> yes = false
			fi;
			s = 0
		}
	fi
}

inline deque_pop()
{
	if
	:: d_step { LOAD(TAIL(me)) == head[me] -> yes = false }
	:: d_step { FLUSHED && mem[TAIL(me)] > head[me] -> head[me]++; yes = true }
	fi
}

inline steal()
{
	o = (me == 0 -> 1 : 0);
	do
	:: atomic { FLUSHED && HAS(o) ->
			s = mem[TAIL(o)] - head[o];
			s = s - s / 2;
			head[o] = head[o] + s;
			yes = true;
			if
			:: s > 1 -> STORE(TAIL(me), mem[TAIL(me)] + s - 1)
			:: else
			fi;
			s = 0;
			o = 0;
			break
		}
	:: d_step { o != LAST && !HAS(o) -> o = AFTER(o) }
	:: atomic { o == LAST && !HAS(o) -> yes = false; o = 0; break }
	od
}

/* yes: it has slept */
inline step_back()
{
	idle_is_surplus();
	if
	:: !yes
	:: else ->
		do
		:: d_step { FLUSHED && mem[TAIL(me)] > head[me] ->
				s = mem[TAIL(me)] - head[me];
				s = s - s / 2;
				head[me] = head[me] + s
			};
			global_put(s);
			s = 0
		:: atomic { LOAD(TAIL(me)) == head[me] -> break }
		od;
		if
		:: spins[me] -> idle_spin_end(false)
		:: else
		fi;
		idle_step_back()
	fi
}

inline worker_poll()
{
	d_step { FLUSHED -> due[me] = false };
	blocked_back()
}

/* What a task does. */
inline run_task()
{
	do
	:: d_step { pushes > 0 -> pushes--; STORE(TAIL(me), LOAD(TAIL(me)) + 1) };
		end_own_note();
		idle_notify()
	:: d_step { blocks > 0 && FLUSHED -> blocks--; doing[me] = BLOCKED }; /* the switch is a fence */
		if
		:: d_step { true -> doing[me] = TASK; returning[me] = true }
		:: true -> false
		fi
	:: d_step { told > 0 -> told-- };
		put_note(me);
		doing[me] = BLOCKED;
		if
		:: d_step { true -> doing[me] = TASK; returning[me] = true }
		:: true -> false
		fi;
		blocked_back()
	:: atomic { true -> doing[me] = RUNTIME; yes = false; break }
	od
}

inline idle_add(w)
{
	d_step { CAN_TAKE(IDLE_LOCK) ->
		mem[IDLE_LOCK] = 1;
		STORE(AWAKE, mem[AWAKE] | 1 << (w));
		STORE(STARTED, mem[STARTED] + 1);
		STORE(IDLE_LOCK, 0)
	}
}

inline idle_drop(w)
{
	d_step { CAN_TAKE(IDLE_LOCK) ->
		mem[IDLE_LOCK] = 1;
		STORE(AWAKE, mem[AWAKE] & ~(1 << (w)));
		STORE(STARTED, mem[STARTED] - 1);
		STORE(IDLE_LOCK, 0)
	}
}

#if WORKERS > 2
#define THIRD(x) + x
#else
#define THIRD(x)
#endif
#define NOTED(w) (note[w] || noting == (w) + 1)
#define RUNS(w)  (doing[w] != ABSENT && !listed[w] && doing[w] != ANNOUNCED && !(NOTED(w) && doing[w] == BLOCKED))
#define COMES(w) (RUNS(w) && (returning[w] || NOTED(w)))

proctype worker(byte me)
{
	byte s, o;
	bool yes;
	if
	:: me == 0 -> goto in_task
	:: me > 0 && me < READY && !parked[me] -> goto asleep
	:: me >= READY && doing[me] == RUNTIME ->
#ifdef LATE_COUNT
		idle_add(me);
#endif
		goto look
	fi;
look_around:
	if
	:: !due[me]
	:: due[me] ->
look:		worker_poll();
		step_back();
		if
		:: yes -> yes = false; goto look_around
		:: else
		fi
	fi;
	deque_pop();
	if
	:: yes -> goto found
	:: else
	fi;
	take_share();
	if
	:: yes -> goto found
	:: else
	fi;
	worker_poll();
#ifndef SURPLUS_SEARCHES
	idle_is_surplus();
#else
	yes = false;
#endif
	if
	:: yes -> yes = false
	:: else -> idle_spin_begin()
	fi;
	if
	:: !yes
	:: else ->
		steal();
		if
		:: yes
		:: else -> take_share()
		fi;
		if
		:: yes -> idle_spin_end(true); yes = true
		:: else -> idle_spin_end(false)
		fi
	fi;
found:
	if
	:: spins[me] ->
		if
		:: yes -> idle_spin_end(true); yes = true
		:: else -> idle_spin_end(false)
		fi
	:: else
	fi;
	if
	:: d_step { yes ->
			yes = false;
			doing[me] = TASK;
			returning[me] = false;
			assert(RUNS(0) + RUNS(1) THIRD(RUNS(2)) <= TARGET + COMES(0) + COMES(1) THIRD(COMES(2)))
		};
in_task:		run_task()
	:: else ->
		idle_wait();
		goto look_around;
asleep:		idle_leave()
	fi;
	goto look_around
}

proctype plain(byte me)
{
	byte s, o;
	bool yes;
	do
	:: d_step { outside > 0 -> outside-- };
		global_put(1);
		idle_notify()
	:: outside == 0 -> break
	od
}

proctype watchdog(byte me)
{
	byte s, o, w, first, second;
	bool yes;
	do
	:: d_step { WANTS_SPARE && FLUSHED ->
			do
			:: w < WORKERS && doing[w] != ABSENT -> w++
			:: else -> break
			od;
			assert(w < WORKERS) /* no more are made than may be */
		};
#ifndef LATE_COUNT
		idle_add(w);
#endif
		if
		:: d_step { refusals > 0 -> refusals-- };
			idle_drop(w);
#ifndef NO_DROP_NOTIFY
			idle_notify();
#endif
			w = 0
		:: d_step { FLUSHED -> doing[w] = RUNTIME; returning[w] = true; w = 0 } /* pthread_create() */
		fi
	:: d_step { doing[0] == BLOCKED && !note[0] -> w = 0 }; FIND(w); w = 0
	:: d_step { doing[1] == BLOCKED && !note[1] -> w = 1 }; FIND(w); w = 0
#if WORKERS > 2
	:: d_step { doing[2] == BLOCKED && !note[2] -> w = 2 }; FIND(w); w = 0
#endif
	od
}

proctype memory()
{
	do
	:: DRAIN(0)
	:: DRAIN(1)
	:: DRAIN(2)
	:: DRAIN(3)
#if THREADS > 4
	:: DRAIN(4)
#endif
	od
}

#define LEFT(w)   (mem[TAIL(w)] - head[w])
#define LEFT_ALL  (mem[GLOBAL] + LEFT(0) + LEFT(1) THIRD(LEFT(2)))
#define COULD(w)  (doing[w] == RUNTIME || doing[w] == TASK)
#define STUCK(w)  (doing[w] == BLOCKED)

proctype quiet()
{
	timeout ->
	assert(LEFT_ALL == 0 || COULD(0) + COULD(1) THIRD(COULD(2)) == 0);
	assert(spinning == 0);
	assert(mem[SLEEPING] == listed[0] + listed[1] THIRD(listed[2]));
	assert(blocked == STUCK(0) + STUCK(1) THIRD(STUCK(2)))
}

init {
	byte i;
	d_step {
		mem[STARTED] = READY;
		mem[AWAKE] = 1;
		doing[0] = TASK;
		i = READY - 1;
		do
		:: i > 0 -> doing[i] = RUNTIME; listed[i] = true; parked[i] = true; list[READY - 1 - i] = i + 1;
			mem[SLEEPING]++; i--
		:: else -> break
		od;
		mem[FIRST] = list[0];
		mem[SECOND] = list[1]
	};
	atomic {
		do
		:: i < WORKERS -> run worker(i); i++
		:: else -> break
		od;
		i = 0;
#if TOLD + BLOCKS > 0
		run watchdog(WATCHDOG);
#endif
#if OUTSIDE > 0
		run plain(PLAIN);
#endif
		run memory();
		run quiet()
	}
}
