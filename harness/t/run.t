#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""t/run against test files that fail in each way a test file can."""

import os
import tempfile

from fixture import Checks, expect, run, start

FILES = [
    ("passes", "echo 1..2; echo ok 1 a; echo 'ok 2 b # SKIP no b'", 0, "1 passed, 0 failed, 1 skipped"),
    ("fails", "echo 1..1; echo not ok 1 a; exit 1", 1, "0 passed, 1 failed, 0 skipped"),
    ("fails, status 0", "echo 1..1; echo not ok 1 a", 1, "0 passed, 1 failed, 0 skipped"),
    ("dies", "echo 1..2; echo ok 1 a; kill -9 $$", 1, "1 passed, 1 failed, 0 skipped"),
    ("has no plan", "echo ok 1 a", 1, "1 passed, 1 failed, 0 skipped"),
    ("prints nothing", "exit 0", 1, "0 passed, 1 failed, 0 skipped"),
    ("repeats a number", "echo 1..2; echo ok 1 a; echo ok 1 b", 1, "2 passed, 1 failed, 0 skipped"),
    ("has a bad status", "echo 1..1; echo ok 1 a; exit 3", 1, "1 passed, 1 failed, 0 skipped"),
    ("plans no test", "echo 1..0", 1, "0 passed, 0 failed, 0 skipped"),
]

checks = Checks()
with tempfile.TemporaryDirectory() as place:
    path = os.path.join(place, "a.t")
    for name, script, status, count in FILES:
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)
        got, output = run("t/run", path)
        wrong = expect(got, status, output)
        if not output.endswith(f"\n{count}\n"):
            wrong.append(f"does not end with: {count}")
        checks.check(f"a test file that {name}", wrong, output)
        if status and "fails" in name or name == "passes":
            checks.check("... started for real", expect(start("t/run", path)[0], status, output))
    os.chmod(path, 0o644)
    got, output = run("t/run", path)
    checks.check("a test file that cannot start", expect(got, 1, output), output)
checks.done()
