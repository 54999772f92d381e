//! The control socket of a node.
#![cfg(all(feature = "control", unix))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use common::{Cluster, name, run};
use monitor_runtime::{
    Node,
    control::{AskError, Request, Response, ask, serve},
};

/// A directory of its own for the socket of one test.
struct SocketDir(PathBuf);

impl SocketDir {
    fn new(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("obit-control-{test}-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        SocketDir(directory)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("a.sock")
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        // A directory that remains does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn make_directory(path: &Path, mode: u32) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn nodes(socket: &Path) -> String {
    match ask(socket, &Request::Nodes).await.unwrap() {
        Response::Nodes(nodes) => nodes.name,
        other => panic!("{other:?}"),
    }
}

async fn node() -> Node {
    Cluster::new().node_with("a", |config| config.max_history(4096)).await
}

#[test]
fn the_socket_is_its_owner_s_alone_and_goes_when_it_is_closed() {
    run(async {
        let (dir, node) = (SocketDir::new("mode"), node().await);
        let served = serve(&node, dir.socket()).unwrap();
        assert_eq!(fs::metadata(dir.socket()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(dir.files(), 1);
        assert_eq!(nodes(&dir.socket()).await, node.name().as_str());
        drop(served);
        assert_eq!(dir.files(), 0);
        assert!(matches!(ask(dir.socket(), &Request::Nodes).await, Err(AskError::NoNode { .. })));
    });
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_or_a_file_is_not() {
    run(async {
        let (dir, node) = (SocketDir::new("stale"), node().await);
        drop(UnixListener::bind(dir.socket()).unwrap());
        let _served = serve(&node, dir.socket()).unwrap();
        let second = serve(&node, dir.socket()).unwrap_err();
        assert_eq!((second.kind(), dir.files()), (ErrorKind::AddrInUse, 1));
        assert_eq!(nodes(&dir.socket()).await, node.name().as_str());

        let file = dir.0.join("precious");
        fs::write(&file, "content").unwrap();
        assert_eq!(serve(&node, &file).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&file).unwrap(), "content");
        assert!(serve(&node, dir.0.join("x".repeat(200))).is_err(), "no socket has a name that long");
    });
}

#[test]
fn whoever_asks_nonsense_is_told_so_and_others_are_answered() {
    run(async {
        let (dir, node) = (SocketDir::new("nonsense"), node().await);
        let _served = serve(&node, dir.socket()).unwrap();
        let answer = |question: &[u8]| {
            let mut stream = UnixStream::connect(dir.socket()).unwrap();
            // The node answers a request that is too long before it has read it to its end.
            let _ = stream.write_all(question);
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        assert!(answer(b"\"everything\"\n").starts_with("{\"refused\":\"not a question: "));
        assert!(answer(b"\n").starts_with("{\"refused\":"));
        for no_text in [&b"\xff\xff\n"[..], b"\"\xff\"\n", b"{\"downs\":\"\xc3\x28\"}\n"] {
            let answer = answer(no_text);
            assert!(
                answer.starts_with("{\"refused\":\"not a question: ") && answer.ends_with("}\n"),
                "{answer}"
            );
        }
        let refused = node.stats().count("questions_refused").unwrap();
        answer(&[b'['; 100_000]);
        let silent: Vec<_> = (0..15).map(|_| UnixStream::connect(dir.socket()).unwrap()).collect();
        assert_eq!(nodes(&dir.socket()).await, node.name().as_str());
        drop(silent);
        // A client that sends nothing has sent no request.
        let look = UnixStream::connect(dir.socket()).unwrap();
        look.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = (&look).read(&mut [0]);
        assert_eq!(node.stats().count("questions_refused"), Some(refused + 1), "the long one alone is new");
    });
}

#[test]
fn hundreds_that_ask_at_once_are_all_answered() {
    run(async {
        let (dir, node) = (SocketDir::new("many"), node().await);
        let _served = serve(&node, dir.socket()).unwrap();
        let ask = |_| {
            let mut stream = UnixStream::connect(dir.socket()).unwrap();
            stream.write_all(b"\"nodes\"\n").unwrap();
            stream
        };
        for _ in 0..5 {
            let asking: Vec<_> = (0..400).map(ask).collect();
            for mut stream in asking {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("{\"nodes\":"), "{answer}");
            }
        }
        assert_eq!(node.stats().count("questions_slow"), Some(0));
    });
}

#[test]
fn what_a_killed_program_has_left_behind_is_in_nobodys_way() {
    run(async {
        let (dir, node) = (SocketDir::new("staging"), node().await);
        for staging in [".obit-0001", ".obit-4711"] {
            make_directory(&dir.0.join(staging), 0o700);
        }
        drop(UnixListener::bind(dir.0.join(".obit-0001/s")).unwrap());
        let _served = serve(&node, dir.socket()).unwrap();
        assert_eq!(nodes(&dir.socket()).await, node.name().as_str());
        assert_eq!(dir.files(), 1, "nothing but the socket is left");
    });
}

#[test]
fn what_only_looks_like_a_staging_directory_is_neither_followed_nor_removed() {
    run(async {
        let (dir, elsewhere, node) = (SocketDir::new("planted"), SocketDir::new("elsewhere"), node().await);
        // The target of a link has what a node would remove in a staging directory of its own.
        let behind = [elsewhere.0.join("dead"), elsewhere.0.join("file")];
        behind.iter().for_each(|directory| make_directory(directory, 0o700));
        drop(UnixListener::bind(behind[0].join("s")).unwrap());
        fs::write(behind[1].join("s"), "content").unwrap();
        let planted = |name: &str| dir.0.join(name);
        symlink(&behind[0], planted(".obit-x")).unwrap();
        symlink(&behind[0], planted(".obit-0001")).unwrap();
        symlink(&behind[1], planted(".obit-0002")).unwrap();
        fs::write(planted(".obit-0003"), "content").unwrap();
        // A directory that others can enter, one with a file, one with a link, and one of another
        // name.
        make_directory(&planted(".obit-0004"), 0o755);
        drop(UnixListener::bind(planted(".obit-0004/s")).unwrap());
        make_directory(&planted(".obit-0005"), 0o700);
        fs::write(planted(".obit-0005/s"), "content").unwrap();
        make_directory(&planted(".obit-0006"), 0o700);
        symlink(behind[0].join("s"), planted(".obit-0006/s")).unwrap();
        make_directory(&planted(".obit-x0001"), 0o700);
        let there = |dir: &SocketDir| {
            let mut paths = vec![dir.0.clone()];
            let mut found = BTreeSet::new();
            while let Some(path) = paths.pop() {
                if fs::symlink_metadata(&path).unwrap().is_dir() {
                    paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
                }
                found.insert(path);
            }
            found
        };
        let before = [there(&dir), there(&elsewhere)];
        let served = serve(&node, dir.socket()).unwrap();
        assert_eq!(nodes(&dir.socket()).await, node.name().as_str());
        drop(served);
        assert_eq!([there(&dir), there(&elsewhere)], before);
    });
}

#[test]
fn only_a_socket_is_ever_replaced_or_removed() {
    run(async {
        let (dir, node) = (SocketDir::new("replace"), node().await);
        let dead = dir.0.join("dead.sock");
        drop(UnixListener::bind(&dead).unwrap());
        symlink(&dead, dir.socket()).unwrap();
        assert_eq!(serve(&node, dir.socket()).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(dead.exists() && dir.socket().is_symlink());
        fs::remove_file(dir.socket()).unwrap();

        let served = serve(&node, dir.socket()).unwrap();
        let moved = dir.0.join("moved.sock");
        fs::rename(dir.socket(), &moved).unwrap();
        symlink(&moved, dir.socket()).unwrap();
        drop(served);
        assert!(dir.socket().is_symlink() && moved.exists(), "the link belongs to another program");
        fs::remove_file(dir.socket()).unwrap();

        let served = serve(&node, dir.socket()).unwrap();
        fs::remove_file(dir.socket()).unwrap();
        fs::write(dir.socket(), "content").unwrap();
        drop(served);
        assert_eq!(fs::read_to_string(dir.socket()).unwrap(), "content");
    });
}

#[test]
fn a_directory_may_be_a_link_and_open_to_others() {
    run(async {
        let (dir, node) = (SocketDir::new("parents"), node().await);
        make_directory(&dir.0.join("open"), 0o777);
        symlink(dir.0.join("open"), dir.0.join("link")).unwrap();
        let served = serve(&node, dir.0.join("link/a.sock")).unwrap();
        let socket = dir.0.join("open/a.sock");
        assert_eq!(fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(nodes(&socket).await, node.name().as_str());
        // The socket is removed where it was made, even though the link is gone by now.
        fs::remove_file(dir.0.join("link")).unwrap();
        drop(served);
        assert!(!socket.exists());
        assert!(
            serve(&node, dir.0.join("none/a.sock")).is_err_and(|error| error.kind() == ErrorKind::NotFound)
        );
        assert!(serve(&node, dir.0.join("..")).is_err());
    });
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_told_with_its_limit() {
    run(async {
        let (dir, node) = (SocketDir::new("long"), node().await);
        let directory = dir.0.join("d".repeat(100 - dir.0.as_os_str().len()));
        fs::create_dir(&directory).unwrap();
        for name in ["a-rather-long-name.sock", "s"] {
            let error = serve(&node, directory.join(name)).unwrap_err().to_string();
            assert!(error.contains("at most 10"), "{error}");
        }
    });
}

#[test]
fn a_question_names_what_was_told() {
    run(async {
        let (dir, node) = (SocketDir::new("downs"), node().await);
        let _served = serve(&node, dir.socket()).unwrap();
        let down = node.monitor(name("nobody").at(node.name().clone())).unwrap().await;
        node.monitor(name("other").at(node.name().clone())).unwrap().await;
        let downs = async |of: Option<String>| match ask(dir.socket(), &Request::Downs(of)).await.unwrap() {
            Response::Downs(downs) => downs,
            other => panic!("{other:?}"),
        };
        assert_eq!(downs(None).await.len(), 2);
        let [one] = &downs(Some(down.monitor.to_string())).await[..] else { panic!("one") };
        let [by_target] = &downs(Some(down.target.to_string())).await[..] else { panic!("one") };
        assert_eq!(one.monitor, by_target.monitor);
        assert_eq!(
            (one.reason.as_str(), one.source.as_str(), one.cause.as_ref()),
            ("noproc", "target-node", None)
        );
        assert_eq!(one.incarnation, Some(node.id().incarnation.to_string()));
        assert_eq!(downs(Some("x".to_owned())).await, []);
    });
}
