//! A stream's bytes as TLS records.
//!
//! Reader and writer share one lock. It is held for encryption, decryption and non-blocking socket
//! calls: no task waits under it.

use std::{
    io::{self, BufRead as _, ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use parking_lot::Mutex;
use refs::NodeName;
use rustls::Connection;

use super::name;
use crate::{
    net::error::{ConnectError, tls::Problem},
    net::stream::{Layer, uninterrupted},
};

/// Maximum number of bytes that are encrypted but not yet accepted by the socket. A ping that is
/// written later waits behind them.
const MAX_ENCRYPTED_AHEAD: usize = 64 * 1024;
/// The exporter label of the value that identifies a connection (RFC 9266), with an empty context.
const CHANNEL_BINDING: &[u8] = b"EXPORTER-Channel-Binding";
/// Number of reads from the socket without decrypted bytes, after which other tasks run.
const IDLE_READS: usize = 32;

/// A connection whose TLS handshake is complete. See the [module](self).
///
/// The end of the TCP stream is the end of the connection, with or without TLS's `close_notify`:
/// only the session's goodbye shows that the peer has sent everything, and it cannot be forged on
/// the path.
pub(super) struct Tunnel(Mutex<State>);

struct State {
    tls: Connection,
    /// The peer has sent an alert, or bytes that are not TLS: nothing more is read.
    broken: bool,
}

impl Tunnel {
    pub(super) fn new(mut tls: Connection) -> Self {
        tls.set_buffer_limit(Some(MAX_ENCRYPTED_AHEAD));
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
        // Bytes that the socket does not accept are sent with the next write or flush.
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
        // Any other result is bytes or the end of the connection, which the reader must see, too.
        let nothing_yet = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        state.broken || !state.tls.reader().fill_buf().is_err_and(nothing_yet)
    }

    /// `close_notify` is lost if the socket accepts nothing; the end of the stream has the same
    /// meaning.
    fn end_writing(&self, tcp: &TcpStream) -> io::Result<()> {
        let mut state = self.0.lock();
        state.tls.send_close_notify();
        let _ = state.flush(tcp);
        tcp.shutdown(Shutdown::Write)
    }

    fn check_peer_name(&self, peer: &NodeName) -> Result<(), ConnectError> {
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
    /// Fills `into` from the bytes that have arrived.
    fn read(&mut self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.take(into)?.unwrap_or(0);
        let mut idle = 0;
        while filled < into.len() && idle < IDLE_READS {
            let received = self.receive(tcp);
            // Also after an error: valid bytes before it are returned first.
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

    /// Decrypted bytes: `None` if there are none yet, 0 at the end, with or without `close_notify`.
    fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        match self.tls.reader().read(into) {
            Ok(taken) => Ok(Some(taken)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Some(0)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the bytes of the socket and decrypts them.
    fn receive(&mut self, mut tcp: &TcpStream) -> io::Result<()> {
        if !self.broken {
            uninterrupted(|| self.tls.read_tls(&mut tcp))?;
        }
        let processed = self.tls.process_new_packets();
        // A reply to a key update, or the alert that ends the connection. It may be sent later.
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
