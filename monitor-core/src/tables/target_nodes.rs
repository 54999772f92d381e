//! The nodes of all targets, each once: a row of a monitor holds a key instead of a name.

use refs::{ChannelId, Incarnation, NodeName};

use super::{
    keys::{PeerIndex, TargetNodeIndex},
    storage::{HashIndex, Slab},
};

/// The table. All monitors of one row have been on sessions with one incarnation of the node; their
/// `Down`s report that incarnation. Of the rows that are equal in name, incarnation and channel,
/// the one with the latest session incarnation is *current*, and is in the index; an earlier one
/// stays as long as it has monitors.
///
/// A row whose last monitor has just ended is kept as the *spare* row. A process that monitors a
/// node for the time of one request names the same node again at once, and so pays no insertion and
/// removal each time.
#[derive(Clone, Debug, Hash)]
pub(crate) struct TargetNodes {
    rows: Slab<TargetNodeIndex, TargetNode>,
    index: HashIndex<TargetNodeIndex>,
    spare: Option<TargetNodeIndex>,
}

/// A node as a target names it, and the channel to it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct TargetNode {
    pub(crate) name: NodeName,
    /// The incarnation of a pid; `None` for a registered name.
    pub(crate) incarnation: Option<Incarnation>,
    /// The channel of all signals about the monitors, in both directions.
    pub(crate) channel: ChannelId,
    /// `None` for the local node.
    pub(crate) peer: Option<PeerIndex>,
    /// The incarnation of the node on the session that the monitors are or were bound to; `None`
    /// before there was a session.
    pub(crate) session_incarnation: Option<Incarnation>,
    monitors: u32,
    current: bool,
}

impl TargetNode {
    /// Number of monitors that have a target there.
    pub(crate) const fn monitors(&self) -> u32 {
        self.monitors
    }

    fn key(&self) -> (&str, Option<Incarnation>, ChannelId) {
        (self.name.as_str(), self.incarnation, self.channel)
    }
}

impl TargetNodes {
    pub(crate) fn new(seed: u64) -> Self {
        TargetNodes { rows: Slab::new(), index: HashIndex::new(seed), spare: None }
    }

    pub(crate) fn find(
        &mut self,
        name: &NodeName,
        incarnation: Option<Incarnation>,
        channel: ChannelId,
    ) -> Option<TargetNodeIndex> {
        let key = (name.as_str(), incarnation, channel);
        self.index.find(key, |at| self.rows[at].key() == key)
    }

    /// Adds a node that [`TargetNodes::find`] did not find.
    pub(crate) fn insert(
        &mut self,
        name: &NodeName,
        incarnation: Option<Incarnation>,
        channel: ChannelId,
        peer: Option<PeerIndex>,
        session_incarnation: Option<Incarnation>,
    ) -> TargetNodeIndex {
        let name = name.clone();
        let (monitors, current) = (0, true);
        self.add(TargetNode { name, incarnation, channel, peer, session_incarnation, monitors, current })
    }

    fn add(&mut self, target_node: TargetNode) -> TargetNodeIndex {
        let at = self.rows.insert(|_| target_node);
        self.index.insert(at, |at| self.rows[at].key());
        at
    }

    /// Returns the current row with the key of this row, for a monitor that is bound to a session
    /// with `session_incarnation`; and whether the row is new. A new row is added if the monitors
    /// of the current one were on sessions with another incarnation.
    pub(crate) fn for_incarnation(
        &mut self,
        at: TargetNodeIndex,
        session_incarnation: Option<Incarnation>,
    ) -> (TargetNodeIndex, bool) {
        let current = self.current(at);
        let row = &mut self.rows[current];
        let bound = row.session_incarnation;
        if bound.is_none() || bound == session_incarnation || row.monitors == 0 {
            row.session_incarnation = session_incarnation;
            return (current, false);
        }
        row.current = false;
        let newer = TargetNode { session_incarnation, monitors: 0, current: true, ..row.clone() };
        self.index.remove(current, self.rows[current].key(), |at| self.rows[at].key());
        (self.add(newer), true)
    }

    /// The current row with the key of this row. That is this row itself if the current one was
    /// removed after its last monitor had ended.
    fn current(&mut self, at: TargetNodeIndex) -> TargetNodeIndex {
        let key = self.rows[at].key();
        if let Some(current) = self.index.find(key, |at| self.rows[at].key() == key) {
            return current;
        }
        self.rows[at].current = true;
        self.index.insert(at, |at| self.rows[at].key());
        at
    }

    pub(crate) fn get(&self, at: TargetNodeIndex) -> &TargetNode {
        &self.rows[at]
    }

    /// All rows, in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TargetNode> {
        self.rows.iter()
    }

    /// Counts one more monitor that has a target there.
    pub(crate) fn hold(&mut self, at: TargetNodeIndex) {
        self.rows[at].monitors += 1;
        self.spare = self.spare.filter(|&spare| spare != at);
    }

    /// Counts one monitor less. After the last monitor the row becomes the spare row. Returns the
    /// spare row before it, which is removed.
    pub(crate) fn release(&mut self, at: TargetNodeIndex) -> Option<TargetNode> {
        self.rows[at].monitors -= 1;
        if self.rows[at].monitors > 0 {
            return None;
        }
        let before = self.spare.replace(at)?;
        Some(self.remove(before))
    }

    /// Removes the spare row, if it belongs to that peer.
    pub(crate) fn remove_spare(&mut self, peer: PeerIndex) -> Option<TargetNode> {
        let spare = self.spare.take_if(|spare| self.rows[*spare].peer == Some(peer))?;
        Some(self.remove(spare))
    }

    fn remove(&mut self, at: TargetNodeIndex) -> TargetNode {
        if self.rows[at].current {
            self.index.remove(at, self.rows[at].key(), |at| self.rows[at].key());
        }
        self.rows.remove(at, Some(0))
    }
}
