//! A copy of the workspace, so that what is broken on purpose is never the code that somebody works on.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use harness::workspace;

use super::patch::Patch;

/// The copy. It stays from run to run: what has not changed is not built again.
pub(super) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// The copy as the last run has left it.
    pub(super) fn new() -> Result<Self> {
        let folder = workspace::root().join("target").join("mutations").join("workspace");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Copy { folder })
    }

    /// The cargo that runs this program, called in the copy, with a folder of its own to build in.
    pub(super) fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo();
        cargo.current_dir(&self.folder).env("CARGO_TARGET_DIR", self.folder.with_file_name("build"));
        cargo
    }

    /// Makes it equal to the workspace. A file that is equal already is not touched.
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

    /// Breaks what the patch breaks.
    ///
    /// # Errors
    /// If it does not fit the code any more.
    pub(super) fn apply(&self, patch: &Patch) -> Result<()> {
        let mut git = Command::new("git");
        git.args(["apply", "--whitespace=nowarn"]).arg(&patch.file).current_dir(&self.folder);
        // Within a repository it would leave out what lies elsewhere in that one, which is everything.
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

/// What git knows, or would if it were told: all but what it is to ignore.
fn files_of_the_workspace() -> Result<BTreeSet<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace::root());
    let listed = git.output().context("cannot run git")?;
    if !listed.status.success() {
        bail!("git cannot list the files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names = listed.split('\0').filter(|name| !name.is_empty());
    // One that was removed, and git not told, is still listed.
    let there_is = |file: &&Path| workspace::root().join(file).is_file();
    Ok(names.map(Path::new).filter(there_is).map(Path::to_path_buf).collect())
}
