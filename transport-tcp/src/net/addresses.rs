//! The addresses of one dial, in the order in which they are tried.

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use peer_service::NodeName;
use refs::Address;

use crate::{net::error::ConnectError, net::lookup::Lookups};

/// Maximum number of addresses that one dial tries.
const MAX_ADDRESSES: usize = 16;

/// Literal addresses come first. Those of host names are added when their lookups complete. All
/// lookups run from the start, and a lookup without an answer delays no other address.
pub(crate) struct Addresses {
    /// Looks host names up.
    resolver: Arc<Lookups>,
    /// Hosts and ports that were added.
    places: Vec<(String, u16)>,
    untried: VecDeque<SocketAddr>,
    /// All addresses found so far.
    found: Vec<SocketAddr>,
    lookups: FuturesUnordered<BoxFuture<'static, io::Result<Vec<SocketAddr>>>>,
    /// The error of the last failed lookup.
    unresolved: Option<io::Error>,
}

impl Addresses {
    /// The known addresses, or the host and port of the name if there are none.
    pub(crate) fn of(resolver: Arc<Lookups>, name: &NodeName, known: &[Address]) -> Self {
        let mut addresses = Addresses {
            resolver,
            places: Vec::new(),
            untried: VecDeque::new(),
            found: Vec::new(),
            lookups: FuturesUnordered::new(),
            unresolved: None,
        };
        addresses.add(known);
        if known.is_empty()
            && let Some(port) = name.port()
        {
            addresses.add_place(name.host(), port);
        }
        addresses
    }

    /// Adds the addresses that are not among them yet.
    pub(crate) fn add(&mut self, known: &[Address]) {
        known.iter().for_each(|address| self.add_place(address.host(), address.port()));
    }

    /// The next address to try; waits for lookups if there is none yet. `None` if all were tried
    /// and all lookups have ended. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<SocketAddr> {
        loop {
            if let Some(address) = self.untried.pop_front() {
                return Some(address);
            }
            match self.lookups.next().await? {
                Ok(found) => self.add_found(alternate_families(found)),
                Err(error) => self.unresolved = Some(error),
            }
        }
    }

    /// Puts addresses back that were not tried: they come next.
    pub(crate) fn put_back(&mut self, addresses: impl DoubleEndedIterator<Item = SocketAddr>) {
        addresses.rev().for_each(|address| self.untried.push_front(address));
    }

    /// Number of addresses left to try. A lookup counts as one address.
    pub(crate) fn left(&self) -> usize {
        self.untried.len() + self.lookups.len()
    }

    /// The reason why no address was found; `None` if one was found.
    pub(crate) fn unreachable_reason(&mut self) -> Option<ConnectError> {
        if !self.found.is_empty() {
            return None;
        }
        Some(match self.unresolved.take() {
            _ if !self.lookups.is_empty() => ConnectError::Timeout,
            Some(error) => ConnectError::Unresolved(error),
            None => ConnectError::Io(io::ErrorKind::AddrNotAvailable.into()),
        })
    }

    fn add_place(&mut self, host: &str, port: u16) {
        let place = (host.to_owned(), port);
        if self.places.contains(&place) {
            return;
        }
        match host.parse() {
            Ok(ip) => self.add_found([SocketAddr::new(ip, port)]),
            Err(_) => self.lookups.push(self.resolver.clone().resolve(host.to_owned(), port).boxed()),
        }
        self.places.push(place);
    }

    fn add_found(&mut self, found: impl IntoIterator<Item = SocketAddr>) {
        for address in found {
            let is_new = address.port() != 0 && !self.found.contains(&address);
            if is_new && self.found.len() < MAX_ADDRESSES {
                self.found.push(address);
                self.untried.push_back(address);
            }
        }
    }
}

/// Alternates between both address families, so that a host is reached soon even if one of them
/// does not work.
fn alternate_families(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_family = found.first().map(SocketAddr::is_ipv6);
    let (first, second): (VecDeque<_>, VecDeque<_>) =
        found.into_iter().partition(|address| Some(address.is_ipv6()) == first_family);
    let mut families = [first, second];
    let mut sorted = Vec::new();
    while families.iter().any(|family| !family.is_empty()) {
        sorted.extend(families.iter_mut().filter_map(VecDeque::pop_front));
    }
    sorted
}

#[cfg(test)]
mod tests {
    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::net::lookup::tests::Silent;

    fn addresses(resolver: &Silent, known: &[&str]) -> Addresses {
        let known: Vec<_> = known.iter().map(|address| address.parse().unwrap()).collect();
        Addresses::of(resolver.lookups.clone(), &"b@host:7".parse().unwrap(), &known)
    }

    /// The addresses that are available at once.
    fn ready(addresses: &mut Addresses) -> Vec<String> {
        let next = || block_on(poll_once(addresses.next())).flatten().map(|address| address.to_string());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn literal_addresses_come_first_wherever_they_stand() {
        let silent = Silent::new(8);
        let mut first =
            addresses(&silent, &["old:1", "10.0.0.1:1", "older:1", "[2001:db8::1]:1", "10.0.0.1:1"]);
        assert_eq!(first.left(), 4);
        assert_eq!(ready(&mut first), ["10.0.0.1:1", "[2001:db8::1]:1"]);
        assert_eq!(first.left(), 2, "the lookups");
        assert!(first.unreachable_reason().is_none());
    }

    #[test]
    fn addresses_of_a_host_come_when_it_was_looked_up_by_turns_of_their_families_and_once() {
        let silent = Silent::new(8);
        let mut all = addresses(&silent, &[]);
        silent.answer(&["[2001:db8::1]:0", "[2001:db8::2]:0", "10.0.0.1:0", "10.0.0.2:0"]);
        let found: Vec<_> = (0..4).map(|_| block_on(all.next()).unwrap().to_string()).collect();
        assert_eq!(found, ["[2001:db8::1]:7", "10.0.0.1:7", "[2001:db8::2]:7", "10.0.0.2:7"]);
        all.add(&["10.0.0.2:7".parse().unwrap(), "10.0.0.3:7".parse().unwrap()]);
        assert_eq!(ready(&mut all), ["10.0.0.3:7"]);
        assert_eq!(block_on(all.next()), None);
    }

    #[test]
    fn a_dial_tries_so_many_addresses_and_no_more() {
        let silent = Silent::new(8);
        let many: Vec<_> = (0..200).map(|host| format!("10.0.0.{host}:1")).collect();
        let mut all = addresses(&silent, &many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(ready(&mut all), many[..MAX_ADDRESSES]);
    }

    #[test]
    fn the_reason_for_no_address_is_reported() {
        let silent = Silent::new(8);
        let mut none = addresses(&silent, &["host:1"]);
        assert!(ready(&mut none).is_empty());
        assert!(
            matches!(none.unreachable_reason(), Some(ConnectError::Timeout)),
            "the lookup is in progress"
        );
        silent.answer(&[]);
        assert_eq!(block_on(none.next()), None);
        assert!(
            matches!(none.unreachable_reason(), Some(ConnectError::Io(_))),
            "there was an answer without addresses"
        );
        let mut none = addresses(&silent, &["host:2"]);
        drop(silent);
        assert_eq!(block_on(none.next()), None);
        assert!(matches!(none.unreachable_reason(), Some(ConnectError::Unresolved(_))));
    }
}
