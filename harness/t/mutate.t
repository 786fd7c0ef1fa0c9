#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/mutate on a small repository, with a kernel that is the text of its files and tests that look for words in it."""

import json

from repository import BASE, Report, Repository

HEADER = "From: Accord <accord@localhost>\nSubject: kernel: {subject}\n\nIt is so.\n\nOrigin: own\n---\n--- a/kernel/b.c\n+++ b/kernel/b.c\n"


def hunk(line, *text):
    return f"@@ -{line},{len(text) - 1} +{line},{len(text) - 1} @@\n" + "".join(f"{part}\n" for part in text)


# Each hook is a word: "tested" is looked for by a test, "compiled" by the compiler; the kernel splats without
# "epsilon" and dies without "kappa".  The second changes what is context of the first, which a merge takes out.
TESTED = HEADER.format(subject="Say one") + hunk(1, " alpha", "-beta", "+tested", " gamma", " delta")
PATCHES = {
    "isolation/tested.patch": TESTED,
    "isolation/compiled.patch": HEADER.format(subject="Say two") + hunk(3, " gamma", "-delta", "+compiled", " epsilon", " zeta"),
    "isolation/words.patch": TESTED.replace("kernel/b.c", "Documentation/words.rst"),
}
# "Compiles" each file that is newer than its object, and links them.
KERNEL = """#!/bin/sh
cd "$ACCORD_TOP/build/$2" || exit 1
mkdir -p o
for c in linux-5.10/kernel/*.c; do
	o=o/${c##*/}
	[ "$o" -nt "$c" ] || { cat "$c" > "$o"; echo "${c##*/}" >> compiled; }
done
if grep -q SYNTAX o/* || ! grep -q compiled o/b.c; then
	echo "accord: error: building the kernel failed" >&2
	echo "        kernel/b.c:1: error: no" >&2
	exit 1
fi
cat o/* > image
echo "$PWD/image"
"""
CHECK = """#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in --kernel) image=$2;; --test) only=$2;; esac
	shift
done
echo "${only:-all}" >> "$ACCORD_TOP/build/ran"
failed=0
fail() { failed=$((failed + 1)); echo "  FAIL  $1"; }
[ ! -e "$ACCORD_TOP/broken-tests" ] || { echo "accord: error: the tests do not build" >&2; exit 1; }
grep -q tested "$image" || case ${only:-isolation:first} in isolation:first) fail "isolation: first: says.tested (Expected 1 == 0)";; esac
grep -q epsilon "$image" || fail "vm: the kernel's console is not clean (x)"
if ! grep -q kappa "$image"; then
	echo "accord: error: the VM died without a result (QEMU's status 0)" >&2
	fail "isolation: first: says.tested (never came: the end)"
fi
echo "$((5 - failed)) passed, $failed failed, 0 skipped"
[ $failed = 0 ]
"""
MUTATION = "Mutation: {what}\n{caught}---\n--- a/kernel/b.c\n+++ b/kernel/b.c\n"
FIRST = "Caught-by: first:tested\n"
UNTEST = hunk(1, " alpha", "-tested", "+gone", " gamma", " compiled")
FOLDER = "tools/testing/selftests/isolation"
report = Report()


def repository(mutations=None, patches=None, unnoticed=None):
    made = Repository(base={"Documentation/words.rst": BASE["kernel/b.c"]}, patches=patches or dict(PATCHES))
    made.own_harness(kernel=KERNEL, check=CHECK)
    made.put(f"{FOLDER}/Makefile", "")
    for name, text in (mutations or {}).items():
        made.put(f"{FOLDER}/mutations/{name}", text)
    if unnoticed:
        made.put(f"{FOLDER}/mutations/unnoticed", unnoticed)
    return made


def state(made):
    tree = made.build / "mutate/linux-5.10"
    return {path.relative_to(tree): path.read_bytes() for path in tree.rglob("*") if path.is_file() and path.parts[-1][0] != "."}


def mutation(what, text, caught=FIRST):
    return MUTATION.format(what=what, caught=caught) + text


with repository() as made:
    made.run("tree", "--to", "mutate", "--copy")
    before = state(made)
    report.expect("hooks: noticed by a test, by the compiler; no code, no question", made.run("mutate"), 0,
                  "noticed  hook      isolation/tested.patch    first:says.tested\n",
                  "noticed  hook      isolation/compiled.patch  compiler\n",
                  "skipped  hook      isolation/words.patch     there is no code in it\n",
                  "2 noticed, 0 missed, 0 wrong, 0 excused, 1 skipped",
                  also=[f"{name} is not as it was" for name, text in state(made).items() if before.get(name) != text])
    # Each of the two breaks b.c, which is compiled broken and at first whole; nothing else is compiled again.
    count = (made.build / "mutate/compiled").read_text().split()
    report.check("only what a mutation touched is compiled again",
                 [] if sorted(set(count)) == ["a.c", "b.c", "ours.c"] and count.count("a.c") == count.count("ours.c") == 1
                 and count.count("b.c") == 3 else [" ".join(count)])
    again = made.run("mutate", "--only", "tested")
    report.expect("--only breaks one", again, 0, "isolation/tested.patch", absent=["compiled.patch", "words.patch"])
    report.expect("--list breaks none", made.run("mutate", "--list"), 0, "isolation/words.patch  no code")
    report.expect("a topic that there is not", made.run("mutate", "--topic", "prep"), 1, "no topic prep")

NEXT = HEADER.format(subject="Say three") + hunk(5, " epsilon", "-zeta", "+unheard", " eta", " theta")
with repository(patches={**PATCHES, "isolation/unheard.patch": NEXT}) as made:
    report.expect("a hook that nothing misses fails the run", made.run("mutate"), 1, "MISSED   hook      isolation/unheard.patch", "1 missed")
    made.put(f"{FOLDER}/mutations/unnoticed", "isolation/unheard.patch it is for speed\n")
    report.expect("unless it is listed with a reason", made.run("mutate"), 0,
                  "excused  hook      isolation/unheard.patch   it is for speed", "0 missed, 0 wrong, 1 excused")
    made.put(f"{FOLDER}/mutations/unnoticed", "isolation/unheard.patch\n")
    report.expect("a list without a reason is refused", made.run("mutate"), 1, "has no reason")
    made.put(f"{FOLDER}/mutations/unnoticed", "isolation/other.patch a reason\n")
    report.expect("a list of what there is not is refused", made.run("mutate"), 1, "lists what there is not: isolation/other.patch")

ONTO = HEADER.format(subject="Say it twice") + hunk(1, " alpha", "-tested", "+tested twice", " gamma", " compiled")
with repository(patches={**PATCHES, "isolation/onto.patch": ONTO}) as made:
    report.expect("a hook that later ones build on cannot be taken out", made.run("mutate", "--only", "isolation/tested"), 1,
                  "WRONG    hook      isolation/tested.patch", "Hook: isolation/tested.patch")
    made.put(f"{FOLDER}/mutations/stand-in.patch", mutation("It says nothing", UNTEST.replace("tested", "tested twice"),
                                                              FIRST + "Hook: isolation/tested.patch\n"))
    report.expect("a mutation can stand for it", made.run("mutate", "--only", "isolation/tested", "stand-in"), 0,
                  "noticed  hook      isolation/tested.patch", "stand-in.patch in its place")

with repository({"good.patch": mutation("It says nothing", UNTEST),
                 "splat.patch": mutation("It splats", hunk(4, " compiled", "-epsilon", "+x", " zeta", " eta"), "Caught-by: splat\n"),
                 "dies.patch": mutation("It dies", hunk(8, " theta", " iota", "-kappa", "+x"),
                                        "Caught-by: VM lost\n"),
                 "missed.patch": mutation("It is well", hunk(5, " epsilon", "-zeta", "+z", " eta", " theta")),
                 "other.patch": mutation("It says nothing", UNTEST, "Caught-by: second:other\n"),
                 "broken.patch": mutation("It is no C", hunk(5, " epsilon", "-zeta", "+SYNTAX", " eta", " theta")),
                 "old.patch": mutation("It does not fit", hunk(5, " epsilon", "-gone", "+z", " eta", " theta")),
                 "silent.patch": mutation("", UNTEST), "alone.patch": mutation("It says nothing", UNTEST, "")}) as made:
    outcome = made.run("mutate", "--only", *(f"{name}.patch" for name in (
        "good", "splat", "dies", "missed", "other", "broken", "old", "silent", "alone")))
    prefix = "mutation  isolation/mutations/"
    report.expect("mutations", outcome, 1, f"noticed  {prefix}good.patch    first:says.tested", f"noticed  {prefix}splat.patch   splat",
                  f"noticed  {prefix}dies.patch    VM lost", f"MISSED   {prefix}missed.patch", f"WRONG    {prefix}broken.patch  does not compile",
                  f"WRONG    {prefix}old.patch     does not apply", f"WRONG    {prefix}silent.patch  its header has no line 'Mutation:",
                  f"WRONG    {prefix}alone.patch   its header has no line 'Caught-by:", f"MISSED   {prefix}other.patch")
    ran = (made.build / "ran").read_text().split()
    report.check("a mutation runs the programs that have to notice, and no others",
                 [] if ran.count("isolation:first") == 2 and ran.count("isolation:second") == 1 and ran.count("all") == 3 else ran)

# Several in one kernel.
TWO = CHECK.replace("in isolation:first)", "in *isolation:first*)").replace("grep -q epsilon", """
grep -q theta "$image" || case ${only:-all} in *isolation:second*) fail "isolation: second: says.theta (x)";; esac
grep -q epsilon""")
SHARED = {"good.patch": mutation("It says nothing", UNTEST),
          "second.patch": mutation("It says less", hunk(6, " zeta", " eta", "-theta", "+x", " iota", " kappa"), "Caught-by: second:theta\n"),
          "same.patch": mutation("It says as little", hunk(6, " zeta", " eta", "-theta", "+y", " iota", " kappa"), "Caught-by: second:says.theta\n"),
          "quiet.patch": mutation("It is well", hunk(3, " int a(int x)", " {", "-\tint y = x;", "+\tint y = 1;", " ", " \tif (y)"),
                                  "Caught-by: third:other\n").replace("kernel/b.c", "kernel/a.c"),
          "whole.patch": mutation("It says nothing", UNTEST, "Caught-by: first:says.tested\nAlone: nothing is said\n")}
with repository(SHARED) as made:
    (made.top / "harness/check").write_text(TWO)
    outcome = made.run("mutate", "--together", "3", "--only", *SHARED)
    report.expect("together: those with tests of their own; alone: what is not noticed so", outcome, 1,
                  f"noticed  {prefix}good.patch    first:says.tested, beside 2 others", f"noticed  {prefix}second.patch  second:says.theta\n",
                  f"noticed  {prefix}same.patch    second:says.theta, beside 2 others", f"noticed  {prefix}whole.patch   first:says.tested\n", f"MISSED   {prefix}quiet.patch")
    # Without a mutation, in one kernel, and alone.
    ran = (made.build / "ran").read_text().split()
    report.check("together: a program runs once", [] if ran.count("isolation:first") == 3 and ran.count("isolation:second") == 3 else ran)

with repository({"good.patch": mutation("It says nothing", UNTEST, "Caught-by: first:other\n")}) as made:
    report.expect("a Caught-by that is not so", made.run("mutate", "--only", "good"), 1, "not noticed by first:other, as it says")
with repository() as made:
    made.put("broken-tests", "")
    report.expect("tests that cannot run say nothing", made.run("mutate"), 1, "the tests could not be run")
with repository() as made:
    made.change("isolation/tested.patch", "+tested", "+t")
    report.expect("tests that fail without a mutation say nothing", made.run("mutate"), 1, "the tests fail without a mutation")

# Fails in the first run, where nothing is broken, and without the hook.
UNSTEADY = CHECK.replace("grep -q epsilon", """runs=$(grep -c . "$ACCORD_TOP/build/ran")
{ [ "$runs" -gt 1 ] && ! grep -q zeta "$image"; } || fail "isolation: second: blinks (x)"
grep -q epsilon""")
with repository(patches={**PATCHES, "isolation/unheard.patch": NEXT}) as made:
    (made.top / "harness/check").write_text(UNSTEADY)
    report.expect("a test that fails now and then does not notice anything", made.run("mutate"), 1, "noticed  hook      isolation/tested",
                  "MISSED   hook      isolation/unheard.patch", "note: second:blinks failed without a mutation, too")

# A run that was cut off between breaking and mending.
with repository() as made:
    made.run("mutate", "--only", "tested")
    whole, tree = state(made), made.build / "mutate/linux-5.10"
    text = (tree / "kernel/b.c").read_text()
    made.put("build/mutate/mutated/names", json.dumps(["kernel/b.c"]))
    made.put("build/mutate/mutated/files/kernel/b.c", text)
    (tree / "kernel/b.c").write_text(text.replace("tested", "gone"))
    report.expect("the next run mends what a cut-off one left", made.run("mutate", "--only", "tested"), 0, "1 noticed",
                  also=[] if state(made) == whole else ["the tree is not whole"])
report.done()
