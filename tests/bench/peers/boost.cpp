/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * boost ROW 1 [DIVISOR]: the rows of build/bench that Boost.Fiber has, on one thread with its round-robin scheduler,
 * which takes no lock and leaves no fiber to another thread. Fibers do no input or output: there are no servers.
 *
 * Stacks of 8 KiB suffice for these rows if no function is looked up on them (-z now). They come from a pool; the
 * default, 128 KiB each from malloc(), is mapped and unmapped at every spawn. They have no guard page, sley's have.
 *
 * Work is divided by DIVISOR. Prints what bench does, "name boost 1 value unit" lines. Exit code: 0; 1: it failed;
 * 2: usage; 77: there is no such row here.
 */
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <boost/coroutine2/coroutine.hpp>
#include <boost/fiber/all.hpp>
#include <boost/version.hpp>

namespace fibers = boost::fibers;
using clk = std::chrono::steady_clock;

constexpr int EXIT_NO_ROW = 77;
constexpr std::size_t STACK = 8192;

static unsigned divisor = 1;

static unsigned count(unsigned n)
{
	return n / divisor;
}

static void out(const char *name, double value, const char *unit)
{
	std::printf("%s boost 1 %.6g %s\n", name, value, unit);
}

static double ns_since(clk::time_point start)
{
	return std::chrono::duration<double, std::nano>(clk::now() - start).count();
}

static void check(bool holds)
{
	if (!holds) {
		std::fprintf(stderr, "boost: a wrong result\n");
		std::exit(1);
	}
}

/* What the process has in memory, in bytes, page tables included. */
static double resident()
{
	static const char *const names[] = { "RssAnon:", "RssFile:", "RssShmem:", "VmPTE:" };
	double kib = 0, value;
	char line[256], name[64];
	std::FILE *status = std::fopen("/proc/self/status", "r");
	check(status);
	while (std::fgets(line, sizeof(line), status))
		for (const char *known : names)
			if (std::sscanf(line, "%63s %lf", name, &value) == 2 && std::strcmp(name, known) == 0)
				kib += value;
	std::fclose(status);
	return kib * 1024;
}

static double cpu_ms()
{
	timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

/* Made ready, as sley_spawn() does, and not switched to; `dispatch`: switched to. */
template <typename F> static fibers::fiber spawn(F &&f, fibers::launch how = fibers::launch::post)
{
	static fibers::pooled_fixedsize_stack stacks(STACK);
	return fibers::fiber(how, std::allocator_arg, stacks, std::forward<F>(f));
}

/* With a stack from malloc(), for a million at once: the pool would touch both pages of each. */
template <typename F> static fibers::fiber spawn_apart(F &&f)
{
	static fibers::fixedsize_stack stacks(STACK);
	return fibers::fiber(fibers::launch::post, std::allocator_arg, stacks, std::forward<F>(f));
}

static void join(std::vector<fibers::fiber> &all)
{
	for (auto &fiber : all)
		fiber.join();
}

static void yields(const char *name, unsigned tasks, unsigned rounds)
{
	auto start = clk::now();
	std::vector<fibers::fiber> all;
	for (unsigned i = 0; i < tasks; i++)
		all.push_back(spawn([rounds] {
			for (unsigned j = 0; j < rounds; j++)
				boost::this_fiber::yield();
		}));
	join(all);
	out(name, ns_since(start) / (double(tasks) * rounds), "ns/switch");
}

static void spawn_join()
{
	constexpr unsigned batch = 1000;
	unsigned batches = count(5000);
	auto start = clk::now();
	for (unsigned b = 0; b < batches; b++) {
		std::vector<fibers::fiber> all;
		all.reserve(batch);
		for (unsigned i = 0; i < batch; i++)
			all.push_back(spawn([] {}));
		join(all);
	}
	out("spawn_join", ns_since(start) / (double(batches) * batch), "ns/task");
}

static void pingpong()
{
	unsigned rounds = count(2000000);
	auto start = clk::now();
	fibers::unbuffered_channel<std::int64_t> ping, pong;
	auto answering = spawn([&] {
		for (unsigned i = 0; i < rounds; i++)
			pong.push(ping.value_pop());
	});
	auto asking = spawn([&] {
		for (unsigned i = 0; i < rounds; i++) {
			ping.push(i);
			pong.value_pop();
		}
	});
	answering.join();
	asking.join();
	out("chan_pingpong", ns_since(start) / rounds, "ns/roundtrip");
}

/* A channel of capacity 128 holds 127 items. */
static void flow(const char *name, unsigned senders, unsigned receivers)
{
	unsigned rounds = count(10000000), received = 0;
	auto start = clk::now();
	fibers::buffered_channel<std::int64_t> items(128);
	std::vector<fibers::fiber> sending, receiving;
	for (unsigned i = 0; i < receivers; i++)
		receiving.push_back(spawn([&] {
			std::int64_t item;
			while (items.pop(item) == fibers::channel_op_status::success)
				received++;
		}));
	for (unsigned i = 0; i < senders; i++)
		sending.push_back(spawn([&] {
			for (unsigned j = 0; j < rounds / senders; j++)
				items.push(j);
		}));
	join(sending);
	items.close();
	join(receiving);
	check(received == rounds / senders * senders);
	out(name, ns_since(start) / rounds, "ns/item");
}

static void future()
{
	fibers::pooled_fixedsize_stack stacks(STACK);
	unsigned rounds = count(2000000);
	auto start = clk::now();
	for (std::int64_t i = 0; i < rounds; i++) {
		auto twice = fibers::async(fibers::launch::post, std::allocator_arg, stacks, [i] { return 2 * i; });
		check(twice.get() == 2 * i);
	}
	out("future", ns_since(start) / rounds, "ns/roundtrip");
}

/* Boost.Coroutine2's: no scheduler is asked, the two contexts switch to each other. */
static void generator()
{
	using coroutine = boost::coroutines2::coroutine<std::int64_t>;
	unsigned rounds = count(5000000);
	std::int64_t sum = 0;
	auto start = clk::now();
	coroutine::pull_type items([rounds](coroutine::push_type &yield) {
		for (std::int64_t i = 0; i < rounds; i++)
			yield(i);
	});
	for (std::int64_t item : items)
		sum += item;
	check(sum == std::int64_t(rounds) * (rounds - 1) / 2);
	out("generator", ns_since(start) / rounds, "ns/item");
}

static void mutex()
{
	constexpr unsigned lockers = 8;
	unsigned rounds = count(lockers * 1000000), counted = 0;
	fibers::mutex lock;
	std::vector<fibers::fiber> all;
	auto start = clk::now();
	for (unsigned i = 0; i < lockers; i++)
		all.push_back(spawn([&] {
			for (unsigned j = 0; j < rounds / lockers; j++) {
				lock.lock();
				counted++;
				lock.unlock();
			}
		}));
	join(all);
	check(counted == rounds / lockers * lockers);
	out("mutex", ns_since(start) / rounds, "ns/op");
}

/* Children are switched to: that is twice as fast here, because fewer are alive at once. */
using sums = fibers::unbuffered_channel<std::int64_t>;

static void branch(sums *up, std::int64_t number, std::int64_t size)
{
	std::int64_t sum = number;
	if (size > 1) {
		sums parts;
		sum = 0;
		for (int i = 0; i < 10; i++)
			spawn([=, &parts] { branch(&parts, number + i * (size / 10), size / 10); },
			      fibers::launch::dispatch)
				.detach();
		for (int i = 0; i < 10; i++)
			sum += parts.value_pop();
	}
	up->push(sum);
}

static void skynet()
{
	std::int64_t size = count(1000000), sum;
	auto start = clk::now();
	sums root;
	auto first = spawn([&] { branch(&root, 0, size); });
	sum = root.value_pop();
	out("skynet", ns_since(start) / 1e6, "ms");
	first.join();
	check(sum == size * (size - 1) / 2);
}

static void park()
{
	unsigned tasks = count(1000000), arrived = 0;
	bool open = false;
	fibers::mutex lock;
	fibers::condition_variable opened;
	std::vector<fibers::fiber> all(tasks);
	double before = resident();
	auto start = clk::now();
	for (auto &fiber : all)
		fiber = spawn_apart([&] {
			std::unique_lock<fibers::mutex> locked(lock);
			arrived++;
			opened.wait(locked, [&] { return open; });
		});
	while (arrived < tasks)
		boost::this_fiber::yield();
	out("park_create", ns_since(start) / 1e6, "ms");
	out("park_rss", (resident() - before) / tasks, "B/task");
	start = clk::now();
	lock.lock();
	open = true;
	opened.notify_all();
	lock.unlock();
	join(all);
	out("park_wakejoin", ns_since(start) / 1e6, "ms");
}

static void timers()
{
	unsigned tasks = count(1000000);
	std::uint32_t random = 1;
	std::vector<fibers::fiber> all(tasks);
	double before = resident(), cpu = cpu_ms(), peak;
	auto start = clk::now();
	for (auto &fiber : all) {
		random = random * 1664525 + 1013904223;
		fiber = spawn_apart([time = std::chrono::milliseconds(1 + (random >> 8) % 1000)] {
			boost::this_fiber::sleep_for(time);
		});
	}
	boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
	peak = resident();
	join(all);
	out("timers", ns_since(start) / tasks, "ns/sleep");
	out("timers_cpu", cpu_ms() - cpu, "ms");
	out("timers_rss", (peak - before) / (1 << 20), "MiB");
}

static const struct {
	const char *name;
	std::function<void(const char *)> run;
} rows[] = {
	{ "yield2", [](const char *row) { yields(row, 2, count(5000000)); } },
	{ "yield1k", [](const char *row) { yields(row, 1000, count(5000)); } },
	{ "yield100k", [](const char *row) { yields(row, count(100000), 50); } },
	{ "spawn_join", [](const char *) { spawn_join(); } },
	{ "chan_pingpong", [](const char *) { pingpong(); } },
	{ "chan_1x1", [](const char *row) { flow(row, 1, 1); } },
	{ "chan_4x1", [](const char *row) { flow(row, 4, 1); } },
	{ "chan_4x4", [](const char *row) { flow(row, 4, 4); } },
	{ "future", [](const char *) { future(); } },
	{ "generator", [](const char *) { generator(); } },
	{ "mutex", [](const char *) { mutex(); } },
	{ "skynet", [](const char *) { skynet(); } },
	{ "park", [](const char *) { park(); } },
	{ "timers", [](const char *) { timers(); } },
};

int main(int argc, char **argv)
{
	if (argc == 2 && std::strcmp(argv[1], "version") == 0) {
		std::printf("%d.%d.%d\n", BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100);
		return 0;
	}
	divisor = argc > 3 ? static_cast<unsigned>(std::atoi(argv[3])) : 1;
	if (argc < 3 || std::strcmp(argv[2], "1") != 0 || divisor == 0) {
		std::fprintf(stderr, "usage: boost ROW 1 [DIVISOR]\n");
		return 2;
	}
	for (const auto &row : rows)
		if (std::strcmp(row.name, argv[1]) == 0) {
			row.run(row.name);
			std::fflush(stdout);
			std::_Exit(0); /* the end is not measured, and not waited for */
		}
	return EXIT_NO_ROW;
}
