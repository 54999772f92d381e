//! New secrets for `obit keygen`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// 32 bytes from the system's source of randomness, as 64 hexadecimal digits.
pub(crate) fn digits() -> io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(format!("cannot get random bytes from the system: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a new secret to a new file with mode 0600. Returns an error if the file exists, without
/// changing it. Removes the file if it cannot be written completely.
pub(crate) fn write_to_new(file: &Path) -> io::Result<()> {
    let digits = digits()?;
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let written = writeln!(new, "{digits}").and_then(|()| new.sync_all());
    if written.is_err() {
        // The caller reports the first error.
        let _ = fs::remove_file(file);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_goes_to_a_new_file_of_its_owner_and_never_over_another() {
        let file = std::env::temp_dir().join(format!("obit-fresh-secret-{}.key", std::process::id()));
        write_to_new(&file).unwrap();
        let written = fs::read_to_string(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let secret = written.strip_suffix('\n').unwrap();
        assert!(secret.len() == 64 && secret.bytes().all(|digit| digit.is_ascii_hexdigit()), "{secret}");

        assert_eq!(write_to_new(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), written);
        fs::remove_file(&file).unwrap();
        assert_ne!(digits().unwrap(), digits().unwrap());
    }
}
