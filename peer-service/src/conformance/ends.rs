//! Clauses 12 to 14: ends.

use refs::EndKind;

use super::{
    Fault, Harness,
    kit::{Checked, Pair, end_of, ensure, equal, frames, send},
};

pub(super) async fn one_end(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    pair.at_b.outbox().close(EndKind::Left);
    pair.at_b.outbox().close(EndKind::Protocol);
    for session in [&mut pair.at_a, &mut pair.at_b] {
        let (_, first) = end_of(session).await?;
        for _ in 0..3 {
            let (frames, again) = end_of(session).await?;
            equal(again, first, "the end, asked for again")?;
            ensure(frames.is_empty(), || "frames after the end".into())?;
        }
    }
    equal(end_of(&mut pair.at_b).await?.1.kind, EndKind::Left, "only the first close counts")
}

pub(super) async fn good_end(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    for kind in [EndKind::Left, EndKind::Disconnected] {
        let sent = frames(1, 300, 5000);
        send(&pair.at_a, &sent)?;
        pair.at_a.outbox().close(kind);
        let (arrived, end) = end_of(&mut pair.at_b).await?;
        equal(end.kind, kind, "the end at the peer")?;
        ensure(arrived == sent, || {
            format!("{} of {} frames arrived before a good end", arrived.len(), sent.len())
        })?;
        equal(end_of(&mut pair.at_a).await?.1.kind, kind, "the local end")?;
        pair.reconnect(harness).await?;
    }
    // Also if the peer has sent frames that were not read.
    send(&pair.at_b, &frames(2, 50, 1000))?;
    let sent = frames(3, 50, 1000);
    send(&pair.at_a, &sent)?;
    pair.at_a.outbox().close(EndKind::Left);
    let (arrived, end) = end_of(&mut pair.at_b).await?;
    equal((arrived.len(), end.kind), (sent.len(), EndKind::Left), "a good end with unread input")
}

pub(super) async fn told_apart(harness: &dyn Harness) -> Checked {
    let mut tried = 0;
    let mut skipped = "";
    for part in [closed, severed, killed, silent, malformed, evicted] {
        match part(harness).await {
            Ok(()) => tried += 1,
            Err(Fault::Skipped(why)) => skipped = why,
            Err(fault) => return Err(fault),
        }
    }
    if tried > 1 { Ok(()) } else { Err(Fault::Skipped(skipped)) }
}

type Part<'a> = futures::future::LocalBoxFuture<'a, Checked>;

fn closed(harness: &dyn Harness) -> Part<'_> {
    Box::pin(async move {
        let mut pair = pair(harness, "closed").await?;
        drop(pair.at_a);
        equal(end_of(&mut pair.at_b).await?.1.kind, EndKind::Closed, "a session that was dropped")
    })
}

fn severed(harness: &dyn Harness) -> Part<'_> {
    Box::pin(async move {
        let mut pair = pair(harness, "severed").await?;
        pair.sever(harness).await?;
        equal(pair.expect_over().await?, (EndKind::Closed, EndKind::Closed), "a connection that was reset")
    })
}

fn killed(harness: &dyn Harness) -> Part<'_> {
    Box::pin(async move {
        let mut pair = pair(harness, "killed").await?;
        drop(pair.at_a);
        harness.kill(pair.a).await?;
        equal(end_of(&mut pair.at_b).await?.1.kind, EndKind::Closed, "a peer that was killed")
    })
}

fn silent(harness: &dyn Harness) -> Part<'_> {
    Box::pin(async move {
        let mut pair = pair(harness, "silent").await?;
        harness.silence(&pair.a.local().name, &pair.b.local().name).await?;
        for session in [&mut pair.at_a, &mut pair.at_b] {
            let (_, end) = end_of(session).await?;
            equal(end.kind, EndKind::Timeout, "a peer that fell silent")?;
            ensure(end.silent_for().is_some(), || "a timeout says how long the peer was silent".into())?;
        }
        Ok(())
    })
}

fn malformed(harness: &dyn Harness) -> Part<'_> {
    Box::pin(async move {
        let mut pair = pair(harness, "malformed").await?;
        harness.break_protocol(&pair.a.local().name, &pair.b.local().name).await?;
        equal(end_of(&mut pair.at_b).await?.1.kind, EndKind::Protocol, "a peer that breaks the protocol")
    })
}

fn evicted(harness: &dyn Harness) -> Part<'_> {
    Box::pin(async move {
        let mut pair = pair(harness, "evicted").await?;
        harness.evict(&pair.a.local().name, &pair.b.local().name).await?;
        equal(pair.expect_over().await?, (EndKind::Evicted, EndKind::Evicted), "a peer that left the view")
    })
}

async fn pair(harness: &dyn Harness, label: &str) -> Checked<Pair> {
    Pair::labelled(harness, &format!("{label}-a"), &format!("{label}-b")).await
}
