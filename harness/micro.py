"""A few files of the base in a folder of their own, and patches applied to them one by one.

series, lint and mutate share it: whatever they ask about the series, only the files that it touches
matter, and those are a few dozen.
"""

import re
import shutil
import subprocess
import sys

from accord import Failure, TOP, Path

TREE = TOP / "harness" / "tree"


def lay_out(*words):
    """Have `tree` lay a tree out; return its path."""
    laid = subprocess.run([TREE, *words], text=True, stdout=subprocess.PIPE)
    if laid.returncode:
        sys.exit(laid.returncode)
    return Path(laid.stdout.split("\n")[-2])


def names(data):
    """The files that a patch names on either side: what it changes, takes away or (never) creates."""
    return sorted(set(re.findall(r"^(?:--- a|\+\+\+ b)/(\S+)", data.decode(errors="replace"), re.M)))


def touched(patch):
    """The files that a patch of the series names."""
    return names(patch.data)


def copy(tree, folder, names):
    """Copy those of the named files that the tree has, with their modes, into a folder."""
    for name in names:
        if (tree / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / name, folder / name)


def apply(folder, data, *words):
    """Apply a patch without fuzz; return (whether it went in, what patch(1) said).

    A folder in which it did not go in may have some of it.
    """
    done = subprocess.run(["patch", "-p1", "-F0", "-f", "--no-backup-if-mismatch", "-r", "-", *words], cwd=folder,
                          input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def push(folder, patch):
    """Apply a patch of the series, which has to go in; return what patch(1) said."""
    good, said = apply(folder, patch.data)
    if not good:
        raise Failure(f"{patch.name} does not apply to what the patches before it leave\n{said.strip()}\n"
                      "call harness/tree, which says how to refresh it")
    return said


def claims(claim, name):
    """Whether an `Overlay:` line's path takes a file in: it is the file, or a folder above it."""
    return name == claim or name.startswith(claim.rstrip("/") + "/")


def claim_faults(patches, ours):
    """What is wrong with who brings in which file of ours: each has to enter with exactly one patch."""
    wrong = []
    for name in ours:
        by = [patch.name for patch in patches for claim in patch.overlays if claims(claim, name)]
        if not by:
            wrong.append(f"{name}: no patch claims it")
        elif len(by) > 1:
            wrong.append(f"{name}: claimed by {' and '.join(by)}")
    return wrong + [f"{claim}: claimed by {patch.name}, and there is no such file of ours" for patch in patches
                    for claim in patch.overlays if not any(claims(claim, name) for name in ours)]
