//! Panics that tests and a simulator inject. This module has no stable interface.

use std::cell::RefCell;

type Fault = Box<dyn FnMut(&'static str) -> bool>;

thread_local! {
    static FAULT: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// Installs `fault` on this thread. It is called before each poll of a supervised task, with the
/// name of the task, and by [`strike`]. If it returns true, the code at that point panics. Replaces
/// the fault that was set before.
pub fn set(fault: impl FnMut(&'static str) -> bool + 'static) {
    FAULT.set(Some(Box::new(fault)));
}

/// Removes the fault of this thread.
pub fn clear() {
    FAULT.set(None);
}

/// A point at which a fault may make the code panic.
///
/// # Panics
/// If the fault of this thread returns true.
pub fn strike(name: &'static str) {
    // Skipped while the fault runs: code that it calls may reach another point.
    let strikes = FAULT.with(|fault| {
        fault.try_borrow_mut().is_ok_and(|mut fault| fault.as_mut().is_some_and(|fault| fault(name)))
    });
    assert!(!strikes, "a fault made by a test at {name}");
}
