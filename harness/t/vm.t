#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""vm with stand-ins for QEMU: too old, missing, dead, hung, without a result; and a full disk."""

import os
import pathlib
import shutil
import tempfile
import types
from unittest import mock

from fixture import Checks, load, start

GOOD = 'echo "QEMU emulator version 10.0.2"; exit'
# Finds the files that vm wants its answers in, as QEMU would.
FIND = """
for word; do
	case $word in
	file,id=status,path=*) status=${word#*path=} ;;
	file,id=out,path=*) out=${word#*path=} ;;
	file:*) console=${word#file:} ;;
	esac
done
"""
CASES = [
    ("is too old", 'echo "QEMU emulator version 7.2.18"', 1, ["QEMU is too old", "8.1 or newer"]),
    ("dies at once", f'[ "$1" != --version ] || {{ {GOOD}; }}; exit 1', 125, ["died before it came up", "status 1"]),
    ("never comes up", f'[ "$1" != --version ] || {{ {GOOD}; }}; sleep 60', 124, ["timed out after 1", "never came up"]),
    ("hangs after it came up", f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} echo "accord: up" > $console; sleep 60', 124,
     ["timed out after 1", "it was up", "accord: up"]),
    ("ends without a result", f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} echo "accord: up" > $console', 125,
     ["died without a result"]),
    ("carries a status and output", f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} echo hello > $out; echo 7 > $status', 7,
     ["hello"]),
]


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as place:
        tools = pathlib.Path(place) / "bin"
        tools.mkdir()
        (pathlib.Path(place) / "kernel").write_text("")
        for name, script, status, texts in CASES:
            fake = tools / "qemu-system-x86_64"
            fake.write_text(f"#!/bin/bash\n{script}\n")
            fake.chmod(0o755)
            with mock.patch.dict(os.environ, {"PATH": f"{tools}:{os.environ['PATH']}", "ACCORD_BUILD": f"{place}/build"}):
                got, said = start("vm", "--kernel", f"{place}/kernel", "--accel", "tcg", "--timeout", "1",
                                  "--out", f"{place}/out", "--", "true")
            checks.check(f"a VM that {name}", [f"does not say: {text}" for text in texts if text not in said]
                         + ([] if got == status else [f"exit {got}, not {status}"]), said)
        # Only what vm itself needs, so that no QEMU is there.
        for tool in ("python3", "env", "cpio", "busybox"):
            if not (tools / tool).exists():
                (tools / tool).symlink_to(os.path.realpath(shutil.which(tool)))
        (tools / "qemu-system-x86_64").unlink()
        with mock.patch.dict(os.environ, {"PATH": str(tools), "ACCORD_BUILD": f"{place}/build"}):
            got, said = start("vm", "--kernel", f"{place}/kernel", "--accel", "tcg", "--out", f"{place}/out", "--", "true")
        checks.check("no QEMU at all", [] if got == 1 and "there is no qemu-system-x86_64" in said else ["message"], said)
        got, said = start("vm", "--kernel", f"{place}/none", "--", "true")
        checks.check("no kernel image", [] if got == 1 and "make image" in said else ["message"], said)

        accord = load("accord.py")
        with mock.patch("shutil.disk_usage", return_value=types.SimpleNamespace(free=10 << 20)):
            try:
                accord.room(pathlib.Path(place), 100, "a test")
                said = "no failure"
            except accord.Failure as failure:
                said = str(failure)
        checks.check("a full disk", [] if "disk full" in said and "make clean" in said else ["message"], said)
    checks.done()


main()
