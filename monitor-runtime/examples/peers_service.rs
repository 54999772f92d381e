//! A service over HTTP that reports which nodes are up, for a load balancer or an operator.
//!
//! It keeps no list of its own: it uses [`Node::nodes`], which always agrees with the events. A
//! request can also wait for a node: `/wait` answers once the session with the node in its query
//! has ended.
//!
//! It uses hyper, which the feature `http` brings anyway. In axum a handler has `State(node):
//! State<Node>` and the same body: a `Node` is a handle that is cheap to clone, and its futures run
//! in any runtime.
//!
//! ```text
//! cargo run -p monitor-runtime --features http --example peers_service
//! ```
//!
//! It sends requests to itself, checks the answers, and ends. To keep it running: `... --example
//! peers_service -- 127.0.0.1:8080`.
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{convert::Infallible, error::Error, net::SocketAddr};

use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use monitor_runtime::{NodeSpec, NodeType, prelude::*};
use smol::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use smol_hyper::rt::FuturesIo;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let node = start("service").await?;
        let forever = std::env::args().nth(1);
        let listener = TcpListener::bind(forever.as_deref().unwrap_or("127.0.0.1:0")).await?;
        let address = listener.local_addr()?;
        println!("http://{address}/peers");
        let serving = smol::spawn(serve(listener, node.clone()));
        match forever {
            Some(_) => Ok(serving.await?),
            None => check(&node, address).await,
        }
    })
}

async fn start(label: &str) -> Result<Node, Box<dyn Error>> {
    let config = Config::new(format!("{label}@127.0.0.1")).listen("127.0.0.1:0".parse()?);
    Ok(Node::start(config).await?)
}

/// Answers until the listener fails. A public server would limit the number of its connections.
async fn serve(listener: TcpListener, node: Node) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let node = node.clone();
        let service = service_fn(move |request| answer(node.clone(), request));
        // An error on one connection does not affect the others.
        smol::spawn(http1::Builder::new().serve_connection(FuturesIo::new(stream), service)).detach();
    }
}

async fn answer<B>(node: Node, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.uri().path(), request.uri().query()) {
        ("/peers", _) => (StatusCode::OK, peers(&node)),
        ("/wait", Some(name)) => match until_gone(&node, name).await {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        },
        _ => (StatusCode::NOT_FOUND, "there are /peers and /wait?NODE".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
    *response.status_mut() = status;
    Ok(response)
}

/// A line for each peer: its name and its incarnation.
fn peers(node: &Node) -> String {
    let up = node.nodes(NodeType::All);
    let lines: Vec<_> =
        up.iter().map(|peer| format!("{} {}", peer.node.name, peer.node.incarnation)).collect();
    lines.join("\n")
}

/// Waits for the end of the session with a node. If the client closes the connection, this future
/// and its process are dropped.
async fn until_gone(node: &Node, name: &str) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut me = node.process()?;
    me.monitor_node(name)?;
    match me.recv().await {
        Some(Event::NodeDown(down)) => Ok(down.to_string()),
        _ => Err("this node was stopped".into()),
    }
}

/// Starts a peer, requests its state from the service, and stops it.
async fn check(node: &Node, service: SocketAddr) -> Result<(), Box<dyn Error>> {
    assert_eq!(get(service, "/peers").await?, (200, String::new()), "no node is up yet");

    let peer = start("peer").await?;
    let at = peer.local_addr().ok_or("a node over TCP listens")?;
    let mut me = node.process()?;
    me.monitor_nodes(monitor_runtime::NodesOptions::new())?;
    node.connect(format!("peer@127.0.0.1={at}").parse::<NodeSpec>()?)?;
    let Some(Event::NodeUp(_)) = me.recv().await else { return Err("the peer does not come up".into()) };
    let line = format!("peer@127.0.0.1 {}", peer.id().incarnation);
    assert_eq!(get(service, "/peers").await?, (200, line));

    let waiting =
        smol::spawn(async move { get(service, "/wait?peer@127.0.0.1").await.map_err(|e| e.to_string()) });
    while node.stats().node_monitors == 0 {
        smol::future::yield_now().await;
    }
    peer.stop().await;
    let (status, text) = waiting.await?;
    println!("{text}");
    assert_eq!((status, text.starts_with("peer@127.0.0.1 is down: ")), (200, true));
    assert_eq!(get(service, "/wait?no-node").await?.0, 400);
    Ok(())
}

/// Status and text of an answer.
async fn get(at: SocketAddr, path: &str) -> Result<(u16, String), Box<dyn Error>> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, body.trim_end().to_owned()))
}
