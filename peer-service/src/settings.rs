//! Settings as a person writes them: times, sizes and lists of names, for the `Deserialize` of a
//! runtime and of a transport.
//!
//! | form | texts | also |
//! |---|---|---|
//! | [`Time`] | `"2.5s"`, `"500ms"`, `"1m 30s"`, `"100years"` | |
//! | [`Size`] | `"64MiB"`, `"1.5GiB"`, `"8MB"` | a number of bytes |
//! | [`List`] | a list of texts, each of which is parsed | |

use std::{fmt, fmt::Display, marker::PhantomData, str::FromStr, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de};

/// A duration, as a number with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A number of bytes, as a number or as a text with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// A list of values, each as its text. An error says which entry is wrong and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time with its unit, such as \"2.5s\" or \"500ms\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
                let time = humantime::parse_duration(text);
                time.map(Time).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes, or a text with a unit such as \"64MiB\"")
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                let size = bytes.try_into();
                size.map(Size).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                let size = bytes.try_into();
                size.map(Size).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(bytes), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let bytes = text.parse().ok().and_then(|ByteSize(bytes)| bytes.try_into().ok());
                bytes.map(Size).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: FromStr<Err: Display>> de::Visitor<'de> for Visitor<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut texts: A) -> Result<List<T>, A::Error> {
                let mut values = Vec::new();
                while let Some(text) = texts.next_element::<String>()? {
                    let at = values.len() + 1;
                    let value = text.parse();
                    values.push(value.map_err(|error| de::Error::custom(format!("entry {at}: {error}")))?);
                }
                Ok(List(values))
            }
        }

        deserializer.deserialize_seq(Visitor(PhantomData))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    type Plain = de::value::Error;

    fn of<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
        let text = de::value::StrDeserializer::<Plain>::new(text);
        T::deserialize(text).map_err(|error| error.to_string())
    }

    fn of_number(number: i64) -> Result<Size, String> {
        Size::deserialize(de::value::I64Deserializer::<Plain>::new(number)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_has_a_unit() {
        let ms = |ms| Ok(Time(Duration::from_millis(ms)));
        assert_eq!(["2.5s", "500ms", "1m 30s"].map(of::<Time>), [ms(2500), ms(500), ms(90_000)]);
        assert!(of::<Time>("100years").unwrap().0 >= Duration::from_secs(100 * 365 * 24 * 60 * 60));
        for wrong in ["", "5", "-1s", "s", "5 parsecs", "99999999999999999999years"] {
            let error = of::<Time>(wrong).unwrap_err();
            assert!(
                error.ends_with("expected a time with its unit, such as \"2.5s\" or \"500ms\""),
                "{error}"
            );
        }
    }

    #[test]
    fn a_size_is_a_number_or_has_a_unit() {
        let sizes = ["64MiB", "1.5 GiB", "8MB", "7"].map(of::<Size>);
        assert_eq!(sizes, [64 << 20, 3 << 29, 8_000_000, 7].map(|bytes| Ok(Size(bytes))));
        assert_eq!(of_number(7), Ok(Size(7)));
        for error in [of_number(-1), of::<Size>("-1"), of::<Size>("many"), of::<Size>("")] {
            let error = error.unwrap_err();
            assert!(error.ends_with("with a unit such as \"64MiB\""), "{error}");
        }
    }

    #[test]
    fn an_entry_of_a_list_is_named() {
        let list = |texts: &[&'static str]| {
            let texts = de::value::SeqDeserializer::<_, Plain>::new(texts.iter().copied());
            List::<u8>::deserialize(texts).map_err(|error| error.to_string())
        };
        assert_eq!(list(&["1", "2"]), Ok(List(vec![1, 2])));
        assert!(list(&["1", "x"]).unwrap_err().starts_with("entry 2: "));
    }
}
