//! Sending a message, and delivering one that has arrived.

use std::{sync::Arc, task::Waker};

use monitor_core::{Connect, LocalPid, Route};
use peer_service::{FrameMeta, PushError};
use refs::{EndKind, NodeId, NodeName, Pid, Serial};

use crate::{
    effects::order_of,
    error::{NotAlive, SendError},
    event::Message,
    link::Link,
    message::{Dest, MAX_OVERHEAD, MessageFrame, Receiver},
    parked::Parcel,
    processes::LiveProcess,
    queue::Pushed,
    send_options::SendOptions,
    state::Inner,
};

/// Why a message did not go out, and what to wait for if it is [`SendError::Full`].
pub(crate) enum Unsent {
    /// Never will.
    Error(SendError),
    /// Until the session takes more.
    Session(Arc<Link>),
    /// Until fewer things wait for a connection.
    Connection,
}

impl From<Unsent> for SendError {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Error(error) => error,
            Unsent::Session(_) | Unsent::Connection => SendError::Full,
        }
    }
}

enum Way {
    Session(Arc<Link>),
    Parked,
}

impl Inner {
    /// Sends a message; `body` is taken out if it went to a process of this node.
    pub(crate) fn send(
        &self,
        from: Option<&Pid>,
        to: &Dest,
        body: &mut Vec<u8>,
        options: SendOptions,
    ) -> Result<(), Unsent> {
        if !self.is_alive() {
            return Err(Unsent::Error(NotAlive.into()));
        }
        let max = self.limits.max_message;
        if body.len() > max {
            return Err(Unsent::Error(SendError::TooLarge { len: body.len(), max }));
        }
        if *to.node() == self.id.name {
            let message = Message::new(from.cloned(), std::mem::take(body));
            if let Some(waker) = self.deliver_to(to.receiver(), message) {
                waker.wake();
            }
            return Ok(());
        }
        let frame = MessageFrame { to: to.receiver(), from: from.map(Pid::serial), body };
        let order = order_of(from.map_or(LocalPid::NOBODY, |pid| LocalPid(pid.serial())));
        match self.way(to.node(), order, frame, options)? {
            Way::Parked => Ok(()),
            Way::Session(link) if !link.takes(options) => Err(Unsent::Error(SendError::NoChannel)),
            Way::Session(link) => {
                let meta = FrameMeta::message(order).on(options.channel);
                match link.outbox.push(meta, &mut |out| frame.write(out)) {
                    Ok(()) => {
                        if link.touch() {
                            self.flusher.flush(&link);
                        }
                        Ok(())
                    }
                    Err(PushError::Full) => {
                        self.counters.messages_refused.add_one();
                        Err(Unsent::Session(link))
                    }
                    // The peer takes less than this node.
                    Err(PushError::TooLarge) => {
                        let max = link.peer.max_frame.saturating_sub(MAX_OVERHEAD);
                        Err(Unsent::Error(SendError::TooLarge { len: body.len(), max }))
                    }
                    Err(_) => Err(Unsent::Error(SendError::NotConnected(EndKind::Closed.into()))),
                }
            }
        }
    }

    /// How a frame gets to that node; parks it if a connection must be made first.
    fn way(
        &self,
        node: &NodeName,
        order: u64,
        frame: MessageFrame<'_>,
        options: SendOptions,
    ) -> Result<Way, Unsent> {
        let not_connected = |end| Unsent::Error(SendError::NotConnected(end));
        self.enter_alive(|state, out| {
            let has_room = state.parked.has_room(frame.body.len());
            // What could not wait for a connection asks for none.
            let connect = if has_room { self.connect_if_able(Connect::OnDemand) } else { Connect::Never };
            let ticket = state.parked.ticket();
            match state.core.route(node, ticket, connect, out) {
                Route::Now(session) => {
                    let link = state.links.get(&session).cloned();
                    link.map(Way::Session).ok_or(not_connected(EndKind::Closed.into()))
                }
                Route::Later if has_room => {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    state.parked.keep(ticket, Parcel { order, options, frame: bytes });
                    Ok(Way::Parked)
                }
                // The ticket stays without a parcel: nothing will be forwarded.
                Route::Later => Err(Unsent::Connection),
                Route::No(_) if !has_room && self.capabilities.connect => Err(Unsent::Connection),
                Route::No(end) if end.kind == EndKind::Quota => Err(Unsent::Connection),
                Route::No(end) => Err(not_connected(end)),
            }
        })
        .unwrap_or_else(|error| Err(Unsent::Error(error.into())))
    }

    /// On demand as far as the peer service can: one that makes its connections by itself is not asked to.
    pub(crate) const fn connect_if_able(&self, connect: Connect) -> Connect {
        if self.capabilities.connect { connect } else { Connect::Never }
    }

    /// A message has arrived from a peer. Returns whom to wake.
    pub(crate) fn deliver(&self, frame: MessageFrame<'_>, peer: &NodeId) -> Option<Waker> {
        let from = frame.from.map(|serial| Pid::new(peer.clone(), serial));
        self.deliver_to(frame.to, Message::new(from, frame.body.to_vec()))
    }

    fn deliver_to(&self, to: Receiver<'_>, message: Message) -> Option<Waker> {
        if let Receiver::Alias(..) = to {
            self.counters.messages_for_no_alias.add_one();
            return None;
        }
        let Some(process) = self.receiver(to) else {
            self.counters.messages_for_nobody.add_one();
            return None;
        };
        match process.queue.push_message(message) {
            Pushed::Kept => {}
            Pushed::Full => self.counters.messages_missed.add_one(),
            Pushed::Closed => self.counters.messages_for_nobody.add_one(),
        }
        process.queue.waker.take()
    }

    fn receiver(&self, to: Receiver<'_>) -> Option<Arc<LiveProcess>> {
        let directory = self.directory.read();
        let pid = match to {
            Receiver::Pid(life, serial) if life == self.id.incarnation => LocalPid(serial),
            Receiver::Name(name) => directory.names.whereis(&name.parse().ok()?)?,
            Receiver::Pid(..) | Receiver::Alias(..) => return None,
        };
        directory.process(pid).cloned()
    }

    /// The pid of a process of this node.
    pub(crate) fn pid(&self, serial: Serial) -> Pid {
        Pid::new(self.id.clone(), serial)
    }

    /// The number of a process that lives, or lived, on this node in its present life.
    pub(crate) fn local(&self, pid: &Pid) -> Option<LocalPid> {
        pid.is_local(&self.id).then(|| LocalPid(pid.serial()))
    }
}
