# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Each posting as mails, by "make post" on a tree of the files that it needs, by a poster
# who does not exist. Then what must stop it, and a thread that comes back.
POSTER='Pósta Exämple' POSTER_MAIL=poster@kernel.invalid

# post_tree DIR - a store of its own, whose base has no more files than are needed here,
# of which the cache has the content.
post_tree() {
	rm -rf "$1"
	mkdir -p "$1"
	(
		cd "$1" && git init -q -b scratch . && echo "$STOCK/.git/objects" > .git/objects/info/alternates || exit 1
		git config user.name "$POSTER"
		git config user.email "$POSTER_MAIL"
		{
			sed -n 's/^--- a\///p; s/^+++ b\///p' "$TOP"/patches/*.patch | sort -u
			# What get_maintainer.pl takes for a kernel tree, and checkpatch.pl for its own.
			printf '%s\n' COPYING CREDITS Kbuild Makefile README MAINTAINERS .get_maintainer.ignore \
				scripts/get_maintainer.pl scripts/checkpatch.pl scripts/spelling.txt scripts/const_structs.checkpatch \
				arch/Kconfig drivers/Kconfig fs/Kconfig init/Kconfig ipc/Makefile lib/Kconfig include/Kbuild \
				Documentation/process/coding-assistants.rst
		} > .git/wanted
		git -C "$STOCK" ls-tree -r base | awk -F'\t' 'NR == FNR { wanted[$0]; next } $2 in wanted' .git/wanted - |
			git update-index --index-info &&
			git update-ref refs/heads/scratch "$(git commit-tree -m "base: some files of Linux $BASE_VERSION" "$(git write-tree)")" &&
			git tag base scratch && git reset -q --hard || exit 1
		# Nothing may get to the poster's own mail program.
		printf '#!/bin/sh\necho "$@" >> %s/sent\n' "$1" > .git/sendmail
		chmod +x .git/sendmail
		git config sendemail.smtpserver "$1/.git/sendmail"
	)
}

# touched DIR COMMIT - what the files are there that patches change.
touched() {
	git -C "$1" ls-tree -r "$2" | awk -F'\t' 'NR == FNR { wanted[$0]; next } $2 in wanted' "$tree/.git/wanted" -
}

# post_one SECTION TREE - make its mails; the lane looks at them afterwards.
post_one() {
	if ASSISTED_BY='LLM sparse' OUT=$BUILD/outbox/$1 "$TOP/scripts/post" "$1" "$2" base > "$LOGS/post-$1.out" 2>&1; then
		touch "$BUILD/outbox/$1.made"
	fi
}

# stops NAME REGEX COMMAND... - it fails, says why, and the tree is as it was.
stops() {
	local name=$1 regex=$2 before after out rc=0
	shift 2
	before=$(git -C "$tree" for-each-ref; git -C "$tree" status --porcelain --branch)
	out=$("$@" 2>&1) && rc=1
	after=$(git -C "$tree" for-each-ref; git -C "$tree" status --porcelain --branch)
	grep -qE "$regex" <<< "$out" || rc=1
	expect "post: control, it stops $name, and nothing is changed" "$rc:$before" = "0:$after" || indented "$out"
}

# What mails have to be, said without what made them.
post_mails() {
	"$TOP/scripts/in-toolchain" python3 - "$@" <<'PYTHON'
import email, email.header, email.utils, glob, re, sys
folder, section, patches, below, rfc, name, addr, neutral, uapi, rust = sys.argv[1:]
patches, below, bad = int(patches), int(below), []
def text(value):
    return re.sub(r"\s+", " ", str(email.header.make_header(email.header.decode_header(value or ""))))
mails = [email.message_from_binary_file(open(f, "rb")) for f in sorted(glob.glob(folder + "/*.eml"))]
total = patches + (patches > 1)
if len(mails) != total:
    bad.append("%d mails, not %d" % (len(mails), total))
ids = [m["Message-Id"] for m in mails]
if len(set(ids)) != total or None in ids:
    bad.append("the mails are not told apart by Message-Id")
seen = []
for m in mails:
    subject, body = text(m["Subject"]), m.get_payload(decode=True).decode()
    number = re.match(r"\[%sPATCH(?: (\d+)/(\d+))?\] \S" % ("RFC " if rfc == "1" else ""), subject) or \
        re.match(r"\[PATCH %s(?:(\d+)/(\d+))?\] \S" % ("RFC " if rfc == "1" else ""), subject) or \
        re.match(r"\[PATCH(?: (\d+)/(\d+))?\] \S" if rfc == "0" else r"\[PATCH RFC\] \S", subject)
    if not number:
        bad.append("no such number: " + subject)
        continue
    n = int(number[1] or 1) if number.lastindex else 1
    seen.append(n)
    if number.lastindex and int(number[2]) != patches:
        bad.append("not of %d: %s" % (patches, subject))
    if email.utils.parseaddr(text(m["From"])) != (name, addr) and '"%s" <%s>' % (name, addr) != text(m["From"]) and "%s <%s>" % (name, addr) != text(m["From"]):
        bad.append("%s is from %s" % (subject, text(m["From"])))
    people = email.utils.getaddresses([m["To"] or ""])
    readers = [a for _, a in people + email.utils.getaddresses([m["Cc"] or ""])]
    if not people or "linux-kernel@vger.kernel.org" not in readers:
        bad.append("%s: goes to %s" % (subject, readers))
    if uapi == "1" and "linux-api@vger.kernel.org" not in readers:
        bad.append(subject + ": not to linux-api")
    if rust == "1" and "rust-for-linux@vger.kernel.org" not in readers:
        bad.append(subject + ": not to rust-for-linux")
    if neutral in m.as_string() or neutral in body:
        bad.append(subject + ": names the project, not the poster")
    if re.search(r"EDITME|TODO|@\{|\?\?\?", body.split("\ndiff --git ")[0]):
        bad.append(subject + ": has something to fill in")
    if n:
        log = re.split(r"^---$", body, flags=re.M)[0].rstrip("\n").split("\n")
        if log[-2:] != ["Assisted-by: LLM sparse", "Signed-off-by: %s <%s>" % (name, addr)]:
            bad.append("%s ends in %s" % (subject, log[-2:]))
        if sum(line.startswith("Signed-off-by:") for line in log) != 1:
            bad.append(subject + ": not one sign-off")
        if total > 1 and m["In-Reply-To"] != ids[0]:
            bad.append(subject + ": not below the cover letter")
    if n == 0 or total == 1:
        if len(re.findall("^prerequisite-patch-id: [0-9a-f]{40}$", body, re.M)) != below:
            bad.append("not %d prerequisites" % below)
        if not re.search("^base-commit: [0-9a-f]{40}$", body, re.M) or "Changes in v1" not in body:
            bad.append("the cover letter has no base, or no changes")
if seen != list(range(patches == 1, patches + 1)):
    bad.append("numbers %s" % seen)
print("\n".join(bad))
sys.exit(bool(bad))
PYTHON
}

lane_post() {
	local tree other dir=$BUILD/post-check section n below names list=() made whole tip out one copy hash commits=()
	rm -rf "$BUILD/outbox" "$dir"
	mkdir -p "$BUILD/outbox" "$dir"
	# One of them is where in-toolchain does not look by itself.
	tree=$dir/tree other=${TMPDIR:-/tmp}/isolation-post-check.$(id -u)
	if ! post_tree "$tree" || ! post_tree "$other"; then bad "post: no tree"; return; fi
	tip=$("$TOP/scripts/series-commits" "$LOGS/post-commits.log") || { bad "post: the series does not apply"; return; }
	mapfile -t commits < <(git -C "$STOCK" rev-parse base^0 && git -C "$STOCK" rev-list --reverse "base..$tip")
	mapfile -t list < <(sections | grep -vx tools)
	expect "post: series is made of postings, ${list[*]}" "${#list[@]}" -ge 6 || return

	# What must stop it, before the branches are there.
	one=${list[0]}
	ready() { ASSISTED_BY=none "$TOP/scripts/post" "$@"; }
	git -C "$tree" config user.name ""
	stops "without a name to sign off with" 'Signed-off-by' env GIT_CONFIG_GLOBAL=/dev/null ASSISTED_BY=none "$TOP/scripts/post" "$one" "$tree" base
	git -C "$tree" config user.name "$PROJECT_NAME"
	git -C "$tree" config user.email "$PROJECT_MAIL"
	stops "for the neutral author" 'Signed-off-by' ready "$one" "$tree" base
	git -C "$tree" config user.name "$POSTER"
	git -C "$tree" config user.email "$POSTER_MAIL"
	stops "without an answer about assistants" 'coding-assistants.rst' env -u ASSISTED_BY GIT_CONFIG_GLOBAL=/dev/null "$TOP/scripts/post" "$one" "$tree" base
	stops "for a posting that is not there" 'known: ' ready nothing "$tree" base
	stops "for tools" 'known: ' ready tools "$tree" base
	stops "without the base" 'no commit called' ready "$one" "$tree" v0.99
	cp -r "$TOP/Documentation/posting" "$dir/placeholder"
	echo 'EDITME: why' >> "$dir/placeholder/$one.txt"
	POSTING_DIR=$dir/placeholder stops "for a cover letter with a placeholder" 'filled in' ready "$one" "$tree" base
	cp -r "$TOP/Documentation/posting" "$dir/stale"
	echo 'A call costs 4711 instructions.' >> "$dir/stale/$one.txt"
	POSTING_DIR=$dir/stale stops "for a number that is not from measured.md" '4711 instructions' ready "$one" "$tree" base
	sed -i '$s/.*/A call costs @{off|nohz_full|no kernel|plain||getppid()}./' "$dir/stale/$one.txt"
	POSTING_DIR=$dir/stale stops "for a number that measured.md does not have" 'in measured.md' ready "$one" "$tree" base
	VERSION=2 stops "for a version that CHANGES does not tell of" 'CHANGES has no entry' ready "$one" "$tree" base
	echo x >> "$tree/README"
	stops "on a tree with changes" 'uncommitted' ready "$one" "$tree" base
	git -C "$tree" checkout -q README

	# Each posting; two at a time.
	say "post: ${#list[@]} postings"
	for ((n = 0; n < ${#list[@]}; n += 2)); do post_one "${list[$n]}" "$tree"; done &
	for ((n = 1; n < ${#list[@]}; n += 2)); do post_one "${list[$n]}" "$other"; done
	wait $!
	n=0
	for section in "${list[@]}"; do
		if [ $((n++ % 2)) -eq 0 ]; then whole=$tree; else whole=$other; fi
		if ! expect "post: $section became mails" -e "$BUILD/outbox/$section.made"; then
			indented "$(tail -n 8 "$LOGS/post-$section.out")"
			continue
		fi
		names=$(section_patches "$section")
		below=$(section_patches below "$section" | wc -l)
		made=$(wc -l <<< "$names")
		out=$(post_mails "$BUILD/outbox/$section" "$section" "$made" "$below" "$(section_rfc "$section" && echo 1 || echo 0)" \
			"$POSTER" "$POSTER_MAIL" "$PROJECT_MAIL" \
			"$(cd "$TOP/patches" && xargs grep -lE '^\+\+\+ b/(arch/.*/)?include/uapi/' <<< "$names" | wc -l | sed 's/[1-9].*/1/')" \
			"$(cd "$TOP/patches" && xargs grep -lE '^\+\+\+ b/.*\.rs$' <<< "$names" | wc -l | sed 's/[1-9].*/1/')" 2>&1) && made=ok
		expect "post: $section, $(find "$BUILD/outbox/$section" -name '*.eml' | wc -l) mails, numbered, from the poster, signed off, with readers and a cover letter" "$made" = ok ||
			indented "$out"
		# The mails on top of the base and the sections below make what series makes.
		git -C "$whole" checkout -q --detach "isolation/$section-base"
		(cd "$whole" && find "$BUILD/outbox/$section" -name '*.eml' ! -name '0000-*' -print0 | sort -z | xargs -0 git am -q) > "$LOGS/post-am.log" 2>&1
		expect "post: $section, git am of the mails on the sections below makes the files that series makes" \
			"$(touched "$whole" HEAD | cksum):$(touched "$whole" "isolation/$section-base" | cksum)" = \
			"$(touched "$STOCK" "${commits[$((below + $(wc -l <<< "$names")))]}" | cksum):$(touched "$STOCK" "${commits[$below]}" | cksum)"
		git -C "$whole" am --abort 2>/dev/null
	done
	expect "post: nobody was sent anything" ! -e "$tree/sent" -a ! -e "$other/sent"
	# Control: such a mail program would have been noticed.
	"$tree/.git/sendmail" control
	expect "post: control, what is sent is seen" -s "$tree/sent"
	rm "$tree/sent"

	# Once more, as a second version, each prefix looked at.
	git -C "$tree" checkout -q scratch
	stops "where the branch is there already" 'FORCE=1' ready "$one" "$tree" base
	cp -r "$TOP/Documentation/posting" "$dir/second"
	printf '%s v2\n- one thing is different\n\n' "$one" >> "$dir/second/CHANGES"
	# b4 tags what it has sent.
	grep -h -e '^base-commit: ' -e '^change-id: ' "$BUILD/outbox/$one"/*.eml | git -C "$tree" tag -a -F - \
		"sent/$(sed -n 's/^change-id: //p' "$BUILD/outbox/$one"/*.eml)-v1" "isolation/$one"
	POSTING_DIR=$dir/second VERSION=2 FORCE=1 OUT=$dir/v2 EACH="git rev-parse HEAD >> $dir/each" ready "$one" "$tree" base > "$LOGS/post-v2.out" 2>&1
	expect "post: $one v2 says so, has the Change-Id of v1 and what changed" \
		"$(grep -hlE '^Subject: \[PATCH (RFC )?v2' "$dir"/v2/*.eml 2>/dev/null | wc -l):$(grep -h '^change-id: ' "$dir"/v2/*.eml):$(grep -hc '^- one thing is different$' "$dir"/v2/*.eml | sort -r | head -n 1)" = \
		"$(find "$BUILD/outbox/$one" -name '*.eml' | wc -l):$(grep -h '^change-id: ' "$BUILD/outbox/$one"/*.eml):1" || indented "$(tail -n 5 "$LOGS/post-v2.out")"
	expect "post: $one v2 has the range-diff to what was sent" "$(grep -hcE '^1:  [0-9a-f]+ ! 1:  [0-9a-f]+ ' "$dir"/v2/*.eml | sort -r | head -n 1)" = 1
	expect "post: each prefix of $one was looked at" "$(sort -u "$dir/each" 2>/dev/null | wc -l)" -eq "$(section_patches "$one" | wc -l)"
	expect "post: control, a prefix that fails stops it" \
		"$(POSTING_DIR=$dir/second FORCE=1 OUT=$dir/v2 EACH=false ready "$one" "$tree" base 2>&1 | grep -c 'failed: false')" -eq 1

	# The thread comes back: an answer to a patch, one to a cover letter, and one to what
	# is not ours. A copy of the repository takes them.
	section=$(for s in "${list[@]}"; do [ "$(section_patches "$s" | wc -l)" -lt 2 ] || { echo "$s"; break; }; done)
	copy=$dir/copy
	mkdir -p "$copy"
	(cd "$TOP" && git ls-files -co --exclude-standard -z | xargs -0 tar -c --ignore-failed-read 2>/dev/null | tar -x -C "$copy")
	reply() {
		"$TOP/scripts/in-toolchain" python3 - "$@" <<-'PYTHON'
		import email, glob, mailbox, sys
		mbox, folder, number, tag, subject = sys.argv[1:]
		box = mailbox.mbox(mbox)
		mails = [email.message_from_binary_file(open(f, "rb")) for f in sorted(glob.glob(folder + "/*.eml"))]
		if not len(box):
		    for m in mails:
		        box.add(m)
		m = email.message.Message()
		m["From"] = tag.split(": ", 1)[1]
		m["Subject"] = "Re: " + (subject or str(mails[int(number)]["Subject"]))
		m["Message-Id"] = "<%d@reviewer.invalid>" % len(box)
		m["In-Reply-To"] = "<elsewhere@reviewer.invalid>" if subject else mails[int(number)]["Message-Id"]
		m["Date"] = "Wed, 25 Nov 2026 12:00:00 +0000"
		m.set_payload("I looked at it.\n\n%s\n" % tag)
		box.add(m)
		box.close()
		PYTHON
	}
	reply "$dir/thread" "$BUILD/outbox/$section" 1 'Reviewed-by: Rita Reviewer <rita@reviewer.invalid>' ''
	reply "$dir/thread" "$BUILD/outbox/$section" 0 'Acked-by: Anton Acker <anton@acker.invalid>' ''
	reply "$dir/thread" "$BUILD/outbox/$section" 2 'Signed-off-by: Sigi Signer <sigi@signer.invalid>' ''
	reply "$dir/other-thread" "$BUILD/outbox/nothing" 0 'Reviewed-by: Rita Reviewer <rita@reviewer.invalid>' '[PATCH 1/2] mm: Something that is not here'
	hash=$(cat "$copy"/patches/*.patch | cksum)
	out=$("$copy/scripts/import" "$dir/other-thread" 2>&1)
	expect "post: import, control: an answer to what is not in series changes nothing and says so" \
		"$(grep -c 'no mail with a patch of series' <<< "$out"):$(cat "$copy"/patches/*.patch | cksum)" = "1:$hash" || indented "$out"
	out=$("$copy/scripts/import" "$dir/thread" 2>&1)
	names=$(section_patches "$section")
	expect "post: import, a Reviewed-by is in the patch that it was for, an Acked-by of the cover letter in each, a sign-off in none" \
		"$(cd "$copy/patches" && grep -l '^Reviewed-by: Rita' -- *.patch | paste -sd' '):$(cd "$copy/patches" && grep -l '^Acked-by: Anton' -- *.patch | paste -sd' '):$(cd "$copy/patches" && grep -c '^Signed-off-by' -- *.patch | grep -cv ':0$')" = \
		"$(head -n 1 <<< "$names"):$(sort <<< "$names" | paste -sd' '):0" || indented "$out"
	hash=$(cat "$copy"/patches/*.patch | cksum)
	"$copy/scripts/import" "$dir/thread" > "$LOGS/import.out" 2>&1
	expect "post: import, again takes nothing" "$(grep -c 'no new review tag' "$LOGS/import.out"):$(cat "$copy"/patches/*.patch | cksum)" = "1:$hash" || indented "$(tail -n 5 "$LOGS/import.out")"
	expect "post: check accepts the tags of others" "$(ONLY='patches are neutral|changelogs' "$copy/scripts/check" 2>&1 | grep -c '^ok ')" -eq 2
	sed -i '0,/^---$/s//Signed-off-by: Sigi Signer <sigi@signer.invalid>\n---/' "$copy/patches/$(head -n 1 <<< "$names")"
	expect "post: control, check does not accept a sign-off" "$(ONLY='patches are neutral' "$copy/scripts/check" 2>&1 | grep -c '^FAIL')" -eq 1
	rm -rf "$dir" "$other" "$BUILD/post"
}
