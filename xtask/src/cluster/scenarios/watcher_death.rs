//! `watcher-death`

use anyhow::Result;

use crate::cluster::{
    Cluster,
    node::Node,
    process::Process,
    protocol::{Exit, Tables},
};

/// Watchers end in every way; their registrations are removed on both sides.
pub(super) fn watcher_death(cluster: &Cluster<'_>) -> Result<()> {
    let (a, b, c) = (cluster.node("a")?, cluster.node("b")?, cluster.node("c")?);
    let count = cluster.scaled(1_000, 200);
    let targets: Vec<_> = b.spawn_many(count)?.iter().map(|worker| worker.pid().to_owned()).collect();
    let ends: [fn(&Process) -> Result<()>; 3] = [
        |watcher| watcher.exit(Exit::Normal),
        |watcher| watcher.exit(Exit::Panicked("watcher".to_owned())),
        |watcher| watcher.kill().map(drop),
    ];
    cluster.progress().plan(ends.len() + 2, "ways to go");
    for end in ends {
        let watcher = a.spawn()?;
        watcher.monitor_many(&targets)?;
        watcher.monitor_node(b.name(), false)?;
        cluster.at_rest()?;
        end(&watcher)?;
        nothing_left(&a, &b)?;
        cluster.progress().step();
    }

    // One whose Downs wait unread in its mailbox.
    let watcher = a.spawn()?;
    let doomed = b.spawn_many(count)?;
    watcher.pause()?;
    watcher.monitor_many(&doomed.iter().map(|worker| worker.pid()).collect::<Vec<_>>())?;
    cluster.at_rest()?;
    doomed.iter().try_for_each(|worker| worker.exit(Exit::Normal))?;
    a.await_tables("all Downs in the mailbox", |tables| tables.fired as usize == count)?;
    watcher.kill()?;
    nothing_left(&a, &b)?;
    cluster.progress().step();

    // A whole node of watchers.
    c.spawn()?.monitor_many(&targets)?;
    c.watch_many(&targets, true)?;
    cluster.at_rest()?;
    cluster.kill(&c);
    nothing_left(&a, &b)?;
    cluster.progress().step();
    Ok(())
}

fn nothing_left(watchers: &Node, watched: &Node) -> Result<()> {
    let empty = |tables: &Tables| {
        (tables.active, tables.fired, tables.incoming, tables.node_monitors, tables.subscriptions)
            == (0, 0, 0, 0, 0)
    };
    watchers.await_tables("nothing left of a dead watcher on its node", empty)?;
    watched.await_tables("nothing left of a dead watcher on the watched node", empty).map(drop)
}
