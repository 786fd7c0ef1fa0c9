#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""stale with a stand-in for QEMU's gdb stub: who is helped, who is left alone, and that the guest goes on.
With QEMU itself: that a write by its stub throws a translation away.
"""

import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from fixture import HARNESS, Checks

sys.path.insert(0, HARNESS)
import stale  # noqa: E402

SITE, ELSEWHERE = 0xffffffff810b6eb0, 0xffffffff81600a9e
STACK, END_OF_STACK = 0xffffc90000093fc8, 0xffffc90000094000
OFF, ON = 0x2, 0x202


class Guest:
    """Processors as (rip, eflags, where they trapped or None[, SS there]) for each look, the last for ever; one byte
    of code."""

    def __init__(self, path, looks, byte):
        self.looks, self.byte = looks, byte
        self.connected, self.gone_on, self.written, self.processor = 0, 0, [], 0
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.server.accept()
            self.connected += 1
            data = b""
            while not data.endswith(b"$D#44"):
                got = peer.recv(4096)
                if not got:
                    break
                data = data.lstrip(b"+") + got
                if data[-3:-2] == b"#" and not data.endswith(b"$D#44"):
                    text = self.answer(data[data.rindex(b"$") + 1:-3].decode())
                    peer.sendall(b"+$" + text.encode() + b"#" + b"%02x" % (sum(text.encode()) & 255))
                    data = b""
            if data:
                self.gone_on += 1
                peer.sendall(b"+$OK#9a")
            peer.close()

    def state(self):
        now = self.looks[min(self.connected, len(self.looks)) - 1]
        return now[self.processor]

    def answer(self, packet):
        if packet == "qfThreadInfo":
            return "m" + ",".join(f"{i + 1:02x}" for i in range(len(self.looks[0])))
        if packet == "qsThreadInfo":
            return "l"
        if packet.startswith("Hg"):
            self.processor = int(packet[2:], 16) - 1
            return "OK"
        rip, eflags, trapped, ss = (*self.state(), 0x18)[:4]
        if packet == "g":
            registers = [0] * 17
            registers[stale.RSP], registers[stale.RIP] = STACK, rip
            return struct.pack("<17QI", *registers, eflags).hex()
        if packet.startswith("M"):
            self.written.append(packet[1:])
            return "OK"
        address, size = (int(word, 16) for word in packet[1:].split(","))
        if address == STACK and address + size <= END_OF_STACK:
            frame = [1, 2, trapped + 1, 0x10, OFF, STACK + 64, ss] if trapped else [1, 2, 3, 4, 5, 6, 7]
            return struct.pack(f"<{len(frame)}Q", *frame).hex()
        return f"{self.byte:02x}" if address == SITE else "E14"


LOOP = (ELSEWHERE, OFF, SITE)
AT_IT = (SITE, OFF, None)
IN_INTERRUPT = (*LOOP, 0)
IDLE = (ELSEWHERE, ON, None)
HELPED = [("02", SITE)]
CASES = [
    ("in the trap each time", [[IDLE, LOOP]], 0xe8, HELPED),
    ("in the trap or about to be", [[IDLE, AT_IT], [IDLE, LOOP], [IDLE, AT_IT], [IDLE, LOOP]], 0xe8, HELPED),
    ("in the trap in an interrupt of user mode", [[IDLE, IN_INTERRUPT]], 0xe8, HELPED),
    ("in the trap once", [[IDLE, LOOP], [IDLE, IDLE]], 0xe8, []),
    ("in traps from different places", [[IDLE, LOOP], [IDLE, (ELSEWHERE, OFF, SITE + 64)]], 0xe8, []),
    ("trapped by an int3 that is there", [[IDLE, LOOP]], 0xcc, []),
    ("spinning with interrupts off", [[IDLE, AT_IT]], 0xe8, []),
    ("in user mode", [[IDLE, (0x401000, ON, None)]], 0xe8, []),
]


# A guest in 32 bits that says that it is there and loops for ever; behind the loop is its end, by the debug exit device.
LOAD, HERE, LIMIT = 0x100000, 0x110000, 30
HEADER = struct.pack("<8I", 0x1badb002, 0x10000, 2**32 - 0x1badb002 - 0x10000, LOAD, LOAD, 0, 0, LOAD + 32)
SAY_HERE = b"\xc6\x05" + struct.pack("<I", HERE) + b"\x01"        # movb $1, HERE
FOR_EVER = b"\xeb\xfe"                                            # 1: jmp 1b
END = b"\x66\xba\xf4\x00\xb0\x10\xee" + FOR_EVER                # movw $0xf4, %dx; movb $16, %al; outb %al, %dx; it takes a moment
ENDED = 16 << 1 | 1


def leaves_loop(place, code):
    """How QEMU ends after the stub has written code to where a processor executes a loop; None when it does not."""
    (place / "guest").write_bytes(HEADER + SAY_HERE + FOR_EVER + END)
    loop = LOAD + len(HEADER + SAY_HERE)
    with subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg,thread=multi", "-smp", "2",
                           "-m", "64M", "-kernel", place / "guest", "-device", "isa-debug-exit,iobase=0xf4",
                           "-chardev", f"socket,id=gdb,path={place}/stub,server=on,wait=off", "-gdb", "chardev:gdb"]) as qemu:
        try:
            limit, here = time.monotonic() + LIMIT, b""
            while here != b"\x01" and time.monotonic() < limit:
                time.sleep(0.05)
                if (place / "stub").exists():
                    with stale.stopped(place / "stub") as stub:
                        here = stub.read(HERE, 1)
            with stale.stopped(place / "stub") as stub:
                stub.write(loop, code)
            return qemu.wait(LIMIT if code != FOR_EVER else 1)
        except subprocess.TimeoutExpired:
            return None
        finally:
            qemu.kill()


def main():
    checks = Checks()
    with tempfile.TemporaryDirectory() as place:
        got = leaves_loop(pathlib.Path(place), b"\x90\x90")
        checks.check("what is written by QEMU's stub is executed", [] if got == ENDED else [f"QEMU: {got}"])
    with tempfile.TemporaryDirectory() as place:
        got = leaves_loop(pathlib.Path(place), FOR_EVER)
        checks.check("and what is not is not", [] if got is None else [f"QEMU: {got}"])
    stale.PAUSE = 0
    for name, looks, byte, wanted in CASES:
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place) / "gdb"
            guest = Guest(path, looks, byte)
            got = stale.mend(path)
            written = [f"{address:x},1:{byte:02x}" for _, address in wanted]
            checks.check(f"a processor {name}",
                         ([] if got == wanted else [f"helped {got}"]) +
                         ([] if guest.written == written else [f"wrote {guest.written}"]) +
                         ([] if guest.gone_on == guest.connected else ["the guest stands still"]))
    with tempfile.TemporaryDirectory() as place:
        try:
            stale.mend(os.path.join(place, "none"))
            wrong = ["no error"]
        except OSError:
            wrong = []
        checks.check("no stub", wrong)
    checks.done()


main()
