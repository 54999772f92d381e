//! The incoming packets that a host accepts, as rules for `nft`.
//!
//! Packets are dropped on arrival, as in a network: their sender is not notified.

use std::{collections::BTreeSet, fmt::Write, net::Ipv4Addr};

use anyhow::{Context, Result};
use serde_json::Value;

use super::shaping::DETOUR_CLASS;

/// The rules of one host. Without rules it accepts everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// Drops all packets from these hosts.
    pub deaf_to: BTreeSet<Ipv4Addr>,
    /// Answers TCP packets from these hosts with a reset.
    pub resets: BTreeSet<Ipv4Addr>,
    /// Drops this percentage of the incoming packets, at random.
    pub loss_percent: u8,
    /// Delivers each packet to these hosts twice.
    pub doubled_to: BTreeSet<Ipv4Addr>,
    /// Sends some packets by the detour: see [`shaping`](super::shaping).
    pub detour: bool,
}

/// Percentage of the packets of a host that take its detour.
const DETOUR_PERCENT: u8 = 20;

impl Firewall {
    /// A script for `nft` that replaces all earlier rules by these.
    pub fn rules(&self) -> String {
        let mut rules = "table ip obit {}\ndelete table ip obit\ntable ip obit {\n".to_owned();
        rules.push_str("  counter stopped {}\n");
        rules.push_str("  chain arriving {\n    type filter hook input priority 0\n");
        let mut rule = |text: String| writeln!(rules, "    {text}").expect("a string takes everything");
        for sender in &self.deaf_to {
            rule(format!("ip saddr {sender} counter name stopped drop"));
        }
        // Resets pass, so that a reset which answers a packet arrives.
        for sender in &self.resets {
            rule(format!(
                "ip saddr {sender} tcp flags & rst == 0 counter name stopped reject with tcp reset"
            ));
        }
        if self.loss_percent > 0 {
            rule(format!("numgen random mod 100 < {} counter name stopped drop", self.loss_percent));
        }
        rules.push_str("  }\n  chain leaving {\n    type filter hook postrouting priority 0\n");
        let mut rule = |text: String| writeln!(rules, "    {text}").expect("a string takes everything");
        for receiver in &self.doubled_to {
            rule(format!("ip daddr {receiver} dup to {receiver} device \"eth0\""));
        }
        if self.detour {
            rule(format!("numgen random mod 100 < {DETOUR_PERCENT} meta priority set {DETOUR_CLASS}"));
        }
        rules.push_str("  }\n}\n");
        rules
    }
}

/// Number of dropped packets, from the output of `nft -j list counters`.
pub(super) fn stopped(listed: &str) -> Result<u64> {
    let listed: Value = serde_json::from_str(listed).context("`nft -j list counters`")?;
    let counters = listed["nftables"].as_array().into_iter().flatten().map(|item| &item["counter"]);
    let stopped = counters.filter(|counter| counter["name"] == "stopped");
    Ok(stopped.filter_map(|counter| counter["packets"].as_u64()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

    #[test]
    fn no_rule_is_no_hindrance() {
        let rules = Firewall::default().rules();
        for word in ["drop", "reject", "numgen", "dup", "saddr"] {
            assert!(!rules.contains(word), "{rules}");
        }
    }

    #[test]
    fn each_hindrance_has_its_rule_in_its_chain() {
        let firewall = Firewall {
            deaf_to: [A].into(),
            resets: [A].into(),
            loss_percent: 20,
            doubled_to: [A].into(),
            detour: true,
        };
        let rules = firewall.rules();
        let (arriving, leaving) = rules.split_once("chain leaving").unwrap();
        for rule in
            ["saddr 198.18.0.1 counter name stopped drop", "reject with tcp reset", "mod 100 < 20 counter"]
        {
            assert!(arriving.contains(rule), "{rule}: {rules}");
        }
        for rule in ["daddr 198.18.0.1 dup to 198.18.0.1", "meta priority set 1:20"] {
            assert!(leaving.contains(rule), "{rule}: {rules}");
        }
    }

    #[test]
    fn the_counter_is_found_among_what_nft_prints() {
        let listed = r#"{"nftables": [{"metainfo": {"version": "1"}},
            {"counter": {"family": "ip", "name": "stopped", "packets": 42, "bytes": 9}},
            {"counter": {"family": "ip", "name": "other", "packets": 7, "bytes": 9}}]}"#;
        assert_eq!(stopped(listed).unwrap(), 42);
        assert_eq!(stopped(r#"{"nftables": []}"#).unwrap(), 0);
        assert!(stopped("no JSON").is_err());
    }
}
