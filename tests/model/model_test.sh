# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The models of hand-over (handover.pml), of arming sentinels (sentinel.pml), of direct switches (direct.pml) and of the
# runtime's lock (lock.pml): their properties hold, and planted mistakes are found. Each search prints its states,
# transitions and depth.

. tests/check/suite.sh

model=$PWD/tests/model/handover.pml
alone="-DTARGET=1 -DWORKERS=2" # one worker that runs, and a spare

# search SIZES...: searches all states, into $scratch/report. -O0: at these sizes compiling costs more than the search.
search() {
	(
		cd "$scratch"
		cp "$model" model.pml
		spin "$@" -a model.pml
		gcc -O0 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=3000 -o pan pan.c
		./pan -E -n -m100000
	) >"$scratch/report" 2>&1 || :
	grep -E "states, stored|transitions|depth reached" "$scratch/report" || {
		cat "$scratch/report"
		fail "no search"
	}
}

# holds SIZES...: the search is whole, and finds nothing.
holds() {
	search "$@"
	! grep -E "assertion violated|not completed|too small|reached -DMEMLIM" "$scratch/report" || fail "not proved"
	contains "$scratch/report" "errors: 0"
}

# finds ASSERTION SIZES...: the search finds that this is violated.
finds() {
	local assertion=$1
	shift
	search "$@"
	contains "$scratch/report" "assertion violated $assertion"
}

# The same with the other models.
arming() {
	local model=$PWD/tests/model/sentinel.pml
	"$@"
}
switching() {
	local model=$PWD/tests/model/direct.pml
	"$@"
}

locking() {
	local model=$PWD/tests/model/lock.pml
	"$@"
}

# Two workers and a plain thread: what is pushed is run.
pushed_work_is_run() {
	holds -DWORKERS=2 -DBLOCKS=0
}

# A task says that it blocks while a spare sleeps.
told_block_is_handed_over() {
	holds $alone -DREADY=2 -DTOLD=1 -DBLOCKS=0
}

# The same while the spare is still to be made.
spare_is_made() {
	holds $alone -DREADY=1 -DTOLD=1 -DBLOCKS=0 -DPUSHES=0
}

# The tick finds the block.
found_block_is_handed_over() {
	holds $alone -DREADY=2 -DBLOCKS=1 -DOUTSIDE=0
}

# A sentinel finds it, which takes no lock.
sentinel_hands_over() {
	holds $alone -DREADY=2 -DBLOCKS=1 -DOUTSIDE=0 -DSENTINEL
}

# What blocks in a dispatch that armed a sentinel is noted.
armed_block_is_noted() {
	arming holds
}

# Three tasks on two stacks, and two workers: each runs to its end, on its own stack. The same when memory is short.
direct_switches_lose_nothing() {
	switching holds
	switching holds -DTASKS=2 -DSLOTS=1 -DTURNS=2 -DFAILS=1
}

# Three threads at one lock: nobody sleeps for ever, with membarrier(2) and without it.
lock_wakes_its_sleepers() {
	locking holds
	locking holds -DFENCED
}

# Planted: idle_notify() without its fence.
missing_fence_is_found() {
	finds "((((mem[4]" -DWORKERS=2 -DBLOCKS=0 -DNO_PUSH_FENCE
}

# Planted: a worker does not look again after it has joined the list.
missing_look_is_found() {
	finds "((((mem[4]" -DWORKERS=2 -DBLOCKS=0 -DNO_JOIN_LOOK
}

# Planted: a spare counts as running only once it runs.
late_count_is_found() {
	finds "(w<2)" $alone -DREADY=1 -DTOLD=1 -DBLOCKS=0 -DPUSHES=0 -DLATE_COUNT
}

# Planted: a note of a worker that sleeps stays.
note_of_sleeper_is_found() {
	finds "(blocked==" $alone -DREADY=2 -DBLOCKS=1 -DOUTSIDE=0 -DNOTE_STAYS
}

# Planted: a surplus worker searches, and takes one more task.
surplus_that_searches_is_found() {
	finds "((((((doing[0]" $alone -DREADY=2 -DBLOCKS=1 -DSURPLUS_SEARCHES
}

# Planted: a sentinel reads whom it may wake before it notes.
early_hints_are_found() {
	finds "((((mem[4]" $alone -DREADY=1 -DBLOCKS=1 -DOUTSIDE=0 -DSENTINEL -DEARLY_HINTS
}

# Planted: the word of a note that ends at a push stays.
word_that_stays_is_found() {
	finds "(blocked>0)" $alone -DREADY=2 -DBLOCKS=1 -DOUTSIDE=0 -DWORD_STAYS
}

# Planted: a note ends at a push, and poll_due is left to the thread that made it.
end_without_due_is_found() {
	finds "((((((doing[0]" $alone -DREADY=2 -DBLOCKS=1 -DEND_WITHOUT_DUE
}

# Planted: arming without its fence, resting without its fence or its look, and the words of a new sentinel in another order.
arming_mistakes_are_found() {
	local mistake
	for mistake in NO_ARM_FENCE NO_REST_FENCE NO_REST_LOOK WANTED_FIRST; do
		arming finds "( !(blocked[0])" -D$mistake
	done
}

# Planted: the stack that is left is released before the switch; a worker waits for a second stack; a task that was granted
# a stack comes before a chosen one; a chosen task holds its stack, and nothing says so.
switching_mistakes_are_found() {
	switching finds "((((holder" -DEARLY_RELEASE
	switching finds "(ended==3)" -DHOLDS_BOTH
	switching finds "((((holder" -DKEPT_EARLY
	switching finds "(ended==3)" -DRUNS_GRANTED
	switching finds "(ended==3)" -DFAILS=1 -DLOSES_GRANT
}

# Planted: a pair without its fence, with membarrier(2) and without it; a sleeper that looks too early, that is woken for
# nothing and does not say so, or then does not look; sleepers that are forgotten at the first wake-up.
locking_mistakes_are_found() {
	local mistake
	for mistake in NO_RARE_FENCE LATE_JOIN SILENT NO_LOOK WAKES_NONE; do
		locking finds "(ended==3)" -D$mistake
	done
	locking finds "(ended==3)" -DFENCED -DNO_OWN_FENCE
}

# Two workers and a spare; more work with one; and a fence that comes too late: some 10 to 20 million states each.
larger_sizes() {
	holds -DREADY=3 -DTOLD=1 -DBLOCKS=0 -DOUTSIDE=0 -DPUSHES=2
	holds $alone -DREADY=2 -DBLOCKS=1
	holds $alone -DREADY=2 -DBLOCKS=2 -DOUTSIDE=0 -DPUSHES=2
	finds "((((((doing[0]" $alone -DREADY=2 -DBLOCKS=2 -DOUTSIDE=0 -DPUSHES=2 -DLATE_LEAVE_FENCE
	switching holds -DFAILS=1
	switching holds -DSLOTS=1 -DFAILS=1
	locking holds -DTHREADS=4
}

deep=
[ "${SLEY_CHECK_DEEP:-0}" = 0 ] || deep=larger_sizes
run_suite pushed_work_is_run told_block_is_handed_over spare_is_made found_block_is_handed_over sentinel_hands_over \
	armed_block_is_noted direct_switches_lose_nothing lock_wakes_its_sleepers missing_fence_is_found \
	missing_look_is_found late_count_is_found note_of_sleeper_is_found surplus_that_searches_is_found \
	early_hints_are_found word_that_stays_is_found end_without_due_is_found arming_mistakes_are_found \
	switching_mistakes_are_found locking_mistakes_are_found $deep
