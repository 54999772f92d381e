//! Carries out the decisions of the table of peers.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::AbortHandle;
use peer_service::{EndKind, NodeName};
use smol::channel::{Receiver, Sender, bounded};
use supervision::Panic;

use super::Endpoint;
use crate::{
    io::{dialer, session::connection::Connection, tasks},
    log,
    proto::peers::{
        action::{Action, InboundDecision},
        pairing::ConnId,
        table::PeerTable,
    },
};

/// Handles to everything that the table's decisions are about.
#[derive(Default)]
pub(super) struct Handles {
    /// Wake the dialers that run.
    pub(super) dialers: BTreeMap<NodeName, Sender<()>>,
    /// Cancel the outbound connections that are no sessions yet.
    pub(super) dials: BTreeMap<ConnId, AbortHandle>,
    /// Tell the inbound connections that wait for a decision.
    pub(super) inbound: BTreeMap<ConnId, Sender<InboundDecision>>,
    /// The sessions that were handed out and are the table's, by their first connections.
    pub(super) sessions: BTreeMap<ConnId, Arc<Connection>>,
}

impl Handles {
    /// Carries out what the table has decided, but for what must not be done under its lock.
    pub(super) fn carry_out(&mut self, endpoint: &Endpoint, table: &mut PeerTable) -> After {
        let mut after = After::default();
        while let Some(action) = table.poll_action() {
            match action {
                Action::StartDialer(name) => {
                    let (wake, woken) = bounded(1);
                    self.dialers.insert(name.clone(), wake);
                    after.dialers.push((name, woken));
                }
                Action::WakeDialer(name) => {
                    if let Some(dialer) = self.dialers.get(&name) {
                        // Full: it asks for a plan anyway.
                        let _ = dialer.try_send(());
                    }
                }
                Action::DropDial(conn) => {
                    self.dials.remove(&conn).iter().for_each(AbortHandle::abort);
                }
                Action::Decide(conn, decision) => self.decide(conn, decision),
                Action::DropInbound(conn) => drop(self.inbound.remove(&conn)),
                Action::ProbeSession(conn) => {
                    self.sessions.get(&conn).iter().for_each(|connection| connection.want_probe());
                }
                Action::EndSession(conn) => {
                    if let Some(connection) = self.sessions.remove(&conn) {
                        endpoint.counters.sessions_replaced.add();
                        after.replaced.push(connection);
                    }
                }
                Action::FailDial(name, dial, kind) => endpoint.events.failed(name, dial, kind.into()),
            }
        }
        after
    }

    fn decide(&mut self, conn: ConnId, decision: InboundDecision) {
        if let Some(inbound) = self.inbound.get(&conn) {
            // There is room for both decisions. A connection that has ended reports that itself.
            let _ = inbound.try_send(decision);
        }
        if decision != InboundDecision::Asked {
            self.inbound.remove(&conn);
        }
    }
}

/// The part of a step that is done without the lock: it starts tasks, or wakes those of users.
#[derive(Default)]
pub(super) struct After {
    /// The step panicked: no session begins any more.
    failed: Option<Panic>,
    /// The peers for which a dialer must be started, and what wakes it.
    dialers: Vec<(NodeName, Receiver<()>)>,
    /// Sessions that have made room for another.
    replaced: Vec<Arc<Connection>>,
}

impl After {
    /// Of a step that panicked.
    pub(super) fn failed(panic: Panic) -> Self {
        After { failed: Some(panic), ..After::default() }
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
        for (name, woken) in self.dialers {
            let dialer = dialer::run(endpoint.clone(), name.clone(), woken);
            endpoint
                .tasks
                .spawn(endpoint, tasks::DIALER, dialer, move |endpoint| endpoint.dialer_lost(&name));
        }
    }
}
