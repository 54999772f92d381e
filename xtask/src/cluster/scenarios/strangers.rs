//! The input that an unauthenticated peer can send, and its effect on the counters.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

use anyhow::{Context, Result, bail};
use harness::conditions::SOON;

use crate::cluster::{node::Node, protocol::Tables};

/// Opens that many connections and sends nothing.
pub(super) fn call(address: SocketAddr, times: usize) -> Result<Vec<TcpStream>> {
    let call = || TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"));
    (0..times).map(|_| call()).collect()
}

/// Connects, sends that, and waits until the node closes the connection.
pub(super) fn knock(address: SocketAddr, bytes: &[u8]) -> Result<()> {
    let what = || format!("{} bytes thrown at {address}", bytes.len());
    let mut stream = TcpStream::connect(address).with_context(what)?;
    stream.set_read_timeout(Some(SOON)).with_context(what)?;
    // The write may fail: the node closes the connection of an invalid peer, as it should.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.take(1 << 20).read_to_end(&mut answer) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => Ok(()),
        Err(error) => {
            bail!("{}: {error}; expected the node to close the connection within {SOON:?}", what())
        }
    }
}

/// Waits until one of the counters stands higher than before.
pub(super) fn counted(node: &Node, what: &str, before: &Tables, counters: &[&str]) -> Result<()> {
    let sum = |tables: &Tables| counters.iter().map(|name| count(tables, name)).sum::<u64>();
    let what = format!("{what} to be counted as {counters:?}");
    node.await_tables(&what, |tables| sum(tables) > sum(before)).map(drop)
}

/// Returns the value of a counter.
pub(super) fn count(tables: &Tables, counter: &str) -> u64 {
    tables.counters.get(counter).copied().unwrap_or_default()
}

/// Kinds of frames in a handshake.
pub(super) const HELLO: u8 = 16;
pub(super) const PROOF: u8 = 18;

/// The version of the protocol that nodes speak.
const VERSION: u16 = 2;

/// The first frame of a handshake. Its layout is frozen for all versions.
#[derive(Clone, Copy)]
pub(super) struct Hello<'a> {
    pub(super) magic: [u8; 4],
    pub(super) version: u16,
    pub(super) cluster: &'a str,
    pub(super) name: &'a str,
    pub(super) expected: &'a str,
}

impl<'a> Hello<'a> {
    /// As a node says it.
    pub(super) const fn of(name: &'a str, expected: &'a str) -> Self {
        Hello { magic: *b"OBIT", version: VERSION, cluster: "", name, expected }
    }

    pub(super) fn frame(&self) -> Vec<u8> {
        frame(HELLO, &self.body())
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = self.magic.to_vec();
        // The lowest version and the highest.
        body.extend([self.version.to_be_bytes(), self.version.to_be_bytes()].concat());
        let (features, incarnation, dial, nonce) = (0_u64, 0x5eed_u64, 1_u64, [9; 32]);
        body.extend([features.to_be_bytes(), incarnation.to_be_bytes(), dial.to_be_bytes()].concat());
        body.extend(nonce);
        for text in [self.cluster, self.name, self.expected] {
            body.push(text.len() as u8);
            body.extend(text.as_bytes());
        }
        body
    }
}

/// A frame: length as varint, kind, body.
pub(super) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 1;
    let mut frame =
        if length < 0x80 { vec![length as u8] } else { vec![length as u8 | 0x80, (length >> 7) as u8] };
    frame.push(kind);
    frame.extend(body);
    frame
}
