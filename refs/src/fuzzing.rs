//! What can be done to this crate with bytes alone. For the fuzzer and its tests; nobody else may rely on it.
//!
//! Both functions take any bytes, and panic where the crate breaks a promise.

use alloc::string::ToString;
use core::{fmt::Debug, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Address, ChannelName, Incarnation, MonitorRef, Name, NodeId, NodeName, NodeSpec, Pid, Reference, RegName,
    SessionEnd, Target, from_bytes, to_bytes,
};

/// The binary form of everything that has one. What can be read is written and read again as the same.
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
        // Equality leaves the token out.
        let again = from_bytes::<MonitorRef>(&to_bytes(&monitor));
        assert_eq!(again.map(|again| again.alias()), Ok(monitor.alias()));
    }
}

/// Every text that is parsed. What can be parsed is written and parsed again as the same.
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
        // There is one spelling, and one that is padded.
        assert!(text == reference.to_uri() || text == reference.to_padded_uri());
        assert_eq!(Reference::parse(&reference.to_padded_uri()), Ok(reference));
    }
}
