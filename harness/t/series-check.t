#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/series-check on a small repository, with a kernel that is the text of its files: where it stops, what it turns off."""

from repository import BASE, HOOK, OURS, SECOND, Report, Repository

KERNEL = """#!/bin/sh
cd "$ACCORD_TOP/build/$2" || exit 1
mkdir -p o-check
echo CONFIG_ADVISE_SYSCALLS=y > o-check/.config
cat linux-5.10/kernel/*.c > image
for word; do case $word in --set) ;; *=n) set_off="$set_off ${word%=n}";; esac; done
echo "build$set_off" >> "$ACCORD_TOP/build/did"
for word in $set_off NOTHING; do
	if grep -q "needs $word$" image; then
		echo "accord: error: building the kernel failed" >&2
		exit 1
	fi
done
echo "$PWD/image"
"""
VM = """#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in --kernel) image=$2;; --out) out=$2;; --) shift; echo "boot $*" >> "$ACCORD_TOP/build/did";; esac
	shift
done
echo "[    0.000000] Linux version 5.10.0" > "$out/console.log"
! grep -q BOOTLESS "$image" || exit 125
! grep -q WARNS "$image" || echo "[    1.000000] WARNING: CPU: 0 PID: 1 at kernel/b.c:1 b+0x1/0x2" >> "$out/console.log"
echo "[    2.000000] accord: powering off" >> "$out/console.log"
"""
KCONFIG = """config BASED
	bool "Based"

config OUTER
	bool "Outer"
	depends on ADVISE_SYSCALLS && BASED
	help
	  config NOT_THIS
	  bool "or that"

config INNER
	bool "Inner"
	depends on HIDDEN

config HIDDEN
	def_bool OUTER
"""
ADDS = "".join(f"+{line}\n" for line in KCONFIG.split("\n")[2:-1])
KNOBS = HOOK.split("---\n")[0].replace("Overlay: kernel/ours.c\nOverlay: kernel/ours.h\nOverlay: tools/ours/\n", "") + (
    f"---\n--- a/init/Kconfig\n+++ b/init/Kconfig\n@@ -1,2 +1,{2 + ADDS.count(chr(10))} @@\n config BASED\n \tbool \"Based\"\n" + ADDS)
PATCHES = {"prep/hook.patch": HOOK, "isolation/knobs.patch": KNOBS, "isolation/second.patch": SECOND}
report = Report()


def repository(**options):
    made = Repository(patches=dict(PATCHES), **options)
    made.own_harness(kernel=KERNEL, vm=VM)
    return made


with repository() as made:
    report.expect("builds and boots each prefix, then builds with each symbol off", made.run("series-check"), 0,
                  "ok    0/3 the base alone", "ok    1/3 prep/hook.patch", "ok    2/3 isolation/knobs.patch",
                  "ok    3/3 isolation/second.patch", "ok    OUTER off", "ok    INNER off", "ok    ADVISE_SYSCALLS off",
                  "7 kernels built", absent=["HIDDEN", "BASED", "NOT_THIS"])
    did = (made.build / "did").read_text().splitlines()
    wanted = ["build", "boot true"] * 4 + ["build INNER OUTER", "build INNER", "build ADVISE_SYSCALLS INNER OUTER"]
    report.check("what depends on a symbol is off with it", [] if did == wanted else did)
    (made.build / "did").unlink()
    report.expect("--from begins later", made.run("series-check", "--from", "3"), 0, "3/3", absent=["2/3"])
    report.expect("--from beyond the end", made.run("series-check", "--from", "4"), 1, "the series has 3 patches")
FAULTS = [
    ("a patch after which nothing is built", "needs NOTHING", "the kernel with the first 3, up to isolation/second.patch, does not build"),
    ("a patch after which nothing boots", "BOOTLESS", "up to isolation/second.patch, does not boot (status 125"),
    ("a patch after which the kernel splats", "WARNS", "up to isolation/second.patch, does not boot cleanly", "b+0x1/0x2"),
    ("a symbol without which nothing is built", "needs INNER", "does not build with OUTER off"),
]
for name, word, *parts in FAULTS:
    with repository() as made:
        made.change("isolation/second.patch", "+BETA", f"+{word}")
        report.expect(f"stops at {name}", made.run("series-check"), 1, "ok    2/3", *parts)
with repository(ours={**OURS, "kernel/ours.c": "needs NOTHING\n"}) as made:
    report.expect("a file of ours is there from its patch on, not before", made.run("series-check"), 1, "ok    0/3",
                  "with the first 1, up to prep/hook.patch, does not build", absent=["ok    1/3"])
with repository(base={"kernel/b.c": BASE["kernel/b.c"] + "BOOTLESS\n"}) as made:
    report.expect("a base that does not boot is no fault of the series", made.run("series-check"), 1, "of the base alone does not boot")
report.done()
