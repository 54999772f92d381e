//! Settings and their errors, and commands without a node.

use std::{fs, os::unix::fs::PermissionsExt};

use monitor_runtime::Secret;

use crate::support::{Directory, Running, end, node_with_secret, obit, target, test};

const LISTEN: &str = "listen = \"127.0.0.1:0\"\n";

/// The name of the node that `obit agent` starts.
async fn name_of_agent(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = obit(["agent"].iter().chain(arguments));
    command.envs(variables.iter().copied());
    let mut agent = Running::start(command);
    let line = agent.line().await;
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.end().await.code, Some(0));
    line.split('#').next().unwrap().to_owned()
}

#[test]
fn a_flag_wins_over_its_variable_and_both_over_the_file() {
    test(async {
        let directory = Directory::new();
        let file = directory.file("obit.toml", &format!("node = \"file@127.0.0.1\"\n{LISTEN}"));
        let file = ["--config", file.to_str().unwrap()];
        let variable = [("OBIT_NODE", "variable@127.0.0.1")];
        assert_eq!(name_of_agent(&file, &[]).await, "file@127.0.0.1");
        assert_eq!(name_of_agent(&file, &variable).await, "variable@127.0.0.1");
        let flag = [&file[..], &["--node", "flag@127.0.0.1"]].concat();
        assert_eq!(name_of_agent(&flag, &variable).await, "flag@127.0.0.1");
        assert_eq!(name_of_agent(&[], &[variable[0], ("OBIT_CONFIG", file[1])]).await, "variable@127.0.0.1");
    });
}

#[test]
fn the_file_can_say_everything_and_its_paths_start_where_it_lies() {
    test(async {
        let directory = Directory::new();
        let key = directory.path("cluster.key");
        assert_eq!(end(obit(["keygen", key.to_str().unwrap()])).await.code, Some(0));
        directory.file("peers.txt", "");
        let settings = "node = \"a@127.0.0.1\"\nlisten = \"127.0.0.1:0\"\npeers = [\"b@127.0.0.1:9\"]\n\
            peers_file = \"peers.txt\"\nsecret_file = \"cluster.key\"\ncluster = \"\"\nhidden = true\n\
            preset = \"fast\"\nlog = \"off\"\nhttp = 0\n";
        let file = directory.file("obit.toml", settings);
        let secret = Secret::from_file(&key).unwrap();
        let node = node_with_secret("b", secret).await;
        let target = target("nobody", &node);
        let watch = end(obit(["watch", "--config", file.to_str().unwrap(), &target])).await;
        assert_eq!(watch.code, Some(4), "the secret was read: {}", watch.stderr);
    });
}

#[test]
fn the_secret_in_the_environment_stands_between_the_flag_and_the_file() {
    test(async {
        let directory = Directory::new();
        let key = directory.path("other.key");
        assert_eq!(end(obit(["keygen", key.to_str().unwrap()])).await.code, Some(0));
        let file = directory.file("obit.toml", "secret_file = \"other.key\"\n");
        let secret = "the secret of the cluster, which is long enough";
        let node = node_with_secret("b", Secret::new(secret).unwrap()).await;
        let target = target("nobody", &node);
        let watch = ["watch", "--config", file.to_str().unwrap(), "--log", "off", &target];
        let code = async |flag: &[&str]| {
            let mut command = obit(watch.iter().chain(flag));
            command.env("OBIT_SECRET", secret);
            end(command).await.code
        };
        assert_eq!(code(&[]).await, Some(4), "the node was reached");
        assert_eq!(code(&["--secret-file", key.to_str().unwrap()]).await, Some(5), "it was not");
        assert_eq!(end(obit(watch)).await.code, Some(5), "nor with the secret of the file");
    });
}

#[test]
fn an_error_names_the_file_the_line_and_what_is_wrong() {
    test(async {
        let directory = Directory::new();
        let error = async |settings: &str| {
            let file = directory.file("obit.toml", settings);
            let ended = end(obit(["agent", "--config", file.to_str().unwrap()])).await;
            assert_eq!(ended.code, Some(1), "{settings}");
            assert!(ended.stderr.starts_with(&format!("error: {}: ", file.display())), "{}", ended.stderr);
            ended.stderr
        };
        let peer = error("node = \"a@127.0.0.1:1\"\npeers = [\"b@127.0.0.1:1\", \"b@\"]\n").await;
        assert!(peer.contains("line 2: `peers`: entry 2: node name: lacks a host"), "{peer}");
        let unknown = error("secret = \"in the open\"\n").await;
        assert!(unknown.contains("line 1: `secret`: ") && unknown.contains("`secret_file`"), "{unknown}");
        assert!(!unknown.contains("in the open"), "{unknown}");
        let preset = error("\npreset = \"slow\"\n").await;
        assert!(preset.contains("line 2") && preset.contains("`wan`"), "{preset}");
    });
}

#[test]
fn a_secret_in_the_wrong_place_is_not_told() {
    test(async {
        let directory = Directory::new();
        let key = directory.path("cluster.key");
        let key = key.to_str().unwrap();
        assert_eq!(end(obit(["keygen", key])).await.code, Some(0));
        let secret = fs::read_to_string(key).unwrap();
        let secret = secret.trim_end();
        let flags = ["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"];
        // The file of the secret, or the secret itself, in place of every file.
        for flag in ["--config", "--secret-file", "--peers-file", "--tls-ca", "--tls-cert", "--tls-key"] {
            for value in [key, secret] {
                if (flag, value) == ("--secret-file", key) {
                    continue;
                }
                let mut all = [&flags[..], &[flag, value]].concat();
                if flag.starts_with("--tls") {
                    let others =
                        ["--tls-ca", "--tls-cert", "--tls-key"].into_iter().filter(|other| *other != flag);
                    all.extend(others.flat_map(|other| [other, key]));
                }
                let ended = end(obit(all)).await;
                assert_eq!(ended.code, Some(1), "{flag}");
                let is_told = secret.as_bytes().windows(8).any(|part| {
                    let part = std::str::from_utf8(part).unwrap();
                    ended.stderr.contains(part) || ended.stdout.iter().any(|line| line.contains(part))
                });
                assert!(!is_told, "{flag}: {}", ended.stderr);
            }
        }
    });
}

#[test]
fn an_error_says_what_to_do() {
    test(async {
        let error = async |arguments: &[&str]| {
            let ended = end(obit(["agent"].iter().chain(arguments))).await;
            assert_eq!(ended.code, Some(1), "{arguments:?}");
            ended.stderr
        };
        assert!(error(&[]).await.contains("--node a@10.0.0.7:7001"));
        assert!(error(&["--node", "a@0.0.0.0", "--listen", "0.0.0.0:0"]).await.contains("obit keygen"));

        let directory = Directory::new();
        let exposed = directory.file("cluster.key", &"x".repeat(64));
        fs::set_permissions(&exposed, fs::Permissions::from_mode(0o644)).unwrap();
        let exposed = error(&["--node", "a@127.0.0.1:1", "--secret-file", exposed.to_str().unwrap()]).await;
        assert!(exposed.contains("chmod 600"), "{exposed}");

        let missing = error(&["--config", directory.path("none.toml").to_str().unwrap()]).await;
        assert!(missing.contains("none.toml: No such file"), "{missing}");
        assert_eq!(end(obit(["agent", "--node", "nowhere"])).await.code, Some(2));
    });
}

#[test]
fn variables_that_are_empty_are_unset_and_a_wrong_one_is_named() {
    test(async {
        let empty = ["OBIT_CONFIG", "OBIT_SECRET", "OBIT_PEERS", "OBIT_HIDDEN", "OBIT_HTTP", "OBIT_PRESET"];
        let settings: Vec<_> = empty.iter().map(|variable| (*variable, "")).collect();
        let flags = ["--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"];
        assert_eq!(name_of_agent(&flags, &settings).await, "a@127.0.0.1");
        let several = [("OBIT_PEERS", " b@127.0.0.1:9  c@127.0.0.1:9\n"), ("OBIT_HIDDEN", "1")];
        assert_eq!(name_of_agent(&flags, &several).await, "a@127.0.0.1");

        let error = async |variable: &str, value: &str| {
            let mut command = obit(["agent"].iter().chain(&flags));
            command.env(variable, value);
            let ended = end(command).await;
            assert_eq!(ended.code, Some(2), "{variable}");
            ended.stderr
        };
        let hidden = error("OBIT_HIDDEN", "maybe").await;
        assert!(
            hidden.contains("in the variable OBIT_HIDDEN:") && hidden.contains("true or false"),
            "{hidden}"
        );
        assert!(error("OBIT_PEERS", "b@127.0.0.1:9 b@").await.contains("in the variable OBIT_PEERS:"));
        let flag = end(obit(["agent", "--hidden=maybe"])).await.stderr;
        assert!(!flag.contains("variable"), "{flag}");
    });
}

#[test]
fn an_error_in_a_secret_says_where_it_came_from() {
    test(async {
        let directory = Directory::new();
        let short = directory.file("short.key", "x");
        fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).unwrap();
        let agent = ["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"];
        let by_file = end(obit(agent.iter().chain(&["--secret-file", short.to_str().unwrap()]))).await;
        assert!(by_file.stderr.contains("short.key: a secret has at least 32"), "{}", by_file.stderr);
        let mut command = obit(agent);
        command.env("OBIT_SECRET", "x");
        let by_variable = end(command).await.stderr;
        assert!(by_variable.contains("the variable OBIT_SECRET: a secret has at least 32"), "{by_variable}");
    });
}

#[test]
fn a_secret_that_cannot_be_written_leaves_no_file() {
    test(async {
        let directory = Directory::new();
        let key = directory.path("cluster.key");
        let mut shell = smol::process::Command::new("sh");
        // With a file size limit of 0 the write fails; SIGXFSZ is ignored, so it returns an error.
        let script =
            format!("trap '' XFSZ; ulimit -f 0; exec '{}' keygen \"$0\"", env!("CARGO_BIN_EXE_obit"));
        shell.args(["-c", &script]).arg(&key).kill_on_drop(true);
        let full = end(shell).await;
        assert!(full.code == Some(1) && full.stderr.contains("cannot write"), "{}", full.stderr);
        assert!(!key.exists());
        assert_eq!(end(obit(["keygen", key.to_str().unwrap()])).await.code, Some(0));
        let again = end(obit(["keygen", key.to_str().unwrap()])).await;
        assert!(again.code == Some(1) && again.stderr.contains("take another name"), "{}", again.stderr);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_harms_no_node() {
    test(async {
        let directory = Directory::new();
        let socket = directory.path("a.sock");
        for full in ["2>/dev/full", "2>&-"] {
            let script = format!(
                "exec '{}' agent --node a@127.0.0.1 --listen 127.0.0.1:0 --http 0 --log debug --socket \"$0\" {full}",
                env!("CARGO_BIN_EXE_obit")
            );
            let mut shell = smol::process::Command::new("sh");
            shell.args(["-c", &script]).arg(&socket).kill_on_drop(true);
            let mut agent = Running::start(shell);
            agent.line().await;
            assert_eq!(end(obit(["nodes", "--socket", socket.to_str().unwrap()])).await.code, Some(0));
            agent.signal(rustix::process::Signal::TERM);
            assert_eq!(agent.end().await.code, Some(0), "{full}");
        }
    });
}

#[test]
fn help_is_no_wider_than_the_terminal() {
    test(async {
        for command in ["run", "watch", "agent", "nodes", "monitors", "why", "top", "keygen", "completions"] {
            let mut help = obit([command, "--help"]);
            help.env("COLUMNS", "70");
            let help = end(help).await;
            let long: Vec<_> = help.stdout.iter().filter(|line| line.chars().count() > 70).collect();
            assert!(help.code == Some(0) && long.is_empty(), "{command}: {long:?}");
            assert!(help.stdout.iter().any(|line| line.starts_with("Example")), "{command}");
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    test(async {
        let directory = Directory::new();
        let key = directory.path("cluster.key");
        for words in [
            &["--help"][..],
            &["--version"],
            &["run", "--help"],
            &["help", "watch"],
            &["completions", "zsh"],
            &["keygen"],
        ] {
            let mut command = smol::process::Command::new("sh");
            command.args(["-c", "exec \"$0\" \"$@\" >/dev/full", env!("CARGO_BIN_EXE_obit")]).args(words);
            if words == ["keygen"] {
                command.arg(&key);
            }
            let ended = end(command).await;
            assert_eq!(ended.code, Some(1), "{words:?}");
            assert!(
                ended.stderr.starts_with("error: cannot write to standard output: "),
                "{words:?}: {}",
                ended.stderr
            );
            assert_eq!(ended.stderr.lines().count(), 1, "{words:?}: {}", ended.stderr);
        }
    });
}

#[test]
fn shells_get_their_completions() {
    test(async {
        for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
            let script = end(obit(["completions", shell])).await;
            assert_eq!(script.code, Some(0));
            assert!(script.stdout.iter().any(|line| line.contains("secret-file")), "{shell}");
        }
    });
}

#[test]
fn numbers_out_of_their_range_are_refused_with_what_is_allowed() {
    let watched = "job@a@127.0.0.1:1";
    let flags: [(&str, &[&str], &str); 8] = [
        ("--wait", &["watch", "--wait=-1", watched], "from 0 to 1000000000"),
        ("--wait", &["watch", "--wait=1e10", watched], "from 0 to 1000000000"),
        ("--timeout", &["watch", "--timeout=1000000001", watched], "from 0 to 1000000000"),
        ("--timeout", &["watch", "--timeout=18446744073709551616", watched], "from 0 to 1000000000"),
        ("--interval", &["top", "--interval=0"], "0.1 to 3600"),
        ("--interval", &["top", "--interval=3600.1"], "0.1 to 3600"),
        ("--http", &["agent", "--node=a@127.0.0.1:1", "--http=65536"], "a port"),
        ("--last", &["why", "--last=-1"], "--last"),
    ];
    test(async {
        for (flag, arguments, allowed) in flags {
            let end = end(obit(arguments)).await;
            assert_eq!(end.code, Some(2), "{arguments:?}: {}", end.stderr);
            assert!(
                end.stderr.contains(flag) && end.stderr.contains(allowed),
                "{arguments:?}: {}",
                end.stderr
            );
        }
        let directory = Directory::new();
        let long = format!("cluster = \"{}\"", "c".repeat(65));
        let settings = [
            (long.as_str(), "cluster: is longer than 64 bytes"),
            ("http = 65536", "neither a port nor an address"),
            ("http = -1", "neither a port nor an address"),
        ];
        for (setting, allowed) in settings {
            let file = directory.file("obit.toml", &format!("node = \"a@127.0.0.1\"\n{LISTEN}{setting}\n"));
            let end = end(obit(["agent", "--config", file.to_str().unwrap()])).await;
            assert_eq!(end.code, Some(1), "{setting}: {}", end.stderr);
            assert!(end.stderr.contains(allowed), "{setting}: {}", end.stderr);
        }
    });
}
