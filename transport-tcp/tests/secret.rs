//! Secrets: their sources, and that they are never printed.

#![allow(clippy::unwrap_used, reason = "part of tests")]

use std::{fs, path::PathBuf};

use transport_tcp::{Secret, SecretError, TcpConfig};

const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A new file with that content, which only its owner can open.
fn file(name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("secret-{name}-{}", std::process::id()));
    fs::write(&path, content).unwrap();
    #[cfg(unix)]
    set_mode(&path, 0o600);
    path
}

#[cfg(unix)]
fn set_mode(path: &PathBuf, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn read(name: &str, content: impl AsRef<[u8]>) -> Result<Vec<u8>, SecretError> {
    let path = file(name, content);
    let secret = Secret::from_file(&path);
    fs::remove_file(path).unwrap();
    secret.map(|secret| secret.expose().to_vec())
}

#[test]
fn a_file_is_taken_byte_for_byte_but_for_one_line_break() {
    assert_eq!(read("bare", DIGITS).unwrap(), DIGITS.as_bytes(), "digits are not decoded");
    assert_eq!(read("unix", format!("{DIGITS}\n")).unwrap(), DIGITS.as_bytes());
    assert_eq!(read("dos", format!("{DIGITS}\r\n")).unwrap(), DIGITS.as_bytes());
    assert_eq!(read("two", format!("{DIGITS}\n\n")).unwrap(), format!("{DIGITS}\n").as_bytes());
    assert_eq!(read("raw", [0xff; 32]).unwrap(), [0xff; 32]);
}

#[test]
fn a_secret_has_between_32_and_4096_bytes() {
    assert!(matches!(read("short", [7; 31]), Err(SecretError::TooShort { len: 31 })));
    assert!(matches!(read("cut", [&[7; 31][..], b"\n"].concat()), Err(SecretError::TooShort { len: 31 })));
    assert_eq!(read("long", [&[7; 4096][..], b"\r\n"].concat()).unwrap(), [7; 4096]);
    assert!(matches!(read("longer", [7; 4097]), Err(SecretError::TooLong { .. })));
    assert!(matches!(read("endless", vec![7; 1 << 20]), Err(SecretError::TooLong { .. })));
    assert!(matches!(Secret::new([7; 31]), Err(SecretError::TooShort { len: 31 })));
    assert_eq!(Secret::generate().expose().len(), 32);
    assert_ne!(Secret::generate().expose(), Secret::generate().expose());
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_open_is_refused_with_its_mode_and_what_to_do() {
    let path = file("open", DIGITS);
    for mode in [0o604, 0o640, 0o620, 0o602, 0o644, 0o777] {
        set_mode(&path, mode);
        let error = Secret::from_file(&path).unwrap_err();
        assert!(matches!(error, SecretError::Exposed { mode: reported, .. } if reported == mode), "{error}");
        let said = error.to_string();
        assert!(said.contains(&format!("mode is {mode:04o}")), "{said}");
        assert!(said.contains(&format!("chmod 600 {}", path.display())), "{said}");
    }
    for mode in [0o600, 0o400, 0o700] {
        set_mode(&path, mode);
        Secret::from_file(&path).unwrap();
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_name() {
    let error = Secret::from_file("no/such/key").unwrap_err();
    assert!(matches!(error, SecretError::File { .. }));
    assert!(error.to_string().contains("no/such/key"), "{error}");
}

#[test]
fn a_directory_is_no_secret_whatever_its_mode() {
    let error = Secret::from_file(env!("CARGO_MANIFEST_DIR")).unwrap_err();
    assert!(matches!(error, SecretError::File { .. }), "{error}");
    assert!(!error.to_string().contains("chmod"), "{error}");
}

#[test]
fn an_environment_variable_is_taken_as_it_stands() {
    // Cargo has set these for its tests; setting others would be `unsafe`.
    let secret = Secret::from_env("CARGO_PKG_DESCRIPTION").unwrap();
    assert_eq!(secret.expose(), env!("CARGO_PKG_DESCRIPTION").as_bytes());
    assert!(matches!(Secret::from_env("CARGO_PKG_VERSION"), Err(SecretError::TooShort { len: 5 })));
    let error = Secret::from_env("OBIT_TEST_NO_SUCH_VARIABLE").unwrap_err();
    assert!(error.to_string().contains("OBIT_TEST_NO_SUCH_VARIABLE"), "{error}");
}

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new(DIGITS).unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    let config = TcpConfig::new().secret(secret.clone()).also_accept([secret]);
    let printed = format!("{config:#?}");
    assert!(printed.contains("Secret(..)") && !printed.contains(&DIGITS[..8]), "{printed}");
    for error in [read("31", &DIGITS[..31]), read("5000", DIGITS.repeat(80))] {
        let error = error.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&DIGITS[..8]), "{error:?}");
    }
}

#[test]
fn a_secret_is_wiped_from_memory_when_it_is_dropped() {
    const fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    // The compiler checks it.
    wiped::<Secret>();
}
