//! Arguments that are a value or its text.

use alloc::string::String;

use crate::{
    address::{Address, NodeSpec},
    channel::ChannelName,
    dest::Dest,
    error::ParseError,
    name::{Name, RegName},
    node::NodeName,
    pid::{MonitorRef, Pid},
    reference::{Reference, Target},
};

/// A value of type `T`, or a text that is parsed as one.
///
/// Functions that take names and references take `impl IntoRef<T>`, so a caller passes a parsed
/// value, a reference to one, or a text. A value is never an error. The [`ParseError`] of a text
/// contains the text and the offset of the fault.
///
/// ```
/// # use refs::{IntoRef, Name, RegName, Target};
/// fn node_of(target: impl IntoRef<Target>) -> Result<String, refs::ParseError> {
///     Ok(target.into_ref()?.node().to_string())
/// }
/// assert_eq!(node_of("worker@b@10.0.0.8:7001")?, "b@10.0.0.8:7001");
/// let name: Name = "worker@b@10.0.0.8:7001".parse()?;
/// assert_eq!(node_of(&name)?, "b@10.0.0.8:7001");
/// let error = node_of("worker@b@10.0.0.8:70o1").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "node name: has a number that is malformed or out of range (at byte 18 of \"worker@b@10.0.0.8:70o1\")"
/// );
/// # Ok::<(), refs::ParseError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a `{T}` nor a text that can be parsed as one",
    label = "expected a `{T}`, a reference to one, or a text such as `\"worker@b@10.0.0.8:7001\"`"
)]
pub trait IntoRef<T> {
    /// The value.
    ///
    /// # Errors
    /// [`ParseError`] if this is a text that is no `T`.
    fn into_ref(self) -> Result<T, ParseError>;
}

/// Implements [`IntoRef`] and `TryFrom` for the texts of a type, and [`IntoRef`] for the type, a
/// reference to it, and the types in the list, which convert with `From`.
macro_rules! into_ref {
    ($($type:ident $(: $($other:ty),+)?;)+) => {$(
        into_ref!(@text $type: &str, &String, String);
        into_ref!(@value $type: $type $(, $($other),+)?);

        impl IntoRef<$type> for &$type {
            fn into_ref(self) -> Result<$type, ParseError> {
                Ok(self.clone())
            }
        }
    )+};
    (@text $type:ident: $($text:ty),+) => {$(
        impl TryFrom<$text> for $type {
            type Error = ParseError;

            fn try_from(text: $text) -> Result<Self, ParseError> {
                text.parse().map_err(|error: ParseError| error.of_text(&text))
            }
        }

        impl IntoRef<$type> for $text {
            fn into_ref(self) -> Result<$type, ParseError> {
                self.try_into()
            }
        }
    )+};
    (@value $type:ident: $($value:ty),+) => {$(
        impl IntoRef<$type> for $value {
            fn into_ref(self) -> Result<$type, ParseError> {
                Ok(self.into())
            }
        }
    )+};
}
into_ref! {
    Address;
    ChannelName;
    Dest: Pid, &Pid, Name, &Name, MonitorRef, &MonitorRef, Target, &Target;
    MonitorRef;
    Name;
    NodeName;
    NodeSpec: NodeName, &NodeName;
    Pid;
    Reference: Pid, Name, MonitorRef, Target;
    RegName;
    Target: Pid, &Pid, Name, &Name;
}
