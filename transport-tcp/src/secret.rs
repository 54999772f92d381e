//! The secret that the nodes of a cluster share.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{error::SecretError, platform::exposing_mode};

/// What the nodes of a cluster know and nobody else does: at least 32 bytes that cannot be guessed.
///
/// Wiped from memory when dropped, and never printed. It never travels: what travels is a proof of
/// knowing it. There is no way to read it from a command line on purpose: everybody on a machine
/// can read those.
///
/// From a file or a variable it is taken byte for byte, without the one line break at its end, if
/// there is one: hexadecimal digits are not decoded, and raw bytes do as well. 64 random
/// hexadecimal digits are a secret of 64 bytes that is as hard to guess as 32 random bytes.
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
    /// The fewest bytes a secret may have.
    pub const MIN_LEN: usize = 32;
    /// The most bytes a secret may have.
    pub const MAX_LEN: usize = 4096;

    /// The secret of those bytes. They should be random: a phrase that people can remember can be
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

    /// The content of a file that only its owner can open, without the line break at its end.
    ///
    /// Outside Unix the mode is not checked: see to it yourself that nobody else can open the file.
    ///
    /// # Errors
    /// [`SecretError::File`] if it cannot be read, [`SecretError::Exposed`] if its mode lets its
    /// group or others do anything with it (on Unix), and those of [`Secret::new`].
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
        // Enough to see that it is too long, and all the room it can need: a buffer that grows
        // would leave copies behind.
        let most = Self::MAX_LEN + LINE_BREAK.len() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(most));
        file.take(most as u64).read_to_end(&mut bytes).map_err(failed)?;
        Secret::new(without_line_break(&bytes))
    }

    /// The value of an environment variable, without the line break at its end.
    ///
    /// The variable stays where it is: programs that this one starts inherit it, and its owner's
    /// other programs can read it. A file is the better place.
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
    /// If the operating system has no randomness to give: nothing could be secret there.
    pub fn generate() -> Self {
        let mut secret = Secret(vec![0; Self::MIN_LEN]);
        getrandom::fill(&mut secret.0).expect("the operating system gives random bytes");
        secret
    }

    /// The bytes, to hand them to other nodes over a way that is safe.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The longest line break there is.
const LINE_BREAK: &[u8] = b"\r\n";

fn without_line_break(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(LINE_BREAK).or_else(|| bytes.strip_suffix(b"\n")).unwrap_or(bytes)
}
