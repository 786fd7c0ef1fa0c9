# SPDX-License-Identifier: GPL-2.0
"""What the tests of the harness share: run a program, say ok or not ok.

A program runs inside the test's own process, which saves the start of an
interpreter each time; the suite stays within seconds. Each test file also
starts its program once for real, see start().
"""

import contextlib
import functools
import importlib.machinery
import importlib.util
import io
import os
import subprocess
import sys
from unittest import mock

HERE = os.path.dirname(os.path.realpath(__file__))
HARNESS = os.path.dirname(HERE)


class Checks:
    """TAP output of one test file."""

    def __init__(self):
        self.number = 0
        self.bad = 0

    def check(self, name, wrong, said=""):
        """Report one test: passed when @wrong, a list of complaints, is empty."""
        self.number += 1
        if wrong:
            self.bad += 1
            for line in list(wrong) + said.splitlines():
                print(f"# {line}")
        print(f"{'not ok' if wrong else 'ok'} {self.number} {name}")

    def done(self):
        """Print the plan and leave."""
        print(f"1..{self.number}")
        sys.exit(1 if self.bad else 0)


@functools.cache
def load(program):
    """Return a Python program of the harness as a module."""
    path = os.path.join(HARNESS, program)
    loader = importlib.machinery.SourceFileLoader(program.replace("/", "_"), path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def run(program, *args, data=b""):
    """Run main() of a program in t/; return (exit status, output)."""
    main = load(program).main
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(HERE))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(out))
        stack.enter_context(mock.patch("sys.argv", [program, *args]))
        stack.enter_context(mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(data))))
        try:
            status = main()
        except SystemExit as leave:
            status = leave.code
    out.flush()
    return status, out.buffer.getvalue().decode()


def start(program, *args, data=b""):
    """Start a program as the user does; return (exit status, output)."""
    done = subprocess.run([os.path.join(HARNESS, program), *args], input=data, cwd=HERE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout.decode()


def expect(got, want, output, parts=(), absent=()):
    """Return the complaints about an exit status and an output."""
    wrong = [f"exit status {got}, expected {want}"] if got != want else []
    wrong += [f"lacks: {part}" for part in parts if part not in output]
    wrong += [f"has: {part}" for part in absent if part in output]
    return wrong
