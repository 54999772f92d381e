//! Erlang/OTP for comparison: compiled modules, and nodes on loopback with a port mapper of their
//! own.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{
    children::{Children, Running},
    conditions::{SOON, poll},
    ports::Ports,
    secret::fresh_secret,
};

/// The arguments of every node: loopback only, and no port mapper that keeps running.
const ARGUMENTS: [&str; 7] =
    ["-noshell", "-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-pa"];

/// The installed release; `None` if there is none.
pub fn release() -> Option<String> {
    let print = "io:format(\"~s\", [erlang:system_info(otp_release)]), halt().";
    let erl = Command::new("erl").args(["-noshell", "-eval", print]).stdin(Stdio::null()).output().ok()?;
    let compiler = Command::new("erlc").arg("-help").stdin(Stdio::null()).output().is_ok();
    let found = erl.status.success() && compiler && Command::new("epmd").arg("-names").output().is_ok();
    found.then(|| String::from_utf8_lossy(&erl.stdout).into_owned())
}

/// Compiles a module into that folder.
pub fn compile(folder: &Path, module: &str, source: &str) -> Result<()> {
    let path = folder.join(format!("{module}.erl"));
    fs::write(&path, source).with_context(|| format!("cannot write {}", path.display()))?;
    let compiled = Command::new("erlc").arg("-o").arg(folder).arg(&path).output();
    let compiled = compiled.context("cannot run erlc")?;
    if !compiled.status.success() {
        bail!("{module}.erl does not compile: {}", String::from_utf8_lossy(&compiled.stdout));
    }
    Ok(())
}

/// The full name of the node with that label.
pub fn full_name(label: &str) -> String {
    format!("{label}@127.0.0.1")
}

/// A port mapper, and the files that its nodes share.
pub struct Mapper {
    /// The compiled modules, and the home of the nodes.
    folder: PathBuf,
    ports: Ports,
    /// The process, ended on drop.
    _running: Running,
}

impl Mapper {
    /// Starts a port mapper, and waits until it listens. `folder` holds the compiled modules.
    pub fn start(children: &Children, folder: &Path) -> Result<Self> {
        let cookie = folder.join(".erlang.cookie");
        if !cookie.exists() {
            fs::write(&cookie, fresh_secret()?).context("cannot write a cookie")?;
            let private = fs::Permissions::from_mode(0o400);
            fs::set_permissions(&cookie, private).context("cannot keep the cookie private")?;
        }
        let ports = Ports::take()?;
        let port = ports.port(0);
        let mut mapper = Command::new("epmd");
        mapper.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        mapper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (running, ..) = children.start(&mut mapper, None)?;
        let listens = || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        if poll(SOON, listens)?.is_none() {
            bail!("epmd does not listen on port {port}");
        }
        Ok(Mapper { folder: folder.to_owned(), ports, _running: running })
    }

    /// The command for a node that runs `main` of that module.
    pub fn node(&self, label: &str, flags: &[&str], module: &str) -> Command {
        let mut erl = Command::new("erl");
        erl.args(flags).args(ARGUMENTS).arg(&self.folder);
        erl.args(["-name", &full_name(label), "-run", module, "main"]);
        erl.env("HOME", &self.folder);
        erl.env("ERL_EPMD_PORT", self.ports.port(0).to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        erl.env("ERL_CRASH_DUMP_SECONDS", "0");
        erl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        erl
    }
}
