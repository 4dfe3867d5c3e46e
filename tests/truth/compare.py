# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the sley authors
"""
usage: compare.py TRUTH JSON
       compare.py --settled JSON

Compares what a service measured of its blocks (service.h) with the last line of `asynctop --json`, and the single blocks
of all lines. Prints each difference,
and for each column how many of the planted values were said (recall), and how many of those said were planted
(precision). Exits 1 if there is a difference.

A page fault that nobody has planted is none: the kernel takes pages back when it likes. Nor is a block in which the
runtime itself waited, if asynctop says that. Any other block that nobody has planted must have been a sleep of the
task's thread, by the kernel's count: mmap() may wait for another thread's munmap(). Nor is long computing one: a thread
that gets no CPU in the middle of a task looks like that.

On a machine that is so busy that asynctop gets no CPU for seconds, or gives a process up for a while, it cannot see all, and
says so: hogs, victims and lines of single blocks that came then, and are not said, are off.

A warning is true if one of its tasks has measured a block for as long as that. So there is none of a control.

--settled: exits 1 while the place of a row is still looked for.
"""
import json
import os
import sys

LATE_NS = 100000  # what a duration may be off, or 5 % of it
HOG_NS = 100000000  # from which on asynctop looks at a task that computes
TICK_NS = 1500000000  # asynctop was starved if its ticks, which are to come each 0.5 s, are further apart
STOLEN_NS = 10000000  # what it may be shorter: a hypervisor takes the CPU away before and after the block, and tells nobody
MOST = 0.9  # of all durations must not be
VICTIM_NS = 500000  # what the delay of each late task may be off, or 10 % of all; and what threads waited for a CPU
PLACED = 0.8  # of all single blocks must have their line; of lookups, for example, it is not known
COLUMNS = ("block", "call", "task", "line", "stack", "duration", "verdict")  # of rows


class Case:
    """All tasks of one spawn site."""

    def __init__(self, name, calls, file, line, flags):
        self.name, self.calls = name, set(filter(None, calls.split("|")))
        self.site = (os.path.basename(file), int(line))
        self.flags, self.tasks, self.blocks, self.skipped = set(flags.split()), set(), [], False
        self.unplanted = 0  # sleeps between the readings
        self.late = []

    def task_name(self):
        return "plant_" + self.name if "unnamed" in self.flags else self.name


class Block:
    def __init__(self, function, line, begin, end, cpu, sleeps, preemptions, faults):
        self.place = (function, int(line))
        self.begin, self.end, self.cpu = int(begin), int(end), int(cpu)
        self.sleeps, self.preemptions, self.faults = int(sleeps), int(preemptions), int(faults)

    def bounds(self):
        took = self.end - self.begin
        return (0 if self.preemptions else took - self.cpu), took


class Late:
    """The tasks that a block made late."""

    def __init__(self, tasks, unsure, delayed, waited):
        self.tasks, self.unsure, self.delayed, self.waited = int(tasks), int(unsure), int(delayed), int(waited)


def read_truth(path):
    cases = {}
    for line in open(path):
        kind, name, *rest = line.rstrip("\n").split("\t")
        if kind == "case":
            calls, file, site_line, task, flags, sleeps = rest
            case = cases.setdefault(name, Case(name, calls, file, site_line, flags))
            case.tasks.add(int(task))
            case.unplanted += int(sleeps)
        elif kind == "block":
            block = Block(*rest)
            cases[name].unplanted -= block.sleeps
            if block.sleeps or "hog" in cases[name].flags:  # or it did not block
                cases[name].blocks.append(block)
        elif kind == "late":
            cases[name].late.append(Late(*rest))
        elif kind == "skip":
            cases[name].skipped = True
            print("not here: %s: %s" % (name, rest[0]))
    return cases


class Score:
    def __init__(self, ticks):
        self.ticks = ticks
        self.columns = COLUMNS + ("event", "victims", "warning")
        self.planted = dict.fromkeys(self.columns, 0)
        self.said = dict.fromkeys(self.columns, 0)
        self.right = dict.fromkeys(self.columns, 0)
        self.wrong = 0

    def judge(self, column, right, text, possible=False):
        self.planted[column] += 1
        self.said[column] += 1
        if right:
            self.right[column] += 1
        elif possible:
            print("off: " + text)
        else:
            self.differ(text)

    def starved(self, blocks):
        """Whether asynctop was, during one of the blocks or shortly before: its request for times ends after 2 s."""
        return any((b - a > TICK_NS or not able) and b > block.begin - 2000000000 and a < block.end
                   for (a, _), (b, able) in zip(self.ticks, self.ticks[1:]) for block in blocks)

    def differ(self, text):
        self.wrong += 1
        print("wrong: " + text)

    def show(self):
        for c in self.columns:
            if self.planted[c] + self.said[c] == 0:
                print("%-10s none is planted, and none said" % c)
                continue
            print("%-10s recall %5.1f %% of %d, precision %5.1f %% of %d" % (
                c, 100.0 * self.right[c] / max(1, self.planted[c]), self.planted[c],
                100.0 * self.right[c] / max(1, self.said[c]), self.said[c]))


def place_of(row):
    place = row["location"]
    return (place["function"], place["line"]) if place else (None, None)


def check_duration(score, case, blocks, row, attached):
    low = high = longest_low = longest_high = 0
    for b in blocks:
        least, most = b.bounds()
        if b.begin < attached:
            least = max(0, b.end - attached - b.cpu - 20000000)  # asynctop was about to attach
            most = b.end - attached + 20000000
        low, high = low + least, high + most
        longest_low, longest_high = max(longest_low, least), max(longest_high, most)
    if "many" in case.flags:
        low = longest_low = 0
    total, longest = row["total_ns"], row["max_ns"]
    right = low - max(len(blocks) * LATE_NS, low // 20) <= total <= high and \
        longest_low - max(LATE_NS, longest_low // 20) <= longest <= longest_high
    # A switch in that the kernel hides is computed from the thread's account: a block may end a moment late.
    possible = low - max(len(blocks) * STOLEN_NS, low // 20) <= total <= high + len(blocks) * LATE_NS and \
        longest_low - STOLEN_NS <= longest <= longest_high + LATE_NS
    score.judge("duration", right, "%s: %.3f ms in all and %.3f ms at most are said, %.3f to %.3f and %.3f to %.3f "
                "were measured" % (case.name, total / 1e6, longest / 1e6, low / 1e6, high / 1e6, longest_low / 1e6,
                                   longest_high / 1e6), possible)


def check_stack(score, case, row):
    functions = [f["function"] for f in row["stack"]]
    score.judge("stack", "plant_" + case.name in functions,
                "%s: its function is not in the stack: %s" % (case.name, functions))


def check_victims(score, case, row):
    """How many tasks were late because of the block, and for how long together, by their own clocks."""
    for late in case.late:
        said = "%s: %d tasks late for %.3f ms are said, %d for %.3f were measured (%.3f without a CPU)" % (
            case.name, row["delayed_tasks"], row["delayed_ns"] / 1e6, late.tasks, late.delayed / 1e6, late.waited / 1e6)
        off = abs(row["delayed_ns"] - late.delayed)
        number = late.tasks - late.unsure <= row["delayed_tasks"] <= late.tasks
        least = late.tasks * VICTIM_NS
        score.judge("victims", number and off <= max(late.delayed / 10, least), said,
                    number and off <= max(late.delayed / 10, least + late.tasks * late.waited) or
                    score.starved(case.blocks))


def check_row(score, case, blocks, row, attached):
    name, place = case.name, blocks[0].place
    count = row["count"] + row["in_progress"]
    most = sum(b.sleeps for b in blocks)
    score.judge("block", len(blocks) <= count <= most,
                "%s: %d blocks are said, %d were measured" % (name, count, len(blocks)))
    score.judge("call", row["syscall"] in case.calls, "%s: it blocked in %s, not in %s" % (
        name, "|".join(sorted(case.calls)), row["syscall"]))
    task = row["task"]
    score.judge("task", task["id"] in case.tasks and task["name"] == case.task_name(),
                "%s: the task is %s \"%s\", not \"%s\"" % (name, task["id"], task["name"], case.task_name()))
    check_stack(score, case, row)
    score.judge("line", place_of(row) == place,
                "%s: the place is %s:%s, not %s:%s" % ((name,) + place_of(row) + place))
    score.judge("verdict", "nothing in the service to change" not in row["verdict"],
                "%s: it is acquitted: %s" % (name, row["verdict"]))
    early = any(b.begin < attached for b in blocks)
    score.judge("verdict", row["at_least"] == early and ("at least" in row["verdict"]) == early,
                "%s: %s began before: %s" % (name, "it" if early else "none", row["verdict"]))
    if "stuck" not in case.flags:
        check_duration(score, case, blocks, row, attached)
    check_victims(score, case, row)


def is_noise(row):
    return row["syscall"] in ("page fault", "computing") or "nothing in the service to change" in row["verdict"]


def check_hog(score, case, rows):
    """
    One row, with the line: it computes for long by its thread's clock, so others had the CPU as often as it had. A starved
    asynctop may see its end late.
    """
    took = [b.end - b.begin for b in case.blocks]
    place = case.blocks[0].place
    starved = score.starved(case.blocks)
    if len(rows) != 1:
        for column in COLUMNS:
            score.planted[column] += 1
        score.said["block"] += len(rows)
        if not rows and starved:
            print("off: %s: nothing is said" % case.name)
        else:
            score.differ("%s: %d rows are said" % (case.name, len(rows)))
        return
    row = rows[0]
    score.judge("block", row["count"] == len(took), "%s: %d times are said, %d were measured" % (
        case.name, row["count"], len(took)), starved and row["count"] < len(took))
    score.judge("call", row["syscall"] in case.calls, "%s: it is %s" % (case.name, row["syscall"]))
    score.judge("task", row["task"]["id"] in case.tasks and row["task"]["name"] == case.task_name(),
                "%s: the task is %s" % (case.name, row["task"]))
    check_stack(score, case, row)
    score.judge("line", place_of(row) == place, "%s: the place is %s:%s, not %s:%s" % (
        (case.name,) + place_of(row) + place))
    score.judge("duration", max(took) * 0.95 <= row["max_ns"] <= max(took) * 1.05,
                "%s: %.3f ms at most are said, %.3f were measured" % (case.name, row["max_ns"] / 1e6, max(took) / 1e6),
                HOG_NS <= row["max_ns"] <= max(took) * 1.05)
    score.judge("verdict", "sley_yield()" in row["verdict"], "%s: no remedy: %s" % (case.name, row["verdict"]))


def check_case(score, case, rows, attached):
    if "hog" in case.flags:
        check_hog(score, case, [r for r in rows if r["syscall"] in case.calls])
        return
    places = {}
    for block in case.blocks:
        places.setdefault(block.place, []).append(block)
    rows = list(rows)
    for place, blocks in sorted(places.items()):
        fitting = [r for r in rows if r["syscall"] in case.calls]
        fitting = [r for r in fitting if place_of(r) == place] or fitting
        if any(b.faults for b in blocks) and "page fault" not in case.calls:
            rows = [r for r in rows if r not in fitting]  # nobody knows whether the call has blocked, or the fault
            continue
        if fitting:
            rows.remove(fitting[0])
            check_row(score, case, blocks, fitting[0], attached)
        else:
            for column in COLUMNS:
                score.planted[column] += 1
            score.differ("%s: nothing is said of %d blocks at %s:%d" % ((case.name, len(blocks)) + place))
    for row in rows:
        if "many" in case.flags and row["syscall"] in case.calls and place_of(row) in places:
            continue
        count = row["count"] + row["in_progress"]
        if is_noise(row):
            continue
        inside = sum(b.sleeps - 1 for b in places.get(place_of(row), []))  # a call before the one that is planted there
        if count <= inside + case.unplanted:
            case.unplanted -= max(0, count - inside)
            print("not planted: %s: %s in %s:%s, %d times" % ((case.name, row["syscall"]) + place_of(row) + (count,)))
        else:
            score.said["block"] += 1
            score.differ("%s: %s is said in %s:%s for %.3f ms, and nothing was planted there" % (
                (case.name, row["syscall"]) + place_of(row) + (row["total_ns"] / 1e6,)))


def check_event(score, case, event):
    """The line of a single block, if one is said: it was blocked there at that time."""
    place, start = place_of(event), event["start_ns"]
    if event["syscall"] not in case.calls or "hog" in case.flags:
        return
    score.planted["event"] += 1
    if place == (None, None):
        return
    if place not in {b.place for b in case.blocks}:
        score.planted["event"] -= 1  # not planted: its row is judged
        return
    score.said["event"] += 1
    if any(b.place == place and b.begin <= start <= b.end for b in case.blocks):
        score.right["event"] += 1
    else:
        score.differ("%s: a single block is said to be in %s:%s, and none was there at that time" % (
            (case.name,) + place))


def check_events(score, seen, events):
    """Each single block is said once, or counted as left out."""
    told = {(event["worker"], event["start_ns"]) for event in events}
    if len(told) != len(events):
        score.differ("%d single blocks are said twice" % (len(events) - len(told)))
    if len(events) + seen["drops"]["events"] != seen["events_total"]:
        score.differ("%d single blocks are said and %d left out, of %d" % (
            len(events), seen["drops"]["events"], seen["events_total"]))
    for event in events:
        if event["syscall"] in ("read", "fsync", "futex") and not event["args"]:
            score.differ("a single block in %s is said without arguments" % event["syscall"])


def check_warnings(score, cases, lines):
    """Nothing was planted of which to warn, unless a block has lasted for so long on a busy machine."""
    by_task = {task: case for case in cases for task in case.tasks}
    for line in lines:
        for warning in line["warnings"]:
            tasks = [by_task[link["task"]] for link in warning["links"] if link["task"] in by_task]
            score.said["warning"] += 1
            if any(b.end - b.begin >= 0.9 * warning["longest_ns"] for case in tasks for b in case.blocks):
                score.planted["warning"] += 1
                score.right["warning"] += 1
                print("late: %s: %s" % (warning["warning"], warning["verdict"]))
            else:
                score.differ("a warning of what was not planted: %s: %s" % (warning["warning"], warning["verdict"]))


def is_able(line):
    return all(line["source"][what]["state"] == "active" for what in ("times", "bpf", "symbols"))


def is_settled(row):
    return row["location"]["text"] or "could not be found out" in row["verdict"] or "left no frame" in row["verdict"]


def main():
    lines = [json.loads(line) for line in open(sys.argv[2])]
    seen = lines[-1]
    if sys.argv[1] == "--settled":
        sys.exit(not all(is_settled(row) for row in seen["blockers"]))
    cases = read_truth(sys.argv[1])
    attached = seen["time_ns"] - seen["watched_ns"]
    by_site = {}
    for row in seen["blockers"]:
        by_site.setdefault((os.path.basename(row["site"]["file"]), row["site"]["line"]), []).append(row)
    ticks = [(line["time_ns"], is_able(line)) for line in lines]
    score = Score(ticks)
    print("ticks were up to %.2f s apart, at %d of %d something was not to be had" % (
        max(b - a for (a, _), (b, _) in zip(ticks, ticks[1:])) / 1e9, sum(not able for _, able in ticks), len(ticks)))
    by_case = {case.site: case for case in cases.values()}
    events = [event for line in lines for event in line["events"]]
    check_events(score, seen, events)
    for event in events:
        case = by_case.get((os.path.basename(event["site"]["file"]), event["site"]["line"]))
        if case and not case.skipped:
            check_event(score, case, event)
    all_blocks = [b for case in cases.values() for b in case.blocks]
    if score.right["event"] < PLACED * score.planted["event"] and not score.starved(all_blocks):
        score.differ("more than a fifth of all single blocks have no line")
    check_warnings(score, cases.values(), lines)
    for case in cases.values():
        rows = by_site.pop(case.site, [])
        if not case.skipped:
            check_case(score, case, rows, attached)
    for site, rows in by_site.items():
        for row in rows:
            if not is_noise(row):
                score.differ("%s:%d: %s is said of a site that has none" % (site + (row["syscall"],)))
    if score.right["duration"] < MOST * score.said["duration"]:
        score.differ("more than a tenth of all durations are off")
    print("%d cases with %d blocks" % (len(cases), sum(len(c.blocks) for c in cases.values())))
    score.show()
    sys.exit(score.wrong != 0)


main()
