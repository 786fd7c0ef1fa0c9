#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""deps with stand-ins for apt: what it finds missing, what it asks for, what it says when that fails."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from fixture import HARNESS, Checks

TOOLS = "bash cat head sed sort grep awk mkdir mktemp rm tail dirname env df cut chmod".split()
APT = """#!/bin/bash
echo "apt-get $*" >> "$LOG"
case "$*" in
*indextargets*) echo "bookworm http://mirror.invalid/debian"; echo "bookworm-security http://mirror.invalid/debian-security" ;;
*install*qemu*) [ -z "$QEMU_COMES" ] || { printf '#!/bin/bash\\necho "QEMU emulator version 10.0.2"\\n' > "$BIN/qemu-system-x86_64"
	chmod +x "$BIN/qemu-system-x86_64"; } ;;
esac
[[ "$*" != *" $FAILS"* ]]
"""


def run(place, groups, qemu=None, installed="", candidate="", fails="nothing", comes=""):
    """Run deps on a machine that has these packages and this QEMU; return (status, said, apt's log)."""
    tools = place / "bin"
    shutil.rmtree(tools, ignore_errors=True)
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name))
    scripts = {"apt-get": APT, "id": "#!/bin/bash\necho 0\n",
               "dpkg-query": f'#!/bin/bash\ncase " {installed} " in *" ${{!#}} "*) echo installed ;; *) exit 1 ;; esac\n',
               "apt-cache": f'#!/bin/bash\necho "  Candidate: {candidate or "(none)"}"\n'}
    if qemu:
        scripts["qemu-system-x86_64"] = f'#!/bin/bash\necho "QEMU emulator version {qemu} (Debian)"\n'
    for name, text in scripts.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    log = place / "log"
    log.write_text("")
    done = subprocess.run([shutil.which("bash"), os.path.join(HARNESS, "deps"), *groups], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          env={"PATH": str(tools), "HOME": str(place), "LOG": str(log), "BIN": str(tools), "FAILS": fails,
                               "QEMU_COMES": comes, "XDG_CACHE_HOME": str(place / "cache")})
    return done.returncode, done.stdout, log.read_text()


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)

        def case(name, status, texts, asked, **machine):
            got, said, log = run(place, ["vm"], **machine)
            checks.check(name, ([] if got == status else [f"exit {got}, not {status}"])
                         + [f"does not say: {text}" for text in texts if text not in said]
                         + [f"does not ask apt for: {text}" for text in asked if text not in log]
                         + (["asks apt for something"] if not asked and log else []), said + log)

        have = "python3 busybox-static cpio"
        case("nothing is missing: silent", 0, [], [], installed=have, qemu="10.0.2")
        case("a package is missing", 0, ["installing: cpio"], ["install cpio"], installed="python3 busybox-static", qemu="9.2")
        case("no QEMU, the release has a good one", 0, ["installing: qemu-system-x86 10.0.2"], ["install qemu-system-x86"],
             installed=have, candidate="1:10.0.2+ds-2", comes="1")
        case("no QEMU, the release's is old: backports", 0, ["-backports"], ["-backports qemu-system-x86"],
             installed=have, candidate="1:7.2+dfsg-7", comes="1")
        case("an old QEMU is told and replaced", 0, ["QEMU 7.2.18 is too old", "8.1 or newer"], ["-backports qemu-system-x86"],
             installed=have, qemu="7.2.18", candidate="1:7.2+dfsg-7", comes="1")
        case("QEMU is still old afterwards", 1, ["QEMU is 7.2.18", "8.1 or newer is needed"], ["qemu-system-x86"],
             installed=have, qemu="7.2.18", candidate="1:7.2+dfsg-7")
        case("no network", 1, ["no network", "by hand"], ["update"], installed=have, candidate="1:7.2+dfsg-7", fails="update")
        case("apt fails to install", 1, ["could not install: cpio"], ["install cpio"], installed="python3 busybox-static",
             qemu="9.2", fails="install")
        got, said, log = run(place, ["foreign"])
        checks.check("programs to be run on our kernel", [] if got == 0 and "install stress-ng" in log else ["not asked for"], said + log)
        got, said, log = run(place, ["bench"], installed="gcc libc6-dev binutils file")
        checks.check("what draws measurements", [] if got == 0 and "install gnuplot-nox" in log else ["not asked for"], said + log)
        got, said, _ = run(place, ["nonsense"], installed=have, qemu="9.2")
        checks.check("an unknown group", [] if got == 1 and "no group 'nonsense'" in said else ["message"], said)
    checks.done()


main()
