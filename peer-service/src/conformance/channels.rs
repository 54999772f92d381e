//! Clause 21: channels.

use refs::{ChannelId, ChannelName, DialId, EndKind};

use super::{
    Harness, Service,
    kit::{Checked, Live, broken, end_of, ensure, equal, frames, next_session, push, within},
};
use crate::{
    frame::{Channels, FrameBuf, FrameMeta},
    service::PushError,
};

/// `a` has its channels in this order. `b` has another order, one channel that `a` does not have,
/// and lacks the last one.
const AT_A: [&str; 3] = ["bulk", "control", "lonely"];
const AT_B: [&str; 3] = ["other", "control", "bulk"];
const BULK: ChannelId = channel(1);
const CONTROL: ChannelId = channel(2);
const LONELY: ChannelId = channel(3);
const BULK_AT_B: ChannelId = channel(3);
/// A channel that neither node has.
const UNCONFIGURED: ChannelId = channel(7);

const fn channel(place: usize) -> ChannelId {
    ChannelId::new(place).expect("a node has few channels")
}

pub(super) async fn channels(harness: &dyn Harness) -> Checked {
    let (a, b) = (join(harness, "a", &AT_A).await?, join(harness, "b", &AT_B).await?);
    a.connect(&harness.spec(&b), DialId(1));
    let (mut at_a, mut at_b) = (next_session(&a).await?, next_session(&b).await?);
    let common = Channels::DEFAULT.with(BULK).with(CONTROL);
    equal(at_a.peer().channels, common, "the common channels at the dialing node")?;
    let common = Channels::DEFAULT.with(CONTROL).with(BULK_AT_B);
    equal(at_b.peer().channels, common, "the common channels at the dialed node")?;

    each_keeps_its_order(&at_a, &mut at_b).await?;
    after_all(&at_a, &mut at_b).await?;
    after_all(&at_b, &mut at_a).await?;
    after_all_among_themselves(&at_a, &mut at_b).await?;
    after_all_among_themselves(&at_b, &mut at_a).await?;
    channels_have_separate_limits(&at_a, &mut at_b).await?;
    all_end_together(&mut at_a, &mut at_b).await
}

async fn join(harness: &dyn Harness, label: &str, channels: &[&str]) -> Checked<Service> {
    let name =
        |name: &&str| name.parse::<ChannelName>().map_err(|error| super::Fault::Broken(error.to_string()));
    let channels = channels.iter().map(name).collect::<Checked<Vec<_>>>()?;
    Ok(harness.join_with_channels(label, &channels).await?)
}

/// Receives `count` frames, with their channels.
async fn receive(session: &mut Live, count: usize) -> Checked<Vec<(ChannelId, Vec<u8>)>> {
    let mut arrived = Vec::new();
    let mut buffer = FrameBuf::new();
    while arrived.len() < count {
        buffer.clear();
        if let Err(end) = within("frames", session.recv(&mut buffer)).await? {
            return broken(format!("expected {count} frames, got {} and the end: {end}", arrived.len()));
        }
        arrived.extend(buffer.iter().map(|frame| (buffer.channel, frame.to_vec())));
    }
    equal(arrived.len(), count, "the number of frames")?;
    Ok(arrived)
}

async fn each_keeps_its_order(at_a: &Live, at_b: &mut Live) -> Checked {
    let sent = frames(21, 60, 90_000);
    let routes = [(ChannelId::DEFAULT, ChannelId::DEFAULT), (BULK, BULK_AT_B), (CONTROL, CONTROL)];
    for (at, frame) in sent.iter().enumerate() {
        let meta = FrameMeta::message(1).on(routes[at % 3].0);
        equal(push(at_a, meta, frame), Ok(()), "a message")?;
    }
    // The default channel replaces one that the peer does not have, and one that neither has.
    for channel in [LONELY, UNCONFIGURED] {
        equal(push(at_a, FrameMeta::message(1).on(channel), b"anyway"), Ok(()), "a message")?;
    }
    at_a.outbox().flush();
    let arrived = receive(at_b, sent.len() + 2).await?;
    for (index, (_, channel)) in routes.iter().enumerate() {
        let mut expected: Vec<_> = sent.iter().skip(index).step_by(3).cloned().collect();
        if *channel == ChannelId::DEFAULT {
            expected.extend([b"anyway".to_vec(), b"anyway".to_vec()]);
        }
        let there = arrived.iter().filter(|(on, _)| on == channel).map(|(_, frame)| frame.clone());
        ensure(there.collect::<Vec<_>>() == expected, || format!("{channel:?} was changed or reordered"))?;
    }
    Ok(())
}

/// A frame after all frames of its order arrives after them, on whatever channels and however long
/// they are, and arrives on its own channel.
async fn after_all(from: &Live, to: &mut Live) -> Checked {
    let long = vec![1; 600_000];
    let channels: Vec<_> = from.peer().channels.iter().collect();
    for last in &channels {
        for order in [7, 8] {
            for channel in &channels {
                let message = FrameMeta::message(order).on(*channel);
                equal(push(from, message, &long), Ok(()), "a long message")?;
                equal(push(from, message, b"short"), Ok(()), "a short message")?;
            }
            let signal = FrameMeta::signal(order).on(*last).after_all();
            equal(push(from, signal, &[b'!', order as u8]), Ok(()), "a signal after all")?;
        }
        // This flush includes the frames for which it waits.
        from.outbox().flush_channel(*last);
        let arrived = receive(to, 2 * (2 * channels.len() + 1)).await?;
        let before_last = arrived.iter().position(|(_, frame)| frame[0] == b'!');
        ensure(before_last.is_some_and(|at| at >= 2 * channels.len()), || {
            format!("a frame after all of its order came as number {before_last:?}")
        })?;
        let lasts = arrived.iter().filter(|(_, frame)| frame[0] == b'!');
        ensure(lasts.clone().count() == 2, || "each order has its last frame".into())?;
        if *last == ChannelId::DEFAULT {
            ensure(lasts.clone().all(|(on, _)| *on == *last), || "it came on another channel".into())?;
        }
    }
    Ok(())
}

/// Frames after all frames of their order also keep their own order, on any two channels.
async fn after_all_among_themselves(from: &Live, to: &mut Live) -> Checked {
    // Repeated, because the channels race.
    const ROUNDS: u8 = 40;
    let channels: Vec<_> = from.peer().channels.iter().collect();
    for (first, second) in channels.iter().flat_map(|one| channels.iter().map(move |other| (*one, *other))) {
        for round in 0..ROUNDS {
            let order = 100 + u64::from(round);
            for channel in &channels {
                equal(push(from, FrameMeta::message(order).on(*channel), b"before"), Ok(()), "a message")?;
            }
            for (number, channel) in [(1, first), (2, second)] {
                let signal = FrameMeta::signal(order).on(channel).after_all();
                equal(push(from, signal, &[number, round]), Ok(()), "a signal after all")?;
            }
            from.outbox().flush_channel(second);
            from.outbox().flush_channel(first);
        }
        let arrived = receive(to, usize::from(ROUNDS) * (channels.len() + 2)).await?;
        for round in 0..ROUNDS {
            let at = |number| arrived.iter().position(|(_, frame)| *frame == [number, round]);
            ensure(at(1) < at(2), || {
                format!(
                    "of two frames after all of their order, on {first:?} and {second:?}, the later came first"
                )
            })?;
        }
    }
    Ok(())
}

/// While one channel accepts no more messages, another one does and delivers them; then all
/// messages arrive.
async fn channels_have_separate_limits(at_a: &Live, at_b: &mut Live) -> Checked {
    let message = vec![7; 64 * 1024];
    let mut accepted = 0;
    while push(at_a, FrameMeta::message(1).on(BULK), &message) != Err(PushError::Full) {
        accepted += 1;
        ensure(accepted * message.len() <= 1 << 30, || "messages are accepted without a limit".into())?;
        at_a.outbox().flush_channel(BULK);
    }
    equal(push(at_a, FrameMeta::message(1).on(CONTROL), b"control"), Ok(()), "a message on another channel")?;
    at_a.outbox().flush_channel(CONTROL);
    let arrived = receive(at_b, accepted + 1).await?;
    ensure(arrived.contains(&(CONTROL, b"control".to_vec())), || {
        "frames of the other channel must arrive".into()
    })
}

/// A good end loses no frame of any channel.
async fn all_end_together(at_a: &mut Live, at_b: &mut Live) -> Checked {
    for channel in at_a.peer().channels.iter() {
        for _ in 0..20 {
            equal(push(at_a, FrameMeta::message(1).on(channel), &[9; 10_000]), Ok(()), "a message")?;
        }
    }
    at_a.outbox().close(EndKind::Left);
    let (arrived, end) = end_of(at_b).await?;
    equal(arrived.len(), 60, "the number of frames before a good end")?;
    equal(end.kind, EndKind::Left, "the end of a session that is closed in good order")?;
    equal(end_of(at_a).await?.1.kind, EndKind::Left, "the end at the one that closes")?;
    let late = push(at_b, FrameMeta::message(1).on(CONTROL), b"late");
    equal(late, Err(PushError::Closed), "a push to a channel of a session that is over")
}
