//! Rules about packages as a whole.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use harness::workspace;
use serde::Deserialize;

use super::{Finding, sources::Sources};

/// A package of the workspace, as `cargo metadata` describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(super) manifest_path: PathBuf,
    pub(super) version: String,
    pub(super) rust_version: Option<String>,
    pub(super) description: Option<String>,
    pub(super) license: Option<String>,
    pub(super) documentation: Option<String>,
    pub(super) readme: Option<String>,
    pub(super) keywords: Vec<String>,
    pub(super) categories: Vec<String>,
    /// The registries to which it may be published: `None` for any, an empty list for none.
    pub(super) publish: Option<Vec<String>>,
    pub(super) features: BTreeMap<String, Vec<String>>,
    pub(super) dependencies: Vec<Dependency>,
}

impl Package {
    /// Whether it is meant for a registry.
    pub(crate) fn is_published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    /// Path of its folder from the root of the repository.
    pub(super) fn folder(&self) -> String {
        let folder = self.manifest_path.parent().expect("a manifest lies in a folder");
        let from_root = folder.strip_prefix(workspace::root()).unwrap_or(folder);
        from_root.to_string_lossy().into_owned()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// None for an ordinary one; `dev` or `build`.
    pub(super) kind: Option<String>,
    pub(super) optional: bool,
    /// The versions that it may have; `*` for any.
    pub(super) req: String,
    /// The folder that it is taken from, if it is a package of the project.
    pub(super) path: Option<PathBuf>,
}

/// The packages of the workspace.
pub(crate) fn read() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let mut cargo = workspace::cargo();
    let told = cargo.args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let told = told.context("cannot run cargo metadata")?;
    if !told.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&told.stderr));
    }
    let metadata: Metadata = serde_json::from_slice(&told.stdout).context("cargo metadata")?;
    Ok(metadata.packages)
}

pub(super) fn check(packages: &[Package], sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        findings.extend(front_page(package, sources));
    }
    findings.extend(no_std(sources));
    findings.extend(figures(packages, sources));
    findings
}

/// Checks that every crate starts with a page about its purpose.
fn front_page(package: &Package, sources: &Sources) -> Option<Finding> {
    const ENOUGH: usize = 100;
    let roots = ["lib.rs", "main.rs"].map(|file| format!("{}/src/{file}", package.folder()));
    let root = roots.iter().find_map(|path| sources.find(path))?;
    let page: usize = root.text.lines().filter_map(|line| line.strip_prefix("//!")).map(str::len).sum();
    (page < ENOUGH).then(|| Finding {
        file: root.path.clone(),
        line: 1,
        what: "the crate has no front page: say in `//!` what it is for, and who should use something else"
            .to_owned(),
    })
}

/// The two crates that any program may embed need no operating system.
fn no_std(sources: &Sources) -> Vec<Finding> {
    let roots = ["refs/src/lib.rs", "monitor-core/src/lib.rs"];
    let lacks = |root: &&str| sources.find(root).is_none_or(|file| !file.text.contains("#![no_std]"));
    let finding = |root: &str| Finding {
        file: root.to_owned(),
        line: 1,
        what: "must be `#![no_std]`: embedders bring their own surroundings; use core and alloc".to_owned(),
    };
    roots.into_iter().filter(lacks).map(finding).collect()
}

/// The README names the Rust version and the version that the packages declare.
fn figures(packages: &[Package], sources: &Sources) -> Vec<Finding> {
    let Some(readme) = sources.find("README.md") else {
        return vec![Finding { file: "README.md".to_owned(), line: 0, what: "is missing".to_owned() }];
    };
    let mut findings = Vec::new();
    let rust = packages.iter().find_map(|package| package.rust_version.as_deref()).unwrap_or_default();
    for (line, text) in readme.lines() {
        for said in after(text, "Rust ").filter(|said| said.starts_with("1.") && !said.starts_with(rust)) {
            findings.push(Finding {
                file: readme.path.clone(),
                line,
                what: format!(
                    "says Rust {said}, but the packages declare {rust}: say {rust}, or change Cargo.toml"
                ),
            });
        }
        for package in packages {
            for said in after(text, &format!("{} = \"", package.name))
                .filter(|said| !package.version.starts_with(said))
            {
                findings.push(Finding {
                    file: readme.path.clone(),
                    line,
                    what: format!("says {} {said}, but it is {}", package.name, package.version),
                });
            }
        }
    }
    findings
}

/// The version numbers that follow `word` in a line.
fn after<'a>(line: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    let starts: Vec<_> = line.match_indices(word).map(|(at, word)| at + word.len()).collect();
    starts.into_iter().filter_map(move |start| {
        let rest = &line[start..];
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches('.');
        (!number.is_empty()).then_some(number)
    })
}

#[cfg(test)]
impl Package {
    /// A package in the folder of its name, with an otherwise empty manifest.
    pub(super) fn named(name: &str) -> Self {
        Package {
            name: name.to_owned(),
            manifest_path: workspace::root().join(name).join("Cargo.toml"),
            version: "0.1.0".to_owned(),
            rust_version: None,
            description: None,
            license: None,
            documentation: None,
            readme: None,
            keywords: Vec::new(),
            categories: Vec::new(),
            publish: None,
            features: BTreeMap::new(),
            dependencies: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::sources::File;

    fn package() -> Package {
        Package { rust_version: Some("1.88".to_owned()), ..Package::named("refs") }
    }

    fn sources(path: &str, text: &str) -> Sources {
        Sources { files: vec![File { path: path.to_owned(), text: text.to_owned() }] }
    }

    #[test]
    fn a_readme_with_other_figures_is_found() {
        let told = |text| figures(&[package()], &sources("README.md", text)).len();
        assert_eq!(told("It needs Rust 1.88 or newer.\nrefs = \"0.1\""), 0);
        assert_eq!(told("It needs Rust 1.90."), 1);
        assert_eq!(told("refs = \"0.2\""), 1);
        assert_eq!(figures(&[package()], &sources("other", "")).len(), 1, "a missing README is found");
    }

    #[test]
    fn a_crate_without_a_front_page_is_found() {
        assert!(front_page(&package(), &sources("refs/src/lib.rs", "//! refs\n")).is_some());
        let page =
            "//! The names by which the parts of a cluster call each other, and how they look as bytes.\n"
                .repeat(2);
        assert!(front_page(&package(), &sources("refs/src/lib.rs", &page)).is_none());
    }

    #[test]
    fn a_core_with_std_is_found() {
        assert_eq!(no_std(&sources("refs/src/lib.rs", "#![no_std]")).len(), 1, "the other crate is missing");
        assert_eq!(no_std(&sources("refs/src/lib.rs", "")).len(), 2);
    }
}
