//! Looking into a node over HTTP: metrics for Prometheus, and what it knows as JSON.
//!
//! | path | is |
//! |---|---|
//! | `/` | a page for people, which shows what `/inspect` says and keeps itself up to date |
//! | `/metrics` | how much there is of everything, and every drop, in the text form of Prometheus |
//! | `/inspect` | the node and its peers, who watches whom, the last `Down`s and why, as JSON: at most 1,000 peers, 1,000 monitors of each kind and 1,000 `Down`s, or fewer, as in `/inspect?monitors=100&downs=20` |
//!
//! ```
//! use monitor_runtime::{Config, Node, http};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
//! let served = http::serve(&node, "127.0.0.1:0".parse()?)?; // until it is dropped
//! println!("curl http://{}/metrics", served.local_addr());
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Fixed limits: 128 clients are connected at once and 16 of them answered, others wait for their
//! turn; a client may take 2 s to ask and 10 s to read the answer; of the head of a request 16 KiB
//! are read, and an answer has at most 16 MiB.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Weak},
};

use futures::future::{AbortHandle, Abortable};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    server::conn::http1,
    service::service_fn,
};
use smol::net::TcpStream;
use smol_hyper::rt::FuturesIo;

use crate::{
    engine::state::Inner,
    node::Node,
    observe::{
        connection_limit::{self, Client},
        control::{Extent, Snapshot, bounded},
    },
    records::log,
    tasks::background,
};

mod host;
mod metrics;
mod page;
mod site;

use host::Host;

/// The open port of a node. Dropped, it is closed; the node goes on.
#[derive(Debug)]
#[must_use = "the port is closed when this is dropped"]
pub struct Served {
    listening: AbortHandle,
    local_addr: SocketAddr,
}

/// How much of the head of a request is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Maximum extent of an answer.
const MAX_SHOWN: Extent = Extent { monitors: 1000, downs: 1000, peers: 1000 };
/// The longest answer, in bytes.
const MAX_RESPONSE: usize = 16 << 20;

/// Answers `GET` at that address, on the node's own threads. Port 0 takes any that is free.
///
/// **There is neither encryption nor a password**: whoever reaches the address sees who watches
/// whom, and can make the node look it up as often as 16 answers at once allow. Loopback addresses
/// are reached from this machine only; to a request that comes to one under another host's name, as
/// pages of strangers can make browsers send, the answer is 421. To a request that by its
/// `Sec-Fetch-Site` a page of another site has made it is 403, unless a user has followed a link to
/// the page `/`. No answer may be embedded by another site (`Cross-Origin-Resource-Policy`), and a
/// window that another site has opened is cut off from it (`Cross-Origin-Opener-Policy`).
///
/// A connection is good for one request, with a head of at most 16 KiB that is there within 2 s,
/// and an answer of at most 16 MiB that is read within 10 s. While 128 clients are connected, a
/// newcomer gets the place of the one that has not asked for the longest, if that is 250 ms or
/// more; a client that has sent its request keeps its place.
///
/// # Errors
/// What the system says if it cannot listen there.
pub fn serve(node: &Node, address: SocketAddr) -> io::Result<Served> {
    let listener = smol::Async::<TcpListener>::bind(address)?;
    let local_addr = listener.get_ref().local_addr()?;
    let (listening, stopped) = AbortHandle::new_pair();
    let local_only = local_addr.ip().is_loopback();
    let weak = Arc::downgrade(&node.inner);
    let serving = async move {
        let listener = smol::net::TcpListener::from(listener);
        let serving = connection_limit::serve(weak, "http", listener.incoming(), move |client, node| {
            handle(client, node, local_only)
        });
        // Aborted or not, it is over.
        let _ = Abortable::new(serving, stopped).await;
    };
    node.inner.run_task(background::CLIENTS, serving, background::nothing);
    Ok(Served { listening, local_addr })
}

impl Served {
    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One request and its answer. Whoever breaks the rules of HTTP is hyper's to refuse.
async fn handle(client: Client<TcpStream>, node: Weak<Inner>, local_only: bool) {
    let progress = client.progress();
    let refused = |node: &Weak<Inner>| {
        node.upgrade().inspect(|node| node.counters.questions_refused.add_one());
    };
    let service = service_fn(async |request| {
        progress.asked().await;
        let answer = match node.upgrade().map(|inner| Node { inner }) {
            Some(node) => respond(&request, &node, local_only),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the node is gone\n"),
        };
        if answer.status().is_client_error() {
            refused(&node);
        }
        Ok::<_, Infallible>(answer)
    });
    let mut http = http1::Builder::new();
    let http = http.keep_alive(false).max_buf_size(MAX_HEAD);
    if let Err(error) = http.serve_connection(FuturesIo::new(client), service).await {
        if error.is_parse() {
            refused(&node);
        }
        log::http_client_failed(&error);
    }
}

fn respond(request: &Request<Incoming>, node: &Node, local_only: bool) -> Response<Full<Bytes>> {
    match Host::of(request) {
        Host::Unclear => return text(StatusCode::BAD_REQUEST, "one header Host, please\n"),
        Host::Other if local_only => {
            return text(StatusCode::MISDIRECTED_REQUEST, "ask by 127.0.0.1, [::1] or localhost\n");
        }
        Host::Local | Host::Other => {}
    }
    if site::is_another(request) && !site::is_link_to_page(request) {
        return text(StatusCode::FORBIDDEN, ANOTHER_SITE);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics::of(node)),
        "/inspect" => match extent(request.uri().query()) {
            Some(extent) => inspect(node, &extent),
            None => text(StatusCode::BAD_REQUEST, "monitors and downs are numbers\n"),
        },
        path => page::file(path)
            .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "there are /, /metrics and /inspect\n")),
    }
}

const ANOTHER_SITE: &str = "another site may not ask; open this address by itself\n";

fn inspect(node: &Node, extent: &Extent) -> Response<Full<Bytes>> {
    match bounded::json(&Snapshot::take(node, extent), MAX_RESPONSE) {
        Some(json) => answer(StatusCode::OK, "application/json", json),
        None => text(
            StatusCode::INSUFFICIENT_STORAGE,
            "more than 16 MiB; ask for less, as in /inspect?monitors=100&downs=20\n",
        ),
    }
}

/// The extent that the query requests, limited to the maximum. `None` if a value is no number.
fn extent(query: Option<&str>) -> Option<Extent> {
    let mut extent = MAX_SHOWN;
    for pair in query.unwrap_or_default().split('&') {
        let (field, number) = match pair.split_once('=') {
            Some(("monitors", number)) => (&mut extent.monitors, number),
            Some(("downs", number)) => (&mut extent.downs, number),
            _ => continue,
        };
        *field = number.parse::<usize>().ok()?.min(*field);
    }
    Some(extent)
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_less_and_never_for_more() {
        let asked = |query| extent(query).map(|extent| (extent.monitors, extent.downs, extent.peers));
        assert_eq!(asked(None), Some((1000, 1000, 1000)));
        assert_eq!(asked(Some("downs=0&x=y&monitors=7&&z")), Some((7, 0, 1000)));
        assert_eq!(asked(Some("monitors=1000000")), Some((1000, 1000, 1000)));
        assert_eq!([asked(Some("downs=-1")), asked(Some("monitors="))], [None, None]);
    }
}
