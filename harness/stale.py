# SPDX-License-Identifier: GPL-2.0
"""Help a VM out of a loop that only emulation can get into.

With a thread a virtual CPU, QEMU's TCG may keep a stale translation of code that the guest patches: one
CPU stores the new bytes, and when the host takes the processor from it after it has thrown the old
translation away and before it stores, another CPU translates the old bytes again, and nothing throws
that away.  Linux patches code by way of int3.  A CPU that has kept the int3 traps, finds that memory has
none any more, goes back to execute what is there now, and traps again, for ever; with interrupts off, as
in a spinlock, the whole guest waits for it.

QEMU's gdb stub can tell: the same CPU is in the trap from the same place each time one looks, and the byte
there is no int3.  To write that byte as it is makes QEMU throw the translation away.
"""
import contextlib
import socket
import struct
import time

INT3 = 0xCC
LOOKS, PAUSE = 4, 0.05          # times that a CPU has to be found in the same trap, and seconds between
STACK = 128                     # words above the stack pointer that may hold the trap's frame
PAGE = 4096
KERNEL_CS, KERNEL_SS, INTERRUPTS = 0x10, (0, 0x18), 1 << 9      # an interrupt of user mode leaves SS at 0
RSP, RIP, EFLAGS = 7, 16, 17    # positions in the answer to 'g'


class Stub:
    """QEMU's gdb stub.  The guest stands still while somebody is connected."""

    def __init__(self, path):
        self.peer = socket.socket(socket.AF_UNIX)
        self.peer.settimeout(10)
        self.peer.connect(str(path))
        self.waiting = b""

    def ask(self, packet):
        self.peer.sendall(f"${packet}#{sum(packet.encode()) & 255:02x}".encode())
        while True:
            start, end = self.waiting.find(b"$"), self.waiting.find(b"#")
            if 0 <= start < end and len(self.waiting) >= end + 3:
                answer, self.waiting = self.waiting[start + 1:end], self.waiting[end + 3:]
                self.peer.sendall(b"+")
                return answer.decode()
            got = self.peer.recv(65536)
            if not got:
                raise ConnectionError("the stub has gone")
            self.waiting += got

    def processors(self):
        answer = self.ask("qfThreadInfo")
        while answer.startswith("m"):
            yield from answer[1:].split(",")
            answer = self.ask("qsThreadInfo")

    def registers(self, processor):
        self.ask(f"Hg{processor}")
        return struct.unpack_from("<17QI", bytes.fromhex(self.ask("g")))

    def read(self, address, size):
        """Memory as the processor asked last sees it; nothing where it has none."""
        answer = self.ask(f"m{address:x},{size:x}")
        return b"" if answer.startswith("E") else bytes.fromhex(answer)

    def write(self, address, data):
        self.ask(f"M{address:x},{len(data):x}:{data.hex()}")


@contextlib.contextmanager
def stopped(path):
    stub = Stub(path)
    try:
        yield stub
    finally:
        with contextlib.suppress(OSError):
            stub.ask("D")
        stub.peer.close()


def top_of_stack(stub, start):
    """STACK words, or as many as there are: behind a stack there may be a page that cannot be read."""
    here = min(8 * STACK, PAGE - start % PAGE)
    return stub.read(start, here) + (stub.read(start + here, 8 * STACK - here) if here < 8 * STACK else b"")


def traps(stub, registers):
    """Where the traps that a processor is in came from, innermost first."""
    stack = top_of_stack(stub, registers[RSP])
    words = struct.unpack(f"<{len(stack) // 8}Q", stack[:len(stack) // 8 * 8])
    for ip, cs, _, _, ss in zip(words, words[1:], words[2:], words[3:], words[4:]):
        if cs == KERNEL_CS and ss in KERNEL_SS and ip >> 63:
            yield ip - 1


def suspects(stub):
    """{(processor, address): whether it was in a trap from there}, for processors with interrupts off."""
    found = {}
    for processor in list(stub.processors()):
        registers = stub.registers(processor)
        if registers[EFLAGS] & INTERRUPTS or not registers[RIP] >> 63:
            continue
        found[processor, registers[RIP]] = False
        for address in traps(stub, registers):
            if stub.read(address, 1) not in (b"", bytes([INT3])):
                found[processor, address] = True
    return found


def mend(path):
    """Look at a VM; help the processors that are in such a loop.  Returns their (processor, address)."""
    with stopped(path) as stub:
        found = suspects(stub)
    for _ in range(LOOKS):
        if not found:
            return []
        time.sleep(PAUSE)
        with stopped(path) as stub:
            again = suspects(stub)
        found = {key: trapped or again[key] for key, trapped in found.items() if key in again}

    mended = sorted(key for key, trapped in found.items() if trapped)
    with stopped(path) as stub:
        for processor, address in mended:
            stub.ask(f"Hg{processor}")
            stub.write(address, stub.read(address, 1))
    return mended
