# shellcheck shell=bash disable=SC2034 # what is unused here is used by others
# Common to all scripts: where things are, how they speak, one lock.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${LINUX_ISOLATION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linux-isolation}
BUILD=$TOP/build
LOGS=$BUILD/logs
JOBS=${JOBS:-$(nproc)}
export TOP CACHE BUILD LOGS JOBS

# shellcheck source=kernel-config/base.env
. "$TOP/kernel-config/base.env"

[ -z "${KDIR:-}" ] || KDIR=$(realpath -m "$KDIR")
mkdir -p "$LOGS"

ROOT=$CACHE/root
STOCK=$CACHE/src/stock
SERIES_TREE=$CACHE/src/series
# The user's git settings, or a hook's, are none of ours.
# shellcheck disable=SC2046 # a list of words
unset $(git rev-parse --local-env-vars 2>/dev/null)
[ -n "${ISOL_USER_GIT:-}" ] || export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_CONFIG_COUNT=2
export GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
export GIT_CONFIG_KEY_1=gc.auto GIT_CONFIG_VALUE_1=0

# The project's neutral author; the poster's own name replaces it in "make post".
PROJECT_NAME='Task isolation project'
PROJECT_MAIL='task-isolation@localhost.localdomain'
PROJECT_DATE='@0 +0000'

# The two styles of isolation that exist without this series.
NOHZ_ISOL='nohz_full=1 isolcpus=domain,managed_irq,1 irqaffinity=0 rcu_nocbs=1'
NOHZ_ONLY='nohz_full=1 irqaffinity=0'

SECONDS=0
say()  { printf '%s[%3ds] %s%s\n' "${BOLD-}" "$SECONDS" "$*" "${PLAIN-}"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die()  {
	printf 'error: %s\n' "$1" >&2
	shift
	local line
	for line in "$@"; do printf '       %s\n' "$line" >&2; done
	exit 1
}
if [ -t 1 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; fi

# need_cmd PROGRAM PACKAGE - one clear line for a missing tool.
need_cmd() {
	command -v "$1" >/dev/null 2>&1 ||
		die "$1 is not installed" "try: apt-get install $2"
}

# need_space DIR GIB - refuse to start what cannot end.
need_space() {
	local free
	mkdir -p "$1" || die "cannot make $1"
	free=$(df -Pk "$1" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$free" -ge "$2" ] ||
		die "$1 has $free GiB free, $2 GiB are needed" \
		    "free some space, or point LINUX_ISOLATION_CACHE elsewhere"
}

# lock - one run at a time may change the cache.  Inherited by children.
lock() {
	[ -n "${ISOL_LOCKED:-}" ] && return 0
	mkdir -p "$CACHE" || die "cannot make $CACHE"
	exec 9>"$CACHE/lock"
	if ! flock -n 9; then
		say "another run holds $CACHE/lock, waiting"
		flock -w "${LOCK_TIMEOUT:-3600}" 9 ||
			die "$CACHE is still locked after ${LOCK_TIMEOUT:-3600} s" \
			    "find the other run with: fuser $CACHE/lock"
	fi
	export ISOL_LOCKED=1
}

# logged LOG COMMAND... - run with output in a log and one dot per 25 lines.
logged() {
	local log=$LOGS/$1 rc
	shift
	mkdir -p "$LOGS"
	set +e
	"$@" 2>&1 | tee "$log" |
		awk 'NR % 25 == 0 { printf "."; fflush() } NR % 2000 == 0 { print "" } END { if (NR >= 25 && NR % 2000) print "" }'
	rc=${PIPESTATUS[0]}
	set -e
	if [ "$rc" -ne 0 ]; then
		tail -n 25 "$log" >&2
		die "failed with status $rc: $*" "log: $log"
	fi
}

# obj_of CONFIG - where its objects are; those of KDIR stand apart, stock is never from it.
obj_of() {
	local obj=$CACHE/obj/$1
	if [ -n "${KDIR:-}" ] && [ "$1" != stock ] && [ "${1%-stock}" = "$1" ]; then
		obj+=-$(printf %s "$KDIR" | cksum | cut -d' ' -f1)
	fi
	printf '%s\n' "$obj"
}

# series_patches - the patch files in order, relative to patches/.
series_patches() { sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$TOP/series"; }
