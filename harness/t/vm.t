#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""vm with stand-ins for QEMU: too old, missing, dead, hung, aborted, without a result, orphaned; and a full disk."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import types
from unittest import mock

from fixture import HARNESS, Checks, load, start

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
    ("aborts once", f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} [ -e $0.again ] || {{ touch $0.again; kill -ABRT $$; }}\n'
     "echo hello > $out; echo 7 > $status", 7, ["QEMU died of signal 6 before the guest was up; starting it once more", "hello"]),
    ("aborts each time", f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} echo . >> $0.starts; kill -ABRT $$', 125,
     ["starting it once more", "died before it came up", "status -6"]),
    ("aborts when the guest is up", f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} echo . >> $0.late\n'
     'echo "accord: up" > $console; kill -ABRT $$', 125, ["died without a result", "status -6"]),
]
# What the guest's kernel is told, for words given to vm.
SAY = f'[ "$1" != --version ] || {{ {GOOD}; }}; {FIND} while [ "$1" != -append ]; do shift; done; echo "$2" > $out; echo 0 > $status'
NOHZ_FULL = [
    ("four processors", [], "nohz_full=1"),
    ("two processors", ["--smp", "2"], "nohz_full=1"),
    ("one processor", ["--smp", "1"], None),
    ("a whole -smp argument", ["--smp", "sockets=1,cores=2,threads=2,maxcpus=8"], "nohz_full=1"),
    ("a whole -smp argument for one processor", ["--smp", "cpus=1,maxcpus=4"], None),
    ("none wanted", ["--no-nohz-full"], None),
    ("another CPU named", ["--append", "quiet nohz_full=2-3"], "nohz_full=2-3"),
]


def orphans(place, tools, fake, what, sign):
    """The complaints when a shell that runs vm gets a signal and something of it stays."""
    fake.write_text(f'#!/bin/bash\n[ "$1" != --version ] || {{ {GOOD}; }}; echo $$ > {place}/qemu; exec sleep 60\n')
    (pathlib.Path(place) / "qemu").write_text("")
    shell = subprocess.Popen(["bash", "-c", f'"$@" & echo $! > {place}/vm; wait', "bash", os.path.join(HARNESS, "vm"), "--kernel",
                              f"{place}/kernel", "--accel", "tcg", "--out", f"{place}/out", "--", "true"], stderr=subprocess.DEVNULL,
                             env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "ACCORD_BUILD": f"{place}/build"})

    def wait(until):
        limit = time.monotonic() + 20
        while not until() and time.monotonic() < limit:
            time.sleep(0.02)
        return until()

    def number(name):
        return int((pathlib.Path(place) / name).read_text() or 0)

    if not wait(lambda: number("qemu")):
        return ["the stand-in for QEMU did not start"]
    pids = {"vm": number("vm"), "QEMU": number("qemu")}
    os.kill(shell.pid if what == "shell" else pids[what], sign)
    shell.wait()
    return [f"{name} lives on" for name, pid in pids.items()
            if not wait(lambda pid=pid: not os.path.exists(f"/proc/{pid}") or "Z (zombie)" in status(pid))]


def status(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "Z (zombie)"


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
        checks.check("... is started twice", [] if (tools / "qemu-system-x86_64.starts").read_text() == ".\n.\n" else ["was not"])
        checks.check("... once, when the guest was up", [] if (tools / "qemu-system-x86_64.late").read_text() == ".\n" else ["more"])
        for name, words, wanted in NOHZ_FULL:
            fake.write_text(f"#!/bin/bash\n{SAY}\n")
            with mock.patch.dict(os.environ, {"PATH": f"{tools}:{os.environ['PATH']}", "ACCORD_BUILD": f"{place}/build"}):
                got, said = start("vm", "--kernel", f"{place}/kernel", "--accel", "tcg", *words, "--out", f"{place}/out", "--", "true")
            found = [word for word in said.split() if word.startswith("nohz_full=")]
            checks.check(f"nohz_full with {name}", [] if got == 0 and found == ([wanted] if wanted else []) else [f"has {found}"], said)
        for what, sign in (("shell", signal.SIGKILL), ("shell", signal.SIGTERM), ("vm", signal.SIGTERM), ("vm", signal.SIGKILL)):
            checks.check(f"nothing stays behind when {'who started vm' if what == 'shell' else what} gets {sign.name}",
                         orphans(place, tools, fake, what, sign))
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
