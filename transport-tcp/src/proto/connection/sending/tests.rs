use super::*;
use crate::config::Heartbeat;

const LIMITS: Limits = Limits {
    max_frame_out: 1024,
    max_contents_out: 1024,
    max_frame_in: 1024,
    cut_at: None,
    max_message_queue: 100,
    max_signal_queue: 100,
    heartbeat: Heartbeat::fast(),
    head_start: std::time::Duration::ZERO,
    probe_timeout: std::time::Duration::from_secs(1),
    linger: std::time::Duration::from_secs(1),
    spin: None,
};

fn push(sending: &mut Sending, meta: FrameMeta, len: usize) -> Result<(), PushError> {
    sending.push(&LIMITS, meta, &mut |out| out.resize(out.len() + len, 7))
}

/// A turn in which the socket accepts that many chunks, a byte of the next one, and no more.
fn turn(sending: &mut Sending, chunks: usize) -> Option<TurnEnd> {
    let mut turn = sending.begin_turn()?;
    let mut left = chunks;
    while let Some(mut chunk) = sending.next_chunk(&mut turn) {
        let (bytes, written) = if left > 0 { (chunk.rest().len(), Written::All) } else { (1, Written::Part) };
        left = left.saturating_sub(1);
        chunk.advance(bytes);
        assert!(sending.written(&mut turn, chunk, bytes, written));
    }
    Some(sending.finish_turn(&LIMITS, turn))
}

#[test]
fn messages_are_refused_once_enough_wait_and_signals_end_the_session() {
    let mut sending = Sending::new(&LIMITS);
    assert_eq!(push(&mut sending, FrameMeta::message(1), 99), Ok(()));
    assert_eq!(push(&mut sending, FrameMeta::message(1), 1), Err(PushError::Full));
    assert_eq!(push(&mut sending, FrameMeta::signal(1), 2000), Err(PushError::TooLarge));
    assert_eq!(push(&mut sending, FrameMeta::signal(1), 1000), Ok(()), "a long signal may wait alone");
    assert_eq!((push(&mut sending, FrameMeta::signal(1), 1), sending.phase()), (Ok(()), Phase::Overflowed));
    assert_eq!(push(&mut sending, FrameMeta::signal(1), 1), Err(PushError::Closed));
}

#[test]
fn one_writer_at_a_time_writes_for_later_callers() {
    let mut sending = Sending::new(&LIMITS);
    push(&mut sending, FrameMeta::message(1), 10).unwrap();
    let mut first = sending.begin_turn().unwrap();
    let chunk = sending.next_chunk(&mut first).unwrap();
    push(&mut sending, FrameMeta::message(1), 20).unwrap();
    assert!(sending.begin_turn().is_none());
    let bytes = chunk.rest().len();
    assert!(sending.written(&mut first, chunk, bytes, Written::All));
    let chunk = sending.next_chunk(&mut first).expect("the other caller's frame");
    let bytes = chunk.rest().len();
    assert!(sending.written(&mut first, chunk, bytes, Written::All));
    assert!(sending.next_chunk(&mut first).is_none());
    let end = sending.finish_turn(&LIMITS, first);
    assert_eq!((end.wake_driver, sending.queued(), sending.backlog().idle), (false, 0, true));
}

#[test]
fn a_writer_leaves_frames_that_no_caller_flushes() {
    let mut sending = Sending::new(&LIMITS);
    push(&mut sending, FrameMeta::message(1), 10).unwrap();
    let mut first = sending.begin_turn().unwrap();
    let chunk = sending.next_chunk(&mut first).unwrap();
    push(&mut sending, FrameMeta::message(1), 20).unwrap();
    let bytes = chunk.rest().len();
    assert!(sending.written(&mut first, chunk, bytes, Written::All));
    assert!(sending.next_chunk(&mut first).is_none());
}

#[test]
fn a_full_socket_leaves_the_remaining_bytes_to_the_driver() {
    let mut sending = Sending::new(&LIMITS);
    push(&mut sending, FrameMeta::message(1), 90).unwrap();
    assert!(turn(&mut sending, 0).unwrap().wake_driver);
    assert!(sending.is_blocked() && turn(&mut sending, 9).is_none());
    sending.unblock();
    let end = turn(&mut sending, 9).unwrap();
    assert_eq!((end.wake_driver, end.has_room, sending.queued()), (false, true, 0));
}

#[test]
fn after_a_failed_write_nothing_is_written_and_the_driver_is_woken() {
    let mut sending = Sending::new(&LIMITS);
    push(&mut sending, FrameMeta::message(1), 10).unwrap();
    let mut turn = sending.begin_turn().unwrap();
    let chunk = sending.next_chunk(&mut turn).unwrap();
    assert!(sending.written(&mut turn, chunk, 0, Written::Failed));
    let end = sending.finish_turn(&LIMITS, turn);
    assert_eq!(
        (end.unsent, end.wake_driver, end.phase),
        (12, true, Phase::Open),
        "the reader ends the session"
    );
    assert!(sending.is_broken() && sending.begin_turn().is_none());
}

#[test]
fn a_session_that_was_closed_ends_as_it_was_closed() {
    let mut sending = Sending::new(&LIMITS);
    push(&mut sending, FrameMeta::message(1), 10).unwrap();
    assert!(sending.close(EndKind::Disconnected) && !sending.close(EndKind::Left));
    assert!(!sending.ping(1), "nothing may follow the goodbye");
    let ended = sending.end(EndKind::Timeout.into()).unwrap();
    assert_eq!((ended.end.kind, ended.is_premature, ended.unsent), (EndKind::Disconnected, false, 12));
    assert!(sending.end(EndKind::Timeout.into()).is_none());
}

#[test]
fn a_session_that_was_not_closed_ends_with_all_its_connections_unless_in_good_order() {
    for (kind, is_premature) in [(EndKind::Timeout, true), (EndKind::Left, false)] {
        assert_eq!(Sending::new(&LIMITS).end(kind.into()).unwrap().is_premature, is_premature, "{kind:?}");
    }
}
