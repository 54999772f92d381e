//! Registered names, and the processes that hold them.

use std::collections::{BTreeMap, HashMap};

use monitor_core::LocalPid;
use refs::RegName;

/// The names of the live processes of this node. A name has one holder; a process may hold any
/// number of names.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    holders: HashMap<RegName, LocalPid>,
    /// The names by holder, so that an exit needs no search. Few processes have names, and every
    /// exit looks here, so the tree is small, and a lookup in it costs less than hashing.
    names: BTreeMap<LocalPid, Vec<RegName>>,
}

impl Registry {
    /// Gives the name to the process. Returns `Ok` if the process holds the name already.
    ///
    /// # Errors
    /// Returns the process that holds the name.
    pub(crate) fn register(&mut self, name: RegName, pid: LocalPid) -> Result<(), LocalPid> {
        match self.holders.get(&name) {
            Some(&holder) if holder == pid => Ok(()),
            Some(&holder) => Err(holder),
            None => {
                self.names.entry(pid).or_default().push(name.clone());
                self.holders.insert(name, pid);
                Ok(())
            }
        }
    }

    /// Frees the name. Returns false if no process held it.
    pub(crate) fn unregister(&mut self, name: &RegName) -> bool {
        let Some(pid) = self.holders.remove(name) else { return false };
        let names = self.names.get_mut(&pid).expect("a holder has names");
        names.retain(|held| held != name);
        if names.is_empty() {
            self.names.remove(&pid);
        }
        true
    }

    /// Frees all names of a process.
    pub(crate) fn release(&mut self, pid: LocalPid) {
        for name in self.names.remove(&pid).unwrap_or_default() {
            self.holders.remove(&name);
        }
    }

    /// Returns the process that holds the name.
    pub(crate) fn whereis(&self, name: &RegName) -> Option<LocalPid> {
        self.holders.get(name).copied()
    }

    /// Returns the names of a process, in the order of their registration.
    pub(crate) fn names_of(&self, pid: LocalPid) -> &[RegName] {
        self.names.get(&pid).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use refs::Serial;

    use super::*;

    #[test]
    fn a_name_has_one_holder_and_is_free_after_its_exit() {
        let (a, b) = (LocalPid(Serial::new(0, 1)), LocalPid(Serial::new(1, 1)));
        let name = |text: &str| text.parse::<RegName>().unwrap();
        let mut registry = Registry::default();
        assert_eq!(registry.register(name("x"), a), Ok(()));
        assert_eq!(registry.register(name("x"), a), Ok(()));
        assert_eq!(registry.register(name("y"), a), Ok(()));
        assert_eq!(registry.register(name("x"), b), Err(a));
        assert_eq!(registry.names_of(a), [name("x"), name("y")]);

        assert!(registry.unregister(&name("y")));
        assert!(!registry.unregister(&name("y")));
        registry.release(a);
        assert_eq!(registry.whereis(&name("x")), None);
        assert_eq!(registry.register(name("x"), b), Ok(()));
        assert!(registry.names_of(a).is_empty());
    }
}
