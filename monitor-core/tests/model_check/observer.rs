//! An observer that sees all nodes at once, and compares its knowledge of the monitors with the
//! outputs of the cores. It takes nothing from a core but the numbers of the monitors.

use monitor_core::{DownReason, ExitReason, LocalPid, MonitorId, refs::Serial};

use crate::{
    bounds::Wish,
    world::{LinkIx, NodeIx},
};

/// A process, by its generation in an incarnation of a node. Every node has one process at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Process {
    pub(crate) node: NodeIx,
    pub(crate) incarnation: u64,
    pub(crate) generation: u32,
}

impl Process {
    pub(crate) const fn pid(self) -> LocalPid {
        LocalPid(Serial::new(0, self.generation))
    }

    /// The reason of its exit. No other process has this reason.
    pub(crate) fn reason(self) -> ExitReason {
        let Process { node, incarnation, generation } = self;
        ExitReason::other([node as u8, incarnation as u8, generation as u8])
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

/// The state of a monitor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Open(Course),
    /// Its `Down` is in the mailbox.
    Told(Course),
    Over(End),
}

/// The events of a monitor that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Course {
    /// The link on which the monitor was sent.
    pub(crate) sent: Option<LinkIx>,
    pub(crate) found: Found,
    /// The session, or the attempt to connect, has ended for the watcher's node.
    pub(crate) cut: bool,
}

/// The process that existed when the request arrived at the target's node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Found {
    #[default]
    NotAsked,
    NoProcess,
    Process(Process),
}

/// How a monitor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Exit,
    NoProc,
    NoConnection,
    Demonitored,
    /// Its watcher has exited, or the watcher's node has restarted.
    Unwatched,
}

/// The promises of the cores. The first broken promise ends the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Promise {
    /// At most one `Down`, and none without a monitor.
    Once,
    /// No notice after `demonitor` has returned, and none for a process that has exited.
    Silence,
    /// `demonitor` returns the true state.
    Answer,
    /// The reason reports a true event.
    Reason,
    /// A node goes up, then down; all notices of the session come in between.
    NodeEvents,
    /// A core never breaks the rules that another core checks.
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

    /// The notice of the end was put into the mailbox.
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
            (DownReason::Exit(reason), Found::Process(process)) => {
                (End::Exit, *reason == process.reason() && has_exited(process))
            }
            (DownReason::Exit(_), _) => (End::Exit, false),
            (DownReason::NoProc, found) => (End::NoProc, found == Found::NoProcess),
            (DownReason::NoConnection(_), _) => (End::NoConnection, course.cut),
            _ => unreachable!("there are no more reasons"),
        };
        self.stage = Stage::Over(end);
        if is_true { Ok(()) } else { Err(Promise::Reason) }
    }
}
