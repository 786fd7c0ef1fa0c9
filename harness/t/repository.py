# SPDX-License-Identifier: GPL-2.0
"""A small repository with a base of a few files, laid out already: what series, lint and mutate are tried on."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from fixture import HARNESS, Checks

SOURCE = f"package=base\nversion=1\nsha256={'0' * 64}\narchive=main\nsuite=none\ntarball=none\n"
BASE = {
    "kernel/a.c": "int a(int x);\n\nint a(int x)\n{\n\tint y = x;\n\n\tif (y)\n\t\treturn 1;\n\treturn 0;\n}\n",
    "kernel/b.c": "alpha\nbeta\ngamma\ndelta\nepsilon\nzeta\neta\ntheta\niota\nkappa\n",
    "kernel/Makefile": "obj-y += a.o\n",
    "init/Kconfig": "config BASED\n\tbool \"Based\"\n",
}
HOOK = """From: Accord <accord@localhost>
Subject: kernel: Call what is ours from a()

What a() has to do is more than a line. Call a function of ours, which says
what it is.

Origin: own
Overlay: kernel/ours.c
Overlay: kernel/ours.h
Overlay: tools/ours/
---
--- a/kernel/a.c
+++ b/kernel/a.c
@@ -4,7 +4,7 @@
 {
 \tint y = x;
 
-\tif (y)
+\tif (y > 0)
 \t\treturn 1;
 \treturn 0;
 }
"""
SECOND = """From: Somebody Else <else@localhost>
Subject: kernel: Shout the second letter, in a line that is long enough
 to be folded

A letter that is not shouted is not heard.

Origin: own
---
--- a/kernel/b.c
+++ b/kernel/b.c
@@ -1,4 +1,4 @@
 alpha
-beta
+BETA
 gamma
 delta
"""
OURS = {
    "kernel/ours.c": "// SPDX-License-Identifier: GPL-2.0\n/* Ours. */\n#include \"ours.h\"\n\n"
                     "/**\n * ours() - Give back what came.\n * @x: what comes\n *\n * Return: @x.\n */\n"
                     "int ours(int x)\n{\n\treturn x;\n}\n",
    "kernel/ours.h": "/* SPDX-License-Identifier: GPL-2.0 */\nint ours(int x);\n",
    "tools/ours/run.sh": "#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\necho ours\n",
}


class Repository:
    """The small repository; a context that takes itself away."""

    def __init__(self, base=None, patches=None, ours=None):
        self._place = tempfile.TemporaryDirectory()
        self.top = pathlib.Path(self._place.name).resolve() / "top"
        self.build = self.top / "build"
        self.patches = self.top / "base/linux-5.10/patches"
        self.base = {**BASE, **(base or {})}
        self.put("base/linux-5.10/source", SOURCE)
        self.put("base/linux-5.10/config/vm.config", "")
        for slot in ("", "none", "mutate", "prefix"):
            for name, text in {**self.base, ".accord-base": SOURCE}.items():
                self.put(f"build/{slot}/linux-5.10/{name}", text)
        for name, text in (ours or OURS).items():
            self.put(name, text).chmod(0o755 if text.startswith("#!") else 0o644)
        self.series(patches or {"prep/hook.patch": HOOK, "isolation/second.patch": SECOND})
        (self.top / "harness").symlink_to(HARNESS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._place.cleanup()

    def put(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def series(self, patches):
        for name, text in patches.items():
            self.put(self.patches / name, text)
        self.put(self.patches / "series", "# What comes first\n" + "\n# And then\n".join(f"{name}\n" for name in patches))

    def change(self, name, old, new):
        """Change a patch or a file of ours."""
        path = self.patches / name if name.endswith(".patch") else self.top / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new))

    def own_harness(self, **stubs):
        """Give the repository a harness of its own: the real programs, but for these."""
        (self.top / "harness").unlink()
        (self.top / "harness").mkdir()
        for path in pathlib.Path(HARNESS).iterdir():
            if path.is_file() and path.name != "lint.ignore":
                (self.top / "harness" / path.name).symlink_to(path)
        for name, text in stubs.items():
            path = self.top / "harness" / name
            path.unlink(missing_ok=True)
            path.write_text(text)
            path.chmod(0o755)

    def run(self, program, *words):
        """Run a program on it; (exit status, what it printed on both)."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ACCORD_", "GIT_"))}
        done = subprocess.run([os.path.join(HARNESS, program), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", cwd=self.top, env={**environment, "ACCORD_TOP": str(self.top)})
        return done.returncode, done.stdout


class Report(Checks):
    """TAP that can also skip."""

    def skip(self, name, why):
        self.number += 1
        print(f"ok {self.number} {name} # SKIP {why}")

    def expect(self, name, outcome, status, *parts, absent=(), also=()):
        """One test: the exit status and what is said, what is not, and complaints of the caller's."""
        got, said = outcome
        wrong = [f"exit status {got}, expected {status}"] if got != status else []
        wrong += [f"does not say: {part}" for part in parts if part not in said]
        wrong += [f"says: {part}" for part in absent if part in said]
        self.check(name, wrong + list(also), said)


def missing(*programs):
    """The first of these programs that is not there."""
    return next((program for program in programs if not shutil.which(program)), None)
