//! One node of a cluster, driven by lines: a program to try things out with, and what the cluster
//! test is made of.
//!
//! It starts a node, reads requests from standard input, one JSON object a line, and prints answers
//! and everything that its processes receive to standard output, one JSON object a line. The crate
//! `node-protocol` describes every line. When its input ends, the program ends; without a `stop`
//! before, that is a crash.
//!
//! ```text
//! cargo xtask keygen cluster.key && export OBIT_SECRET=$(cat cluster.key)
//! cargo run -p test-node -- --name a@127.0.0.1:7001
//! cargo run -p test-node -- --name b@127.0.0.1:7002 --peer a@127.0.0.1:7001     (in another terminal)
//! ```
//!
//! Options: `--name NAME` (required), `--listen ADDRESS` (the name's address by default), `--peer
//! NAME[=ADDRESS]` (connect at start; may be given several times), `--hidden`, `--heartbeat
//! default|fast|wan|I/T` (interval and timeout in milliseconds), `--log LEVEL` (`off` to `trace`,
//! to standard error; nothing by default). The secret of the cluster comes in the environment,
//! because arguments are visible to every user of the machine.
//!
//! Where to look: `process.rs` is a process that watches and is watched, in Erlang's style;
//! `handles.rs` holds monitors as futures and as a stream.

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
use monitor_runtime::{Node, NodeName, Pid, RegName};
use node_protocol::{Answer, Command, Output, Request};

mod handles;
mod options;
mod output;
mod process;
mod text;

use handles::Handles;
use output::{Ticket, say};
use process::Order;

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

/// The lines of standard input, read on a thread of their own: reading blocks.
fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded();
    thread::spawn(move || {
        // What cannot be read, and what nobody takes any more, ends the input.
        let _ =
            io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.unbounded_send(line));
    });
    lines
}

struct Program {
    node: Node,
    handles: Handles,
    /// What to tell each process, by its pid as text.
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
            // What a process does itself, it also answers itself, in order with what it receives.
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
                self.order(
                    &process,
                    Order::Demonitor { monitors, how: text::demonitor(flush, info), ticket },
                );
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
                ticket.answer(Answer::Done);
            }
            other => ticket.answer_with(self.answer(other)),
        }
    }

    fn order(&self, process: &str, order: Order) {
        // An order that reaches nobody is dropped, and its ticket says so.
        if let Some(orders) = self.processes.get(process) {
            let _ = orders.unbounded_send(order);
        }
    }

    /// What the node itself does.
    fn answer(&mut self, command: Command) -> Result<Answer, Box<dyn Error>> {
        Ok(match command {
            Command::Spawn { count, thread } => {
                let pids: Result<_, _> = (0..count).map(|_| self.spawn(thread)).collect();
                Answer::Pids(pids?)
            }
            Command::Exit { processes, how } => {
                for process in processes {
                    self.order(&process, Order::Exit(how.clone()));
                    self.processes.remove(&process);
                }
                Answer::Done
            }
            Command::Kill { process } => Answer::Flags(vec![self.node.kill(&text::pid(&process)?)?]),
            Command::Unregister { name } => Answer::Flags(vec![self.node.unregister(&name.parse()?)?]),
            Command::Whereis { name } => {
                let holder = self.node.whereis(&name.parse::<RegName>()?);
                Answer::Pids(holder.iter().map(Pid::to_string).collect())
            }
            Command::Connect { node } => {
                self.node.connect(text::spec(&node)?)?;
                Answer::Done
            }
            Command::Disconnect { node } => {
                self.node.disconnect(&node.parse::<NodeName>()?)?;
                Answer::Done
            }
            Command::Nodes { of } => {
                Answer::Nodes(self.node.nodes(text::node_type(of)).iter().map(text::node_info).collect())
            }
            Command::Tables => Answer::Tables(text::tables(&self.node.stats())),
            Command::Inspect => Answer::Inspect(serde_json::to_value(self.node.inspect())?),
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
