//! Supervised tasks.
//!
//! [`supervise`] and [`restarting`] wrap a future. [`start`] does the same for a task of a
//! [`TaskOwner`], and reports a loss to the owner.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::unwind::{self, Panic};

/// Why a task ended before its work was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its work panicked.
    Panicked(Panic),
    /// Its executor dropped it, or was dropped itself.
    Dropped,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Panicked(panic) => write!(f, "it panicked: {panic}"),
            Loss::Dropped => f.write_str("its executor dropped it"),
        }
    }
}

/// Wraps `work` in a task that calls `on_loss` if `work` panics or is dropped before it is done.
///
/// `work` is dropped before `on_loss` runs, so locks and sockets that it held are free. `on_loss`
/// runs at most once, on the thread that polled or dropped the task, and must not block. A panic of
/// `on_loss` is caught. `name` is the kind of task, for the simulator's faults.
pub fn supervise<F, L>(name: &'static str, work: F, on_loss: L) -> Supervised<F, L>
where
    F: Future<Output = ()>,
    L: FnOnce(Loss),
{
    Supervised { name, work: Some(work), duty: Duty { on_loss: Some(on_loss) } }
}

/// Runs a task that must continue: after a panic it awaits `pause`, then calls `work` again.
///
/// Calls `on_loss` after each panic. Returns once `work` is done. Wrap it in [`supervise`] to
/// handle the executor's loss.
pub async fn restarting<W, F, P, L>(name: &'static str, work: W, pause: impl Fn() -> P, on_loss: L)
where
    W: Fn() -> F,
    F: Future<Output = ()>,
    P: Future,
    L: Fn(Loss),
{
    loop {
        let mut lost = None;
        supervise(name, work(), |loss| lost = Some(loss)).await;
        let Some(loss) = lost else { return };
        on_loss(loss);
        pause().await;
    }
}

/// A kind of background task.
#[derive(Clone, Copy, Debug)]
pub struct TaskKind {
    /// Its name, for the log and for the simulator's faults.
    pub name: &'static str,
    /// Consequence of its loss, for the log.
    pub consequence: &'static str,
}

/// A component whose promises rest on background tasks, such as a node or a transport.
pub trait TaskOwner: Send + Sync + 'static {
    /// Whether the owner was stopped or has failed. From then on its executor may drop tasks, and
    /// [`report`] does not count that as a failure.
    fn has_ended(&self) -> bool;

    /// Counts and logs the loss of a task.
    fn task_failed(&self, kind: TaskKind, loss: &Loss);

    /// Stops the owner, because its executor is gone and no task can start without one.
    fn executor_lost(this: &Arc<Self>);
}

/// Starts a task of `owner` under supervision.
///
/// If the task is lost while the owner exists, this [reports](report) the loss and then calls
/// `settle`, which does what the task owed. A panic of `spawner` is caught; the task that it
/// dropped counts as lost.
pub fn start<O: TaskOwner>(
    owner: &Arc<O>,
    spawner: &(impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + ?Sized),
    kind: TaskKind,
    work: impl Future<Output = ()> + Send + 'static,
    settle: impl FnOnce(&Arc<O>) + Send + 'static,
) {
    let owner = Arc::downgrade(owner);
    let supervised = supervise(kind.name, work, move |loss| {
        if let Some(owner) = owner.upgrade() {
            report(&owner, kind, &loss);
            settle(&owner);
        }
    });
    // The task that a panicking spawner dropped has been settled by then.
    let _ = unwind::catch(|| spawner(Box::pin(supervised)));
}

/// Reports the loss of a task to its owner. A dropped task means that the executor is gone, so the
/// owner is stopped as well, unless it has ended already.
pub fn report<O: TaskOwner>(owner: &Arc<O>, kind: TaskKind, loss: &Loss) {
    let executor_is_gone = matches!(loss, Loss::Dropped);
    if executor_is_gone && owner.has_ended() {
        return;
    }
    owner.task_failed(kind, loss);
    if executor_is_gone {
        O::executor_lost(owner);
    }
}

pin_project! {
    /// The future that [`supervise`] returns.
    #[must_use = "a task does nothing unless it is spawned"]
    pub struct Supervised<F, L: FnOnce(Loss)> {
        name: &'static str,
        // The order matters: `work` is dropped before `duty`, which settles what the task owed.
        #[pin]
        work: Option<F>,
        duty: Duty<L>,
    }
}

/// Holds `on_loss`, and calls it on drop unless it was called before or the work is done.
struct Duty<L: FnOnce(Loss)> {
    on_loss: Option<L>,
}

impl<L: FnOnce(Loss)> Duty<L> {
    fn lost(&mut self, loss: Loss) {
        if let Some(on_loss) = self.on_loss.take() {
            // The panic hook has reported a panic of `on_loss`, and no further code can settle the
            // work.
            let _ = unwind::catch(|| on_loss(loss));
        }
    }
}

impl<L: FnOnce(Loss)> Drop for Duty<L> {
    fn drop(&mut self) {
        self.lost(Loss::Dropped);
    }
}

impl<F: Future<Output = ()>, L: FnOnce(Loss)> Future for Supervised<F, L> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut task = self.project();
        let Some(work) = task.work.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let polled = unwind::catch(|| {
            #[cfg(feature = "faults")]
            crate::faults::strike(task.name);
            work.poll(cx)
        });
        if let Ok(Poll::Pending) = polled {
            return Poll::Pending;
        }
        let dropped = unwind::catch(|| task.work.set(None));
        match polled.map(drop).and(dropped) {
            Ok(()) => task.duty.on_loss = None,
            Err(panic) => task.duty.lost(Loss::Panicked(panic)),
        }
        Poll::Ready(())
    }
}

impl<F, L: FnOnce(Loss)> fmt::Debug for Supervised<F, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervised").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending, sync::Mutex};

    use futures::FutureExt;

    use super::*;

    /// The loss that a supervised task reported, if it did.
    fn loss_of(run: impl FnOnce(&dyn Fn(Loss))) -> Option<String> {
        let reported = RefCell::new(None);
        run(&|loss: Loss| *reported.borrow_mut() = Some(loss.to_string()));
        reported.into_inner()
    }

    #[test]
    fn work_that_is_done_owes_nothing() {
        assert_eq!(
            loss_of(|lost| assert_eq!(supervise("work", async {}, lost).now_or_never(), Some(()))),
            None
        );
    }

    #[test]
    fn a_panic_is_caught_and_told() {
        let work = async { panic!("out of paper") };
        let reported = loss_of(|lost| assert_eq!(supervise("work", work, lost).now_or_never(), Some(())));
        assert_eq!(reported.as_deref(), Some("it panicked: out of paper"));
    }

    #[test]
    fn a_panic_of_the_destructor_is_caught_and_told() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the destructor");
            }
        }
        let bomb = Bomb;
        let work = async move {
            let _bomb = &bomb;
            futures::pending!();
        };
        let mut waker = Context::from_waker(futures::task::noop_waker_ref());
        let reported = loss_of(|lost| {
            let mut task = Box::pin(supervise("work", work, lost));
            assert_eq!(task.as_mut().poll(&mut waker), Poll::Pending);
            assert_eq!(task.as_mut().poll(&mut waker), Poll::Ready(()));
        });
        assert_eq!(reported.as_deref(), Some("it panicked: in the destructor"));
    }

    #[test]
    fn a_task_that_must_go_on_begins_again_after_a_panic() {
        let (runs, losses) = (RefCell::new(0), RefCell::new(0));
        let work = || async {
            *runs.borrow_mut() += 1;
            assert!(*runs.borrow() == 3, "not this time");
        };
        let task = restarting("work", work, || async {}, |_| *losses.borrow_mut() += 1);
        assert_eq!(task.now_or_never(), Some(()));
        assert_eq!((*runs.borrow(), *losses.borrow()), (3, 2));
    }

    #[test]
    fn a_dropped_task_pays_after_its_work_is_gone() {
        let order = RefCell::new(Vec::new());
        struct Last<'a>(&'a RefCell<Vec<String>>);
        impl Drop for Last<'_> {
            fn drop(&mut self) {
                self.0.borrow_mut().push("the work is gone".to_owned());
            }
        }
        let held = Last(&order);
        let work = async move {
            let _held = held;
            pending::<()>().await;
        };
        drop(supervise("work", work, |loss| order.borrow_mut().push(loss.to_string())));
        assert_eq!(*order.borrow(), ["the work is gone", "its executor dropped it"]);
    }

    /// Records what its tasks report.
    #[derive(Default)]
    struct Owner {
        has_ended: bool,
        log: Mutex<Vec<String>>,
    }

    impl Owner {
        fn note(&self, entry: impl Into<String>) {
            self.log.lock().expect("no panic while it is held").push(entry.into());
        }
    }

    impl TaskOwner for Owner {
        fn has_ended(&self) -> bool {
            self.has_ended
        }

        fn task_failed(&self, kind: TaskKind, loss: &Loss) {
            self.note(format!("{}: {loss}", kind.name));
        }

        fn executor_lost(this: &Arc<Self>) {
            this.note("stopped");
        }
    }

    /// The log of an owner after `spawner` was given its task, which panics when it is polled.
    fn log_of(owner: Owner, spawner: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>)) -> Vec<String> {
        let owner = Arc::new(owner);
        let kind = TaskKind { name: "work", consequence: "none" };
        start(&owner, &spawner, kind, async { panic!("out of paper") }, |owner| owner.note("settled"));
        owner.log.lock().expect("no panic while it is held").clone()
    }

    fn poll_once(task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        assert_eq!(task.now_or_never(), Some(()));
    }

    #[test]
    fn a_task_that_panics_is_reported_and_settled_and_its_owner_goes_on() {
        assert_eq!(log_of(Owner::default(), poll_once), ["work: it panicked: out of paper", "settled"]);
    }

    #[test]
    fn a_task_that_is_dropped_stops_its_owner() {
        let expected = ["work: its executor dropped it", "stopped", "settled"];
        assert_eq!(log_of(Owner::default(), drop), expected);
        assert_eq!(log_of(Owner::default(), |_| panic!("no executor")), expected);
    }

    #[test]
    fn a_task_that_is_dropped_after_its_owner_has_ended_is_settled_and_not_reported() {
        let ended = || Owner { has_ended: true, ..Owner::default() };
        assert_eq!(log_of(ended(), drop), ["settled"]);
        assert_eq!(log_of(ended(), poll_once), ["work: it panicked: out of paper", "settled"]);
    }
}
