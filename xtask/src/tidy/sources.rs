//! The files that the repository tracks.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};
use harness::workspace;

/// All text files under version control.
pub(super) struct Sources {
    pub(super) files: Vec<File>,
}

/// One file.
pub(super) struct File {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Sources {
    /// Asks git for the tracked files, and for new ones that are not ignored; reads those that are
    /// text.
    pub(super) fn read() -> Result<Self> {
        let root = workspace::root();
        let mut git = Command::new("git");
        git.current_dir(&root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = git.output().context("cannot run git")?;
        if !listed.status.success() {
            bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
        }
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let paths = listed.split('\0').filter(|path| !path.is_empty());
        // Deleted files that are still tracked, and binary files, cannot be read as text.
        let read = |path: &str| {
            fs::read_to_string(root.join(path)).ok().map(|text| File { path: path.to_owned(), text })
        };
        Ok(Sources { files: paths.filter_map(read).collect() })
    }

    pub(super) fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    /// The lines, numbered from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn is_prose(&self) -> bool {
        self.path.ends_with(".md")
    }
}
