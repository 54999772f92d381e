//! Monitors that belong to no process: each a future, or all in one stream.

use std::{collections::HashMap, error::Error, future::pending};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
};
use monitor_runtime::{Monitor, MonitorOptions, Node, Target};
use node_protocol::Answer;

use crate::{
    output::{self, Ticket, say},
    text,
};

/// All of them.
pub(crate) struct Handles {
    node: Node,
    /// How to end each handle that has not fired, by its monitor as text.
    futures: HashMap<String, oneshot::Sender<End>>,
    set: mpsc::UnboundedSender<SetOrder>,
}

/// To end one handle.
struct End {
    /// Ask whether the monitor was active, instead of just dropping it.
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

    /// Monitors the targets, and answers with the monitors before any of them can be said to have
    /// fired.
    pub(crate) fn watch(&mut self, targets: &[String], options: MonitorOptions, set: bool, ticket: Ticket) {
        let targets = targets.iter().map(|target| text::target(target)).collect::<Result<Vec<_>, _>>();
        match targets {
            // The stream answers itself, in order with what comes out of it.
            Ok(targets) if set => drop(self.set.unbounded_send(SetOrder::Add { targets, options, ticket })),
            Ok(targets) => match self.start(targets, options) {
                Ok(handles) => {
                    let texts = handles.iter().map(|handle| handle.reference().to_string()).collect();
                    ticket.answer(Answer::Monitors(texts));
                    handles.into_iter().for_each(|handle| self.tend(handle));
                }
                Err(error) => ticket.answer(Answer::Error(error.to_string())),
            },
            Err(error) => ticket.answer(Answer::Error(error.to_string())),
        }
    }

    fn start(&self, targets: Vec<Target>, options: MonitorOptions) -> Result<Vec<Monitor>, Box<dyn Error>> {
        targets.into_iter().map(|target| Ok(self.node.monitor_with(target, options)?)).collect()
    }

    fn tend(&mut self, monitor: Monitor) {
        let (end, ended) = oneshot::channel();
        // Handles that have fired need no ending: their tasks are gone.
        self.futures.retain(|_, end| !end.is_canceled());
        self.futures.insert(monitor.reference().to_string(), end);
        smol::spawn(tend_future(monitor, ended)).detach();
    }

    /// Ends monitors, and answers when that is done.
    pub(crate) fn unwatch(&mut self, monitors: Vec<String>, info: bool, ticket: Ticket) {
        let mut flags = Vec::new();
        for monitor in monitors {
            let (was_active, flag) = oneshot::channel();
            // Who has fired already does not listen any more; then the flag's sender is dropped: it
            // was not active.
            match self.futures.remove(&monitor) {
                Some(end) => drop(end.send(End { info, was_active })),
                None => drop(self.set.unbounded_send(SetOrder::Remove { monitor, was_active })),
            }
            flags.push(async move { flag.await.unwrap_or(!info) });
        }
        let answer = async move { ticket.answer(Answer::Flags(futures::future::join_all(flags).await)) };
        smol::spawn(answer).detach();
    }
}

/// Awaits one monitor, unless it is ended first.
async fn tend_future(mut monitor: Monitor, ended: oneshot::Receiver<End>) {
    enum Next {
        End(End),
        Fired(monitor_runtime::Down),
    }
    let end = async {
        match ended.await {
            Ok(end) => Next::End(end),
            // Nobody can end it any more: the program is ending.
            Err(_) => pending().await,
        }
    };
    let next = smol::future::or(end, async { Next::Fired((&mut monitor).await) }).await;
    match next {
        Next::Fired(down) => say(&output::down("handle".to_owned(), &down)),
        Next::End(End { info, was_active }) => {
            let flag = match info {
                true => monitor.demonitor(),
                false => {
                    drop(monitor);
                    true
                }
            };
            // Nobody may wait for the answer any more.
            let _ = was_active.send(flag);
        }
    }
}

/// Tends the set: adds, removes, and says what comes out.
async fn tend_set(node: Node, mut orders: mpsc::UnboundedReceiver<SetOrder>) {
    enum Next {
        Order(Option<SetOrder>),
        Fired(Option<monitor_runtime::Down>),
    }
    let Ok(mut set) = node.monitor_set() else { return };
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
                    targets.into_iter().map(|target| set.add_with(target, options)).collect();
                ticket.answer_with(
                    added.map(|added| Answer::Monitors(added.iter().map(ToString::to_string).collect())),
                );
            }
            Next::Order(Some(SetOrder::Remove { monitor, was_active })) => {
                let was = text::monitor(&monitor).is_ok_and(|monitor| set.remove(&monitor));
                // Nobody may wait for the answer any more.
                let _ = was_active.send(was);
            }
            Next::Order(None) => return,
        }
    }
}
