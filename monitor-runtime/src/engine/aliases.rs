//! Monitor references that accept messages, and the calls that wait for such a message.
//!
//! A sender needs the token of an alias, which it cannot guess: see [`AliasKey`].
//!
//! An alias is an address for messages, and the core handles no messages. So the table of aliases
//! is here, beside the core and under the same lock. An input that ends a monitor ends its alias in
//! the same step; the alias accepts no message afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::Hasher,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::task::AtomicWaker;
use monitor_core::{AliasMode, LocalPid, MonitorId};
use parking_lot::Mutex;
use refs::{AliasToken, Serial};
use siphasher::sip::SipHasher24;

use crate::{event::Message, threads::environment::CoarseTime};

/// Computes the tokens of a node's aliases. Random for each start of the node; the key never leaves
/// the node.
///
/// SipHash-2-4 is designed for this use: a keyed hash of short inputs that stays unpredictable
/// however many pairs of input and output an attacker has seen. Each call reveals one such pair to
/// its receiver. A hash with a longer output, such as HMAC-SHA-256, would be cut to 64 bits as
/// well, and costs twenty times as much for each call.
#[derive(Clone)]
pub(crate) struct AliasKey([u8; 16]);

impl AliasKey {
    /// Creates a key from random numbers, which no peer can guess.
    pub(crate) fn new([low, high]: [u64; 2]) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&low.to_le_bytes());
        key[8..].copy_from_slice(&high.to_le_bytes());
        AliasKey(key)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) const fn fixed(key: u8) -> Self {
        AliasKey([key; 16])
    }

    /// Returns the token of the alias of this monitor.
    pub(crate) fn token(&self, id: MonitorId) -> AliasToken {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&id.0.to_u64().to_le_bytes());
        // Zero means "no token".
        const INSTEAD_OF_ZERO: AliasToken = AliasToken::new(u64::MAX).expect("`u64::MAX` is not zero");
        AliasToken::new(hasher.finish()).unwrap_or(INSTEAD_OF_ZERO)
    }
}

/// Does not show the key.
impl fmt::Debug for AliasKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AliasKey(..)")
    }
}

/// The aliases of a node. Each belongs to a local monitor and ends with its owner at the latest. A
/// peer can send to an alias but cannot add one.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// A tree, which frees its memory node by node. A hash table would keep the memory of its
    /// largest size.
    rows: BTreeMap<MonitorId, Alias>,
    /// The same aliases by owner, to remove them when the owner exits.
    owned: BTreeSet<(LocalPid, MonitorId)>,
}

#[derive(Debug)]
struct Alias {
    owner: LocalPid,
    mode: AliasMode,
    call: Option<Arc<PendingCall>>,
}

/// The receiver of a message to an alias.
#[derive(Debug)]
pub(crate) struct AliasDelivery {
    pub(crate) owner: LocalPid,
    /// This message ends the monitor.
    pub(crate) ends_monitor: bool,
    /// The call that waits for the message. If it is `None`, the message goes to the owner's
    /// mailbox.
    pub(crate) call: Option<Arc<PendingCall>>,
}

impl Aliases {
    pub(crate) fn insert(
        &mut self,
        id: MonitorId,
        owner: LocalPid,
        mode: AliasMode,
        call: Option<Arc<PendingCall>>,
    ) {
        self.rows.insert(id, Alias { owner, mode, call });
        self.owned.insert((owner, id));
    }

    /// Number of aliases.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns all pending calls.
    pub(crate) fn calls(&self) -> Vec<Arc<PendingCall>> {
        self.rows.values().filter_map(|alias| alias.call.clone()).collect()
    }

    /// Accepts a message and returns its receiver. Returns `None` if there is no such alias.
    pub(crate) fn receive(&mut self, id: MonitorId) -> Option<AliasDelivery> {
        let Alias { owner, mode, call } = self.rows.get(&id)?;
        let ends_monitor = *mode == AliasMode::ReplyDemonitor;
        let delivery = AliasDelivery { owner: *owner, ends_monitor, call: call.clone() };
        if ends_monitor {
            self.remove(id);
        }
        Some(delivery)
    }

    /// Ends the alias of a monitor that fired. If it returns a call, that call gets the `Down` in
    /// place of the mailbox.
    pub(crate) fn fired(&mut self, id: MonitorId) -> Option<Arc<PendingCall>> {
        // Most nodes have no aliases; then a `Down` costs no search.
        if self.rows.is_empty() {
            return None;
        }
        self.rows.get(&id).filter(|alias| alias.mode != AliasMode::ExplicitUnalias)?;
        self.remove(id)
    }

    /// Ends the alias of a monitor that `owner` has removed. Does nothing if the alias has another
    /// owner or stays until `unalias`.
    pub(crate) fn demonitored(&mut self, owner: LocalPid, id: MonitorId) {
        let alias = self.rows.get(&id).filter(|alias| alias.owner == owner);
        if alias.is_some_and(|alias| alias.mode != AliasMode::ExplicitUnalias) {
            self.remove(id);
        }
    }

    /// Removes the alias. Returns false if `owner` has no such alias.
    pub(crate) fn unalias(&mut self, owner: LocalPid, id: MonitorId) -> bool {
        let found = self.rows.get(&id).is_some_and(|alias| alias.owner == owner);
        if found {
            self.remove(id);
        }
        found
    }

    /// Removes the aliases of a process or watcher that has exited. Returns its pending calls.
    pub(crate) fn exited(&mut self, owner: LocalPid) -> Vec<Arc<PendingCall>> {
        let mut calls = Vec::new();
        // Nearly no process has aliases, and a search costs each exit 40 instructions.
        if self.rows.is_empty() {
            return calls;
        }
        let first = (owner, MonitorId(Serial::from_u64(0)));
        let last = (owner, MonitorId(Serial::from_u64(u64::MAX)));
        while let Some(&(_, id)) = self.owned.range(first..=last).next() {
            calls.extend(self.remove(id));
        }
        calls
    }

    /// Removes the alias and returns its pending call.
    fn remove(&mut self, id: MonitorId) -> Option<Arc<PendingCall>> {
        let alias = self.rows.remove(&id)?;
        self.owned.remove(&(alias.owner, id));
        alias.call
    }
}

/// A call that waits for its reply or for the `Down` of its monitor, whichever comes first.
#[derive(Debug, Default)]
pub(crate) struct PendingCall {
    outcome: Mutex<CallOutcome>,
    waker: AtomicWaker,
}

/// The outcome of a [`PendingCall`].
#[derive(Debug, Default)]
pub(crate) enum CallOutcome {
    #[default]
    Pending,
    Reply(Message),
    /// The monitor has fired, at that time.
    Down(CoarseTime),
    /// The caller has exited or the node has failed, so neither will come.
    Ended,
}

impl PendingCall {
    /// Completes the call with its reply. Returns the waker of the caller.
    pub(crate) fn reply(&self, message: Message) -> Option<Waker> {
        *self.outcome.lock() = CallOutcome::Reply(message);
        self.waker.take()
    }

    /// Completes the call, because its monitor has fired at that time. Returns the waker of the
    /// caller.
    pub(crate) fn down(&self, at: CoarseTime) -> Option<Waker> {
        *self.outcome.lock() = CallOutcome::Down(at);
        self.waker.take()
    }

    /// Completes the call, because its caller has exited or the node has failed. Returns the waker
    /// of the caller.
    pub(crate) fn end(&self) -> Option<Waker> {
        *self.outcome.lock() = CallOutcome::Ended;
        self.waker.take()
    }

    /// Returns the outcome once, and is pending before and after.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<CallOutcome> {
        self.waker.register(cx.waker());
        match mem::take(&mut *self.outcome.lock()) {
            CallOutcome::Pending => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32, generation: u32) -> MonitorId {
        MonitorId(Serial::new(slot, generation))
    }

    #[test]
    fn each_monitor_and_each_start_has_its_own_token() {
        let (key, other) = (AliasKey::fixed(1), AliasKey::fixed(2));
        let ids: Vec<_> =
            (0..64).flat_map(|slot| (0..64).map(move |generation| id(slot, generation))).collect();
        let tokens: BTreeSet<u64> =
            ids.iter().flat_map(|&id| [key.token(id).get(), other.token(id).get()]).collect();
        assert_eq!(tokens.len(), 2 * ids.len(), "two tokens are equal");
        assert_eq!(key.token(id(3, 4)), key.token(id(3, 4)));
        let (one, two) = (AliasKey::new([1, 2]), AliasKey::new([1, 3]));
        assert_ne!(one.token(id(0, 0)), two.token(id(0, 0)));
    }

    #[test]
    fn the_token_is_siphash_2_4_of_the_number() {
        // The test vector of eight bytes in the appendix of the SipHash paper: key 00..0f, input
        // 00..07.
        let key = AliasKey(std::array::from_fn(|at| at as u8));
        let input = MonitorId(Serial::from_u64(u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7])));
        let expected = u64::from_le_bytes([0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93]);
        assert_eq!(key.token(input).get(), expected);
    }
}
