//! One node of a cluster, controlled by lines: a program for experiments, and the node of the
//! cluster tests.
//!
//! It starts a node, reads requests from standard input, one JSON object per line, and prints
//! replies and the events of its processes to standard output, one JSON object per line. The crate
//! `node-protocol` describes every line. The program ends when its input ends; without an earlier
//! `stop` that is a crash of the node.
//!
//! ```text
//! cargo xtask keygen cluster.key && export OBIT_SECRET=$(cat cluster.key)
//! cargo run -p test-node -- --name a@127.0.0.1:7001
//! cargo run -p test-node -- --name b@127.0.0.1:7002 --peer a@127.0.0.1:7001     (in another terminal)
//! ```
//!
//! Options: `--name NAME` (required), `--listen ADDRESS` (by default that of the name), `--peer
//! NAME[=ADDRESS]` (connect at start; may be given several times), `--hidden`, `--heartbeat
//! default|fast|wan|I/T` (interval and timeout in milliseconds), `--log LEVEL` (`off` to `trace`,
//! to standard error; no log by default). The secret of the cluster is in the environment, because
//! every user of the machine can read the arguments.
//!
//! `process.rs` is a process that monitors and is monitored, in the style of Erlang; `handles.rs`
//! has monitors as futures and as a stream.

#![allow(clippy::print_stdout, reason = "standard output is what this program is for")]

use std::{
    collections::HashMap,
    env,
    error::Error,
    io::{self, BufRead},
    process::ExitCode,
    thread,
    time::Duration,
};

use futures::{StreamExt, channel::mpsc};
use monitor_runtime::{Node, Pid};
use node_protocol::{Command, CommandAnswer, Output, Request};

mod handles;
mod options;
mod output;
mod process;
mod text;

use handles::Handles;
use output::{Ticket, say};
use process::{EndMonitor, Order};

fn main() -> ExitCode {
    match smol::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let node = Node::start(options::config(env::args().skip(1))?).await?;
    say(&Output::Ready {
        name: node.name().to_string(),
        incarnation: node.id().incarnation.to_string(),
        listen: node.local_addr().map(|address| address.to_string()),
    });
    Program { handles: Handles::new(&node), node, processes: HashMap::new() }.run(lines()).await;
    Ok(())
}

/// The lines of standard input, read on a thread of their own, since the reads block.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded();
    thread::spawn(move || {
        // The input ends at the first error, and when the receiver is gone.
        let _ =
            io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.unbounded_send(line));
    });
    lines
}

struct Program {
    node: Node,
    handles: Handles,
    /// The commands of each process, by its pid as text.
    processes: HashMap<String, mpsc::UnboundedSender<Order>>,
}

impl Program {
    async fn run(mut self, mut lines: mpsc::UnboundedReceiver<String>) {
        while let Some(line) = lines.next().await {
            match serde_json::from_str(&line) {
                Ok(Request { id, command }) => self.obey(Ticket::new(id), command).await,
                Err(error) => eprintln!("not a request: {error}: {line}"),
            }
        }
    }

    async fn obey(&mut self, ticket: Ticket, command: Command) {
        match command {
            // A process answers the commands for itself, in order with the messages that it
            // receives.
            Command::Pause { process } => self.order(&process, Order::Pause(true, ticket)),
            Command::Block { process, milliseconds } => {
                self.order(&process, Order::Block(Duration::from_millis(milliseconds), ticket));
            }
            Command::Resume { process } => self.order(&process, Order::Pause(false, ticket)),
            Command::Register { process, name } => self.order(&process, Order::Register(name, ticket)),
            Command::Send { process, to, count } => self.order(&process, Order::Send { to, count, ticket }),
            Command::Monitor { process, targets, tag, never } => {
                self.order(&process, Order::Monitor { targets, options: text::options(tag, never), ticket });
            }
            Command::Demonitor { process, monitors, flush, info } => {
                self.order(&process, Order::Demonitor { monitors, how: EndMonitor { flush, info }, ticket });
            }
            Command::MonitorNode { process, node, never } => {
                self.order(&process, Order::MonitorNode(node, text::connect(never), ticket));
            }
            Command::DemonitorNode { process, node } => {
                self.order(&process, Order::DemonitorNode(node, ticket))
            }
            Command::MonitorNodes { process, of } => self.order(&process, Order::MonitorNodes(of, ticket)),
            Command::DemonitorNodes { process, of } => {
                self.order(&process, Order::DemonitorNodes(of, ticket))
            }
            Command::Watch { targets, tag, never, set } => {
                self.handles.watch(&targets, text::options(tag, never), set, ticket);
            }
            Command::Unwatch { monitors, info } => self.handles.unwatch(monitors, info, ticket),
            Command::Stop => {
                self.node.stop().await;
                ticket.answer(CommandAnswer::Done);
            }
            other => ticket.answer_with(self.answer(other)),
        }
    }

    fn order(&self, process: &str, order: Order) {
        // The command is dropped if the process is gone, and its ticket then answers with an error.
        if let Some(orders) = self.processes.get(process) {
            let _ = orders.unbounded_send(order);
        }
    }

    /// Carries out a command for the node itself.
    fn answer(&mut self, command: Command) -> Result<CommandAnswer, Box<dyn Error>> {
        Ok(match command {
            Command::Spawn { count, thread } => {
                let pids: Result<_, _> = (0..count).map(|_| self.spawn(thread)).collect();
                CommandAnswer::Pids(pids?)
            }
            Command::Exit { processes, how } => {
                for process in processes {
                    self.order(&process, Order::Exit(how.clone()));
                    self.processes.remove(&process);
                }
                CommandAnswer::Done
            }
            Command::Kill { process } => CommandAnswer::Flags(vec![self.node.kill(&text::pid(&process)?)?]),
            Command::Unregister { name } => CommandAnswer::Flags(vec![self.node.unregister(name)?]),
            Command::Whereis { name } => {
                let holder = self.node.whereis(name);
                CommandAnswer::Pids(holder.iter().map(Pid::to_string).collect())
            }
            Command::Connect { node } => {
                self.node.connect(text::spec(&node)?)?;
                CommandAnswer::Done
            }
            Command::Disconnect { node } => {
                self.node.disconnect(node)?;
                CommandAnswer::Done
            }
            Command::Nodes { of } => CommandAnswer::Nodes(
                self.node.nodes(text::node_type(of)).iter().map(text::node_info).collect(),
            ),
            Command::Tables => CommandAnswer::Tables(text::tables(&self.node.stats())),
            Command::Inspect => CommandAnswer::Inspect(serde_json::to_value(self.node.inspect())?),
            other => Err(format!("{other:?} is for a process or a handle"))?,
        })
    }

    fn spawn(&mut self, on_a_thread: bool) -> Result<String, Box<dyn Error>> {
        let (sender, orders) = mpsc::unbounded();
        let pid = if on_a_thread {
            process::start_thread(&self.node, orders)?
        } else {
            self.node.spawn(|mailbox| process::task(mailbox, orders))?
        };
        self.processes.insert(pid.to_string(), sender);
        Ok(pid.to_string())
    }
}
