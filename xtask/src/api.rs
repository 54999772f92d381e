//! `cargo xtask api`: holds the public API of the libraries against the committed text of it.
//!
//! `docs/api` has a file for each library, with a line for each public item. A change of the API is
//! a change of these lines, so a review sees it. The crate `public-api` makes the lines from the
//! JSON of rustdoc.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use harness::workspace;
use serde::Deserialize;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask api             compare, and print the changed items
  cargo xtask api --bless     write the files after an intended change

Exit code: 0 if the files in docs/api are up to date, 1 if not.";

/// The published libraries: package, and name in code.
const LIBRARIES: [(&str, &str); 6] = [
    ("obit-refs", "refs"),
    ("monitor-core", "monitor_core"),
    ("peer-service", "peer_service"),
    ("transport-tcp", "transport_tcp"),
    ("monitor-runtime", "monitor_runtime"),
    ("obit", "obit"),
];

/// The features that are meant for users, and with them all public items but those of `fuzzing` and
/// `simulation`, which may change in any version.
const FEATURES: &str = "peer-service/conformance,peer-service/memory,transport-tcp/tls,\
                        monitor-runtime/tls,monitor-runtime/http,monitor-runtime/metrics,\
                        monitor-runtime/test-util";

/// The format of rustdoc's JSON from which the files were made. A rustdoc with another one may name
/// items differently, so its result is not compared.
const FORMAT: u32 = 57;

/// Whether to compare or to write.
#[derive(Args)]
pub(crate) struct Options {
    /// Write the files instead of comparing them.
    #[arg(long)]
    bless: bool,
}

/// The result of a comparison.
pub(crate) enum Outcome {
    /// Every file is up to date.
    Same,
    /// The changed items of each library, as text.
    Changed(String),
    /// The reason why this Rust cannot compare.
    Unable(String),
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let outcome = if options.bless { bless()? } else { check()? };
    match outcome {
        Outcome::Same => println!("docs/api is up to date"),
        Outcome::Changed(changes) => bail!("{changes}"),
        Outcome::Unable(why) => bail!("{why}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares the public API of each library with its file.
pub(crate) fn check() -> Result<Outcome> {
    let texts = match texts()? {
        Texts::Made(texts) => texts,
        Texts::Unable(why) => return Ok(Outcome::Unable(why)),
    };
    let mut changes = String::new();
    for (package, text) in texts {
        let committed = fs::read_to_string(file_of(package)).unwrap_or_default();
        let lines = difference(&committed, &text);
        if !lines.is_empty() {
            changes += &format!("docs/api/{package}.txt:\n{lines}");
        }
    }
    if changes.is_empty() {
        return Ok(Outcome::Same);
    }
    let remedy = "the public API has changed; if that is intended, write the files: cargo xtask api --bless";
    Ok(Outcome::Changed(format!("{changes}{remedy}")))
}

/// Writes the file of each library.
fn bless() -> Result<Outcome> {
    match texts()? {
        Texts::Unable(why) => Ok(Outcome::Unable(why)),
        Texts::Made(texts) => {
            for (package, text) in texts {
                let file = file_of(package);
                fs::create_dir_all(file.parent().expect("the files are in a folder"))?;
                fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            }
            Ok(Outcome::Same)
        }
    }
}

fn file_of(package: &str) -> PathBuf {
    workspace::root().join("docs").join("api").join(package).with_extension("txt")
}

/// The public API of each library, by package.
enum Texts {
    Made(Vec<(&'static str, String)>),
    Unable(String),
}

fn texts() -> Result<Texts> {
    // Apart from the other files: the build scripts of some crates run anew with `RUSTC_BOOTSTRAP`.
    let target = workspace::root().join("target").join("api");
    let mut cargo = workspace::cargo();
    cargo.args(["doc", "--quiet", "--no-deps", "--features", FEATURES]);
    cargo.args(LIBRARIES.iter().flat_map(|(package, _)| ["--package", package]));
    // The stable rustdoc writes JSON only with this variable.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", &target);
    cargo.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json --cap-lints allow");
    let status = cargo.status().context("cannot run cargo doc")?;
    if !status.success() {
        bail!("cargo doc ended with {status}");
    }
    let mut texts = Vec::new();
    for (package, library) in LIBRARIES {
        let json = target.join("doc").join(library).with_extension("json");
        let format = format_of(&json)?;
        if format != FORMAT {
            return Ok(Texts::Unable(format!(
                "the rustdoc of this Rust writes JSON of format {format}, and docs/api was made from format \
                 {FORMAT}: use Rust 1.95, or a crate `public-api` and a `FORMAT` in xtask/src/api.rs for this Rust"
            )));
        }
        texts.push((package, text_of(&json)?));
    }
    Ok(Texts::Made(texts))
}

/// The version of the format of a JSON file.
fn format_of(json: &Path) -> Result<u32> {
    #[derive(Deserialize)]
    struct Header {
        format_version: u32,
    }
    let text = fs::read_to_string(json).with_context(|| format!("cannot read {}", json.display()))?;
    let header: Header = serde_json::from_str(&text).with_context(|| format!("{}", json.display()))?;
    Ok(header.format_version)
}

/// The public items in a JSON file of rustdoc, a line for each. Implementations that every type has
/// are left out. `Send` and `Sync` are checked by tests.
fn text_of(json: &Path) -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .with_context(|| format!("cannot read {}", json.display()))?;
    Ok(api.to_string())
}

/// The lines that only one of two texts has: `-` if it is the old one, `+` if it is the new one.
fn difference(old: &str, new: &str) -> String {
    let mut surplus = BTreeMap::<&str, isize>::new();
    for line in old.lines() {
        *surplus.entry(line).or_default() -= 1;
    }
    for line in new.lines() {
        *surplus.entry(line).or_default() += 1;
    }
    let lines = surplus.iter().filter(|(_, surplus)| **surplus != 0);
    lines.map(|(line, surplus)| format!("{} {line}\n", if *surplus < 0 { '-' } else { '+' })).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The public items of a library with that source.
    fn items_of(source: &str, folder: &Path) -> String {
        fs::create_dir_all(folder).unwrap();
        let file = folder.join("shop.rs");
        fs::write(&file, source).unwrap();
        let mut rustdoc = Command::new("rustdoc");
        rustdoc.arg(&file).arg("--out-dir").arg(folder);
        rustdoc.args(["--edition", "2024", "-Z", "unstable-options", "--output-format", "json"]);
        assert!(rustdoc.env("RUSTC_BOOTSTRAP", "1").status().unwrap().success());
        let text = text_of(&folder.join("shop.json")).unwrap();
        fs::remove_dir_all(folder).unwrap();
        text
    }

    #[test]
    fn a_changed_signature_and_a_lost_trait_are_noticed() {
        let folder = std::env::temp_dir().join(format!("obit-api-{}", std::process::id()));
        let old = items_of("#[derive(Clone, Copy)] pub struct Price; pub fn buy(price: Price) {}", &folder);
        let new = items_of("#[derive(Clone)] pub struct Price; pub fn buy(price: &Price) {}", &folder);
        let lines = [
            "+ pub fn shop::buy(&shop::Price)\n",
            "- impl core::marker::Copy for shop::Price\n",
            "- pub fn shop::buy(shop::Price)\n",
        ];
        let mut found: Vec<_> = difference(&old, &new).split_inclusive('\n').map(str::to_owned).collect();
        found.sort();
        assert_eq!(found, lines);
        assert_eq!(difference(&old, &old), "");
    }
}
