//! Obit in an application on tokio: its tasks are processes, and tokio also runs the processes that
//! the node spawns.
//!
//! A task that holds a guard ([`Node::process`]) is a process for as long as it holds it. However
//! the task ends (it returns, panics, is aborted, or its runtime shuts down), the guard is dropped,
//! and its watchers are notified.
//!
//! The node itself runs on threads of its own, and its futures can be awaited in any runtime.
//! Tokio's timers and sockets work in a process of [`Node::spawn`] only if tokio runs that process,
//! by [`Config::tokio`] as here.
//!
//! ```text
//! cargo run -p monitor-runtime --features tokio --example tokio_app
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error, future::pending};

use monitor_runtime::prelude::*;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Tokio runs the processes of `spawn`. The node's own tasks, such as heartbeats, stay on its
    // own threads.
    let config = Config::new("app@127.0.0.1").listen("127.0.0.1:0".parse()?).tokio();
    let node = Node::start(config).await?;

    // A process of `spawn`, which uses a timer of tokio.
    let (_, monitor) = node.spawn_monitor(async |_process| {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        Ok(())
    })?;
    assert_eq!(end_of("a process of `spawn`", monitor).await, "exit: normal");

    // A task that returns.
    let process = node.process()?;
    let monitor = node.monitor(process.pid())?;
    tokio::spawn(async move { process.exit(ExitReason::Shutdown) });
    assert_eq!(end_of("a task that returns", monitor).await, "exit: shutdown");

    // A task that panics. A guard has no access to the text of the panic; a process of `spawn` has.
    let process = node.process()?;
    let monitor = node.monitor(process.pid())?;
    let task = tokio::spawn(async move {
        let _process = process;
        panic!("this panic is part of the example");
    });
    assert!(end_of("a task that panics", monitor).await.starts_with("exit: panicked"));
    assert!(task.await.is_err_and(|error| error.is_panic()));

    // Tasks whose process ends with the result of the task: an error, or an abort. A guard that a
    // task only holds would end as `normal` in both cases.
    let process = node.process()?;
    let monitor = node.monitor(process.pid())?;
    let task = tokio::spawn(process.run(async |_mailbox| Ok("seven".parse::<u8>()?)));
    assert_eq!(end_of("a task that fails", monitor).await, "exit: invalid digit found in string");
    assert!(task.await?.is_err());

    let process = node.process()?;
    let monitor = node.monitor(process.pid())?;
    let task = tokio::spawn(process.run(|_mailbox| pending::<Result<(), ExitReason>>()));
    tokio::task::yield_now().await;
    task.abort();
    assert_eq!(end_of("a task that is aborted", monitor).await, "exit: killed");

    // Work that depends on another task is dropped at its next await once that task has ended.
    let process = node.process()?;
    let work = node.monitor(process.pid())?.guard(pending::<()>());
    let work = tokio::spawn(work);
    tokio::task::yield_now().await;
    drop(process);
    let down = work.await?.expect_err("the work was dropped");
    assert_eq!(down.reason, DownReason::Exit(ExitReason::Normal));

    // Two tasks that talk through mailboxes, as they would on different nodes.
    let (mut client, mut server) = (node.process()?, node.process()?);
    let server_pid = server.pid().clone();
    let server = tokio::spawn(async move {
        while let Some(event) = server.recv().await {
            let Event::Message(Message { from: Some(from), body, .. }) = event else { continue };
            server.try_send(from, body.to_ascii_uppercase())?;
        }
        Ok::<_, monitor_runtime::TrySendError>(())
    });
    client.try_send(&server_pid, "hello")?;
    let Some(Event::Message(answer)) = client.recv().await else { return Err("no answer".into()) };
    assert_eq!(answer.body, "HELLO");
    println!("an answer: {}", String::from_utf8_lossy(&answer.body));

    // When the node stops, all mailboxes end, and so do the tasks that read them.
    node.stop().await;
    server.await??;
    Ok(())
}

/// Waits for a monitor, and prints and returns its reason.
async fn end_of(task: &str, monitor: Monitor) -> String {
    let reason = monitor.await.reason.to_string();
    println!("{task}: {reason}");
    reason
}
