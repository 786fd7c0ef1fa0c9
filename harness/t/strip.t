#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""tools/sched/core-strip on traces of which it was worked out by hand what they show."""

import os
import pathlib
import re
import subprocess
import tempfile
import time
import xml.dom.minidom

from fixture import HARNESS, Checks

STRIP = os.path.join(os.path.dirname(HARNESS), "tools/sched/core-strip")
NAMES = {0: "swapper", 101: "a one", 102: "a-2-3", 201: "b [9] 1.5: x", 202: " ==> next_comm="}
# (ms, CPU, pid before, pid after).  On cpus 0-1 a task of a and one of b are together from 2 to 5 and from 10 to 14 ms: 7 ms.
SEVEN = [(0, 0, 0, 101), (2, 1, 0, 201), (5, 0, 101, 0), (9, 1, 201, 102), (10, 0, 0, 202), (14, 1, 102, 0), (16, 0, 202, 0),
         (20, 0, 0, 101)]
A, B = ["--group", "^a"], ["--group", "^(b| ==>)"]


def stamp(ms, digits=6):
    return f"{10 + ms / 1000:.{digits}f}"


def kernel_line(column, names=None):
    """A switch as the kernel prints it, behind what stands in front of it."""
    def line(ms, cpu, before, after):
        known = {**NAMES, **(names or {})}
        return column.format(comm=known[before], pid=before, cpu=cpu, time=stamp(ms)) + (
            f"sched_switch: prev_comm={known[before]} prev_pid={before} prev_prio=120 prev_state=R ==> "
            f"next_comm={known[after]} next_pid={after} next_prio=120")
    return line


def trace_cmd(ms, cpu, before, after):
    return (f"{NAMES[before]:>16}-{before:<5} [{cpu:03}] {stamp(ms)}: sched_switch:         "
            f"{NAMES[before]}:{before} [120] R ==> {NAMES[after]}:{after} [120]")


TRACEFS = kernel_line("{comm:>16}-{pid:<7} [{cpu:03}] d..2.  {time}: ")
FORMATS = {
    "tracefs": TRACEFS,
    "tracefs, with flags of four": kernel_line("{comm:>16}-{pid:<7} [{cpu:03}] dNh1   {time}: "),
    "tracefs, without flags": kernel_line("{comm:>16}-{pid:<7} [{cpu:03}]   {time}: "),
    "tracefs, with thread groups": kernel_line("{comm:>16}-{pid:<7} (  {pid}) [{cpu:03}] d..2.  {time}: "),
    "tracefs, with thread groups that are not known": kernel_line("{comm:>16}-{pid:<7} (-------) [{cpu:03}] d..2.  {time}: "),
    "trace-cmd report": trace_cmd,
    "trace-cmd report -R": lambda *words: re.sub(" R ==> (?=next_comm=.* next_pid=)", " 0 ",
                                                 kernel_line("{comm:>16}-{pid:<5} [{cpu:03}] {time}: ")(*words)),
    "trace-cmd report, with flags": kernel_line("{comm:>16}-{pid:<5} [{cpu:03}] d..2. {time}: "),
    "trace-cmd report, with nanoseconds": lambda *words: re.sub(r"(10\.\d{6}): ", r"\g<1>000: ", trace_cmd(*words)),
    "perf script": lambda *words: kernel_line("{comm:>16} {pid:>6} [{cpu:03}] {time}: ")(*words).replace("sched_switch", "sched:sched_switch"),
}
PLAIN = {0: "swapper", 1: "ann", 2: "bob", 3: "eve", 7: "kworker/1:2", 8: "rcu_test", 9: "kworker/9:9"}
switch = kernel_line("{comm:>16}-{pid:<7} [{cpu:03}] d..2.  {time}: ", PLAIN)


def event(ms, cpu, text):
    return f"{'x':>16}-{9:<7} [{cpu:03}] d..2.  {stamp(ms)}: {text}"


def run(ms, cpu, pid, cookie=0, forced=0):
    return event(ms, cpu, f"sched_core_run: cpu={cpu} pid={pid} cookie={cookie} forced_idle={forced}")


def change(ms, cpu, pid, before, after):
    return event(ms, cpu, f"sched_core_cookie: pid={pid} from={before} to={after}")


def told(ms, cpu):
    return event(ms, cpu, "reschedule_entry: vector=253")


END = [switch(19, 0, 0, 0), switch(20, 1, 0, 0)]
# Both CPUs idle until ann comes at 1 and bob at 3; bob leaves at 8, ann at 10.
PAIR = [switch(0, 0, 0, 0), switch(0, 1, 0, 0), switch(1, 0, 0, 1), switch(3, 1, 0, 2), switch(8, 1, 2, 0), switch(10, 0, 1, 0), *END]
COOKIES = [run(0, 0, 1, 11), run(0, 1, 2, 12)]


def within(lines, *more):
    """The lines of a trace, with more of them at their times."""
    return sorted([*lines, *more], key=lambda line: float(re.search(r"(\d+\.\d+): ", line)[1]))


# (name, lines, options, ms mixed, what else is said)
SUMS = [
    ("two cookies", within(PAIR, *COOKIES), [], 5, ""),
    ("two cookies, by trace-cmd report -R", [line.replace("forced_idle=", "forced=") for line in within(PAIR, *COOKIES)], [], 5, ""),
    ("a cookie and none", within(PAIR, run(0, 0, 1, 11)), [], 5, ""),
    ("one cookie", within(PAIR, run(0, 0, 1, 11), run(0, 1, 2, 11)), [], 0, ""),
    ("no cookies", PAIR, [], 0, ""),
    ("a cookie of which is heard late", within(PAIR, run(7, 1, 2, 12)), [], 5, ""),
    ("a cookie that a running task is given", within(PAIR, change(5, 0, 1, 0, 11)), [], 3, ""),
    ("... and loses", within(PAIR, change(4, 0, 1, 0, 11), change(6, 0, 1, 11, 0)), [], 2, ""),
    ("a number that a new task has", within(PAIR, run(0, 0, 1, 11), run(0, 1, 2, 12), run(6, 1, 2, 11)), [], 3, ""),
    ("a kernel thread beside a cookie", within([line.replace("bob", "kworker/1:2") for line in PAIR], run(0, 0, 1, 11)), [], 0, ""),
    ("... that has a cookie", within([line.replace("bob", "kworker/1:2") for line in PAIR], *COOKIES), [], 5, ""),
    ("a task that is called almost like one", within([line.replace("bob", "rcu_test") for line in PAIR], run(0, 0, 1, 11)), [], 5, ""),
    ("... and is said to be one", within([line.replace("bob", "rcu_test") for line in PAIR], run(0, 0, 1, 11)),
     ["--kernel", "^rcu_"], 0, ""),
    ("groups, whatever the cookies", within(PAIR, run(0, 0, 1, 11), run(0, 1, 2, 11)), ["--group", "x=ann", "--group", "bob"], 5, ""),
    ("tasks of no group", PAIR, ["--group", "ann"], 0, ""),
    ("a part of the time", within(PAIR, *COOKIES), ["--from", "0.004", "--to", "0.0065"], 2.5, ""),
    ("who runs when it begins", [switch(4, 0, 1, 0), switch(1, 1, 2, 0), *END], ["--group", "ann", "--group", "bob"], 0, ""),
    ("... and both", [switch(1, 1, 0, 0), switch(4, 0, 1, 0), switch(6, 1, 0, 2), switch(8, 1, 2, 0), *END], ["--group", "ann", "--group", "bob"], 0, ""),
    ("... for a while", [event(1, 0, "other: x"), switch(4, 0, 1, 0), switch(6, 1, 2, 0), *END], ["--group", "ann", "--group", "bob"], 3, ""),
    ("events that were lost", within(PAIR[:4], *COOKIES) + ["CPU:1 [LOST 12 EVENTS]"] + PAIR[4:], [], 0, "5.000 ms not known"),
    ("... by trace-cmd's word", within(PAIR[:4], *COOKIES) + ["CPU:1 [12 EVENTS DROPPED]"] + PAIR[4:], [], 0, "5.000 ms not known"),
    ("... and nothing after them", within(PAIR[:4], *COOKIES) + ["CPU:1 [LOST 12 EVENTS]"] + PAIR[5:7], [], 0, "7.000 ms not known"),
    ("... of which only what follows tells", within(PAIR, *COOKIES, switch(6, 1, 3, 2)), [], 2, "3.000 ms not known"),
    ("a buffer that was overwritten", ["# entries-in-buffer/entries-written: 7/90   #P:2", *within(PAIR[2:], run(1, 0, 1, 11))],
     [], 5, "2.000 ms not known"),
    ("a CPU of which nothing is heard", [line for line in within(PAIR, *COOKIES) if "[000]" in line], [], 0, "9.000 ms not known"),
    ("an interrupt on its way", within(PAIR, *COOKIES, told(7, 0)), [], 1, "4.000 ms more while an interrupt was on its way"),
    ("... when the timer came before", within(PAIR, *COOKIES, event(5, 0, "local_timer_entry: vector=236"), told(7, 0)), [], 3,
     "2.000 ms more while"),
    ("... that was none when only the timer came", within(PAIR, *COOKIES, event(5, 0, "local_timer_entry: vector=236"), told(11, 0)), [], 5, ""),
    ("... to the one that had not to stop", within(PAIR, *COOKIES, told(7, 1)), [], 5, ""),
    ("... for a task that got a cookie", within(PAIR, change(5, 1, 1, 0, 11), told(7, 0)), [], 1, "2.000 ms more while"),
    ("... for another reason than cookies", within(PAIR, told(7, 0)), ["--group", "ann", "--group", "bob"], 5, ""),
    ("... on other machines", within(PAIR, *COOKIES, event(7, 0, "ipi_entry: (Rescheduling interrupts)")), [], 1, "4.000 ms more while"),
    ("... of another kind", within(PAIR, *COOKIES, event(7, 0, "ipi_entry: (Function call interrupts)")), [], 5, ""),
    ("three siblings", within([*PAIR, switch(0, 2, 0, 0), switch(7, 2, 0, 3), switch(9, 2, 3, 0)], *COOKIES, run(0, 2, 3, 13)),
     ["--cores", "0-2"], 6, ""),
    ("siblings that are no neighbours", within(PAIR, *COOKIES), ["--cores", "0,2/1,3"], 0, "14.000 ms not known"),
]
BAD = [
    ("an empty trace", "", [], "no sched_switch event"),
    ("a trace without switches", event(1, 0, "sched_wakeup: comm=x pid=1") + "\n", [], "no sched_switch event"),
    ("a trace that is none", "hello\n\0\xff\n", [], "no sched_switch event"),
    ("a switch in another shape", event(1, 0, "sched_switch: from here to there") + "\n", [], "cannot make anything of"),
    ("a binary file of trace-cmd's", "\x17\x08Dtracing and more", [], "'trace-cmd report'"),
    ("a binary file of perf's", "PERFILE2 and more than that", [], "'perf script'"),
    ("two traces in one", "\n".join([*PAIR, *PAIR]), [], "goes back"),
    ("no siblings", "\n".join(PAIR), ["--cores", "x"], "--cores wants"),
    ("a CPU that is named twice", "\n".join(PAIR), ["--cores", "0-1/1-2"], "twice"),
    ("no regular expression", "\n".join(PAIR), ["--group", "("], "no regular expression"),
    ("a part that is none", "\n".join(PAIR), ["--from", "0.5", "--to", "0.2"], "nothing between"),
    ("a part behind the end", "\n".join(PAIR), ["--from", "5"], "of its 0.020000 s"),
    ("a part of no length", "\n".join(PAIR), ["--to", "0"], "nothing between"),
    ("one moment", switch(1, 0, 0, 1) + "\n", [], "nothing between"),
]


class Strip:
    """Runs the program on a trace in a folder of its own."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "trace"

    def call(self, text, *options):
        self.path.write_text(text, encoding="latin-1")
        return self.on(self.path, *options)

    @staticmethod
    def on(path, *options, **more):
        options = options if "--cores" in options else ("--cores", "0-1", *options)
        return subprocess.run([STRIP, *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **more)


def wants(done, status, *texts):
    said = done.stdout + done.stderr
    return ([f"exit {done.returncode}, not {status}"] if done.returncode != status else []) + [
        f"does not say: {text}" for text in texts if text not in said] + ["a traceback"] * ("Traceback" in said)


def paths(svg, fill):
    """(x, width) of what is drawn in a colour."""
    found = []
    for element in xml.dom.minidom.parseString(svg).getElementsByTagName("path"):
        if element.getAttribute("fill") == fill:
            found += [(float(x), float(width)) for x, width in re.findall(r"M([\d.]+) [\d.]+h([\d.]+)", element.getAttribute("d"))]
    return found


def pictures(checks, strip):
    red, pink = "#d7191c", "#f4a3a0"
    done = strip.call("\n".join(within(PAIR, *COOKIES)), "--title", "a < b")
    drawn = paths(done.stdout, red) if done.returncode == 0 else []
    # 20 ms are 796 pixels from 70 on; mixed is 3 to 8 ms.
    good = len(drawn) == 1 and abs(drawn[0][0] - 70 - 3 * 39.8) < 0.2 and abs(drawn[0][1] - 5 * 39.8) < 0.2
    checks.check("red stands where the siblings were mixed", wants(done, 0, "5.0 ms mixed", "a &lt; b", "cookie 11", "cookie 12", "ann-1, 9.00 ms")
                 + ([] if good else [f"{drawn}"]), done.stderr)
    done = strip.call("\n".join(PAIR))
    checks.check("... and nowhere else", wants(done, 0, "0.0 ms mixed") + (["red"] if paths(done.stdout, red) else []), done.stderr)
    done = strip.call("\n".join(within(PAIR, *COOKIES, told(7, 0))))
    checks.check("an interrupt's way is pink", wants(done, 0, "1.0 ms mixed", "+ 4.0 ms on its way")
                 + ([] if [round(width / 39.8, 1) for _, width in paths(done.stdout, pink)] == [4.0] else [f"{paths(done.stdout, pink)}"]))
    done = strip.call("\n".join(within(PAIR, run(2, 1, 0, 0, 1), run(9, 1, 0, 0, 1), run(12, 1, 0, 0, 0))))
    forced = [round(width / 39.8, 1) for _, width in paths(done.stdout, "url(#f)")]
    checks.check("forced idle begins and ends without a switch", [] if forced == [1.0, 3.0] else [f"{forced}"], done.stderr)
    done = strip.call("\n".join(within(PAIR, *COOKIES)[:-3] + ["CPU:0 [LOST 1 EVENTS]"] + PAIR[-3:]))
    checks.check("lost events are told", wants(done, 0, "events were lost", "not known"))
    done = strip.call("\n".join([*PAIR[:2], switch(1, 5, 0, 1), *PAIR[2:]]))
    checks.check("a CPU in no core is told", wants(done, 0, "CPU 5: in no core"))
    spark = [switch(0, 0, 0, 0), switch(0, 1, 0, 1), switch(500, 0, 0, 2), switch(500.001, 0, 2, 0), switch(1000, 0, 0, 0), switch(1000, 1, 1, 0)]
    done = strip.call("\n".join(spark), "--group", "ann", "--group", "bob")
    checks.check("a microsecond in a second is seen", [] if [width >= 0.8 for _, width in paths(done.stdout, red)] == [True]
                 else [f"{paths(done.stdout, red)}"], done.stderr)


def many(checks, strip):
    """Sizes: what is drawn is bounded by the pixels, and what is kept by a few words an event."""
    with open(strip.path, "w", encoding="ascii") as out:
        for number in range(150000):
            cpu, task = number % 2, number // 2 % 2
            before, after = ((0, cpu + 1), (cpu + 1, 0))[task]
            out.write(switch(number * 0.05, cpu, before, after) + "\n")
    begin = time.monotonic()
    done = strip.on(strip.path, "--group", "ann", "--group", "bob")
    took = time.monotonic() - begin
    # Each is on for 0.1 ms in 0.2, and the two overlap by half of that.
    checks.check("150000 switches in 800 pixels", wants(done, 0, "1875.0 ms mixed") + ([] if len(done.stdout) < 60000 else [f"{len(done.stdout)} bytes"]))
    checks.check("... in a time that can be waited for", [] if took < 120 else [f"{took:.0f} s"])
    done = strip.on(strip.path, "--group", "ann", "--group", "bob", "--check", "1e6", preexec_fn=limit)
    checks.check("... in 200 MB of memory", wants(done, 0, "1875.000 ms of"), done.stdout + done.stderr)
    with open(strip.path, "w", encoding="ascii") as out:
        for number in range(100000):
            cpu, on = number % 256, number // 256 % 2
            out.write(switch(number * 0.01, cpu, on, 1 - on) + "\n")
    done = strip.on(strip.path, "--cores", "/".join(f"{cpu}-{cpu + 1}" for cpu in range(0, 256, 2)))
    checks.check("256 CPUs", wants(done, 0, "CPU 255") + ([] if len(done.stdout) < 4 << 20 else [f"{len(done.stdout)} bytes"]))


def limit():
    import resource  # pylint: disable=import-outside-toplevel
    resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        strip = Strip(folder)
        for name, line in FORMATS.items():
            done = strip.call("\n".join(["# tracer: nop", "cpus=2", *(line(*words) for words in SEVEN), ""]), *A, *B, "--check", "7.0001")
            checks.check(f"7 ms in the format of {name}", wants(done, 0, "7.000 ms of different"), done.stdout + done.stderr)
        for name, lines, options, mixed, more in SUMS:
            done = strip.call("\n".join(lines), *options, "--check", "1000")
            wrong = wants(done, 0, f"{mixed:.3f} ms of different cookies", more)
            if not more and done.stdout.count("ms") != 1:
                wrong.append("says more")
            checks.check(f"the sum of {name}", wrong, done.stdout + done.stderr)
        text = "\n".join(within(PAIR, *COOKIES))
        for limit_ms, status in (("4.9", 1), ("5.1", 0)):
            checks.check(f"--check {limit_ms} of 5 ms", wants(strip.call(text, "--check", limit_ms), status))
        text = "\n".join(within(PAIR[:4], *COOKIES) + ["CPU:1 [LOST 12 EVENTS]"] + PAIR[4:])
        checks.check("--check when it may have been more", wants(strip.call(text, "--check", "1"), 2, "not known"))
        for name, text, options, part in BAD:
            done = strip.call(text, *options)
            checks.check(f"{name} is refused", wants(done, 1, f"core-strip: {strip.path}: ", part) + (["draws"] if done.stdout else []),
                         done.stderr)
        checks.check("no file", wants(strip.on(f"{folder}/none"), 1, "No such file"))
        strip.path.write_text("\n".join(within(PAIR, *COOKIES)), encoding="ascii")
        with open(strip.path, encoding="ascii") as file:
            checks.check("standard input", wants(strip.on("-", "--check", "9", stdin=file), 0, "5.000 ms of different"))
        pictures(checks, strip)
        many(checks, strip)
    checks.done()


main()
