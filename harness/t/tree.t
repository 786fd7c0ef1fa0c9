#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""fetch and tree on a base of three files: what they lay out, keep, refuse and say."""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from fixture import HARNESS, Checks

FILES = {"kernel/a.c": "one\ntwo\nthree\nfour\nfive\n", "kernel/b.c": "alpha\nbeta\ngamma\n", "Kconfig": "\n"}
PATCH = """From: Accord <accord@localhost>
Subject: demo: Change {name}

Origin: own
{overlay}---
--- a/kernel/{name}
+++ b/kernel/{name}
@@ -1,3 +1,3 @@
 {first}
-{second}
+{new}
 {third}
"""


APT = """#!/bin/bash
case "$*" in
*indextargets*) echo "stable http://mirror.invalid/debian" ;;
*"source --download-only other=1"*) grep -q ^deb-src "${APT_CONFIG%/*}/sources.list" && echo -n orig > other_1.orig.tar.xz ;;
*"download prog=1"*) echo -n deb > prog_1_amd64.deb ;;
*update*) ;;
*) exit 1 ;;
esac
"""


def patch(name, first, second, third, new, overlay=""):
    return PATCH.format(name=name, first=first, second=second, third=third, new=new, overlay=overlay)


A = patch("a.c", "one", "two", "three", "TWO", "Overlay: kernel/ours.c\n")
B = patch("b.c", "alpha", "beta", "gamma", "BETA")


class Fake:
    """A repository with a base of its own, its package, and a cache."""

    def __init__(self, place):
        self.top, self.cache = place / "top", place / "cache"
        self.deb = place / "base.deb"
        self.build = self.top / "build"
        source = place / "deb" / "usr" / "src"
        source.mkdir(parents=True)
        for name, text in FILES.items():
            self.put(place / "linux", name, text)
        subprocess.run(["tar", "-cJf", source / "base.tar.xz", "-C", place, "linux"], check=True)
        self.put(place / "deb", "DEBIAN/control", "Package: base\nVersion: 1\nArchitecture: all\n"
                 "Maintainer: nobody <nobody@localhost>\nDescription: a test\n")
        subprocess.run(["dpkg-deb", "-b", "--root-owner-group", place / "deb", self.deb],
                       stdout=subprocess.DEVNULL, check=True)
        self.source(hashlib.sha256(self.deb.read_bytes()).hexdigest())
        (self.top / "harness").symlink_to(HARNESS)
        self.put(self.top, "kernel/ours.c", "ours\n")
        self.series({"demo/a.patch": A, "demo/b.patch": B})

    @staticmethod
    def put(folder, name, text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def source(self, sha256):
        self.put(self.top, "base/linux-5.10/source", f"package=base\nversion=1\nsha256={sha256}\narchive=main\n"
                 "suite=none\ntarball=usr/src/base.tar.xz\n")

    def series(self, patches):
        for name, text in patches.items():
            self.put(self.top / "base/linux-5.10/patches", name, text)
        self.put(self.top / "base/linux-5.10/patches", "series", "# demo\n" + "".join(f"{name}\n" for name in patches))

    def begin(self, program, *words, **environment):
        return subprocess.Popen([os.path.join(HARNESS, program), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env={**os.environ, "ACCORD_TOP": str(self.top),
                                                "XDG_CACHE_HOME": str(self.cache), "BASE_DEB": str(self.deb), **environment})

    def run(self, program, *words, **environment):
        with self.begin(program, *words, **environment) as running:
            said = running.stdout.read()
        return running.returncode, said

    def tree(self, *words, **environment):
        return self.run("tree", *words, **environment)

    def text(self, name, slot=""):
        path = self.build / slot / "linux-5.10" / name
        return path.read_text() if path.is_file() else None


def wants(said, *texts):
    return [f"does not say: {text}" for text in texts if text not in said]


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as place:
        fake = Fake(pathlib.Path(place))
        tree = fake.build / "linux-5.10"

        shutil.copy(fake.deb, place + "/bad.deb")
        with open(place + "/bad.deb", "ab") as bad:
            bad.write(b"x")
        status, said = fake.run("fetch", "linux-5.10", BASE_DEB=place + "/bad.deb")
        checks.check("a package with another SHA-256 is refused, nothing is cached",
                     wants(said, "SHA-256 mismatch") + ([] if status else ["exit 0"])
                     + [f"left {path}" for path in fake.cache.rglob("*") if path.is_file()], said)
        status, said = fake.run("fetch", "linux-5.10", BASE_DEB="", APT_CONFIG="/dev/null",
                                http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
        checks.check("no network and no cached base: says how to give a package",
                     wants(said, "BASE_DEB=/path/to/") + ([] if status else ["exit 0"]), said)

        fake.put(fake.top, "base/other/source", f"package=other\nversion=1\nfile=other_1.orig.tar.xz\n"
                 f"sha256={hashlib.sha256(b'orig').hexdigest()}\narchive=main\nsuite=none\n")
        fake.put(fake.top, "base/other/program", f"package=prog\nversion=1\narchitecture=amd64\n"
                 f"sha256={hashlib.sha256(b'deb').hexdigest()}\narchive=main\nsuite=none\n")
        fake.put(pathlib.Path(place), "given/other_1.orig.tar.xz", "orig")
        fake.put(pathlib.Path(place), "given/prog_1_amd64.deb", "changed")
        status, said = fake.run("fetch", "other", PACKAGES=place + "/given")
        checks.check("a source package's file is taken from the folder given", [] if status == 0 and
                     said == f"{fake.cache}/accord/other_1.orig.tar.xz\n" else ["not printed"], said)
        status, said = fake.run("fetch", "other/program", PACKAGES=place + "/given")
        checks.check("... a changed package is not", wants(said, "SHA-256 mismatch") + ([] if status else ["exit 0"]), said)
        apt = fake.put(pathlib.Path(place), "bin/apt-get", APT)
        apt.chmod(0o755)
        for name, wanted in (("other", "other_1.orig.tar.xz"), ("other/program", "prog_1_amd64.deb")):
            shutil.rmtree(fake.cache)
            status, said = fake.run("fetch", name, PATH=f"{place}/bin:{os.environ['PATH']}")
            checks.check(f"{name} is downloaded", wants(said, f"{fake.cache}/accord/{wanted}")
                         + ([] if status == 0 and (fake.cache / "accord" / wanted).is_file() else ["not there"]), said)
        fake.put(fake.top, "base/other/program", (fake.top / "base/other/program").read_text().replace("sha256=", "sha256=0"))
        shutil.rmtree(fake.cache)
        status, said = fake.run("fetch", "other/program", PATH=f"{place}/bin:{os.environ['PATH']}")
        checks.check("a download with another SHA-256 is refused", wants(said, "do not use it") + ([] if status else ["exit 0"])
                     + [f"left {path}" for path in (fake.cache / "accord").glob("*.deb")], said)

        (fake.build / "linux-5.10.part" / "junk").mkdir(parents=True)
        status, said = fake.tree()
        wrong = [] if status == 0 else ["exit status"]
        wrong += [] if fake.text("kernel/a.c") == FILES["kernel/a.c"].replace("two", "TWO") else ["a.c"]
        wrong += [] if (tree / "kernel/ours.c").is_symlink() else ["ours.c is no symlink"]
        wrong += ["junk of a broken run was used"] if (tree / "junk").exists() else []
        checks.check("lays out base, patches and our files", wrong, said)

        fake.source(hashlib.sha256(b"x").hexdigest())
        status, said = fake.tree(BASE_DEB="", APT_CONFIG="/dev/null", http_proxy="http://127.0.0.1:9")
        checks.check("a cached package that is not the one wanted any more is not used",
                     [] if status and "dropping" in said else ["was used"], said)
        fake.source(hashlib.sha256(fake.deb.read_bytes()).hexdigest())
        fake.tree()

        before = {name: (tree / name).stat().st_mtime_ns for name in FILES}
        fake.tree()
        checks.check("a second run touches nothing",
                     [name for name in FILES if (tree / name).stat().st_mtime_ns != before[name]])

        fake.series({"demo/a.patch": A.replace("+TWO", "+2"), "demo/b.patch": B})
        status, said = fake.tree()
        wrong = [] if "\n2\n" in (fake.text("kernel/a.c") or "") else ["a.c is not new"]
        wrong += [] if fake.text("kernel/b.c") == "alpha\nBETA\ngamma\n" else ["b.c"]
        wrong += [] if (tree / "kernel/b.c").stat().st_mtime_ns == before["kernel/b.c"] else ["b.c has a new time"]
        checks.check("a changed patch is applied anew; equal files keep their time", wrong, said)

        with open(fake.build / ".lock-patches-build", "w", encoding="ascii") as building:
            fcntl.flock(building, fcntl.LOCK_SH)
            status, said = fake.tree()
            wrong = [] if status == 0 and "waiting" not in said else ["with no change it waits"]
            fake.series({"demo/a.patch": A.replace("+TWO", "+zwei"), "demo/b.patch": B})
            with fake.begin("tree") as waiting:
                said = waiting.stdout.readline()
                wrong += [] if "\n2\n" in fake.text("kernel/a.c") else ["a.c is new already"]
                fcntl.flock(building, fcntl.LOCK_UN)
            wrong += [] if "\nzwei\n" in fake.text("kernel/a.c") else ["a.c is not new"]
        checks.check("no patch changes under a kernel that is being built", wants(said, "waiting") + wrong, said)

        edited = tree / "kernel/b.c"
        edited.write_text("alpha\nBETA\nmine\n")
        fake.series({"demo/a.patch": A, "demo/b.patch": B})
        status, said = fake.tree()
        checks.check("an edit that is in no patch is not lost", wants(said, "demo/b.patch has edits", "refresh")
                     + ([] if status and "mine" in edited.read_text() else ["the edit is gone"]), said)
        edited.write_text("alpha\nBETA\ngamma\n")
        fake.tree()

        by_hand = {**os.environ, "QUILT_PATCHES": str(fake.top / "base/linux-5.10/patches")}
        for words in (["pop"], ["edit", "kernel/a.c"], ["refresh", "-p", "ab", "--no-timestamps", "--no-index"],
                      ["new", "demo/c.patch"], ["edit", "Kconfig"], ["refresh", "-p", "ab", "--no-timestamps", "--no-index"]):
            subprocess.run(["quilt", "--quiltrc", "-", *words], cwd=tree, env={**by_hand, "EDITOR": "sed -i $a\\\\6"},
                           stdout=subprocess.DEVNULL, check=True)
        status, said = fake.tree()
        wrong = [] if status == 0 and fake.text("kernel/a.c").endswith("five\n6\n") else ["a.c"]
        wrong += [] if fake.text("Kconfig") == "\n6\n" and fake.text("kernel/b.c") == "alpha\nBETA\ngamma\n" else ["b.c, Kconfig"]
        checks.check("goes on where quilt was used by hand: a hook edited, a patch made", wrong, said)
        fake.series({"demo/a.patch": A, "demo/b.patch": B})
        fake.tree()

        fake.series({"demo/a.patch": A, "demo/b.patch": B.replace("-beta", "-delta")})
        status, said = fake.tree()
        checks.check("a patch that does not apply: which, where, how to refresh",
                     wants(said, "demo/b.patch does not apply", "FAILED", "kernel/b.c", "push -f demo/b.patch", "refresh")
                     + ([] if status else ["exit 0"]), said)
        fake.series({"demo/a.patch": A, "demo/b.patch": B})
        status, said = fake.tree()
        checks.check("... and mended it goes on", [] if fake.text("kernel/b.c") == "alpha\nBETA\ngamma\n" else ["b.c"], said)

        status, said = fake.tree("--series", "none")
        checks.check("--series none is the base alone",
                     [name for name, text in FILES.items() if fake.text(name, "none") != text]
                     + (["ours.c"] if fake.text("kernel/ours.c", "none") else []), said)
        status, said = fake.tree("--series", "1", "--to", "first", "--copy")
        first = fake.build / "first/linux-5.10/kernel"
        checks.check("--series 1 is the first patch with its files, --copy copies them",
                     ([] if "TWO" in (first / "a.c").read_text() else ["a.c"])
                     + ([] if "beta" in (first / "b.c").read_text() else ["b.c"])
                     + ([] if (first / "ours.c").is_file() and not (first / "ours.c").is_symlink() else ["ours.c"]), said)

        fake.series({"demo/b.patch": B})
        status, said = fake.tree()
        checks.check("a patch that left the series is taken off",
                     [] if fake.text("kernel/a.c") == FILES["kernel/a.c"] else ["a.c"], said)
        fake.series({"demo/a.patch": A, "demo/b.patch": B})
        (fake.top / "kernel/ours.c").unlink()
        status, said = fake.tree()
        checks.check("a file of ours that went is gone", ["ours.c"] if os.path.lexists(tree / "kernel/ours.c") else [], said)
        fake.put(fake.top, "kernel/a.c", "mine\n")
        status, said = fake.tree()
        checks.check("a path cannot be ours and the base's", wants(said, "kernel/a.c is in the base and in the repository")
                     + ([] if status else ["exit 0"]), said)
    checks.done()


main()
