//! The lines that the program `test-node` reads on standard input and writes on standard output,
//! one JSON object a line.
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
//! Every request is answered once, under its own number. What concerns one process is printed by
//! that process, so its answers and its events stand in the order in which they happened to it.
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
    /// Comes back in the reply. The caller sees to it that it is unique.
    pub id: u64,
    /// What is asked.
    #[serde(rename = "do")]
    pub command: Command,
}

/// What can be asked of the program. `process` is always a process of this program.
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
    /// Tells processes to end, of this. Answer: `done`, before they do; each then prints `exiting`.
    Exit { processes: Vec<String>, how: Exit },
    /// Kills a process. Answer: `flags`, whether it was alive.
    Kill { process: String },
    /// The process takes nothing out of its mailbox until `resume`; it still does what it is asked.
    /// Answer: `done`.
    Pause { process: String },
    /// The process blocks its thread for that long. Answer: `done`, before it does.
    Block { process: String, milliseconds: u64 },
    /// The process takes from its mailbox again. Answer: `done`.
    Resume { process: String },
    /// Gives the process a name. Answer: `done`.
    Register { process: String, name: String },
    /// Takes a name away. Answer: `flags`, whether anybody held it.
    Unregister { name: String },
    /// Who holds a name. Answer: `pids`, one or none.
    Whereis { name: String },
    /// The process sends messages to a pid or a name. Each body is a number, counted up from 1 for
    /// each pair of sender and receiver. Answer: `sent`, the last number.
    Send {
        process: String,
        to: String,
        #[serde(default = "one")]
        count: usize,
    },
    /// The process monitors these; every Down comes to its mailbox. Answer: `monitors`, in the
    /// order of the targets.
    Monitor {
        process: String,
        targets: Vec<String>,
        #[serde(default)]
        tag: u64,
        /// Do not connect: a target on a node that is not connected gives a Down at once.
        #[serde(default)]
        never: bool,
    },
    /// The process ends monitors. Answer: `flags`, in the order of the monitors.
    Demonitor {
        process: String,
        monitors: Vec<String>,
        #[serde(default)]
        flush: bool,
        #[serde(default)]
        info: bool,
    },
    /// The process wants to know of the next end of the session with this node. Answer: `done`.
    MonitorNode {
        process: String,
        node: String,
        #[serde(default)]
        never: bool,
    },
    /// Takes that back. Answer: `done`.
    DemonitorNode { process: String, node: String },
    /// The process subscribes to nodes going up and down. Answer: `nodes`, those that are up now.
    MonitorNodes {
        process: String,
        #[serde(default)]
        of: Subscription,
    },
    /// Takes that back. Answer: `done`.
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
    /// Ends such monitors: drops the handles, or asks each whether it was still active (`info`).
    /// Members of the set are always asked. Answer: `flags`; a dropped handle tells nothing, so its
    /// flag is always true.
    Unwatch {
        monitors: Vec<String>,
        #[serde(default)]
        info: bool,
    },
    /// Asks for a session with a node: its name, or `name=host:port`. Answer: `done`, before there
    /// is one.
    Connect { node: String },
    /// Ends the session with a node. Answer: `done`.
    Disconnect { node: String },
    /// The nodes that are up. Answer: `nodes`.
    Nodes {
        #[serde(default)]
        of: NodeKind,
    },
    /// What the tables of the node hold now. Answer: `tables`.
    Tables,
    /// Everything the node tells about itself, for people to read. Answer: `inspect`.
    Inspect,
    /// Leaves the cluster in good order. Answer: `done`, when it is over; the program goes on until
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
    /// The node is up: always the first line. `listen` is the address on which it can be reached.
    Ready { name: String, incarnation: String, listen: Option<String> },
    /// The answer to a request.
    Reply { id: u64, answer: Answer },
    /// A process is about to end, of this. Not printed by one that is killed.
    Exiting { process: String, reason: Exit },
    /// The mailbox of a process was closed: it was killed, or the node was stopped.
    Closed { process: String },
    /// A message.
    Message { to: String, from: Option<String>, body: String },
    /// A monitor has fired.
    Down {
        /// The process that has made it; `handle` or `set` if none has.
        to: String,
        monitor: String,
        target: String,
        reason: Reason,
        tag: u64,
    },
    /// A node went up.
    NodeUp { to: String, node: NodeInfo, of: Subscription },
    /// A node went down, or could not be connected.
    NodeDown {
        to: String,
        name: String,
        /// Which session ended; none if there was none.
        session: Option<u64>,
        /// How it ended, if that was asked for.
        end: Option<End>,
        /// The subscription; none for a `monitor_node`.
        of: Option<Subscription>,
        /// Whether an earlier down and the up after it were left out.
        missed: bool,
    },
    /// Messages to this process were dropped, this many.
    Missed { to: String, count: u64 },
}

/// The answer to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done,
    Pids(Vec<String>),
    Monitors(Vec<String>),
    Flags(Vec<bool>),
    Sent(u64),
    Nodes(Vec<NodeInfo>),
    Tables(Tables),
    Inspect(serde_json::Value),
    /// It could not be done, and why.
    Error(String),
}

/// Of what a process ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    Normal,
    Shutdown,
    Killed,
    Panicked(String),
    Other(String),
}

/// What a monitor learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Exit(Exit),
    NoProc,
    NoConnection(End),
}

/// How a session ended, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The name of the kind: `Closed`, `Timeout`, `Refused` and so on.
    pub kind: String,
    /// For how long nothing had been heard, in milliseconds, if that is why.
    pub silent_ms: Option<u64>,
}

/// Which nodes a process wants to hear of, and whether it wants to know why they go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscription {
    #[serde(default)]
    pub nodes: NodeKind,
    #[serde(default)]
    pub reasons: bool,
}

/// Which nodes.
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

/// What the tables of a node hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Monitors of its own watchers that have not fired.
    pub active: u64,
    /// Monitors of its own watchers that have fired and whose Down was not received yet.
    pub fired: u64,
    /// Monitors that other nodes hold on its processes.
    pub incoming: u64,
    /// Armed `monitor_node`s.
    pub node_monitors: u64,
    /// Subscriptions to node events.
    pub subscriptions: u64,
    /// Sessions that are up.
    pub sessions: u64,
    /// Calls that wait for a session.
    pub waiting: u64,
    /// Unfinished pieces of work.
    pub backlog: u64,
    /// What was refused, dropped or retried, by name.
    pub counters: BTreeMap<String, u64>,
}
