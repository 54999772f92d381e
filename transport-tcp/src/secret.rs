//! The secret that the nodes of a cluster share.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{error::SecretError, platform::exposing_mode};

/// The shared secret of a cluster: at least 32 bytes that cannot be guessed.
///
/// It is wiped from memory on drop, and never printed. It is never sent: nodes exchange proofs that
/// they have it. There is deliberately no function that reads it from a command line, which every
/// user of the machine can read.
///
/// A file or a variable is taken byte for byte, without one line break at its end: hexadecimal
/// digits are not decoded, and raw bytes are valid as well. 64 random hexadecimal digits are a
/// secret of 64 bytes that is as hard to guess as 32 random bytes.
///
/// ```
/// # use transport_tcp::Secret;
/// assert!(Secret::new("too short").is_err());
/// let secret = Secret::generate();
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// ```
#[derive(Clone, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Minimum length of a secret in bytes.
    pub const MIN_LEN: usize = 32;
    /// Maximum length of a secret in bytes.
    pub const MAX_LEN: usize = 4096;

    /// The secret with these bytes. They should be random: a phrase that people can remember can be
    /// guessed.
    ///
    /// # Errors
    /// [`SecretError::TooShort`] and [`SecretError::TooLong`], by [`Secret::MIN_LEN`] and
    /// [`Secret::MAX_LEN`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let secret = Secret(bytes.into());
        match secret.0.len() {
            len @ ..Self::MIN_LEN => Err(SecretError::TooShort { len }),
            len if len > Self::MAX_LEN => Err(SecretError::TooLong { len }),
            _ => Ok(secret),
        }
    }

    /// Reads the secret from a file that only its owner can open, without the line break at its
    /// end.
    ///
    /// Outside Unix the mode is not checked: make sure yourself that no other user can open the
    /// file.
    ///
    /// # Errors
    /// [`SecretError::File`] if it cannot be read, [`SecretError::Exposed`] if its mode gives its
    /// group or others any permission (on Unix), and those of [`Secret::new`].
    #[doc(alias = "cookie")]
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        let failed = |cause| SecretError::File { path: path.to_owned(), cause };
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(ErrorKind::IsADirectory.into()));
        }
        if let Some(mode) = exposing_mode(&file).map_err(failed)? {
            return Err(SecretError::Exposed { path: path.to_owned(), mode });
        }
        // One byte more than the maximum, so that a longer file is detected. The buffer has its
        // full capacity from the start: growing it would leave copies of the secret in memory.
        let max_read = Self::MAX_LEN + LINE_BREAK.len() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(max_read));
        file.take(max_read as u64).read_to_end(&mut bytes).map_err(failed)?;
        Secret::new(without_line_break(&bytes))
    }

    /// The value of an environment variable, without the line break at its end.
    ///
    /// The variable stays set: child processes inherit it, and other processes of the same user can
    /// read it. A file is the better place.
    ///
    /// # Errors
    /// [`SecretError::Env`] if it is not set, and those of [`Secret::new`].
    pub fn from_env(variable: &str) -> Result<Self, SecretError> {
        let value = std::env::var_os(variable);
        let value = value.ok_or_else(|| SecretError::Env { variable: variable.to_owned() })?;
        Secret::new(without_line_break(&Zeroizing::new(value.into_encoded_bytes())))
    }

    /// A new random secret of 32 bytes.
    ///
    /// # Panics
    /// If the operating system provides no randomness.
    pub fn generate() -> Self {
        let mut secret = Secret(vec![0; Self::MIN_LEN]);
        getrandom::fill(&mut secret.0).expect("the operating system gives random bytes");
        secret
    }

    /// The bytes, for handing them to other nodes over a secure connection.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The longest line break.
const LINE_BREAK: &[u8] = b"\r\n";

fn without_line_break(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(LINE_BREAK).or_else(|| bytes.strip_suffix(b"\n")).unwrap_or(bytes)
}
