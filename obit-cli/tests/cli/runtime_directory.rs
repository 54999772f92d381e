//! Tests that `obit` refuses a runtime directory that another user could write to.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use rustix::process::Signal;

use crate::support::{Directory, Running, end, obit, test};

/// Starts an agent with this runtime directory. Returns its log line about the socket, and the
/// error of a command that asks.
async fn refused(runtime: &Directory) -> [String; 2] {
    let mut agent = obit(["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"]);
    agent.env("XDG_RUNTIME_DIR", runtime.path(""));
    let mut agent = Running::start(agent);
    let logged = agent.logged("this node cannot be asked").await;
    agent.line().await;
    agent.signal(Signal::TERM);
    assert_eq!(agent.end().await.code, Some(0), "a node does its work as well if it cannot be asked");
    let mut question = obit(["nodes"]);
    question.env("XDG_RUNTIME_DIR", runtime.path(""));
    let ended = end(question).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    [logged, ended.stderr]
}

#[test]
fn a_runtime_directory_that_others_can_write_to_is_not_used() {
    test(async {
        for mode in [0o777, 0o1777, 0o770, 0o720] {
            let runtime = Directory::new();
            fs::create_dir(runtime.path("obit")).unwrap();
            fs::set_permissions(runtime.path("obit"), fs::Permissions::from_mode(mode)).unwrap();
            for told in refused(&runtime).await {
                assert!(
                    told.contains("can be written by others") && told.contains("chmod 700"),
                    "{mode:o}: {told}"
                );
            }
            assert_eq!(fs::read_dir(runtime.path("obit")).unwrap().count(), 0);
        }
    });
}

#[test]
fn a_runtime_directory_that_is_a_symbolic_link_is_not_used() {
    test(async {
        let (runtime, elsewhere) = (Directory::new(), Directory::new());
        symlink(elsewhere.path(""), runtime.path("obit")).unwrap();
        for told in refused(&runtime).await {
            assert!(
                told.contains("is a symbolic link") && told.contains("choose a socket by its path"),
                "{told}"
            );
        }
        assert_eq!(fs::read_dir(elsewhere.path("")).unwrap().count(), 0);
    });
}

#[test]
fn a_runtime_directory_of_another_user_is_not_used() {
    test(async {
        let runtime = Directory::new();
        fs::create_dir(runtime.path("obit")).unwrap();
        if std::os::unix::fs::chown(runtime.path("obit"), Some(1_000_000), None).is_err() {
            eprintln!("not tested: only root can give a directory to another user");
            return;
        }
        for told in refused(&runtime).await {
            assert!(told.contains("belongs to another user"), "{told}");
        }
    });
}
