# shellcheck shell=bash
# Sourced.  A program that knows nothing of task isolation is given it by isolrun, and so are the threads that it makes.
cpu=$(sed 's/[-,].*//' /sys/devices/system/cpu/nohz_full)

# verdict RESULT WHY...: print the only result, and leave.
verdict() {
	local result=$1
	shift
	echo "# $*"
	echo "$result 1 isolated without knowing it"
	[ "$result" = ok ]
	exit
}

# Reschedule interrupts of the CPU so far: about one for each time that a kernel thread was to run there.
rescheduled() {
	awk -v column=$((cpu + 2)) '$1 == "RES:" { print $column }' /proc/interrupts
}

# inherited SAYS COMMAND...: the command prints SAYS, with others' noise beside it, and isolated it is left alone.
inherited() {
	local says=$1 log report before plain isolated threads
	shift
	echo "TAP version 13"
	echo "1..1"
	log=$(mktemp) report=$(mktemp)
	while :; do echo 1 > /proc/sys/vm/stat_refresh; done 2> /dev/null &
	noise=$!
	trap 'kill "$noise"; rm -f "$log" "$report"' EXIT
	taskset -pc 0 "$noise" > /dev/null

	before=$(rescheduled)
	"$@" > "$log" 2>&1 || { sed 's/^/# /' "$log"; verdict "not ok" "$1 does not even run by itself"; }
	plain=$(($(rescheduled) - before))
	./isolrun -c "$cpu" -i threads,fork -r "$report" -- "$@" > "$log" 2>&1 || { sed 's/^/# /' "$log"; verdict "not ok" "$1 fails"; }
	sed 's/^/# /' "$log" "$report"
	threads=$(sed -n 's/^threads: //p' "$report")
	isolated=$(sed -n 's/^reasons: .*\<resched \([0-9]*\).*/\1/p' "$report")

	grep -q "$says" "$log" || verdict "not ok" "$1 does not say '$says'"
	[ "${threads:-0}" -gt 1 ] || verdict "not ok" "its threads were not isolated"
	[ "$plain" -ge 20 ] || verdict "not ok" "$plain reschedule interrupts: that was no noise"
	[ $((${isolated:=0} * 4)) -lt "$plain" ] || verdict "not ok" "$isolated reschedule interrupts, $plain without isolation"
	verdict ok "interrupted by $isolated reschedule interrupts; $plain came to the CPU without isolation"
}
