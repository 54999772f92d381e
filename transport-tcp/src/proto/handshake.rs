//! The handshake: two nodes tell who they are and prove that they know the secret.
//!
//! ```text
//! initiator                                   acceptor
//! HELLO     versions, features, who, nonce ->
//!           <- CHALLENGE  version, features, who, nonce
//! PROOF     what it is like, proof         ->            checked before anything is decided
//!           <- VERDICT    accepted | still there? | refused, proof
//! ANSWER    still there or not, proof      ->            only if asked; a second VERDICT follows
//! ```
//! With TLS and a secret, each proof is also one of the TLS connection that it is made for: see [`proof::Binding`].
//!
//! Instead of CHALLENGE or VERDICT the acceptor may send REJECT, the only frame besides HELLO and CHALLENGE
//! without a proof: it ends the handshake and nothing else. Both sides are pure machines here, bytes in and
//! bytes out; [`conversation`] carries the bytes.

pub(crate) mod acceptor;
pub(crate) mod attach;
pub(crate) mod initiator;
pub(crate) mod messages;
pub(crate) mod proof;

use peer_service::{ChannelName, EndKind, Features, NodeId};
use refs::Incarnation;
use thiserror::Error;

#[cfg(feature = "tls")]
use crate::net::tls::Problem;
use crate::{
    config::TcpConfig,
    counters::Counters,
    platform::is_out_of_descriptors,
    proto::{connection::fragment, peers::pairing::Refusal, peers::table::DialFailure, wire::WireError},
};
use messages::{Reject, Terms};
use proof::Keys;

/// What this node says of itself to every peer.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) cluster: String,
    pub(crate) hidden: bool,
    pub(crate) features: Features,
    pub(crate) max_frame: u32,
    /// Beside the default one.
    pub(crate) channels: Vec<ChannelName>,
    pub(crate) keys: Keys,
}

impl Identity {
    pub(crate) fn new(config: &TcpConfig, incarnation: Incarnation, keys: Keys) -> Self {
        Identity {
            node: NodeId::new(config.name.clone(), incarnation),
            cluster: config.cluster.clone(),
            hidden: config.hidden,
            features: fragment::FRAGMENTS,
            max_frame: config.max_frame as u32,
            channels: config.channels.clone(),
            keys,
        }
    }

    /// What this node is like, for a peer that understands those features.
    fn terms(&self, features: Features, channels: Vec<ChannelName>) -> Terms {
        let max_frame = fragment::longest(self.max_frame as usize, features) as u32;
        Terms { hidden: self.hidden, max_frame, channels }
    }
}

/// What is known of the peer once both have proved themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) node: NodeId,
    /// Whether the peer is hidden.
    pub(crate) hidden: bool,
    /// What both understand.
    pub(crate) features: Features,
    /// The longest frame the peer takes.
    pub(crate) max_frame: u32,
    /// The channels that both have beside the default one, in the initiator's order.
    pub(crate) channels: Vec<ChannelName>,
}

/// Why a handshake came to nothing.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("the connection failed: {0}")]
    Io(std::io::Error),
    #[error("no address: {0}")]
    Unresolved(std::io::Error),
    #[error("without a secret or TLS only loopback addresses are dialled")]
    Unsecured,
    #[cfg(feature = "tls")]
    #[error("TLS: {0}")]
    Tls(#[from] Problem),
    #[error("the other end speaks TLS, and this node does not; configure it on both ends")]
    SpeaksTls,
    #[error("the other end hung up")]
    Closed,
    #[error("not finished in time")]
    Timeout,
    #[error("not our protocol: {0}")]
    Wire(#[from] WireError),
    #[error("not our protocol: {0}")]
    Malformed(&'static str),
    #[error("no protocol version in common: the peer speaks {0} to {1}")]
    Version(u16, u16),
    #[error("the peer belongs to another cluster")]
    Cluster,
    #[error("this is not the node that was looked for")]
    WrongName,
    #[error("the peer bears our own name")]
    OwnName,
    #[error(
        "the peer did not prove that it knows the secret; with TLS also if something between the two terminates it"
    )]
    Unproved,
    #[error("the peer has rejected us: {0}")]
    Rejected(Reject),
    #[error("the peer has refused us: {0}")]
    Refused(Refusal),
    #[error("another connection with this peer has taken its place")]
    Dropped,
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        #[cfg(feature = "tls")]
        let error = match error.downcast() {
            Ok(problem) => return Failure::Tls(problem),
            Err(error) => error,
        };
        Failure::Io(error)
    }
}

impl Failure {
    /// What it means for who has dialled.
    pub(crate) fn end_kind(&self) -> EndKind {
        use std::io::ErrorKind;
        match self {
            Failure::Io(error) | Failure::Unresolved(error) if is_out_of_descriptors(error) => EndKind::Quota,
            Failure::Io(error) => match error.kind() {
                ErrorKind::TimedOut => EndKind::SetupTimeout,
                ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe => EndKind::Refused,
                _ => EndKind::Unreachable,
            },
            Failure::Closed => EndKind::Refused,
            Failure::Unresolved(_) => EndKind::Unreachable,
            Failure::Timeout | Failure::Dropped => EndKind::SetupTimeout,
            Failure::Version(..) | Failure::Rejected(Reject::Version { .. }) => EndKind::Version,
            Failure::OwnName | Failure::Rejected(Reject::SameName) => EndKind::DuplicateName,
            Failure::Refused(Refusal::DuplicateName) => EndKind::DuplicateName,
            Failure::Refused(_) => EndKind::SetupTimeout,
            #[cfg(feature = "tls")]
            Failure::Tls(_) => EndKind::AuthFailed,
            Failure::Wire(_)
            | Failure::Malformed(_)
            | Failure::SpeaksTls
            | Failure::Cluster
            | Failure::WrongName
            | Failure::Unproved
            | Failure::Unsecured
            | Failure::Rejected(_) => EndKind::AuthFailed,
        }
    }

    /// What it means for the peer that was dialed.
    pub(crate) fn of_dial(&self) -> DialFailure {
        match self {
            Failure::Dropped => DialFailure::Lost,
            Failure::Refused(refusal) => DialFailure::from(*refusal),
            failure => DialFailure::Failed(failure.end_kind()),
        }
    }

    /// Counts it for who has accepted.
    pub(crate) fn count(&self, counters: &Counters) {
        match self {
            Failure::Io(_) | Failure::Closed => counters.handshakes_cut.add(),
            Failure::Timeout => counters.refused_slow.add(),
            Failure::Version(..) => counters.refused_version.add(),
            Failure::Cluster => counters.refused_cluster.add(),
            Failure::WrongName | Failure::OwnName => counters.refused_name.add(),
            Failure::Unproved => counters.refused_proof.add(),
            #[cfg(feature = "tls")]
            Failure::Tls(_) => counters.refused_tls.add(),
            Failure::SpeaksTls => counters.refused_tls.add(),
            Failure::Refused(Refusal::Simultaneous) => counters.refused_simultaneous.add(),
            Failure::Refused(Refusal::DuplicateName) => counters.refused_duplicate.add(),
            Failure::Refused(Refusal::Superseded) => counters.refused_superseded.add(),
            Failure::Refused(Refusal::StandsAlready) => counters.refused_standing.add(),
            Failure::Wire(_) | Failure::Malformed(_) | Failure::Rejected(_) => {
                counters.refused_malformed.add()
            }
            Failure::Dropped => counters.refused_late.add(),
            Failure::Unresolved(_) | Failure::Unsecured => {}
        }
    }

    /// Whether somebody has to do something about it: it does not pass.
    pub(crate) fn needs_operator(&self) -> bool {
        matches!(
            self.end_kind(),
            EndKind::AuthFailed | EndKind::Version | EndKind::DuplicateName | EndKind::Quota
        )
    }

    /// Counts it for who has dialled.
    pub(crate) fn count_dial(&self, counters: &Counters) {
        counters.dials_failed.add();
        match self {
            Failure::Unproved => counters.dials_unproved.add(),
            #[cfg(feature = "tls")]
            Failure::Tls(_) => counters.dials_tls.add(),
            Failure::SpeaksTls => counters.dials_tls.add(),
            Failure::Timeout => counters.dials_slow.add(),
            Failure::Refused(_) | Failure::Rejected(_) => counters.dials_refused.add(),
            Failure::Unresolved(_) | Failure::Unsecured => counters.dials_nowhere.add(),
            _ => {}
        }
    }

    /// What the acceptor tells the initiator before it hangs up, if anything.
    pub(crate) fn reject(&self) -> Option<Reject> {
        match self {
            Failure::Version(..) => Some(Reject::version()),
            Failure::Cluster => Some(Reject::Cluster),
            Failure::WrongName => Some(Reject::WrongName),
            Failure::OwnName => Some(Reject::SameName),
            Failure::Unproved => Some(Reject::Unproved),
            #[cfg(feature = "tls")]
            Failure::Tls(Problem::WrongName { .. } | Problem::Name(_)) => Some(Reject::NameNotInCertificate),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::proof::Binding;
    use super::{
        acceptor::Acceptor,
        initiator::{Decision, Initiator},
        *,
    };
    use crate::{
        Secret,
        config::TcpConfig,
        proto::{channels, connection::fragment::FRAGMENTS, limits::Limits, wire::Kind},
    };

    fn identity(name: &str, incarnation: u64, set: impl FnOnce(TcpConfig) -> TcpConfig) -> Identity {
        static SECRET: LazyLock<Secret> = LazyLock::new(Secret::generate);
        let config = set(TcpConfig::new(name.parse().unwrap()).secret(SECRET.clone()));
        Identity::new(&config, Incarnation::new(incarnation).unwrap(), Keys::new(&config))
    }

    fn names(text: &str) -> Vec<ChannelName> {
        text.split(' ').map(|name| name.parse().unwrap()).collect()
    }

    fn a() -> Identity {
        identity("a@h", 1, |config| config.hidden(true).channels(names("bulk lonely control")))
    }

    fn b() -> Identity {
        identity("b@h", 2, |config| config.max_frame(2048).channels(names("control other bulk")))
    }

    /// A whole handshake in which everything said passes through `wire`. What a knows of b, and b of a.
    fn shake(
        a: &Identity,
        b: &Identity,
        mut wire: impl FnMut(Kind, &mut Vec<u8>),
    ) -> Result<(Negotiated, Negotiated), Failure> {
        let mut pass = |kind, mut body: Vec<u8>| {
            wire(kind, &mut body);
            body
        };
        let (mut initiator, hello) = Initiator::hello(a, &"b@h".parse().unwrap(), 7, [1; 32], Binding::NONE);
        let hello = pass(Kind::Hello, hello);
        let (mut acceptor, challenge) = Acceptor::hello(b, Kind::Hello, &hello, [2; 32], Binding::NONE)?;
        let challenge = pass(Kind::Challenge, challenge);
        let proof = pass(Kind::Proof, initiator.challenge(Kind::Challenge, &challenge)?);
        acceptor.proof(Kind::Proof, &proof)?;
        assert_eq!((acceptor.peer(), acceptor.dial()), (&a.node, 7));

        let asked = pass(Kind::Verdict, acceptor.ask());
        assert_eq!(initiator.verdict(Kind::Verdict, &asked)?, Decision::StillThere);
        let answer = pass(Kind::Answer, initiator.answer(false));
        assert!(!acceptor.answer(Kind::Answer, &answer)?);
        let verdict = pass(Kind::Verdict, acceptor.accept());
        match initiator.verdict(Kind::Verdict, &verdict)? {
            Decision::Accepted(negotiated) => Ok((negotiated, acceptor.negotiated())),
            Decision::StillThere => panic!("asked once is enough"),
        }
    }

    #[test]
    fn both_learn_who_the_other_is_and_what_it_is_like() {
        let (a, b) = (a(), b());
        let (b_as_met, a_as_met) = shake(&a, &b, |_, _| {}).unwrap();
        let most = (16 << 20) + (1 << 10);
        let channels = names("bulk control");
        let features = FRAGMENTS;
        assert_eq!(
            b_as_met,
            Negotiated { node: b.node, hidden: false, features, max_frame: 2048, channels: channels.clone() }
        );
        assert_eq!(a_as_met, Negotiated { node: a.node, hidden: true, features, max_frame: most, channels });
    }

    #[test]
    fn where_one_does_not_understand_fragments_both_send_what_fits_into_one_frame() {
        let before = |node| Identity { features: Features(0), max_frame: 1 << 20, ..node };
        for (a, b) in [(a(), before(b())), (before(a()), b())] {
            let (b_as_met, a_as_met) = shake(&a, &b, |_, _| {}).unwrap();
            for negotiated in [b_as_met, a_as_met] {
                assert_eq!(negotiated.features, Features(0));
                assert!(negotiated.max_frame <= 1 << 20);
                let limits = Limits::between(&TcpConfig::new("x@h".parse().unwrap()), &negotiated);
                assert_eq!((limits.cut_at, limits.max_frame_in), (None, (1 << 20) + channels::OVERHEAD));
                assert_eq!(limits.max_contents_out, negotiated.max_frame as usize);
            }
        }
    }

    #[test]
    fn whatever_is_changed_on_the_way_is_noticed() {
        let mut said = Vec::new();
        shake(&a(), &b(), |kind, body| said.push((kind, body.len()))).unwrap();
        for (which, &(kind, len)) in said.iter().enumerate() {
            // Every bit of every byte, and one byte more.
            for (at, bit) in (0..=len).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
                let mut frame = 0;
                let changed = shake(&a(), &b(), |_, body| {
                    if frame == which {
                        body.resize(body.len().max(at + 1), 0);
                        body[at] ^= 1 << bit;
                    }
                    frame += 1;
                });
                assert!(changed.is_err(), "bit {bit} of byte {at} of {kind:?}");
            }
        }
    }

    #[test]
    fn what_one_has_said_does_not_prove_anything_for_the_other() {
        let (a, b) = (a(), b());
        let (mut initiator, hello) = Initiator::hello(&a, &b.node.name, 7, [1; 32], Binding::NONE);
        let (_, challenge) = Acceptor::hello(&b, Kind::Hello, &hello, [2; 32], Binding::NONE).unwrap();
        let proof = initiator.challenge(Kind::Challenge, &challenge).unwrap();
        assert!(matches!(initiator.verdict(Kind::Verdict, &proof), Err(Failure::Unproved)));
    }

    #[test]
    fn a_refusal_is_proved_as_well() {
        let (a, b) = (a(), b());
        let (mut initiator, hello) = Initiator::hello(&a, &b.node.name, 7, [1; 32], Binding::NONE);
        let (mut acceptor, challenge) =
            Acceptor::hello(&b, Kind::Hello, &hello, [2; 32], Binding::NONE).unwrap();
        let proof = initiator.challenge(Kind::Challenge, &challenge).unwrap();
        acceptor.proof(Kind::Proof, &proof).unwrap();
        let refused = acceptor.refuse(Refusal::DuplicateName);
        let failure = initiator.verdict(Kind::Verdict, &refused).unwrap_err();
        assert!(matches!(failure, Failure::Refused(Refusal::DuplicateName)));
        assert_eq!(failure.end_kind(), EndKind::DuplicateName);
    }
}
