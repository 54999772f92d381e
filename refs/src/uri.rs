//! The text form of references.
