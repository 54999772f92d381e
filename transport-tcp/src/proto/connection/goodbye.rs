//! The last frame of a session that is closed with a goodbye.

use peer_service::EndKind;

/// Whether frames that were pushed before such an end are still delivered.
pub(crate) fn is_good(kind: EndKind) -> bool {
    matches!(kind, EndKind::Left | EndKind::Disconnected)
}

const LEFT: u8 = 1;
const DISCONNECTED: u8 = 2;

pub(crate) fn goodbye_code(kind: EndKind) -> u8 {
    if kind == EndKind::Left { LEFT } else { DISCONNECTED }
}

/// The kind of end that a goodbye announces. Codes of later versions mean that the peer has closed
/// the connection.
pub(crate) fn goodbye_kind(body: &[u8]) -> EndKind {
    match body.first() {
        Some(&LEFT) => EndKind::Left,
        Some(&DISCONNECTED) => EndKind::Disconnected,
        _ => EndKind::Closed,
    }
}
