//! Compares the tables that the core exposes with the sets of the model.

use std::collections::BTreeSet;

use monitor_core::{
    LocalPid, NodeType,
    refs::{MonitorRef, SessionId},
};

use crate::{
    model::State,
    output::Event,
    play::{Play, same},
};

/// Everything but the effects.
pub(crate) fn tables(play: &Play) -> Result<(), String> {
    nodes(play)?;
    for &pid in &play.names.alive {
        monitors_of(play, pid)?;
        watchers_of(play, pid)?;
    }
    for (&id, monitor) in &play.model.monitors {
        let told = match &monitor.state {
            State::Told(reason, cut) => Some((monitor.target.clone(), reason.clone(), *cut, monitor.tag)),
            _ => None,
        };
        same("is_fired", play.core.is_fired(id), told.is_some())?;
        let fired = play.core.fired(id);
        let fired = fired.map(|down| (down.target, down.reason, down.reason_was_cut, down.tag));
        same("fired", fired, told)?;
    }
    counts(play)
}

fn nodes(play: &Play) -> Result<(), String> {
    for (filter, hidden) in [(NodeType::Visible, false), (NodeType::Hidden, true)] {
        let of_core: Vec<Event> = play.core.nodes(filter).iter().map(Event::of).collect();
        let up = play.model.links.values().filter_map(|link| link.up.clone());
        same("nodes", of_core, up.filter(|up| up.hidden == hidden).collect())?;
    }
    Ok(())
}

fn monitors_of(play: &Play, pid: LocalPid) -> Result<(), String> {
    let owned = play.model.monitors.iter().filter(|(_, monitor)| monitor.watcher == pid);
    let mut owned: Vec<_> = owned.map(|(&id, monitor)| (monitor.age, (id, monitor.target.clone()))).collect();
    owned.sort_by_key(|(age, _)| *age);
    same(
        "monitors_of",
        play.core.monitors_of(pid).collect(),
        owned.into_iter().map(|(_, owned)| owned).collect::<Vec<_>>(),
    )
}

/// While there is a backlog, watchers that have exited may be among them.
fn watchers_of(play: &Play, pid: LocalPid) -> Result<(), String> {
    let here = play.model.monitors.iter().filter(|(_, monitor)| monitor.state == State::Here(pid));
    let here = here.map(|(&id, _)| play.core.reference(id));
    let peer = |session: SessionId| {
        let up = play.model.links.values().filter_map(|link| link.up.as_ref());
        let (_, node) = up.filter_map(|up| up.session.clone()).find(|(of, _)| *of == session)?;
        Some(node)
    };
    let held = play.model.held.iter().filter(|(_, held)| held.target == pid);
    let held = held.filter_map(|(&(session, id), _)| Some(MonitorRef::new(peer(session)?, id.0)));
    let expected: Vec<MonitorRef> = here.chain(held).collect();
    let found: Vec<MonitorRef> = play.core.watchers_of(pid).collect();
    if play.core.has_backlog() {
        return match expected.iter().find(|watcher| !found.contains(watcher)) {
            Some(missing) => Err(format!("watchers_of({pid:?}) lacks {missing}")),
            None => Ok(()),
        };
    }
    same("number of watchers_of", found.len(), expected.len())?;
    same("watchers_of", BTreeSet::from_iter(found), BTreeSet::from_iter(expected))
}

/// While there is a backlog, rows of ended monitors may still exist: the counts of the model are
/// then lower bounds.
fn counts(play: &Play) -> Result<(), String> {
    let (core, model) = (play.core.stats(), &play.model);
    let told = model.monitors.values().filter(|monitor| matches!(monitor.state, State::Told(..))).count();
    let links = || model.links.values();
    same(
        "sessions",
        core.sessions,
        links().map(|link| usize::from(link.up.is_some()) + usize::from(link.next.is_some())).sum(),
    )?;
    same("backlog", core.backlog > 0, play.core.has_backlog())?;
    let pairs = [
        ("outgoing_active", core.outgoing_active, model.monitors.len() - told),
        ("outgoing_fired", core.outgoing_fired, told),
        ("incoming", core.incoming, model.held.len()),
        ("node_monitors", core.node_monitors, model.node_monitors.len()),
        ("nodes_subscriptions", core.nodes_subscriptions, model.subscriptions.len()),
        ("peers", core.peers, model.known_nodes()),
        ("waiting", core.waiting, links().map(|link| link.waiting.len()).sum()),
    ];
    for (count, of_core, of_model) in pairs {
        if of_core < of_model || (of_core > of_model && !play.core.has_backlog()) {
            return Err(format!("{count}: {of_core} in the core, {of_model} in the model"));
        }
    }
    Ok(())
}
