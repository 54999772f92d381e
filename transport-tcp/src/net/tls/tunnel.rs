//! A stream's bytes as TLS records.
//!
//! Reader and writer share one lock. It is held while bytes are en- or decrypted and while the
//! socket takes or gives what it has at that moment: no task waits under it.

use std::{
    io::{self, BufRead as _, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use parking_lot::Mutex;
use refs::NodeName;
use rustls::Connection;

use super::{Problem, name};
use crate::{
    net::error::ConnectError,
    net::stream::{Layer, uninterrupted},
};

/// How much is encrypted ahead of what the socket has taken: about what may wait there. A ping that
/// is written later waits behind that much.
const AHEAD: usize = 64 * 1024;
/// The label under which a value is exported that identifies a connection (RFC 9266), with an empty
/// context.
const CHANNEL_BINDING: &[u8] = b"EXPORTER-Channel-Binding";
/// After so many reads from the socket that brought nothing to hand over, others get their turn.
const IDLE_READS: usize = 32;

/// A connection on which the TLS handshake is done. See the [module](self).
///
/// The end of the TCP stream is an end like any other, also without TLS's own farewell: whether the
/// peer has said everything is told by the goodbye of the session, which no one on the path can
/// forge.
pub(super) struct Tunnel(Mutex<State>);

struct State {
    tls: Connection,
    /// The peer has sent something that is no TLS, or an alert: nothing more is read.
    broken: bool,
}

impl Tunnel {
    pub(super) fn new(mut tls: Connection) -> Self {
        tls.set_buffer_limit(Some(AHEAD));
        Tunnel(Mutex::new(State { tls, broken: false }))
    }
}

impl Layer for Tunnel {
    fn read(&self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        self.0.lock().read(tcp, into)
    }

    fn write(&self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        state.flush(tcp)?;
        let taken = state.tls.writer().write(bytes)?;
        // Bytes that the socket does not take go out with the next write or flush.
        match state.flush(tcp) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    fn flush(&self, tcp: &TcpStream) -> io::Result<()> {
        self.0.lock().flush(tcp)
    }

    fn holds_unread(&self) -> bool {
        let state = &mut *self.0.lock();
        // Any other result is a byte or the end of the connection, which the reader must see, too.
        let nothing_yet = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        state.broken || !state.tls.reader().fill_buf().is_err_and(nothing_yet)
    }

    /// The farewell is lost if the socket takes nothing; the end of the stream says the same.
    fn end_writing(&self, tcp: &TcpStream) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tls.send_close_notify();
        let _ = state.flush(tcp);
        tcp.shutdown(Shutdown::Write)
    }

    fn vouches_for(&self, peer: &NodeName) -> Result<(), ConnectError> {
        let state = self.0.lock();
        let certificate = state.tls.peer_certificates().and_then(<[_]>::first);
        Ok(name::is_borne_by(peer, certificate.ok_or(Problem::NoCertificate)?)?)
    }

    fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError> {
        let exported = self.0.lock().tls.export_keying_material([0; 32], CHANNEL_BINDING, Some(&[]));
        Ok(Some(exported.map_err(Problem::from)?))
    }
}

impl State {
    /// Fills `into` as far as what has arrived goes.
    fn read(&mut self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.take(into)?.unwrap_or(0);
        let mut idle = 0;
        while filled < into.len() && idle < IDLE_READS {
            let received = self.receive(tcp);
            // Also after an error: what was good before it comes first.
            match self.take(&mut into[filled..])? {
                Some(0) => return Ok(filled),
                Some(taken) => filled += taken,
                None => idle += 1,
            }
            match received {
                Err(_) if filled > 0 => return Ok(filled),
                received => received?,
            }
        }
        if filled > 0 { Ok(filled) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Decrypted bytes: `None` if there are none yet, 0 at the end, with a farewell of TLS or
    /// without.
    fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        match self.tls.reader().read(into) {
            Ok(taken) => Ok(Some(taken)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes and decrypts what the socket has.
    fn receive(&mut self, mut tcp: &TcpStream) -> io::Result<()> {
        if !self.broken {
            uninterrupted(|| self.tls.read_tls(&mut tcp))?;
        }
        let processed = self.tls.process_new_packets();
        // An answer to a change of keys, or why this is the end. It may go out later.
        let _ = self.flush(tcp);
        processed.map(drop).map_err(|error| {
            self.broken = true;
            io::Error::new(ErrorKind::InvalidData, Problem::from(error))
        })
    }

    fn flush(&mut self, mut tcp: &TcpStream) -> io::Result<()> {
        while self.tls.wants_write() {
            if uninterrupted(|| self.tls.write_tls(&mut tcp))? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
