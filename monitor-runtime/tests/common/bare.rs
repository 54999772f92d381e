//! A peer without a node: it has a session, and can push arbitrary frames.

use std::{future::poll_fn, sync::Arc};

use monitor_core::{Signal, Signals};
use monitor_runtime::{EndKind, Node, NodeSpec};
use peer_service::{DialId, FrameBuf, FrameMeta, PeerEvent, PeerService, PushError, Session};

pub struct BarePeer {
    service: Arc<dyn PeerService>,
    session: Option<Box<dyn Session>>,
}

impl BarePeer {
    pub fn new(service: Arc<dyn PeerService>) -> Self {
        BarePeer { service, session: None }
    }

    pub async fn connect(&mut self, node: &Node) {
        self.connect_to(&node.name().into()).await;
    }

    pub async fn connect_to(&mut self, node: &NodeSpec) {
        self.service.connect(node, DialId(1));
        let Some(PeerEvent::Session(session)) = self.service.next().await else { panic!("no session") };
        self.session = Some(session);
    }

    pub fn push(&self, bytes: &[u8]) {
        self.try_push(FrameMeta::SIGNAL, bytes).unwrap();
    }

    pub async fn push_when_ready(&self, bytes: &[u8]) {
        while self.try_push(FrameMeta::message(1), bytes) == Err(PushError::Full) {
            let outbox = self.session().outbox();
            poll_fn(|cx| outbox.poll_ready(peer_service::ChannelId::DEFAULT, cx)).await.unwrap();
        }
    }

    /// The signals of the next frames that arrive.
    pub async fn signals(&mut self) -> Vec<Signal> {
        let mut frames = FrameBuf::new();
        self.session_mut().recv(&mut frames).await.unwrap();
        let signals = frames.iter().filter(|frame| frame[0] == 0).flat_map(|frame| Signals::new(&frame[1..]));
        signals.map(Result::unwrap).collect()
    }

    /// Waits for the end of the session.
    pub async fn ended(&mut self) -> EndKind {
        let mut frames = FrameBuf::new();
        loop {
            if let Err(end) = self.session_mut().recv(&mut frames).await {
                return end.kind;
            }
        }
    }

    fn try_push(&self, meta: FrameMeta, bytes: &[u8]) -> Result<(), PushError> {
        let outbox = self.session().outbox();
        outbox.push(meta, &mut |frame| frame.extend_from_slice(bytes))?;
        outbox.flush();
        Ok(())
    }

    fn session(&self) -> &dyn Session {
        &**self.session.as_ref().expect("connected")
    }

    fn session_mut(&mut self) -> &mut dyn Session {
        &mut **self.session.as_mut().expect("connected")
    }
}
