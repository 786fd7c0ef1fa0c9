"""What the Python programs of the harness share: paths, messages, the series, running things."""

import ctypes
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# The tests of the harness put a small repository of their own in this one's place.
TOP = Path(os.environ.get("ACCORD_TOP") or Path(__file__).resolve().parent.parent)
BUILD = Path(os.environ.get("ACCORD_BUILD") or TOP / "build")
BASE = TOP / "base" / "linux-5.10"
PATCHES = BASE / "patches"
SELFTESTS = TOP / "tools" / "testing" / "selftests"
CONFIGS = ("vm", "stock", "debug", "race")

# The folders of the repository that are not laid over the kernel tree.
NOT_OVERLAY = {"base", "bench", "build", "harness", "models", ".ci", ".git"}


class Failure(Exception):
    """An error that a user meets: what is wrong, then what to do, a line each."""


def say(text):
    print(f"accord: {text}", file=sys.stderr, flush=True)


def main(function):
    """Run a program's main function; turn a Failure into a message and an exit status."""
    try:
        sys.exit(function())
    except Failure as failure:
        first, *rest = str(failure).splitlines() or [""]
        print(f"accord: error: {first}", file=sys.stderr)
        for line in rest:
            print(f"        {line}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(141)
    except KeyboardInterrupt:
        print("accord: interrupted", file=sys.stderr)
        sys.exit(130)


def end_with_parent():
    """From now on, when who started us ends, however it ends, so do we: a SIGTERM, turned into SystemExit."""
    def leave(*_):
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, leave)
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)


def run(*command, what=None, **options):
    """Run a command that is expected to work; its output appears only when it does not."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    done = subprocess.run([str(word) for word in command], text=True, errors="replace", **options)
    if done.returncode:
        tail = (done.stdout or "").strip().splitlines()[-40:]
        raise Failure("\n".join([what or f"'{' '.join(map(str, command))}' failed", *tail]))
    return done.stdout


def room(folder, mib, what):
    """Refuse early, with a remedy, when a folder's disk has not enough room."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free >> 20
    if free < mib:
        raise Failure(f"disk full: {what} needs {mib} MiB in {folder}, and {free} MiB are free\n"
                      "free some space, or run 'make clean' to drop what can be built again")


def lock(name, shared=False):
    """Hold a lock on a part of build/ until this process ends; wait for whoever else has it."""
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if name in lock.held:
        return
    BUILD.mkdir(exist_ok=True)
    handle = open(BUILD / f".lock-{name}", "w")
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"waiting for another run that works on {name}")
        fcntl.flock(handle, how)
    lock.held[name] = handle


lock.held = {}


def unlock(name):
    """Let others at it before this process ends."""
    lock.held.pop(name).close()


def slot(name=""):
    """The folder that holds one laid-out tree and the builds made from it: build/ for the main one."""
    return BUILD / name if name else BUILD


def digest(*parts):
    total = hashlib.sha256()
    for part in parts:
        total.update(part if isinstance(part, bytes) else str(part).encode())
        total.update(b"\0")
    return total.hexdigest()


def replace(path, text):
    """Write a file whole or not at all, and leave an equal one alone.  True when it changed."""
    data = text if isinstance(text, bytes) else text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)
    return True


class Patch:
    """One line of the series: its header and the files it touches."""

    def __init__(self, name, data=None):
        self.name = name
        self.topic = name.split("/")[0]
        self.path = PATCHES / name
        if not self.path.is_file():
            raise Failure(f"the series names {name}, which is not in {PATCHES}")
        self.data = self.path.read_bytes()
        text = self.data.decode(errors="replace")
        self.header = re.split(r"^(?:---$|--- |diff |Index: )", text, maxsplit=1, flags=re.M)[0]
        self.files = sorted(set(re.findall(r"^\+\+\+ b/(\S+)", text, re.M)))
        self.overlays = re.findall(r"^Overlay: (\S+)$", self.header, re.M)
        self.sha = digest(self.data)

    def field(self, name):
        found = re.search(rf"^{name}: (.*(?:\n[ \t].*)*)", self.header, re.M)
        return found and re.sub(r"\n[ \t]+", " ", found.group(1))


def series():
    """The patches, in order."""
    listed = PATCHES / "series"
    names = [line.split()[0] for line in listed.read_text().splitlines()
             if line.strip() and not line.lstrip().startswith("#")] if listed.is_file() else []
    return [Patch(name) for name in names]


def overlay():
    """The files of ours, as paths relative to both the repository and the kernel tree."""
    if (TOP / ".git").exists():
        listed = run("git", "-C", TOP, "ls-files", "-co", "--exclude-standard").splitlines()
    else:
        listed = [str(path.relative_to(TOP)) for path in TOP.rglob("*") if path.is_file()]
    return sorted(name for name in listed
                  if "/" in name and name.split("/")[0] not in NOT_OVERLAY
                  and (TOP / name).is_file() and "__pycache__" not in name)


def mailed(names):
    """Those of our files that whoever takes the series gets: not what only our harness can make use of."""
    return [name for name in names if "mutations" not in name.split("/")[:-1]]


def topics():
    """The topics that have selftests, in the series' order of topics."""
    order = list(dict.fromkeys(patch.topic for patch in series()))
    named = {topic: selftests_of(topic) for topic in order}
    return {topic: folders for topic, folders in named.items() if folders}


def selftests_of(topic):
    """The selftest folders of a topic: those whose 'topic' file names it, or of its very name."""
    found = []
    for folder in sorted(SELFTESTS.iterdir()) if SELFTESTS.is_dir() else []:
        marker = folder / "topic"
        name = marker.read_text().strip() if marker.is_file() else folder.name.replace("_", "-")
        if name == topic and (folder / "Makefile").is_file():
            found.append(folder.name)
    return found


class Progress:
    """One line that tells how a long step goes: redrawn on a terminal, now and then elsewhere."""

    def __init__(self, what, every=15):
        self.what, self.every = what, every
        self.started = self.last = time.monotonic()
        self.tty = sys.stderr.isatty()

    def show(self, state, force=False):
        now = time.monotonic()
        if now - self.last < (0.2 if self.tty else self.every) and not force:
            return
        self.last = now
        line = f"accord: {self.what}: {state} [{now - self.started:.0f} s]"
        print(f"\r\033[K{line[:110]}" if self.tty else line, end="" if self.tty else "\n",
              file=sys.stderr, flush=True)

    def end(self, state):
        self.show(state, force=True)
        if self.tty:
            print(file=sys.stderr, flush=True)
