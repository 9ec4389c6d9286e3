// SPDX-License-Identifier: GPL-2.0

//! Takes the numbers of the user ABI from the patches, which have them once.

use std::{
    collections::BTreeMap,
    env,
    fs::{
        read_to_string,
        write, //
    },
    path::Path, //
};

/// The value of `1`, `0x1` or `(1 << 0)`.
fn value(text: &str) -> u32 {
    let text = text.trim_matches(['(', ')']);
    let number = |text: &str| -> u32 {
        match text.trim().strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => text.trim().parse(),
        }
        .unwrap_or_else(|e| panic!("{text}: {e}"))
    };

    match text.split_once("<<") {
        Some((left, right)) => number(left) << number(right),
        None => number(text),
    }
}

fn main() {
    let top = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
    let series = read_to_string(top.join("series")).unwrap();
    let mut numbers = BTreeMap::new();

    println!("cargo::rerun-if-changed={}", top.join("series").display());
    for name in series.lines().filter(|line| line.ends_with(".patch")) {
        let path = top.join("patches").join(name);
        let patch = read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut here = false;

        println!("cargo::rerun-if-changed={}", path.display());
        for line in patch.lines() {
            if let Some(file) = line.strip_prefix("+++ b/") {
                here = file == "include/uapi/linux/prctl.h";
            }
            let Some((sign, define)) = line.split_at_checked(1).filter(|_| here) else {
                continue;
            };
            let words: Vec<_> = define.split_whitespace().collect();
            let words = match words.as_slice() {
                ["#", "define", rest @ ..] | ["#define", rest @ ..] => rest,
                _ => continue,
            };
            let Some((name, rest)) = words
                .split_first()
                .filter(|(name, _)| name.starts_with("PR_ISOL_") || name.starts_with("ISOL_"))
            else {
                continue;
            };
            match sign {
                "+" => numbers.insert(name.to_string(), value(&rest.join(" "))),
                "-" => numbers.remove(*name),
                _ => None,
            };
        }
    }
    assert!(!numbers.is_empty(), "no number of the ABI in the patches");
    let mut text = String::new();
    for (name, value) in numbers {
        text += &format!("pub(crate) const {name}: u32 = {value:#x};\n");
    }
    write(
        Path::new(&env::var("OUT_DIR").unwrap()).join("uapi.rs"),
        text,
    )
    .unwrap();
}
