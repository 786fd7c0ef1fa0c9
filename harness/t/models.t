#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: GPL-2.0
"""harness/models: a model has to pass, each of its mutants to fail, and nothing in between counts."""

import os
import tempfile

from repository import Report, Repository, missing

GOOD = """// spin: -DUSERS=2
// mutants: NO_LOCK
byte inside;
bit lock;
active [USERS] proctype user() {
#ifndef MUTANT_NO_LOCK
	atomic { lock == 0 -> lock = 1 };
#endif
	inside++;
	assert(inside == 1);
	inside--;
	lock = 0
}
"""
CASES = [
    ("a model with a mutant that fails", GOOD, 0, ["2 passed, 0 failed, 0 skipped", "mutant NO_LOCK (found in"]),
    ("an error in the model", GOOD.replace("inside == 1", "inside == 0"), 1, ["spin finds an error"]),
    ("a mutant that nothing misses", GOOD.replace("inside == 1", "inside > 0"), 1, ["no run finds an error in it"]),
    ("two runs of which one finds the mutant",
     GOOD.replace("// spin", "// spin: -DUSERS=1\n// spin"), 0, ["3 passed, 0 failed"]),
    ("no run", GOOD.replace("// spin", "// run"), 1, ["says how to run it"]),
    ("no mutant", GOOD.replace("// mutants", "// none"), 1, ["that prove that it can fail"]),
    ("a mutant that is not there", GOOD.replace("mutants: ", "mutants: OTHER "), 1, ["OTHER is in the header and under no #ifdef"]),
    ("a mutant that is not listed", GOOD.replace("bit lock", "#ifdef MUTANT_MORE\n#endif\nbit lock"), 1,
     ["MUTANT_MORE is not in the header"]),
    ("what is no model", GOOD.replace("inside++", "inside +"), 1, ["spin came to no verdict"]),
    ("a search that was cut", GOOD.replace("-DUSERS=2", "-DUSERS=2 -run -m3"), 1, ["spin came to no verdict"]),
    ("a search that may leave out states", GOOD.replace("-DUSERS=2", "-DUSERS=2 -run -DBITSTATE"), 1, ["spin came to no verdict"]),
]
report = Report()
for name, text, status, parts in CASES:
    if missing("spin"):
        report.skip(name, "there is no spin")
        continue
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "m.pml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        with Repository() as repository:
            report.expect(name, repository.run("models", path), status, *parts,
                          also=[f"left {left}" for left in os.listdir(place) if left != "m.pml"])
report.done()
