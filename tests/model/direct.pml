/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A model of slots and of direct switches from task to task (run/worker.c, stack/slot.h), for spin. model_test.sh runs it.
 * An inline has the name of the function of the runtime that it models. The processes: worker() is the loop and the tasks
 * that it runs; claimant() makes tasks ready whose waits have begun, also before they have left their stacks.
 * A task that yields is made ready by its worker, after it has left.
 *
 * Tasks are tenants of slots: task t of slot t % SLOTS. Each leaves its stack TURNS times, to yield or to wait, and ends.
 * All are queued at worker 0 in the beginning, and the others steal.
 *
 * Asserted:
 *   - a stack is entered only with its slot held, by one worker at a time, by its resident, and when that task's context is
 *     saved whole;
 *   - a resident is exchanged only while no worker runs on that stack;
 *   - a slot is released by its holder, from another stack;
 *   - at rest, when no thread can do a step: all tasks have ended, so none was lost; no slot is held.
 *
 * Not modelled: weak orders of memory (slots, deques and run-next change hands by read-modify-writes), what makes a worker
 * go to its loop (it may do so at each turn), sleeping workers (handover.pml), the two lists of a slot's waiters.
 *
 * Sizes: TASKS, SLOTS, WORKERS, TURNS, FAILS (images for which there is no memory). Planted mistakes:
 *   EARLY_RELEASE  The slot that is left is released before the switch.
 *   HOLDS_BOTH     A worker waits for the slot of the next task, with that of its task held.
 *   RUNS_GRANTED   The loop runs a task that was granted the slot just left before one that is `chosen`.
 *   KEPT_EARLY     A task that yields and keeps its slot is queued before it has left its stack.
 *   LOSES_GRANT    A task for whose resident there is no memory is `chosen`, and nothing says that its slot is held.
 */

#ifndef TASKS
#define TASKS 3
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef TURNS
#define TURNS 1
#endif
#ifndef FAILS
#define FAILS 0
#endif

#define SLOT(t) ((t) % SLOTS)
#define SINGLE(s) ((s) + SLOTS >= TASKS) /* it has one tenant: slot_is_single() */
#define NONE    255
#define GRANTED WORKERS /* the holder of a slot that is held for a task in a queue */

mtype = { READY, RUNNING, WAITING, IN_SLOT, ENDED };
mtype state[TASKS] = READY;
bool saved[TASKS] = true; /* its context; a new task's is made */
bool started[TASKS], granted[TASKS];
byte turns[TASKS] = TURNS;

byte holder[SLOTS] = NONE;   /* of the slot's word */
byte resident[SLOTS] = NONE; /* protected by the slot */
chan waiters[2] = [TASKS] of { byte };

byte on[WORKERS] = NONE; /* the slot whose stack the worker runs on; NONE: its own stack */
chan deque[2] = [TASKS] of { byte };
chan global = [TASKS] of { byte };
byte next[WORKERS] = NONE; /* run-next */
byte fails = FAILS;
byte ended;

#define USES(w, s)   (on[w] == (s))
#define IN_USE(s)    (USES(0, s) || USES(1, s))
#define OTHER        (1 - me)

/* ---- stack/slot.c ---- */

/* Hands the slot on: `to` is the task that it is granted, or NONE. */
inline slot_release(s)
{
	d_step {
		assert(holder[s] == me && on[me] != (s));
		if
		:: waiters[s] ? to -> holder[s] = GRANTED
		:: empty(waiters[s]) -> holder[s] = NONE; to = NONE
		fi
	}
}

/* ---- run/worker.c: on another stack than that of t ---- */

inline leave_slot(t)
{
	if
	:: d_step { yields && SINGLE(SLOT(t)) ->
#ifndef KEPT_EARLY
			assert(holder[SLOT(t)] == me && on[me] != SLOT(t) && empty(waiters[SLOT(t)]));
			granted[t] = true;
			holder[SLOT(t)] = GRANTED;
#endif
			to = NONE
		}
	:: !(yields && SINGLE(SLOT(t))) -> slot_release(SLOT(t))
	fi
}

/* after what was granted: it is behind that */
inline queue_yielded(t)
{
	if
#ifdef KEPT_EARLY
	:: yields && SINGLE(SLOT(t))
	:: d_step { yields && !SINGLE(SLOT(t)) -> assert(state[t] == RUNNING); state[t] = READY; deque[me] ! t }
#else
	:: d_step { yields -> assert(state[t] == RUNNING); state[t] = READY; deque[me] ! t }
#endif
	:: !yields
	fi
}

/* fits: whether there was memory for the resident */
inline task_enter(t)
{
	if
	:: d_step { resident[SLOT(t)] == (t) -> fits = true }
	:: d_step { resident[SLOT(t)] != (t) -> /* slot_exchange() */
			assert(holder[SLOT(t)] == me && !IN_USE(SLOT(t)));
			assert(resident[SLOT(t)] == NONE || saved[resident[SLOT(t)]]);
			resident[SLOT(t)] = t;
			fits = true
		}
	:: d_step { resident[SLOT(t)] != (t) && resident[SLOT(t)] != NONE && fails > 0 -> fails--; fits = false }
	fi
}

/* ---- run/queue.c ---- */

/* A task that was in run-next goes to the deque. */
inline push_next(t)
{
	d_step { old = next[me]; next[me] = t };
	if
	:: d_step { old != NONE -> deque[me] ! old; old = NONE }
	:: old == NONE
	fi
}

/* Whoever `to` is. now: the worker runs it at once, unless it has done so too often. */
inline queue_granted(now)
{
	d_step { state[to] = READY; granted[to] = true };
	if
	:: (now) -> task = to
	:: (now) -> deque[me] ! to
	:: !(now) -> push_next(to)
	fi;
	to = NONE
}

/* taken: a task of this worker's queues, or NONE */
inline queue_take()
{
	if
	:: d_step { next[me] != NONE -> taken = next[me]; next[me] = NONE }
	:: next[me] == NONE ->
		if
		:: deque[me] ? taken
		:: empty(deque[me]) -> taken = NONE
		fi
	fi
}

/* ---- run/worker.c ---- */

inline begin_turn(t)
{
	d_step { assert(state[t] == READY); state[t] = RUNNING; started[t] = true }
}

/* The registers are those of the task from here on. */
inline switch_to(t)
{
	d_step {
		assert(holder[SLOT(t)] == me && resident[SLOT(t)] == (t) && saved[t] && !IN_USE(SLOT(t)));
		saved[t] = false;
		on[me] = SLOT(t)
	}
}

/* Called on the stack of `task`: it is saved, and not in use from here on. */
inline switch_from()
{
	d_step { saved[task] = true; on[me] = NONE }
}

/* partner: the task to switch to; `task` itself: it yields, and goes on; NONE: the loop is next. */
inline find_partner()
{
	partner = NONE;
	if
	:: true /* a duty is due */
	:: queue_take();
		if
		:: taken == NONE && !yields
		:: d_step { taken == NONE && yields -> state[task] = READY; partner = task }
		:: taken != NONE ->
			if
			:: !started[taken] -> chosen = taken
			:: started[taken] && granted[taken] ->
				d_step { granted[taken] = false; holder[SLOT(taken)] = me };
				partner = taken
			:: started[taken] && !granted[taken] ->
				if
				:: d_step { holder[SLOT(taken)] == NONE -> holder[SLOT(taken)] = me; partner = taken }
#ifndef HOLDS_BOTH
				:: holder[SLOT(taken)] != NONE -> chosen = taken
#endif
				fi
			fi;
			if
			:: partner == NONE
			:: partner != NONE ->
				task_enter(partner);
				if
				:: fits
				:: !fits -> chosen = partner;
					partner = NONE;
#ifndef LOSES_GRANT
					d_step { granted[chosen] = true; holder[SLOT(chosen)] = GRANTED }
#endif
				fi
			fi
		fi;
		taken = NONE;
		if
		:: partner != NONE -> begin_turn(partner)
		:: partner == NONE
		fi
	fi
}

proctype worker(byte me)
{
	byte task = NONE, taken = NONE, partner = NONE, chosen = NONE, left = NONE, to = NONE, old = NONE;
	bool fits, yields;
next_task:
	if
	:: chosen != NONE -> task = chosen; chosen = NONE
	:: chosen == NONE ->
		if
		:: d_step { next[me] != NONE -> task = next[me]; next[me] = NONE }
		:: deque[me] ? task
		:: global ? task
		:: deque[OTHER] ? task
		:: d_step { next[OTHER] != NONE -> task = next[OTHER]; next[OTHER] = NONE }
		:: ended == TASKS -> goto over
		fi
	fi;
task_run:
	/* task_hold_slot() */
	if
	:: d_step { granted[task] -> granted[task] = false; holder[SLOT(task)] = me }
	:: d_step { !granted[task] && holder[SLOT(task)] == NONE -> holder[SLOT(task)] = me }
	:: d_step { !granted[task] && holder[SLOT(task)] != NONE -> state[task] = IN_SLOT; waiters[SLOT(task)] ! task; task = NONE };
		goto next_task
	fi;
	task_enter(task);
	if
	:: fits
	:: !fits -> /* starved_add(), and the retry */
		slot_release(SLOT(task));
		global ! task;
		task = NONE;
		goto granted_next
	fi;
	begin_turn(task);
	switch_to(task);
in_task:
	if
#ifdef KEPT_EARLY
	:: d_step { turns[task] > 0 && SINGLE(SLOT(task)) ->
			turns[task]--;
			yields = true;
			granted[task] = true;
			holder[SLOT(task)] = GRANTED;
			state[task] = READY;
			deque[me] ! task
		}
#endif
	:: d_step { turns[task] > 0 -> turns[task]--; yields = true }
	:: d_step { turns[task] > 0 -> turns[task]--; yields = false; state[task] = WAITING }
	:: turns[task] == 0 ->
		d_step { state[task] = ENDED; ended++; yields = false };
		switch_from();
		resident[SLOT(task)] = NONE; /* slot_leave() */
		goto land
	fi;
	/* leave_stack() */
	find_partner();
	if
	:: partner == task -> goto in_task
	:: partner != NONE && partner != task ->
		left = task;
#ifdef EARLY_RELEASE
		d_step {
			if
			:: waiters[SLOT(left)] ? to -> holder[SLOT(left)] = GRANTED
			:: empty(waiters[SLOT(left)]) -> holder[SLOT(left)] = NONE; to = NONE
			fi
		};
#endif
		switch_from();
		switch_to(partner);
		task = partner;
		partner = NONE;
		/* land_partner() */
#ifndef EARLY_RELEASE
		leave_slot(left);
#endif
		if
		:: to == NONE
		:: to != NONE -> partner = task; queue_granted(false); task = partner; partner = NONE
		fi;
		queue_yielded(left);
		left = NONE;
		goto in_task
	:: partner == NONE -> switch_from()
	fi;
land:
	leave_slot(task);
	queue_yielded(task);
	task = NONE;
granted_next:
	if
	:: to == NONE
#ifdef RUNS_GRANTED
	:: to != NONE -> queue_granted(true)
#else
	:: to != NONE -> queue_granted(chosen == NONE)
#endif
	:: to != NONE -> queue_granted(false) /* a duty is due */
	fi;
	if
	:: task != NONE -> goto task_run
	:: task == NONE -> goto next_task
	fi;
over:	skip
}

#define CLAIM(t) d_step { state[t] == WAITING -> state[t] = READY; global ! t }

proctype claimant()
{
	do
	:: CLAIM(0)
	:: CLAIM(1)
#if TASKS > 2
	:: CLAIM(2)
#endif
#if TASKS > 3
	:: CLAIM(3)
#endif
	:: ended == TASKS -> break
	od
}

proctype quiet()
{
	byte s;
	timeout ->
	assert(ended == TASKS);
	do
	:: s < SLOTS -> assert(holder[s] == NONE && empty(waiters[s])); s++
	:: else -> break
	od
}

init {
	byte i;
	atomic {
		do
		:: i < TASKS -> deque[0] ! i; i++
		:: else -> break
		od;
		run worker(0);
		run worker(1);
		run claimant();
		run quiet()
	}
}
