//! Entry points that take only bytes. For the fuzzer and its tests; no other code may rely on them.
//!
//! Both functions take any bytes, and panic where the crate breaks a promise.

use alloc::string::ToString;
use core::{fmt::Debug, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Address, ChannelName, Incarnation, MonitorRef, Name, NodeId, NodeName, NodeSpec, Pid, Reference, RegName,
    SessionEnd, Target, from_bytes, to_bytes,
};

/// Reads the binary form of every type that has one. A value that can be read must be the same
/// after it is written and read again.
pub fn binary(bytes: &[u8]) {
    fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
        if let Ok(value) = from_bytes::<T>(bytes) {
            assert_eq!(from_bytes::<T>(&to_bytes(&value)).as_ref(), Ok(&value));
        }
    }
    check::<Address>(bytes);
    check::<ChannelName>(bytes);
    check::<Name>(bytes);
    check::<NodeId>(bytes);
    check::<NodeName>(bytes);
    check::<NodeSpec>(bytes);
    check::<Pid>(bytes);
    check::<Reference>(bytes);
    check::<RegName>(bytes);
    check::<SessionEnd>(bytes);
    check::<Target>(bytes);
    if let Ok(monitor) = from_bytes::<MonitorRef>(bytes) {
        // Equality ignores the token.
        let again = from_bytes::<MonitorRef>(&to_bytes(&monitor));
        assert_eq!(again.map(|again| again.alias()), Ok(monitor.alias()));
    }
}

/// Parses every type that has a text form. A value that can be parsed must be the same after it is
/// written and parsed again.
pub fn text(bytes: &[u8]) {
    fn check<T: FromStr<Err: Debug> + ToString + PartialEq + Debug>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            assert_eq!(value.to_string().parse::<T>().expect("what was written can be parsed"), value);
        }
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    check::<Address>(text);
    check::<ChannelName>(text);
    check::<Name>(text);
    check::<Incarnation>(text);
    check::<NodeId>(text);
    check::<NodeName>(text);
    check::<NodeSpec>(text);
    check::<RegName>(text);
    if let Ok(reference) = Reference::parse(text) {
        // There is one spelling, and its padded form.
        assert!(text == reference.to_uri() || text == reference.to_padded_uri());
        assert_eq!(Reference::parse(&reference.to_padded_uri()), Ok(reference));
    }
}
