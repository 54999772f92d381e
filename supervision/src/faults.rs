//! Panics of supervised tasks, made by a simulator. Not a part of what the crate promises.

use std::cell::RefCell;

type Fault = Box<dyn FnMut(&'static str)>;

thread_local! {
    static FAULT: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// Has `fault` called before each poll of a supervised task on this thread, with the name of the task. It panics to make
/// the task panic at that place. Replaces the fault that was set before.
pub fn set(fault: impl FnMut(&'static str) + 'static) {
    FAULT.set(Some(Box::new(fault)));
}

/// Has no fault called any more on this thread.
pub fn clear() {
    FAULT.set(None);
}

pub(crate) fn strike(name: &'static str) {
    // Taken out while it runs: a task may be polled within another one's poll.
    let Some(mut fault) = FAULT.take() else { return };
    let struck = crate::unwind::catch(|| fault(name));
    FAULT.with_borrow_mut(|place| {
        if place.is_none() {
            *place = Some(fault);
        }
    });
    if let Err(panic) = struck {
        std::panic::panic_any(panic.text().to_owned());
    }
}
