#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""kselftest: a configuration whose checkers sleep has checked nothing, however clean its console is."""

import pathlib
import sys
import tempfile

from fixture import HARNESS, Checks

sys.path.insert(0, str(HARNESS))
import kselftest  # noqa: E402

checks = Checks()
with tempfile.TemporaryDirectory() as folder:
    console = pathlib.Path(folder) / "console.log"
    checks.check("no console, no sign of life", [] if kselftest.asleep("race", console) == list(kselftest.ALIVE["race"])
                 else ["a missing console passes"])
    console.write_text("[    0.0] Linux version 5.10\naccord: powering off\n")
    for config, signs in kselftest.ALIVE.items():
        checks.check(f"{config}: a console that says nothing of its checkers",
                     [] if kselftest.asleep(config, console) == list(signs) else ["passes"])
    checks.check("vm has none", [] if not kselftest.asleep("vm", console) else ["fails"])
    console.write_text("".join(f"[    0.0] {sign} and more\n" for signs in kselftest.ALIVE.values() for sign in signs))
    for config in kselftest.ALIVE:
        checks.check(f"{config}: checkers that have started", kselftest.asleep(config, console))
    console.write_text("[    0.0] kcsan: selftest: 3/3 tests passed\n")
    checks.check("race: another message of KCSAN", [] if kselftest.asleep("race", console) else ["passes"])
checks.done()
