//! Carries out the decisions of the table of peers.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::AbortHandle;
use peer_service::{EndKind, NodeName};
use smol::channel::{Receiver, Sender, bounded};
use supervision::Panic;

use super::Endpoint;
use crate::{
    io::session::connection::Connection,
    log,
    proto::peers::{
        action::{Action, InboundDecision},
        pairing::ConnId,
        table::PeerTable,
    },
};

/// Handles to everything to which the table's decisions refer.
#[derive(Default)]
pub(super) struct Handles {
    /// Wake the running dialers.
    pub(super) dialers: BTreeMap<NodeName, Sender<()>>,
    /// Abort the outbound connections that are not sessions yet.
    pub(super) dials: BTreeMap<ConnId, AbortHandle>,
    /// Send decisions to the inbound connections that wait for one.
    pub(super) inbound: BTreeMap<ConnId, Sender<InboundDecision>>,
    /// The sessions that were handed out and that the table still has, by their first connections.
    pub(super) sessions: BTreeMap<ConnId, Arc<Connection>>,
}

impl Handles {
    /// Carries out the table's decisions. Returns the work that must not be done under the lock.
    pub(super) fn carry_out(&mut self, endpoint: &Endpoint, table: &mut PeerTable) -> Deferred {
        let mut deferred = Deferred::default();
        while let Some(action) = table.poll_action() {
            match action {
                Action::StartDialer(name) => {
                    let (wake, wakeups) = bounded(1);
                    self.dialers.insert(name.clone(), wake);
                    deferred.dialers.push((name, wakeups));
                }
                Action::WakeDialer(name) => {
                    if let Some(dialer) = self.dialers.get(&name) {
                        // If the channel is full, the dialer asks for a plan anyway.
                        let _ = dialer.try_send(());
                    }
                }
                Action::DropDial(conn) => {
                    self.dials.remove(&conn).iter().for_each(AbortHandle::abort);
                }
                Action::Decide(conn, decision) => self.decide(conn, decision),
                Action::DropInbound(conn) => drop(self.inbound.remove(&conn)),
                Action::ProbeSession(conn) => {
                    self.sessions.get(&conn).iter().for_each(|connection| connection.request_probe());
                }
                Action::EndSession(conn) => {
                    if let Some(connection) = self.sessions.remove(&conn) {
                        endpoint.counters.sessions_replaced.add();
                        deferred.replaced.push(connection);
                    }
                }
                Action::FailDial(name, dial, kind) => endpoint.events.failed(name, dial, kind.into()),
            }
        }
        deferred
    }

    fn decide(&mut self, conn: ConnId, decision: InboundDecision) {
        if let Some(inbound) = self.inbound.get(&conn) {
            // The channel has capacity for both decisions. A connection that has ended reports that
            // itself.
            let _ = inbound.try_send(decision);
        }
        if decision != InboundDecision::Asked {
            self.inbound.remove(&conn);
        }
    }
}

/// The part of a step that runs without the lock, because it starts tasks or wakes those of users.
#[derive(Default)]
pub(super) struct Deferred {
    /// The panic of the step: no further session starts.
    failed: Option<Panic>,
    /// The peers for which a dialer must be started, and the receiver that wakes it.
    dialers: Vec<(NodeName, Receiver<()>)>,
    /// Sessions that were replaced by another one.
    replaced: Vec<Arc<Connection>>,
}

impl Deferred {
    /// The work that is left after a step that panicked.
    pub(super) fn failed(panic: Panic) -> Self {
        Deferred { failed: Some(panic), ..Deferred::default() }
    }

    pub(super) fn run(self, endpoint: &Arc<Endpoint>) {
        if let Some(panic) = self.failed {
            endpoint.counters.tasks_failed.add();
            log::transport_failed(&panic);
            endpoint.shut_down(EndKind::Internal);
        }
        for connection in self.replaced {
            connection.end_now(EndKind::Replaced.into());
        }
        for (name, wakeups) in self.dialers {
            (endpoint.start_dialer)(endpoint, name, wakeups);
        }
    }
}
