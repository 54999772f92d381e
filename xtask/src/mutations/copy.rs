//! A copy of the workspace, so that no patch changes the code under development.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use harness::workspace;

use super::patch::Patch;

/// The copy. It stays from run to run, so that cargo builds only the changed files again.
pub(super) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// Opens the copy in the state that the last run left.
    pub(super) fn new() -> Result<Self> {
        let folder = workspace::root().join("target").join("mutations").join("workspace");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Copy { folder })
    }

    /// Returns a command for the cargo that runs this program, in the copy, with a target folder of
    /// its own.
    pub(super) fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo();
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", self.folder.with_file_name("build"));
        cargo
    }

    /// Makes the copy equal to the workspace. Files that are equal already are not touched.
    pub(super) fn refresh(&self) -> Result<()> {
        let (from, wanted) = (workspace::root(), files_of_the_workspace()?);
        for file in self.files()?.difference(&wanted) {
            let stale = self.folder.join(file);
            fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
        }
        for file in &wanted {
            let text =
                fs::read(from.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
            let to = self.folder.join(file);
            if fs::read(&to).is_ok_and(|there| there == text) {
                continue;
            }
            let what = || format!("cannot write {}", to.display());
            fs::create_dir_all(to.parent().expect("it lies in the copy")).with_context(what)?;
            fs::write(&to, text).with_context(what)?;
        }
        Ok(())
    }

    /// Applies the patch.
    ///
    /// # Errors
    /// Returns an error if the patch no longer applies to the code.
    pub(super) fn apply(&self, patch: &Patch) -> Result<()> {
        let mut git = Command::new("git");
        git.args(["apply", "--whitespace=nowarn"]).arg(&patch.file).current_dir(&self.folder);
        // Within a repository, `git apply` skips paths outside the current directory, which would
        // be every path here.
        git.env("GIT_CEILING_DIRECTORIES", self.folder.parent().expect("it lies in a folder"));
        let applied = git.output().context("cannot run git")?;
        if !applied.status.success() {
            bail!("{}", String::from_utf8_lossy(&applied.stderr).trim());
        }
        Ok(())
    }

    /// The files that are there.
    fn files(&self) -> Result<BTreeSet<PathBuf>> {
        let mut files = BTreeSet::new();
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            let what = || format!("cannot read {}", folder.display());
            for entry in fs::read_dir(&folder).with_context(what)? {
                let path = entry.with_context(what)?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.strip_prefix(&self.folder).expect("it lies in it").to_path_buf());
                }
            }
        }
        Ok(files)
    }
}

/// Returns all tracked and untracked files, without the ignored ones.
fn files_of_the_workspace() -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace::root());
    let listed = git.output().context("cannot run git")?;
    if !listed.status.success() {
        bail!("git cannot list the files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names = listed.split('\0').filter(|name| !name.is_empty());
    // Git still lists a file that was deleted but not removed from the index.
    let there_is = |file: &&Path| workspace::root().join(file).is_file();
    Ok(names.map(Path::new).filter(there_is).map(Path::to_path_buf).collect())
}
