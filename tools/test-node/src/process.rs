//! A process of this program: it carries out commands, and prints the messages that it receives.

use std::{collections::HashMap, error::Error, future::pending, thread, time::Duration};

use futures::{StreamExt, channel::mpsc};
use monitor_runtime::{
    Connect, Demonitored, Event, ExitReason, MonitorOptions, Node, NodeDownSource, NotAlive, Pid, Process,
    Target,
};
use node_protocol::{CommandAnswer, Exit, Output, Subscription};

use crate::{
    output::{self, Ticket, say},
    text,
};

/// How to end a monitor: whether its `Down` is removed from the mailbox, and whether the answer
/// tells if it was active. Without `info` the answer is true, as in Erlang.
pub(crate) struct EndMonitor {
    pub(crate) flush: bool,
    pub(crate) info: bool,
}

/// A command for a process.
pub(crate) enum Order {
    Exit(Exit),
    /// Stops receiving, or receives again.
    Pause(bool, Ticket),
    /// Blocks the thread of the process.
    Block(Duration, Ticket),
    Register(String, Ticket),
    Send {
        to: String,
        count: usize,
        ticket: Ticket,
    },
    Monitor {
        targets: Vec<String>,
        options: MonitorOptions,
        ticket: Ticket,
    },
    Demonitor {
        monitors: Vec<String>,
        how: EndMonitor,
        ticket: Ticket,
    },
    MonitorNode(String, Connect, Ticket),
    DemonitorNode(String, Ticket),
    MonitorNodes(Subscription, Ticket),
    DemonitorNodes(Subscription, Ticket),
}

/// Runs the process as a task of the node.
pub(crate) async fn task(
    mut mailbox: Process,
    orders: mpsc::UnboundedReceiver<Order>,
) -> Result<(), ExitReason> {
    match live(&mut mailbox, orders).await {
        ExitReason::Normal => Ok(()),
        reason => Err(reason),
    }
}

/// Runs the process as a thread that holds a guard, as a task of another runtime or an actor would.
pub(crate) fn start_thread(node: &Node, orders: mpsc::UnboundedReceiver<Order>) -> Result<Pid, NotAlive> {
    let mut process = node.process()?;
    let pid = process.pid().clone();
    thread::spawn(move || {
        // A panic unwinds through the guard, which reports it as the exit reason.
        let reason = smol::block_on(live(&mut process, orders));
        process.exit(reason);
    });
    Ok(pid)
}

/// Runs until a command ends the process, or its mailbox is closed. Returns the exit reason.
/// Commands come before messages.
async fn live(mailbox: &mut Process, mut orders: mpsc::UnboundedReceiver<Order>) -> ExitReason {
    enum Next {
        Order(Option<Order>),
        Event(Option<Event>),
    }
    let mut paused = false;
    let mut sent = HashMap::new();
    loop {
        let order = async { Next::Order(orders.next().await) };
        let event = async {
            match paused {
                true => pending().await,
                false => Next::Event(mailbox.recv().await),
            }
        };
        match smol::future::or(order, event).await {
            Next::Event(Some(event)) => say_event(mailbox.pid(), event),
            Next::Event(None) => {
                say(&Output::Closed { process: mailbox.pid().to_string() });
                return ExitReason::Normal;
            }
            Next::Order(None) => return ExitReason::Normal,
            Next::Order(Some(Order::Exit(how))) => {
                say(&Output::Exiting { process: mailbox.pid().to_string(), reason: how.clone() });
                if let Exit::Panicked(text) = how {
                    // A real panic, to test that it is reported. The reason could also be passed as
                    // a value.
                    panic!("{text}");
                }
                return text::exit_reason(&how);
            }
            Next::Order(Some(Order::Pause(pause, ticket))) => {
                paused = pause;
                ticket.answer(CommandAnswer::Done);
            }
            Next::Order(Some(Order::Block(time, ticket))) => {
                ticket.answer(CommandAnswer::Done);
                thread::sleep(time);
            }
            Next::Order(Some(Order::Send { to, count, ticket })) => {
                ticket.answer_with(send(mailbox, &mut sent, to, count).await);
            }
            Next::Order(Some(order)) => obey(mailbox, order),
        }
    }
}

/// Sends numbered messages, and waits whenever the queue is full.
async fn send(
    mailbox: &Process,
    sent: &mut HashMap<String, u64>,
    to: String,
    count: usize,
) -> Result<CommandAnswer, Box<dyn Error>> {
    let target = text::target(&to)?;
    let last = sent.entry(to).or_default();
    for _ in 0..count {
        mailbox.send(target.clone(), (*last + 1).to_string()).await?;
        *last += 1;
    }
    Ok(CommandAnswer::Sent(*last))
}

/// Carries out a command that does not wait, in the style of Erlang: all notices arrive in the
/// mailbox.
fn obey(mailbox: &Process, order: Order) {
    match order {
        Order::Register(name, ticket) => ticket.answer_with(register(mailbox, &name)),
        Order::Monitor { targets, options, ticket } => {
            ticket.answer_with(monitor(mailbox, &targets, options))
        }
        Order::Demonitor { monitors, how, ticket } => ticket.answer_with(demonitor(mailbox, &monitors, how)),
        Order::MonitorNode(node, connect, ticket) => {
            ticket.answer_with(monitor_node(mailbox, &node, connect))
        }
        Order::DemonitorNode(node, ticket) => ticket.answer_with(demonitor_node(mailbox, &node)),
        Order::MonitorNodes(of, ticket) => {
            let up = mailbox.monitor_nodes(text::nodes_options(of));
            ticket.answer_with(
                up.map(|nodes| CommandAnswer::Nodes(nodes.iter().map(text::node_info).collect())),
            );
        }
        Order::DemonitorNodes(of, ticket) => {
            ticket
                .answer_with(mailbox.demonitor_nodes(text::nodes_options(of)).map(|()| CommandAnswer::Done));
        }
        Order::Exit(_) | Order::Pause(..) | Order::Block(..) | Order::Send { .. } => {
            unreachable!("the loop itself does these")
        }
    }
}

fn register(mailbox: &Process, name: &str) -> Result<CommandAnswer, Box<dyn Error>> {
    mailbox.register(name)?;
    Ok(CommandAnswer::Done)
}

fn monitor(
    mailbox: &Process,
    targets: &[String],
    options: MonitorOptions,
) -> Result<CommandAnswer, Box<dyn Error>> {
    let targets: Vec<Target> = targets.iter().map(|target| text::target(target)).collect::<Result<_, _>>()?;
    let monitors: Result<_, _> =
        targets.into_iter().map(|target| Ok(mailbox.monitor_with(target, options)?.to_string())).collect();
    monitors.map(CommandAnswer::Monitors)
}

fn demonitor(
    mailbox: &Process,
    monitors: &[String],
    how: EndMonitor,
) -> Result<CommandAnswer, Box<dyn Error>> {
    let end = |monitor: &String| {
        let monitor = text::monitor(monitor)?;
        let found = if how.flush { mailbox.demonitor_flush(&monitor) } else { mailbox.demonitor(&monitor) };
        Ok(found? == Demonitored::Active || !how.info)
    };
    monitors.iter().map(end).collect::<Result<_, _>>().map(CommandAnswer::Flags)
}

fn monitor_node(mailbox: &Process, node: &str, connect: Connect) -> Result<CommandAnswer, Box<dyn Error>> {
    mailbox.monitor_node_with(text::spec(node)?, connect)?;
    Ok(CommandAnswer::Done)
}

fn demonitor_node(mailbox: &Process, node: &str) -> Result<CommandAnswer, Box<dyn Error>> {
    mailbox.demonitor_node(node)?;
    Ok(CommandAnswer::Done)
}

fn say_event(me: &Pid, event: Event) {
    let to = me.to_string();
    say(&match event {
        Event::Message(message) => Output::Message {
            to,
            from: message.from.map(|pid| pid.to_string()),
            body: String::from_utf8_lossy(&message.body).into_owned(),
        },
        Event::Down(down) => output::down(to, &down),
        Event::NodeUp(up) => Output::NodeUp {
            to,
            node: text::node_info_of(&up.node, up.session, up.hidden),
            of: text::subscription(up.options),
        },
        Event::NodeDown(down) => Output::NodeDown {
            to,
            name: down.name.to_string(),
            session: down.session.map(|session| session.0),
            end: down.end.map(text::end),
            of: match down.source {
                NodeDownSource::MonitorNodes(options) => Some(text::subscription(options)),
                NodeDownSource::MonitorNode => None,
                other => unreachable!("a source that this program does not know: {other:?}"),
            },
            missed: down.missed,
        },
        Event::Missed(count) => Output::Missed { to, count },
        other => unreachable!("an event that this program does not know: {other:?}"),
    });
}
