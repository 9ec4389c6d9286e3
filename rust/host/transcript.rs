// SPDX-License-Identifier: GPL-2.0

//! Whether the C that `tlb_loom.rs` transcribes is what the patches have.

use crate::{
    tlb::{
        PENDING,
        USER, //
    },
    tlb_loom::TRANSCRIBED, //
};
use std::fs::read_to_string;

const FILES: [&str; 2] = [
    "arch/x86/include/asm/tlb_defer.h",
    "arch/x86/mm/tlb_defer.c",
];

/// Applies one hunk, without the line that begins with `@@`.
///
/// `at` counts from one, and is where the hunk is for the new file. Context has to
/// match there and nowhere else.
fn apply_hunk(file: &mut Vec<String>, at: usize, hunk: &[&str]) -> Result<(), String> {
    let mut line = at.saturating_sub(1);

    for text in hunk {
        let (kind, text) = text.split_at_checked(1).unwrap_or((" ", ""));
        if kind == "+" {
            if line > file.len() {
                return Err(format!("line {} is past the end", line + 1));
            }
            file.insert(line, text.to_owned());
            line += 1;
            continue;
        }
        if file.get(line).map(String::as_str) != Some(text) {
            return Err(format!("line {} is not: {text}", line + 1));
        }
        if kind == "-" {
            file.remove(line);
        } else {
            line += 1;
        }
    }
    Ok(())
}

/// The numbers of `@@ -1,2 +3,4 @@`: 2, 3 and 4.
fn hunk_numbers(line: &str) -> Option<(usize, usize, usize)> {
    let (old, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let count = |range: &str| range.split_once(',').map_or("1", |(_, n)| n).parse().ok();
    let start = new.split(',').next()?.parse().ok()?;

    Some((count(old)?, start, count(new)?))
}

/// Applies what `patch` does to `path`.
fn apply(file: &mut Option<Vec<String>>, path: &str, patch: &str) -> Result<(), String> {
    let diff = format!("diff --git a/{path} b/{path}");
    let lines: Vec<&str> = patch.lines().collect();
    let Some(mut i) = lines.iter().position(|line| *line == diff) else {
        return Ok(());
    };

    i += 1;
    while let Some(line) = lines.get(i).filter(|line| !line.starts_with("diff --git")) {
        i += 1;
        if line.starts_with("new file mode") && file.replace(Vec::new()).is_some() {
            return Err(format!("{path} is there already"));
        }
        if line.starts_with("deleted file") || line.starts_with("rename") {
            return Err(format!("{path}: {line}"));
        }
        let Some((mut old, at, mut new)) = hunk_numbers(line) else {
            continue;
        };
        let first = i;
        while old + new > 0 {
            match lines.get(i).and_then(|line| line.bytes().next()) {
                Some(b'-') if old > 0 => old -= 1,
                Some(b'+') if new > 0 => new -= 1,
                Some(b' ') | None if old > 0 && new > 0 && i < lines.len() => {
                    old -= 1;
                    new -= 1;
                }
                _ => return Err(format!("{path}: broken hunk")),
            }
            i += 1;
        }
        let file = file.as_mut().ok_or("patched before it is there")?;
        apply_hunk(file, at, &lines[first..i]).map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}

/// The files after all patches, one after the other.
fn patched() -> Result<String, String> {
    // When it runs: cargo does not build anew what it built for another checkout.
    let top =
        std::env::var("CARGO_MANIFEST_DIR").map_err(|e| format!("CARGO_MANIFEST_DIR: {e}"))?;
    let top = top + "/..";
    let read =
        |name: &str| read_to_string(format!("{top}/{name}")).map_err(|e| format!("{name}: {e}"));
    let series = read("series")?;
    let mut files = FILES.map(|path| (path, None));

    for name in series.lines().map(str::trim) {
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        let patch = read(&format!("patches/{name}"))?;
        for (path, file) in &mut files {
            apply(file, path, &patch).map_err(|e| format!("{name}: {e}"))?;
        }
    }

    let mut all = String::new();
    for (path, file) in files {
        all += &file.ok_or(format!("no {path}"))?.join("\n");
        all.push('\n');
    }
    Ok(all)
}

/// C without comments. There are no strings that look like one.
fn without_comments(mut text: &str) -> String {
    let mut out = String::new();

    while let Some(i) = text.find("/*").into_iter().chain(text.find("//")).min() {
        out += &text[..i];
        out.push(' ');
        let end = if text[i..].starts_with("//") {
            "\n"
        } else {
            "*/"
        };
        text = text[i + 2..].split_once(end).map_or("", |(_, rest)| rest);
        if end == "\n" {
            out.push('\n');
        }
    }
    out + text
}

/// How long it is from an opening bracket to the one that closes it.
fn closed(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;

    for (i, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
        }
        if depth == 0 {
            return Some(i + 1);
        }
    }
    None
}

/// The statements of a function of `text`, which has no comments.
fn statements(text: &str, name: &str) -> Option<Vec<String>> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let body = text.match_indices(name).find_map(|(i, _)| {
        let rest = &text[i + name.len()..];
        if text[..i].ends_with(word) || !rest.starts_with('(') {
            return None;
        }
        let body = rest[closed(rest, '(', ')')?..].trim_start();
        // A declaration or a call otherwise.
        body.starts_with('{').then_some(body)
    })?;
    let body = &body[1..closed(body, '{', '}')? - 1];

    Some(
        body.split_inclusive([';', '{', '}'])
            .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|part| !part.is_empty())
            .collect(),
    )
}

/// What is not as it was transcribed.
fn differences(text: &str) -> Vec<String> {
    let text = without_comments(text);
    let mut out = Vec::new();

    for (name, expected) in TRANSCRIBED {
        match statements(&text, name) {
            None => out.push(format!("{name}: missing")),
            Some(found) if found != *expected => out.push(format!("{name}: {found:#?}")),
            Some(_) => {}
        }
    }
    for (name, value) in [("TLB_DEFER_USER", USER), ("TLB_DEFER_PENDING", PENDING)] {
        let define = ["#define".to_owned(), name.to_owned(), format!("{value:#x}")];
        if !text.lines().any(|line| line.split_whitespace().eq(&define)) {
            out.push(format!("{name}: not {value:#x}"));
        }
    }
    out
}

mod cases {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        differences(text)
            .iter()
            .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
            .collect()
    }

    #[test]
    fn the_patches_have_what_was_transcribed() {
        let differences = differences(&patched().unwrap());

        assert!(
            differences.is_empty(),
            "transcribe these to tlb_loom.rs again: {differences:#?}"
        );
    }

    #[test]
    fn comments_and_white_space_do_not_count() {
        let text = patched()
            .unwrap()
            .replace(";\n", "; // a } in a comment\n\n")
            .replace(" = ", "\n/* old = { */\n\t= ");

        assert_eq!(names(&text), [""; 0]);
    }

    #[test]
    fn each_change_of_a_statement_shows() {
        let text = patched().unwrap();

        for (from, to, name) in [
            (
                "raw_atomic_fetch_sub",
                "raw_atomic_fetch_sub_relaxed",
                "__tlb_defer_user_exit",
            ),
            (
                "\traw_atomic_set(state, 0);\n}",
                "}",
                "__tlb_defer_user_exit",
            ),
            ("\t\traw_atomic_set(state, 0);", "", "__tlb_defer_nmi_enter"),
            ("if (unlikely(user))", "", "tlb_defer_nmi_exit"),
            ("int old;", "int old, flag;", "__tlb_defer_user_exit"),
            ("_PENDING\t0x2", "_PENDING\t0x4", "TLB_DEFER_PENDING"),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(names(&text.replacen(from, to, 1)), [name], "{from}");
        }
    }

    #[test]
    fn a_missing_function_shows() {
        let text = patched().unwrap();

        for (name, _) in TRANSCRIBED {
            let renamed = text.replace(&format!(" {name}("), &format!(" {name}_2("));
            assert!(names(&renamed).contains(&(*name).to_owned()), "{name}");
        }
        assert_eq!(names("").len(), TRANSCRIBED.len() + 2);
    }

    #[test]
    fn hunks_are_applied_where_they_say() {
        const NEW: &str = "diff --git a/f b/f\nnew file mode 100644\n--- /dev/null\n+++ b/f\n\
                           @@ -0,0 +1,3 @@\n+a\n+\n+c\n-- \n2.0\n";
        const CHANGE: &str = "diff --git a/g b/g\n@@ -1 +1 @@\n-a\n+b\ndiff --git a/f b/f\n\
                              --- a/f\n+++ b/f\n@@ -1,3 +1,4 @@\n-a\n+A\n \n+b\n c\n";
        let mut file = None;

        assert!(apply(&mut file, "f", CHANGE).is_err());
        apply(&mut file, "f", NEW).unwrap();
        apply(&mut file, "f", CHANGE).unwrap();
        assert_eq!(file.clone().unwrap(), ["A", "", "b", "c"]);
        // Not what it was made for any more, and not new either.
        assert!(apply(&mut file, "f", CHANGE).is_err());
        assert!(apply(&mut file, "f", NEW).is_err());
    }
}
