//! Where a node can be reached.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs},
};

use peer_service::NodeName;
use refs::Address;

use crate::handshake::Failure;

/// The most addresses that one dial tries.
const MOST: usize = 16;

/// The addresses to try, in order: those that are known, else what the name itself says.
pub(crate) async fn of(name: &NodeName, known: &[Address]) -> Result<Vec<SocketAddr>, Failure> {
    let mut places: Vec<(String, u16)> =
        known.iter().map(|address| (address.host().to_owned(), address.port())).collect();
    if places.is_empty()
        && let Some(port) = name.port()
    {
        places.push((name.host().to_owned(), port));
    }
    let mut found = Vec::new();
    let mut failure = Failure::Io(io::ErrorKind::AddrNotAvailable.into());
    for (host, port) in places {
        match resolve(host, port).await {
            Ok(addresses) => found.extend(addresses.into_iter().filter(|address| address.port() != 0)),
            Err(error) => failure = Failure::Unresolved(error),
        }
    }
    found.truncate(MOST);
    if found.is_empty() { Err(failure) } else { Ok(found) }
}

/// Asks the resolver, off the executor's threads; an IP address needs no asking.
pub(crate) async fn resolve(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    smol::unblock(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).await
}
