//! The monitors that peers hold on local processes.

use refs::ChannelId;

use super::{
    chunked_slab::ChunkedSlab,
    list::{List, ListLinks, Lists, linked},
    peer_serials::{PeerSerialIndex, SerialPosition},
};
use crate::ids::MonitorId;

/// The table. Each row is in the list of its session and in that of its target, and can be found by the number
/// that its peer gave it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct IncomingMonitors {
    rows: ChunkedSlab<Row>,
    len: usize,
    peer_serials: PeerSerialIndex,
    by_session: Lists<BySession>,
    by_target: Lists<ByTarget>,
}

#[derive(Clone, Debug, Hash)]
struct Row {
    /// The place of its number in [`PeerSerialIndex`], which holds its peer and its id. The row repeats neither, and its removal needs
    /// no search: a third less time for the exit of a process with a million watchers.
    page: u32,
    place: u8,
    channel: ChannelId,
    /// Always true. Values that are neither true nor false mark the vacant cells of the table, so a cell is no larger than a row.
    is_row: bool,
    by_session: ListLinks,
    by_target: ListLinks,
}

const _: () = assert!(ChunkedSlab::<Row>::ROW == 24);

impl Row {
    const fn serial_position(&self) -> SerialPosition {
        SerialPosition { page: self.page, place: self.place }
    }
}

/// The content of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Monitored {
    /// The number that the peer gave the monitor.
    pub(crate) id: MonitorId,
    /// Index in [`Peers`](super::Peers).
    pub(crate) peer: u32,
    /// The monitor was asked for on this channel, and its end is told there.
    pub(crate) channel: ChannelId,
}

linked!(BySession, by_session);
linked!(ByTarget, by_target);

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

    pub(crate) fn find(&mut self, peer: u32, id: MonitorId) -> Option<u32> {
        self.peer_serials.find(peer, id)
    }

    /// Records a monitor that [`IncomingMonitors::find`] did not find.
    pub(crate) fn insert(
        &mut self,
        peer: u32,
        channel: ChannelId,
        id: MonitorId,
        session: List,
        watchers: &mut Option<List>,
    ) {
        let target = *watchers.get_or_insert_with(|| self.by_target.create());
        let position = self.peer_serials.enter(peer, id);
        let at = self.rows.insert(Row {
            page: position.page,
            place: position.place,
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

    pub(crate) fn get(&self, at: u32) -> Monitored {
        let row = &self.rows[at];
        let (peer, id) = self.peer_serials.read(row.serial_position());
        Monitored { id, peer, channel: row.channel }
    }

    /// Removes a row; returns its peer.
    pub(crate) fn remove(&mut self, at: u32) -> u32 {
        // The row is removed before it leaves its lists: then it is looked up once instead of five times.
        let row = self.rows.remove(at);
        self.by_session.close_gap(&mut self.rows, &row);
        self.by_target.close_gap(&mut self.rows, &row);
        self.len -= 1;
        self.peer_serials.remove(row.serial_position())
    }

    pub(crate) fn session_list(&mut self) -> List {
        self.by_session.create()
    }

    pub(crate) fn first_of_session(&self, list: List) -> Option<u32> {
        self.by_session.first(list)
    }

    pub(crate) fn destroy_session(&mut self, list: List) {
        self.by_session.destroy(list);
    }

    pub(crate) fn first_of_target(&self, list: List) -> Option<u32> {
        self.by_target.first(list)
    }

    pub(crate) fn destroy_target(&mut self, list: List) {
        self.by_target.destroy(list);
    }

    /// Who watches that process from elsewhere, oldest first.
    pub(crate) fn of_target(&self, list: Option<List>) -> impl Iterator<Item = Monitored> {
        let first = list.and_then(|list| self.by_target.first(list));
        core::iter::successors(first, |&at| self.by_target.next(&self.rows, at)).map(|at| self.get(at))
    }
}
