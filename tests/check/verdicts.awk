# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Reads what a test program printed in cmocka's own format and prints a line of `part program verdict test reason`,
# separated by tabs, for each of its tests. Variables: part, program, status (exit code as `timeout` gives it), limit,
# require (1: skips are failures).
#
# The tests print too, perhaps without an end of line, so a mark may stand anywhere in a line; only one that names the
# test that is running counts. What the marks do not tell, the exit code does: no program passes that crashed, hung, ended
# early, or failed outside of its tests.

function result(verdict, test, reason) {
	if (verdict == "skipped" && require == 1) {
		verdict = "failed"
		reason = "skipped: " reason
	}
	count[verdict]++
	printf "%s\t%s\t%s\t%s\t%s\n", part, program, verdict, test, reason
}

# Ends the running test if the text after `mark` names it.
function ends(mark, verdict, reason,    at) {
	at = index($0, mark " ")
	if (!running || !at || index(substr($0, at + length(mark) + 1), test) != 1)
		return
	result(verdict, test, reason)
	finished++
	running = 0
}

function how_it_ended(    how) {
	if (status == 124 || status == 137)
		how = "killed after " limit " seconds"
	else if (status > 128)
		how = "killed by signal " (status - 128)
	else
		how = "exit code " status
	return last_words ? how " (" last_words ")" : how
}

{ sub(/\r$/, "") }

/\[==========\] .*Running [0-9]+ test/ {
	match($0, /Running [0-9]+/)
	planned += substr($0, RSTART + 8, RLENGTH - 8)
	begun++
}

/\[==========\] .*test\(s\) run\./ { summaries++ }

/\[ RUN      \] / {
	if (running)
		result("failed", test, "another test began before it ended")
	test = substr($0, index($0, "[ RUN      ] ") + 13)
	running = 1
	reason = "no reason given"
	next
}

/skip: / { reason = substr($0, index($0, "skip: ") + 6) }
/\[  ERROR   \] --- / { if (running && !message) message = substr($0, index($0, "] --- ") + 6) }
/^ERROR: / { if (running && !message) message = substr($0, 8) }
/^failed: / { if (running && !message) message = substr($0, 9) }
/: REQUIRE\(.*\) failed|: runtime error: |^SUMMARY: .*Sanitizer: / { last_words = $0 }

{
	ends("[       OK ]", "passed", "")
	ends("[  SKIPPED ]", "skipped", reason)
	ends("[  FAILED  ]", "failed", message ? message : "failed")
	ends("[  ERROR   ]", "failed", message ? message : "its set-up or tear-down failed")
	if (!running)
		message = ""
}

END {
	if (running)
		result("failed", test, how_it_ended() " in the middle of it")
	else if (!begun || summaries < begun)
		result("failed", "(program)", how_it_ended() ", without cmocka's summary")
	else if (finished != planned)
		result("failed", "(program)", finished + 0 " of " planned " tests ran, " how_it_ended())
	else if (summaries > begun)
		result("failed", "(program)", "more summaries than groups: a child went on as if it were the test")
	else if (status != 0 && !count["failed"])
		result("failed", "(program)", how_it_ended() " although no test failed")
	else if (!planned)
		result("failed", "(program)", "has no tests")
}
