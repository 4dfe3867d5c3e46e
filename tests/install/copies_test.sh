# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# A second copy of the runtime in a process is named when it is loaded, and nothing is said where there is one.

. tests/check/suite.sh

# build_plugin NAME ARGUMENTS...: $scratch/NAME, whose function spawns a task.
build_plugin() {
	local name=$1
	shift
	cat >"$scratch/plugin.c" <<-END
		#include <sley.h>
		static void nothing(void *arg) { (void)arg; }
		int plugin(void) { return sley_go(nothing, NULL); }
	END
	${CC:-gcc} -O2 -fPIC -shared -Iinclude -o "$scratch/$name" "$scratch/plugin.c" "$@"
}

# build_host ARGUMENTS...: $scratch/host, which loads the plugins that it is given and prints what their functions answer,
# in a task if it has sley.
build_host() {
	cat >"$scratch/host.c" <<-END
		#include <dlfcn.h>
		#include <stdio.h>
		#ifdef WITH
		#include <sley.h>
		#endif
		static char **paths;
		static int load(void *arg)
		{
			for (; *paths; paths++) {
				void *object = dlopen(*paths, RTLD_NOW | RTLD_LOCAL);
				if (!object)
					return puts(dlerror());
				printf("%d ", ((int (*)(void))dlsym(object, "plugin"))());
			}
			return arg != NULL;
		}
		int main(int argc, char **argv)
		{
			paths = argv + argc - (argc - 1);
		#ifdef WITH
			return sley_run(load, NULL, NULL, NULL);
		#endif
			return load(NULL);
		}
	END
	${CC:-gcc} -O2 -Iinclude -o "$scratch/host" "$scratch/host.c" "$@" -pthread
}

# answers TEXT PLUGIN...: the host prints that. What was said is in $scratch/said.
answers() {
	local expected=$1 got
	shift
	got=$(LD_LIBRARY_PATH=$SLEY_BUILD "$scratch/host" "$@" 2>"$scratch/said") || fail "the host failed: $got"
	[ "$got" = "$expected" ] || fail "'$got' instead of '$expected'"
}

# said_once PART...: one line, with these parts.
said_once() {
	local part
	[ "$(wc -l <"$scratch/said")" = 1 ] || fail "said: $(cat "$scratch/said")"
	contains "$scratch/said" "this process has two copies of sley"
	for part in "$@"; do
		contains "$scratch/said" "$part"
	done
}

nothing_said() {
	[ ! -s "$scratch/said" ] || fail "said: $(cat "$scratch/said")"
}

# The archive in both: the plugin's calls find no run, and it is said why.
in_program_and_plugin() {
	build_plugin one.so "$SLEY_BUILD/libsley.a"
	build_host -DWITH "$SLEY_BUILD/libsley.a"
	answers "-107 " "$scratch/one.so"
	said_once "the program" "$scratch/one.so"
	build_plugin two.so -L"$SLEY_BUILD" -lsley
	answers "-107 " "$scratch/two.so"
	said_once "the program" "libsley.so.0"
}

# In two plugins that do not see each other.
in_two_plugins() {
	build_plugin one.so "$SLEY_BUILD/libsley.a"
	build_plugin two.so "$SLEY_BUILD/libsley.a"
	build_host
	answers "-107 -107 " "$scratch/one.so" "$scratch/two.so"
	said_once "$scratch/one.so" "$scratch/two.so"
	answers "-107 " "$scratch/one.so"
	nothing_said
}

# All use the shared library, also who has an archive that the loader passes over.
shared() {
	build_plugin one.so -L"$SLEY_BUILD" -lsley
	build_plugin two.so "$SLEY_BUILD/libsley.a"
	build_host -DWITH -L"$SLEY_BUILD" -lsley
	answers "0 0 " "$scratch/one.so" "$scratch/two.so"
	nothing_said
}

# A plugin that has its own copy, and ran it, is closed: it stays, so the next one to load it leaves no more behind.
closed_and_loaded_again() {
	cat >"$scratch/runs.c" <<-END
		#include <sley.h>
		static int nothing(void *arg) { return arg != NULL; }
		int plugin(void) { return sley_run(nothing, NULL, NULL, NULL); }
	END
	cat >"$scratch/reload.c" <<-END
		#include <dirent.h>
		#include <dlfcn.h>
		#include <stdio.h>
		static int descriptors(void)
		{
			DIR *open = opendir("/proc/self/fd");
			int n = 0;
			while (readdir(open))
				n++;
			closedir(open);
			return n;
		}
		static int load(const char *path)
		{
			void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
			int answer = object ? ((int (*)(void))dlsym(object, "plugin"))() : 1;
			return answer || dlclose(object);
		}
		int main(int argc, char **argv)
		{
			int before, bad = load(argv[argc - 1]);
			before = descriptors();
			for (int i = 0; i < 5; i++)
				bad |= load(argv[argc - 1]);
			printf("%d %d\n", bad, descriptors() - before);
			return 0;
		}
	END
	${CC:-gcc} -O2 -fPIC -shared -Iinclude -o "$scratch/runs.so" "$scratch/runs.c" "$SLEY_BUILD/libsley.a"
	${CC:-gcc} -O2 -o "$scratch/reload" "$scratch/reload.c" -pthread
	[ "$("$scratch/reload" "$scratch/runs.so")" = "0 0" ] || fail "$("$scratch/reload" "$scratch/runs.so")"
}

run_suite in_program_and_plugin in_two_plugins shared closed_and_loaded_again
