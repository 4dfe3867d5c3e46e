# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# keyd, a server with a thread for each connection, as it is and as a port: with tasks in the place of the threads. Both have
# the same conversations with the same client, byte by byte (conversations.py).

. tests/check/suite.sh

conversations=$(sed -n 's/^def \([a-z]*\)():$/\1/p' tests/ports/conversations.py)
for kind in threads tasks; do
	for name in $conversations; do
		eval "${kind}_$name() { python3 tests/ports/conversations.py $SLEY_BUILD/ports/keyd-$kind $name; }"
	done
done

# What the page says of the port: its source is the same, and the shim is small.
shim() {
	[ "$(grep -c '' tests/ports/tasks.h)" -le 33 ] || fail "the shim has become long"
	! grep -n 'sley[_./]' tests/ports/keyd/*.[ch] || fail "the source knows of sley"
}

[ "$(echo "$conversations" | wc -w)" = 9 ] || exit 1
run_suite shim $(printf 'threads_%s ' $conversations) $(printf 'tasks_%s ' $conversations)
