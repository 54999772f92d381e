//! What a node tells subscribers of `tracing`: little, unless they ask for more.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    cell::RefCell,
    fmt::{self, Write},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{Cluster, eventually, name, run};
use monitor_runtime::prelude::*;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// An event, with its fields as text and the spans that it came in.
#[derive(Clone, Debug)]
struct Line {
    level: Level,
    text: String,
    spans: Vec<String>,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());
static SPANS: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Listens to everything that a node says, at all levels.
struct Journal(AtomicU64);

impl Subscriber for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("monitor_runtime")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(span.metadata().name().to_owned());
        span.record(&mut text);
        SPANS.lock().unwrap().push(text.0);
        Id::from_u64(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let spans = SPANS.lock().unwrap();
        let entered =
            ENTERED.with_borrow(|ids| ids.iter().map(|id| spans[*id as usize - 1].clone()).collect());
        let line = Line { level: *event.metadata().level(), text: text.0, spans: entered };
        LINES.lock().unwrap().push(line);
    }

    fn enter(&self, id: &Id) {
        ENTERED.with_borrow_mut(|ids| ids.push(id.into_u64()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(|ids| ids.pop());
    }
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

#[test]
fn every_down_is_one_event_in_the_span_of_its_session_and_nothing_of_it_is_loud() {
    // One test in this program: there is one subscriber for all threads.
    tracing::subscriber::set_global_default(Journal(AtomicU64::new(0))).unwrap();
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let worker = b.process().unwrap();
        worker.register(name("worker")).unwrap();
        let target = name("worker").at(b.name().clone());
        let exit = a.monitor_with(target, MonitorOptions::new().tag(7)).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        let reference = exit.reference().to_string();
        worker.exit(ExitReason::Shutdown);
        exit.await;
        let [down] = &lines_with(&reference)[..] else { panic!("one event: {:?}", lines_with("down")) };
        assert_eq!(down.level, Level::DEBUG);
        for part in
            ["down", "target=worker@b@local", "reason=exit: shutdown", "source=said by the target's node"]
        {
            assert!(down.text.contains(part), "{part} is not in {down:?}");
        }
        let life = format!("incarnation={}", b.id().incarnation);
        for part in ["kind=\"exit\"", "tag=7", &life] {
            assert!(down.text.contains(part), "{part} is not in {down:?}");
        }
        assert!(!down.text.contains("cause=") && !down.text.contains("silent_ms="), "{down:?}");
        let session = |span: &String| span.starts_with("session") && span.contains("b@local");
        assert!(down.spans.iter().any(session), "{down:?}");

        // One that is told at the call itself, outside of any session.
        let nobody = a.monitor(name("nobody").at(a.name().clone())).unwrap();
        let reference = nobody.reference().to_string();
        nobody.await;
        assert_eq!(lines_with(&reference).len(), 1);

        // What a peer writes stays in its line.
        let forger = b.process().unwrap();
        let forged = a.monitor(forger.pid()).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        let reference = forged.reference().to_string();
        forger.exit(ExitReason::panicked("done\n2026-01-01 ERROR \u{1b}[31m\u{202e}"));
        forged.await;
        let [down] = &lines_with(&reference)[..] else { panic!("one event: {:?}", lines_with("down")) };
        assert!(down.text.contains(r"panicked: done\n2026-01-01 ERROR \u{1b}[31m\u{202e}"), "{down:?}");

        // One whose node falls silent: the kind of end, and for how long, apart from the prose.
        let c = cluster.node("c").await;
        let target = c.process().unwrap();
        let silent = a.monitor(target.pid()).unwrap();
        let reference = silent.reference().to_string();
        cluster.settle(&a, &c).await;
        cluster.cut(&a, &c);
        cluster.network.advance(Duration::from_secs(5));
        silent.await;
        let [down] = &lines_with(&reference)[..] else { panic!("one event: {:?}", lines_with("down")) };
        for part in ["kind=\"noconnection\"", "cause=Timeout", "silent_ms=5000"] {
            assert!(down.text.contains(part), "{part} is not in {down:?}");
        }

        // One that is flushed is told to nobody.
        let kept = b.process().unwrap();
        let flushed = a.monitor(kept.pid()).unwrap();
        let reference = flushed.reference().to_string();
        drop(flushed);
        kept.exit(ExitReason::Normal);
        b.stop().await;
        assert_eq!(lines_with(&reference).len(), 0);

        let loud: Vec<_> =
            LINES.lock().unwrap().iter().filter(|line| line.level <= Level::INFO).cloned().collect();
        assert!(loud.is_empty(), "nothing is worth a line in a log: {loud:?}");
    });
}
