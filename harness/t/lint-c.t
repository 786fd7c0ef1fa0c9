#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/lint on the C files of a small repository: the compiler, checkpatch, kernel-doc.

The compiler's part runs on a Makefile of a few lines that talks as the kernel's does.  checkpatch and
kernel-doc are the base's own: skipped where no base is laid out.
"""

import pathlib
import shutil

from fixture import HARNESS
from repository import HOOK, SECOND, Report, Repository, missing

REAL = pathlib.Path(HARNESS).parent / "build/none/linux-5.10/scripts"
SHORT = SECOND.replace(", in a line that is long enough\n to be folded", "")
PATCHES = {"prep/hook.patch": HOOK, "isolation/second.patch": SHORT}
MAKEFILE = """allnoconfig:
	@touch $(O)/.config
kernel/%.o: FORCE
	@mkdir -p $(O)/$(@D)
	@if [ ! -e $(O)/$@ ] || [ kernel/$*.c -nt $(O)/$@ ]; then echo "  CC      $@"; cd $(O) && \\
	gcc -Wall -Wmissing-prototypes -c -o $@ ../linux-5.10/kernel/$*.c && echo "  CHECK   ../linux-5.10/kernel/$*.c" && \\
	sparse -Wno-decl ../linux-5.10/kernel/$*.c; fi
FORCE:
"""
report = Report()


def lint(repository, *checks):
    return repository.run("lint", "--only", *checks)


# The compiler: only what is new, and only in files of ours or with hooks.


def compiled(repository):
    # What our own lint.ignore forgives is not to be found here.
    if (repository.top / "harness").is_symlink():
        repository.own_harness()
    for slot in ("", "none"):
        repository.put(f"build/{slot}/linux-5.10/Makefile", MAKEFILE)
    return lint(repository, "compile")


if missing("gcc", "make", "sparse"):
    report.skip("compile", f"there is no {missing('gcc', 'make', 'sparse')}")
else:
    OLD = {"kernel/a.c": "int a(int x)\n{\n\tint old;\n\tint y = x;\n\n\tif (y)\n\t\treturn 1;\n\treturn 0;\n}\n"}
    OLD_HOOK = HOOK.replace("@@ -4,7 +4,7 @@\n {\n ", "@@ -2,7 +2,7 @@\n {\n \tint old;\n ").replace("-2,7 +2,7", "-2,8 +2,8")
    with Repository(base=OLD, patches={"prep/hook.patch": OLD_HOOK}) as repository:
        report.expect("compile: the base's own messages are not ours", compiled(repository), 0, "none with a new message (2 old")
        report.expect("compile: again, with nothing to build", compiled(repository), 0, "none with a new message (2 old")
        repository.change("kernel/ours.c", "\treturn x;", "\tint unused;\n\n\treturn x;")
        report.expect("compile: a new message in a file of ours", compiled(repository), 1, "kernel/ours.c: warning: unused variable")
        report.expect("compile: it stays when nothing is built", compiled(repository), 1, "kernel/ours.c: warning: unused variable")
        repository.change("kernel/ours.c", "\tint unused;\n\n\treturn x;", "\tint *p = 0;\n\n\treturn p ? *p : x;")
        report.expect("compile: what only sparse sees", compiled(repository), 1, "kernel/ours.c: warning: Using plain integer")
    with Repository(base=OLD, patches={"prep/hook.patch": OLD_HOOK.replace(
            "@@ -2,8 +2,8 @@", "@@ -2,8 +2,9 @@").replace(" \t\treturn 1;", " \t\treturn 1;\n+\tint fresh;")}) as repository:
        report.expect("compile: a new message in a file with a hook", compiled(repository), 1, "kernel/a.c: warning: unused variable",
                      "fresh", absent=["old"])
    with Repository(patches={"prep/hook.patch": HOOK}) as repository:
        repository.change("kernel/ours.c", "return x;", "return x")
        report.expect("compile: what does not compile", compiled(repository), 1, "not everything compiles", "kernel/ours.o")


# The base's own scripts.


def with_scripts(repository):
    tree = repository.build / "none/linux-5.10"
    for name in ("COPYING", "CREDITS", "Kbuild", "MAINTAINERS", "Makefile", "README"):
        (tree / name).touch()
    for name in ("Documentation", "arch", "include", "drivers", "fs", "init", "ipc", "kernel", "lib", "scripts"):
        (tree / name).mkdir(exist_ok=True)
    for name in ("checkpatch.pl", "kernel-doc", "spelling.txt", "const_structs.checkpatch"):
        shutil.copy(REAL / name, tree / "scripts" / name)


if not REAL.is_dir():
    report.skip("checkpatch and kernel-doc", "no base is laid out in build/none")
else:
    with Repository(patches=dict(PATCHES)) as repository:
        repository.own_harness()
        with_scripts(repository)
        report.expect("kernel-doc: none", lint(repository, "kernel-doc"), 0)
        ignored = repository.put("harness/lint.ignore", "checkpatch FILE_PATH_CHANGES * a fixture has no MAINTAINERS\n")
        report.expect("checkpatch: none but what is ignored", lint(repository, "checkpatch"), 0, "2 patches and 2 files")
        ignored.write_text(ignored.read_text() + "checkpatch LONG_LINE kernel/* none is\n")
        report.expect("checkpatch: an entry that forgives nothing", lint(repository, "checkpatch"), 1, "lint.ignore:2: forgives nothing")
        ignored.write_text("checkpatch FILE_PATH_CHANGES *\n")
        report.expect("checkpatch: an entry without a reason", lint(repository, "checkpatch"), 1, "lint.ignore:1: not 'CHECK")
        ignored.write_text("checkpatch FILE_PATH_CHANGES * a fixture has no MAINTAINERS\n")
        repository.change("kernel/ours.c", "return x;", "return(x) ;")
        repository.change("kernel/ours.c", " * @x: what comes\n", "")
        report.expect("checkpatch: a fault in a file of ours", lint(repository, "checkpatch"), 1, "kernel/ours.c:1", "SPACING")
        report.expect("kernel-doc: a fault", lint(repository, "kernel-doc"), 1, "kernel/ours.c:", "'x' not described")
    with Repository(patches=dict(PATCHES)) as repository:
        repository.own_harness()
        with_scripts(repository)
        repository.put("harness/lint.ignore", "checkpatch FILE_PATH_CHANGES * a fixture has no MAINTAINERS\n")
        repository.change("prep/hook.patch", "+\tif (y > 0)", "+\tif(y > 0)")
        report.expect("checkpatch: a fault in a hook", lint(repository, "checkpatch"), 1, "kernel/a.c:7: ERROR:SPACING")
report.done()
