//! The lines that the program `test-node` reads from standard input and writes to standard output,
//! one JSON object per line.
//!
//! The program and the cluster test that drives it share these types, and no other code.
//!
//! ```text
//! > {"id":1,"do":{"spawn":{}}}
//! < {"event":"reply","id":1,"answer":{"pids":["partisan:pid:…"]}}
//! > {"id":2,"do":{"monitor":{"process":"partisan:pid:…","targets":["job@b@127.0.0.1:7002"]}}}
//! < {"event":"reply","id":2,"answer":{"monitors":["partisan:ref:…"]}}
//! < {"event":"down","to":"partisan:pid:…","monitor":"partisan:ref:…","target":"job@b@127.0.0.1:7002",…}
//! ```
//!
//! Every request gets one reply, with the same id. Each process prints the replies and the events
//! that concern it, in the order in which they happen to it.
//!
//! Processes, monitors and targets are written as text: pids and monitor references as URIs, a
//! registered name as `name@node`.

#![allow(missing_docs, reason = "most fields say by their names what they are")]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line of input.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Returned in the reply. The caller chooses a unique id.
    pub id: u64,
    /// The command.
    #[serde(rename = "do")]
    pub command: Command,
}

/// A command of the program. `process` is always a process of this program.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Starts processes: tasks of the node, or with `thread` each on a thread of its own. Answer:
    /// `pids`.
    Spawn {
        #[serde(default = "one")]
        count: usize,
        #[serde(default)]
        thread: bool,
    },
    /// Makes processes exit with this reason. Answer: `done`, before they exit; each then prints
    /// `exiting`.
    Exit { processes: Vec<String>, how: Exit },
    /// Kills a process. Answer: `flags`, whether it was alive.
    Kill { process: String },
    /// The process receives no messages until `resume`; it still carries out commands. Answer:
    /// `done`.
    Pause { process: String },
    /// The process blocks its thread for that time. Answer: `done`, before it blocks.
    Block { process: String, milliseconds: u64 },
    /// The process receives again. Answer: `done`.
    Resume { process: String },
    /// Registers the process under a name. Answer: `done`.
    Register { process: String, name: String },
    /// Unregisters a name. Answer: `flags`, whether a process had it.
    Unregister { name: String },
    /// Looks up a name. Answer: `pids`, one or none.
    Whereis { name: String },
    /// The process sends messages to a pid or a name. Each body is a number, counted up from 1 for
    /// each pair of sender and receiver. Answer: `sent`, the last number.
    Send {
        process: String,
        to: String,
        #[serde(default = "one")]
        count: usize,
    },
    /// The process monitors these targets; every `Down` arrives in its mailbox. Answer: `monitors`,
    /// in the order of the targets.
    Monitor {
        process: String,
        targets: Vec<String>,
        #[serde(default)]
        tag: u64,
        /// Does not connect: a target on a node that is not connected gives a `Down` at once.
        #[serde(default)]
        never: bool,
    },
    /// The process removes monitors. Answer: `flags`, in the order of the monitors.
    Demonitor {
        process: String,
        monitors: Vec<String>,
        #[serde(default)]
        flush: bool,
        #[serde(default)]
        info: bool,
    },
    /// The process monitors this node: it receives the next end of a session with it. Answer:
    /// `done`.
    MonitorNode {
        process: String,
        node: String,
        #[serde(default)]
        never: bool,
    },
    /// Removes one `monitor_node`. Answer: `done`.
    DemonitorNode { process: String, node: String },
    /// The process subscribes to node-up and node-down notices. Answer: `nodes`, those that are up
    /// now.
    MonitorNodes {
        process: String,
        #[serde(default)]
        of: Subscription,
    },
    /// Removes the subscription. Answer: `done`.
    DemonitorNodes {
        process: String,
        #[serde(default)]
        of: Subscription,
    },
    /// Monitors through handles that belong to no process: futures, or members of one set. Answer:
    /// `monitors`.
    Watch {
        targets: Vec<String>,
        #[serde(default)]
        tag: u64,
        #[serde(default)]
        never: bool,
        #[serde(default)]
        set: bool,
    },
    /// Removes such monitors: drops the handles, or with `info` returns whether each was still
    /// active. Members of the set always return it. Answer: `flags`; the flag of a dropped handle
    /// is always true.
    Unwatch {
        monitors: Vec<String>,
        #[serde(default)]
        info: bool,
    },
    /// Requests a session with a node: its name, or `name=host:port`. Answer: `done`, before there
    /// is a session.
    Connect { node: String },
    /// Ends the session with a node. Answer: `done`.
    Disconnect { node: String },
    /// The nodes that are up. Answer: `nodes`.
    Nodes {
        #[serde(default)]
        of: NodeKind,
    },
    /// The sizes of the tables of the node. Answer: `tables`.
    Tables,
    /// All information of the node about itself, as text for people. Answer: `inspect`.
    Inspect,
    /// Stops the node in good order. Answer: `done`, when it has stopped. The program runs until
    /// its input ends.
    Stop,
}

fn one() -> usize {
    1
}

/// One line of output.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Output {
    /// The node is up: always the first line. `listen` is its address.
    Ready { name: String, incarnation: String, listen: Option<String> },
    /// The answer to a request.
    Reply { id: u64, answer: CommandAnswer },
    /// A process is about to exit with this reason. Not printed by a process that is killed.
    Exiting { process: String, reason: Exit },
    /// The mailbox of a process was closed: it was killed, or the node was stopped.
    Closed { process: String },
    /// A message.
    Message { to: String, from: Option<String>, body: String },
    /// A monitor has fired.
    Down {
        /// The process that made the monitor; `handle` or `set` if no process did.
        to: String,
        monitor: String,
        target: String,
        reason: Reason,
        tag: u64,
    },
    /// A node went up.
    NodeUp { to: String, node: NodeInfo, of: Subscription },
    /// A node went down, or a connection to it failed.
    NodeDown {
        to: String,
        name: String,
        /// The session that ended; `None` if there was none.
        session: Option<u64>,
        /// The end of the session, if the subscription asked for it.
        end: Option<End>,
        /// The subscription; `None` for a `monitor_node`.
        of: Option<Subscription>,
        /// Whether an earlier node-down and the node-up after it were left out.
        missed: bool,
    },
    /// This number of messages to this process was dropped.
    Missed { to: String, count: u64 },
}

/// The answer to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandAnswer {
    Done,
    Pids(Vec<String>),
    Monitors(Vec<String>),
    Flags(Vec<bool>),
    Sent(u64),
    Nodes(Vec<NodeInfo>),
    Tables(Tables),
    Inspect(serde_json::Value),
    /// The command failed, with this error.
    Error(String),
}

/// The reason of an exit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Normal,
    Shutdown,
    Killed,
    Panicked(String),
    Other(String),
}

/// The reason of a `Down`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Exit(Exit),
    NoProc,
    NoConnection(End),
}

/// The end of a session, or of a failed dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The name of the kind: `Closed`, `Timeout`, `Refused` and so on.
    pub kind: String,
    /// For a timeout: the time without a message from the peer, in milliseconds.
    pub silent_ms: Option<u64>,
}

/// The options of a subscription: which nodes, and whether node-down notices have reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscription {
    #[serde(default)]
    pub nodes: NodeKind,
    #[serde(default)]
    pub reasons: bool,
}

/// The nodes of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    #[default]
    All,
    Visible,
    Hidden,
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    pub name: String,
    pub incarnation: String,
    pub session: u64,
    pub hidden: bool,
}

/// The sizes of the tables of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Monitors of local watchers that have not fired.
    pub active: u64,
    /// Monitors of local watchers that have fired and whose `Down` was not received yet.
    pub fired: u64,
    /// Monitors that other nodes hold on local processes.
    pub incoming: u64,
    /// Armed `monitor_node`s.
    pub node_monitors: u64,
    /// Subscriptions to node events.
    pub subscriptions: u64,
    /// Sessions that are up.
    pub sessions: u64,
    /// Calls that wait for a session.
    pub waiting: u64,
    /// Remaining steps of the backlog.
    pub backlog: u64,
    /// Refused, dropped and retried operations, by name.
    pub counters: BTreeMap<String, u64>,
}
