# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What a CPU executes between user mode and the hook: static keys and calls there that can be
# patched are known, and nothing there calls what can be instrumented, or patched in place.
lane_window() {
	local said dir=$BUILD/window
	kernel series || return
	kernel debug || return
	step "window: what can be patched before the hook is known" "$TOP/scripts/in-toolchain" python3 "$TOP/scripts/window-scan.py" \
		"$(obj_of series)/vmlinux" "$TOP/kernel-config/window.txt"
	grep -v '^key __sched_clock_stable' "$TOP/kernel-config/window.txt" > "$BUILD/window.txt"
	expect "window: control, a key that is not in the list is found" \
		"$("$TOP/scripts/in-toolchain" python3 "$TOP/scripts/window-scan.py" "$(obj_of series)/vmlinux" "$BUILD/window.txt" 2>&1 | grep -c '^BAD key __sched_clock_stable is not in the list')" -ge 1

	# CONFIG_NOINSTR_VALIDATION, as the build does it, but on what may have been built earlier.
	said=$(noinstr "$(obj_of debug)/vmlinux.o")
	expect "window: no call out of noinstr text (objtool --noinstr, the debug kernel)" -z "$said" || indented "$said"
	mkdir -p "$dir"
	printf '%s\n' '__attribute__((noinline)) void instrumentable(void) { __asm__ volatile("nop"); }' \
		'__attribute__((section(".noinstr.text"))) void hook(void) { instrumentable(); __asm__ volatile("nop"); }' > "$dir/control.c"
	"$TOP/scripts/in-toolchain" clang --target=x86_64-linux-gnu -O1 -fno-inline -fno-pic -mcmodel=kernel -c -o "$dir/control.o" "$dir/control.c" ||
		{ bad "window: cannot compile the control"; return; }
	expect "window: control, such a call is found" "$(noinstr "$dir/control.o" | grep -c 'hook.*leaves .noinstr.text section')" -ge 1
}

noinstr() { "$TOP/scripts/in-toolchain" "$(obj_of debug)/tools/objtool/objtool" --noinstr --link --dry-run "$1" 2>&1; }
