//! Clauses 5 to 11: frames and outboxes.

use std::future::poll_fn;

use refs::{ChannelId, EndKind};

use super::{
    Harness,
    kit::{Checked, MESSAGE, Pair, broken, end_of, ensure, equal, frames, push, receive, send, within},
};
use crate::{frame::FrameMeta, service::PushError};

pub(super) async fn ordered(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let there = frames(1, 2000, 3000);
    let back = frames(2, 500, 60_000);
    send(&pair.at_a, &there)?;
    ensure(receive(&mut pair.at_b, there.len()).await? == there, || {
        "frames were changed or reordered".into()
    })?;
    for some in back.chunks(50) {
        send(&pair.at_b, some)?;
        ensure(receive(&mut pair.at_a, some.len()).await? == some, || {
            "frames were changed or reordered".into()
        })?;
    }
    each_order(&mut pair).await
}

/// Short and long frames of several orders, of both classes: those of one order never overtake each
/// other.
async fn each_order(pair: &mut Pair) -> Checked {
    let long = pair.a.max_frame().min(400_000);
    let mut sent = vec![Vec::new(); 3];
    for at in 0..24_u8 {
        let order = u64::from(at % 3);
        let meta = if at % 2 == 0 { FrameMeta::signal(order) } else { FrameMeta::message(order) };
        let frame = vec![at; if at % 5 == 0 { long } else { 1 + usize::from(at) }];
        equal(push(&pair.at_a, meta, &frame), Ok(()), "a frame of one of several orders")?;
        sent[usize::from(at % 3)].push(frame);
    }
    pair.at_a.outbox().flush();
    let mut arrived = vec![Vec::new(); 3];
    for frame in receive(&mut pair.at_b, 24).await? {
        arrived[usize::from(frame[0] % 3)].push(frame);
    }
    ensure(arrived == sent, || "frames of one order were changed or reordered".into())
}

pub(super) async fn prefix(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let sent = frames(3, 200, 2000);
    send(&pair.at_a, &sent)?;
    let mut arrived = receive_some(&mut pair, 1).await?;
    pair.sever(harness).await?;
    let (rest, _) = end_of(&mut pair.at_b).await?;
    arrived.extend(rest);
    ensure(sent.starts_with(&arrived), || "what arrived is no prefix of what was sent".into())
}

/// Receives at least `count` frames at b.
async fn receive_some(pair: &mut Pair, count: usize) -> Checked<Vec<Vec<u8>>> {
    let mut buffer = crate::frame::FrameBuf::new();
    while buffer.len() < count {
        if let Err(end) = within("a frame", pair.at_b.recv(&mut buffer)).await? {
            return broken(format!("the session has ended: {end}"));
        }
    }
    Ok(buffer.iter().map(<[u8]>::to_vec).collect())
}

pub(super) async fn never_of_another_session(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let old = pair.at_a.outbox();
    send(&pair.at_a, &frames(4, 100, 1000))?;
    pair.sever(harness).await?;
    pair.expect_over().await?;
    pair.reconnect(harness).await?;
    let late = old.push(FrameMeta::SIGNAL, &mut |frame| frame.push(0));
    equal(late, Err(PushError::Closed), "a push to the session before")?;
    old.flush();
    let new = frames(5, 100, 1000);
    send(&pair.at_a, &new)?;
    ensure(receive(&mut pair.at_b, new.len()).await? == new, || "frames of another session arrived".into())
}

pub(super) async fn bounded(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let max = pair.a.max_frame();
    equal(
        push(&pair.at_a, MESSAGE, &vec![1; max + 1]),
        Err(PushError::TooLarge),
        "a frame of one byte too many",
    )?;
    // The longest frame is a message, because the limit of signals may be lower.
    let sent = vec![vec![3; 1], vec![2; max], Vec::new()];
    send(&pair.at_a, &sent)?;
    ensure(receive(&mut pair.at_b, 3).await? == sent, || {
        "the largest and the smallest frames must arrive".into()
    })
}

pub(super) async fn never_blocks(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    // Without a reader and without a flush: this returns at once or the test hangs.
    let sent = frames(6, 1000, 200);
    for frame in &sent {
        equal(push(&pair.at_a, FrameMeta::SIGNAL, frame), Ok(()), "a signal")?;
    }
    pair.at_a.outbox().flush();
    ensure(receive(&mut pair.at_b, sent.len()).await? == sent, || {
        "one flush must send all that was pushed".into()
    })
}

pub(super) async fn limited(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    let message = vec![7; pair.a.max_frame().min(64 * 1024)];
    let mut accepted = 0;
    // b does not read, so the queue must fill up. 1 GiB exceeds any limit.
    loop {
        match push(&pair.at_a, MESSAGE, &message) {
            Ok(()) if accepted * message.len() > 1 << 30 => {
                return broken("messages are accepted without a limit");
            }
            Ok(()) => accepted += 1,
            Err(PushError::Full) => break,
            Err(error) => return broken(format!("expected Full, got: {error}")),
        }
        pair.at_a.outbox().flush();
    }
    equal(push(&pair.at_a, FrameMeta::SIGNAL, b"signal"), Ok(()), "a signal while messages are full")?;
    pair.at_a.outbox().flush();
    let got = receive(&mut pair.at_b, accepted + 1).await?;
    ensure(got.last().is_some_and(|last| last == b"signal"), || {
        "the signal comes after the messages before it".into()
    })?;
    let outbox = pair.at_a.outbox();
    equal(
        within("room for messages", poll_fn(|cx| outbox.poll_ready(ChannelId::DEFAULT, cx))).await?,
        Ok(()),
        "room",
    )?;
    equal(push(&pair.at_a, MESSAGE, b"again"), Ok(()), "a message when there is room again")?;

    // Signals are not refused; if the peer accepts none, the session ends.
    let signal = vec![8; pair.a.max_frame().min(64 * 1024)];
    let mut pushed = 0;
    while push(&pair.at_a, FrameMeta::SIGNAL, &signal).is_ok() {
        pushed += signal.len();
        ensure(pushed < 4 << 30, || "signals are accepted without a limit".into())?;
        pair.at_a.outbox().flush();
    }
    let (_, end) = end_of(&mut pair.at_a).await?;
    equal(end.kind, EndKind::Overloaded, "the end of a session whose peer does not keep up")
}

pub(super) async fn backpressure(harness: &dyn Harness) -> Checked {
    let mut pair = Pair::new(harness).await?;
    // More than all buffers between the two nodes, without a reader; then all of it arrives.
    let sent = frames(9, 400, 15_000);
    send(&pair.at_a, &sent)?;
    for _ in 0..100 {
        smol::future::yield_now().await;
    }
    ensure(receive(&mut pair.at_b, sent.len()).await? == sent, || "frames were lost without a reader".into())
}
