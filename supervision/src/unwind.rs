//! Catches panics. The only file of the workspace that asserts unwind safety.
//!
//! A caught panic may leave a value half changed. So each caller discards the values that the
//! panicking code could have changed:
//!
//! | caller | discards |
//! |---|---|
//! | [`supervise`](crate::supervise) | the future: it is dropped and never polled again |
//! | the drop of such a future | nothing: the future is gone |
//! | [`telemetry`](crate::telemetry) | the closure: each runs once |
//! | a call of a waker or a spawner | the waker or the task: both are passed by value |
//! | the body of a process | the body: it is dropped and never polled again |
//! | an input of a node, under the node's lock | the core and its tables: the node is marked as failed and never calls them again |

use std::{
    any::Any,
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Waker,
};

/// Maximum number of nested panics of destructors that are caught. The innermost payload beyond it
/// is leaked.
const MAX_NESTED: usize = 4;

const NO_TEXT: &str = "a panic without a text";

/// A panic that was caught. Displays the message that was passed to `panic!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    text: String,
}

impl Panic {
    /// The message that was passed to `panic!`, or a sentence that says that there was none.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A caught panic with its payload. Its drop drops the payload, and catches a panic of the
/// payload's destructor.
pub struct Payload(Option<Box<dyn Any + Send>>);

impl Payload {
    /// The message that was passed to `panic!`, or a sentence that says that there was none.
    pub fn text(&self) -> &str {
        self.0.as_deref().map_or(NO_TEXT, text_of)
    }

    /// Resumes the panic in the caller.
    pub fn resume(mut self) -> ! {
        match self.0.take() {
            Some(payload) => resume_unwind(payload),
            None => unreachable!("only this method takes the payload, and it consumes `self`"),
        }
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if let Some(payload) = self.0.take() {
            discard(payload);
        }
    }
}

impl From<Payload> for Panic {
    fn from(payload: Payload) -> Self {
        Panic { text: payload.text().to_owned() }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payload").field(&self.text()).finish()
    }
}

/// Calls `f`, and returns its panic as a value. The caller discards what `f` may have left half
/// changed.
///
/// The panic hook runs before this returns. The payload is dropped; a panic of its destructor is
/// caught as well.
///
/// # Errors
/// The panic, if `f` panics.
///
/// ```
/// let panic = supervision::catch(|| panic!("out of paper")).unwrap_err();
/// assert_eq!(panic.text(), "out of paper");
/// ```
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    catch_whole(f).map_err(Panic::from)
}

/// Like [`catch`], for a caller that may resume the panic later.
///
/// # Errors
/// The panic, if `f` panics.
pub fn catch_whole<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| Payload(Some(payload)))
}

/// Wakes a task. A panic of the waker is caught, because it concerns that task alone.
pub fn wake(waker: Waker) {
    // The panic hook has reported the panic, and the caller has nothing to undo.
    let _ = catch(|| waker.wake());
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text =
        payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or(NO_TEXT)
}

/// Drops a payload whose destructor may panic with another payload, and so on.
fn discard(payload: Box<dyn Any + Send>) {
    let mut payload = payload;
    for _ in 0..MAX_NESTED {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(next) => payload = next,
        }
    }
    mem::forget(payload);
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    /// Panics when it is dropped, with another of its kind.
    struct Bomb(usize);

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic_any(Bomb(self.0 + 1));
        }
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_contained() {
        let panic = catch(|| panic_any(Bomb(0))).expect_err("it panics");
        assert_eq!(panic.text(), "a panic without a text");
    }

    #[test]
    fn the_text_of_a_panic_is_kept() {
        let number = 7;
        assert_eq!(catch(|| panic!("number {number}")).expect_err("it panics").text(), "number 7");
        assert_eq!(catch(|| 7), Ok(7));
    }
}
