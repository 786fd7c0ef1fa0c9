#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What run_param_test.sh does with these programs takes hours on an emulated machine.
# Here each test runs once in each of its programs, with an extended (plain) and an
# original area (-L), and each kind of disturbance once at each place.

# libc's area would be in the way.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.pthread.rseq=0

# PROGRAM OPTIONS...: the options may be words of one argument.
run()
{
	echo "$*"
	# shellcheck disable=SC2086
	./$* -t 8 -r 100 || exit 1
}

for test in "s" "l" "b" "b -M" "m" "m -M" "i" "r"; do
	for program in param_test{,_mm_cid}{,_compare_twice}; do
		run "$program" -T "$test"
		run "$program" -T "$test" -L
	done
done
for place in 1 2 3 4 5 6 7 8 9; do
	run param_test_mm_cid -T i "-$place 10000"
done
for how in "-y" "-k" "-s 1"; do
	for area in "" -L; do
		run param_test -T l -7 -1 -8 -1 -9 -1 -m 2 "$how" "$area"
		run param_test_mm_cid -T b -7 -1 -8 -1 -9 -1 -m 2 "$how" "$area"
	done
done
