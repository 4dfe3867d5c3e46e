# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# tools/examples/README.md: its programs compile without a warning, and its commands print what it says they print.

. tests/check/suite.sh

tutorial=tools/examples/README.md

# block KIND NUMBER: the text of that block, counted from 1.
block() {
	awk -v kind="$1" -v wanted="$2" '
		inside && $0 == "```" { inside = 0 }
		inside && n == wanted { print }
		$0 == "```" kind { inside = 1; n++ }
	' "$tutorial"
}

# names: the files of the programs, in their order.
names() {
	sed -n 's/^`\([a-z]*\.[ch]\)`:$/\1/p' "$tutorial"
}

# nc [-N] ADDRESS PORT: sends its input, and prints what comes until the end. Waits until the service listens.
cat >"$scratch/nc" <<'END'
#!/usr/bin/env python3
import socket, sys, time
address, port = sys.argv[-2], int(sys.argv[-1])
until = time.monotonic() + 60
while True:
    try:
        connection = socket.create_connection((address, port))
        break
    except ConnectionRefusedError:
        if time.monotonic() > until:
            sys.exit("nobody listens")
        time.sleep(0.01)
connection.sendall(sys.stdin.buffer.read())
if "-N" in sys.argv:
    connection.shutdown(socket.SHUT_WR)
while data := connection.recv(65536):
    sys.stdout.buffer.write(data)
END
chmod +x "$scratch/nc"
install=$scratch
prefix=/usr/local
# By hand: another test may run make in this build at the same time.
mkdir -p "$install/root$prefix/lib/pkgconfig"
cp -r include "$install/root$prefix"
for name in libsley libsley-debug libsley-posix; do
	cp "$SLEY_BUILD/$name.so" "$install/root$prefix/lib/$name.so.0"
	ln -s "$name.so.0" "$install/root$prefix/lib/$name.so"
	printf '%s\n' "Name: $name" "Description: $name" "Version: 0" "Libs: -L$prefix/lib -l${name#lib}" "Cflags: -I$prefix/include" \
		>"$install/root$prefix/lib/pkgconfig/${name#lib}.pc"
done
number=0
for name in $(names); do
	number=$((number + 1))
	block c $number >"$scratch/$name"
done

# run_block NUMBER: runs the commands, in a directory with the programs, on an address that no other process uses. Fails
# unless their output has the lines that follow in the tutorial, in that order. "..." stands for anything.
run_block() {
	local address=127.$((BASHPID >> 16 & 127)).$((BASHPID >> 8 & 255)).$((BASHPID & 255)) line pattern
	cp "$install"/*.[ch] "$install/nc" "$scratch"
	cp -r tests/ports/keyd tests/ports/main.c "$scratch"
	[ "$1" -le 4 ] || gcc -O2 -g -fstack-clash-protection "$scratch/fourth.c" -o "$scratch/fourth" \
		-I"$install/root$prefix/include" -L"$install/root$prefix/lib" -lsley
	block sh "$1" | sed "s/127\.0\.0\.1/$address/g; s|/usr/local/share/sley|$PWD/tools/gdb|g" >"$scratch/commands"
	[ -s "$scratch/commands" ] || fail "there is no block $1"
	(
		export PATH="$scratch:$SLEY_BUILD:$PATH" LD_LIBRARY_PATH="$install/root$prefix/lib" DEBUGINFOD_URLS=
		export PKG_CONFIG_PATH="$install/root$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$install/root"
		cd "$scratch"
		# its services end with it; 143: ended by SIGTERM
		bash -c 'trap "kill \$(jobs -p) 2>/dev/null" EXIT; . ./commands' >output 2>&1 || [ $? = 143 ]
	) || fail "it ended with $?: $(tail -n 3 "$scratch/output")"
	block text "$1" >"$scratch/wanted"
	[ -s "$scratch/wanted" ] || fail "nothing is said of what block $1 prints"
	exec 4<"$scratch/output"
	while read -r pattern; do
		pattern=${pattern//[/\\[}
		while :; do
			IFS= read -r line <&4 || fail "'$pattern' is not in: $(cat "$scratch/output")"
			[[ ${line%$'\r'} != ${pattern//.../*} ]] || break
		done
	done <"$scratch/wanted"
	exec 4<&-
}

# The programs compile without a warning, each block of the tutorial is one of the three kinds, and each program and each
# block of commands is used here.
programs() {
	local name
	[ "$(names | wc -l)" = "$(grep -c '^```c$' "$tutorial")" ] || fail "a program has no name"
	[ "$(grep -c '^```' "$tutorial")" = $((2 * $(grep -c '^```\(c\|sh\|text\)$' "$tutorial"))) ] || fail "another kind of block"
	[ "$(grep -c '^```sh$' "$tutorial")" = 8 ] || fail "a block of commands is not run"
	for name in $(names); do
		case $name in
		*.c) set -- "$install/$name" ;;
		*.h) set -- -include "$install/$name" -x c /dev/null ;;
		esac
		${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -Iinclude -c -o "$scratch/object.o" "$@"
	done
}

first() {
	run_block 1
}

second() {
	run_block 2
}

third() {
	run_block 3
}

fourth() {
	run_block 4
}

asynctop() {
	run_block 5
}

gdb() {
	command -v gdb >/dev/null || skip "needs gdb"
	run_block 6
}

# The services say nothing on standard error either.
checked() {
	run_block 7
	[ "$(wc -l <"$scratch/output")" = 2 ] || fail "it says more: $(cat "$scratch/output")"
}

# The shim is the one that the tests of the port use.
port() {
	cmp "$install/tasks.h" tests/ports/tasks.h
	run_block 8
}

# Every call, option and page of the manual that it names is one.
calls() {
	local name
	sed 's/sley_[a-z]*\.h//g' "$tutorial" | grep -o '\(sley\|SLEY\)_[A-Za-z_0-9]*' | sort -u >"$scratch/names"
	[ "$(wc -l <"$scratch/names")" -ge 60 ]
	while read -r name; do
		grep -q "\b$name\b" include/sley.h include/sley/*.h || [ -e "tools/man/$name.7" ] || fail "there is no $name"
	done <"$scratch/names"
}

run_suite programs first second third fourth asynctop gdb checked port calls
