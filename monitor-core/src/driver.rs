//! Runs the effects of each input to their end before the next input.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::fmt;

use crate::{effect::Effect, monitors::Core};

/// Owns a [`Core`], and runs the effects of each input before the next input begins.
///
/// A core must not get an input while the effects of another one are run. A handler that called
/// `process_exited` in the middle of the effects of `peer_up` could send a `Demonitor` before the
/// `Monitor` that it cancels, and the peer would keep that monitor. A `Driver` rules this out: the
/// handler sees the core only through a shared reference. An input that the handler needs is
/// *raised*: it waits in a queue until the effects of the running input are done.
///
/// Use of a driver is optional. The inputs of [`Core`] are public, and a caller that keeps their
/// rules itself, as `monitor-runtime` does, pays nothing for this type.
///
/// ```
/// use monitor_core::{refs::*, *};
///
/// /// A node whose processes are those with slot 0 to 9, and which prints its notices.
/// struct Node;
///
/// impl Processes for Node {
///     fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
///         let LocalTarget::Pid(pid) = *target else { return None };
///         (pid.0.slot() < 10).then_some(pid)
///     }
/// }
///
/// impl EffectHandler for Node {
///     fn run(&mut self, effect: Effect, _: &Core, raised: &mut RaisedInputs<Self>) {
///         match effect {
///             Effect::Deliver { to, notice } => println!("{to:?} gets {notice:?}"),
///             // This node has no network, so each dial fails at once.
///             Effect::Connect { node, dial } => raised.push(move |core, _, effects| {
///                 core.peer_unreachable(&node, dial, EndKind::Unreachable.into(), effects);
///             }),
///             _ => {}
///         }
///     }
/// }
///
/// let local = NodeId::new("a@here".parse()?, Incarnation::new(1).ok_or("zero")?);
/// let mut driver = Driver::new(Core::new(CoreConfig::new(local, 0x5eed)));
/// let watcher = LocalPid(Serial::new(0, 0));
/// let target = "worker@b@there".parse::<Name>()?.into();
/// let id = driver.input(&mut Node, |core, node, effects| {
///     core.monitor(node, watcher, &target, MonitorOptions::new(), effects)
/// });
/// // The dial and its failure are over, and so the monitor has fired.
/// let down = driver.input(&mut Node, |core, _, _| core.take(id)).ok_or("fired")?;
/// assert_eq!(down.reason, DownReason::NoConnection(EndKind::Unreachable.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Driver {
    core: Core,
    /// Empty between two inputs. Kept for its allocation.
    effects: Vec<Effect>,
    /// An input has begun and not ended. Outside of [`Driver::input`]: it has panicked.
    has_begun: bool,
}

impl Driver {
    /// Makes a driver of `core`.
    ///
    /// The effects of all inputs that the core has had so far must have been run.
    pub const fn new(core: Core) -> Self {
        Driver { core, effects: Vec::new(), has_begun: false }
    }

    /// Calls `input`, then runs its effects by `handler`, in order; then does the same for each
    /// input that was raised meanwhile, in the order in which they were raised. Returns the answer
    /// of `input`.
    ///
    /// `input` passes its third argument to the methods of [`Core`] as `out`. It may call several
    /// inputs: their effects are run after the last of them.
    ///
    /// Allocates only for raised inputs. Returns when no raised input is left, so a handler that
    /// raises an input in answer to each effect may never let it return. The backlog is not worked
    /// off: [`Core::resume`] is an input like all others.
    ///
    /// # Panics
    /// If an earlier input, or an effect of it, has panicked: see [`Driver::has_failed`].
    pub fn input<H: EffectHandler, R>(
        &mut self,
        handler: &mut H,
        input: impl FnOnce(&mut Core, &mut H, &mut Vec<Effect>) -> R,
    ) -> R {
        assert!(!self.has_begun, "an earlier input of this core has panicked");
        self.has_begun = true;
        let mut raised = RaisedInputs { queue: VecDeque::new() };
        let answer = input(&mut self.core, handler, &mut self.effects);
        self.run_effects(handler, &mut raised);
        while let Some(input) = raised.queue.pop_front() {
            input(&mut self.core, handler, &mut self.effects);
            self.run_effects(handler, &mut raised);
        }
        self.has_begun = false;
        answer
    }

    fn run_effects<H: EffectHandler>(&mut self, handler: &mut H, raised: &mut RaisedInputs<H>) {
        for effect in self.effects.drain(..) {
            handler.run(effect, &self.core, raised);
        }
    }

    /// The core, to look at.
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// Whether an input, or an effect of it, has panicked. The tables may then be half changed, and
    /// effects are lost: the node must end. [`Driver::input`] panics from then on.
    pub const fn has_failed(&self) -> bool {
        self.has_begun
    }
}

/// Runs the effects of a [`Driver`].
pub trait EffectHandler: Sized {
    /// Runs one effect, to its end.
    ///
    /// `core` is in the state after the whole input. An input that follows from this effect, such
    /// as the failure of a dial, is added to `raised`; it runs after all effects of the present
    /// input, and before [`Driver::input`] returns.
    fn run(&mut self, effect: Effect, core: &Core, raised: &mut RaisedInputs<Self>);
}

/// The inputs that a handler has raised, in the order in which they will run.
pub struct RaisedInputs<H> {
    queue: VecDeque<RaisedInput<H>>,
}

type RaisedInput<H> = Box<dyn FnOnce(&mut Core, &mut H, &mut Vec<Effect>)>;

impl<H> RaisedInputs<H> {
    /// Adds an input behind all that were raised before. It runs exactly once, unless an input or
    /// an effect before it panics. It can act as the first argument of [`Driver::input`] can.
    ///
    /// Nothing limits the number of raised inputs. They are as many as the handler adds.
    pub fn push(&mut self, input: impl FnOnce(&mut Core, &mut H, &mut Vec<Effect>) + 'static) {
        self.queue.push_back(Box::new(input));
    }
}

impl<H> fmt::Debug for RaisedInputs<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaisedInputs").field("len", &self.queue.len()).finish()
    }
}
