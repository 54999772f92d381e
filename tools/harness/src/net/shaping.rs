//! How fast and in what order a host sends, as commands for `tc`.

/// The class of packets that take the way around.
pub(super) const DETOUR_CLASS: &str = "1:20";

/// Takes away whatever was set up before; there need be nothing.
pub(super) const CLEAR: &str = "qdisc replace dev eth0 root pfifo\nqdisc delete dev eth0 root\n";

/// Sends at most so many kilobits a second; what does not fit waits, for at most half a second, and
/// is then lost.
pub(super) fn throttle(kilobits: u32) -> String {
    format!("qdisc replace dev eth0 root tbf rate {kilobits}kbit burst 4kb latency 500ms\n")
}

/// A slow way beside the fast one: packets on it wait for one another, and those on the other
/// overtake them. This is how packets come out of order on a kernel that has no `netem`.
pub(super) fn detour() -> String {
    format!(
        "qdisc replace dev eth0 root handle 1: htb default 10\n\
         class replace dev eth0 parent 1: classid 1:10 htb rate 1gbit quantum 60000\n\
         class replace dev eth0 parent 1: classid {DETOUR_CLASS} htb rate 300kbit burst 1600 cburst 1600 quantum 1600\n"
    )
}
