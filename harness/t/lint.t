#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/lint on a small repository: each check passes on a clean one and fails on one with a fault.

What it says of C is in lint-c.t.
"""

from repository import HOOK, SECOND, Report, Repository, missing

SHORT = SECOND.replace(", in a line that is long enough\n to be folded", "")
PATCHES = {"prep/hook.patch": HOOK, "isolation/second.patch": SHORT}
PAGE = ".TH OURS 2 2026-01-01 Accord\n.SH NAME\nours \\- give back what came\n.SH DESCRIPTION\nIt gives it back.\n"
MODEL = ("// spin: -a\n// mutants: WRONG\nbyte n;\ninit {\n\tn = 1;\n#ifdef MUTANT_WRONG\n\tn = 2;\n#endif\n"
         "\tassert(n == 1)\n}\n")
HUNK = "\tint y = x;\n \n-\tif (y)\n"
report = Report()


def lint(repository, *checks):
    return repository.run("lint", "--only", *checks)


def try_fault(check, name, spoil, *parts):
    """A fault has to be found by its check, and nothing but the fault."""
    with Repository(patches=dict(PATCHES)) as repository:
        spoil(repository)
        report.expect(f"{check}: {name}", lint(repository, check), 1, f"  FAIL  {check}: ", *parts)


def in_hook(old, new):
    return lambda repository: repository.change("prep/hook.patch", old, new)


RULES = ("series-listed", "series-headers", "series-paths", "series-overlay", "series-hunks", "series-size", "places", "rst", "python")
with Repository(patches=dict(PATCHES)) as repository:
    repository.put("tools/ours/run.py", "print()\n")
    repository.put("Documentation/ours.rst", "====\nOurs\n====\n\n.. kernel-doc:: kernel/ours.c\n\n:c:func:`ours`\n")
    repository.change("prep/hook.patch", "Overlay: kernel/ours.c\n", "Overlay: kernel/ours.c\nOverlay: Documentation/ours.rst\n")
    report.expect("a clean repository passes", lint(repository, *RULES), 0, "9 passed, 0 failed, 0 skipped",
                  "hunks fit exactly", "own lines in the kernel")
with Repository(patches=dict(PATCHES)) as repository:
    report.expect("what there is nothing of is skipped", lint(repository, "series-listed", "man", "models", "rst"), 0,
                  "1 passed, 0 failed, 3 skipped")
    report.expect("an unknown check is refused", lint(repository, "no-such"), 1, "no such check")

for fault in [
    ("series-listed", "a patch that the series does not name", lambda r: r.put("base/linux-5.10/patches/prep/lost.patch", HOOK),
     "prep/lost.patch: in the folder, not in the series"),
    ("series-listed", "a patch that it names twice",
     lambda r: r.put("base/linux-5.10/patches/series", "prep/hook.patch\nisolation/second.patch\nprep/hook.patch\n"), "listed 2 times"),
    ("series-listed", "a number in a name", lambda r: r.series({"prep/01-hook.patch": HOOK}), "no numbers in names"),
    ("series-listed", "a topic that there is not", lambda r: r.series({"bogus/hook.patch": HOOK}), "not TOPIC/SLUG.patch"),
    ("series-headers", "no From", in_hook("From: Accord <accord@localhost>\n", ""), "From: NAME"),
    ("series-headers", "no Subject", in_hook("Subject: kernel: Call what is ours from a()\n", ""), "has no Subject"),
    ("series-headers", "no topic in the Subject", in_hook("kernel: Call", "Call"), "not 'topic: Imperative summary'"),
    ("series-headers", "a small letter in the Subject", in_hook("kernel: Call", "kernel: call"), "not 'topic: Imperative summary'"),
    ("series-headers", "a Subject in the past", in_hook("kernel: Call", "kernel: Called"), "imperative"),
    ("series-headers", "a Subject that is too long", in_hook("from a()", "from a()" + " and on" * 10), "characters (75)"),
    ("series-headers", "no changelog",
     in_hook("What a() has to do is more than a line. Call a function of ours, which says\nwhat it is.\n\n", ""), "no changelog"),
    ("series-headers", "lines that are too long", in_hook("which says\nwhat", "which says what"), "more than 75"),
    ("series-headers", "no Origin", in_hook("Origin: own\n", ""), "no line 'Origin:"),
    ("series-headers", "an Origin that says nothing", in_hook("Origin: own", "Origin: elsewhere"), "no line 'Origin:"),
    ("series-paths", "a patch that touches a file of ours",
     lambda r: r.put("kernel/b.c", "ours now\n"), "touches kernel/b.c, which is a file of ours", "kernel/b.c: is in the base and"),
    ("series-paths", "a patch that creates a file", lambda r: r.series({"prep/new.patch": HOOK.split("---\n")[0] +
     "---\n--- /dev/null\n+++ b/kernel/new.c\n@@ -0,0 +1 @@\n+x\n"}), "prep/new.patch: creates a file"),
    ("series-paths", "a patch of nothing", lambda r: r.series({"prep/empty.patch": HOOK.split("---\n")[0]}), "changes nothing"),
    ("series-overlay", "a file that no patch claims", lambda r: r.put("kernel/more.c", "\n"), "kernel/more.c: no patch claims it"),
    ("series-overlay", "a mutation that no patch claims", lambda r: r.put("kernel/mutations/more.patch", "\n"),
     "kernel/mutations/more.patch: no patch claims it"),
    ("series-overlay", "a file that is claimed twice",
     lambda r: r.change("isolation/second.patch", "Origin: own\n", "Origin: own\nOverlay: tools/ours/run.sh\n"),
     "tools/ours/run.sh: claimed by prep/hook.patch and"),
    ("series-overlay", "a claim of nothing", in_hook("Overlay: kernel/ours.c", "Overlay: kernel/ours.c\nOverlay: none.c"),
     "none.c: claimed by prep/hook.patch"),
    ("series-hunks", "a hunk with an offset", in_hook("@@ -4,7 +4,7 @@", "@@ -2,7 +2,7 @@"), "offset 2 lines"),
    ("series-hunks", "a hunk that needs fuzz", in_hook("\tint y = x;", "\tint z = x;"), "does not apply"),
    ("series-hunks", "an #ifdef in a function's body",
     in_hook("@@ -4,7 +4,7 @@\n {\n " + HUNK + "+\tif (y > 0)\n",
             "@@ -4,7 +4,9 @@\n {\n " + HUNK + "+#ifdef CONFIG_X\n+\tif (y > 0)\n+#endif\n"),
     "prep/hook.patch: kernel/a.c:7: in a function's body: #ifdef CONFIG_X", "kernel/a.c:9: in a function's body: #endif"),
    ("series-hunks", "an #if in a body of ours", lambda r: r.change("kernel/ours.c", "\treturn x;\n", "#if 1\n\treturn x;\n#endif\n"),
     "kernel/ours.c:13: in a function's body: #if 1"),
    ("places", "a sign-off", in_hook("Origin: own", "Signed-off" + "-by: Accord <accord@localhost>\nOrigin: own"), "a sign-off"),
    ("places", "the folder of one machine", lambda r: r.put("tools/ours/run.sh", f"cd {r.top}/x\n"), "run.sh:1: a path of one machine"),
    ("places", "a registry's host", lambda r: r.put("tools/ours/run.sh", "#\nget deb.debian" + ".org\n"), "run.sh:2: a registry's host"),
    ("python", "a Python file that does not compile", lambda r: r.put("tools/ours/a.py", "print(\n"), "SyntaxError"),
    ("python", "a Python file that the compiler warns of", lambda r: r.put("tools/ours/a.py", "print('\\d')\n"), "invalid escape"),
]:
    try_fault(*fault)

with Repository(patches=dict(PATCHES)) as repository:
    text = HOOK.replace("@@ -4,7 +4,7 @@\n {\n " + HUNK + "+\tif (y > 0)\n",
                        "@@ -1,3 +1,6 @@\n+#ifdef CONFIG_X\n+int b(int x);\n+#endif\n int a(int x);\n \n int a(int x)\n")
    repository.put("base/linux-5.10/patches/prep/hook.patch", text.split(" \t\treturn 1;")[0])
    report.expect("series-hunks: an #ifdef around declarations is no fault", lint(repository, "series-hunks"), 0)

TOOLS = [
    ("rst", "docutils", lambda r: r.put("Documentation/a.rst", "T\n=\n\n*bad\n"), "a.rst:4: (WARNING/2)",
     lambda r: r.put("Documentation/a.rst", "T\n=\n\n.. toctree::\n   :maxdepth: 1\n\n   b\n\n:ref:`c`\n")),
    ("man", "mandoc", lambda r: r.put("tools/ours/ours.2", PAGE + ".XX\n"), "ours.2:",
     lambda r: r.put("tools/ours/ours.2", PAGE)),
    ("codespell", "codespell", lambda r: r.put("tools/ours/a.txt", "this is t" "eh end\n"), "a.txt:1: t" "eh",
     lambda r: r.put("tools/ours/a.txt", "this is the end\n")),
    ("codespell", "codespell", in_hook("What a() has", "What t" "eh a() has"), "hook.patch:4: t" "eh",
     in_hook(" \t\treturn 1;", " \t\treturn 1; /* t" "eh base's */")),
    ("shellcheck", "shellcheck", lambda r: r.put("tools/ours/run.sh", "#!/bin/sh\nrm $1\n"), "SC2086", lambda r: None),
    ("models", "spin", lambda r: r.put("models/m.pml", MODEL.replace("n == 1", "n > 0")), "no run finds an error in it",
     lambda r: r.put("models/m.pml", MODEL)),
]
for check, program, spoil, part, mend in TOOLS:
    if program != "docutils" and missing(program):
        report.skip(f"{check}: a fault", f"there is no {program}")
        continue
    try_fault(check, "a fault", spoil, part)
    with Repository(patches=dict(PATCHES)) as repository:
        mend(repository)
        report.expect(f"{check}: none", lint(repository, check), 0, "1 passed, 0 failed")
report.done()
