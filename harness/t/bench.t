#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""bench: that the plugin counts right, on a guest whose instructions are known; what bench makes of rows.

Seen to fail: a plugin that counts blocks by their number, one that counts all vCPUs as the first, and one that counts the markers.
"""

import math
import os
import pathlib
import subprocess
import tempfile
from unittest import mock

from fixture import HARNESS, Checks, load, start

SOURCE = pathlib.Path(HARNESS).parent / "bench"
OUTPUT = """case\ta
row\tm\toff\t-\t5\tns
span\tn\toff\t2\t700\tf1\t7\t0\t-
span\tn\toff\t4\t700\tf2\t10\t100\t-
none\to\ton\t-\tno such call
end\t0
case\tb
end\t0
case\tc
row\tm\toff\t-\t5\tns
end\t3
case\td
row\tm\toff\t-\t5\tns
end\t124
case\tz
row\tm\toff\t-\t5\tns
"""


def build_plugin(place):
    """The plugin and the guest to test it with."""
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-o", place / "count.so", SOURCE / "count.c"], check=True)
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,-N,-Ttext=0x100000,--build-id=none,-z,noexecstack,--no-warn-rwx-segments",
                    "-o", place / "guest", SOURCE / "guest.S"], check=True)


def count(place, profile=""):
    """{number: instructions of each vCPU} of the guest."""
    subprocess.run(["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg,thread=multi",
                    "-cpu", "max", "-smp", "4", "-m", "64M", "-no-reboot", "-kernel", place / "guest", "-device", "isa-debug-exit,iobase=0xf4",
                    "-plugin", f"{place}/count.so,out={place}/count" + (f",profile={place}/profile" if profile else "")],
                   timeout=120, check=False)
    begun, found = {}, {}
    for line in (place / "count").read_text().splitlines():
        what, number, *each = line.split()
        each = [int(one) for one in each]
        if what == "B":
            begun[number] = each
        else:
            found[number] = [one - other for one, other in zip(each, begun[number])]
    return found


def main():
    checks = Checks()
    bench = load("bench")
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        build_plugin(place)
        found = count(place)
        checks.check("nothing between two markers is nothing", [] if found.get("c") == [0, 0, 0, 0] else [str(found)])
        checks.check("a loop of 1000 times two is 2000, on its vCPU", [] if found.get("a") == [2000, 0, 0, 0] else [str(found)])
        checks.check("a second vCPU has its own 1010, halted ones nothing", [] if found.get("b", [])[1:] == [1010, 0, 0] else [str(found)])
        found = count(place, "profile")
        spans = (place / "profile").read_text()
        checks.check("a profile counts the same", [] if found.get("a") == [2000, 0, 0, 0] and "span a\nuser 2000\n" in spans else [str(found), spans])

        counts = bench.counted(place / "count")
        checks.check("spans are of each vCPU", [] if counts.get("a") == [2000, 0, 0, 0] and counts.get("b", [])[1:] == [1010, 0, 0] else [str(counts)])

    rows = bench.rows(OUTPUT, {"f1": [30, 40]}, False)
    wanted = [("a", "m", "off", "-", "5", "ns"), ("a", "n", "off", "2", "10", "insn"),
              ("a", "n", "off", "4", "none", "fail: the plugin has not counted this span"), ("a", "o", "on", "-", "none", "no such call"),
              ("b", "-", "-", "-", "none", "fail: status 0, 0 rows"), ("c", "m", "off", "-", "5", "ns"),
              ("c", "-", "-", "-", "none", "fail: status 3, 1 rows"), ("d", "m", "off", "-", "5", "ns"),
              ("d", "-", "-", "-", "none", f"fail: did not end within {bench.CASE_LIMIT} s"), ("z", "m", "off", "-", "5", "ns"),
              ("z", "-", "-", "-", "none", "fail: the VM was lost in this case")]
    checks.check("rows, spans, reasons, and every way to fail", [f"{one} is not {other}" for one, other in zip(rows, wanted) if one != other]
                 + ([] if len(rows) == len(wanted) else [f"{len(rows)} rows"]))
    rows = bench.rows(OUTPUT, {}, True)
    checks.check("with icount the clock counts, less what the case did itself", [] if rows[1][4] == "100" and rows[2][4] == "60" else [str(rows[:3])])
    one = "case\ta\nspan\tn\toff\t2\t700\tf1\t2\t10\t1\nend\t0\n"
    checks.check("a span of one CPU counts that CPU, which a clock cannot",
                 [] if bench.rows(one, {"f1": [30, 40]}, False)[0][4] == "15" and bench.rows(one, {}, True)[0][5].startswith("fail") else ["no"])

    orders = [bench.order_of([(size, cost(size)) for size in (2, 16, 128)]) for cost in (lambda n: 7, lambda n: 3 * n, lambda n: n * n / 9)]
    checks.check("a constant, a line and a square are told apart", [] if all(math.isclose(one, other, abs_tol=1e-9) for one, other in zip(orders, (0, 1, 2)))
                 else [str(orders)])
    checks.check("two sizes tell no order", [] if bench.order_of([(1, 1), (2, 2)]) is None else ["they do"])

    def ratio(ours, base):
        one = bench.Series()
        for kernel, values in (("ours", ours), ("base", base)):
            for value in values:
                one.add(kernel, value, "insn")
        return one.ratio("base")

    checks.check("a difference above the spread counts", [] if ratio("102 102 102".split(), "100 100 100".split()) == (1.02, "") else ["no"])
    checks.check("one within the spread is inconclusive", [] if ratio("102 99 106".split(), "100 100 100".split())[1] == "inconclusive" else ["no"])
    checks.check("a kernel without the call has no ratio", [] if ratio(["5"], ["none"]) == (None, "") else ["it has"])

    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "x.c").write_text("/*\n * VM: icount smp=4\n *\n * It is fair to say nothing.\n */\n")
        try:
            bench.Case(pathlib.Path(folder) / "x.c")
            said = "taken"
        except bench.Failure as failure:
            said = str(failure)
        checks.check("a case has to say why it is fair", [] if "Fair:" in said else [said])
    with mock.patch.dict(os.environ):
        got, said = start("bench", "--list")
        names = [line.split("\t")[0] for line in said.splitlines()]
        checks.check("all cases have a head", [] if got == 0 and len(names) == len(list((SOURCE / "cases").glob("*.c"))) else [said])
        got, said = start("bench", "--case", "nonsense")
        checks.check("an unknown case", [] if got == 1 and "there are: " in said else [said])
        got, said = start("bench", "--kernel", "old=/nowhere")
        checks.check("an unknown kernel", [] if got == 1 and "NAME is one of" in said else [said])
    checks.done()


main()
