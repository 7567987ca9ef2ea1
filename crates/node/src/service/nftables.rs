//! Services by nftables: keeps what was written last and hands the step to the next to `nft`, in one transaction. It must
//! never write twice what already stands, nor leave the rules between two states.
pub mod render;
pub mod ruleset;

use super::table::{Server, servers};
use super::{Done, Services, flows};
use crate::network::address::Range;
use crate::nft;
use render::{Place, render};
use ruleset::Ruleset;
use serde_json::Value;
use std::sync::Mutex;

/// Whether packets that stay on one bridge pass the rules: a switch of each network namespace, from the module br_netfilter.
const BRIDGE_IS_SEEN: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

pub struct Nftables {
    table: String,
    node: String,
    pod_range: Mutex<Option<String>>,
    /// One transaction at a time.
    written: tokio::sync::Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// What stands in the kernel, as far as we know; `None`: anything.
    ruleset: Option<Ruleset>,
    servers: Vec<Server>,
}

impl Nftables {
    /// The services of one agent: `node` is its node's name, `pod_range` the node's `spec.podCIDR` if it is known.
    #[must_use]
    pub fn new(agent: &str, node: &str, pod_range: Option<String>) -> Self {
        let new = Self {
            table: nft::table("rutter_services", agent),
            node: node.to_owned(),
            pod_range: Mutex::new(None),
            written: tokio::sync::Mutex::default(),
        };
        if let Some(cidr) = pod_range {
            new.set_pod_range(&cidr);
        }
        new
    }

    /// The node's `spec.podCIDR`, from the next `apply` on. One that is no range is left out.
    pub fn set_pod_range(&self, cidr: &str) {
        match (Range::parse(cidr), self.pod_range.lock()) {
            (Ok(range), Ok(mut place)) => *place = Some(range.to_string()),
            (Err(why), _) => tracing::warn!(cidr, why, "services do not know the pods' range"),
            (_, Err(_)) => {}
        }
    }

    fn place(&self) -> Result<Place, String> {
        let pod_range = self.pod_range.lock().map_err(|_| "the services' pod range is lost")?.clone();
        let seen = std::fs::read_to_string(BRIDGE_IS_SEEN).is_ok_and(|text| text.trim() == "1");
        Ok(Place { pod_range, bridge_is_seen: seen })
    }

    async fn write(&self, services: &[Value], slices: &[Value]) -> Result<(), String> {
        let servers = servers(services, slices, &self.node);
        let ruleset = render(&servers, &self.place()?);
        let mut written = self.written.lock().await;
        if written.ruleset.as_ref() == Some(&ruleset) {
            return Ok(());
        }
        // Taken out: if this is given up half-way, nobody knows what stands.
        match written.ruleset.take() {
            Some(before) => {
                if let Err(why) = nft::apply(&ruleset.step(&before, &self.table)).await {
                    tracing::warn!(why, "the rules of services are not what was written: writing them anew");
                    nft::apply(&ruleset.whole(&self.table)).await?;
                }
            }
            None => nft::apply(&ruleset.whole(&self.table)).await?,
        }
        let stale = flows::stale(&written.servers, &servers);
        *written = Written { ruleset: Some(ruleset), servers };
        flows::cut(stale).await;
        Ok(())
    }

    async fn clear(&self) -> Result<(), String> {
        let mut written = self.written.lock().await;
        *written = Written::default();
        nft::apply(&format!("add table ip {0}\ndelete table ip {0}\n", self.table)).await
    }
}

impl Services for Nftables {
    fn apply<'a>(&'a self, services: &'a [Value], slices: &'a [Value]) -> Done<'a> {
        Box::pin(self.write(services, slices))
    }

    fn remove<'a>(&'a self) -> Done<'a> {
        Box::pin(self.clear())
    }

    fn set_pod_range(&self, cidr: &str) {
        Self::set_pod_range(self, cidr);
    }

    fn name(&self) -> &'static str {
        "nftables"
    }
}
