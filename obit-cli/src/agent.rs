//! `obit agent`: a node that joins the cluster and runs no process.

use std::{future::pending, time::Duration};

use clap::Args;

use crate::{
    config::{self, Role},
    failure::{ExitCode, Result},
    limits::block_on,
    options::NodeOptions,
    output::{say, write_apart},
    supervisor::{Interrupts, StopPolicy, supervise},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit agent --node a@127.0.0.1:7001
  obit agent --node a@10.0.0.7:7001 --peer b@10.0.0.8:7001 \\
      --secret-file cluster.key --log info --http 9464

It prints its address and runs until SIGTERM, SIGINT or SIGHUP; then it closes its sessions in order.
Exit code: 0; 1 if it cannot start.";

/// The options of `obit agent`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    node: NodeOptions,
}

/// Joins the cluster until a signal asks the agent to end.
pub(crate) fn run(options: Options) -> ! {
    supervise(StopPolicy::with_grace(STOP_TIMEOUT), |interrupts| join(options, &interrupts))
}

/// Maximum time for a stop. `Node::stop` takes at most 5 s of it. The log has another second, in
/// [`leave`](crate::supervisor::leave).
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

fn join(options: Options, interrupts: &Interrupts) -> Result {
    block_on(async {
        let prepared = config::prepare(options.node, Role::Member)?;
        let started = prepared.start().await?;
        let node = &started.node;
        let address = node.local_addr().map(|address| format!(" listens on {address}"));
        let line = format!("{}{}", node.id(), address.unwrap_or_default());
        let until_interrupted = async {
            write_apart(move || say(&line)).await?;
            pending::<Result<()>>().await
        };
        let interrupted = async {
            interrupts.next().await;
            Ok(())
        };
        smol::future::or(interrupted, until_interrupted).await?;
        node.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}
