//! The nodes of all targets, each once: a row of a monitor holds an index instead of a name.

use refs::{ChannelId, Incarnation, NodeName};

use super::{hash_index::HashIndex, slab::Slab};

/// The monitors of one target node have been with one life of the node: that is what their `Down`s bear witness of. Of those that
/// bear the same key the one with the latest life is *current*, and in the index; one from before stays as long as it has
/// monitors.
///
/// A target node of which the last monitor has just ended is kept as the *spare* one: who monitors for the time of one question
/// and its answer names the same node again at once, and pays no entry and removal each time.
#[derive(Clone, Debug, Hash)]
pub(crate) struct TargetNodes {
    rows: Slab<TargetNode>,
    index: HashIndex,
    spare: Option<u32>,
}

/// A node as a target names it, with the incarnation for a pid, without for a name; and the channel to it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct TargetNode {
    pub(crate) name: NodeName,
    pub(crate) incarnation: Option<Incarnation>,
    /// Of the signals about the monitor, in both directions.
    pub(crate) channel: ChannelId,
    /// Index in [`Peers`](super::Peers); none for the own node.
    pub(crate) peer: Option<u32>,
    /// The life of the node with which its monitors are, or were; none before there was a session.
    pub(crate) session_incarnation: Option<Incarnation>,
    monitors: u32,
    current: bool,
}

impl TargetNode {
    /// How many monitors have a target there.
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
    ) -> Option<u32> {
        let key = (name.as_str(), incarnation, channel);
        self.index.find(key, |at| self.rows[at].key() == key)
    }

    /// Adds a node that [`TargetNodes::find`] did not find.
    pub(crate) fn insert(
        &mut self,
        name: &NodeName,
        incarnation: Option<Incarnation>,
        channel: ChannelId,
        peer: Option<u32>,
        session_incarnation: Option<Incarnation>,
    ) -> u32 {
        let name = name.clone();
        self.add(TargetNode {
            name,
            incarnation,
            channel,
            peer,
            session_incarnation,
            monitors: 0,
            current: true,
        })
    }

    fn add(&mut self, target_node: TargetNode) -> u32 {
        let at = self.rows.insert(|_, _| target_node);
        self.index.insert(at, |at| self.rows[at].key());
        at
    }

    /// The current target node like this one, for a monitor of it that is with that life of the node. It is another row if the
    /// monitors of this one have been with another life; returns also whether it is new.
    pub(crate) fn for_incarnation(
        &mut self,
        at: u32,
        session_incarnation: Option<Incarnation>,
    ) -> (u32, bool) {
        let current = self.current(at);
        let row = &mut self.rows[current];
        if row.session_incarnation.is_none()
            || row.session_incarnation == session_incarnation
            || row.monitors == 0
        {
            row.session_incarnation = session_incarnation;
            return (current, false);
        }
        row.current = false;
        let newer = TargetNode { session_incarnation, monitors: 0, current: true, ..row.clone() };
        self.index.remove(current, self.rows[current].key(), |at| self.rows[at].key());
        (self.add(newer), true)
    }

    /// The current target node with the key of this one: this one, if the current one was forgotten when its last monitor had ended.
    fn current(&mut self, at: u32) -> u32 {
        let key = self.rows[at].key();
        if let Some(current) = self.index.find(key, |at| self.rows[at].key() == key) {
            return current;
        }
        self.rows[at].current = true;
        self.index.insert(at, |at| self.rows[at].key());
        at
    }

    pub(crate) fn get(&self, at: u32) -> &TargetNode {
        &self.rows[at]
    }

    /// All target nodes, in the order of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TargetNode> {
        core::iter::successors(self.rows.scan(0), |&(_, next)| self.rows.scan(next))
            .filter_map(|(target_node, _)| target_node)
    }

    /// One more monitor has a target there.
    pub(crate) fn hold(&mut self, at: u32) {
        self.rows[at].monitors += 1;
        self.spare = self.spare.filter(|&spare| spare != at);
    }

    /// One monitor less; the last makes it the spare one. Returns the node that was spare before, which is forgotten.
    pub(crate) fn release(&mut self, at: u32) -> Option<TargetNode> {
        self.rows[at].monitors -= 1;
        if self.rows[at].monitors > 0 {
            return None;
        }
        let before = self.spare.replace(at)?;
        Some(self.remove(before))
    }

    /// Forgets the spare one, if it belongs to that peer.
    pub(crate) fn drop_spare(&mut self, peer: u32) -> Option<TargetNode> {
        let spare = self.spare.take_if(|spare| self.rows[*spare].peer == Some(peer))?;
        Some(self.remove(spare))
    }

    fn remove(&mut self, at: u32) -> TargetNode {
        if self.rows[at].current {
            self.index.remove(at, self.rows[at].key(), |at| self.rows[at].key());
        }
        self.rows.remove(at, Some(0))
    }
}
