//! Parses the command line. `cargo xtask sim` has validated it; a direct call gets a plain error.

use std::path::PathBuf;

use crate::faults::FaultSet;

pub struct Options {
    pub seed: u64,
    pub seeds: u64,
    pub nodes: usize,
    pub seconds: u64,
    pub threads: usize,
    pub faults: FaultSet,
    /// The list of faults as text.
    pub fault_list: String,
    pub trace: bool,
    pub json: Option<PathBuf>,
}

/// Parses pairs of an option and its value; `--trace` has no value.
pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        seed: 1,
        seeds: 1,
        nodes: 50,
        seconds: 60,
        threads: 2,
        faults: FaultSet::parse("all")?,
        fault_list: "all".to_owned(),
        trace: false,
        json: None,
    };
    while let Some(option) = arguments.next() {
        if option == "--trace" {
            options.trace = true;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{option} {value}: not a number"));
        match option.as_str() {
            "--seed" => options.seed = number()?,
            "--seeds" => options.seeds = number()?,
            "--nodes" => options.nodes = number()?.clamp(2, 9_999) as usize,
            "--seconds" => options.seconds = number()?,
            "--threads" => options.threads = number()?.clamp(1, 64) as usize,
            "--faults" => {
                options.faults = FaultSet::parse(&value)?;
                options.fault_list.clone_from(&value);
            }
            "--json" => options.json = Some(value.into()),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(options)
}
