//! `cargo xtask keygen`: a fresh secret.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode};

use crate::failure::{Context, Result};

/// Writes a fresh secret to a new file with mode 0600.
pub(crate) fn run(file: &Path) -> Result<ExitCode> {
    let name = || format!("cannot write {}", file.display());
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).context(name)?;
    writeln!(new, "{}", fresh_secret()?).context(name)?;
    println!("wrote a fresh secret to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// 32 bytes from the system's source of randomness, as 64 hexadecimal digits.
pub(crate) fn fresh_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context(|| "the system gives no randomness".to_owned())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_secret_goes_to_a_new_file_of_its_owner_and_never_over_another() {
        let file = std::env::temp_dir().join(format!("obit-keygen-{}.key", std::process::id()));
        run(&file).unwrap();
        let written = fs::read_to_string(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let digits = written.strip_suffix('\n').unwrap();
        assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{digits}");

        let refused = run(&file).unwrap_err().to_string();
        assert!(refused.contains(&file.display().to_string()), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), written);
        fs::remove_file(&file).unwrap();
        assert_ne!(fresh_secret(), fresh_secret());
    }
}
