//! One connection of a session.

pub(crate) mod fragment;
pub(crate) mod fragment_scheduler;
pub(crate) mod frame_decoder;
pub(crate) mod goodbye;
pub mod heartbeat;
pub(crate) mod read_buffer;
pub(crate) mod send_queue;
