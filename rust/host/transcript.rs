// SPDX-License-Identifier: GPL-2.0

//! Fails if the C that `tlb_loom` transcribes is not what it was.
//!
//! The C is where it is carried, in the patches.

use crate::tlb_loom::TRANSCRIBED;
use std::{
    fs,
    path::Path, //
};

/// Applies what `patch` has for `path` to `lines`. Patches of the series have no
/// fuzz, so that line numbers are enough.
fn apply(patch: &str, path: &str, lines: &mut Vec<String>) {
    let (mut here, mut at) = (false, 0);

    for line in patch.lines() {
        if line.starts_with("diff --git ") {
            here = line.ends_with(&format!(" b/{path}"));
        } else if !here || line.starts_with("+++ ") || line.starts_with("--- ") {
            continue;
        } else if let Some(hunk) = line.strip_prefix("@@ ") {
            let to = hunk.split(['+', ',', ' ']).filter(|s| !s.is_empty()).nth(2);
            at = to.and_then(|n| n.parse::<usize>().ok()).unwrap_or(1).max(1) - 1;
        } else if let Some(new) = line.strip_prefix('+') {
            lines.insert(at, new.to_string());
            at += 1;
        } else if let Some(old) = line.strip_prefix('-') {
            assert_eq!(lines.remove(at), old, "{path}");
        } else if let Some(same) = line.strip_prefix(' ') {
            assert_eq!(lines[at], same, "{path}");
            at += 1;
        }
    }
}

/// `path` as the patches make it.
fn source(path: &str) -> String {
    let patches = Path::new(env!("CARGO_MANIFEST_DIR")).join("../patches");
    let mut names: Vec<_> = fs::read_dir(patches)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|name| name.extension().is_some_and(|e| e == "patch"))
        .collect();
    let mut lines = vec![];

    names.sort();
    for name in names {
        apply(&fs::read_to_string(name).unwrap(), path, &mut lines);
    }
    lines.join("\n")
}

/// Without comments and white space.
fn squeezed(text: &str) -> String {
    let mut rest = text;
    let mut code = String::new();

    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code += rest;
    code.retain(|c| !c.is_whitespace());
    code
}

/// What is between the braces of `function`.
fn body<'a>(code: &'a str, function: &str) -> Option<&'a str> {
    code.match_indices(&format!("{function}("))
        // Not the end of a longer name.
        .filter(|(i, _)| !code[..*i].ends_with('_'))
        .find_map(|(i, _)| {
            let (arguments, rest) = code[i..].split_once(')')?;
            let rest = rest.strip_prefix('{')?;
            // These functions have no blocks of their own.
            (!arguments.contains(';')).then(|| rest.split('}').next())?
        })
}

fn c_side() -> String {
    squeezed(&source("arch/x86/include/asm/tlb_defer.h"))
        + &squeezed(&source("arch/x86/mm/tlb_defer.c"))
}

fn is_as_transcribed(code: &str, function: &str, statements: &[&str]) -> bool {
    body(code, function) == Some(squeezed(&statements.concat()).as_str())
}

#[test]
fn the_c_side_is_what_was_transcribed() {
    let code = c_side();

    for (function, statements) in TRANSCRIBED {
        assert!(
            is_as_transcribed(&code, function, statements),
            "{function}() is {:?}, look at tlb_loom.rs",
            body(&code, function)
        );
    }
}

#[test]
fn a_change_is_noticed() {
    let (function, statements) = TRANSCRIBED[3];
    let code = c_side();

    assert!(is_as_transcribed(&code, function, statements));
    for (from, to) in [
        ("raw_atomic_set(state,0);", ""),
        ("raw_atomic_fetch_sub", "raw_atomic_fetch_sub_release"),
        ("tlb_defer_flush();", ""),
        ("__tlb_defer_user_exit(", "__tlb_defer_exit("),
    ] {
        assert!(code.contains(from));
        assert!(!is_as_transcribed(
            &code.replace(from, to),
            function,
            statements
        ));
    }
}
