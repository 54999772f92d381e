//! Arbitrary bytes at every stage of a connection: never a panic, no proof without the secret, and
//! no more memory than has arrived.

use fuzz_corpus::Target;
use transport_tcp::fuzzing;

#[test]
fn frames() {
    Target { name: "tcp_frames", run: fuzzing::frames, most: 0, most_per_byte: 0 }.check();
}

#[test]
fn handshakes_of_who_was_dialed() {
    Target { name: "tcp_acceptor", run: fuzzing::acceptor, most: 2 << 10, most_per_byte: 4 }.check();
}

#[test]
fn handshakes_of_who_has_dialed() {
    Target { name: "tcp_initiator", run: fuzzing::initiator, most: 2 << 10, most_per_byte: 4 }.check();
}

#[test]
fn further_connections() {
    Target { name: "tcp_attachment", run: fuzzing::attachment, most: 2 << 10, most_per_byte: 4 }.check();
}

#[test]
fn sessions() {
    Target { name: "tcp_session", run: fuzzing::session, most: 36 << 10, most_per_byte: 32 }.check();
}
