#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/series on a small repository: what it writes and what it refuses."""

import os
import subprocess
import tempfile

from repository import BASE, HOOK, OURS, Report, Repository

report = Report()


def mails(repository):
    return {path.name: path.read_text() for path in sorted((repository.build / "series").iterdir())}


def taken_in(repository):
    """The files after git am on the pristine ones, and the authors."""
    with tempfile.TemporaryDirectory() as place:
        def git(*words):
            return subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@localhost", *words], cwd=place,
                                  check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        for name, text in BASE.items():
            os.makedirs(os.path.dirname(os.path.join(place, name)), exist_ok=True)
            with open(os.path.join(place, name), "w", encoding="utf-8") as out:
                out.write(text)
        git("init", "-q")
        git("add", "-A")
        git("commit", "-q", "-m", "base")
        git("am", "-q", *(str(repository.build / "series" / name) for name in mails(repository) if not name.startswith("0000")))
        found = {}
        for line in git("ls-files", "-s").splitlines():
            mode, name = line.split()[0], line.split("\t")[1]
            with open(os.path.join(place, name), encoding="utf-8") as file:
                found[name] = (mode, file.read())
        return found, git("log", "-3", "--format=%an: %s")


with Repository() as repository:
    outcome = repository.run("series")
    wrote = mails(repository) if outcome[0] == 0 else {}
    names = list(wrote)
    report.expect("writes a cover letter and a mail for each patch", outcome, 0, also=[
        f"wrote {names}"] if [name[:5] for name in names] != ["0000-", "0001-", "0002-"] else [])
    letter = wrote.get("0000-cover-letter.patch", "")
    lacks = [part for part in ("Subject: [PATCH 0/2] Accord: ", "What comes first\n  1 kernel: Call", "And then\n  2 kernel: Shout",
                               "base 1", " 5 files changed", "0" * 64) if part not in letter]
    report.check("the cover letter has a subject, the contents, the base and a diffstat",
                 [f"lacks {part!r}" for part in lacks] + ["*** left"] * ("***" in letter), letter)
    text = "".join(wrote.values())
    report.check("nothing of one day, one machine or one repository is in them",
                 [part for part in ("Signed-off-by", "\nDate:", "Overlay:", str(repository.top)) if part in text])
    files, log = taken_in(repository) if wrote else ({}, "")
    wanted = {**{name: ("100644", body) for name, body in BASE.items()},
              **{name: ("100755" if body.startswith("#!") else "100644", body) for name, body in OURS.items()}}
    wanted["kernel/a.c"] = ("100644", BASE["kernel/a.c"].replace("(y)", "(y > 0)"))
    wanted["kernel/b.c"] = ("100644", BASE["kernel/b.c"].replace("beta", "BETA"))
    report.check("git am gives the tree, our files and their modes",
                 [name for name in {*wanted, *files} if wanted.get(name) != files.get(name)])
    report.check("authors and folded subjects come through", [] if log == (
        "Somebody Else: kernel: Shout the second letter, in a line that is long enough to be folded\n"
        "Accord: kernel: Call what is ours from a()\nx: base\n") else [log])
    repository.run("series")
    report.check("the same input gives the same bytes", [] if mails(repository) == wrote else ["other bytes"])

    repository.put("build/series/notes", "mine\n")
    report.expect("does not take away a folder with other things in it", repository.run("series"), 1, "notes",
                  also=[] if (repository.build / "series/notes").exists() else ["took it away"])
    (repository.build / "series/notes").unlink()
    (repository.build / "linux-5.10/kernel/b.c").write_text("changed by hand\n")
    report.expect("a tree that is not the series is an error", repository.run("series"), 1, "kernel/b.c: differs",
                  also=[] if mails(repository) == wrote else ["the old mails are gone"])

with Repository(ours={**OURS, "tools/ours/mutations/break.patch": "--- a/x\n"}) as repository:
    outcome = repository.run("series")
    text = "".join(mails(repository).values()) if outcome[0] == 0 else ""
    report.expect("does not mail what only mutate can use", outcome, 0, also=[
        part for part, there in (("mutations/", False), ("tools/ours/run.sh", True)) if (part in text) != there])

FAULTS = [
    ("a file of a mutations folder that no patch claims", lambda r: r.put("kernel/mutations/a.patch", "\n"),
     "kernel/mutations/a.patch: no patch claims it"),
    ("a file of ours that no patch claims", lambda r: r.put("kernel/more.c", "\n"), "kernel/more.c: no patch claims it"),
    ("a file of ours that two patches claim", lambda r: r.change("isolation/second.patch", "own\n", "own\nOverlay: kernel/ours.c\n"),
     "kernel/ours.c: claimed by prep/hook.patch and isolation/second.patch"),
    ("a claim of what is not there", lambda r: r.change("prep/hook.patch", "Overlay: kernel/", "Overlay: kernel/none.c\nOverlay: kernel/"),
     "kernel/none.c: claimed by prep/hook.patch"),
    ("a patch that creates a file", lambda r: r.change(
        "isolation/second.patch", "--- a/kernel/b.c\n+++ b/kernel/b.c\n@@ -1,4 +1,4 @@\n alpha\n-beta\n+BETA\n gamma\n delta\n",
        "--- /dev/null\n+++ b/kernel/new.c\n@@ -0,0 +1 @@\n+x\n"), "creates kernel/new.c"),
    ("a patch without a Subject", lambda r: r.change("prep/hook.patch", "Subject: kernel: Call what is ours from a()\n", ""),
     "no Subject: line"),
    ("a patch without a From", lambda r: r.change("prep/hook.patch", "From: Accord <accord@localhost>\n", ""), "no From: line"),
    ("a changelog that git am takes for a header", lambda r: r.change(
        "prep/hook.patch", "What a() has", "From: Another <another@localhost>\n\nWhat a() has"), "other changelogs or authors"),
    ("an empty series", lambda r: r.put("base/linux-5.10/patches/series", "# nothing\n"), "the series is empty"),
]
for name, spoil, part in FAULTS:
    with Repository() as repository:
        spoil(repository)
        report.expect(f"refuses {name}", repository.run("series"), 1, part,
                      also=["wrote something"] if (repository.build / "series").exists() else [])
with Repository(patches={"prep/hook.patch": HOOK.replace("\tint y = x;", "\tint z = x;")}) as repository:
    report.expect("refuses a patch that needs fuzz", repository.run("series"), 1, "prep/hook.patch does not apply",
                  also=["wrote something"] if (repository.build / "series").exists() else [])
report.done()
