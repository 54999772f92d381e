//! The command line.

use std::{error::Error, io, time::Duration};

use monitor_runtime::{Config, NodeSpec, Secret};
use tracing_subscriber::filter::LevelFilter;

/// The environment variable with the cluster's secret.
const SECRET: &str = "OBIT_SECRET";

/// Makes the configuration from the arguments and the environment. An error names the wrong
/// argument.
pub(crate) fn config(mut arguments: impl Iterator<Item = String>) -> Result<Config, Box<dyn Error>> {
    let (mut name, mut listen, mut hidden, mut peers) = (None, None, false, Vec::<NodeSpec>::new());
    let mut heartbeat = "default".to_owned();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--name" => name = Some(value()?),
            "--listen" => listen = Some(value()?.parse().map_err(|error| format!("--listen: {error}"))?),
            "--peer" => peers.push(value()?.parse().map_err(|error| format!("--peer: {error}"))?),
            "--heartbeat" => heartbeat = value()?,
            "--hidden" => hidden = true,
            "--log" => log(value()?.parse()?),
            other => Err(format!("{other} is no option; the head of the program lists them"))?,
        }
    }
    let config = Config::new(name.ok_or("--name is missing")?).hidden(hidden).peers(peers);
    let config = config.secret(Secret::from_env(SECRET)?);
    let config = match listen {
        Some(address) => config.listen(address),
        None => config,
    };
    match heartbeat.as_str() {
        "default" => Ok(config),
        "fast" => Ok(config.fast()),
        "wan" => Ok(config.wan()),
        other => {
            let millis = |text: &str| text.parse().map(Duration::from_millis).ok();
            let custom =
                other.split_once('/').and_then(|(i, t)| Some(config.heartbeat(millis(i)?, millis(t)?)));
            Ok(custom.ok_or(format!("--heartbeat: {other} is none of default, fast, wan, and no I/T"))?)
        }
    }
}

/// Logs to standard error, with the default subscriber.
fn log(level: LevelFilter) {
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).init();
}
