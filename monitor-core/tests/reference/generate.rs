//! Random scripts. Few actors, so that they meet; all inputs that a core must handle, including
//! those that no honest peer sends.

use monitor_core::{
    DownReason, ExitReason, NodeType, NodesOptions,
    refs::{EndKind, SessionEnd},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::script::{Actor, Dial, Label, Mon, Node, OWN_INCARNATION, Says, Script, Sess, Step, What};

pub(crate) const ACTORS: u32 = 4;

pub(crate) fn script(max_len: usize) -> impl Strategy<Value = Script> {
    // Limits that are never reached, and limits that are reached soon.
    let limit = || prop_oneof![3 => Just(1_000_usize), 1 => Just(2_usize)];
    let batch = select(vec![1_usize, 2, 3, 256]);
    // Room for every reason, for a few long ones, and for short ones alone.
    let reasons = || select(vec![1 << 20, 700, 7, 0]);
    (batch, limit(), limit(), reasons(), reasons(), vec(step(), 1..max_len)).prop_map(
        |(max_batch, max_waiting, max_incoming, max_reason_bytes, max_node_reason_bytes, steps)| Script {
            max_batch,
            max_waiting,
            max_incoming,
            max_reason_bytes,
            max_node_reason_bytes,
            steps,
        },
    )
}

/// Reasons with text or bytes, short and long. The cut of a long text may fall within a character.
fn own_reason() -> impl Strategy<Value = ExitReason> {
    prop_oneof![
        Just(ExitReason::panicked("oh")),
        Just(ExitReason::other("full")),
        Just(ExitReason::panicked("x".to_owned() + &"é".repeat(200))),
        Just(ExitReason::other("x".to_owned() + &"é".repeat(200))),
        Just(ExitReason::other(vec![0xff; 300])),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => call(),
        4 => of_processes(),
        5 => of_sessions(),
        8 => (session(), channel(), says())
            .prop_map(|(session, channel, says)| Step::Signal { session, channel, says }),
        4 => Just(Step::Resume),
        1 => Just(Step::Settle),
    ]
}

fn call() -> BoxedStrategy<Step> {
    prop_oneof![
        8 => (actor(), what(), never(), channel(), monitor())
            .prop_map(|(who, what, never, channel, name)| Step::Monitor { who, what, never, channel, name }),
        3 => (actor(), monitor(), any::<bool>())
            .prop_map(|(who, which, flush)| Step::Demonitor { who, which, flush }),
        3 => monitor().prop_map(Step::Take),
        2 => (actor(), node(), never()).prop_map(|(who, node, never)| Step::MonitorNode { who, node, never }),
        1 => (actor(), node()).prop_map(|(who, node)| Step::DemonitorNode(who, node)),
        2 => (actor(), options()).prop_map(|(who, options)| Step::MonitorNodes(who, options)),
        1 => (actor(), options()).prop_map(|(who, options)| Step::DemonitorNodes(who, options)),
        3 => (actor(), node(), never()).prop_map(|(who, to, never)| Step::Send { who, to, never }),
        1 => (actor(), monitor(), never()).prop_map(|(who, which, never)| Step::NotSent { who, which, never }),
    ]
    .boxed()
}

fn of_processes() -> BoxedStrategy<Step> {
    let reason = prop_oneof![
        Just(ExitReason::Normal),
        Just(ExitReason::Shutdown),
        Just(ExitReason::Killed),
        own_reason(),
    ];
    prop_oneof![
        4 => actor().prop_map(Step::Start),
        4 => (actor(), option::weighted(0.9, reason)).prop_map(|(who, reason)| Step::Exit(who, reason)),
        2 => (actor(), label()).prop_map(|(who, label)| Step::Register(who, label)),
        1 => label().prop_map(Step::Unregister),
    ]
    .boxed()
}

fn of_sessions() -> BoxedStrategy<Step> {
    let kinds = [EndKind::Closed, EndKind::Timeout, EndKind::Left, EndKind::Refused, EndKind::Overloaded];
    let kind = move || select(kinds.to_vec());
    let dial = prop_oneof![3 => Just(Dial::Latest), 1 => Just(Dial::OneBefore)];
    prop_oneof![
        6 => (session(), node(), 1..3_u64, proptest::bool::weighted(0.3))
            .prop_map(|(session, node, incarnation, hidden)| Step::Up { session, node, incarnation, hidden }),
        4 => (session(), kind()).prop_map(|(session, kind)| Step::Ended(session, kind)),
        2 => session().prop_map(Step::Closing),
        3 => (node(), dial, kind()).prop_map(|(node, dial, kind)| Step::DialFailed(node, dial, kind)),
    ]
    .boxed()
}

fn says() -> BoxedStrategy<Says> {
    let number = || 0..4_u32;
    let reason = || {
        prop_oneof![
            Just(DownReason::Exit(ExitReason::Normal)),
            Just(DownReason::Exit(ExitReason::Killed)),
            own_reason().prop_map(DownReason::Exit),
            Just(DownReason::NoProc),
            Just(DownReason::NoConnection(SessionEnd::new(EndKind::Quota))),
        ]
    };
    let incarnation = option::of(prop_oneof![Just(OWN_INCARNATION), Just(1_u64)]);
    prop_oneof![
        8 => (number(), actor()).prop_map(|(number, who)| Says::Monitor(number, who)),
        2 => (number(), incarnation, 0..=ACTORS, 0..2_u32).prop_map(|(number, incarnation, slot, generation)| {
            Says::MonitorNumber(number, incarnation, slot, generation)
        }),
        2 => (number(), label()).prop_map(|(number, label)| Says::MonitorName(number, label)),
        3 => number().prop_map(Says::Demonitor),
        6 => (monitor(), reason()).prop_map(|(name, reason)| Says::Down(name, reason)),
        1 => reason().prop_map(Says::DownOfUnknown),
    ]
    .boxed()
}

fn what() -> BoxedStrategy<What> {
    prop_oneof![
        6 => actor().prop_map(What::Own),
        1 => actor().prop_map(What::OfAnotherIncarnation),
        9 => (peer(), 1..3_u64, 0..3_u32).prop_map(|(node, incarnation, slot)| What::Pid(node, incarnation, slot)),
        3 => (node(), label()).prop_map(|(node, label)| What::Name(node, label)),
    ]
    .boxed()
}

fn actor() -> impl Strategy<Value = Actor> {
    (0..ACTORS).prop_map(Actor)
}

fn monitor() -> impl Strategy<Value = Mon> {
    (0..8_u32).prop_map(Mon)
}

fn session() -> impl Strategy<Value = Sess> {
    (0..4_u64).prop_map(Sess)
}

fn peer() -> impl Strategy<Value = Node> {
    prop_oneof![3 => Just(Node('b')), 1 => Just(Node('c'))]
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![9 => peer(), 1 => Just(Node('a'))]
}

fn label() -> impl Strategy<Value = Label> {
    prop_oneof![Just(Label("db")), Just(Label("web"))]
}

fn never() -> impl Strategy<Value = bool> {
    proptest::bool::weighted(0.2)
}

fn channel() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0_u8), 1 => Just(1_u8)]
}

fn options() -> impl Strategy<Value = NodesOptions> {
    let kind =
        prop_oneof![3 => Just(NodeType::All), 1 => Just(NodeType::Visible), 1 => Just(NodeType::Hidden)];
    (kind, proptest::bool::weighted(0.2))
        .prop_map(|(kind, reasons)| NodesOptions::new().node_type(kind).nodedown_reason(reasons))
}
