//! The monitors that peers hold on local processes.

use refs::ChannelId;

use super::{
    keys::{IncomingIndex, PeerIndex},
    peer_serials::{PageIndex, PeerSerialIndex, SerialPosition},
    storage::{ChunkedSlab, List, ListLinks, Lists, linked},
};
use crate::ids::MonitorId;

/// The table. Each row is in the list of its session and in that of its target, and is found by the
/// serial that its peer gave it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct IncomingMonitors {
    rows: ChunkedSlab<IncomingIndex, Row>,
    len: usize,
    peer_serials: PeerSerialIndex<IncomingIndex>,
    by_session: Lists<IncomingBySession>,
    by_target: Lists<IncomingByTarget>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Row {
    /// With `offset`, the position of the row's serial in [`PeerSerialIndex`], which holds the peer
    /// and the serial. The row repeats neither, and needs no search when it is removed: that saves
    /// a third of the time that the exit of a process with a million watchers takes.
    page: PageIndex,
    offset: u8,
    channel: ChannelId,
    /// Always true. The other values of this byte mark the vacant cells of the table, so that a
    /// cell is no larger than a row.
    is_row: bool,
    by_session: ListLinks<IncomingIndex>,
    by_target: ListLinks<IncomingIndex>,
}

const _: () = assert!(ChunkedSlab::<IncomingIndex, Row>::ROW == 24);

impl Row {
    const fn serial_position(&self) -> SerialPosition {
        SerialPosition { page: self.page, offset: self.offset }
    }
}

/// The content of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IncomingMonitor {
    /// The peer's number for the monitor.
    pub(crate) id: MonitorId,
    pub(crate) peer: PeerIndex,
    /// The channel on which the monitor arrived. Its `Down` goes back on the same channel.
    pub(crate) channel: ChannelId,
}

linked! {
    /// The monitors that arrived on one session.
    IncomingBySession: IncomingIndex => Row.by_session
}

linked! {
    /// The monitors on one local process.
    IncomingByTarget: IncomingIndex => Row.by_target
}

impl IncomingMonitors {
    pub(crate) fn new(seed: u64) -> Self {
        IncomingMonitors {
            rows: ChunkedSlab::new(),
            len: 0,
            peer_serials: PeerSerialIndex::new(seed),
            by_session: Lists::new(),
            by_target: Lists::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn find(&mut self, peer: PeerIndex, id: MonitorId) -> Option<IncomingIndex> {
        self.peer_serials.find(peer, id)
    }

    /// Records a monitor that [`IncomingMonitors::find`] did not find.
    pub(crate) fn insert(
        &mut self,
        peer: PeerIndex,
        channel: ChannelId,
        id: MonitorId,
        session: List<IncomingBySession>,
        watchers: &mut Option<List<IncomingByTarget>>,
    ) {
        let target = *watchers.get_or_insert_with(|| self.by_target.create());
        let position = self.peer_serials.enter(peer, id);
        let at = self.rows.insert(Row {
            page: position.page,
            offset: position.offset,
            channel,
            is_row: true,
            by_session: ListLinks::LOOSE,
            by_target: ListLinks::LOOSE,
        });
        self.by_session.push_back(session, &mut self.rows, at);
        self.by_target.push_back(target, &mut self.rows, at);
        self.peer_serials.set(position, at);
        self.len += 1;
    }

    pub(crate) fn get(&self, at: IncomingIndex) -> IncomingMonitor {
        let row = &self.rows[at];
        let (peer, id) = self.peer_serials.read(row.serial_position());
        IncomingMonitor { id, peer, channel: row.channel }
    }

    /// Removes a row; returns its peer.
    pub(crate) fn remove(&mut self, at: IncomingIndex) -> PeerIndex {
        // The row is removed before it leaves its lists: it is then looked up once instead of five
        // times.
        let row = self.rows.remove(at);
        self.by_session.close_gap(&mut self.rows, &row);
        self.by_target.close_gap(&mut self.rows, &row);
        self.len -= 1;
        self.peer_serials.remove(row.serial_position())
    }

    pub(crate) fn create_session_list(&mut self) -> List<IncomingBySession> {
        self.by_session.create()
    }

    pub(crate) fn first_of_session(&self, list: List<IncomingBySession>) -> Option<IncomingIndex> {
        self.by_session.first(list)
    }

    pub(crate) fn destroy_session_list(&mut self, list: List<IncomingBySession>) {
        self.by_session.destroy(list);
    }

    pub(crate) fn first_of_target(&self, list: List<IncomingByTarget>) -> Option<IncomingIndex> {
        self.by_target.first(list)
    }

    pub(crate) fn destroy_target_list(&mut self, list: List<IncomingByTarget>) {
        self.by_target.destroy(list);
    }

    /// The monitors that peers hold on one process, oldest first.
    pub(crate) fn of_target(
        &self,
        list: Option<List<IncomingByTarget>>,
    ) -> impl Iterator<Item = IncomingMonitor> {
        self.by_target.iter(&self.rows, list).map(|at| self.get(at))
    }
}
