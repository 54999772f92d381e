//! One connection of a session. It has two halves, which different threads may use at the same
//! time, and its upkeep.
//!
//! | what | where |
//! |---|---|
//! | the sending half: phases of a connection, turns of its writers | `sending` |
//! | frames that are written together | `chunk` |
//! | queued frames, in the order in which they are sent | `send_queue` |
//! | long frames in fragments: scheduling, format | `fragment_scheduler`, `fragment` |
//! | the receiving half: frames, pings, the goodbye | `receiving` |
//! | from bytes to frames | `read_buffer`, `frame_decoder` |
//! | when to ping, to probe and to end | `upkeep`, `heartbeat` |
//! | limits of a session | `limits` |
//! | the last frame of a session that is closed | `goodbye` |

pub mod chunk;
pub(crate) mod fragment;
pub(crate) mod fragment_scheduler;
pub(crate) mod frame_decoder;
pub(crate) mod goodbye;
pub mod heartbeat;
pub mod limits;
pub(crate) mod read_buffer;
pub mod receiving;
pub mod send_queue;
pub mod sending;
pub mod upkeep;
