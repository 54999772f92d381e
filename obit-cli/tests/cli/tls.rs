//! Encrypted connections, and certificates with the names of nodes.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{Directory, Running, end, obit, test};

/// Puts a CA into the directory, and a certificate with its key for each node `label@obit.test`.
fn certify(directory: &Directory, labels: &[&str]) {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    directory.file("ca.pem", &ca.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(ca, key);
    for label in labels {
        let key = KeyPair::generate().unwrap();
        let node = CertificateParams::new(vec![format!("{label}.obit.test")]).unwrap();
        directory.file(&format!("{label}.pem"), &node.signed_by(&key, &issuer).unwrap().pem());
        let key = directory.file(&format!("{label}.key"), &key.serialize_pem());
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// The configuration of a node with that label.
fn settings(directory: &Directory, label: &str) -> String {
    let settings = format!(
        "node = \"{label}@obit.test\"\nlisten = \"127.0.0.1:0\"\nlog = \"info\"\n\
         tls_ca = \"ca.pem\"\ntls_cert = \"{label}.pem\"\ntls_key = \"{label}.key\"\n"
    );
    text(&directory.file(&format!("{label}.toml"), &settings))
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn run_and_watch_meet_by_certificates_alone() {
    test(async {
        let directory = Directory::new();
        certify(&directory, &["job", "watch"]);
        let (job, watch) = (settings(&directory, "job"), settings(&directory, "watch"));
        let mut job = Running::start(obit(["run", "--config", &job, "--name", "job1", "--", "cat"]));
        let job1 = format!("job1@job@obit.test={}", job.address().await);
        let mut watch = Running::start(obit(["watch", "--config", &watch, &job1, "nobody@job@obit.test"]));
        assert_eq!(watch.line().await, "nobody@job@obit.test is not there: no such process");
        assert_eq!(job.end().await.code, Some(0));
        assert_eq!(watch.line().await, "job1@job@obit.test is gone: exit: normal");

        let ca = text(&directory.path("ca.pem"));
        let half = end(obit(["watch", "--tls-ca", &ca, &job1])).await;
        assert!(half.code == Some(1) && half.stderr.contains("--tls-key"), "{}", half.stderr);
        let mut nameless = obit(["watch", "--tls-ca", &ca, &job1]);
        nameless.env("OBIT_TLS_CERT", directory.path("watch.pem"));
        nameless.env("OBIT_TLS_KEY", directory.path("watch.key"));
        let nameless = end(nameless).await;
        assert!(nameless.code == Some(1) && nameless.stderr.contains("--node"), "{}", nameless.stderr);
    });
}
