//! One nftables table as data, and the text of the transaction that leads from one to the next. Pure: what the rules mean
//! is none of its business, and it must never write text that leaves out a step in between.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// `type nat hook …` of a chain that the kernel calls.
    pub hook: Option<&'static str>,
    pub rules: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// By name: `set` or `map`, and the declaration.
    pub sets: BTreeMap<String, (&'static str, String)>,
    pub chains: BTreeMap<String, Chain>,
    /// By set and key: the verdict, or nothing in a plain set.
    pub elements: BTreeMap<(&'static str, String), String>,
}

impl Ruleset {
    /// Replaces whatever the table holds, in one transaction.
    #[must_use]
    pub fn whole(&self, table: &str) -> String {
        let fresh = format!("add table ip {table}\ndelete table ip {table}\nadd table ip {table}\n");
        fresh + &self.step(&Self::default(), table)
    }

    /// Leads from `before` to this in one transaction. What stays is not touched, so that sets keep what they have learned.
    #[must_use]
    pub fn step(&self, before: &Self, table: &str) -> String {
        let mut text = String::new();
        let gone = before.elements.iter().filter(|(key, verdict)| self.elements.get(*key) != Some(*verdict));
        elements(&mut text, "delete", table, gone.map(|((set, key), _)| (*set, key.clone())));
        for (name, (kind, declaration)) in self.sets.iter().filter(|(name, _)| !before.sets.contains_key(*name)) {
            let _ = writeln!(text, "add {kind} ip {table} {name} {{ {declaration} }}");
        }
        for (name, chain) in self.chains.iter().filter(|(name, _)| !before.chains.contains_key(*name)) {
            let hook = chain.hook.map(|hook| format!(" {{ {hook}; }}")).unwrap_or_default();
            let _ = writeln!(text, "add chain ip {table} {name}{hook}");
        }
        let gone_chains: BTreeSet<_> = before.chains.keys().filter(|name| !self.chains.contains_key(*name)).collect();
        let changed: Vec<_> =
            self.chains.iter().filter(|(name, chain)| before.chains.get(*name) != Some(*chain)).collect();
        // All are emptied before any is filled or deleted, so that none is held by another.
        for name in changed.iter().map(|(name, _)| *name).chain(gone_chains.iter().copied()) {
            if before.chains.contains_key(name) {
                let _ = writeln!(text, "flush chain ip {table} {name}");
            }
        }
        for (name, chain) in changed {
            for rule in &chain.rules {
                let _ = writeln!(text, "add rule ip {table} {name} {rule}");
            }
        }
        let new = self.elements.iter().filter(|(key, verdict)| before.elements.get(*key) != Some(*verdict));
        let written = |((set, key), verdict): (&(&'static str, String), &String)| {
            (*set, if verdict.is_empty() { key.clone() } else { format!("{key} : {verdict}") })
        };
        elements(&mut text, "add", table, new.map(written));
        for name in gone_chains {
            let _ = writeln!(text, "delete chain ip {table} {name}");
        }
        for (name, (kind, _)) in before.sets.iter().filter(|(name, _)| !self.sets.contains_key(*name)) {
            let _ = writeln!(text, "delete {kind} ip {table} {name}");
        }
        text
    }
}

/// One command for each set.
fn elements(text: &mut String, verb: &str, table: &str, all: impl Iterator<Item = (&'static str, String)>) {
    let mut by_set: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (set, element) in all {
        by_set.entry(set).or_default().push(element);
    }
    for (set, elements) in by_set {
        let _ = writeln!(text, "{verb} element ip {table} {set} {{ {} }}", elements.join(", "));
    }
}
