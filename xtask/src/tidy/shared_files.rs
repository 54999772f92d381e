//! No crate builds a source file of another: code that two crates need is a crate, and tests that
//! share code have one, too.

use std::path::{Component, Path, PathBuf};

use super::{
    Finding,
    packages::Package,
    sources::{File, Sources},
};

/// The beginnings of code that includes a source file by its path.
const BY_PATH: [&str; 2] = ["#[path = \"", "include!(\""];

pub(super) fn check(packages: &[Package], sources: &Sources) -> Vec<Finding> {
    let folders: Vec<PathBuf> = packages.iter().map(|package| package.folder().into()).collect();
    let rust = sources.files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| foreign_files(file, &folders)).collect()
}

fn foreign_files(file: &File, folders: &[PathBuf]) -> Vec<Finding> {
    // Folders of packages may lie in each other; the innermost is the file's.
    let own = |folder: &&PathBuf| Path::new(&file.path).starts_with(folder);
    let Some(home) = folders.iter().filter(own).max_by_key(|folder| folder.components().count()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        let code = text.trim_start();
        let named = BY_PATH.iter().find_map(|start| code.strip_prefix(start)?.split('"').next());
        if let Some(named) = named.filter(|named| !resolved(&file.path, named).starts_with(home)) {
            let what = format!("builds {named}, a file of another crate: make a crate of what both need");
            findings.push(Finding { file: file.path.clone(), line, what });
        }
    }
    findings
}

/// The path that a file names, from the root of the repository.
fn resolved(file: &str, named: &str) -> PathBuf {
    let mut path = PathBuf::from(file);
    path.pop();
    for part in Path::new(named).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_crate_is_found() {
        let folders = ["refs".into(), "tools/harness".into()];
        let lines = |path: &str, named: &str| {
            let text = format!("mod a;\n{}{named}\"]\nmod b;\n", BY_PATH[0]);
            let file = File { path: path.to_owned(), text };
            foreign_files(&file, &folders).iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("refs/tests/a.rs", "../../tools/harness/src/b.rs"), [2]);
        assert_eq!(lines("refs/tests/a.rs", "../../fuzz/b.rs"), [2], "not of any crate");
        assert_eq!(lines("refs/tests/a.rs", "../benches/b.rs"), [0; 0]);
        assert_eq!(lines("tools/harness/src/a.rs", "./c/../b.rs"), [0; 0]);
    }
}
