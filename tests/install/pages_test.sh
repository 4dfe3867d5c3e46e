# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The pages of the manual: those of section 3, which are made from the headers, and those of section 7.

. tests/check/suite.sh

pages=$SLEY_BUILD/man/man3

# full: the pages that are no links to others.
full() {
	grep -L '^\.so ' "$pages"/*.3
}

# make_pages: from $scratch/sley.h and $scratch/sley/a.h, into $scratch/man3.
make_pages() {
	mkdir -p "$scratch/man3"
	awk -v out="$scratch" -v date="May 1, 2026" -v release="sley 1" -f tools/man/pages.awk "$scratch/sley.h" "$scratch/sley/a.h"
}

# Each function that the libraries export and each macro that is a call has a page, in which it stands.
every_call() {
	local name page
	{
		nm -D --defined-only --format=posix "$SLEY_BUILD/libsley.so" "$SLEY_BUILD/libsley-posix.so" | sed -n 's/^\(sley_[a-z_0-9]*\)[@ ].*/\1/p'
		grep -ho '^#define sley_[a-z_0-9]*(' include/sley/*.h | sed 's/#define //; s/(//'
		echo SLEY_BLOCKING
	} | sort -u >"$scratch/names"
	[ "$(wc -l <"$scratch/names")" -ge 190 ] || fail "only $(wc -l <"$scratch/names") calls were found"
	while read -r name; do
		page=$pages/$name.3
		[ -e "$page" ] || fail "no page of $name"
		! grep -q '^\.so ' "$page" || page=$pages/../$(sed 's/^\.so //' "$page")
		grep -q "^\.F[on] $name\( \|$\)" "$page" || fail "$name is not in $page"
	done <"$scratch/names"
}

# Each page of a call has its sections. One that returns something says what, and one that can fail by its type says from
# where it may be called.
sections() {
	local page word
	for page in $(full); do
		for word in NAME SYNOPSIS DESCRIPTION "SEE ALSO"; do
			grep -qx "\.Sh $word" "$page" || fail "no $word in $page"
		done
		case $page in *.h.3 | *_INIT.3 | */SLEY_*.3) continue ;; esac
		! grep -q '^\.Ft "\(int\|ssize_t\|size_t\|sley_[a-z]*\|void \*\)"' "$page" ||
			grep -qx '\.Sh RETURN VALUES' "$page" || fail "no RETURN VALUES in $page"
		! grep -q '^\.Ft "\(int\|ssize_t\|sley_task\)"' "$page" ||
			grep -qx '\.Sh CALLABLE FROM' "$page" || fail "no CALLABLE FROM in $page"
		! grep -q '^\.Fa "sley_time deadline"' "$page" ||
			grep -q 'Er.*ETIMEDOUT' "$page" || fail "nothing is said of a deadline in $page"
	done
}

# mandoc warns of nothing in any page.
lint() {
	command -v mandoc >/dev/null || skip "there is no mandoc"
	mandoc -T lint -W warning $(full) tools/man/*.[0-9] >"$scratch/warnings" 2>&1 || fail "$(head -n 3 "$scratch/warnings")"
	[ ! -s "$scratch/warnings" ] || fail "$(head -n 3 "$scratch/warnings")"
}

# Each page of ours that another page refers to exists.
references() {
	local name section
	cat "$pages"/*.3 tools/man/*.[0-9] | sed -n 's/^\.Xr (\{0,1\} *\(sley[a-z_.0-9A-Z]*\|SLEY_[A-Z]*\) \([37]\).*/\1 \2/p' |
		sort -u >"$scratch/references"
	[ "$(wc -l <"$scratch/references")" -ge 150 ]
	while read -r name section; do
		[ -e "$pages/$name.$section" ] || [ -e "tools/man/$name.$section" ] || fail "there is no $name($section)"
	done <"$scratch/references"
}

# A comment's sentences come to their sections, a macro gets the types of the function behind it, and a call that takes a
# deadline has what that brings.
sorted() {
	mkdir "$scratch/sley"
	echo '/* The whole. */' >"$scratch/sley.h"
	cat >"$scratch/sley/a.h" <<'END'
/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Things: of one kind.
 *
 * Common errors: -EIO: a disk; -EINVAL: not this one; else that of the system.
 */
#ifndef SLEY_A_H
#define SLEY_A_H

struct sley_thing { /* fields are private */
	int hidden;
};

/*
 * Does a thing: with `n` of them. It is done. Returns the count; -EINVAL: n is 0, or
 * more; -ENOMEM. -EINVAL also: no thing. Task.
 */
#define sley_do(thing, n, deadline) sley_do_at(SLEY_SITE("do"), (thing), (n), (deadline))

SLEY_API int sley_do_at(struct sley_site *site, struct sley_thing *, size_t n, sley_time deadline);
#endif
END
	make_pages
	sed '1,/^\.Sh NAME/d; /^\.Sh SEE/,$d' "$scratch/man3/sley_do.3" | diff - /dev/fd/3 3<<'END' || fail "sorted otherwise"
.Nm sley_do
.Nd does a thing
.Sh SYNOPSIS
.In sley.h
.Ft "int"
.Fo sley_do
.Fa "struct sley_thing *thing"
.Fa "size_t n"
.Fa "sley_time deadline"
.Fc
.Ft "int"
.Fo sley_do_at
.Fa "struct sley_site *site"
.Fa "struct sley_thing *"
.Fa "size_t n"
.Fa "sley_time deadline"
.Fc
.Sh DESCRIPTION
Does a thing: with
.Ql "n"
of them.
It is done.
.Sh RETURN VALUES
Returns the count.
On failure it is a negative errno value.
.Sh CALLABLE FROM
Task.
See
.Xr sley.h 3
for what this means.
.Sh ERRORS
.Bl -tag -width Er
.It Er \-EINVAL
n is 0, or more.
.It Er \-ENOMEM
There is not enough memory.
.It Er \-EINVAL
Also: no thing.
.It Er \-ETIMEDOUT
The deadline came while the call waited.
.It Er \-ECANCELED
The calling task was cancelled, and the call had to wait.
.El
.Pp
Common to the calls of this header, where they can happen:
.Bl -tag -width Er
.It Er \-EIO
A disk.
.El
.Pp
Else that of the system.
END
	[ "$(cat "$scratch/man3/sley_do_at.3")" = ".so man3/sley_do.3" ]
}

# A call without a comment is refused, and so are errors that hide in a sentence of another kind.
refused() {
	mkdir "$scratch/sley"
	echo '/* The whole. */' >"$scratch/sley.h"
	printf '/* A header. */\n\nSLEY_API int sley_bare(void);\n' >"$scratch/sley/a.h"
	expect 1 make_pages 2>"$scratch/said"
	contains "$scratch/said" "sley_bare() has no comment"
	printf '/* A header. */\n\n/* Does. It is so; -EIO: not. Any thread. */\nSLEY_API int sley_hides(void);\n' >"$scratch/sley/a.h"
	expect 1 make_pages 2>"$scratch/said"
	contains "$scratch/said" "sley_hides: errors within a sentence: It is so; -EIO: not."
}

# Other implementations of awk make the same pages.
other_awks() {
	local other found=0
	for other in mawk gawk original-awk "busybox awk"; do
		command -v ${other%% *} >/dev/null || continue
		rm -rf "$scratch/man3"
		mkdir "$scratch/man3"
		$other -v out="$scratch" -v date="$(sed -n 's/^RELEASED := //p' Makefile)" \
			-v release="sley $(sed -n 's/^VERSION := //p' Makefile)" -f tools/man/pages.awk include/sley.h \
			$(ls include/sley/*.h | grep -v introspect)
		diff -r "$pages" "$scratch/man3" >"$scratch/differences" || fail "$other: $(head -n 3 "$scratch/differences")"
		found=$((found + 1))
	done
	[ $found -ge 1 ] || skip "there is none"
}

# The program in sley(7) compiles without a warning, and does what it shows.
program() {
	sed -n '/^\.Bd -literal/,/^\.Ed/p' tools/man/sley.7 | sed '/^\./d; s/\\e/\\/g' >"$scratch/hello.c"
	${CC:-gcc} -O2 -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude -o "$scratch/hello" "$scratch/hello.c" \
		"$SLEY_BUILD/libsley.a" -pthread
	"$scratch/hello" >"$scratch/said"
	grep -qx 'hello from task [0-9]*' "$scratch/said" || fail "it says: $(cat "$scratch/said")"
}

run_suite every_call sections lint references sorted refused other_awks program
