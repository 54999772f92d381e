//! Blocks of ports for the nodes of one run, unique among all runs on this machine.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// A block of consecutive ports. The run holds the first port as long as it holds the block, as a
/// lock against other runs; its nodes use the other ports.
pub struct Ports {
    _lock: TcpListener,
    first: u16,
}

/// Below the range from which systems choose the ports of outgoing connections: such a connection
/// could take the port of a node while it restarts, or a node could even connect to itself.
const RANGE: std::ops::Range<u16> = 10_240..32_000;
const BLOCK: u16 = 32;

impl Ports {
    /// Number of nodes for which a block has ports.
    pub const COUNT: usize = BLOCK as usize - 1;

    /// Takes a free block.
    pub fn take() -> Result<Self> {
        let blocks = (RANGE.end - RANGE.start) / BLOCK;
        let start = fastrand::u16(..blocks);
        let firsts = (0..blocks).map(|i| RANGE.start + (start + i) % blocks * BLOCK);
        match firsts.into_iter().find_map(Self::take_block) {
            Some(ports) => Ok(ports),
            None => bail!("no {BLOCK} neighbouring ports are free between {} and {}", RANGE.start, RANGE.end),
        }
    }

    /// The port of the node with that number, from 0.
    pub fn port(&self, node: usize) -> u16 {
        assert!(node < Self::COUNT, "a block has ports for {} nodes", Self::COUNT);
        self.first + 1 + node as u16
    }

    fn take_block(first: u16) -> Option<Self> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
        let _lock = bind(first)?;
        (first + 1..first + BLOCK).all(|port| bind(port).is_some()).then_some(Ports { _lock, first })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_held_at_the_same_time_share_no_port() {
        let (one, other) = (Ports::take().expect("a block"), Ports::take().expect("another block"));
        assert!(one.first.abs_diff(other.first) >= BLOCK);
    }

    #[test]
    fn a_block_is_free_again_when_it_is_dropped() {
        let ports = Ports::take().expect("a block");
        let first = ports.first;
        assert!(Ports::take_block(first).is_none());
        drop(ports);
        assert!(Ports::take_block(first).is_some());
    }
}
