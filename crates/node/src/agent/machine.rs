//! Facts of a machine: cores, memory, kernel, addresses, resolver. It reads and never changes anything.
use crate::runtime::Dns;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub cores: u64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub kernel: String,
    pub system: String,
    pub machine_id: String,
    pub boot_id: String,
    /// The address by which others reach it.
    pub ip: String,
    pub resolver: Dns,
}

impl Machine {
    /// `towards`: an address of a member; ours is the one from which it is reached. `dir`: where pods' things are kept.
    #[must_use]
    pub fn look(towards: Option<SocketAddr>, dir: &std::path::Path) -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let release = text("/etc/os-release");
        let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
        Self {
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
            memory_bytes: memory(&text("/proc/meminfo")),
            disk_bytes: nix::sys::statvfs::statvfs(dir).map_or(0, |disk| disk.blocks() * disk.fragment_size()),
            kernel: text("/proc/sys/kernel/osrelease"),
            system: pretty.trim_matches('"').to_owned(),
            machine_id: text("/etc/machine-id"),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            ip: address(towards).to_string(),
            resolver: resolver(&text("/etc/resolv.conf")),
        }
    }
}

fn memory(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// Where the kernel would send from; on a machine of its own, an address that pods can reach too.
fn address(towards: Option<SocketAddr>) -> IpAddr {
    let from = |to: SocketAddr| {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let found = towards.and_then(from).filter(|ip| !ip.is_loopback());
    found.or_else(interface).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The first address of an interface that is not the loopback and not one of ours.
fn interface() -> Option<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().ok()?;
    let ours = |name: &str| name.starts_with("ru") || name.starts_with("br-") || name.starts_with("docker");
    all.filter(|one| !ours(&one.interface_name))
        .filter_map(|one| Some(one.address?.as_sockaddr_in()?.ip()))
        .find(|ip| !ip.is_loopback() && !ip.is_link_local())
        .map(IpAddr::V4)
}

fn resolver(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let into = match words.next() {
            Some("nameserver") => &mut dns.servers,
            Some("search") => &mut dns.searches,
            Some("options") => &mut dns.options,
            _ => continue,
        };
        into.extend(words.map(str::to_owned));
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_machine_are_read() {
        assert_eq!(memory("MemTotal:       1024 kB\nMemFree: 1 kB"), 1 << 20);
        let dns = resolver("# x\nnameserver 10.0.0.1\nsearch a.b c\noptions ndots:5 edns0\n");
        assert_eq!((dns.servers.len(), dns.searches.len(), dns.options.len()), (1, 2, 2));
        assert_eq!(memory("nothing"), 0);
    }
}
