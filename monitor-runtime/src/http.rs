//! Looking into a node over HTTP: metrics for Prometheus, and what it knows as JSON.
//!
//! | path | is |
//! |---|---|
//! | `/` | a page for people, which shows what `/inspect` says and keeps itself up to date |
//! | `/metrics` | how much there is of everything, and every drop, in the text form of Prometheus |
//! | `/inspect` | the node and its peers, who watches whom, the last `Down`s and why, as JSON: at most 1,000 monitors of each kind and 1,000 `Down`s, or fewer, as in `/inspect?monitors=100&downs=20` |
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
//! Fixed limits: 16 clients are served at once, others wait for their turn, and each may take 10 s; of the head of a request 16
//! KiB are read.

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
    background,
    clients::{self, Asked},
    control::Look,
    log,
    node::Node,
    state::Inner,
};

mod host;
mod metrics;
mod page;

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
/// How many monitors of each kind are shown at most.
const MAX_MONITORS: usize = 1000;
/// How many `Down`s are shown at most.
const MAX_DOWNS: usize = 1000;

/// Answers `GET` at that address, on the node's executor. Port 0 takes any that is free.
///
/// **There is neither encryption nor a password**: whoever reaches the address sees who watches whom, and can make the
/// node look it up as often as 16 connections at once allow. Loopback addresses are reached from this machine only; to a
/// request that comes to one under another host's name, as pages of strangers can make browsers send, the answer is 421.
///
/// A connection is good for one request, with a head of at most 16 KiB that is there within 2 s, and an answer that is taken
/// within 10 s. While all 16 places are taken, a newcomer gets that of who has said nothing for the longest.
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
        let serving = clients::serve(weak, listener.incoming(), move |stream, node, asked| {
            converse(stream, node, asked, local_only)
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
async fn converse(stream: TcpStream, node: Weak<Inner>, asked: Asked, local_only: bool) {
    let refused = |node: &Weak<Inner>| {
        node.upgrade().inspect(|node| node.counters.questions_refused.add_one());
    };
    let service = service_fn(|request| {
        asked.set();
        let answer = match node.upgrade().map(|inner| Node { inner }) {
            Some(node) => respond(&request, &node, local_only),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the node is gone\n"),
        };
        if answer.status().is_client_error() {
            refused(&node);
        }
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    let http = http.keep_alive(false).max_buf_size(MAX_HEAD);
    if let Err(error) = http.serve_connection(FuturesIo::new(stream), service).await {
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
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics::of(node)),
        "/inspect" => match Limits::of(request.uri().query()) {
            Some(limits) => answer(StatusCode::OK, "application/json", inspect(node, &limits)),
            None => text(StatusCode::BAD_REQUEST, "monitors and downs are numbers\n"),
        },
        path => page::file(path)
            .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "there are /, /metrics and /inspect\n")),
    }
}

fn inspect(node: &Node, limits: &Limits) -> String {
    let look = Look::at(node, limits.monitors, limits.downs);
    serde_json::to_string(&look).expect("it is made of texts and numbers")
}

/// How much of a node is shown.
#[derive(Debug, PartialEq, Eq)]
struct Limits {
    monitors: usize,
    downs: usize,
}

impl Limits {
    /// What the query asks for, as far as it is given. None if it is no number.
    fn of(query: Option<&str>) -> Option<Self> {
        let mut limits = Limits { monitors: MAX_MONITORS, downs: MAX_DOWNS };
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=') {
                Some(("monitors", number)) => {
                    limits.monitors = number.parse::<usize>().ok()?.min(MAX_MONITORS)
                }
                Some(("downs", number)) => limits.downs = number.parse::<usize>().ok()?.min(MAX_DOWNS),
                _ => {}
            }
        }
        Some(limits)
    }
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
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_less_and_never_for_more() {
        let limits = |query| Limits::of(query).map(|limits| (limits.monitors, limits.downs));
        assert_eq!(limits(None), Some((MAX_MONITORS, MAX_DOWNS)));
        assert_eq!(limits(Some("downs=0&x=y&monitors=7&&z")), Some((7, 0)));
        assert_eq!(limits(Some("monitors=1000000")), Some((MAX_MONITORS, MAX_DOWNS)));
        assert_eq!([limits(Some("downs=-1")), limits(Some("monitors="))], [None, None]);
    }
}
