//! Two nodes in one program; one of them monitors a process of the other, and the other itself:
//!
//! ```sh
//! cargo run -p monitor-runtime --example two_nodes
//! ```
//!
//! Put them into two programs and nothing changes. On two hosts they need a secret, too:
//! `Config::secret`.
#![allow(clippy::print_stdout)]

use monitor_runtime::{EndKind, NodeSpec, NodesOptions, prelude::*};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    smol::block_on(async {
        let (a, b) = (start("a").await?, start("b").await?);

        // On b: a worker with a name. Its exit reason is the error that its task returns.
        let worker = b.spawn(|mut mailbox| async move {
            mailbox.recv().await; // the first page
            Err(ExitReason::other("out of paper"))
        })?;
        b.register("printer", &worker)?;

        // On a: the address of b. A name like b@10.0.0.8:7001 contains it; here the system has
        // chosen the port.
        let address = b.local_addr().ok_or("a node over TCP listens")?;
        a.connect(format!("b@127.0.0.1={address}").parse::<NodeSpec>()?)?;
        let printer: Name = "printer@b@127.0.0.1".parse()?;

        println!("1. The printer is monitored, and then it is given a page.");
        let monitor = a.monitor(&printer)?; // returns at once, whatever state b is in
        a.try_send(&printer, "a page")?;
        let down = monitor.await; // comes exactly once
        println!("   {down}");
        assert_eq!(down.reason.to_string(), "exit: out of paper");

        println!("2. It is monitored again. No process has the name now, and b reports that.");
        let down = a.monitor(&printer)?.await;
        println!("   {down}");
        assert_eq!(down.reason, DownReason::NoProc);

        println!("3. Node b is stopped, which watchers of nodes are notified of.");
        let mut watcher = a.process()?; // makes a process of this task, which receives events
        let up = watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true))?;
        println!("   {} is up", up[0].node.name);
        b.stop().await;
        let Some(Event::NodeDown(down)) = watcher.recv().await else { return Err("b is still up".into()) };
        println!("   {down}");
        assert_eq!(down.end.map(|end| end.kind), Some(EndKind::Left));

        println!(
            "4. The printer is monitored once more. Its node is unreachable, so it is not reported dead."
        );
        let down = a.monitor(&printer)?.await;
        println!("   {down}");
        assert!(matches!(down.reason, DownReason::NoConnection(_)));

        a.stop().await;
        Ok(())
    })
}

async fn start(label: &str) -> Result<Node, Box<dyn std::error::Error>> {
    let config = Config::new(format!("{label}@127.0.0.1")).listen("127.0.0.1:0".parse()?);
    Ok(Node::start(config).await?)
}
