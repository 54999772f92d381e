//! Clauses 1 to 4: sessions and events.

use std::collections::BTreeSet;

use refs::EndKind;

use super::{
    Harness,
    kit::{Checked, Pair, end_of, ensure, equal, expect_no_event, next_session},
};

pub(super) async fn one_at_a_time(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    pair.sever(harness).await?;
    // b has received the end and creates a new session; a has not received it yet.
    end_of(&mut pair.at_b).await?;
    pair.b.connect(&harness.spec(&pair.a), refs::DialId(2));
    let _at_b = next_session(&pair.b).await?;
    expect_no_event(&pair.a)?;
    end_of(&mut pair.at_a).await?;
    let again = next_session(&pair.a).await?;
    equal(&again.peer().node, pair.b.local(), "the peer of the next session")
}

pub(super) async fn numbered(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        ensure(seen.insert(pair.at_a.peer().session), || "a session number was used twice".into())?;
        pair.at_a.outbox().close(EndKind::Left);
        pair.expect_over().await?;
        pair.reconnect(harness).await?;
    }
    Ok(())
}

pub(super) async fn identified(harness: &dyn Harness) -> Checked {
    let pair = Pair::new(harness).await?;
    equal(&pair.at_a.peer().node, pair.b.local(), "b as a sees it")?;
    equal(&pair.at_b.peer().node, pair.a.local(), "a as b sees it")?;
    equal(pair.at_a.peer().hidden, pair.at_b.peer().hidden, "whether the session is hidden")
}

pub(super) async fn agreed(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    drop(pair.at_a);
    end_of(&mut pair.at_b).await.map(drop)
}
