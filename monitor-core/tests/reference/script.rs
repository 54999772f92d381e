//! The inputs of a core, as a script. Every line is complete by itself, so that a script from which
//! lines are removed still has a meaning.

use std::fmt;

use monitor_core::{
    DownReason, ExitReason, LocalPid, NodeType, NodesOptions,
    refs::{EndKind, Incarnation, NodeId, NodeName, RegName, Serial},
};

/// The local node is `a`, in this incarnation.
pub(crate) const OWN_INCARNATION: u64 = 9;

/// A local process. After its exit it can start again: in the same slot, as another process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Actor(pub(crate) u32);

/// A node, by the letter of its label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node(pub(crate) char);

/// The script's name for a monitor of the local processes: the last one that was made under that
/// name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mon(pub(crate) u32);

/// The script's name for a session: the last one that was announced under that name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sess(pub(crate) u64);

/// The script's name for a registered name, here or on another node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(pub(crate) &'static str);

/// The target of a monitor.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A local process in its present or last generation.
    Own(Actor),
    /// The number of a local process, in another incarnation of the node.
    OfAnotherIncarnation(Actor),
    /// A process with that number, in that incarnation of a node.
    Pid(Node, u64, u32),
    /// The process that holds the name there.
    Name(Node, Label),
}

/// A signal from a peer. Its numbers for its own monitors are small, so that they meet.
#[derive(Clone)]
pub(crate) enum Says {
    /// The peer monitors a local process, in its present generation.
    Monitor(u32, Actor),
    /// The peer monitors a number that may be unused, in some incarnation of the local node.
    MonitorNumber(u32, Option<u64>, u32, u32),
    /// The peer monitors a name.
    MonitorName(u32, Label),
    Demonitor(u32),
    /// The peer reports that a monitor made here has ended.
    Down(Mon, DownReason),
    /// The same for a number that no monitor had.
    DownOfUnknown(DownReason),
}

/// An attempt to connect.
#[derive(Clone, Copy)]
pub(crate) enum Dial {
    Latest,
    OneBefore,
}

/// One input or, for names of processes, a change that only the caller of the core sees.
#[derive(Clone)]
pub(crate) enum Step {
    Start(Actor),
    /// `None`: the process had exited before the core asked to watch it.
    Exit(Actor, Option<ExitReason>),
    Register(Actor, Label),
    Unregister(Label),
    Monitor {
        who: Actor,
        what: What,
        never: bool,
        channel: u8,
        name: Mon,
    },
    Demonitor {
        who: Actor,
        which: Mon,
        flush: bool,
    },
    Take(Mon),
    MonitorNode {
        who: Actor,
        node: Node,
        never: bool,
    },
    DemonitorNode(Actor, Node),
    MonitorNodes(Actor, NodesOptions),
    DemonitorNodes(Actor, NodesOptions),
    Send {
        who: Actor,
        to: Node,
        never: bool,
    },
    Up {
        session: Sess,
        node: Node,
        incarnation: u64,
        hidden: bool,
    },
    /// The session takes no more frames.
    Closing(Sess),
    /// The session did not take the request of that monitor.
    NotSent {
        who: Actor,
        which: Mon,
        never: bool,
    },
    Ended(Sess, EndKind),
    DialFailed(Node, Dial, EndKind),
    Signal {
        session: Sess,
        channel: u8,
        says: Says,
    },
    Resume,
    Settle,
}

/// The limits of a core, and its inputs.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) max_batch: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_incoming: usize,
    pub(crate) max_reason_bytes: usize,
    pub(crate) max_node_reason_bytes: usize,
    pub(crate) steps: Vec<Step>,
}

impl Node {
    pub(crate) fn name(self) -> NodeName {
        format!("{}@test", self.0).parse().unwrap()
    }

    pub(crate) fn id(self, incarnation: u64) -> NodeId {
        NodeId::new(self.name(), Incarnation::new(incarnation).unwrap())
    }
}

impl Actor {
    pub(crate) const fn in_generation(self, generation: u32) -> LocalPid {
        LocalPid(Serial::new(self.0, generation))
    }
}

impl Label {
    pub(crate) fn name(self) -> RegName {
        self.0.parse().unwrap()
    }
}

/// Defines how each part of a script is printed, for display and for a failure report.
macro_rules! show {
    ($($kind:ty, $show:expr;)*) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&$kind) -> String = $show;
                f.write_str(&show(self))
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

show! {
    Actor, |who| format!("p{}", who.0);
    Node, |node| node.0.to_string();
    Mon, |name| format!("m{}", name.0);
    Sess, |session| format!("s{}", session.0);
    Label, |label| format!("'{}'", label.0);
    What, |what| match what {
        What::Own(who) => who.to_string(),
        What::OfAnotherIncarnation(who) => format!("{who} of another incarnation of a"),
        What::Pid(node, incarnation, slot) => format!("process {slot} of incarnation {incarnation} of {node}"),
        What::Name(node, label) => format!("{label}@{node}"),
    };
    Says, |says| match says {
        Says::Monitor(number, who) => format!("monitor {who} as #{number}"),
        Says::MonitorNumber(number, incarnation, slot, generation) => {
            let incarnation = incarnation.map_or(String::new(), |incarnation| format!(" of incarnation {incarnation}"));
            format!("monitor process {slot}.{generation}{incarnation} as #{number}")
        }
        Says::MonitorName(number, label) => format!("monitor {label} as #{number}"),
        Says::Demonitor(number) => format!("demonitor #{number}"),
        Says::Down(name, reason) => format!("{name} is down: {reason:?}"),
        Says::DownOfUnknown(reason) => format!("a monitor that never was is down: {reason:?}"),
    };
    Dial, |which| match which {
        Dial::Latest => "the dial".to_owned(),
        Dial::OneBefore => "the dial before the last".to_owned(),
    };
    Step, show_step;
}

fn show_step(step: &Step) -> String {
    let if_connected = |never: &bool| if *never { ", if connected" } else { "" };
    let on = |channel: &u8| if *channel == 0 { String::new() } else { format!(" on channel {channel}") };
    match step {
        Step::Start(who) => format!("{who} starts again"),
        Step::Exit(who, Some(reason)) => format!("{who} exits: {reason:?}"),
        Step::Exit(who, None) => format!("{who} turns out to be gone"),
        Step::Register(who, label) => format!("{who} is registered as {label}"),
        Step::Unregister(label) => format!("{label} is unregistered"),
        Step::Monitor { who, what, never, channel, name } => {
            format!("{name} = {who}.monitor({what}){}{}", on(channel), if_connected(never))
        }
        Step::Demonitor { who, which, flush } => {
            format!("{who}.demonitor({which}{})", if *flush { ", flush" } else { "" })
        }
        Step::Take(which) => format!("take the Down of {which}"),
        Step::MonitorNode { who, node, never } => {
            format!("{who}.monitor_node({node}){}", if_connected(never))
        }
        Step::DemonitorNode(who, node) => format!("{who}.demonitor_node({node})"),
        Step::MonitorNodes(who, options) => format!("{who}.monitor_nodes({})", show_options(options)),
        Step::DemonitorNodes(who, options) => format!("{who}.demonitor_nodes({})", show_options(options)),
        Step::Send { who, to, never } => format!("{who} sends to {to}{}", if_connected(never)),
        Step::Up { session, node, incarnation, hidden } => {
            format!(
                "{session} is up: incarnation {incarnation} of {node}{}",
                if *hidden { ", hidden" } else { "" }
            )
        }
        Step::Closing(session) => format!("{session} takes no more"),
        Step::NotSent { who, which, never } => {
            format!("{which} of {who} was not sent{}", if_connected(never))
        }
        Step::Ended(session, kind) => format!("{session} has ended: {kind:?}"),
        Step::DialFailed(node, which, kind) => format!("{which} to {node} has failed: {kind:?}"),
        Step::Signal { session, channel, says } => format!("{session} says{}: {says}", on(channel)),
        Step::Resume => "resume".to_owned(),
        Step::Settle => "resume until nothing is left".to_owned(),
    }
}

pub(crate) fn show_options(options: &NodesOptions) -> String {
    let reasons = if options.nodedown_reason { ", with reasons" } else { "" };
    let kind = match options.node_type {
        NodeType::All => "all",
        NodeType::Visible => "visible",
        NodeType::Hidden => "hidden",
        _ => unreachable!("scripts know every type of node"),
    };
    format!("{kind}{reasons}")
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Script { max_batch, max_waiting, max_incoming, max_reason_bytes, max_node_reason_bytes, steps } =
            self;
        write!(f, "max_batch {max_batch}, max_waiting {max_waiting}, max_incoming {max_incoming}, ")?;
        write!(f, "max_reason_bytes {max_reason_bytes}, max_node_reason_bytes {max_node_reason_bytes}")?;
        steps.iter().enumerate().try_for_each(|(at, step)| write!(f, "\n  {}. {step}", at + 1))
    }
}
