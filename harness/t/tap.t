#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/tap against streams with a known count."""

import os
import subprocess
import sys
import tempfile

from fixture import Checks, HARNESS, HERE, expect, run, start

EXPECT = ["--expect", "tap/all.list"]
MORE = ["--expect", "tap/more.list"]
TOPICS = ["--topic-list", "process-madvise isolation"]
SKIPS = ["--skips", "tap/skips.list"]

# stream, what it is, options, (passed, failed, skipped), parts of the output
STREAMS = [
    ("pass", "all pass", EXPECT + TOPICS, (5, 0, 0), [
        "  ok    process-madvise: pmadv: remote.two.page out\n", "  ok    process-madvise: smoke\n",
        "  ok    isolation: args.sh: get features # 3 of them\n"]),
    ("fail", "a failure and what it said", [], (4, 1, 0), [
        "  FAIL  process-madvise: other: global.second\n",
        "        # other.c:40:second:Expected 0 (0) == ret (-1)\n"]),
    ("fail-after", "plain TAP speaks after the result", [], (1, 1, 0), [
        "  FAIL  isolation: plain.sh: counts ticks\n        # got 3 ticks, want 0\n"]),
    ("dies", "a program dies mid-plan", [], (1, 3, 0), [
        "  FAIL  process-madvise: pmadv: 2 (global.second) (never came: exit=139)\n",
        "        Segmentation fault\n", "pmadv: 3 (never", "pmadv: 4 (never"]),
    ("dies-quietly", "a program stops mid-plan with status 0", [], (1, 3, 0), [
        "pmadv: 4 (never came: the program ended)"]),
    ("silent", "a program prints nothing", [], (0, 2, 0), [
        "silent (printed nothing)", "header (TAP without a test)"]),
    ("timeout", "programs time out", [], (2, 5, 0), [
        "hang: 2 (global.b) (never came: TIMEOUT 45", "hang: 3 (never", "late: b\n",
        "late (TIMEOUT 45 seconds)", "mute (TIMEOUT 45 seconds)"]),
    ("skip", "skips that nobody announced", [], (1, 5, 0), [
        "FAIL  isolation: some: quiet.tick.stops (skip not announced for vm: needs nohz_full)",
        "whole (skip not announced for vm: no such prctl)",
        "shell.sh (skip not announced for vm: no perl here)"]),
    ("skip", "announced skips", SKIPS, (1, 0, 5), [
        "  skip  isolation: some: quiet.tick.stops (needs nohz_full)\n",
        "some: named (needs root)", "some: no running name (no running name)",
        "note: announced skip did not happen: vm      isolation:never"]),
    ("skip", "skips announced for another configuration", SKIPS + ["--config", "debug"],
     (1, 5, 0), ["skip not announced for debug"]),
    ("exit", "a bad status where all subtests are fine", [], (2, 2, 0), [
        "FAIL  process-madvise: pmadv (exit=1)", "plain (exit=3)", "something went wrong"]),
    ("exit4", "status 4 without a skip", [], (1, 1, 0), ["odd (exit=4, but no"]),
    ("pass", "expected programs never ran", MORE, (5, 2, 0), [
        "process-madvise: gone (expected, never ran)", "core-sched: pick (expected, never ran)"]),
    ("pass", "expectations of other topics", MORE + TOPICS, (5, 1, 0), ["gone (expected"]),
    ("pass", "a topic without a program", ["--topic-list", "isolation core-sched"], (5, 1, 0), [
        "core-sched (no program of this topic ran)"]),
    ("short-run", "programs that the runner planned", [], (2, 2, 0), [
        "program 2 of 3 (never ran)", "program 3 of 3 (never ran)"]),
    ("truncated", "the stream stops inside a program", [], (3, 3, 0), [
        "other: 2 (global.second) (never came: the stream ended)", "other: 3 (never",
        "without 'accord: tests done'"]),
    ("no-end", "the stream stops between programs", [], (2, 1, 0), ["without 'accord"]),
    ("pass", "another end is awaited", ["--end", "over"], (5, 1, 0), ["without 'over'"]),
    ("run-timeout", "the whole run times out", [], (2, 2, 0), ["the whole run: TIMEOUT 600"]),
    ("empty", "an empty stream", [], (0, 2, 0), ["not one test ran"]),
    ("nothing", "an end and no test", [], (0, 1, 0), ["not one test ran"]),
    ("numbers", "numbers twice and out of range", [], (3, 2, 0), [
        "b again (duplicate number 2)", "beyond (number 4 is out of range"]),
    ("late-plan", "a late plan that is too small", [], (2, 1, 0), ["2 (out of range: the plan"]),
    ("nested", "TAP in TAP", ["--skips", "tap/skips-nested.list"], (9, 2, 1), [
        "ok    all: wrapper.sh: pmadv/remote.two.page out\n",
        "FAIL  all: wrapper.sh: quiesce/tock\n        # expected 0, got 1\n",
        "FAIL  all: wrapper.sh: quiesce/3 (never came",
        "ok    all: wrapper.sh: no subtests here\n", "ok    all: ktap: suite/deep/deepest\n",
        "skip  all: ktap: suite/flat (not here)\n", "ok    all: twice: b\n"]),
    ("glued", "the runner's line behind an unfinished one", [], (2, 1, 0), [
        "ok    isolation: glued\n", "FAIL  isolation: glued2 (exit=7)"]),
    ("bytes", "CR LF, escapes, damaged UTF-8", [], (2, 0, 0), ["bytes: caf\\xe9 \\xff"]),
    ("odd", "XFAIL, TODO, error, bail out, strays", [], (0, 8, 0), [
        "known to fail (skip not announced", "later (TODO write it)", "error setup broke",
        "d (passed, but is marked TODO)", "odd (bailed out: no memory)", "odd: 5 (never",
        "not ok 3 stray", "No such test"]),
    ("runner", "a missing file, a jump in the runner's numbers", [], (0, 3, 0), [
        "missing (the runner says not ok)", "file missing is missing!", "jumped (program number 3",
        "jumped (printed nothing)"]),
]

BRIEF = ("pass", "fail", "dies", "skip", "nested", "odd")	# also without --progress
checks = Checks()


def tap(name, *options):
    """Judge a stream; return (exit status, output)."""
    with open(os.path.join(HERE, "tap", f"{name}.in"), "rb") as stream:
        return run("tap", "--config", "vm", *options, data=stream.read())


for name, what, options, counts, parts in STREAMS:
    want = "{} passed, {} failed, {} skipped".format(*counts)
    got, output = tap(name, "--progress", *options)
    wrong = expect(got, 1 if counts[1] else 0, output, parts)
    last = output.splitlines()[-1] if output else ""
    if last != want:
        wrong.append(f"last line {last!r}, expected {want!r}")
    # Without --progress the count and the failures are the same.
    if name in BRIEF:
        quiet, brief = tap(name, *options)
        if quiet != got or brief.splitlines()[-1] != last:
            wrong.append("another verdict without --progress")
        if brief.count("\n  FAIL  ") + brief.startswith("  FAIL  ") != counts[1]:
            wrong.append("without --progress not each failure is named once")
    checks.check(f"stream {name}: {what}", wrong, output)

got, output = tap("fail", "--progress")
checks.check("what another test said is left out", expect(got, 1, output, (), ["not part of"]),
             output)

for name in ("skips-unreasoned", "skips-short", "no-such"):
    got, output = tap("pass", "--skips", f"tap/{name}.list")
    checks.check(f"file {name}.list: refused", expect(got, 2, output), output)
got, output = tap("pass", "--expect", "tap/skips.list")
checks.check("a list of programs that is none: refused", expect(got, 2, output), output)
for stream, status in (b"", 1), (b"# selftests: a: b\n# x\nok 1 selftests: a: b\nover\n", 0):
    got, output = start("tap", "--config", "vm", "--end", "over", data=stream)
    checks.check(f"started for real: status {status}", expect(got, status, output), output)
got, output = run("tap")
checks.check("no configuration: usage", expect(got, 2, output), output)

with tempfile.TemporaryDirectory() as out:
    tsv, junit = os.path.join(out, "tsv"), os.path.join(out, "xml")
    got, output = tap("fail", "--tsv", tsv, "--junit", junit)
    with open(tsv, encoding="utf-8") as lines:
        text = lines.read()
    wrong = expect(got, 1, text, ["failed\tprocess-madvise\tother\tglobal.second\t\n"])
    if text.count("\n") != 6:
        wrong.append("not a row for each result")
    checks.check("--tsv writes a row for each result", wrong, text)
    with open(junit, encoding="utf-8") as lines:
        text = lines.read()
    checks.check("--junit writes a case for each result", expect(
        text.count("<testcase "), 5, text, ['tests="5" failures="1" skipped="0"', "</failure>"]))

# It streams: the first result is out while the rest has not come.
with subprocess.Popen([sys.executable, "-S", "-E", os.path.join(HARNESS, "tap"), "--config", "vm",
                       "--progress"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
    program.stdin.write(b"TAP version 13\n1..1\n# selftests: a: b\n# 1..2\n# ok 1 early\n")
    program.stdin.flush()
    early = program.stdout.readline().decode()
    rest, _ = program.communicate(b"# ok 2 late\nok 1 selftests: a: b\naccord: tests done\n")
    checks.check("a result is printed as it comes", expect(
        program.returncode, 0, early + rest.decode(), ["early\n", "late\n", "2 passed, 0 failed"]))
checks.done()
