//! The peer service of one node of the network.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use refs::{ChannelId, ChannelName, DialId, EndKind, NodeId, NodeName, NodeSpec, SessionEnd};

use super::{Join, world::Shared};
use crate::{
    events::Events,
    frame::{Class, FrameBuf, FrameMeta},
    memory::link::End,
    service::{Capabilities, Closed, Outbox, PeerEvent, PeerInfo, PeerService, PushError, Session},
};

/// A node of a [`Network`](super::Network). On drop it shuts down, and its sessions continue;
/// [`Network::crash`](super::Network::crash) kills a node.
pub struct MemoryService {
    shared: Arc<Shared>,
    node_key: u64,
    id: NodeId,
    capabilities: Capabilities,
    max_frame: usize,
    channels: Vec<ChannelName>,
    events: Arc<Events>,
}

impl MemoryService {
    pub(super) fn join(shared: &Arc<Shared>, join: Join) -> Arc<Self> {
        let events = Arc::new(Events::new());
        let (capabilities, channels) = (join.capabilities, join.channels.clone());
        let (node_key, id) = shared.act(|world| world.join(join, events.clone()));
        let max_frame = shared.look(|world| world.settings.max_frame);
        Arc::new(MemoryService {
            shared: shared.clone(),
            node_key,
            id,
            capabilities,
            max_frame,
            channels,
            events,
        })
    }
}

impl fmt::Debug for MemoryService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryService").field("id", &self.id).finish_non_exhaustive()
    }
}

#[async_trait]
impl PeerService for MemoryService {
    fn local(&self) -> &NodeId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn max_frame(&self) -> usize {
        self.max_frame
    }

    fn channels(&self) -> &[ChannelName] {
        &self.channels
    }

    async fn next(&self) -> Option<PeerEvent> {
        self.events.next().await
    }

    fn connect(&self, node: &NodeSpec, dial: DialId) {
        self.shared.act(|world| world.connect(self.node_key, node.name(), dial));
    }

    fn disconnect(&self, node: &NodeName) {
        self.shared.act(|world| world.disconnect(self.node_key, node));
    }

    fn view(&self) -> Option<Vec<NodeName>> {
        self.shared.look(|world| world.view_of(self.node_key))
    }

    fn shutdown(&self) {
        self.shared.act(|world| world.shut(self.node_key));
    }
}

impl Drop for MemoryService {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// One end of a session.
pub(super) struct MemorySession {
    outbox: Arc<MemoryOutbox>,
    info: PeerInfo,
}

impl MemorySession {
    pub(super) fn new(shared: Arc<Shared>, link: u64, end: usize, info: PeerInfo) -> Self {
        MemorySession { outbox: Arc::new(MemoryOutbox { shared, link, end }), info }
    }
}

#[async_trait]
impl Session for MemorySession {
    fn peer(&self) -> &PeerInfo {
        &self.info
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.outbox.clone()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| self.outbox.poll_recv(frames, cx)).await
    }
}

impl Drop for MemorySession {
    fn drop(&mut self) {
        let MemoryOutbox { shared, link, end } = &*self.outbox;
        shared.act(|world| {
            world.close(*link, *end, EndKind::Closed);
            if let Some(link) = world.links.get_mut(link) {
                link.ends[*end].dropped = true;
            }
        });
    }
}

struct MemoryOutbox {
    shared: Arc<Shared>,
    link: u64,
    end: usize,
}

impl MemoryOutbox {
    fn poll_recv(&self, frames: &mut FrameBuf, cx: &mut Context<'_>) -> Poll<Result<(), SessionEnd>> {
        self.shared.act(|world| {
            let frozen =
                world.links.get(&self.link).is_some_and(|link| world.is_frozen(link.ends[self.end].node_key));
            let Some(link) = world.links.get_mut(&self.link) else {
                return Poll::Ready(Err(EndKind::Closed.into()));
            };
            let own = &mut link.ends[self.end];
            if let Some(first) = own.arrived.front().filter(|_| !frozen) {
                frames.channel = first.channel;
                while own.arrived.front().is_some_and(|frame| frame.channel == frames.channel) {
                    let frame = own.arrived.pop_front().expect("the loop has checked that there is one");
                    frames.push(&frame.bytes);
                    own.arrived_bytes -= frame.bytes.len();
                }
                return Poll::Ready(Ok(()));
            }
            match own.end {
                Some(end) if !frozen => Poll::Ready(Err(end)),
                _ => {
                    own.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    /// Calls `with` with the local end while it is open, and the limits of messages and of all
    /// frames.
    fn with_end<R>(&self, with: impl FnOnce(&mut End, usize, usize) -> R) -> Option<R> {
        self.shared.edit(|world| {
            let (messages, waiting) = (world.settings.max_messages, world.settings.max_waiting);
            let own = &mut world.links.get_mut(&self.link)?.ends[self.end];
            own.is_open().then(|| with(own, messages, waiting))
        })
    }
}

impl Outbox for MemoryOutbox {
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        let max_frame = self.shared.look(|world| world.settings.max_frame);
        let overloaded = self.with_end(|own, max_messages, max_waiting| {
            if meta.class == Class::Message && own.waiting_messages(meta.channel) >= max_messages {
                return Err(PushError::Full);
            }
            let mut frame = Vec::new();
            write(&mut frame);
            if frame.len() > max_frame {
                return Err(PushError::TooLarge);
            }
            if own.waiting > 0 && own.waiting.saturating_add(frame.len()) > max_waiting {
                return Ok(true);
            }
            own.push(meta, frame);
            Ok(false)
        });
        match overloaded.ok_or(PushError::Closed)?? {
            false => Ok(()),
            true => {
                self.shared.edit(|world| world.close(self.link, self.end, EndKind::Overloaded));
                Err(PushError::Closed)
            }
        }
    }

    fn flush(&self) {
        self.shared.act(|world| world.flush(self.link, self.end));
    }

    fn flush_channel(&self, channel: ChannelId) {
        self.shared.act(|world| world.flush_channel(self.link, self.end, channel));
    }

    fn poll_ready(&self, channel: ChannelId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let waker = cx.waker().clone();
        let ready = self.with_end(|own, max_messages, _| {
            if own.waiting_messages(channel) < max_messages {
                return Poll::Ready(Ok(()));
            }
            own.senders.push(waker);
            Poll::Pending
        });
        ready.unwrap_or(Poll::Ready(Err(Closed)))
    }

    fn close(&self, kind: EndKind) {
        self.shared.act(|world| world.close(self.link, self.end, kind));
    }

    fn queued(&self) -> usize {
        self.shared.look(|world| world.links.get(&self.link).map_or(0, |link| link.ends[self.end].waiting))
    }
}
