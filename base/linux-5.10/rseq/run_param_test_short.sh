#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What run_param_test.sh does with these programs takes an hour on an emulated machine.
# Here each test runs once in each of its programs, and each kind of disturbance once.

# PROGRAM OPTIONS...: the options may be words of one argument.
run()
{
	echo "$*"
	# shellcheck disable=SC2086
	./$* -t 8 -r 100 || exit 1
}

# An area of libc's, then one of the program's own.
for tunable in "" glibc.pthread.rseq=0; do
	export GLIBC_TUNABLES=$tunable
	for test in "s" "l" "b" "b -M" "m" "m -M" "i" "r"; do
		run param_test -T "$test"
		run param_test_compare_twice -T "$test"
	done
	for how in "-y" "-k" "-s 1"; do
		run param_test -T l -7 -1 -8 -1 -9 -1 -m 2 "$how"
	done
done
