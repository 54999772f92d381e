//! The scripts that run on both systems, and their intended differences.
//!
//! A script is a line for each step; `a` and `b` are nodes, and processes and monitors get their
//! names when they are made:
//!
//! | step | meaning |
//! |---|---|
//! | `spawn P N` | starts process P on node N |
//! | `exit P HOW` | P ends: `normal`, `shutdown`, `panicked`, or with a custom reason |
//! | `kill P` | P is killed, on its own node |
//! | `register P NAME`, `unregister N NAME` | |
//! | `monitor P M Q`, `monitor P M NAME@N` | P makes monitor M |
//! | `demonitor P M [flush] [info]` | its result is part of the comparison |
//! | `monitor_node P N true\|false`, `monitor_nodes P true\|false` | |
//! | `send P Q` | the next message of P to Q |
//! | `reach P Q` | the same, and waits until Q has it: earlier signals of P have then arrived, too |
//! | `await P COUNT` | waits until P has received that many notices in all |
//! | `pause P`, `resume P` | P receives nothing in between |
//! | `waiting P COUNT` | waits until that many notices of monitors are in the mailbox of the paused P |
//! | `connect N M` | |
//! | `crash N`, `start N` | kills the program of the node; starts the node again |
//!
//! A script is over when no process receives further notices. The notices of a process count if its
//! node is alive by then.

/// One script.
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) steps: &'static str,
    /// Compared without regard to order, because OTP promises none here.
    pub(super) any_order: bool,
    pub(super) difference: Option<Difference>,
}

/// An intended difference: the lines that one system has in addition to the other.
pub(super) struct Difference {
    pub(super) why: &'static str,
    pub(super) only_otp: &'static [&'static str],
    pub(super) only_obit: &'static [&'static str],
}

const fn same(name: &'static str, steps: &'static str) -> Script {
    Script { name, steps, any_order: false, difference: None }
}

const fn any_order(name: &'static str, steps: &'static str) -> Script {
    Script { any_order: true, ..same(name, steps) }
}

pub(super) const SCRIPTS: &[Script] = &[
    same(
        "reasons",
        "spawn w a; spawn n b; spawn s b; spawn p b; spawn o b; spawn k b;
         monitor w mn n; monitor w ms s; monitor w mp p; monitor w mo o; monitor w mk k;
         reach w n; reach w s; reach w p; reach w o; reach w k;
         exit n normal; await w 1; exit s shutdown; await w 2; exit p panicked; await w 3;
         exit o paper; await w 4; kill k; await w 5",
    ),
    same(
        "reasons-on-one-node",
        "spawn w a; spawn n a; spawn p a; spawn k a; monitor w mn n; monitor w mp p; monitor w mk k;
         exit n normal; await w 1; exit p panicked; await w 2; kill k; await w 3",
    ),
    same("unknown-name", "spawn w a; monitor w far nobody@b; await w 1; monitor w near nobody@a; await w 2"),
    same(
        "dead-pid",
        "spawn w a; spawn t b; spawn u a; monitor w one t; reach w t; exit t normal; await w 1;
         monitor w two t; await w 2; monitor w three u; exit u shutdown; await w 3; monitor w four u; await w 4",
    ),
    same(
        "demonitor-while-active",
        "spawn w a; spawn t b; monitor w m1 t; monitor w m2 t; monitor w m3 t; monitor w m4 t; monitor w m5 t;
         demonitor w m1; demonitor w m2 flush; demonitor w m3 info; demonitor w m4 flush info;
         reach w t; exit t normal; await w 1",
    ),
    any_order(
        "demonitor-with-the-notice-in-the-mailbox",
        "spawn w a; spawn t b; pause w; monitor w m1 t; monitor w m2 t; monitor w m3 t; monitor w m4 t; reach w t;
         exit t normal; waiting w 4;
         demonitor w m1; demonitor w m2 flush; demonitor w m3 info; demonitor w m4 flush info;
         resume w; await w 2",
    ),
    same(
        "demonitor-after-the-notice-was-received",
        "spawn w a; spawn t b; monitor w m1 t; reach w t; exit t normal; await w 1;
         demonitor w m1; demonitor w m1 flush; demonitor w m1 info; demonitor w m1 flush info",
    ),
    same(
        "demonitor-twice",
        "spawn w a; spawn t b; monitor w m1 t; demonitor w m1 info; demonitor w m1 info; demonitor w m1 flush;
         reach w t; exit t normal",
    ),
    any_order(
        "many-monitors-of-one",
        "spawn w a; spawn t b; monitor w m1 t; monitor w m2 t; monitor w m3 t; reach w t; exit t shutdown; await w 3",
    ),
    same("own-pid", "spawn w a; monitor w m1 w; send w w; await w 1; demonitor w m1 info"),
    same(
        "name-is-resolved-once",
        "spawn w a; spawn t b; spawn u b; register t job; monitor w m1 job@b; reach w t; unregister b job;
         register u job; monitor w m2 job@b; reach w u; exit u shutdown; await w 1; exit t normal; await w 2",
    ),
    same(
        "name-registered-again-after-an-exit",
        "spawn w a; spawn t b; spawn u b; register t job; monitor w m1 job@b; reach w t; exit t normal; await w 1;
         register u job; monitor w m2 job@b; reach w u; exit u shutdown; await w 2",
    ),
    same(
        "messages-before-the-notice",
        "spawn w a; spawn t b; monitor w m1 t; reach w t; send t w; send t w; send t w; exit t normal; await w 4",
    ),
    any_order(
        "crash-of-a-node",
        "spawn w a; spawn t b; spawn u b; spawn n a; monitor_node n b true; monitor_nodes n true; connect a b;
         await n 1; monitor w m1 t; monitor w m2 u; reach w t; crash b; await w 2; await n 3",
    ),
    same(
        "restart-with-old-pids",
        "spawn w a; spawn t b; monitor w m1 t; reach w t; crash b; await w 1; start b;
         monitor w m2 t; await w 2; demonitor w m2 info; spawn v b; monitor w m3 v; reach w v; exit v normal; await w 3",
    ),
    same("node-that-is-not-there", "spawn w a; crash b; monitor w m1 job@b; await w 1; spawn x a; monitor_node x b true; await x 1"),
    same("own-node", "spawn w a; monitor_node w a true; monitor_node w a false"),
    same(
        "monitor-node-is-one-shot",
        "spawn w a; connect a b; monitor_node w b true; crash b; await w 1; start b; connect a b; crash b;
         spawn n a; monitor n m job@b; await n 1",
    ),
    same("monitor-node-taken-back", "spawn w a; connect a b; monitor_node w b true; monitor_node w b false; spawn n a; monitor_node n b true; crash b; await n 1"),
    same(
        "monitor-nodes-order",
        "spawn w a; monitor_nodes w true; connect a b; await w 1; crash b; await w 2; start b; connect a b; await w 3;
         monitor_nodes w false; spawn n a; monitor_node n b true; crash b; await n 1",
    ),
    Script {
        difference: Some(Difference {
            why: "OTP counts the calls of monitor_node, one notice for each; in Obit a process is subscribed or not",
            only_otp: &["w nodedown b", "w nodedown b"],
            only_obit: &[],
        }),
        ..same(
            "monitor-node-three-times",
            "spawn w a; spawn n a; connect a b; monitor_node w b true; monitor_node w b true; monitor_node w b true;
             monitor_node n b true; crash b; await n 1; await w 1",
        )
    },
    Script {
        difference: Some(Difference {
            why: "monitor_node(false) revokes one call in OTP, and all of them in Obit",
            only_otp: &["w nodedown b"],
            only_obit: &[],
        }),
        ..same(
            "monitor-node-twice-and-taken-back-once",
            "spawn w a; spawn n a; connect a b; monitor_node w b true; monitor_node w b true; monitor_node w b false;
             monitor_node n b true; crash b; await n 1",
        )
    },
];
