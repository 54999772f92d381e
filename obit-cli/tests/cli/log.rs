//! The log while no program reads it.

use std::{
    fs::File,
    io::{PipeReader, Read, Write},
    os::fd::AsFd,
    path::Path,
};

use monitor_runtime::control::{Request, Response, ask};
use rustix::{io::ioctl_fionbio, process::Signal};
use smol::process::{Child, Stdio};

use crate::support::{Directory, monitor_job, node, obit, test};

/// The readers that do not read.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// It keeps the pipe open and does not read; the pipe is full.
    Blocked,
    /// It has exited.
    Gone,
}

/// A pipe as the standard error of a program.
fn log_pipe(reader: Reader) -> (Option<PipeReader>, Stdio) {
    let (read, mut write) = std::io::pipe().unwrap();
    match reader {
        Reader::Blocked => {
            ioctl_fionbio(write.as_fd(), true).unwrap();
            while write.write(&[b'x'; 4096]).is_ok() {}
            ioctl_fionbio(write.as_fd(), false).unwrap();
            (Some(read), Stdio::from(write))
        }
        Reader::Gone => (None, Stdio::from(write)),
    }
}

/// Starts an `obit run` of `cat`, and returns its address.
async fn job(level: &str, log: Stdio, directory: &Directory) -> (Child, String) {
    let socket = directory.path("job.sock");
    let options =
        ["run", "--node", "job@127.0.0.1", "--listen", "127.0.0.1:0", "--preset", "fast", "--log", level];
    let mut command = obit(options);
    command.arg("--socket").arg(&socket).args(["--name", "job1", "--", "cat"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let address = address(&socket).await;
    (child, address)
}

/// Waits until the node answers at that socket, and returns its address.
async fn address(socket: &Path) -> String {
    loop {
        if let Ok(Response::Nodes(nodes)) = ask(socket, &Request::Nodes).await {
            return nodes.address.unwrap();
        }
        smol::Timer::after(std::time::Duration::from_millis(5)).await;
    }
}

/// Sends a line of HTTP to the port of a node, which logs it, and waits until the node closes the
/// connection.
fn provoke(address: &str) {
    let mut stranger = std::net::TcpStream::connect(address).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // The connection may end in any way.
    let _ = stranger.read_to_end(&mut Vec::new());
}

#[test]
fn a_log_that_is_not_read_holds_up_neither_the_node_nor_the_end_of_the_command() {
    test(async {
        for (reader, level) in
            [(Reader::Blocked, "warn"), (Reader::Blocked, "trace"), (Reader::Gone, "trace")]
        {
            let (directory, watcher) = (Directory::new(), node("watcher").await);
            let (_read, log) = log_pipe(reader);
            let (mut child, address) = job(level, log, &directory).await;
            provoke(&address);
            let mut set = monitor_job(&watcher, &address).await;
            provoke(&address);
            drop(child.stdin.take());
            let reason = set.next().await.unwrap().reason.to_string();
            assert_eq!(reason, "exit: normal", "{reader:?} {level}");
            assert_eq!(child.status().await.unwrap().code(), Some(0), "{reader:?} {level}");
        }
    });
}

#[test]
fn a_log_that_is_not_read_does_not_keep_a_command_from_a_signal() {
    test(async {
        for reader in [Reader::Blocked, Reader::Gone] {
            let directory = Directory::new();
            let (_read, log) = log_pipe(reader);
            let (mut child, address) = job("trace", log, &directory).await;
            provoke(&address);
            // Awaiting the status of the child would close its standard input and so end the
            // command.
            let _stdin = child.stdin.take();
            let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
            // The child is not reaped before its status is awaited, so the pid is still its own.
            rustix::process::kill_process(pid, Signal::TERM).unwrap();
            assert_eq!(child.status().await.unwrap().code(), Some(143), "{reader:?}");
        }
    });
}

#[test]
fn a_log_that_is_read_again_says_how_many_lines_are_missing() {
    test(async {
        let directory = Directory::new();
        let fifo = directory.path("log");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // Opened for reading and writing, so that neither open waits for the other end.
        let open = || File::options().read(true).write(true).open(&fifo).unwrap();
        let mut reader = open();
        let log = File::options().write(true).open(&fifo).unwrap();
        let (child, address) = job("debug", log.into(), &directory).await;
        let mut text = String::new();
        while !text.contains(" dropped: standard error is not being read\n") {
            drop(reader);
            // This is logged while there is no reader, unless the writer is slow.
            provoke(&address);
            reader = open();
            provoke(&address);
            let mut buffer = [0; 4096];
            let len = reader.read(&mut buffer).unwrap();
            text += std::str::from_utf8(&buffer[..len]).unwrap();
        }
        drop(child);
    });
}
