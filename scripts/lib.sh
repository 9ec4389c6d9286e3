# shellcheck shell=bash disable=SC2034 # what is unused here is used by others
# SPDX-License-Identifier: GPL-2.0
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
# Without nohz_full=, so that context tracking is off, and the part of the bill there.
NO_NOHZ='isolcpus=domain,managed_irq,1 irqaffinity=0'
COST_TWICE=syscall_cost,syscall_cost

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

# need_cmd PROGRAM PACKAGE - one clear line for a missing tool: Debian's name of its
# package, or that of the package manager that is there.
need_cmd() {
	local package=$2 manager install=
	! command -v "$1" >/dev/null 2>&1 || return 0
	for manager in 'apt-get install' 'dnf install' 'zypper install' 'pacman -S' 'apk add'; do
		if command -v "${manager%% *}" >/dev/null 2>&1; then install=$manager; break; fi
	done
	case $install:$package in
	dnf*:uidmap) package=shadow-utils ;;
	zypper*:uidmap | pacman*:uidmap) package=shadow ;;
	apk*:uidmap) package=shadow-subids ;;
	esac
	die "$1 is not installed" "try: ${install:-install} $package" \
		"or a container: make -s containerfile | docker build -t task-isolation -"
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

# Who is not root is, in a namespace of its own: what the user may do, and no more.
can_map_users() { unshare --map-root-user --map-auto true 2>/dev/null; }
AS_ROOT=()
[ "$(id -u)" -eq 0 ] || AS_ROOT=(unshare --map-root-user --map-auto)

# progress NAME - tells how far a command is whose output is read: lines, out of as
# many as there were last time, and seconds, out of as many. On a terminal a line that
# moves, elsewhere one after ten seconds, and then every half minute.
progress() {
	local name=$1 memo=$CACHE/progress/$1 start=$SECONDS lines=0 last_lines=0 last_seconds=0 next=0 step=30
	local known=
	mkdir -p "$CACHE/progress"
	# On a bare machine, what it takes elsewhere.
	[ -s "$memo" ] || memo=$TOP/kernel-config/progress/$1
	if [ -s "$memo" ]; then read -r last_lines last_seconds < "$memo" || :; fi
	[ "$last_seconds" -eq 0 ] || known=" (last time $last_seconds s)"
	[ ! -t 1 ] || step=1
	tell() {
		local share=
		# What says little is as far as its time is.
		if [ "$last_lines" -ge 30 ]; then share=$((lines * 100 / last_lines))
		elif [ "$last_seconds" -gt 0 ]; then share=$(((SECONDS - start) * 100 / last_seconds))
		fi
		[ -z "$share" ] || share=" $((share > 99 ? 99 : share))%,"
		if [ -t 1 ]; then printf '\r\e[K     %s:%s %d s%s' "$name" "$share" $((SECONDS - start)) "$known"
		else printf '     %s:%s %d s%s\n' "$name" "$share" $((SECONDS - start)) "$known"; fi
	}
	next=$((start + (step > 1 ? 10 : 2)))
	while true; do
		if IFS= read -r -t 1 _; then lines=$((lines + 1))
		elif [ $? -le 128 ]; then break
		fi
		[ "$SECONDS" -lt "$next" ] || { tell; next=$((SECONDS + step)); }
	done
	[ ! -t 1 ] || printf '\r\e[K'
	# Only what a person had to wait for is worth telling next time.
	[ $((SECONDS - start)) -lt 5 ] || echo "$lines $((SECONDS - start))" > "$CACHE/progress/$name"
}

# logged LOG COMMAND... - run with output in a log, and tell how far it is.
logged() {
	local log=$LOGS/$1 name=${PROGRESS:-${1%.log}} rc memo
	shift
	mkdir -p "$LOGS"
	memo=$(cat "$CACHE/progress/$name" 2>/dev/null) || :
	set +e
	"$@" 2>&1 | tee "$log" | progress "$name"
	rc=${PIPESTATUS[0]}
	set -e
	if [ "$rc" -ne 0 ]; then
		# What failed took no time worth telling.
		if [ -n "$memo" ]; then echo "$memo" > "$CACHE/progress/$name"; else rm -f "$CACHE/progress/$name"; fi
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

# fragments_of CONFIG - its file in kernel-config/, behind those that it is on top of.
fragments_of() {
	local file=$TOP/kernel-config/$1.config base
	[ -e "$file" ] || return 0
	base=$(sed -n 's/^# On top of: //p' "$file")
	[ -z "$base" ] || fragments_of "$base"
	printf '%s\n' "$file"
}

# arch_of CONFIG - the ARCH= of the kernel: the last of its fragments that names one.
arch_of() {
	local files arch=
	mapfile -t files < <(fragments_of "$1")
	[ ${#files[@]} -eq 0 ] || arch=$(sed -n 's/^# Architecture: //p' "${files[@]}" | tail -n 1)
	printf '%s\n' "${arch:-x86}"
}

# image_of ARCH - what is booted, in the object tree.
image_of() {
	case $1 in
	arm64|riscv) echo "arch/$1/boot/Image" ;;
	loongarch) echo vmlinux ;;
	*)	echo "arch/$1/boot/bzImage" ;;
	esac
}

# triplet_of ARCH - the prefix of the tools of its user space, as Debian names them.
triplet_of() {
	case $1 in
	arm64)	echo aarch64-linux-gnu ;;
	riscv)	echo riscv64-linux-gnu ;;
	esac
}

# c_files OBJ - how many C files a kernel is compiled of: what is linked, what it is
# unpacked by, the vDSO, and objtool. Objects of an earlier configuration do not count.
c_files() {
	(
		cd "$1" || exit 1
		{
			if [ -e vmlinux.a ]; then
				for a in vmlinux.a lib/lib.a arch/*/lib/lib.a; do
					[ ! -e "$a" ] || "$TOP/scripts/in-toolchain" ar t "$PWD/$a" | sed "s,^$PWD/,,; s,[^/]*\$,.&.cmd,"
				done
				find arch/*/boot arch/*/realmode arch/*/entry/vdso arch/*/kernel/vdso tools -name '.*.o.cmd' 2>/dev/null
				find . -name '.*.s.cmd'
				find . -name '*.mod' -exec cat {} + | sed 's,[^/]*$,.&.cmd,'
			else
				find . -name '.*.o.cmd'
			fi
		} | sed 's,^\./,,' | sort -u | tr '\n' '\0' | xargs -0 -r grep -slE '^source_.*\.c$' | wc -l
	)
}

# kernel_limit NAME - of how many it may be made, see kernel-config/README.md.
kernel_limit() {
	awk -F'|' -v n="$1" '{ gsub(/ /, "", $2); gsub(/ /, "", $3) } $2 == n { print $3 }' "$TOP/kernel-config/README.md"
}

# series_patches - the patch files in order, relative to patches/.
series_patches() { sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$TOP/series"; }

# sections - the postings that series is made of, in order.
sections() { sed -nE 's/^# --- ([a-z0-9-]+)( \(RFC\))?: .*/\1/p' "$TOP/series" | uniq; }

# section_rfc NAME - whether it is posted to ask for comments.
section_rfc() { grep -qE "^# --- $1 \(RFC\): " "$TOP/series"; }

# section_patches NAME - its patches; with "below" in front of NAME, those it builds on.
section_patches() {
	awk -v name="${*: -1}" -v below="$([ "$1" != below ] || echo 1)" '
		/^# --- [a-z0-9-]+( \(RFC\))?: / { at = $3; sub(/:$/, "", at); if (at == name) here = 1; next }
		/^#/ || /^[[:space:]]*$/ { next }
		below ? !here : at == name { print $1 }' "$TOP/series"
}

# fails_where PATCH - the files and hunks of PATCH that do not fit in this folder.
fails_where() {
	local dir f
	dir=$(mktemp -d)
	sed -n 's/^--- a\///p' "$1" | sort -u | while read -r f; do
		[ ! -f "$f" ] || install -D -m 644 "$f" "$dir/$f"
	done
	(
		set +e
		cd "$dir" && git init -q . || exit
		git apply --reject "$1" 2>&1 | sed -n 's/^error: \(.*: No such file or directory\|.*: already exists in .*\)$/\1/p'
		find . -name '*.rej' -printf '%P\n' | sort | while read -r f; do
			sed -n "s|^@@ .*|${f%.rej}: hunk &|p" "$f"
		done
	) || :
	rm -rf "$dir"
}

# am_patches PATCH... - git am in this folder. What applied stays on the branch; if one
# does not, says which, where, and how to go on, and fails.
am_patches() {
	local next log=$LOGS/git-am.log
	! git am -q -3 "$@" > "$log" 2>&1 || return 0
	next=$(cat "$(git rev-parse --git-path rebase-apply)/next" 2>/dev/null) || { cat "$log" >&2; return 1; }
	git am --quit
	git reset -q --hard
	warn "patches/$(basename "${!next}") does not apply to $PWD:"
	fails_where "${!next}" | sed 's/^/         /' >&2
	printf '         %s\n' "$((next - 1)) patches before it are on branch $(git symbolic-ref -q --short HEAD || echo HEAD)" \
		"to go on by hand: git am -3 ${!next}" \
		"                  repair the files, git add them, git am --continue, then the patches behind it" \
		"or with quilt:    git checkout the base again, then QUILT_PATCHES=$TOP/patches quilt push -a" \
		"                  and, where it stops, quilt push -m" >&2
	return 1
}
