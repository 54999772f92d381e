//! `cargo xtask differential`: the same scripts on two nodes of Erlang/OTP and on two nodes of
//! Obit.
//!
//! The results of calls, and the notices of each process, must be equal and in the same order,
//! except for the intended differences: those are listed with the [`scripts`]. A difference that is
//! not listed fails the script, and so does a listed difference that does not occur.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use harness::{build, children::Children, files::make_folder, workspace};
use serde_json::{Value, json};

use self::{
    obit::Obit,
    otp::Otp,
    scripts::{SCRIPTS, Script},
};

mod obit;
mod otp;
mod scripts;
mod system;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask differential
  cargo xtask differential --script reasons --json differential.json

The task needs erl, erlc and epmd (Debian: erlang-nox); without them it prints that and does nothing.";

/// The options of `differential`.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this script; may be given several times.
    #[arg(long = "script", value_name = "NAME", value_parser = names())]
    scripts: Vec<String>,
    /// Write the observations of both systems as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn names() -> clap::builder::PossibleValuesParser {
    SCRIPTS.iter().map(|script| script.name).into()
}

const NO_OTP: &str = "erl, erlc or epmd is missing (Debian: apt-get install erlang-nox)";

/// Returns the missing requirement for the comparison; `None` if nothing is missing.
pub(crate) fn missing() -> Option<String> {
    harness::otp::release().is_none().then(|| NO_OTP.to_owned())
}

/// Runs the scripts and compares the results.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let Some(release) = harness::otp::release() else {
        println!("skipped: {NO_OTP}");
        return Ok(ExitCode::SUCCESS);
    };
    let lab = Lab::new()?;
    let chosen = |script: &&Script| {
        options.scripts.is_empty() || options.scripts.iter().any(|name| name == script.name)
    };
    let (mut seen, mut failed) = (Vec::new(), 0);
    for script in SCRIPTS.iter().filter(chosen) {
        let start = Instant::now();
        let (otp, obit) = lab.both(script)?;
        let verdict = compare(script, &otp, &obit);
        let outcome = if verdict.is_ok() { "passed" } else { "FAILED" };
        println!("{outcome}  {:45} {:4.1} s", script.name, start.elapsed().as_secs_f64());
        if let Some(difference) = &script.difference {
            println!("        differs as listed: {}", difference.why);
        }
        if let Err(failure) = &verdict {
            println!("{failure:#}");
            failed += 1;
        }
        seen.push(json!({ "script": script.name, "passed": verdict.is_ok(), "otp": otp, "obit": obit }));
    }
    println!("Erlang/OTP {release}: {} passed, {failed} failed", seen.len() - failed);
    if let Some(file) = &options.json {
        write_json(file, &json!({ "otp_release": release, "failed": failed, "scripts": seen }))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_json(file: &Path, report: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(report).context("the report")? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The parts that nodes of both systems need to start.
struct Lab {
    children: Children,
    program: PathBuf,
    folder: PathBuf,
}

impl Lab {
    fn new() -> Result<Self> {
        let children = Children::default();
        children.end_on_interrupt()?;
        let folder = workspace::root().join("target").join("differential");
        make_folder(&folder)?;
        harness::otp::compile(&folder, otp::MODULE, otp::PROGRAM)?;
        Ok(Lab { children, program: build::tool("test-node", false)?, folder })
    }

    /// Returns the observations on OTP and on Obit. Each script gets new nodes.
    fn both(&self, script: &Script) -> Result<(Vec<String>, Vec<String>)> {
        let told = |result: Result<Vec<String>>, on: &str| {
            result.with_context(|| format!("{} on {on}", script.name))
        };
        let mut otp = Otp::new(&self.children, &self.folder)?;
        let otp = told(system::run(&mut otp, script.steps), "OTP")?;
        let mut obit = Obit::new(&self.children, &self.program, self.folder.clone())?;
        let obit = told(system::run(&mut obit, script.steps), "Obit")?;
        Ok((otp, obit))
    }
}

/// Checks that both are equal except for the listed difference, which must occur.
fn compare(script: &Script, otp: &[String], obit: &[String]) -> Result<()> {
    let (only_otp, only_obit) = match &script.difference {
        Some(difference) => (difference.only_otp, difference.only_obit),
        None => (&[][..], &[][..]),
    };
    let (mut otp_rest, mut obit_rest) = (otp.to_vec(), obit.to_vec());
    let shows = take_all(&mut otp_rest, only_otp) & take_all(&mut obit_rest, only_obit);
    if script.any_order {
        otp_rest.sort();
        obit_rest.sort();
    }
    let problem = match (shows, otp_rest == obit_rest) {
        (true, true) => return Ok(()),
        (false, _) => "a difference that is listed does not show any more",
        (true, false) => "a difference that is not listed",
    };
    let told = |lines: &[String]| lines.iter().map(|line| format!("\n    {line}")).collect::<String>();
    Err(anyhow!("{problem}\n  OTP:{}\n  Obit:{}", told(otp), told(obit)))
}

/// Removes these lines, the last first; returns false if a line is missing.
fn take_all(lines: &mut Vec<String>, taken: &[&str]) -> bool {
    taken.iter().all(|line| match lines.iter().rposition(|other| other == line) {
        Some(at) => {
            lines.remove(at);
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{scripts::Difference, *};

    const fn script(difference: Option<Difference>) -> Script {
        Script { name: "s", steps: "", any_order: false, difference }
    }

    fn lines(text: &str) -> Vec<String> {
        text.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn equal_is_equal_and_order_counts() {
        assert!(compare(&script(None), &lines("x, y"), &lines("x, y")).is_ok());
        assert!(compare(&script(None), &lines("x, y"), &lines("y, x")).is_err());
        assert!(compare(&script(None), &lines("x, y"), &lines("x")).is_err());
        let any_order = Script { any_order: true, ..script(None) };
        assert!(compare(&any_order, &lines("x, y"), &lines("y, x")).is_ok());
        assert!(compare(&any_order, &lines("x, y"), &lines("y, y")).is_err());
    }

    #[test]
    fn a_listed_difference_must_show_exactly() {
        let listed = script(Some(Difference { why: "", only_otp: &["y"], only_obit: &[] }));
        assert!(compare(&listed, &lines("x, y"), &lines("x")).is_ok());
        assert!(compare(&listed, &lines("x, y"), &lines("x, y")).is_err(), "Obit does the same by now");
        assert!(compare(&listed, &lines("x"), &lines("x")).is_err(), "OTP does the same by now");
        assert!(compare(&listed, &lines("x, y, y"), &lines("x")).is_err(), "once more than listed");
    }

    #[test]
    fn the_page_tells_of_every_difference() {
        let page = workspace::root().join("docs").join("DIFFERENTIAL.md");
        let page = std::fs::read_to_string(page).expect("the page can be read");
        for script in SCRIPTS.iter().filter(|script| script.difference.is_some() || script.any_order) {
            assert!(page.contains(&format!("`{}`", script.name)), "{} is missing", script.name);
        }
    }
}
