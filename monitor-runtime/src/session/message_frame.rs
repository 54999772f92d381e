//! The frame of a message: its receiver, its sender and its encoding.
//!
//! The first byte of a data frame is its type: [`SIGNALS`] or [`MESSAGE`]. A message frame
//! continues with a byte of flags (kind of receiver, presence of a sender, presence of a reply
//! alias), the receiver, the sender, the alias of the sender's node that accepts the reply, and the
//! body up to the end of the frame. Numbers are little-endian base-128 varints; incarnations and
//! the tokens of aliases are eight little-endian bytes. A receiver that is a monitor without a
//! token has the token 0, which no alias has.

use bytes::Bytes;
use monitor_core::ExitReason;
use refs::{AliasToken, Incarnation, MonitorRef, NodeId, Pid, RegName, Serial, varint};

use crate::{event::Message, receiver::Receiver};

/// The frame contains monitor signals.
pub(crate) const SIGNALS: u8 = 0;
/// The frame contains one user message.
pub(crate) const MESSAGE: u8 = 1;

/// Maximum length of a frame of signals. Every peer service must accept that length, and no peer
/// may send a longer frame. The longest signal is little longer than [`ExitReason::MAX_LEN`].
pub(crate) const MAX_SIGNAL_FRAME: usize = 128 * 1024;

const _: () = assert!(ExitReason::MAX_LEN + 1024 <= MAX_SIGNAL_FRAME);

/// Maximum number of bytes of a message frame besides its body.
pub(crate) const MAX_OVERHEAD: usize = 2 + (2 + RegName::MAX_LEN) + 4 * varint::MAX_LEN + size_of::<u64>();

const TO_PID: u8 = 0;
const TO_NAME: u8 = 1;
const TO_ALIAS: u8 = 2;
const TO_MASK: u8 = 3;
const HAS_SENDER: u8 = 4;
const AWAITS_REPLY: u8 = 8;

/// A decoded message frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageFrame<'a> {
    pub(crate) to: Receiver<'a>,
    /// The number of the sending process at its node.
    pub(crate) from: Option<Serial>,
    /// The alias at the sender's node that accepts the reply.
    pub(crate) reply_to: Option<(Serial, AliasToken)>,
    pub(crate) body: &'a [u8],
}

impl<'a> MessageFrame<'a> {
    /// Appends the encoded frame.
    pub(crate) fn write(&self, frame: &mut Vec<u8>) {
        let (kind, name) = match self.to {
            Receiver::Pid(..) => (TO_PID, ""),
            Receiver::Name(name) => (TO_NAME, name),
            Receiver::Alias(..) => (TO_ALIAS, ""),
        };
        frame.reserve(MAX_OVERHEAD.min(64 + name.len()) + self.body.len());
        frame.push(MESSAGE);
        let has_sender = if self.from.is_some() { HAS_SENDER } else { 0 };
        let awaits_reply = if self.reply_to.is_some() { AWAITS_REPLY } else { 0 };
        frame.push(kind | has_sender | awaits_reply);
        match self.to {
            Receiver::Pid(incarnation, serial) => {
                write_u64(incarnation.get(), frame);
                write_serial(serial, frame);
            }
            Receiver::Alias(incarnation, serial, token) => {
                write_u64(incarnation.get(), frame);
                write_serial(serial, frame);
                write_u64(token.map_or(0, AliasToken::get), frame);
            }
            Receiver::Name(name) => {
                let len = u32::try_from(name.len()).expect("a registered name has at most 255 bytes");
                varint::append(len, frame);
                frame.extend_from_slice(name.as_bytes());
            }
        }
        if let Some(serial) = self.from {
            write_serial(serial, frame);
        }
        if let Some((serial, token)) = self.reply_to {
            write_serial(serial, frame);
            write_u64(token.get(), frame);
        }
        frame.extend_from_slice(self.body);
    }

    /// Returns the message, with that node as its sender's node.
    pub(crate) fn message(&self, peer: &NodeId) -> Message {
        let mut message = Message::new(
            self.from.map(|serial| Pid::new(peer.clone(), serial)),
            Bytes::copy_from_slice(self.body),
        );
        message.reply_to = self
            .reply_to
            .map(|(serial, token)| MonitorRef::new(peer.clone(), serial).with_alias(Some(token)));
        message
    }

    /// Decodes a message frame without its first byte. `None` if it is malformed. Never panics, and
    /// copies nothing.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut bytes = bytes;
        let (&flags, tail) = bytes.split_first()?;
        bytes = tail;
        if flags & !(TO_MASK | HAS_SENDER | AWAITS_REPLY) != 0 {
            return None;
        }
        let to = match flags & TO_MASK {
            TO_PID => Receiver::Pid(read_incarnation(&mut bytes)?, read_serial(&mut bytes)?),
            TO_NAME => Receiver::Name(read_name(&mut bytes)?),
            TO_ALIAS => {
                let (incarnation, serial) = (read_incarnation(&mut bytes)?, read_serial(&mut bytes)?);
                Receiver::Alias(incarnation, serial, AliasToken::new(read_u64(&mut bytes)?))
            }
            _ => return None,
        };
        let from = if flags & HAS_SENDER != 0 { Some(read_serial(&mut bytes)?) } else { None };
        let reply_to = if flags & AWAITS_REPLY != 0 {
            Some((read_serial(&mut bytes)?, AliasToken::new(read_u64(&mut bytes)?)?))
        } else {
            None
        };
        Some(MessageFrame { to, from, reply_to, body: bytes })
    }
}

fn write_u64(number: u64, frame: &mut Vec<u8>) {
    frame.extend_from_slice(&number.to_le_bytes());
}

fn write_serial(serial: Serial, frame: &mut Vec<u8>) {
    varint::append(serial.slot(), frame);
    varint::append(serial.generation(), frame);
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(len)?;
    *bytes = tail;
    Some(head)
}

#[inline]
fn read_varint(bytes: &mut &[u8]) -> Option<u32> {
    let (number, len) = varint::decode(bytes, varint::MAX_LEN).ok()?;
    take(bytes, len)?;
    Some(number)
}

fn read_serial(bytes: &mut &[u8]) -> Option<Serial> {
    Some(Serial::new(read_varint(bytes)?, read_varint(bytes)?))
}

fn read_u64(bytes: &mut &[u8]) -> Option<u64> {
    let number = take(bytes, size_of::<u64>())?.try_into().ok()?;
    Some(u64::from_le_bytes(number))
}

fn read_incarnation(bytes: &mut &[u8]) -> Option<Incarnation> {
    Incarnation::new(read_u64(bytes)?)
}

fn read_name<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let len = read_varint(bytes)? as usize;
    if len > RegName::MAX_LEN {
        return None;
    }
    str::from_utf8(take(bytes, len)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<MessageFrame<'static>> {
        let incarnation = Incarnation::new(u64::MAX).unwrap();
        let token = AliasToken::new(u64::MAX - 1);
        let serials = [Serial::new(0, 0), Serial::new(127, 128), Serial::new(u32::MAX, u32::MAX)];
        let mut frames = Vec::new();
        for serial in serials {
            let receivers = [
                Receiver::Pid(incarnation, serial),
                Receiver::Name("jobs"),
                Receiver::Alias(incarnation, serial, token),
                Receiver::Alias(incarnation, serial, None),
            ];
            let reply = token.map(|token| (serial, token));
            for to in receivers {
                for (from, reply_to) in
                    [(None, None), (Some(serial), None), (None, reply), (Some(serial), reply)]
                {
                    frames.push(MessageFrame { to, from, reply_to, body: b"body" });
                }
            }
        }
        frames
    }

    #[test]
    fn a_written_frame_is_read_back() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            assert_eq!(bytes[0], MESSAGE);
            assert!(bytes.len() <= MAX_OVERHEAD + frame.body.len());
            assert_eq!(MessageFrame::read(&bytes[1..]), Some(frame));
        }
    }

    #[test]
    fn the_longest_name_stays_within_the_overhead() {
        let name = "n".repeat(RegName::MAX_LEN);
        let frame = MessageFrame {
            to: Receiver::Name(&name),
            from: Some(Serial::new(u32::MAX, u32::MAX)),
            reply_to: AliasToken::new(1).map(|token| (Serial::new(u32::MAX, u32::MAX), token)),
            body: &[],
        };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        assert!(bytes.len() <= MAX_OVERHEAD);
    }

    #[test]
    fn a_head_that_is_cut_short_is_malformed() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            for len in 0..bytes.len() - 1 - frame.body.len() {
                assert_eq!(MessageFrame::read(&bytes[1..1 + len]), None, "{frame:?} cut to {len}");
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic() {
        // Every flag byte, with tails that make varints and lengths long.
        for flags in 0..=u8::MAX {
            for fill in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                for len in 0..32 {
                    let mut bytes = vec![fill; len];
                    bytes.insert(0, flags);
                    let _ = MessageFrame::read(&bytes);
                }
            }
        }
    }
}
