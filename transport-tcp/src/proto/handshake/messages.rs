//! The messages of a handshake, and their bytes.
//!
//! HELLO, CHALLENGE and REJECT are read before a version is agreed: their layouts are frozen and
//! written by hand, with big-endian numbers and one byte of length before each text. Bytes after
//! their last field are ignored. The other messages are postcard, followed by 32 bytes of proof.

use std::{fmt, ops::RangeInclusive};

use peer_service::{ChannelName, Features, NodeName};
use refs::Incarnation;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{HandshakeError, frames};
use crate::{
    config::TcpConfig,
    proto::{peers::pairing::Refusal, wire::Kind},
};

/// The protocol versions that this code supports.
pub(crate) const VERSIONS: RangeInclusive<u16> = 2..=2;
/// A number used once, which prevents that a proof is replayed.
pub(crate) type Nonce = [u8; 32];

const MAGIC: [u8; 4] = *b"OBIT";

/// The initiator introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Lowest and highest version that the initiator supports.
    pub(crate) versions: (u16, u16),
    pub(crate) features: Features,
    pub(crate) incarnation: Incarnation,
    /// The number of this dial among the initiator's.
    pub(crate) dial: u64,
    pub(crate) nonce: Nonce,
    pub(crate) cluster: Vec<u8>,
    pub(crate) name: NodeName,
    /// The name of the node that was dialed.
    pub(crate) expected: NodeName,
}

impl Hello {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.versions.0.to_be_bytes());
        out.extend_from_slice(&self.versions.1.to_be_bytes());
        out.extend_from_slice(&self.features.0.to_be_bytes());
        out.extend_from_slice(&self.incarnation.get().to_be_bytes());
        out.extend_from_slice(&self.dial.to_be_bytes());
        out.extend_from_slice(&self.nonce);
        put_text(&mut out, &self.cluster);
        put_text(&mut out, self.name.as_str().as_bytes());
        put_text(&mut out, self.expected.as_str().as_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields(bytes);
        if fields.array()? != MAGIC {
            return Err(HandshakeError::Malformed("the magic is missing"));
        }
        let hello = Hello {
            versions: (fields.u16()?, fields.u16()?),
            features: Features(fields.u64()?),
            incarnation: fields.incarnation()?,
            dial: fields.u64()?,
            nonce: fields.array()?,
            cluster: fields.text()?.to_vec(),
            name: fields.name()?,
            expected: fields.name()?,
        };
        if hello.cluster.len() > TcpConfig::MAX_CLUSTER {
            return Err(HandshakeError::Malformed("the cluster id is too long"));
        }
        Ok(hello)
    }

    /// The highest version that both support.
    pub(crate) fn common_version(&self) -> Result<u16, HandshakeError> {
        let (lowest, highest) = self.versions;
        let version = highest.min(*VERSIONS.end());
        if version >= lowest.max(*VERSIONS.start()) {
            Ok(version)
        } else {
            Err(HandshakeError::Version(lowest, highest))
        }
    }
}

/// The acceptor introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// The version of the messages from here on.
    pub(crate) version: u16,
    /// The features that both support.
    pub(crate) features: Features,
    pub(crate) incarnation: Incarnation,
    pub(crate) nonce: Nonce,
    pub(crate) name: NodeName,
}

impl Challenge {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.features.0.to_be_bytes());
        out.extend_from_slice(&self.incarnation.get().to_be_bytes());
        out.extend_from_slice(&self.nonce);
        put_text(&mut out, self.name.as_str().as_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields(bytes);
        Ok(Challenge {
            version: fields.u16()?,
            features: Features(fields.u64()?),
            incarnation: fields.incarnation()?,
            nonce: fields.array()?,
            name: fields.name()?,
        })
    }
}

/// Why the acceptor ends the handshake. The message has no proof, so it can do no more than end the
/// handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reject {
    /// No version in common; the acceptor supports these.
    Version { lowest: u16, highest: u16 },
    /// The acceptor belongs to another cluster.
    Cluster,
    /// The acceptor is not the node that was dialed.
    WrongName,
    /// The acceptor has the initiator's own name.
    SameName,
    /// The proof is invalid.
    Unproved,
    /// The initiator's certificate does not contain its name.
    NameNotInCertificate,
    /// A reason of a later version.
    Unknown(u8),
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reject::Version { lowest, highest } => {
                write!(f, "it speaks the protocol versions {lowest} to {highest}, we do not")
            }
            Reject::Cluster => f.write_str("it belongs to another cluster"),
            Reject::WrongName => f.write_str("it is not the node that was dialed"),
            Reject::SameName => f.write_str("it has the name of this node"),
            Reject::Unproved => f.write_str(
                "it does not accept our secret; with TLS also if something between the two terminates it",
            ),
            Reject::NameNotInCertificate => f.write_str("our certificate does not contain our name"),
            Reject::Unknown(code) => write!(f, "a reason that this version does not know ({code})"),
        }
    }
}

impl Reject {
    pub(crate) const fn version() -> Self {
        Reject::Version { lowest: *VERSIONS.start(), highest: *VERSIONS.end() }
    }

    /// The frame with this reason.
    pub(crate) fn to_frame(self) -> Vec<u8> {
        frames::encode(Kind::Reject, &self.encode())
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let (code, lowest, highest) = match self {
            Reject::Version { lowest, highest } => (1, lowest, highest),
            Reject::Cluster => (2, 0, 0),
            Reject::WrongName => (3, 0, 0),
            Reject::SameName => (4, 0, 0),
            Reject::Unproved => (5, 0, 0),
            Reject::NameNotInCertificate => (6, 0, 0),
            Reject::Unknown(code) => (code, 0, 0),
        };
        let mut out = vec![code];
        out.extend_from_slice(&lowest.to_be_bytes());
        out.extend_from_slice(&highest.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HandshakeError> {
        let mut fields = Fields(bytes);
        let [code] = fields.array()?;
        let (lowest, highest) = (fields.u16()?, fields.u16()?);
        Ok(match code {
            1 => Reject::Version { lowest, highest },
            2 => Reject::Cluster,
            3 => Reject::WrongName,
            4 => Reject::SameName,
            5 => Reject::Unproved,
            6 => Reject::NameNotInCertificate,
            code => Reject::Unknown(code),
        })
    }
}

/// The terms of either side; part of PROOF and of an accepting VERDICT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) hidden: bool,
    /// Maximum length of a frame to this side.
    pub(crate) max_frame: u32,
    /// In PROOF the channels that the initiator has, in VERDICT those of them that the acceptor has
    /// as well, in the same order.
    pub(crate) channels: Vec<ChannelName>,
}

/// The decision of the acceptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// This connection is the session.
    Accepted(Terms),
    /// The acceptor has a session with the initiator, and asks whether the initiator still has it.
    StillThere,
    /// Another connection is preferred, or the name is taken.
    Refused(Refusal),
}

/// The initiator's answer to [`Verdict::StillThere`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) still_there: bool,
}

/// Encodes a message after the version is agreed, without its proof.
pub(crate) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_allocvec(message).expect("plain messages have a binary form")
}

/// Decodes a message after the version is agreed; trailing bytes are an error.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HandshakeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        _ => Err(HandshakeError::Malformed("a message that cannot be read")),
    }
}

/// Checks the kind of a frame. A REJECT is returned as the error that it contains.
pub(super) fn expect(expected: Kind, kind: Kind, body: &[u8]) -> Result<(), HandshakeError> {
    match kind {
        Kind::Reject => Err(HandshakeError::Rejected(Reject::decode(body)?)),
        kind if kind == expected => Ok(()),
        _ => Err(HandshakeError::Malformed("a frame out of place")),
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(u8::try_from(text.len()).expect("names and cluster ids are at most 255 bytes"));
    out.extend_from_slice(text);
}

/// The remaining fields of a frozen layout.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], HandshakeError> {
        let (field, remaining) =
            self.0.split_at_checked(len).ok_or(HandshakeError::Malformed("a message is cut short"))?;
        self.0 = remaining;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HandshakeError> {
        Ok(self.take(N)?.try_into().expect("as many bytes as were asked for"))
    }

    fn u16(&mut self) -> Result<u16, HandshakeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, HandshakeError> {
        self.array().map(u64::from_be_bytes)
    }

    fn incarnation(&mut self) -> Result<Incarnation, HandshakeError> {
        Incarnation::new(self.u64()?).ok_or(HandshakeError::Malformed("an incarnation of zero"))
    }

    fn text(&mut self) -> Result<&'a [u8], HandshakeError> {
        let [len] = self.array()?;
        self.take(usize::from(len))
    }

    fn name(&mut self) -> Result<NodeName, HandshakeError> {
        let text = std::str::from_utf8(self.text()?).ok();
        text.and_then(|text| text.parse().ok())
            .ok_or(HandshakeError::Malformed("a text that is no node name"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        Hello {
            versions: (1, 3),
            features: Features(5),
            incarnation: Incarnation::new(77).unwrap(),
            dial: 9,
            nonce: [8; 32],
            cluster: b"blue".to_vec(),
            name: "a@h:1".parse().unwrap(),
            expected: "b@h:2".parse().unwrap(),
        }
    }

    #[test]
    fn the_layout_of_hello_is_frozen() {
        let mut expected = b"OBIT\x00\x01\x00\x03".to_vec();
        expected.extend_from_slice(&5_u64.to_be_bytes());
        expected.extend_from_slice(&77_u64.to_be_bytes());
        expected.extend_from_slice(&9_u64.to_be_bytes());
        expected.extend_from_slice(&[8; 32]);
        expected.extend_from_slice(b"\x04blue\x05a@h:1\x05b@h:2");
        assert_eq!(hello().encode(), expected);
        expected.extend_from_slice(b"fields of a later version");
        assert_eq!(Hello::decode(&expected).unwrap(), hello());
    }

    #[test]
    fn the_layout_of_challenge_is_frozen() {
        let challenge = Challenge {
            version: 1,
            features: Features(2),
            incarnation: Incarnation::new(3).unwrap(),
            nonce: [4; 32],
            name: "b@h:2".parse().unwrap(),
        };
        let mut expected = vec![0, 1];
        expected.extend_from_slice(&2_u64.to_be_bytes());
        expected.extend_from_slice(&3_u64.to_be_bytes());
        expected.extend_from_slice(&[4; 32]);
        expected.extend_from_slice(b"\x05b@h:2");
        assert_eq!(challenge.encode(), expected);
        expected.push(0);
        assert_eq!(Challenge::decode(&expected).unwrap(), challenge);
    }

    #[test]
    fn the_longest_hello_fits_into_a_frame() {
        let long: NodeName = format!("{}@{}", "l".repeat(63), "h".repeat(191)).parse().unwrap();
        assert_eq!(long.as_str().len(), 255);
        let hello = Hello { cluster: vec![b'c'; 64], name: long.clone(), expected: long, ..hello() };
        assert!(hello.encode().len() + crate::proto::wire::MAX_HEADER <= frames::MAX_FRAME);
        assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello);
    }

    #[test]
    fn the_highest_version_in_common_is_taken() {
        let version = |lowest, highest| Hello { versions: (lowest, highest), ..hello() }.common_version();
        assert_eq!(version(1, 9).unwrap(), 2);
        assert!(matches!(version(3, 9), Err(HandshakeError::Version(3, 9))));
        assert!(matches!(version(1, 1), Err(HandshakeError::Version(1, 1))));
        assert!(version(0, 0).is_err());
    }

    proptest! {
        #[test]
        fn reading_is_total(bytes in prop::collection::vec(any::<u8>(), 0..700), magic in any::<bool>()) {
            let mut bytes = bytes;
            if magic && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&MAGIC);
            }
            let _ = Hello::decode(&bytes);
            let _ = Challenge::decode(&bytes);
            let _ = Reject::decode(&bytes);
            let _ = decode::<Verdict>(&bytes);
        }
    }
}
