//! `obit top`, on a terminal that the test opens.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use futures::{AsyncReadExt, AsyncWriteExt};
use rustix::process::Signal;
use smol::{Unblock, process::Child};

use crate::{
    pty::terminal,
    support::{Directory, Running, end, obit, test},
};

/// Reads until all these words were drawn. Only words, since the program draws spaces by moving the
/// cursor.
async fn shows(screen: &mut Unblock<File>, words: &[&str]) {
    let mut seen = String::new();
    while !words.iter().all(|word| seen.contains(word)) {
        let mut some = [0; 4096];
        let len = screen.read(&mut some).await.unwrap();
        seen.push_str(&String::from_utf8_lossy(&some[..len]));
    }
}

/// Starts an agent, and returns its socket in that directory.
async fn agent(directory: &Directory) -> (Running, PathBuf) {
    let socket = directory.path("a.sock");
    let agent = ["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0", "--socket"];
    let mut agent = Running::start(obit(agent.iter().map(AsRef::as_ref).chain([socket.as_os_str()])));
    agent.line().await;
    (agent, socket)
}

/// Starts `obit top` for the node at that socket, and returns the user's end of its terminal.
fn top(socket: &Path) -> (Child, File) {
    let (user, program) = terminal();
    let mut top = obit(["top", "--socket", socket.to_str().unwrap()]);
    top.env("TERM", "xterm").stdin(program.try_clone().unwrap()).stdout(program);
    // The parent's copies of the terminal are closed with the `Command`.
    (top.spawn().unwrap(), user)
}

#[test]
fn a_node_is_drawn_until_the_user_leaves() {
    test(async {
        let directory = Directory::new();
        let (mut agent, socket) = agent(&directory).await;
        let (mut child, user) = top(&socket);
        let (mut keyboard, mut screen) = (Unblock::new(user.try_clone().unwrap()), Unblock::new(user));
        shows(&mut screen, &["a@127.0.0.1", "Monitors:", "live", "quit"]).await;
        // When the node has gone, the screen still shows its last state.
        agent.kill().await;
        shows(&mut screen, &["lost", "trying"]).await;
        keyboard.write_all(b"q").await.unwrap();
        keyboard.flush().await.unwrap();
        assert_eq!(child.status().await.unwrap().code(), Some(0));

        let blind = end(obit(["top", "--socket", socket.to_str().unwrap()])).await;
        assert!(blind.code == Some(1) && blind.stderr.contains("terminal"), "{}", blind.stderr);
    });
}

#[test]
fn it_ends_with_its_terminal() {
    test(async {
        let directory = Directory::new();
        let (_agent, socket) = agent(&directory).await;
        let (mut child, user) = top(&socket);
        let mut screen = Unblock::new(user);
        shows(&mut screen, &["a@127.0.0.1", "live"]).await;
        // The kernel sends it no signal, since it is not the leader of a session.
        drop(screen);
        assert_eq!(child.status().await.unwrap().code(), Some(129));
    });
}

#[test]
fn a_node_that_is_frozen_is_said_to_be_slow_and_holds_up_no_key() {
    test(async {
        let directory = Directory::new();
        let (agent, socket) = agent(&directory).await;
        let (mut child, user) = top(&socket);
        let (mut keyboard, mut screen) = (Unblock::new(user.try_clone().unwrap()), Unblock::new(user));
        shows(&mut screen, &["live"]).await;
        agent.signal(Signal::STOP);
        // The question fails after 10 s; from then on the node would be shown as lost.
        shows(&mut screen, &["slow", "answer"]).await;
        keyboard.write_all(b"q").await.unwrap();
        keyboard.flush().await.unwrap();
        assert_eq!(child.status().await.unwrap().code(), Some(0));
    });
}

#[test]
fn the_terminal_is_restored_however_it_ends() {
    test(async {
        let directory = Directory::new();
        let (_agent, socket) = agent(&directory).await;
        for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
            let (mut child, user) = top(&socket);
            let mut screen = Unblock::new(user);
            shows(&mut screen, &["live"]).await;
            let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
            rustix::process::kill_process(pid, signal).unwrap();
            // The program has left the alternate screen, and the cursor is visible.
            shows(&mut screen, &["\x1b[?1049l", "\x1b[?25h"]).await;
            assert_eq!(child.status().await.unwrap().code(), Some(code));
        }
    });
}
