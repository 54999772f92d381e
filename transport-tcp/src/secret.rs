//! The secret that the nodes of a cluster share.

use std::{fmt, io::Read, path::Path};

use zeroize::Zeroizing;

use crate::error::SecretError;

/// What the nodes of a cluster know and nobody else does: at least 32 bytes that cannot be guessed.
///
/// Wiped from memory when dropped, and never printed. It never travels: what travels is a proof of knowing
/// it.
///
/// ```
/// # use transport_tcp::Secret;
/// assert!(Secret::new("too short").is_err());
/// let secret = Secret::generate();
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The fewest bytes a secret may have.
    pub const MIN_LEN: usize = 32;
    /// The most bytes a secret may have.
    pub const MAX_LEN: usize = 4096;

    /// The secret of those bytes. They should be random: a phrase that people can remember can be guessed.
    ///
    /// # Errors
    /// [`SecretError::TooShort`] and [`SecretError::TooLong`], by [`Secret::MIN_LEN`] and
    /// [`Secret::MAX_LEN`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(bytes.into());
        match bytes.len() {
            len @ ..Self::MIN_LEN => Err(SecretError::TooShort { len }),
            len if len > Self::MAX_LEN => Err(SecretError::TooLong { len }),
            _ => Ok(Secret(bytes)),
        }
    }

    /// The content of a file, without the line break at its end.
    ///
    /// # Errors
    /// [`SecretError::File`] if it cannot be read, and those of [`Secret::new`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        let failed = |cause| SecretError::File { path: path.to_owned(), cause };
        // All the room it can need: a buffer that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(Self::MAX_LEN + 3));
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(Self::MAX_LEN as u64 + 3).read_to_end(&mut bytes).map_err(failed)?;
        let end = bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r')).map_or(0, |last| last + 1);
        Secret::new(&bytes[..end])
    }

    /// The value of an environment variable.
    ///
    /// # Errors
    /// [`SecretError::Env`] if it is not set or not text, and those of [`Secret::new`].
    pub fn from_env(variable: &str) -> Result<Self, SecretError> {
        let value = std::env::var(variable).map(Zeroizing::new);
        let value = value.map_err(|cause| SecretError::Env { variable: variable.to_owned(), cause })?;
        Secret::new(value.as_bytes())
    }

    /// A new random secret of 32 bytes.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing could be secret there.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new(vec![0; Self::MIN_LEN]);
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        Secret(bytes)
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
