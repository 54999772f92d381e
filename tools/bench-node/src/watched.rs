//! The watched node: one process, registered as [`CONTROL`], carries out the requests in messages
//! and answers each.

use std::{thread, time::Duration};

use monitor_runtime::{Event, Node, Pid, Process};
use smol::future::block_on;

use crate::Result;

/// The registered name of that process.
pub(crate) const CONTROL: &str = "control";

/// The watched processes, until a message makes them exit.
#[derive(Default)]
struct Targets {
    tasks: Vec<Pid>,
    guards: Vec<Process>,
}

/// Starts the process on a thread of its own, as a program with many guards usually does.
pub(crate) fn start(node: &Node) -> Result {
    let mut control = node.process()?;
    control.register(CONTROL)?;
    let node = node.clone();
    thread::spawn(move || {
        let mut targets = Targets::default();
        while let Some(event) = block_on(control.recv()) {
            let Event::Message(message) = event else { continue };
            // These messages are only counted: the answer to the round trip after them shows that
            // they have arrived.
            if message.body.starts_with(b".") {
                continue;
            }
            let Some(from) = message.from else { continue };
            let answer = targets.obey(&node, &control, &String::from_utf8_lossy(&message.body));
            // Without an answer, the other side times out and reports an error.
            match answer {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    control.try_send(from, answer).unwrap_or_else(|error| eprintln!("error: {error}"))
                }
                Err(error) => eprintln!("error: {}: {error}", String::from_utf8_lossy(&message.body)),
            }
        }
    });
    Ok(())
}

impl Targets {
    fn obey(&mut self, node: &Node, control: &Process, request: &str) -> Result<Option<Vec<u8>>> {
        let words: Vec<_> = request.split(' ').collect();
        match words.as_slice() {
            ["ping"] => Ok(Some(Vec::new())),
            ["block"] => {
                block_a_thread(node)?;
                Ok(Some(Vec::new()))
            }
            // Typical processes: tasks that receive, and exit at the first message.
            ["tasks", count] => {
                let task = || {
                    node.spawn(|mut mailbox| async move {
                        mailbox.recv().await;
                        Ok(())
                    })
                };
                self.tasks =
                    (0..count.parse::<usize>()?).map(|_| task()).collect::<std::result::Result<_, _>>()?;
                Ok(Some(self.tasks.iter().flat_map(serial).collect()))
            }
            // Processes as in programs with their own actors: guards, which exit on drop.
            ["guards", count] => {
                let guards = (0..count.parse::<usize>()?).map(|_| node.process());
                self.guards = guards.collect::<std::result::Result<_, _>>()?;
                Ok(Some(self.guards.iter().map(|guard| guard.pid()).flat_map(serial).collect()))
            }
            // Their `Down`s are the answer.
            ["die"] => {
                for task in self.tasks.drain(..) {
                    control.try_send(task, Vec::new())?;
                }
                self.guards.clear();
                Ok(None)
            }
            _ => Err("no such request")?,
        }
    }
}

/// Starts a process that blocks its thread for a second.
pub(crate) fn block_a_thread(node: &Node) -> Result {
    node.spawn(|_| async {
        thread::sleep(Duration::from_secs(1));
        Ok(())
    })?;
    Ok(())
}

/// The bytes of a pid in a message, without the node, which is that of the sender.
fn serial(pid: &Pid) -> [u8; 8] {
    pid.serial().to_u64().to_le_bytes()
}
