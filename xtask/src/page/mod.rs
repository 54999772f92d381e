//! `cargo xtask page`: the page of a node in a real browser.
//!
//! The task starts nodes as a user would, ends processes and kills nodes; a headless Chromium must
//! show this, in light and dark, on a phone and on a wide screen. The task leaves pictures of the
//! page in `target/page`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use harness::{build, children::Children, files::make_folder, workspace};

use self::{browser::Browser, nodes::Nodes};

mod browser;
mod checks;
mod nodes;
mod tab;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask page
  CHROMIUM=/opt/chrome/chrome cargo xtask page

Without Chromium the task prints that, and passes. Exit code: 0 if every check passed; 1 if not.";

/// The options of `page`.
#[derive(Args)]
pub(crate) struct Options {
    /// The browser; by default the first of chromium, chromium-browser and google-chrome that is
    /// found.
    #[arg(long, value_name = "PROGRAM", env = "CHROMIUM")]
    chromium: Option<PathBuf>,
}

const NO_BROWSER: &str = "there is no chromium (on Debian: apt-get install chromium)";

/// Returns the missing requirement for the checks of the page; `None` if nothing is missing.
pub(crate) fn missing() -> Option<String> {
    let given = std::env::var_os("CHROMIUM").map(PathBuf::from);
    browser::find(given.as_ref()).is_none().then(|| NO_BROWSER.to_owned())
}

/// Checks the page, if a browser is available.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let Some(program) = browser::find(options.chromium.as_ref()) else {
        println!("skipped: {NO_BROWSER}");
        return Ok(ExitCode::SUCCESS);
    };
    let folder = workspace::root().join("target/page");
    make_folder(&folder)?;
    let obit = build::obit(false)?;
    let children = Children::default();
    children.end_on_interrupt()?;
    let mut browser = Browser::start(&children, &program, &folder)?;
    let mut nodes = Nodes::start(&children, &obit)?;
    let mut failed = 0;
    for (what, check) in checks::ALL {
        let outcome = check(&mut browser, &mut nodes, &folder);
        println!("{}  {what}", if outcome.is_ok() { "passed" } else { "FAILED" });
        if let Err(error) = outcome {
            println!("        {error:#}");
            failed += 1;
        }
    }
    println!("pictures are in {}", folder.display());
    if failed > 0 {
        bail!("the page failed {failed} of {} checks", checks::ALL.len());
    }
    Ok(ExitCode::SUCCESS)
}
