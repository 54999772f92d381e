//! Environment variables in place of flags.

use clap::{Arg, Command, error::ContextKind};

/// Removes empty variables from the definition of the command line: they count as unset.
pub(crate) fn without_empty(command: Command) -> Command {
    let is_empty = |arg: &Arg| {
        let value = arg.get_env().and_then(std::env::var_os);
        value.is_some_and(|value| value.as_encoded_bytes().trim_ascii().is_empty())
    };
    command.mut_subcommands(|command| {
        command.mut_args(|arg| if is_empty(&arg) { arg.env(None::<&'static str>) } else { arg })
    })
}

/// The variable that holds a wrong value. Returns `None` if the value is from a flag: `clap` names
/// the flag in both cases.
pub(crate) fn culprit(command: &Command, error: &clap::Error) -> Option<String> {
    let (flag, value) = (error.get(ContextKind::InvalidArg)?, error.get(ContextKind::InvalidValue)?);
    let (flag, value) = (flag.to_string(), value.to_string());
    let mut command = command.clone();
    command.build();
    let mut all = command.get_subcommands().flat_map(Command::get_arguments);
    let arg = all.find(|arg| arg.get_env().is_some() && arg.to_string() == flag)?;
    let long = format!("--{}", arg.get_long()?);
    let given = std::env::args_os().any(|word| {
        let word = word.to_string_lossy();
        word == long || word.starts_with(&format!("{long}="))
    });
    let variable = arg.get_env()?.to_str()?;
    let holds = std::env::var(variable).is_ok_and(|held| held == value);
    (holds && !given).then(|| variable.to_owned())
}
