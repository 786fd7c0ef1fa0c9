"""Run installed kselftests in the VM and count what came out; check and check-foreign share it."""

import os
import re
import subprocess
from pathlib import Path

from accord import BASE, BUILD, SELFTESTS, TOP, Failure, overlay, replace, run, series

HARNESS = TOP / "harness"
END = "accord: tests done"
# How much slower a configuration is than vm, for the tests' own time limits; the VM's limit in
# seconds; and what memory it needs where that is not the usual 2G.
SLOWER = {"vm": 1, "stock": 1, "debug": 12, "race": 4}
LIMIT = {"vm": 1800, "stock": 1800, "debug": 7200, "race": 3600}
MEMORY = {"debug": "3G"}
# What the checkers of a configuration say when they start: without it a clean console says nothing.
ALIVE = {"debug": ("kasan: KernelAddressSanitizer initialized", "Lock dependency validator: ",
                   "kmemleak: Kernel memory leak detector initialized"),
         "race": ("kcsan: enabled early",)}
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")

# What the guest runs.  kmemleak reports only what was unreferenced in two scans some seconds apart.
GUEST = """
cp -r {install} /tmp/kselftest && cd /tmp/kselftest || exit 1
./run_kselftest.sh {selection}
if [ -w /sys/kernel/debug/kmemleak ]; then
	echo scan > /sys/kernel/debug/kmemleak
	sleep 6
	echo scan > /sys/kernel/debug/kmemleak
	while read -r line; do echo "kmemleak: $line" > /dev/kmsg; done < /sys/kernel/debug/kmemleak
fi
echo "{end}"
"""


def clean_environment():
    """The environment without what a make above us would hand down."""
    return {name: value for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "TOPIC", "TEST", "CONFIG", "SERIES", "O")}


def stretch_timeouts(install, folders, config):
    """Give the tests of a slow configuration more time: in the installed copies of their settings."""
    for folder in folders:
        settings = install / folder / "settings"
        text = settings.read_text() if settings.is_file() else "timeout=45\n"
        replace(settings, re.sub(r"^timeout=(\d+)", lambda found: f"timeout={int(found[1]) * SLOWER[config]}",
                                 text, flags=re.M))


def kernel(config):
    built = subprocess.run([HARNESS / "kernel", "--config", config], stdout=subprocess.PIPE, text=True)
    if built.returncode:
        raise Failure(f"no kernel to test in configuration {config}: see above")
    return built.stdout.split()[-1]


def counts(text):
    """The last line that counts, as [passed, failed, skipped]; None when there is none."""
    for line in reversed(text.splitlines()):
        found = COUNTS.match(line.strip())
        if found:
            return [int(number) for number in found.groups()]
    return None


def own_functions(image):
    """Write the names of our functions: all in our files, and of the base's those that hooks change."""
    out, tree = Path(image).resolve().parents[3], BUILD / "linux-5.10"
    ours = [path for name in overlay() if name.endswith(".c") and (path := (out / name).with_suffix(".o")).is_file()]
    if not ours:
        raise Failure(f"no object of ours beside {image}: which kernel is this?")
    names = set(re.findall(r" [tTwW] ([A-Za-z_]\w*)", run("nm", "--defined-only", *ours)))
    for name in {name for patch in series() for name in patch.files if name.endswith(".c")}:
        first = next(patch.name for patch in series() if name in patch.files)
        # quilt keeps the file as it was before its first hook; git names the function of a change.
        before = tree / ".pc" / first / name
        changes = subprocess.run(["git", "diff", "--no-index", "-U0", before, tree / name], stdout=subprocess.PIPE, text=True).stdout
        names |= set(re.findall(r"^@@ .* @@ .*?(\w+)\s*\(", changes, re.M))
        names |= set(re.findall(r"^\+(?:[a-z]\w*[ *]+)+(\w+)\([^;]*$", changes, re.M))
    listed = out / ".accord-functions"
    replace(listed, "".join(f"{name}\n" for name in sorted(names)))
    return listed


def asleep(config, console):
    """The signs of life that the checkers of a configuration have not given."""
    text = console.read_text(errors="replace") if console.is_file() else ""
    return [sign for sign in ALIVE.get(config, ()) if sign not in text]


def boots(folders, tests):
    """[(name, kernel arguments, tests)] of the folders' `boots`: what cannot be tested in the usual boot."""
    found = []
    for folder in folders:
        listed = SELFTESTS / folder / "boots"
        for line in listed.read_text().splitlines() if listed.is_file() else ():
            if not line.strip() or line.startswith("#"):
                continue
            name, _, rest = line.partition(" ")
            arguments, colon, programs = rest.partition(" : ")
            if not colon or not programs.split():
                raise Failure(f"{listed}: not a line 'NAME KERNEL-ARGUMENTS : PROGRAM...': {line}")
            wanted = [f"{folder}:{program}" for program in programs.split()]
            found.append((name, arguments.strip(), [test for test in wanted if test in tests]))
    return [row for row in found if row[2]]


def run_in_vm(config, image, install, tests, place, skips=None, smp="4", mem=None, append="", quiet=False, boot="", limit=None):
    """Run COLLECTION:PROGRAM tests of an installed kselftest; print them as they end, return the counts.

    @boot names a boot with other arguments: its skips are announced for CONFIG+BOOT.
    """
    place.mkdir(parents=True, exist_ok=True)
    replace(place / "expect", "".join(f"{name}\n" for name in tests))
    command = GUEST.format(install=install, selection=" ".join(f"-t {name}" for name in tests), end=END)
    vm = subprocess.Popen(
        [HARNESS / "vm", "--kernel", image, "--out", place, "--timeout", str(limit or LIMIT[config]), "--smp", smp,
         "--mem", mem or MEMORY.get(config, "2G"), "--append", append, "--", command], stdout=subprocess.PIPE)
    topics = " ".join(dict.fromkeys(name.split(":")[0] for name in tests))
    tap = subprocess.Popen(
        [HARNESS / "tap", "--config", config + (f"+{boot}" if boot else ""), "--topic-list", topics, "--skips", skips or BASE / "config" / "skips",
         "--expect", place / "expect", "--end", END, *([] if quiet else ["--progress"])],
        stdin=vm.stdout, stdout=subprocess.PIPE, text=True, errors="replace")
    vm.stdout.close()
    said = []
    for line in tap.stdout:
        said.append(line)
        if not quiet and not COUNTS.match(line):
            print(line, end="", flush=True)
    tap.wait()
    vm.wait()
    found = counts("".join(said)) or [0, 1, 0]
    if tap.returncode and not found[1]:
        found[1] = 1
    races = ["--races-of", own_functions(image)] if config == "race" else []
    splat = subprocess.run([HARNESS / "splat", *races, "--complete", "accord: powering off", place / "console.log"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if splat.returncode:
        found[1] += 1
        print(f"  FAIL  {config}: the kernel's console is not clean ({place / 'console.log'})\n{splat.stdout}", flush=True)
    for sign in asleep(config, place / "console.log"):
        found[1] += 1
        print(f"  FAIL  {config}: the console does not say '{sign}': what this configuration is for is off", flush=True)
    if quiet and found[1]:
        print("".join(said), end="", flush=True)
    return found
