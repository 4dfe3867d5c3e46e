# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
#
# Two plugins that know nothing of each other, and a service, share one run: whoever comes first makes it, and whoever
# leaves last ends it.

. tests/check/suite.sh

# A plugin: begin() attaches, work() has 1,000 tasks add up what they receive, end() detaches.
build_plugins() {
	cat >"$scratch/plugin.c" <<-END
		#include <sley.h>
		int begin(void) { return sley_attach(NULL); }
		int end(void) { return sley_detach(); }
		static void give(void *chan)
		{
			long one = 1;
			sley_chan_send(chan, &one, SLEY_NEVER);
		}
		static void add_up(void *block)
		{
			struct sley_chan *chan;
			long *sum = block, item;
			if (sley_chan_new(&chan, sizeof(item), 0))
				return;
			for (int i = 0; i < 1000; i++)
				if (sley_go(give, chan))
					return;
			for (int i = 0; i < 1000 && sley_chan_recv(chan, &item, SLEY_NEVER) == 0; i++)
				*sum += item;
			sley_chan_free(chan);
		}
		long work(void)
		{
			long sum = 0;
			int error = sley_submit(add_up, &sum, sizeof(sum), SLEY_NEVER);
			return error ? error : sum;
		}
	END
	for name in one two; do
		${CC:-gcc} -O2 -fPIC -shared -Iinclude -o "$scratch/$name.so" "$scratch/plugin.c" -L"$SLEY_BUILD" -lsley
	done
}

# build_service ARGUMENTS...: $scratch/service. Each of its arguments is a step: 1b: plugin one begins, 2w: two works ..., run:
# the service itself calls sley_run(). 1c: plugin one is unloaded.
build_service() {
	cat >"$scratch/service.c" <<-END
		#include <dlfcn.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#ifdef WITH
		#include <sley.h>
		static int be_a_task(void *arg) { return sley_self() > 0 ? *(int *)arg : -1; }
		#endif
		static void *plugins[3];
		static long call(int plugin, const char *name)
		{
			return ((long (*)(void))dlsym(plugins[plugin], name))();
		}
		static long step(const char *what)
		{
		#ifdef WITH
			int answer = 42, result = 0, error;
			if (strcmp(what, "run") == 0)
				return (error = sley_run(be_a_task, &answer, NULL, &result)) ? error : result;
		#endif
			switch (what[1]) {
			case 'b': return (int)call(what[0] - '0', "begin");
			case 'e': return (int)call(what[0] - '0', "end");
			case 'c': return dlclose(plugins[what[0] - '0']);
			default: return call(what[0] - '0', "work");
			}
		}
		int main(int argc, char **argv)
		{
			plugins[1] = dlopen("$scratch/one.so", RTLD_NOW | RTLD_LOCAL);
			plugins[2] = dlopen("$scratch/two.so", RTLD_NOW | RTLD_LOCAL);
			if (!plugins[1] || !plugins[2])
				return puts(dlerror());
			for (int i = 1; i < argc; i++)
				printf("%ld ", step(argv[i]));
			return 0;
		}
	END
	${CC:-gcc} -O2 -Iinclude -o "$scratch/service" "$scratch/service.c" "$@" -pthread
}

# does STEPS ANSWERS: in these steps the service gets these answers, and nothing is said.
does() {
	local got
	got=$(LD_LIBRARY_PATH=$SLEY_BUILD "$scratch/service" $1 2>"$scratch/said") || fail "$1: the service failed: $got"
	[ "$got" = "$2 " ] || fail "$1: '$got' instead of '$2 '"
	[ ! -s "$scratch/said" ] || fail "$1: said: $(cat "$scratch/said")"
}

two_plugins() {
	build_plugins
	build_service
	does "1b 1w 2b 2w 1e 2w 2e" "0 1000 0 1000 0 1000 0"
	does "2b 1b 2e 1w 1e" "0 0 0 1000 0"
	does "1e 1w" "-22 -107" # EINVAL, ENOTCONN
}

# The runtime stays when the last plugin is unloaded, so it may be loaded again.
unloaded() {
	build_plugins
	build_service
	does "1b 1w 1e 1c 2b 2w 2e 2c" "0 1000 0 0 0 1000 0 0"
}

with_a_service() {
	build_plugins
	build_service -DWITH -L"$SLEY_BUILD" -lsley
	does "run 1b run 2b 1e run 2w 2e run" "42 0 42 0 0 42 1000 0 42"
}

run_suite two_plugins unloaded with_a_service
