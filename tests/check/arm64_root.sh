#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# usage: tests/check/arm64_root.sh DIRECTORY
#
# Unpacks Debian's libcmocka for arm64 into DIRECTORY, unless it is there. The machine is left as it is: apt works with
# lists, a cache and a status file below DIRECTORY, which know arm64 alone, so dpkg need not be told of another
# architecture, and root is not needed. Sources, keys, proxies and the check of signatures are the machine's own.
set -eu

packages="libcmocka0 libcmocka-dev"
[ $# = 1 ] || {
	echo "usage: $0 DIRECTORY" >&2
	exit 2
}
[ ! -e "$1/complete" ] || exit 0
rm -rf "$1"
mkdir -p "$1"/apt/{lists,archives}/partial
root=$(cd "$1" && pwd)
export APT_CONFIG=$root/apt/conf

# Of the machine's settings those about fetching: its hooks are for its own packages, and need its rights.
settings=$(env -u APT_CONFIG apt-config dump | grep -E '^(Acquire|Dir::Etc)::' | grep -vE '^Dir::Etc::(main|parts) ')
cat >"$APT_CONFIG" <<-END
	$settings
	Dir::Etc::main "/dev/null";
	Dir::Etc::parts "$root/apt/no-parts";
	Dir::State::lists "$root/apt/lists";
	Dir::State::status "$root/apt/status";
	Dir::Cache "$root/apt";
	Dir::Cache::archives "$root/apt/archives";
	APT::Architecture "arm64";
	APT::Architectures { "arm64"; };
	Acquire::Languages "none";
END
touch "$root/apt/status"

apt-get update
(cd "$root/apt/archives" && apt-get download $packages)
for package in "$root"/apt/archives/*.deb; do
	dpkg-deb -x "$package" "$root"
done
rm -r "$root/apt"
touch "$root/complete"
