//! The background tasks of a node.
//!
//! | what | where |
//! |---|---|
//! | the kinds of tasks, and the consequences of losing one | `tasks/kinds.rs` |
//! | events of the peer service, and the backlog of the core | `tasks/backlog.rs` |
//! | the task that runs one session | `tasks/session.rs` |
//! | the state machine that this task drives | `tasks/driver.rs` |
//! | stopping a node | `tasks/stop.rs` |

pub(crate) mod backlog;
pub(crate) mod driver;
pub(crate) mod kinds;
pub(crate) mod session;
pub(crate) mod stop;
