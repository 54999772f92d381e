//! The outputs of the core: each must be owed, and after all outputs of an input nothing may be
//! overdue.

use monitor_core::{
    CoreConfig, DownReason, ExitReason, LocalPid, MonitorId, Signal,
    refs::{DialId, NodeName, SessionId},
};

use super::{Model, State, Waiting, calls::monitor_signal};
use crate::output::{Event, Output};

impl Model {
    /// Removes an output from the owed ones.
    ///
    /// # Errors
    /// The output is not owed, or not yet.
    pub(crate) fn accept(&mut self, output: &Output) -> Result<(), String> {
        self.begin_if_told_of(output);
        match output {
            Output::Connect(node, dial) => return self.dialled(node, *dial),
            Output::Forward(..) => return self.sent_first(output),
            Output::Signal { signal: Signal::Monitor { .. }, .. } => return self.sent_first(output),
            Output::Signal { session, from, signal: Signal::Down { id, .. }, .. } => {
                self.after_its_messages(*session, *from)?;
                if !self.now.contains(output) {
                    self.held.remove(&(*session, *id));
                }
            }
            Output::Down(_, id) => self.told(*id)?,
            _ => {}
        }
        if self.now.front() == Some(output) {
            self.now.pop_front();
            return Ok(());
        }
        let first = self.links.values_mut().filter_map(super::Link::owed_first);
        for owed in first.chain([&mut self.of_exits]) {
            if let Some(at) = owed.iter().position(|other| other == output) {
                owed.swap_remove(at);
                return Ok(());
            }
        }
        Err("it is not owed, or not yet".to_owned())
    }

    /// A session that was announced early begins when everything of the previous one was told; the
    /// outputs show when.
    fn begin_if_told_of(&mut self, output: &Output) {
        let session = match output {
            Output::Admit(session) | Output::Forward(_, session) | Output::Signal { session, .. } => *session,
            Output::NodeUp(_, _, event) => event.session(),
            _ => return,
        };
        let begins = |link: &super::Link| link.next.as_ref().is_some_and(|next| next.session() == session);
        let node = self.links.iter().find(|(_, link)| begins(link)).map(|(node, _)| node.clone());
        if let Some(node) = node.filter(|node| self.all_told(node)) {
            self.begin(&node);
        }
    }

    /// Whether the end of the previous session was told completely, so that the next may begin.
    fn all_told(&mut self, node: &NodeName) -> bool {
        self.links.get_mut(node).is_some_and(|link| link.up.is_none() && link.owed_first().is_none())
    }

    fn dialled(&mut self, node: &NodeName, dial: DialId) -> Result<(), String> {
        if !self.dials.insert(dial) {
            return Err("the number of the dial is used twice".to_owned());
        }
        let wanted = self.is_wanted(node);
        if !self.all_told(node) {
            return Err("the end of the previous session was not told".to_owned());
        }
        let link = self.links.get_mut(node).expect("a process needs it");
        if link.next.is_some() || link.dial.is_some() {
            return Err("a session or a dial is there already".to_owned());
        }
        if !wanted && link.orphans == 0 {
            return Err("no process needs it".to_owned());
        }
        (link.dial, link.ending) = (Some(dial), false);
        Ok(())
    }

    /// Calls that wait for a session go out in their order.
    fn sent_first(&mut self, output: &Output) -> Result<(), String> {
        let (Output::Forward(_, session) | Output::Signal { session, .. }) = *output else {
            unreachable!("only these wait")
        };
        if self.closing.contains(&session) {
            return Err("the session takes no more".to_owned());
        }
        let Some((_, link)) = self.link_of(session) else { return Err("the session is not up".to_owned()) };
        let (first, up) = (link.waiting.pop_front(), link.up.clone().expect("found by its session"));
        let expected = match first {
            None => return Err("nothing waits".to_owned()),
            Some(Waiting::Message(_, ticket)) => Output::Forward(ticket, session),
            Some(Waiting::Monitor(id)) => {
                let monitor = self.monitors.get_mut(&id).expect("what waits is there");
                monitor.state = State::Sent(session);
                monitor_signal(id, monitor, &up)
            }
        };
        if expected == *output { Ok(()) } else { Err(format!("{expected:?} goes first")) }
    }

    /// All messages of a process go out before the report of its exit.
    fn after_its_messages(&mut self, session: SessionId, from: LocalPid) -> Result<(), String> {
        let own = |waiting: &Waiting| matches!(waiting, Waiting::Message(who, _) if *who == from);
        let is_closing = self.closing.contains(&session);
        match self.link_of(session) {
            Some((_, link)) if !is_closing && link.waiting.iter().any(own) => {
                Err("a message of the process waits, and goes first".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn told(&mut self, id: MonitorId) -> Result<(), String> {
        let Some(monitor) = self.monitors.get_mut(&id) else {
            return Err("there is no such monitor".to_owned());
        };
        let State::Ended(reason) = &monitor.state else { return Err("the monitor is not over".to_owned()) };
        let (reason, watcher) = (reason.clone(), monitor.watcher);
        let (reason, cut) = self.cut(reason, watcher);
        self.monitors.get_mut(&id).expect("it was there").state = State::Told(reason, cut);
        Ok(())
    }

    /// The part of a reason that is kept, given the reasons that were delivered and not yet taken.
    fn cut(&self, reason: DownReason, watcher: LocalPid) -> (DownReason, bool) {
        let unread = |of: &dyn Fn(LocalPid) -> bool| -> usize {
            let told = self.monitors.values().filter(|monitor| of(monitor.watcher));
            told.map(|monitor| if let State::Told(reason, _) = &monitor.state { bytes(reason) } else { 0 })
                .sum()
        };
        let room = self.max_reason_bytes.saturating_sub(unread(&|other| other == watcher));
        let room_of_all = self.max_node_reason_bytes.saturating_sub(unread(&|_| true));
        let kept = room.min(room_of_all).max(CoreConfig::SHORT_REASON);
        match &reason {
            DownReason::Exit(ExitReason::Panicked(text)) if text.len() > kept => {
                let fits = (0..=kept).rev().find(|&len| text.is_char_boundary(len)).unwrap();
                (DownReason::Exit(ExitReason::panicked(&text[..fits])), true)
            }
            DownReason::Exit(ExitReason::Other(bytes)) if bytes.len() > kept => {
                let fits = match std::str::from_utf8(&bytes[..kept]) {
                    // A text that would end within a character.
                    Err(error) if error.error_len().is_none() => error.valid_up_to(),
                    _ => kept,
                };
                (DownReason::Exit(ExitReason::other(&bytes[..fits])), true)
            }
            _ => (reason, false),
        }
    }

    /// All outputs of an input were accepted. `up` are the nodes that the core reports as up now.
    ///
    /// # Errors
    /// An output is overdue.
    pub(crate) fn finish(&mut self, up: &[Event], backlog: bool) -> Result<(), String> {
        for event in up {
            let next = self.links.get(&event.name).and_then(|link| link.next.as_ref());
            if next == Some(event) && self.all_told(&event.name) {
                self.begin(&event.name);
            }
        }
        let expected: Vec<&Event> = self.links.values().filter_map(|link| link.up.as_ref()).collect();
        if up.iter().ne(expected.iter().copied()) {
            return Err(format!("these nodes are up: {up:?}\nand these should be: {expected:?}"));
        }
        if let Some(output) = self.now.front() {
            return Err(format!("at once: {output:?}"));
        }
        if !backlog {
            self.finish_backlog()?;
        }
        let idle =
            self.links.iter().filter(|(_, link)| link.up.is_none() && !link.ending && link.dial.is_none());
        match idle.map(|(node, _)| node).find(|node| self.is_wanted(node)) {
            Some(node) => Err(format!("connect to {}", node.label())),
            None => Ok(()),
        }
    }

    fn finish_backlog(&mut self) -> Result<(), String> {
        if let Some(output) = self.of_exits.first() {
            return Err(format!("without a backlog: {output:?}"));
        }
        for (node, link) in &mut self.links {
            if let Some(owed) = link.owed_first() {
                return Err(format!("without a backlog, of {}: {owed:?}", node.label()));
            }
            if link.up.is_none() && link.next.is_some() {
                return Err(format!("without a backlog: the next session of {}", node.label()));
            }
            let is_open = link.up.as_ref().is_some_and(|up| !self.closing.contains(&up.session()));
            if is_open && !link.waiting.is_empty() {
                return Err(format!("without a backlog: what waits for {}", node.label()));
            }
            (link.ending, link.orphans) = (false, 0);
        }
        Ok(())
    }
}

fn bytes(reason: &DownReason) -> usize {
    match reason {
        DownReason::Exit(ExitReason::Panicked(text)) => text.len(),
        DownReason::Exit(ExitReason::Other(bytes)) => bytes.len(),
        _ => 0,
    }
}
