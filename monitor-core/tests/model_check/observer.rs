//! What somebody who sees all nodes at once knows of the monitors, and holds against what the cores say. Nothing of it
//! comes from a core but the numbers of the monitors.

use monitor_core::{DownReason, ExitReason, LocalPid, MonitorId, refs::Serial};

use crate::{
    bounds::Wish,
    world::{LinkIx, NodeIx},
};

/// A process: the one of that generation in a life of a node. Every node has one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) node: NodeIx,
    pub(crate) life: u64,
    pub(crate) generation: u32,
}

impl Process {
    pub(crate) const fn pid(self) -> LocalPid {
        LocalPid(Serial::new(0, self.generation))
    }

    /// Of what it exits, if it does: no other process has this reason.
    pub(crate) fn reason(self) -> ExitReason {
        let Process { node, life, generation } = self;
        ExitReason::other([node as u8, life as u8, generation as u8]).expect("it is short")
    }
}

/// One monitor, from the call on.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Monitor {
    pub(crate) wish: Wish,
    pub(crate) id: MonitorId,
    pub(crate) watcher: Process,
    pub(crate) stage: Stage,
}

/// What has become of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Open(Course),
    /// Its `Down` lies in the mailbox.
    Told(Course),
    Over(End),
}

/// What has happened to a monitor that is not over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Course {
    /// The link on which it was asked for.
    pub(crate) sent: Option<LinkIx>,
    pub(crate) found: Found,
    /// The session, or the attempt to make one, has ended for its watcher's node.
    pub(crate) cut: bool,
}

/// Who was there when the request arrived at the target's node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Found {
    #[default]
    NotAsked,
    Nobody,
    Somebody(Process),
}

/// How a monitor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Exit,
    NoProc,
    NoConnection,
    Demonitored,
    /// Its watcher has exited, or its node is gone.
    Unwatched,
}

/// What the cores have promised. The first that is broken ends the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Promise {
    /// At most one `Down`, and none that nobody has asked for.
    Once,
    /// Nothing after `demonitor` has returned, and nothing for one who has exited.
    Silence,
    /// `demonitor` says what was found.
    Answer,
    /// The reason is what has happened.
    Reason,
    /// A node goes up, then down; in between comes everything of the session.
    NodeEvents,
    /// A core never breaks the rules that another one checks.
    Rules,
}

impl Monitor {
    pub(crate) const fn new(wish: Wish, id: MonitorId, watcher: Process) -> Self {
        let course = Course { sent: None, found: Found::NotAsked, cut: false };
        Monitor { wish, id, watcher, stage: Stage::Open(course) }
    }

    pub(crate) const fn course(&self) -> Option<&Course> {
        match &self.stage {
            Stage::Open(course) | Stage::Told(course) => Some(course),
            Stage::Over(_) => None,
        }
    }

    pub(crate) const fn course_mut(&mut self) -> Option<&mut Course> {
        match &mut self.stage {
            Stage::Open(course) | Stage::Told(course) => Some(course),
            Stage::Over(_) => None,
        }
    }

    /// A notice of its end was put into the mailbox.
    pub(crate) fn told(&mut self) -> Result<(), Promise> {
        match &mut self.stage {
            Stage::Open(course) => {
                self.stage = Stage::Told(std::mem::take(course));
                Ok(())
            }
            Stage::Over(End::Demonitored | End::Unwatched) => Err(Promise::Silence),
            Stage::Told(_) | Stage::Over(_) => Err(Promise::Once),
        }
    }

    /// The notice was received, with this reason.
    pub(crate) fn received(
        &mut self,
        reason: &DownReason,
        has_exited: impl Fn(Process) -> bool,
    ) -> Result<(), Promise> {
        let Stage::Told(course) = &self.stage else {
            return Err(Promise::Silence);
        };
        let (end, is_true) = match (reason, course.found) {
            (DownReason::Exit(reason), Found::Somebody(process)) => {
                (End::Exit, *reason == process.reason() && has_exited(process))
            }
            (DownReason::Exit(_), _) => (End::Exit, false),
            (DownReason::NoProc, found) => (End::NoProc, found == Found::Nobody),
            (DownReason::NoConnection(_), _) => (End::NoConnection, course.cut),
            _ => unreachable!("there are no more reasons"),
        };
        self.stage = Stage::Over(end);
        if is_true { Ok(()) } else { Err(Promise::Reason) }
    }
}
