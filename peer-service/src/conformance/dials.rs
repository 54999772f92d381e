//! Clauses 15 to 20: dials, and what a service reports about itself.

use refs::{DialId, EndKind};

use super::{
    Harness,
    kit::{
        Checked, Pair, end_of, ensure, equal, expect_no_event, frames, next_failure, next_session, receive,
        send, within,
    },
};

pub(super) async fn answered(harness: &dyn Harness) -> Checked {
    // Of an absent node.
    let a = harness.join("alone").await;
    for dial in [DialId(5), DialId(9)] {
        a.connect(&harness.absent(), dial);
        let end = next_failure(&a, dial).await?;
        ensure(!end.kind.was_session(), || {
            format!("a failed dial is no end of a session, but it was {end:?}")
        })?;
    }
    // During a session, which is the result.
    let mut pair = Pair::new(harness).await?;
    pair.a.connect(&harness.spec(&pair.b), DialId(7));
    pair.b.connect(&harness.spec(&pair.a), DialId(7));
    exchange_frames(&mut pair.at_a, &mut pair.at_b).await?;
    expect_no_event(&pair.a)?;
    expect_no_event(&pair.b)?;
    // Both nodes at once: one session.
    for round in 0..20_u64 {
        let (x, y) = (harness.join(&format!("x{round}")).await, harness.join(&format!("y{round}")).await);
        x.connect(&harness.spec(&y), DialId(1));
        y.connect(&harness.spec(&x), DialId(1));
        let (mut at_x, mut at_y) = (next_session(&x).await?, next_session(&y).await?);
        exchange_frames(&mut at_x, &mut at_y).await?;
        expect_no_event(&x)?;
        expect_no_event(&y)?;
    }
    Ok(())
}

/// Checks that the two are ends of one session.
async fn exchange_frames(x: &mut super::kit::Live, y: &mut super::kit::Live) -> Checked {
    for _ in 0..2 {
        let sent = frames(1, 3, 50);
        send(x, &sent)?;
        equal(receive(y, 3).await?, sent, "the received frames")?;
        std::mem::swap(x, y);
    }
    Ok(())
}

pub(super) async fn bounded_in_time(harness: &dyn Harness) -> Checked {
    let a = harness.join("a").await;
    let mute = harness.mute(&a.local().name).await?;
    a.connect(&mute, DialId(1));
    harness.pass_setup_time().await;
    equal(next_failure(&a, DialId(1)).await?.kind, EndKind::SetupTimeout, "a dial without an answer")
}

pub(super) async fn disconnect(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    if !pair.a.capabilities().disconnect {
        return Ok(());
    }
    pair.a.disconnect(&pair.b.local().name);
    equal(end_of(&mut pair.at_a).await?.1.kind, EndKind::Disconnected, "the local end")?;
    end_of(&mut pair.at_b).await?;
    pair.a.disconnect(&pair.b.local().name);
    pair.a.disconnect(harness.absent().name());
    expect_no_event(&pair.a)?;
    // A later dial creates another session.
    pair.reconnect(harness).await
}

pub(super) async fn no_self(harness: &dyn Harness) -> Checked {
    let a = harness.join("a").await;
    a.connect(&harness.spec(&a), DialId(3));
    equal(next_failure(&a, DialId(3)).await?.kind, EndKind::DuplicateName, "a dial of the local node")
}

pub(super) async fn capabilities(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let (a, b) = (pair.a.clone(), pair.b.local().name.clone());
    equal(a.capabilities(), a.capabilities(), "the capabilities, asked for again")?;
    equal(a.view().is_some(), a.capabilities().views, "whether there is a view")?;
    if a.capabilities().views {
        harness.evict(&a.local().name, &b).await?;
        pair.expect_over().await?;
        ensure(!a.view().unwrap_or_default().contains(&b), || {
            "the view still contains the evicted node".into()
        })?;
        a.connect(&harness.spec(&pair.b), DialId(2));
        equal(next_failure(&a, DialId(2)).await?.kind, EndKind::NotMember, "a dial of a non-member")?;
    }
    Ok(())
}

pub(super) async fn shutdown(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    pair.a.shutdown();
    pair.a.shutdown();
    exchange_frames(&mut pair.at_a, &mut pair.at_b).await?;
    pair.a.connect(&harness.absent(), DialId(8));
    equal(next_failure(&pair.a, DialId(8)).await?.kind, EndKind::LocalShutdown, "a dial after the shutdown")?;
    let over = within("the end of all events", pair.a.next()).await?;
    ensure(over.is_none(), || "events after the shutdown".into())?;
    pair.at_a.outbox().close(EndKind::Left);
    equal(end_of(&mut pair.at_b).await?.1.kind, EndKind::Left, "the end of a session that stood")
}
