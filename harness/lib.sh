# shellcheck shell=bash
# What the shell programs of the harness share: paths, messages, private apt.  Sourced, never run.

set -euo pipefail
TOP=${ACCORD_TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)}
# shellcheck disable=SC2034 # used by those who source this file
BUILD=$TOP/build
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/accord

say() { printf '%s\n' "accord: $*" >&2; }

# die MESSAGE [WHAT-TO-DO]
die() {
	printf 'accord: error: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf '        %s\n' "${@:2}" >&2
	exit 1
}

# room DIR MIB WHAT: refuse early, with a remedy, instead of failing half-way.
room() {
	local free
	mkdir -p "$1"
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] ||
		die "disk full: $3 needs $2 MiB in $1, and $free MiB are free" \
		    "free some space, or run 'make clean' to drop what can be built again"
}

# mirror main|security: the address of that archive, as the machine is already set up for it.
# shellcheck disable=SC2016 # apt has variables of its own
mirror() {
	local want=$1 uri release
	while read -r release uri; do
		case $want:$release in
		security:*-security | security:*/updates) printf '%s\n' "$uri"; return ;;
		main:*-security | main:*-updates | main:*-backports | main:*/*) ;;
		main:*) printf '%s\n' "$uri"; return ;;
		esac
	done < <(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null
		 # Before the first update apt knows no origin: take what the sources say.
		 apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
			grep -E '/debian(-security)?/?$' || true)
	return 1
}

# private_apt NAME ARCHIVE:SUITE...: write an apt configuration of our own that knows these suites,
# source-ARCHIVE:SUITE for their source packages, and print its path.  The system's own lists, sources
# and caches stay as they are.
private_apt() {
	local name=$1 dir keyring uri entry type
	shift
	dir=$CACHE/apt/$name
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
		[ ! -e "$keyring" ] || break
	done
	: > "$dir/sources.list"
	for entry; do
		type=deb
		[ "$entry" = "${entry#source-}" ] || type=deb-src
		entry=${entry#source-}
		uri=$(mirror "${entry%%:*}") ||
			die "apt on this machine knows no Debian ${entry%%:*} archive" \
			    "add one to /etc/apt/sources.list.d and run 'apt-get update', or give the package itself:" \
			    "make ... BASE_DEB=/path/to/the.deb"
		printf '%s [signed-by=%s] %s %s main\n' "$type" "$keyring" "$uri" "${entry#*:}" >> "$dir/sources.list"
	done
	# The base's suite is past its support, so its Release file may be past its date; what we take
	# from it is checked against a SHA-256 of ours.
	cat > "$dir/apt.conf" <<-EOC
	Dir::State::Lists "$dir/lists";
	Dir::Cache "$dir/cache";
	Dir::Etc::SourceList "$dir/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Acquire::Check-Valid-Until "false";
	Acquire::Retries "2";
	APT::Sandbox::User "root";
	EOC
	printf '%s\n' "$dir/apt.conf"
}
