//! Monitors without a process: futures, and members of one stream.

use std::{collections::HashMap, error::Error, future::pending};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
};
use monitor_runtime::{Demonitored, Monitor, MonitorOptions, Node, Target};
use node_protocol::CommandAnswer;

use crate::{
    output::{self, Ticket, say},
    text,
};

/// All monitors without a process.
pub(crate) struct Handles {
    node: Node,
    /// A sender for each handle that has not fired, by its monitor as text; it removes the monitor.
    futures: HashMap<String, oneshot::Sender<EndRequest>>,
    set: mpsc::UnboundedSender<SetOrder>,
}

/// Removes one monitor.
struct EndRequest {
    /// Whether to return if the monitor was active, instead of only dropping the handle.
    info: bool,
    was_active: oneshot::Sender<bool>,
}

enum SetOrder {
    Add { targets: Vec<Target>, options: MonitorOptions, ticket: Ticket },
    Remove { monitor: String, was_active: oneshot::Sender<bool> },
}

impl Handles {
    pub(crate) fn new(node: &Node) -> Self {
        let (set, orders) = mpsc::unbounded();
        smol::spawn(tend_set(node.clone(), orders)).detach();
        Handles { node: node.clone(), futures: HashMap::new(), set }
    }

    /// Monitors the targets. Answers with the monitors before any `Down` is printed.
    pub(crate) fn watch(&mut self, targets: &[String], options: MonitorOptions, set: bool, ticket: Ticket) {
        let targets = targets.iter().map(|target| text::target(target)).collect::<Result<Vec<_>, _>>();
        match targets {
            // The task of the stream answers, in order with the `Down`s of the stream.
            Ok(targets) if set => drop(self.set.unbounded_send(SetOrder::Add { targets, options, ticket })),
            Ok(targets) => match self.start(targets, options) {
                Ok(handles) => {
                    let texts = handles.iter().map(|handle| handle.reference().to_string()).collect();
                    ticket.answer(CommandAnswer::Monitors(texts));
                    handles.into_iter().for_each(|handle| self.tend(handle));
                }
                Err(error) => ticket.answer(CommandAnswer::Error(error.to_string())),
            },
            Err(error) => ticket.answer(CommandAnswer::Error(error.to_string())),
        }
    }

    fn start(&self, targets: Vec<Target>, options: MonitorOptions) -> Result<Vec<Monitor>, Box<dyn Error>> {
        targets.into_iter().map(|target| Ok(self.node.monitor_with(target, options)?)).collect()
    }

    fn tend(&mut self, monitor: Monitor) {
        let (end, ended) = oneshot::channel();
        // The tasks of handles that have fired have ended.
        self.futures.retain(|_, end| !end.is_canceled());
        self.futures.insert(monitor.reference().to_string(), end);
        smol::spawn(tend_future(monitor, ended)).detach();
    }

    /// Removes monitors, and answers when that is done.
    pub(crate) fn unwatch(&mut self, monitors: Vec<String>, info: bool, ticket: Ticket) {
        let mut flags = Vec::new();
        for monitor in monitors {
            let (was_active, flag) = oneshot::channel();
            // The task of a handle that has fired has ended: then the sender of the flag is
            // dropped, and the monitor was not active.
            match self.futures.remove(&monitor) {
                Some(end) => drop(end.send(EndRequest { info, was_active })),
                None => drop(self.set.unbounded_send(SetOrder::Remove { monitor, was_active })),
            }
            flags.push(async move { flag.await.unwrap_or(!info) });
        }
        let answer =
            async move { ticket.answer(CommandAnswer::Flags(futures::future::join_all(flags).await)) };
        smol::spawn(answer).detach();
    }
}

/// Awaits one monitor, unless it is removed first.
async fn tend_future(mut monitor: Monitor, ended: oneshot::Receiver<EndRequest>) {
    enum Next {
        End(EndRequest),
        Fired(monitor_runtime::Down),
    }
    let end = async {
        match ended.await {
            Ok(end) => Next::End(end),
            // The sender is gone only if the program is ending.
            Err(_) => pending().await,
        }
    };
    let next = smol::future::or(end, async { Next::Fired((&mut monitor).await) }).await;
    match next {
        Next::Fired(down) => say(&output::down("handle".to_owned(), &down)),
        Next::End(EndRequest { info, was_active }) => {
            let flag = match info {
                true => monitor.demonitor() == Demonitored::Active,
                false => {
                    drop(monitor);
                    true
                }
            };
            // This fails only if the receiver is gone.
            let _ = was_active.send(flag);
        }
    }
}

/// Runs the set: adds and removes monitors, and prints their `Down`s.
async fn tend_set(node: Node, mut orders: mpsc::UnboundedReceiver<SetOrder>) {
    enum Next {
        Order(Option<SetOrder>),
        Fired(Option<monitor_runtime::Down>),
    }
    let mut set = node.monitor_set();
    loop {
        let order = async { Next::Order(orders.next().await) };
        let fired = async {
            match set.is_empty() {
                true => pending().await,
                false => Next::Fired(set.next().await),
            }
        };
        match smol::future::or(order, fired).await {
            Next::Fired(down) => {
                down.iter().for_each(|down| say(&output::down("set".to_owned(), down)));
            }
            Next::Order(Some(SetOrder::Add { targets, options, ticket })) => {
                let added: Result<Vec<_>, _> =
                    targets.into_iter().map(|target| set.monitor_with(target, options)).collect();
                ticket.answer_with(
                    added.map(|added| {
                        CommandAnswer::Monitors(added.iter().map(ToString::to_string).collect())
                    }),
                );
            }
            Next::Order(Some(SetOrder::Remove { monitor, was_active })) => {
                let was = text::monitor(&monitor)
                    .is_ok_and(|monitor| set.demonitor(&monitor) == Demonitored::Active);
                // This fails only if the receiver is gone.
                let _ = was_active.send(was);
            }
            Next::Order(None) => return,
        }
    }
}
