//! The events of a node for subscribers of `tracing`: few, unless they enable more.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    fmt::{self, Write},
    sync::{Condvar, Mutex},
    time::Duration,
};

use common::{Cluster, eventually, name, run};
use monitor_runtime::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// An event, with its fields as text.
#[derive(Clone, Debug)]
struct Line {
    level: Level,
    text: String,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());
/// The subscriber holds the event with this text until this text changes.
static HELD_UP: Mutex<Option<String>> = Mutex::new(None);
static GO_ON: Condvar = Condvar::new();

/// Records all events of a node, at all levels.
struct Journal;

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("monitor_runtime")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let is_held_up =
            |held_up: &mut Option<String>| held_up.as_ref().is_some_and(|held_up| text.0.contains(held_up));
        drop(GO_ON.wait_while(HELD_UP.lock().unwrap(), is_held_up).unwrap());
        LINES.lock().unwrap().push(Line { level: *event.metadata().level(), text: text.0 });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

fn lines_with(part: &str) -> Vec<Line> {
    LINES.lock().unwrap().iter().filter(|line| line.text.contains(part)).cloned().collect()
}

/// The one event of that monitor, once it has come.
async fn event_of(reference: &str) -> Line {
    eventually("the event has come", || !lines_with(reference).is_empty()).await;
    let [line] = &lines_with(reference)[..] else { panic!("one event: {:?}", lines_with("down")) };
    line.clone()
}

fn expect_parts(line: &Line, parts: &[&str]) {
    for part in parts {
        assert!(line.text.contains(part), "{part} is not in {line:?}");
    }
}

#[test]
fn every_down_is_one_event_and_nothing_of_it_is_loud() {
    // One test in this program: there is one subscriber for all threads.
    tracing::subscriber::set_global_default(Journal).unwrap();
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        an_exit(&a, &b).await;
        one_that_is_told_at_the_call(&a).await;
        what_a_peer_writes_stays_in_its_line(&a, &b).await;
        many_keep_their_order(&a, &b).await;
        a_down_does_not_wait_for_its_event(&a, &b).await;
        silence(&cluster, &a).await;
        one_that_is_flushed(&a, &b).await;

        let loud: Vec<_> =
            LINES.lock().unwrap().iter().filter(|line| line.level <= Level::INFO).cloned().collect();
        assert!(loud.is_empty(), "nothing is worth a line in a log: {loud:?}");
    });
}

async fn an_exit(a: &Node, b: &Node) {
    let worker = b.process().unwrap();
    worker.register(name("worker")).unwrap();
    let target = name("worker").at(b.name().clone());
    let exit = a.monitor_with(target, MonitorOptions::new().tag(7)).unwrap();
    eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
    let reference = exit.reference().to_string();
    worker.exit(ExitReason::Shutdown);
    exit.await;
    let down = event_of(&reference).await;
    assert_eq!(down.level, Level::DEBUG);
    let incarnation = format!("incarnation={}", b.id().incarnation);
    expect_parts(&down, &["down", "target=worker@b@local", "reason=exit: shutdown"]);
    let source = "source=reported by the target's node";
    expect_parts(&down, &[source, "kind=\"exit\"", "reason_was_cut=false", "tag=7", &incarnation]);
    assert!(!down.text.contains("cause=") && !down.text.contains("silent_ms="), "{down:?}");
}

async fn one_that_is_told_at_the_call(a: &Node) {
    let nobody = a.monitor(name("nobody").at(a.name().clone())).unwrap();
    let reference = nobody.reference().to_string();
    nobody.await;
    event_of(&reference).await;
}

async fn what_a_peer_writes_stays_in_its_line(a: &Node, b: &Node) {
    let forger = b.process().unwrap();
    let forged = a.monitor(forger.pid()).unwrap();
    eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
    let reference = forged.reference().to_string();
    forger.exit(ExitReason::panicked("done\n2026-01-01 ERROR \u{1b}[31m\u{202e}"));
    forged.await;
    expect_parts(&event_of(&reference).await, &[r"panicked: done\n2026-01-01 ERROR \u{1b}[31m\u{202e}"]);
}

async fn many_keep_their_order(a: &Node, b: &Node) {
    let target = b.process().unwrap();
    let monitors: Vec<_> = (0..100).map(|_| a.monitor(target.pid()).unwrap()).collect();
    eventually("the monitors have arrived", || b.stats().incoming_monitors == 100).await;
    let text = target.pid().to_string();
    target.exit(ExitReason::Normal);
    eventually("all events have come", || lines_with(&text).len() == 100).await;
    let first_come = lines_with(&text);
    for (line, monitor) in first_come.iter().zip(&monitors) {
        expect_parts(line, &[&monitor.reference().to_string()]);
    }
}

/// The event of this monitor is held until its `Down` was received.
async fn a_down_does_not_wait_for_its_event(a: &Node, b: &Node) {
    let target = b.process().unwrap();
    let mut monitor = a.monitor(target.pid()).unwrap();
    eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
    let reference = monitor.reference().to_string();
    *HELD_UP.lock().unwrap() = Some(reference.clone());
    target.exit(ExitReason::Normal);
    // Polls without a wake, as a future in a `select!` may be polled at any time.
    while smol::future::poll_once(&mut monitor).await.is_none() {
        smol::future::yield_now().await;
    }
    assert_eq!(lines_with(&reference).len(), 0);
    *HELD_UP.lock().unwrap() = None;
    GO_ON.notify_all();
    event_of(&reference).await;
}

/// The kind of end and the duration as fields, beside the text.
async fn silence(cluster: &Cluster, a: &Node) {
    let c = cluster.node("c").await;
    let target = c.process().unwrap();
    let silent = a.monitor(target.pid()).unwrap();
    let reference = silent.reference().to_string();
    cluster.settle(a, &c).await;
    cluster.cut(a, &c);
    cluster.network.advance(Duration::from_secs(5));
    silent.await;
    let down = event_of(&reference).await;
    expect_parts(&down, &["kind=\"noconnection\"", "cause=Timeout", "silent_ms=5000"]);
}

/// No notice is delivered, so there is no event.
async fn one_that_is_flushed(a: &Node, b: &Node) {
    let kept = b.process().unwrap();
    let flushed = a.monitor(kept.pid()).unwrap();
    let reference = flushed.reference().to_string();
    drop(flushed);
    kept.exit(ExitReason::Normal);
    let last = b.process().unwrap();
    let end = a.monitor(last.pid()).unwrap();
    b.stop().await;
    // It fires at the end of the session, so the event of an earlier `Down` of the session would
    // have come by then.
    event_of(&end.reference().to_string()).await;
    assert_eq!(lines_with(&reference).len(), 0);
}
