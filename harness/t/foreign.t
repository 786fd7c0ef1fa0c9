#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/foreign: what runs the programs of others has to see each way in which they fail.

With stand-ins for the programs: one that does all right, and its twins. The framework of util-linux's
tests is the real one where it is in the cache, and a stand-in otherwise.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from fixture import HARNESS, Checks, load, run, start

FOREIGN = pathlib.Path(HARNESS) / "foreign"
BASE = pathlib.Path(HARNESS).parent / "base" / "util-linux" / "source"
NAMES = ("set", "set-all")
LINE = "   schedutils: coresched: [{:02}] {:<34} ...{}"
SUITES = [
    ("succeeds", [" OK", " OK"], 0, (2, 0)),
    ("has a failed subtest", [" OK", " FAILED (schedutils/coresched-set-all)"], 1, (1, 1)),
    ("has a failed subtest of which another's name begins with it", [" FAILED (schedutils/coresched-set)", " OK"], 1, (1, 1)),
    ("skips a subtest", [" OK", " SKIPPED (no)"], 0, (1, 1)),
    ("knows that a subtest fails", [" OK", " KNOWN FAILED (schedutils/coresched-set-all)"], 0, (1, 1)),
    ("ends before the last subtest", [" OK"], 0, (1, 1)),
    ("skips everything", None, 0, (0, 2)),
    ("fails after the last subtest", [" OK", " OK"], 1, (2, 1)),
]
# What coresched does, of itself: the cookie of the process that the tests name is in a file, the others' in the environment.
CORESCHED = r"""#!/bin/bash
state=${0%/*}/cookie
mine() { echo "${COOKIE:-$(cat "$state" 2>/dev/null || echo 0x0)}"; }
case "$*" in
"") TWIN_SUPPORT echo "cookie of pid $$ is $(mine)" ;;
"-v new -d "*) echo 0x1 > "$state"; echo "coresched: set cookie of PID $4 to 0x1" >&2 ;;
"get -s "*) echo "cookie of pid $3 is $(cat "$state")" ;;
get) echo "cookie of pid $$ is $(mine)" ;;
"new -- "*) shift 2; COOKIE=TWIN_NEW exec "$@" ;;
"copy -s "*" -- "*) shift 4; COOKIE=$(cat "$state") exec "$@" ;;
"copy -s "*" -d "*) TWIN_COPY echo "$COOKIE" > "$state" ;;
*) exit 9 ;;
esac
"""
PROGRAMS = [
    ("does what it should", {}, (6, 0)),
    ("is told that there is no core scheduling", {"TWIN_SUPPORT": 'echo "No support in the kernel: CONFIG_SCHED_CORE"; exit 1;'}, (0, 6)),
    ("gives no new cookie", {"TWIN_NEW": "0x1"}, (4, 2)),
    ("does not copy to the parent", {"TWIN_COPY": "exit 0;"}, (5, 1)),
]
STRESS = [
    ("leaves nothing", "echo 3 > $COOKIES; sleep 0.3; echo 0 > $COOKIES", True),
    ("leaves nothing, a moment later", "echo 3 > $COOKIES; sleep 0.3; (sleep 0.5; echo 0 > $COOKIES) > /dev/null 2>&1 &", True),
    ("leaves a cookie", "echo 3 > $COOKIES; sleep 0.3; echo 1 > $COOKIES", False),
    ("makes no cookie", "sleep 0.3", False),
    ("fails", "echo 3 > $COOKIES; sleep 0.3; echo 0 > $COOKIES; exit 2", False),
    ("finds no core scheduling", "rm $COOKIES", False),
]


def judged(collection, program, done):
    """(passed, failed) of what a program printed, by the program that judges the real run."""
    word = "ok" if done.returncode == 0 else "not ok"
    tail = "" if done.returncode == 0 else f" # exit={done.returncode}"
    stream = [f"TAP version 13\n1..1\n# selftests: {collection}: {program}\n", *(f"# {line}\n" for line in done.stdout.splitlines()),
              f"{word} 1 selftests: {collection}: {program}{tail}\naccord: tests done\n"]
    _, said = run("tap", "--config", "vm", data="".join(stream).encode())
    found = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", said, re.M)
    return (int(found[1]), int(found[2])) if found and found[3] == "0" else said


def call(path, **environment):
    return subprocess.run([path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, **environment})


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def cached_suite(folder):
    """Lay util-linux's tests out from the cache; False when they are not there."""
    file = re.search(r"^file=(.*)$", BASE.read_text(), re.M)[1]
    path = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "accord" / file
    return path.is_file() and subprocess.run(
        ["tar", "-xf", path, "-C", folder, "--strip-components=1", "--wildcards", "*/tests/functions.sh", "*/tests/commands.sh",
         "*/tests/ts/schedutils/coresched", "*/tests/expected/schedutils"], check=False).returncode == 0


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        for name, results, status, wanted in SUITES:
            shutil.copytree(FOREIGN / "util-linux", place / "a")
            said = "".join(f"echo '{LINE.format(n, *pair)}'\n" for n, pair in enumerate(zip(NAMES, results), 1)) \
                if results is not None else "echo '   schedutils: coresched                          ... SKIPPED (no)'\n"
            subtests = "".join(f'ts_init_subtest "{subtest}"\n' for subtest in NAMES)
            script(place / "a/tests/ts/schedutils/coresched", f"#!/bin/bash\n{said}exit {status}\n{subtests}")
            done = call(place / "a/test_coresched")
            found = judged("util-linux", "test_coresched", done)
            checks.check(f"coresched's suite {name}", [] if found == wanted else [f"{found}, not {wanted}"], done.stdout)
            shutil.rmtree(place / "a")

        (place / "suite").mkdir()
        there = cached_suite(place / "suite")
        for name, changes, wanted in PROGRAMS:
            if not there:
                checks.number += 1
                print(f"ok {checks.number} a coresched that {name} # SKIP its tests are not in the cache: make check-foreign fetches them")
                continue
            shutil.copytree(FOREIGN / "util-linux", place / "b")
            shutil.copytree(place / "suite", place / "b", dirs_exist_ok=True)
            text = CORESCHED
            for twin, default in (("TWIN_SUPPORT", ""), ("TWIN_NEW", "0x2"), ("TWIN_COPY", "")):
                text = text.replace(twin, changes.get(twin, default))
            script(place / "b/coresched", text)
            done = call(place / "b/test_coresched")
            found = judged("util-linux", "test_coresched", done)
            # A suite that fails as a whole may cost one more.
            good = found == wanted or wanted[1] and found == (wanted[0], wanted[1] + 1)
            checks.check(f"a coresched that {name}", [] if good else [f"{found}, not {wanted}"], done.stdout)
            shutil.rmtree(place / "b")

        for name, text, wanted in STRESS:
            script(place / "bin/stress-ng", f"#!/bin/bash\n{text}\n")
            (place / "cookies").write_text("0\n")
            done = call(FOREIGN / "stress-ng/prctl", PATH=f"{place}/bin:{os.environ['PATH']}", COOKIES=str(place / "cookies"), PATIENCE="2")
            found = judged("stress-ng", "prctl", done)
            checks.check(f"a stress-ng that {name}", [] if found == ((1, 0) if wanted else (0, 1)) else [f"{found}"], done.stdout)

    program = load("check-foreign")
    rows = program.listed(program.FOREIGN / "list", "")
    checks.check("each program that is listed is there", [f"{row} is not" for row in rows
                                                          if not os.access(FOREIGN / row[1] / row[2], os.X_OK)])
    checks.check("... and each that is there is listed",
                 [f"{path.name} is not" for path in FOREIGN.glob("*/") if path.is_dir() and path.name not in program.folders(rows)])
    for release in program.RELEASES:
        listing = program.TOP / "base" / release / "foreign"
        drivers = {path.name for path in (program.TOP / "base" / release).glob("*/*.sh")}
        named = {name for row in program.listed(listing, "") for name in row[2:]}
        checks.check(f"each script of ours for {release} is listed", [f"{name} is not" for name in sorted(drivers - named)])
    got, said = start("check-foreign", "--test", "rseq:no_such")
    checks.check("a test that there is not", [] if got == 1 and "no foreign tests for rseq:no_such" in said else ["message"], said)
    got, said = start("check-foreign", "--topic", "no-such")
    checks.check("a topic of which there is none", [] if got == 1 and "no foreign tests for no-such (there are: core-sched" in said
                 else ["message"], said)
    checks.done()


main()
