//! Two nodes in one program, and what one of them is told of the other:
//!
//! ```sh
//! cargo run -p monitor-runtime --example two_nodes
//! ```
//!
//! Take them apart into two programs and nothing changes but the addresses. On other hosts than this one they need a
//! secret: `Config::secret`.
#![allow(clippy::print_stdout)]

use monitor_runtime::{NodesOptions, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(async {
        // Where a node can be reached is part of its name.
        let a = Node::start(Config::new("a@127.0.0.1:7101".parse()?)).await?;
        let b = Node::start(Config::new("b@127.0.0.1:7102".parse()?)).await?;

        // A worker on b, under a name. What its task returns is the reason of its end; so would be a panic.
        b.spawn(|mut mailbox| async move {
            mailbox.register("printer".parse()?)?;
            mailbox.recv().await; // the first thing it is asked to print
            Err(ExitReason::other("out of paper")?)
        })?;
        let printer: Name = "printer@b@127.0.0.1:7102".parse()?;
        while b.whereis(&printer.name).is_none() {
            smol::future::yield_now().await;
        }

        let monitor = a.monitor(&printer)?; // returns at once; connects to b by its name
        a.send(&printer, "a page")?;
        println!("{printer} is gone: {}", monitor.await.reason);

        // Nobody has the name any more, and b is there to say so.
        println!("{printer} is gone: {}", a.monitor(&printer)?.await.reason);

        // What is told of the node itself goes to a process; a guard makes this task one.
        let mut watcher = a.process()?;
        let up = watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true))?;
        println!("up: {}", up[0].node);
        b.stop().await;
        if let Some(Event::NodeDown(down)) = watcher.recv().await {
            println!("down: {}, {:?}", down.name, down.end);
        }

        // Now there is nobody whom one could ask.
        println!("{printer} is gone: {}", a.monitor(&printer)?.await.reason);
        a.stop().await;
        Ok(())
    })
}
