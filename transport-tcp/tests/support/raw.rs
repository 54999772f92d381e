//! A peer that is not a node. It is written from the layouts alone, so that it can break every rule
//! and shares no code with the node that it attacks.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use smol::{
    Async,
    io::{AsyncReadExt, AsyncWriteExt},
};
use socket2::{Domain, Socket, Type};
use transport_tcp::TcpTransport;

use super::Setup;
use super::{SECRET, config, connect, exchange_frames, soon, start};

/// The lowest and the highest protocol version that a node supports.
pub const VERSION: (u16, u16) = (2, 2);

/// The kinds of frames, as numbered on the wire.
pub const DATA: u8 = 0;
pub const FRAGMENT: u8 = 1;
pub const PING: u8 = 2;
pub const PONG: u8 = 3;
pub const GOODBYE: u8 = 4;
pub const ATTACH: u8 = 5;
pub const HELLO: u8 = 16;
pub const CHALLENGE: u8 = 17;
pub const PROOF: u8 = 18;
pub const VERDICT: u8 = 19;
pub const ANSWER: u8 = 20;
pub const REJECT: u8 = 21;

/// A HELLO frame in its frozen layout.
pub fn hello(versions: (u16, u16), cluster: &str, name: &str, expected: &str) -> Vec<u8> {
    frame(&hello_with(versions, 0, cluster, name, expected))
}

/// Kind and body of a HELLO.
pub fn hello_with(versions: (u16, u16), features: u64, cluster: &str, name: &str, expected: &str) -> Vec<u8> {
    let mut body = vec![HELLO];
    body.extend_from_slice(b"OBIT");
    body.extend_from_slice(&versions.0.to_be_bytes());
    body.extend_from_slice(&versions.1.to_be_bytes());
    body.extend_from_slice(&features.to_be_bytes());
    body.extend_from_slice(&77_u64.to_be_bytes());
    body.extend_from_slice(&1_u64.to_be_bytes());
    body.extend_from_slice(&[3; 32]);
    for text in [cluster, name, expected] {
        body.push(text.len() as u8);
        body.extend_from_slice(text.as_bytes());
    }
    body
}

/// The same HELLO in another incarnation, with another number of the dial.
pub fn in_incarnation(mut hello: Vec<u8>, incarnation: u64, dial: u64) -> Vec<u8> {
    hello[17..25].copy_from_slice(&incarnation.to_be_bytes());
    hello[25..33].copy_from_slice(&dial.to_be_bytes());
    hello
}

/// The incarnation in a CHALLENGE, which every caller receives.
pub fn incarnation_in(challenge: &[u8]) -> u64 {
    assert_eq!(challenge[0], CHALLENGE);
    u64::from_be_bytes(challenge[11..19].try_into().unwrap())
}

/// Runs a handshake to its last VERDICT, and denies that the initiator has the existing session.
pub async fn deny_the_session(stream: &Async<TcpStream>, mut said: Transcript, hello: &[u8]) -> Vec<u8> {
    let mut stream: &Async<TcpStream> = stream;
    stream.write_all(&frame(hello)).await.unwrap();
    said.absorb(hello);
    said.absorb(&soon("a challenge", read_frame(stream)).await);
    stream.write_all(&frame(&said.prove(PROOF, &TERMS))).await.unwrap();
    let verdict = soon("a verdict", read_frame(stream)).await;
    if verdict[..2] != [VERDICT, STILL_THERE] {
        return verdict;
    }
    said.absorb_proved(&verdict);
    stream.write_all(&frame(&said.prove(ANSWER, &[0]))).await.unwrap();
    soon("the last verdict", read_frame(stream)).await
}

/// The decision in a VERDICT.
pub const STILL_THERE: u8 = 1;
pub const REFUSED: u8 = 2;
/// The reason of a refusal: the existing session is alive.
pub const STANDS_ALREADY: u8 = 3;

/// A frame with a kind and a body of at most 16,383 bytes together.
pub fn frame(kind_and_body: &[u8]) -> Vec<u8> {
    let len = kind_and_body.len();
    let mut frame = if len < 128 { vec![len as u8] } else { vec![len as u8 | 0x80, (len >> 7) as u8] };
    frame.extend_from_slice(kind_and_body);
    frame
}

/// A ping or pong with that number.
pub fn beat(kind: u8, number: u64) -> Vec<u8> {
    frame(&[&[kind][..], &number.to_be_bytes()].concat())
}

/// Kind and body of one frame.
pub async fn read_frame(mut stream: &Async<TcpStream>) -> Vec<u8> {
    let mut length = 0;
    for shift in [0, 7] {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

pub async fn dial(node: &TcpTransport) -> Async<TcpStream> {
    Async::<TcpStream>::connect(node.local_addr()).await.unwrap()
}

/// A connection from that address of this machine.
pub async fn dial_from(from: impl Into<IpAddr>, node: &TcpTransport) -> Async<TcpStream> {
    let (from, to) = (SocketAddr::new(from.into(), 0), node.local_addr());
    smol::unblock(move || {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&to.into()).unwrap();
        Async::new(TcpStream::from(socket)).unwrap()
    })
    .await
}

/// All bytes that the node sends until it closes the connection.
pub async fn listen_to(mut stream: &Async<TcpStream>) -> Vec<u8> {
    let mut said = Vec::new();
    // A reset also closes the connection.
    let _ = soon("the node to close the connection", stream.read_to_end(&mut said)).await;
    said
}

/// Sends bytes on a new connection, and returns the node's answer.
pub async fn say(node: &TcpTransport, what: &[u8]) -> Vec<u8> {
    let stream = dial(node).await;
    (&stream).write_all(what).await.unwrap();
    listen_to(&stream).await
}

/// Establishes a session with the node as a peer that has the secret: `kind_and_body` is the HELLO,
/// whatever it contains. Further bytes on the connection belong to the session.
pub async fn join(node: &TcpTransport, kind_and_body: &[u8]) -> Async<TcpStream> {
    let stream = dial(node).await;
    (&stream).write_all(&frame(kind_and_body)).await.unwrap();
    let challenge = soon("a challenge", read_frame(&stream)).await;
    assert_eq!(challenge[0], CHALLENGE, "got {challenge:?}");
    (&stream).write_all(&frame(&proof(&[kind_and_body, &challenge], &TERMS))).await.unwrap();
    let verdict = soon("a verdict", read_frame(&stream)).await;
    assert_eq!(verdict[..2], [VERDICT, 0], "accepted");
    stream
}

/// Not hidden, frames of up to a megabyte, no channels.
pub const TERMS: [u8; 5] = [0, 0x80, 0x80, 0x40, 0];

/// A PROOF of those terms over the transcript of these kinds and bodies, in their order.
pub fn proof(said: &[&[u8]], terms: &[u8]) -> Vec<u8> {
    let mut transcript = Transcript::default();
    said.iter().for_each(|kind_and_body| transcript.absorb(kind_and_body));
    transcript.prove(PROOF, terms)
}

/// The transcript of a handshake.
#[derive(Clone, Default)]
pub struct Transcript(Sha256);

impl Transcript {
    /// The transcript of a handshake on the TLS connection with that binding.
    pub fn over(binding: &[u8; 32]) -> Self {
        let mut transcript = Transcript::default();
        transcript.bind(binding);
        transcript
    }

    fn bind(&mut self, binding: &[u8; 32]) {
        self.0.update(b"obit tls-exporter");
        self.0.update(binding);
    }

    /// A frame without a proof: its kind and body.
    pub fn absorb(&mut self, kind_and_body: &[u8]) {
        let (kind, body) = kind_and_body.split_first().unwrap();
        self.0.update([*kind]);
        self.0.update((body.len() as u64).to_be_bytes());
        self.0.update(body);
    }

    /// A frame with a proof at its end.
    pub fn absorb_proved(&mut self, kind_and_body: &[u8]) {
        let (fields, proof) = kind_and_body.split_at(kind_and_body.len() - 32);
        self.absorb(fields);
        self.absorb(&[&fields[..1], proof].concat());
    }

    /// Kind and body of a frame with the initiator's proof at its end.
    pub fn prove(&mut self, kind: u8, fields: &[u8]) -> Vec<u8> {
        self.prove_as(b"obit handshake, initiator", kind, fields)
    }

    /// The same with the label of another role.
    pub fn prove_as(&mut self, label: &[u8], kind: u8, fields: &[u8]) -> Vec<u8> {
        let said = [&[kind], fields].concat();
        let mut transcript = self.clone();
        transcript.absorb(&said);
        let mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
        let mac = mac.chain_update(label).chain_update(transcript.0.finalize());
        let proved = [&said[..], &mac.finalize().into_bytes()].concat();
        self.absorb_proved(&proved);
        proved
    }

    /// Kind and body of an ATTACH to the session whose handshake this was.
    pub fn attach(&self, channel: u8) -> Vec<u8> {
        self.attach_with(self.clone(), channel)
    }

    /// The same on the TLS connection with that binding.
    pub fn attach_over(&self, binding: &[u8; 32], channel: u8) -> Vec<u8> {
        let mut about = self.clone();
        about.bind(binding);
        self.attach_with(about, channel)
    }

    fn attach_with(&self, mut about: Self, channel: u8) -> Vec<u8> {
        let proof = about.prove(ATTACH, &[channel]);
        [&[ATTACH], &self.0.clone().finalize()[..], &proof[1..]].concat()
    }
}

/// Runs `attack` on `b` while `b` has a session with another node, which must not be disturbed.
pub fn while_others_talk<F: Future<Output = ()>>(
    configured: Setup,
    attack: impl FnOnce(Arc<TcpTransport>) -> F,
) {
    smol::block_on(async {
        let (a, b) = (start(config("bystander")).await, start(configured).await);
        let (mut at_a, mut at_b) = connect(&a, &b).await;
        attack(b).await;
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}
