use super::*;
use crate::proto::{
    connection::fragment::{Assembly, LONGEST, MAX_OPEN, MAX_OPEN_BYTES},
    wire::{Parsed, parse},
};

fn queue() -> SendQueue {
    SendQueue::new(LONGEST)
}

const fn of_class(class: Class, order: u64) -> FrameMeta {
    match class {
        Class::Signal => FrameMeta::signal(order),
        Class::Message => FrameMeta::message(order),
    }
}

fn push_of(queue: &mut SendQueue, meta: FrameMeta, body: &[u8]) {
    queue.push(meta, MAX_OPEN_BYTES, &mut |out| out.extend_from_slice(body)).unwrap();
}

fn push(queue: &mut SendQueue, class: Class, body: &[u8]) {
    push_of(queue, of_class(class, 0), body);
}

/// Writes everything, `at_once` bytes at a time, and returns the kinds and bodies that a reader
/// would decode.
fn drain(queue: &mut SendQueue, at_once: usize) -> Vec<(Kind, Vec<u8>)> {
    let mut wire = Vec::new();
    while let Some(mut chunk) = queue.next() {
        let some = chunk.rest().len().min(at_once);
        wire.extend_from_slice(&chunk.rest()[..some]);
        chunk.advance(some);
        if chunk.rest().is_empty() { queue.sent(chunk) } else { queue.put_back(chunk) }
    }
    assert_eq!((queue.messages(), queue.signals(), queue.is_empty()), (0, 0, true));
    let mut frames = Vec::new();
    let mut rest = &wire[..];
    while let Parsed::Frame(frame) = parse(rest, 1 << 20).unwrap() {
        frames.push((frame.kind, rest[frame.body.clone()].to_vec()));
        rest = &rest[frame.body.end..];
    }
    assert!(rest.is_empty());
    frames
}

/// The frames that a reader returns for these frames, each with the number of frames read before
/// it.
fn received(frames: &[(Kind, Vec<u8>)]) -> Vec<(usize, Vec<u8>)> {
    let mut assembly = Assembly::new(MAX_OPEN_BYTES);
    let mut received = Vec::new();
    for (at, (kind, body)) in frames.iter().enumerate() {
        match kind {
            Kind::Data => received.push((at, body.clone())),
            Kind::Fragment => received.extend(assembly.take(body).unwrap().map(|whole| (at, whole))),
            _ => {}
        }
    }
    received
}

/// Writes the next chunk, and returns the kind of its first frame.
fn write_one(queue: &mut SendQueue) -> Kind {
    let mut chunk = queue.next().unwrap();
    let Parsed::Frame(frame) = parse(chunk.rest(), 1 << 20).unwrap() else { panic!("a whole frame") };
    let rest = chunk.rest().len();
    chunk.advance(rest);
    assert!(chunk.rest().is_empty());
    queue.sent(chunk);
    frame.kind
}

#[test]
fn frames_are_sent_in_order_however_much_the_system_accepts_at_once() {
    for at_once in [1, 7, usize::MAX] {
        let mut queue = queue();
        for n in 0..300_u16 {
            push(&mut queue, Class::Signal, &n.to_be_bytes());
        }
        push(&mut queue, Class::Message, &vec![1; LONGEST]);
        push(&mut queue, Class::Message, b"last");
        let frames = drain(&mut queue, at_once);
        assert_eq!(frames.len(), 302);
        assert!(frames[..300].iter().enumerate().all(|(n, (_, body))| *body == (n as u16).to_be_bytes()));
        assert_eq!(frames[301].1, b"last");
    }
}

#[test]
fn a_ping_overtakes_queued_frames_and_never_splits_a_frame() {
    let mut queue = queue();
    push(&mut queue, Class::Message, &vec![1; LONGEST]);
    push(&mut queue, Class::Message, b"behind");
    let mut chunk = queue.next().unwrap();
    chunk.advance(10);
    assert!(!chunk.rest().is_empty());
    queue.put_back(chunk);
    queue.push_urgent(Kind::Ping, 1);
    queue.push_urgent(Kind::Pong, 8);
    queue.push_urgent(Kind::Ping, 2);
    let mut chunk = queue.next().unwrap();
    let rest = chunk.rest().len();
    chunk.advance(rest);
    assert!(chunk.rest().is_empty());
    queue.sent(chunk);
    let frames = drain(&mut queue, usize::MAX);
    assert_eq!(frames[0], (Kind::Pong, 8_u64.to_be_bytes().to_vec()));
    assert_eq!(frames[1], (Kind::Ping, 2_u64.to_be_bytes().to_vec()));
    assert_eq!(frames[2], (Kind::Data, b"behind".to_vec()));
    assert_eq!(frames.len(), 3);
}

#[test]
fn goodbye_is_the_last_frame_and_a_refused_frame_leaves_no_trace() {
    let mut queue = queue();
    assert!(queue.push(FrameMeta::SIGNAL, 2, &mut |out| out.extend_from_slice(b"too long")).is_err());
    assert!(queue.is_empty() && queue.next().is_none());
    push(&mut queue, Class::Signal, b"s");
    queue.push_goodbye(1);
    let kinds: Vec<Kind> = drain(&mut queue, 3).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Data, Kind::Goodbye]);
}

#[test]
fn buffers_are_used_again() {
    let mut queue = queue();
    push(&mut queue, Class::Signal, &[0; 1000]);
    drain(&mut queue, usize::MAX);
    push(&mut queue, Class::Signal, b"x");
    assert!(matches!(&queue.fifo[0], Item::Chunk(chunk) if chunk.bytes.capacity() >= 1000));
    queue.trim();
    assert!(queue.spares.0.is_empty());
}

#[test]
fn a_writer_that_panics_loses_no_other_frame() {
    let mut queue = queue();
    push(&mut queue, Class::Signal, b"before");
    for order in [0, 1] {
        // In the queue, and in the scheduler.
        push_of(&mut queue, FrameMeta::message(1), &vec![1; 2 * LONGEST]);
        let torn = std::panic::AssertUnwindSafe(|| {
            let _ = queue.push(FrameMeta::signal(order), 99, &mut |_| panic!("in the middle"));
        });
        assert!(std::panic::catch_unwind(torn).is_err());
    }
    push(&mut queue, Class::Signal, b"after");
    let received = received(&drain(&mut queue, usize::MAX));
    assert_eq!(
        received.iter().map(|(_, body)| body.len()).collect::<Vec<_>>(),
        [6, 5, 2 * LONGEST, 2 * LONGEST]
    );
}

#[test]
fn pings_and_the_frames_of_others_pass_between_the_fragments_of_a_long_one() {
    let mut queue = queue();
    let long = vec![7; 16 << 20];
    push_of(&mut queue, FrameMeta::message(1), &long);
    assert_eq!((queue.messages(), queue.signals()), (16 << 20, 0));
    assert_eq!(write_one(&mut queue), Kind::Fragment);
    // During the long frame: the Down of its sender, that of another process, and a ping.
    push_of(&mut queue, FrameMeta::signal(1), b"its own");
    push_of(&mut queue, FrameMeta::signal(2), b"another's");
    queue.push_urgent(Kind::Ping, 1);
    assert_eq!(write_one(&mut queue), Kind::Ping);
    assert_eq!(write_one(&mut queue), Kind::Data);
    let frames = drain(&mut queue, usize::MAX);
    assert!(frames.len() > 250 && frames[..frames.len() - 1].iter().all(|(kind, _)| *kind == Kind::Fragment));
    assert_eq!(frames.last().unwrap(), &(Kind::Data, b"its own".to_vec()));
}

#[test]
fn frames_of_one_order_never_pass_each_other_however_long_they_are() {
    for at_once in [1000, usize::MAX] {
        for halfway in [0, 5, 40] {
            let mut queue = queue();
            let (mut pushed, mut frames) = (Vec::new(), Vec::new());
            for n in 0..60_usize {
                let len = [3, 90_000, 3, 3, 200_000, 70_000, 40_000][n * n % 7];
                let (order, mut body) = (n as u64 % 4, vec![n as u8; len]);
                body[0] = order as u8;
                let class = if n % 3 == 0 { Class::Signal } else { Class::Message };
                push_of(&mut queue, of_class(class, order), &body);
                pushed.push(body);
                if n == halfway {
                    frames = drain_some(&mut queue, n);
                }
            }
            frames.extend(drain(&mut queue, at_once));
            let received = received(&frames);
            assert_eq!(received.len(), pushed.len());
            for order in 0..4 {
                let of_it = |body: &&Vec<u8>| body[0] == order;
                let sent: Vec<_> = pushed.iter().filter(of_it).collect();
                let got: Vec<_> = received.iter().map(|(_, body)| body).filter(of_it).collect();
                assert!(sent == got, "order {order}, {at_once} bytes at once");
            }
        }
    }
}

/// Writes that many chunks.
fn drain_some(queue: &mut SendQueue, chunks: usize) -> Vec<(Kind, Vec<u8>)> {
    let mut frames = Vec::new();
    for chunk in (0..chunks).map_while(|_| queue.next()).collect::<Vec<_>>() {
        let mut rest = chunk.rest();
        while let Parsed::Frame(frame) = parse(rest, 1 << 20).unwrap() {
            frames.push((frame.kind, rest[frame.body.clone()].to_vec()));
            rest = &rest[frame.body.end..];
        }
        queue.sent(chunk);
    }
    frames
}

#[test]
fn long_frames_take_turns_and_a_stream_of_short_ones_holds_none_up() {
    let mut queue = queue();
    for order in 1..=3 {
        push_of(&mut queue, FrameMeta::message(order), &vec![order as u8; 10 * LONGEST]);
    }
    for _ in 0..40 {
        push_of(&mut queue, FrameMeta::message(9), &[9; LONGEST]);
    }
    let frames = drain(&mut queue, usize::MAX);
    let ends: Vec<_> = received(&frames).into_iter().filter(|(_, body)| body[0] < 9).collect();
    assert_eq!(ends.iter().map(|(_, body)| body[0]).collect::<Vec<_>>(), [1, 2, 3], "in turns");
    assert!(ends[2].0 - ends[0].0 < 6, "none waits for another to end: {}", ends[2].0 - ends[0].0);
    assert!(ends[2].0 < 70, "every second chunk is one of a long frame");
}

#[test]
fn no_more_sequences_are_open_than_a_peer_accepts() {
    let mut queue = queue();
    // The peer would refuse the 65th sequence, and more than 64 MiB.
    for order in 0..MAX_OPEN as u64 + 10 {
        push_of(&mut queue, FrameMeta::message(order), &vec![1; LONGEST + 1]);
    }
    for order in 100..106 {
        push_of(&mut queue, FrameMeta::message(order), &vec![2; 16 << 20]);
    }
    let frames = drain(&mut queue, usize::MAX);
    assert_eq!(received(&frames).len(), MAX_OPEN + 16);
}

#[test]
fn goodbye_waits_for_the_last_fragment_and_nothing_is_cut_for_a_peer_that_does_not_support_fragments() {
    let kinds_of = |mut queue: SendQueue| {
        push_of(&mut queue, FrameMeta::message(1), &vec![1; 5 * LONGEST]);
        push_of(&mut queue, FrameMeta::signal(1), b"down");
        queue.push_goodbye(1);
        drain(&mut queue, 1000).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds_of(SendQueue::new(usize::MAX)), [Kind::Data, Kind::Data, Kind::Goodbye]);
    let cut = kinds_of(queue());
    assert!(cut[..6].iter().all(|kind| *kind == Kind::Fragment));
    assert_eq!(cut[6..], [Kind::Data, Kind::Goodbye]);
}

#[test]
fn a_cleared_queue_has_nothing_left() {
    let mut queue = queue();
    push_of(&mut queue, FrameMeta::message(1), &vec![1; 5 * LONGEST]);
    write_one(&mut queue);
    queue.clear();
    assert!(queue.is_empty() && queue.next().is_none() && queue.messages() == 0);
}
