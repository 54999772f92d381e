//! The rate and the order in which a host sends, as commands for `tc`.

/// The class of packets that take the detour.
pub(super) const DETOUR_CLASS: &str = "1:20";

/// Removes an earlier configuration, if there is one.
pub(super) const CLEAR: &str = "qdisc replace dev eth0 root pfifo\nqdisc delete dev eth0 root\n";

/// Limits the rate in kilobits per second. Packets above the limit wait for at most half a second,
/// and are then dropped.
pub(super) fn throttle(kilobits: u32) -> String {
    format!("qdisc replace dev eth0 root tbf rate {kilobits}kbit burst 4kb latency 500ms\n")
}

/// A slow queue beside the fast one: its packets wait for each other, and packets in the fast queue
/// overtake them. This reorders packets on a kernel without `netem`.
pub(super) fn detour() -> String {
    format!(
        "qdisc replace dev eth0 root handle 1: htb default 10\n\
         class replace dev eth0 parent 1: classid 1:10 htb rate 1gbit quantum 60000\n\
         class replace dev eth0 parent 1: classid {DETOUR_CLASS} htb rate 300kbit burst 1600 cburst 1600 quantum 1600\n"
    )
}
