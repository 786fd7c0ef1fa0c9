#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# isolrun: what it starts is isolated, and what it reports is true.
#
# What has to make this test fail: a return to user mode that does not count
# (mutations/breaks-no-entry.patch), and mutations/life-exec-clears.patch.
# shellcheck disable=SC2317	# The functions are called by name.

folder=$(dirname "$(readlink -f "$0")")
isolrun=$folder/isolrun
[ -x "$isolrun" ] || isolrun=$folder/../../../isolation/isolrun
report=$(mktemp)
trap 'rm -f "$report"' EXIT
number=0 failed=0

ok() { number=$((number + 1)); echo "ok $number $1"; }
not_ok() { number=$((number + 1)); failed=1; echo "not ok $number $1"; }

# expect NAME COMMAND...: the command succeeds.
expect() {
	name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name"; fi
}

# status N COMMAND...: it leaves with that status.
status() {
	local want=$1 got=0
	shift
	"$@" > /dev/null 2>&1 || got=$?
	[ "$got" = "$want" ] || { echo "# status $got, not $want: $*"; false; }
}

reported() { sed -n "s/^$1: \([0-9]*\).*/\1/p" "$report"; }

echo "TAP version 13"
if ! command -v python3 > /dev/null; then
	echo "1..0 # SKIP there is no python3"
	exit 4
fi
if ! "$isolrun" -c 0 true 2> /dev/null; then
	echo "1..0 # SKIP the kernel has no task isolation"
	exit 4
fi
cpu=$(sed 's/[-,].*//' /sys/devices/system/cpu/nohz_full)
if [ -z "$cpu" ]; then
	echo "1..0 # SKIP no CPU is given to nohz_full="
	exit 4
fi

# shellcheck disable=SC2016	# it is for the other shell
isolated() {
	"$isolrun" -r "$report" bash -c 'grep -q "^features: 0x1$" /proc/$$/isolation &&
		grep -q "^inherit: 0x3$" /proc/$$/isolation && [ "$(taskset -pc $$ | sed "s/.*: //")" = '"$cpu"' ]'
}
expect "isolated by default" isolated

nothing_inherited() {
	"$isolrun" -q vmstat -i none -r "$report" bash -c 'grep -q "^quiesce: 0x1$" /proc/$$/isolation &&
		! grep -q "^features: 0x1$" /proc/self/isolation'
}
expect "inherit none" nothing_inherited

deferring() {
	"$isolrun" -q defer_tlb,defer_text -r "$report" bash -c 'grep -q "^quiesce: 0xc$" /proc/$$/isolation'
}
expect "actions that put off" deferring

expect "exit status" status 7 "$isolrun" -c 0 sh -c 'exit 7'
expect "killed" status 137 "$isolrun" -c 0 sh -c 'kill -KILL $$'
expect "no such program" status 127 "$isolrun" -c 0 /no/such/program
expect "not a program" status 126 "$isolrun" -c 0 /etc/passwd
expect "no command" status 125 "$isolrun" -c 0
expect "no such CPU" status 125 "$isolrun" -c 4096 true
expect "no such action" status 125 "$isolrun" -c 0 -q everything true
expect "no such signal" status 125 "$isolrun" -c 0 -s NONE true
expect "two ways to tell" status 125 "$isolrun" -c 0 -w -s USR1 true

# A shell that starts programs: page faults and system calls of all of them.
sums() {
	"$isolrun" -r "$report" bash -c 'for i in 1 2 3 4; do /bin/true; done'
	[ "$(reported threads)" = 5 ] && [ "$(reported interruptions)" -gt 100 ] &&
		[ "$(reported 'system calls')" -gt 100 ] && grep -q '^reasons: .*fault' "$report" &&
		[ "$(reported longest)" -gt 0 ] && [ "$(reported together)" -gt "$(reported longest)" ]
}
expect "a report that sums up" sums

killed_at_once() { status 137 "$isolrun" -s KILL -r "$report" sh -c 'while :; do :; done'; }
expect "killed by the first interruption" killed_at_once

# Nobody may move the program while it runs.
# shellcheck disable=SC2016	# it is for the other shell
blocking() {
	"$isolrun" -b affinity,perf -i none -r "$report" bash -c 'echo $$ > "$1"; read -r < "$2"' sh "$pid" "$go" &
	local refused=0 tries=0
	until [ -s "$pid" ]; do
		[ $((tries += 1)) -lt 600 ] || return 1
		sleep 0.1
	done
	taskset -pc 0 "$(cat "$pid")" > /dev/null 2>&1 || refused=1
	grep -q '^features: 0x3$' "/proc/$(cat "$pid")/isolation" &&
		grep -q '^block: 0x24$' "/proc/$(cat "$pid")/isolation" || refused=2
	echo > "$go"
	wait $! && [ "$refused" = 1 ] && [ "$(reported 'refused to others')" = 1 ]
}
if [ "$(id -u)" = 0 ]; then
	pid=$(mktemp) go=$(mktemp -u)
	mkfifo "$go"
	expect "others are refused" blocking
	rm -f "$pid" "$go"
else
	ok "others are refused # SKIP only root may do this"
fi
expect "no such class" status 125 "$isolrun" -c 0 -b everything true
# CPU 0 is not isolated, so nothing may be blocked there.
expect "not isolated" status 126 "$isolrun" -c 0 -b all true

watched() { "$isolrun" -w -r "$report" /bin/true 2>&1 | grep -q 'interruptions: .*fault'; }
expect "watched" watched

audited() {
	local text
	text=$("$isolrun" --audit -c 0)
	[ $? = 1 ] && grep -q '^tick: the tick interrupts' <<< "$text" && grep -q 'nohz_full=0' <<< "$text" &&
		grep -q '^CPU 0: [0-9]* of [0-9]* left open$' <<< "$text" && "$isolrun" --audit -c "$cpu" | grep -q '^tick: ok$'
}
expect "audit" audited

echo "1..$number"
exit $failed
