//! The pod network by a bridge: a namespace and a pair of links per pod, addresses from the node's range. What it gave is on the
//! disk, so a restarted agent takes it over. It knows nothing of services.
use super::address::Range;
use super::{Attached, Doing, PodNetwork, links, netns};
use crate::nft;
use crate::runtime::SandboxSpec;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

pub struct Bridge {
    dir: PathBuf,
    bridge: String,
    table: String,
    range: Mutex<Option<Range>>,
    /// Bridge and rules stand for this range. One attachment at a time.
    ready: tokio::sync::Mutex<Option<Range>>,
}

impl Bridge {
    /// The network whose allocations are kept below `dir`.
    #[must_use]
    pub fn new(dir: &Path, agent: &str, bridge: &str) -> Self {
        let dir = dir.join("network");
        Self {
            dir,
            bridge: bridge.into(),
            table: nft::table("rutter_pods", agent),
            range: Mutex::new(None),
            ready: tokio::sync::Mutex::new(None),
        }
    }

    fn range(&self) -> Result<Range, String> {
        let range = self.range.lock().map_err(|_| "the network's range is lost")?;
        range.ok_or_else(|| "the node has no podCIDR yet".to_owned())
    }

    async fn give(&self, id: &str, spec: &SandboxSpec) -> Result<Attached, String> {
        let range = self.range()?;
        let mut ready = self.ready.lock().await;
        if *ready != Some(range) {
            self.prepare(range).await?;
            *ready = Some(range);
        }
        let ip = self.allocate(id, range)?;
        let netns = self.dir.join("netns").join(id);
        netns::make(&netns).await?;
        let (host, inside) = names(id);
        links::join(&self.bridge, &host, &inside, &netns, ip, range).await?;
        if !spec.ports.is_empty() {
            nft::apply(&self.port_rules(id, ip, spec)).await?;
        }
        Ok(Attached { netns, ips: vec![ip.to_string()] })
    }

    async fn take(&self, id: &str) {
        let netns = self.dir.join("netns").join(id);
        let given = self.allocation(id);
        if !netns.exists() && given.is_none() {
            return;
        }
        // The link falls with its namespace; taking it by name first gives the address back at once.
        if let Err(why) = links::remove(&names(id).0).await {
            tracing::debug!(id, why, "removing a pod's link");
        }
        netns::remove(&netns);
        if given.is_some_and(|(_, ports)| ports) {
            let name = mark(id);
            let drop = format!(
                "add table ip {0}\nadd chain ip {0} port_{name}\ndelete chain ip {0} port_{name}\n",
                self.table
            );
            if let Err(why) = nft::apply(&drop).await {
                tracing::debug!(id, why, "removing a pod's host ports");
            }
        }
        if let Some((path, _)) = self.allocation(id) {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Links, namespaces, bridge, rules.
    async fn clear(&self) {
        let entries = std::fs::read_dir(self.dir.join("netns")).into_iter().flatten().flatten();
        for id in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            self.take(&id).await;
        }
        let _ = links::remove(&self.bridge).await;
        let _ = nft::apply(&format!("add table ip {0}\ndelete table ip {0}\n", self.table)).await;
        let _ = std::fs::remove_dir_all(&self.dir);
    }

    async fn prepare(&self, range: Range) -> Result<(), String> {
        for part in ["netns", "addresses"] {
            std::fs::create_dir_all(self.dir.join(part))
                .map_err(|why| format!("making the network's directory: {why}"))?;
        }
        links::bridge(&self.bridge, range).await?;
        if let Err(why) = std::fs::write("/proc/sys/net/ipv4/ip_forward", "1") {
            tracing::warn!(%why, "ip_forward cannot be set: pods reach nothing beyond this machine");
        }
        let (table, bridge) = (&self.table, &self.bridge);
        // Members may serve the API on this machine's loopback: pods are led there by the Service `kubernetes`, and nowhere else of it.
        if let Err(why) = std::fs::write(format!("/proc/sys/net/ipv4/conf/{bridge}/route_localnet"), "1") {
            tracing::warn!(%why, "route_localnet cannot be set: pods do not reach an API that is served on loopback");
        }
        nft::apply(&format!(
            "add table ip {table}\nadd chain ip {table} post {{ type nat hook postrouting priority srcnat; }}\nflush chain ip {table} post\n\
             add rule ip {table} post ip saddr {range} oifname != \"{bridge}\" ip daddr != {range} masquerade\n\
             add chain ip {table} guard {{ type filter hook input priority filter; }}\nflush chain ip {table} guard\n\
             add rule ip {table} guard iifname \"{bridge}\" ip daddr 127.0.0.0/8 ct status dnat accept\n\
             add rule ip {table} guard iifname \"{bridge}\" ip daddr 127.0.0.0/8 drop\n"
        ))
        .await
    }

    /// Host ports of one pod: a chain of its own on the way in.
    fn port_rules(&self, id: &str, ip: Ipv4Addr, spec: &SandboxSpec) -> String {
        use std::fmt::Write as _;
        let (table, name) = (&self.table, mark(id));
        let mut text = format!("add table ip {table}\n");
        let chain = format!("port_{name}");
        let _ = writeln!(text, "add chain ip {table} {chain} {{ type nat hook prerouting priority dstnat; }}");
        for port in &spec.ports {
            let protocol = if port.protocol == "udp" { "udp" } else { "tcp" };
            let _ = writeln!(
                text,
                "add rule ip {table} {chain} fib daddr type local {protocol} dport {} dnat to {ip}:{}",
                port.host, port.container
            );
        }
        text
    }

    fn allocation(&self, id: &str) -> Option<(PathBuf, bool)> {
        let entries = std::fs::read_dir(self.dir.join("addresses")).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .find(|path| std::fs::read_to_string(path).is_ok_and(|owner| owner == id))
            .map(|path| (path, true))
    }

    fn allocate(&self, id: &str, range: Range) -> Result<Ipv4Addr, String> {
        let dir = self.dir.join("addresses");
        if let Some((path, _)) = self.allocation(id)
            && let Some(ip) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok())
        {
            return Ok(ip);
        }
        let entries = std::fs::read_dir(&dir).map_err(|why| format!("reading allocations: {why}"))?.flatten();
        let used = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let last = std::fs::read_to_string(self.dir.join("last")).ok().and_then(|text| text.parse().ok());
        let ip = range.next(&used, last).ok_or_else(|| format!("no address of {range} is free"))?;
        std::fs::write(dir.join(ip.to_string()), id)
            .and_then(|()| std::fs::write(self.dir.join("last"), ip.to_string()))
            .map_err(|why| format!("keeping an allocation: {why}"))?;
        Ok(ip)
    }
}

impl PodNetwork for Bridge {
    fn set_range(&self, cidr: &str) -> Result<(), String> {
        let range = Range::parse(cidr)?;
        *self.range.lock().map_err(|_| "the network's range is lost")? = Some(range);
        Ok(())
    }

    fn attach<'a>(&'a self, id: &'a str, spec: &'a SandboxSpec) -> Doing<'a, Result<Attached, String>> {
        Box::pin(self.give(id, spec))
    }

    fn detach<'a>(&'a self, id: &'a str) -> Doing<'a, ()> {
        Box::pin(self.take(id))
    }

    fn purge(&self) -> Doing<'_, ()> {
        Box::pin(self.clear())
    }
}

/// Ten digits of a digest: names of links have at most fifteen letters.
fn mark(id: &str) -> String {
    crate::image::digest_of(id.as_bytes())["sha256:".len()..][..10].to_owned()
}

/// The link's ends: on the machine, and inside until it is named `eth0`.
fn names(id: &str) -> (String, String) {
    let mark = mark(id);
    (format!("ru{mark}"), format!("rp{mark}"))
}
