//! Views of a running node, for people and for monitoring systems.
//!
//! | what | where |
//! |---|---|
//! | counts, processes, sessions and monitors, as values | `observe/inspect.rs` |
//! | the names of all metrics | `observe/metric_families.rs` |
//! | the recorder of the crate `metrics` | `observe/metrics.rs` |
//! | requests over a Unix socket | `observe/control.rs` |
//! | requests over HTTP, and the page of a node | `observe/http.rs` |
//! | the clients of both, and their limits | `observe/connection_limit.rs` |

#[cfg(all(feature = "control", unix))]
pub(crate) mod connection_limit;
#[cfg(all(feature = "control", unix))]
pub mod control;
#[cfg(all(feature = "http", unix))]
pub mod http;
pub(crate) mod inspect;
#[cfg(any(all(feature = "http", unix), feature = "metrics"))]
pub(crate) mod metric_families;
#[cfg(feature = "metrics")]
pub mod metrics;
