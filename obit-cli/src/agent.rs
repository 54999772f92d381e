//! `obit agent`: a node that only joins.

use std::{future::pending, time::Duration};

use clap::Args;

use crate::{
    config::{self, Role},
    failure::{ExitCode, Result},
    limits::block_on,
    options::NodeOptions,
    output::{say, write_apart},
    supervisor::{Interrupts, Manners, supervise},
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit agent --node a@127.0.0.1:7001
  obit agent --node a@10.0.0.7:7001 --peer b@10.0.0.8:7001 \\
      --secret-file cluster.key --log info --http 9464

It says where it listens, and goes on until SIGTERM, SIGINT or SIGHUP; then it says goodbye to its peers.
Exit code: 0; 1 if it cannot start.";

/// What `agent` is given.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    node: NodeOptions,
}

/// Joins the cluster, until a signal asks it to leave.
pub(crate) fn run(options: Options) -> ! {
    supervise(Manners::with_grace(GOODBYE), |interrupts| join(options, &interrupts))
}

/// How long it may take to leave: the node has 5 s for that itself. The log has another second, in
/// [`leave`](crate::supervisor::leave).
const GOODBYE: Duration = Duration::from_secs(6);

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
