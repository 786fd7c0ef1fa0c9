# SPDX-License-Identifier: GPL-2.0
"""What the tests of the harness share: run a program, say ok or not ok."""

import os
import subprocess
import sys

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


def run(program, *args, data=b""):
    """Run a Python program of the harness; return (exit status, output)."""
    # -S -E: these programs need the standard library and nothing else.
    done = subprocess.run([sys.executable, "-S", "-E", os.path.join(HARNESS, program), *args],
                          input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=HERE, check=False)
    return done.returncode, done.stdout.decode()


def expect(got, want, output, parts=(), absent=()):
    """Return the complaints about an exit status and an output."""
    wrong = [f"exit status {got}, expected {want}"] if got != want else []
    wrong += [f"lacks: {part}" for part in parts if part not in output]
    wrong += [f"has: {part}" for part in absent if part in output]
    return wrong
