# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# The trees that have layers; sourced by tests/check_layers.sh and tests/check_symbols.sh.

trees="runtime tools/asynctop"

# describe TREE: sets layers, the lowest first, and outside, headers without a folder that all of them may include.
describe() {
	outside=
	case $1 in
	runtime)
		layers="base region context stack task run life watch reactor sync io assist posix"
		outside="assist.h" # of bpf/
		;;
	tools/asynctop)
		layers="common child source symbols model view export session ui"
		outside="assist.h blocked.skel.h delay.h events.h iterate.h" # of bpf/
		;;
	*)
		echo "$0: no tree $1" >&2
		exit 2
		;;
	esac
}
