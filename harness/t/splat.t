#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/splat against logs with a known verdict, its lists against examples.

The twin that must fail: the same logs under an empty deny list are clean, so
it is the list that catches them.
"""

import os
import re
import tempfile

from fixture import Checks, HARNESS, HERE, expect, load, run, start

# log, exit status, parts of the output, number of reports
LOGS = [
    ("clean", 0, ["splat/clean.log: clean"], 0),
    ("oom-memcg", 0, ["clean"], 0),
    ("dirty-bytes", 0, ["clean"], 0),
    ("marker-broken", 0, ["clean"], 0),
    ("warn", 1, ["splat/warn.log:6: WARN\n", "cut here", "example_pick+0x1f", "end trace"], 1),
    ("refcount", 1, ["refcount.log:5: refcount_t misuse (also: WARN)"], 1),
    ("warn-dirty", 1, ["splat/warn-dirty.log:5: WARN\n", "example_pick+0x1f"], 1),
    ("kasan", 1, ["kasan.log:5: KASAN report (also: lockdep turned itself off)",
                  "Memory state around"], 1),
    ("kcsan", 1, ["kcsan.log:5: KCSAN report", "Reported by Kernel Concurrency"], 1),
    ("ubsan", 1, ["ubsan.log:4: UBSAN report"], 1),
    ("lockdep", 1, ["lockdep.log:6: lockdep: circular locking", "dump_stack+"], 1),
    ("stall", 1, ["stall.log:4: RCU stall", "example_spin+"], 1),
    ("oops-panic", 1, ["oops-panic.log:4: page fault in the kernel (also: Oops",
                       "kernel panic", "no line 'accord: powering off'"], 2),
    ("two", 1, ["two.log:4: WARN", "two.log:14: sleep in atomic context"], 2),
    ("oom-then-bug", 1, ["oom-then-bug.log:12: spinlock debugging report"], 1),
    ("truncated", 1, ["truncated log / VM lost: no line"], 1),
    ("rebooted", 1, ["truncated log / VM lost: booted again"], 1),
    ("empty", 1, ["empty log / VM lost"], 1),
]

REASON = "# reason: a fixture, goes with this test\n"
checks = Checks()


def log(name):
    """Return the path of a log relative to t/, as the output has it."""
    return f"splat/{name}.log"


def with_list(option, text, name):
    """Run splat on a log with a list that holds @text."""
    with tempfile.NamedTemporaryFile("w", suffix=".list") as entries:
        entries.write(text)
        entries.flush()
        return run("splat", option, entries.name, log(name))


for name, status, parts, count in LOGS:
    got, output = run("splat", log(name))
    wrong = expect(got, status, output, parts)
    found = len(re.findall(rf"^{re.escape(log(name))}:\d+: ", output, re.M))
    if found != count:
        wrong.append(f"{found} reports, expected {count}")
    checks.check(f"log {name}: {'splat' if status else 'clean'}", wrong, output)

# The twin: without patterns only the end of the log is judged.
got, output = run("splat", "--deny", os.devnull, *(log(name) for name, *_ in LOGS[:-5]
                                                   if name != "oops-panic"))
checks.check("twin: an empty deny list finds nothing", expect(got, 0, output), output)
got, output = run("splat", "--deny", os.devnull, log("warn"))
checks.check("twin: an empty deny list finds no WARN", expect(got, 0, output, ["clean"]), output)

got, output = run("splat", log("clean"), log("warn"), log("clean"))
checks.check("one bad log of three fails", expect(got, 1, output, ["splat: 1 in 3 logs"]), output)

for name, status in ("clean", 0), ("warn", 1), ("no-such", 2):
    got, output = start("splat", log(name))
    checks.check(f"started for real, log {name}: status {status}",
                 expect(got, status, output), output)

# The allow list.
got, output = with_list("--allow", f"{REASON}at kernel/example\\.c:120 \n", "warn")
checks.check("allowed with a reason: clean", expect(got, 0, output, ["clean"]), output)
got, output = with_list("--allow", "# harmless\nat kernel/example\\.c:120 \n", "warn")
checks.check("allowed without a reason: refused",
             expect(got, 2, output, [":2: entry without a '# reason"]), output)
got, output = with_list("--allow", f"{REASON}\nat kernel/example\n", "warn")
checks.check("allowed with a reason elsewhere: refused", expect(got, 2, output), output)
got, output = with_list("--allow", f"{REASON[:10]}\nat kernel/example\n", "warn")
checks.check("allowed with an empty reason: refused", expect(got, 2, output), output)
got, output = with_list("--allow", f"{REASON}at kernel/example\\.c:121 \n", "warn")
checks.check("another line is allowed: splat", expect(got, 1, output), output)
got, output = with_list("--allow", f"{REASON}at kernel/example\n", "two")
checks.check("an allowed splat does not hide the next",
             expect(got, 1, output, ["two.log:14: sleep"], ["two.log:4:"]), output)
got, output = with_list("--allow", f"{REASON}WARNING: CPU\n", "refcount")
checks.check("a splat with two messages needs both allowed",
             expect(got, 1, output, ["refcount_t"]), output)
got, output = with_list("--allow", f"{REASON}*\n", "clean")
checks.check("a list with a broken expression: refused", expect(got, 2, output), output)
got, output = with_list("--deny", "# all\n.*\n", "clean")
checks.check("a pattern that matches nothing at all: refused", expect(got, 2, output), output)
got, output = with_list("--deny", "panic\n", "clean")
checks.check("a pattern without a name: refused", expect(got, 2, output), output)

# The end of the log.
got, output = run("splat", "--complete", "accord: other", log("clean"))
checks.check("another marker is missed", expect(got, 1, output, ["no line"]), output)
got, output = run("splat", "--complete", "", log("clean"))
checks.check("an empty marker: usage", expect(got, 2, output), output)
got, output = run("splat", "--fragment", log("truncated"))
checks.check("a fragment needs no marker", expect(got, 0, output, ["clean"]), output)
got, output = run("splat", log("no-such"))
checks.check("no such log: usage", expect(got, 2, output), output)
got, output = run("splat")
checks.check("no log: usage", expect(got, 2, output), output)

# Data races of others.
for names, status in (("example_write other", 1), ("example_read", 1), ("other", 0), ("example", 0)):
    with tempfile.NamedTemporaryFile("w") as listed:
        listed.write(names)
        listed.flush()
        got, output = run("splat", "--races-of", listed.name, log("kcsan"))
        checks.check(f"races of {names}: {'found' if status else 'passed over'}",
                     expect(got, status, output, ["KCSAN" if status else "passed over 1"]), output)
        got, output = run("splat", "--races-of", listed.name, log("kasan"))
        checks.check(f"races of {names}: another splat counts", expect(got, 1, output, ["KASAN"]), output)
got, output = run("splat", "--races-of", "/dev/null", log("kcsan"))
checks.check("an empty list of functions: refused", expect(got, 2, output), output)

# A report is bounded.
with tempfile.NamedTemporaryFile("w", suffix=".log") as long:
    long.write("[    1.000000] BUG: KASAN: wild-access in f+0x1/0x2\n"
               "[    1.000000] Call Trace:\n")
    long.writelines(f"[    1.000000]  f{i}+0x1/0x2\n" for i in range(100))
    long.write("[    1.000000] accord: powering off\n")
    long.flush()
    got, output = run("splat", long.name)
    wrong = expect(got, 1, output, ["... 22 more lines", "f77+"], ["f78+"])
    checks.check("a report is printed up to 80 lines", wrong, output)

# Every pattern has a line that it is the first to match; harmless lines match none.
splat = load("splat")
patterns = splat.read_list(os.path.join(HARNESS, "splat.deny"), reason=False)


def names_of(path):
    """Yield each example of a file with the name of the pattern that denies it."""
    with open(os.path.join(HERE, "splat", path), encoding="utf-8") as lines:
        for text in lines:
            if text.strip() and not text.startswith("#"):
                pieces, _ = splat.cut(f"[    1.000000] {text}".encode())
                splat.deny(pieces, patterns)
                yield text.rstrip(), pieces[0].name


denied = list(names_of("lines.deny"))
checks.check("every example of a splat is found",
             [text for text, name in denied if not name])
checks.check("every pattern finds an example",
             [name for name, _ in patterns if name not in {name for _, name in denied}])
checks.check("harmless lines are left alone",
             [f"{name}: {text}" for text, name in names_of("lines.clean") if name])
names = [name for name, _ in patterns]
checks.check("names of patterns are unique", [n for n in set(names) if names.count(n) > 1])
checks.check("the allow list is empty",
             [n for n, _ in splat.read_list(os.path.join(HARNESS, "splat.allow"), reason=True)])
checks.done()
