//! Tests that a secret in the wrong place is never shown: in every variable, after every flag, and
//! in place of every argument.

use std::fs;

use smol::process::Command;

use crate::support::{Directory, Ended, Running, end, obit, test};

/// Minimum length of a run of a secret's characters that counts as shown.
const PART: usize = 16;

/// New secrets in several forms: hexadecimal digits as from `obit keygen`, base64, and words.
async fn secrets(directory: &Directory) -> Vec<String> {
    let file = directory.path("cluster.key");
    assert_eq!(end(obit(["keygen", file.to_str().unwrap()])).await.code, Some(0));
    let digits = fs::read_to_string(&file).unwrap().trim_end().to_owned();
    let base64 = digits.bytes().enumerate().map(|(at, byte)| match at % 11 {
        0 => byte.to_ascii_uppercase() as char,
        5 => '+',
        7 if at > 10 => '/',
        _ => (b'g' + byte % 19) as char,
    });
    let base64: String = base64.take(43).chain(['=']).collect();
    let words = format!("{} {} {}", &digits[..15], &digits[20..35], &digits[40..55]);
    vec![digits, base64, words]
}

fn assert_is_not_shown(secret: &str, ended: &Ended, place: &str) {
    let shown = format!("{}\n{}", ended.stdout.join("\n"), ended.stderr);
    for part in secret.as_bytes().windows(PART) {
        let part = std::str::from_utf8(part).unwrap();
        assert!(!shown.contains(part), "{place}: {shown}");
    }
}

/// A command that ends by itself, in a directory of its own: a secret that is taken for a file name
/// creates the file there.
fn command(directory: &Directory, words: &[&str]) -> Command {
    let mut command = obit(words);
    command.current_dir(directory.path(""));
    command
}

const NODE: [&str; 4] = ["--node", "a@127.0.0.1", "--listen", "127.0.0.1:0"];

/// The end of a command line with which a node starts and ends at once.
fn run(first: &[&str]) -> Vec<String> {
    let words = ["run", "--name", "job1"].iter().chain(first).chain(&["--", "true"]);
    words.map(|word| (*word).to_owned()).collect()
}

#[test]
fn a_secret_in_a_variable_is_not_shown() {
    test(async {
        let directory = Directory::new();
        let variables = [
            "OBIT_CONFIG",
            "OBIT_NODE",
            "OBIT_LISTEN",
            "OBIT_PEERS",
            "OBIT_PEERS_FILE",
            "OBIT_SECRET_FILE",
            "OBIT_TLS_CA",
            "OBIT_TLS_CERT",
            "OBIT_TLS_KEY",
            "OBIT_CLUSTER",
            "OBIT_HIDDEN",
            "OBIT_PRESET",
            "OBIT_SOCKET",
            "OBIT_HTTP",
            "OBIT_LOG",
        ];
        for secret in secrets(&directory).await {
            for variable in variables {
                let several = format!("b@127.0.0.1:9 {secret} c@127.0.0.1:9");
                for value in [&secret, &several] {
                    // A flag wins over its variable, so a flag is left out when its variable is
                    // tested.
                    let flags = match variable {
                        "OBIT_NODE" => &NODE[2..],
                        "OBIT_LISTEN" => &NODE[..2],
                        _ => &NODE,
                    };
                    for words in [run(flags), vec!["nodes".to_owned()]] {
                        let words: Vec<_> = words.iter().map(String::as_str).collect();
                        let mut command = command(&directory, &words);
                        command.env(variable, value);
                        let ended = end(command).await;
                        assert_is_not_shown(&secret, &ended, &format!("{variable} of {words:?}"));
                        if ended.code == Some(2) {
                            assert!(
                                ended.stderr.contains(&format!("in the variable {variable}:")),
                                "{}",
                                ended.stderr
                            );
                            assert!(
                                ended.stderr.contains("not shown because it may be a secret"),
                                "{}",
                                ended.stderr
                            );
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn a_secret_after_a_flag_is_not_shown() {
    test(async {
        let directory = Directory::new();
        let flags = [
            "--config",
            "--node",
            "--listen",
            "--peer",
            "--peers-file",
            "--secret-file",
            "--tls-ca",
            "--tls-cert",
            "--tls-key",
            "--cluster",
            "--hidden",
            "--preset",
            "--socket",
            "--http",
            "--log",
        ];
        for secret in secrets(&directory).await {
            for flag in flags {
                let value = format!("{flag}={secret}");
                let others = NODE.chunks(2).filter(|other| other[0] != flag).flatten().copied();
                let words = run(&others.chain([value.as_str()]).collect::<Vec<_>>());
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                let ended = end(command(&directory, &words)).await;
                assert_is_not_shown(&secret, &ended, flag);
            }
            for flag in ["--wait", "--timeout", "--preset"] {
                let value = format!("{flag}={secret}");
                let ended = end(command(&directory, &["watch", &value, "job1@a@127.0.0.1:1"])).await;
                assert_eq!(ended.code, Some(2), "{flag}");
                assert_is_not_shown(&secret, &ended, flag);
                assert!(ended.stderr.contains(flag), "{}", ended.stderr);
            }
            let mut agent = command(&directory, &["agent", NODE[0], NODE[1], NODE[2], NODE[3]]);
            agent.env("XDG_RUNTIME_DIR", directory.path(""));
            let mut agent = Running::start(agent);
            agent.line().await;
            for flag in ["--at", "--socket"] {
                let value = format!("{flag}={secret}");
                for question in ["nodes", "monitors", "why"] {
                    let mut asking = command(&directory, &[question, &value]);
                    asking.env("XDG_RUNTIME_DIR", directory.path(""));
                    let ended = end(asking).await;
                    assert_eq!(ended.code, Some(1), "{flag}");
                    assert_is_not_shown(&secret, &ended, flag);
                    assert!(ended.stderr.starts_with(&format!("error: {flag}: ")), "{}", ended.stderr);
                }
            }
        }
    });
}

#[test]
fn a_secret_in_place_of_an_argument_is_not_shown() {
    test(async {
        let directory = Directory::new();
        for secret in secrets(&directory).await {
            let (flag, long) = (format!("-{secret}"), format!("--{secret}"));
            let [secret, flag, long] = [&secret, &flag, &long].map(String::as_str);
            for words in [
                &[secret][..],
                &[flag],
                &[long],
                &["help", secret],
                &["agent", secret],
                &["agent", flag],
                &["agent", long],
                &["nodes", secret],
                &["why", secret],
                &["watch", secret],
                &["watch", "job1@a@127.0.0.1:1", secret],
                &["watch", "job1@a@127.0.0.1:1", long],
                &["watch", "--timeout", "0.1", "--", long],
                &["completions", secret],
                &["run", "--name", "job1", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0", "--", secret],
                &["run", "--name", "job1", secret],
                &["keygen", secret],
                &["keygen", secret],
                &["keygen", secret, "more"],
                &["keygen", "more", secret],
            ] {
                let ended = end(command(&directory, words)).await;
                assert_is_not_shown(secret, &ended, &format!("{words:?}"));
            }
        }
    });
}

#[test]
fn a_secret_in_the_settings_is_not_shown() {
    test(async {
        let directory = Directory::new();
        for secret in secrets(&directory).await {
            for key in [
                "node",
                "listen",
                "peers_file",
                "secret_file",
                "tls_ca",
                "cluster",
                "preset",
                "socket",
                "http",
                "log",
            ] {
                let settings = format!("{key} = \"{secret}\"\n");
                let file = directory.file("obit.toml", &settings);
                let others =
                    NODE.chunks(2).filter(|other| other[0].trim_start_matches('-') != key).flatten().copied();
                let words = run(&others.chain(["--config", file.to_str().unwrap()]).collect::<Vec<_>>());
                let words: Vec<_> = words.iter().map(String::as_str).collect();
                assert_is_not_shown(&secret, &end(command(&directory, &words)).await, key);
            }
        }
    });
}

#[test]
fn a_value_that_is_no_secret_is_shown_with_what_is_expected() {
    test(async {
        let wrong = end(obit(["agent", "--node", "nowhere", "--listen", "127.0.0.1:0"])).await;
        assert_eq!(wrong.code, Some(2));
        assert!(wrong.stderr.contains("'nowhere'") && wrong.stderr.contains("--node <"), "{}", wrong.stderr);
        let preset = end(obit(["agent", "--preset", "slow"])).await.stderr;
        assert!(preset.contains("'slow'") && preset.contains("normal, fast, wan"), "{preset}");
        let unknown = end(obit(["agent", "--nod"])).await.stderr;
        assert!(unknown.contains("'--nod'") && unknown.contains("'--node'"), "{unknown}");
    });
}

#[test]
fn a_key_is_no_name_of_a_cluster() {
    test(async {
        let directory = Directory::new();
        let key = &secrets(&directory).await[0];
        let ended =
            end(obit(["agent", "--node", "a@127.0.0.1", "--listen", "127.0.0.1:0", "--cluster", key])).await;
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.contains("--cluster: ") && ended.stderr.contains("in the clear"),
            "{}",
            ended.stderr
        );
    });
}
