//! Monitor references at which messages are taken, and the calls that wait for one.
//!
//! An alias is an address of messages, of which the core knows nothing; so its table stands here, beside the core and
//! under the same lock. What ends a monitor ends its alias in the same step: nothing comes through it afterwards.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::task::AtomicWaker;
use monitor_core::{AliasMode, LocalPid, MonitorId};
use parking_lot::Mutex;
use refs::Serial;

use crate::event::Message;

/// The aliases of a node. Each is of a monitor that was made here, and at most as old as its owner: peers can look one up,
/// and never add one.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    rows: HashMap<MonitorId, Alias>,
    /// The same by owner, to end with it.
    owned: BTreeSet<(LocalPid, MonitorId)>,
}

#[derive(Debug)]
struct Alias {
    owner: LocalPid,
    mode: AliasMode,
    call: Option<Arc<Answer>>,
}

/// Where a message goes that came through an alias.
#[derive(Debug)]
pub(crate) struct Used {
    pub(crate) owner: LocalPid,
    /// The monitor is over with this message.
    pub(crate) ends_monitor: bool,
    /// The call that waits for it; else it is for the owner's mailbox.
    pub(crate) call: Option<Arc<Answer>>,
}

impl Aliases {
    pub(crate) fn insert(
        &mut self,
        id: MonitorId,
        owner: LocalPid,
        mode: AliasMode,
        call: Option<Arc<Answer>>,
    ) {
        self.rows.insert(id, Alias { owner, mode, call });
        self.owned.insert((owner, id));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The calls that wait.
    pub(crate) fn calls(&self) -> Vec<Arc<Answer>> {
        self.rows.values().filter_map(|alias| alias.call.clone()).collect()
    }

    /// A message has come; none if there is no such alias.
    pub(crate) fn used(&mut self, id: MonitorId) -> Option<Used> {
        let Alias { owner, mode, call } = self.rows.get(&id)?;
        let ends_monitor = *mode == AliasMode::ReplyDemonitor;
        let used = Used { owner: *owner, ends_monitor, call: call.clone() };
        if ends_monitor {
            self.remove(id);
        }
        Some(used)
    }

    /// The monitor has fired. Returns the call that is to be told, instead of the mailbox.
    pub(crate) fn fired(&mut self, id: MonitorId) -> Option<Arc<Answer>> {
        // Most nodes have none: then a `Down` costs no search.
        if self.rows.is_empty() {
            return None;
        }
        self.rows.get(&id).filter(|alias| alias.mode != AliasMode::ExplicitUnalias)?;
        self.remove(id)
    }

    /// The owner has ended the monitor, or believes that it was one.
    pub(crate) fn demonitored(&mut self, owner: LocalPid, id: MonitorId) {
        let alias = self.rows.get(&id).filter(|alias| alias.owner == owner);
        if alias.is_some_and(|alias| alias.mode != AliasMode::ExplicitUnalias) {
            self.remove(id);
        }
    }

    /// Whether there was one of that owner. There is none now.
    pub(crate) fn unalias(&mut self, owner: LocalPid, id: MonitorId) -> bool {
        let found = self.rows.get(&id).is_some_and(|alias| alias.owner == owner);
        if found {
            self.remove(id);
        }
        found
    }

    /// A process or a watcher has exited, and its aliases with it. Returns its calls that have no answer.
    pub(crate) fn exited(&mut self, owner: LocalPid) -> Vec<Arc<Answer>> {
        let mut calls = Vec::new();
        let first = (owner, MonitorId(Serial::from_u64(0)));
        let last = (owner, MonitorId(Serial::from_u64(u64::MAX)));
        while let Some(&(_, id)) = self.owned.range(first..=last).next() {
            calls.extend(self.remove(id));
        }
        calls
    }

    /// Returns the call that waits for an answer through the alias.
    fn remove(&mut self, id: MonitorId) -> Option<Arc<Answer>> {
        let alias = self.rows.remove(&id)?;
        self.owned.remove(&(alias.owner, id));
        alias.call
    }
}

/// Where a call waits for what comes first.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    first: Mutex<First>,
    waker: AtomicWaker,
}

/// What came first.
#[derive(Debug, Default)]
pub(crate) enum First {
    #[default]
    Nothing,
    Reply(Message),
    /// The monitor has fired.
    Down,
}

impl Answer {
    /// The reply has come. Returns whom to wake.
    pub(crate) fn reply(&self, message: Message) -> Option<Waker> {
        *self.first.lock() = First::Reply(message);
        self.waker.take()
    }

    /// The monitor has fired. Returns whom to wake.
    pub(crate) fn down(&self) -> Option<Waker> {
        *self.first.lock() = First::Down;
        self.waker.take()
    }

    /// What came first, once.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<First> {
        self.waker.register(cx.waker());
        match mem::take(&mut *self.first.lock()) {
            First::Nothing => Poll::Pending,
            first => Poll::Ready(first),
        }
    }
}
