//! Tests that the oracle can fail: each rule is checked with a transcript that breaks it, and with
//! one that keeps it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{NodeRun, unsettled, violations};
use crate::cluster::{
    protocol::{Command, CommandAnswer, End, Exit, NodeInfo, Output, Reason, Request, Subscription, Tables},
    transcript::{LineContent, TranscriptLine},
};

const A: &str = "a@host";
const B: &str = "b@host";
const W: &str = "partisan:pid:a:w";
const T: &str = "partisan:pid:b:t";
const ALL: Subscription = Subscription { nodes: crate::cluster::protocol::NodeKind::All, reasons: true };

/// Builds the transcript of one node, line by line.
struct Script {
    run: NodeRun,
    next: u64,
}

impl Script {
    /// A node with one process.
    fn new(name: &str, process: &str) -> Self {
        let run =
            NodeRun { name: name.to_owned(), incarnation: "1".to_owned(), alive: true, entries: Vec::new() };
        let spawn = Command::Spawn { count: 1, thread: false };
        Script { run, next: 1 }.answers(spawn, CommandAnswer::Pids(vec![process.to_owned()]))
    }

    fn line(mut self, content: LineContent) -> Self {
        self.run.entries.push(Arc::new(TranscriptLine { at: Instant::now(), content }));
        self
    }

    fn answers(mut self, command: Command, answer: CommandAnswer) -> Self {
        let id = self.next;
        self.next += 1;
        self.line(LineContent::Request(Request { id, command })).tells(Output::Reply { id, answer })
    }

    fn tells(self, output: Output) -> Self {
        self.line(LineContent::Output(output))
    }

    fn monitors(self, reference: &str, target: &str) -> Self {
        let targets = vec![target.to_owned()];
        let command = Command::Monitor { process: W.to_owned(), targets, tag: 0, never: false };
        self.answers(command, CommandAnswer::Monitors(vec![reference.to_owned()]))
    }

    fn demonitors(self, reference: &str, flush: bool, info: bool, flag: bool) -> Self {
        let monitors = vec![reference.to_owned()];
        let command = Command::Demonitor { process: W.to_owned(), monitors, flush, info };
        self.answers(command, CommandAnswer::Flags(vec![flag]))
    }

    fn down(self, reference: &str, target: &str, reason: Reason) -> Self {
        let (to, monitor, target) = (W.to_owned(), reference.to_owned(), target.to_owned());
        self.tells(Output::Down { to, monitor, target, reason, tag: 0 })
    }

    fn exits(self, process: &str, reason: Exit) -> Self {
        self.tells(Output::Exiting { process: process.to_owned(), reason })
    }

    fn subscribes(self) -> Self {
        self.answers(
            Command::MonitorNodes { process: W.to_owned(), of: ALL },
            CommandAnswer::Nodes(Vec::new()),
        )
    }

    fn node_up(self, session: u64) -> Self {
        let node = NodeInfo { name: B.to_owned(), incarnation: "1".to_owned(), session, hidden: false };
        self.tells(Output::NodeUp { to: W.to_owned(), node, of: ALL })
    }

    fn node_down(self, session: u64) -> Self {
        let (to, name, session) = (W.to_owned(), B.to_owned(), Some(session));
        self.tells(Output::NodeDown {
            to,
            name,
            session,
            end: Some(end("Closed")),
            of: Some(ALL),
            missed: false,
        })
    }

    fn message(self, body: u64) -> Self {
        let (to, from) = (W.to_owned(), Some(T.to_owned()));
        self.tells(Output::Message { to, from, body: body.to_string() })
    }
}

fn end(kind: &str) -> End {
    End { kind: kind.to_owned(), silent_ms: None }
}

fn normal() -> Reason {
    Reason::Exit(Exit::Normal)
}

fn watcher() -> Script {
    Script::new(A, W)
}

/// The other node, whose process has exited normally.
fn exited() -> Script {
    Script::new(B, T).exits(T, Exit::Normal)
}

#[track_caller]
fn found(scripts: [Script; 2], hurt: &[&str], wanted: &[&str]) {
    let runs = scripts.map(|script| script.run);
    let hurt: BTreeSet<_> = hurt.iter().map(|&name| name.to_owned()).collect();
    let found = violations(&runs, &hurt);
    let as_wanted =
        found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, part)| found.contains(part));
    assert!(as_wanted, "expected {wanted:?}, found {found:#?}");
}

#[test]
fn one_down_is_right_and_two_are_not() {
    let once = || watcher().monitors("m", T).down("m", T, normal());
    found([once(), exited()], &[], &[]);
    found([once().down("m", T, normal()), exited()], &[], &["before it was Down"]);
}

#[test]
fn a_down_that_was_not_requested() {
    found([watcher().down("m", T, normal()), exited()], &[], &["which was never made"]);
}

#[test]
fn a_down_for_another_target_or_with_another_tag() {
    found([watcher().monitors("m", T).down("m", "job@b@host", normal()), exited()], &[], &["its Down has"]);
}

#[test]
fn a_reference_given_out_twice() {
    found([watcher().monitors("m", T).monitors("m", T), exited()], &[], &["given out twice"]);
}

#[test]
fn silence_after_a_demonitor() {
    let active = || watcher().monitors("m", T);
    for (flush, info) in [(true, false), (true, true), (false, true)] {
        let ended = || active().demonitors("m", flush, info, true);
        found([ended(), exited()], &[], &[]);
        found([ended().down("m", T, normal()), exited()], &[], &["before it was Silent"]);
    }
    // Without flush and info the `Down` may have been in the mailbox, but it arrives only once.
    let perhaps = || active().demonitors("m", false, false, true).down("m", T, normal());
    found([perhaps(), exited()], &[], &[]);
    found([perhaps().down("m", T, normal()), exited()], &[], &["before it was Down"]);
}

#[test]
fn the_result_of_a_demonitor() {
    let fired = || watcher().monitors("m", T).down("m", T, normal());
    found([fired().demonitors("m", false, true, false), exited()], &[], &[]);
    found([fired().demonitors("m", false, true, true), exited()], &[], &["gave true, expected false"]);
    found([fired().demonitors("m", false, false, false), exited()], &[], &["gave false, expected true"]);
    let others = || watcher().demonitors("not mine", true, true, false);
    found([others(), exited()], &[], &[]);
    found([watcher().demonitors("not mine", true, true, true), exited()], &[], &["another's monitor"]);
}

#[test]
fn a_dead_watcher_is_told_nothing() {
    let dead = || watcher().monitors("m", T).exits(W, Exit::Normal);
    found([dead(), exited()], &[], &[]);
    found([dead().down("m", T, normal()), exited()], &[], &["before it was Gone"]);
}

#[test]
fn a_down_must_tell_the_truth() {
    let with_reason = |reason| watcher().monitors("m", T).down("m", T, reason);
    found([with_reason(Reason::Exit(Exit::Killed)), exited()], &[], &["has ended with [Normal]"]);
    let stopped = || Script::new(B, T).answers(Command::Stop, CommandAnswer::Done);
    found([with_reason(Reason::Exit(Exit::Shutdown)), stopped()], &[], &[]);
    found([with_reason(Reason::Exit(Exit::Normal)), stopped()], &[], &["has ended with []"]);
    found([with_reason(Reason::NoProc), Script::new(B, T)], &[], &["the process is running"]);
    found([with_reason(Reason::NoProc), exited()], &[], &[]);
    found(
        [with_reason(Reason::NoConnection(end("Closed"))), Script::new(B, T)],
        &[],
        &["no fault was injected"],
    );
    found([with_reason(Reason::NoConnection(end("Closed"))), Script::new(B, T)], &[B], &[]);
    found([with_reason(Reason::NoConnection(end("Refused"))), Script::new(B, T)], &[], &[]);
}

#[test]
fn node_events_alternate() {
    let up = || watcher().subscribes().node_up(7);
    found([up(), exited()], &[], &[]);
    found([up().node_down(7).node_up(8), exited()], &[B], &[]);
    found([up().node_up(8), exited()], &[B], &["which was up"]);
    found([up().node_down(8), exited()], &[B], &["up was Some(7)"]);
    found([watcher().subscribes().node_down(7), exited()], &[B], &["up was None"]);
    found([up().node_down(7), exited()], &[], &["no fault was injected"]);
}

#[test]
fn a_node_end_that_was_not_asked_for() {
    let armed = || {
        watcher().answers(
            Command::MonitorNode { process: W.to_owned(), node: B.to_owned(), never: false },
            CommandAnswer::Done,
        )
    };
    let fires = |script: Script| {
        let (to, name) = (W.to_owned(), B.to_owned());
        script.tells(Output::NodeDown {
            to,
            name,
            session: None,
            end: Some(end("Refused")),
            of: None,
            missed: false,
        })
    };
    found([fires(armed()), exited()], &[], &[]);
    found([fires(fires(armed())), exited()], &[], &["than it requested"]);
}

#[test]
fn notices_of_a_session_arrive_between_its_events() {
    let watching = || watcher().subscribes().monitors("m", T);
    found([watching().node_up(7).message(1).down("m", T, normal()).node_down(7), exited()], &[B], &[]);
    found([watching().message(1).node_up(7), exited()], &[], &["a message from b@host"]);
    found(
        [watching().node_up(7).node_down(7).down("m", T, normal()), exited()],
        &[B],
        &["a Down for an exit"],
    );
    let lost = Reason::NoConnection(end("Closed"));
    found([watching().node_up(7).node_down(7).down("m", T, lost), exited()], &[B], &["the end of a session"]);
}

#[test]
fn messages_come_in_order_and_before_the_down() {
    let sends = |count| {
        let command = Command::Send { process: T.to_owned(), to: W.to_owned(), count: 2 };
        Script::new(B, T).answers(command, CommandAnswer::Sent(count)).exits(T, Exit::Normal)
    };
    let watching = || watcher().monitors("m", T);
    found([watching().message(1).message(2).down("m", T, normal()), sends(2)], &[], &[]);
    found([watching().message(2).message(1), sends(2)], &[B], &["received message 1"]);
    found([watching().message(1).message(1), sends(2)], &[B], &["received message 1"]);
    found([watching().message(2), sends(2)], &[], &["received message 2"]);
    found([watching().message(1).down("m", T, normal()), sends(2)], &[], &["after 1 of its 2 messages"]);
    found([watching().message(1).down("m", T, normal()).message(2), sends(2)], &[B], &["after the Down"]);
}

#[test]
fn invalid_lines_and_answers_without_a_request() {
    found([watcher().line(LineContent::Invalid("boo".to_owned())), exited()], &[], &["not valid"]);
    found(
        [watcher().tells(Output::Reply { id: 99, answer: CommandAnswer::Done }), exited()],
        &[],
        &["which is not an open request"],
    );
}

#[test]
fn in_an_idle_cluster_no_notice_is_outstanding_and_the_tables_agree() {
    let rest = |watcher: Script, watched: Script, active, incoming| {
        let table = |active, incoming| Tables { active, incoming, ..Tables::default() };
        let tables = BTreeMap::from([(A.to_owned(), table(active, 0)), (B.to_owned(), table(0, incoming))]);
        unsettled(&[watcher.run, watched.run], &tables).len()
    };
    let watching = || watcher().monitors("m", T);
    assert_eq!(rest(watching(), Script::new(B, T), 1, 1), 0);
    assert_eq!(rest(watching(), Script::new(B, T), 0, 1), 1, "the watcher's row is lost");
    assert_eq!(rest(watching(), Script::new(B, T), 1, 0), 1, "the target's row is lost");
    assert_eq!(rest(watching().down("m", T, normal()), exited(), 0, 0), 0);
    assert_eq!(rest(watching().down("m", T, normal()), exited(), 0, 1), 1, "a row is left behind");
    assert_eq!(rest(watching(), exited(), 1, 1), 1, "a Down is owed");
    let owed = || watching().demonitors("m", false, true, false);
    assert_eq!(rest(owed(), Script::new(B, T), 0, 0), 1, "it had fired, but its Down has not come");
}
