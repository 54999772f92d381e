//! Execution of the effects of the core.

use std::{mem, sync::Arc};

use monitor_core::{DownReason, Effect, LocalPid, MonitorId, NodeNotice, Notice, Signal, encode};
use peer_service::{FrameMeta, PushError};
use refs::{ChannelId, DialId, EndKind, NodeName, NodeSpec, SessionEnd, SessionId};
use supervision::telemetry;

use crate::{
    engine::{
        after_unlock::AfterUnlock,
        directory::{Directory, LocalEndpoint},
        state::{Inner, State},
    },
    records::{counters::Tally, down_log::DOWN},
    session::{
        handle::SessionHandle,
        message_frame::{MAX_SIGNAL_FRAME, SIGNALS},
    },
    threads::environment::CoarseTime,
};

impl Inner {
    /// Runs all effects, in order.
    pub(super) fn run_effects(&self, effects: &[Effect], state: &mut State, after: &mut AfterUnlock) {
        run(effects, state, self, after);
    }
}

fn run(effects: &[Effect], state: &mut State, node: &Inner, after: &mut AfterUnlock) {
    // Locked on first use, because most inputs only send and need no directory.
    let mut directory = None;
    // Read on first use, and once, because an input may fire a million monitors.
    let mut now = None;
    let mut remaining = effects;
    while let Some((effect, others)) = remaining.split_first() {
        remaining = others;
        #[cfg(feature = "test-util")]
        supervision::faults::strike(name_of(effect));
        match effect {
            Effect::Admit { session } => {
                if let Some(handle) = state.sessions.get(session) {
                    handle.admit();
                    after.wakers.extend(handle.waker.take());
                }
            }
            Effect::Connect { node, dial } => connect(node, *dial, state, after),
            Effect::Deliver { to, notice: Notice::Down(first) } => {
                let directory = directory.get_or_insert_with(|| node.directory.read());
                let now = *now.get_or_insert_with(|| node.environment.coarse_now());
                remaining = deliver_downs((*to, *first), others, now, state, node, directory, after);
            }
            Effect::Deliver { to, notice: Notice::Node(notice) } => {
                deliver(*to, notice, node, directory.get_or_insert_with(|| node.directory.read()), after);
            }
            Effect::Send { session, from, channel, signal } => {
                let stream = (*session, *from, *channel);
                remaining = send(stream, signal, others, state.sessions.get(session), after);
            }
            Effect::Watch { pid } => {
                // The process cannot have exited meanwhile: an exit needs the lock that is held
                // here, and every exit is reported to the core.
                debug_assert!(directory.get_or_insert_with(|| node.directory.read()).process(*pid).is_some());
            }
            Effect::Forward { ticket, session } => {
                let Some(pending) = state.pending_sends.take(*ticket) else { continue };
                after.wake_senders = true;
                // The sender got `Ok` for this message, so it cannot be refused now, and no later
                // message may overtake it. The total size of pending messages is limited.
                let meta = FrameMeta::signal(pending.order).on(pending.options.channel);
                let write = &mut |frame: &mut Vec<u8>| frame.extend_from_slice(&pending.frame);
                let handle = state.sessions.get(session).filter(|handle| handle.supports(pending.options));
                if push(handle, meta, write, after).is_err() {
                    node.counters.messages_undeliverable.add_one();
                }
            }
            Effect::Discard { ticket, .. } => {
                if state.pending_sends.take(*ticket).is_some() {
                    after.wake_senders = true;
                    node.counters.messages_undeliverable.add_one();
                }
            }
        }
    }
}

/// The name of an effect, by which tests inject faults.
#[cfg(feature = "test-util")]
const fn name_of(effect: &Effect) -> &'static str {
    match effect {
        Effect::Admit { .. } => "effect admit",
        Effect::Connect { .. } => "effect connect",
        Effect::Deliver { notice: Notice::Down(_), .. } => "effect deliver down",
        Effect::Deliver { notice: Notice::Node(_), .. } => "effect deliver node event",
        Effect::Send { .. } => "effect send",
        Effect::Watch { .. } => "effect watch",
        Effect::Forward { .. } => "effect forward",
        Effect::Discard { .. } => "effect discard",
    }
}

fn connect(node: &NodeName, dial: DialId, state: &mut State, after: &mut AfterUnlock) {
    if state.service_ended {
        after.rare().refused.push((node.clone(), dial));
    } else {
        let spec = state.address_cache.get(node).cloned().unwrap_or_else(|| NodeSpec::new(node.clone()));
        state.pending_dials.insert(node.clone(), dial);
        after.rare().dials.push((spec, dial));
    }
}

/// Delivers a `Down` to its watcher, together with the `Down`s to the same watcher that follow
/// directly. Returns the remaining effects.
fn deliver_downs<'a>(
    (to, first): (LocalPid, MonitorId),
    others: &'a [Effect],
    now: CoarseTime,
    state: &mut State,
    node: &Inner,
    directory: &Directory,
    after: &mut AfterUnlock,
) -> &'a [Effect] {
    let more = others.iter().map_while(|effect| match effect {
        Effect::Deliver { to: other, notice: Notice::Down(id) } if *other == to => Some(*id),
        _ => None,
    });
    let mut fired = mem::take(&mut state.fired);
    let (mut count, mut tally) = (0, Tally::default());
    for id in std::iter::once(first).chain(more) {
        count += 1;
        record_down(to, id, state, node, after, &mut tally);
        match state.aliases.fired(id) {
            Some(call) => after.wakers.extend(call.down(now)),
            None => fired.push(id),
        }
    }
    node.down_counters.add(&tally);
    match directory.get(to) {
        Some(LocalEndpoint::Process(process)) => {
            after.wakers.extend(process.queue.push_downs(&fired, now));
        }
        Some(LocalEndpoint::Watcher(inbox)) => {
            inbox.push(&fired, now);
            after.wakers.extend(inbox.waker.take());
        }
        // The receiver has exited.
        None => {}
    }
    fired.clear();
    state.fired = fired;
    &others[count - 1..]
}

/// Counts, stores and logs the `Down` of a monitor that fired. If it was flushed within the same
/// input, no `Down` is delivered, and nothing is recorded.
fn record_down(
    to: LocalPid,
    id: MonitorId,
    state: &mut State,
    node: &Inner,
    after: &mut AfterUnlock,
    tally: &mut Tally,
) {
    let Some(reason) = state.core.fired_reason(id) else { return };
    tally.add(&reason);
    if let DownReason::NoConnection(SessionEnd { kind: EndKind::Quota, .. }) = reason {
        node.counters.monitors_over_quota.add_one();
    }
    state.history.fired(to, id, &state.core, &node.environment);
    if telemetry::is_enabled(DOWN) {
        after.rare().downs.extend(state.core.fired(id));
    }
}

/// Delivers a node event to its process. Watchers never subscribe to node events, and a process
/// that has exited gets nothing.
fn deliver(to: LocalPid, notice: &NodeNotice, node: &Inner, directory: &Directory, after: &mut AfterUnlock) {
    if let Some(process) = directory.process(to) {
        let (left_out, receiver) = process.queue.push_node(notice.clone());
        node.counters.node_events_left_out.add(left_out.merged);
        node.counters.node_events_missed.add(left_out.missed);
        after.wakers.extend(receiver);
    }
}

/// Sends a signal, together with the signals of the same process, session and channel that follow
/// directly. All go in one frame, because a frame has one place in the order. Returns the remaining
/// effects.
fn send<'a>(
    stream @ (_, from, channel): (SessionId, LocalPid, ChannelId),
    first: &Signal,
    others: &'a [Effect],
    handle: Option<&Arc<SessionHandle>>,
    after: &mut AfterUnlock,
) -> &'a [Effect] {
    let more = others.iter().map_while(|effect| match effect {
        Effect::Send { session, from, channel, signal } if stream == (*session, *from, *channel) => {
            (is_down(signal) == is_down(first)).then_some(signal)
        }
        _ => None,
    });
    let mut written = 0;
    let write = &mut |frame: &mut Vec<u8>| {
        let start = frame.len();
        let mut last = None;
        frame.push(SIGNALS);
        encode(first, &mut last, frame);
        written = 0;
        for signal in more.clone() {
            let end = frame.len();
            encode(signal, &mut last, frame);
            if frame.len() - start > MAX_SIGNAL_FRAME {
                frame.truncate(end);
                break;
            }
            written += 1;
        }
    };
    let meta = FrameMeta::signal(order_of(from)).on(channel);
    let meta = if is_down(first) { meta.after_all() } else { meta };
    match push(handle, meta, write, after) {
        Ok(()) => {}
        // The end of the session follows, and accounts for the signals that are lost here. Only a
        // new monitor is requested again, by its caller.
        Err(PushError::Closed) => {
            let unsent = std::iter::once(first).chain(more.clone()).filter_map(requested);
            after.rare().unsent.extend(unsent);
            written = more.count();
        }
        // The session must end, because a signal is lost.
        Err(_) => {
            after.rare().overloaded.extend(handle.cloned());
            written = more.count();
        }
    }
    &others[written..]
}

/// The monitor that the signal requests.
const fn requested(signal: &Signal) -> Option<MonitorId> {
    if let Signal::Monitor { id, .. } = signal { Some(*id) } else { None }
}

/// A `Down` comes after every frame that the process has sent, on any channel.
fn is_down(signal: &Signal) -> bool {
    matches!(signal, Signal::Down { .. })
}

/// Returns the order of the messages and signals of a process. By convention it is the number of
/// the process; frames without a sending process have an order of their own.
pub(crate) fn order_of(pid: LocalPid) -> u64 {
    pid.0.to_u64()
}

fn push(
    handle: Option<&Arc<SessionHandle>>,
    meta: FrameMeta,
    write: &mut dyn FnMut(&mut Vec<u8>),
    after: &mut AfterUnlock,
) -> Result<(), PushError> {
    let handle = handle.ok_or(PushError::Closed)?;
    handle.outbox.push(meta, write)?;
    if handle.flush_policy(meta.channel).record_push() {
        after.flushes.push((handle.clone(), meta.channel));
    }
    Ok(())
}
