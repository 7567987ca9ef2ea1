//! The twin of `node::network::PodNetwork`: addresses from the node's range, kept by the machine over the lives of its agent. No
//! byte ever passes between pods.
use node::network::address::Range;
use node::network::{Attached, Doing, PodNetwork};
use node::runtime::SandboxSpec;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cloning it clones the handle.
#[derive(Clone, Default)]
pub struct SimulatedPodNetwork(Arc<Mutex<Given>>);

#[derive(Default)]
struct Given {
    range: Option<Range>,
    addresses: BTreeMap<String, Ipv4Addr>,
    last: Option<Ipv4Addr>,
    /// No pod can be attached.
    broken: bool,
}

impl SimulatedPodNetwork {
    fn lock(&self) -> MutexGuard<'_, Given> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on no pod can be attached, or it can again.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// Another machine, which has given nothing yet.
    pub fn reinstall(&self) {
        let mut given = self.lock();
        *given = Given { broken: given.broken, ..Given::default() };
    }

    fn give(&self, id: &str) -> Result<Attached, String> {
        let mut given = self.lock();
        if given.broken {
            return Err("the bridge is gone".into());
        }
        let range = given.range.ok_or("the node has no podCIDR yet")?;
        let used = given.addresses.values().copied().collect();
        let known = given.addresses.get(id).copied();
        let ip = known.or_else(|| range.next(&used, given.last)).ok_or("no address is free")?;
        given.addresses.insert(id.to_owned(), ip);
        given.last = Some(ip);
        Ok(Attached { netns: id.into(), ips: vec![ip.to_string()] })
    }
}

impl PodNetwork for SimulatedPodNetwork {
    fn set_range(&self, cidr: &str) -> Result<(), String> {
        self.lock().range = Some(Range::parse(cidr)?);
        Ok(())
    }

    fn attach<'a>(&'a self, id: &'a str, _: &'a SandboxSpec) -> Doing<'a, Result<Attached, String>> {
        Box::pin(async move { self.give(id) })
    }

    fn detach<'a>(&'a self, id: &'a str) -> Doing<'a, ()> {
        Box::pin(async move { _ = self.lock().addresses.remove(id) })
    }

    fn purge(&self) -> Doing<'_, ()> {
        Box::pin(async move { self.reinstall() })
    }
}
