# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Not part of the default: the image of scripts/containerfile is built and has the whole
# toolchain. Where no container engine can run, only the text is looked at.

# container_engine - the first engine that can run; where none can, why not.
container_engine() {
	local e why=() out
	for e in podman docker; do
		if ! command -v "$e" > /dev/null; then
			why+=("$e is not installed")
		elif out=$(timeout 60 "$e" info 2>&1); then
			echo "$e"
			return
		else
			why+=("$e info: $(tail -n 1 <<< "$out")")
		fi
	done
	printf '%s; %s\n' "${why[@]}"
	return 1
}

lane_container() {
	local dir=$BUILD/container log=$LOGS/container.log image=linux-isolation-toolchain:$ROOT_SUITE
	local engine lacks args=() v
	rm -rf "$dir"
	mkdir -p "$dir/context"
	"$TOP/scripts/containerfile" > "$dir/Containerfile" || { bad "container: scripts/containerfile"; return; }
	# not_in FILE - the packages of the toolchain root that it does not have.
	not_in() { grep -v '^#' "$TOP/kernel-config/packages.txt" | grep -vxF -f <(sed -n 's/^ *\([a-z0-9.+-]*\) \\$/\1/p' "$1"); }
	lacks=$(not_in "$dir/Containerfile")
	expect "container: the Containerfile is of $ROOT_SUITE and has each of the $(grep -cv '^#' "$TOP/kernel-config/packages.txt") packages" \
		"$(head -n 1 "$dir/Containerfile"):$lacks" = "FROM debian:$ROOT_SUITE:"
	grep -v '^ *quilt ' "$dir/Containerfile" > "$dir/control"
	expect "container: control, a package that is left out is seen" "$(not_in "$dir/control")" = quilt

	if ! engine=$(container_engine); then
		skipped=$((skipped + 1))
		printf '     skipped: no container engine can run here (%s)\n' "$engine"
		printf '     It was not shown that the Containerfile builds, and that its image has the toolchain.\n'
		return
	fi
	[ -d "$STOCK" ] || { bad "container: no source in $STOCK (try: make fetch)"; return; }
	for v in http_proxy https_proxy no_proxy; do
		[ -z "${!v:-}" ] || args+=(--build-arg "$v")
	done
	"$engine" build "${args[@]}" -t "$image" -f - "$dir/context" < "$dir/Containerfile" 2>&1 | tee "$log" | progress container
	if ! expect "container: $engine builds the image (log: build/logs/container.log)" "${PIPESTATUS[0]}" -eq 0; then
		indented "$(tail -n 10 "$log")"
		return
	fi
	# inside IMAGE COMMAND... - with the repository and the source, which cannot be
	# changed, an empty cache, and no network.
	inside() {
		timeout 600 "$engine" run --rm --network none --security-opt label=disable -w /src \
			-v "$TOP:/src:ro" --tmpfs /src/build:exec --tmpfs /cache:exec -v "$CACHE/src:/cache/src:ro" \
			-e LINUX_ISOLATION_CACHE=/cache -e ISOL_LOCKED=1 "$@" 2>> "$log"
	}
	expect "container: make help says the same inside" "$(inside "$image" make help)" = "$(make -s --no-print-directory -C "$TOP" help)"
	v=$(inside "$image" scripts/setup)
	expect "container: scripts/setup finds the whole toolchain inside" "$(grep -c "toolchain: the host's own\$" <<< "$v")" -eq 1 || indented "$v"$'\n'"$(tail -n 10 "$log")"
	v=$(inside "debian:$ROOT_SUITE" scripts/in-toolchain --where)
	expect "container: control, in an image without the packages it is not there" "${v##*$'\n'}" = none || indented "$v"$'\n'"$(tail -n 10 "$log")"
	rm -rf "$dir"
}
