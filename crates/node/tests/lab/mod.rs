//! A node, its pods and a stranger, each a network namespace on a thread of its own, so that all of it falls with the test.
//! Nothing here touches the machine's own network.
mod place;

use node::network::PodNetwork;
use node::network::bridge::Bridge;
use node::runtime::SandboxSpec;
use node::service::Services as _;
use node::service::nftables::Nftables;
pub(crate) use place::has;
use place::{Place, able, must};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const NODE: &str = "192.0.2.1";
pub(crate) const STRANGER: &str = "192.0.2.2";
const RANGE: &str = "10.244.201.0/24";
const PATIENCE: Duration = Duration::from_millis(1500);

/// Who answered, and whom they saw asking.
pub(crate) type Answer = Result<(String, String), String>;

/// A thread that inherits the namespace of the one that starts it.
#[expect(clippy::disallowed_methods, reason = "a network namespace belongs to a thread")]
pub(crate) fn thread(body: impl FnOnce() + Send + 'static) {
    std::thread::spawn(body);
}

pub(crate) struct Lab {
    dir: tempfile::TempDir,
    network: Bridge,
    services: Nftables,
    node: Place,
    outside: Place,
    pods: Vec<(Place, String)>,
}

impl Lab {
    /// `None`, and a word why, where this machine cannot have one.
    pub(crate) fn open(pods: u8) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !able() {
            return None;
        }
        let number = format!("{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().expect("a directory");
        let (node, outside) = (Place::new(), Place::new());
        node.run(|| {
            must("ip link set lo up");
            must(&format!("ip link add out type veth peer name eth0 netns {}", outside.path()));
            must(&format!("ip address add {NODE}/24 dev out"));
            must("ip link set out up");
        });
        outside.run(|| {
            must("ip link set lo up");
            must(&format!("ip address add {STRANGER}/24 dev eth0"));
            must("ip link set eth0 up");
            // Addresses that the cluster has beside the node's own are found at the node.
            must(&format!("ip route add 192.0.2.64/26 via {NODE}"));
        });
        node.run(|| must(&format!("ip route add default via {STRANGER}")));
        let network = Bridge::new(dir.path(), &format!("exam{number}"), "exam");
        network.set_range(RANGE).expect("a range");
        let services = Nftables::new("exam", "here", Some(RANGE.into()));
        let mut lab = Self { dir, network, services, node, outside, pods: Vec::new() };
        lab.show_bridge("1");
        for index in 0..pods {
            lab.start(index);
        }
        Some(lab)
    }

    fn start(&mut self, index: u8) {
        let network = &self.network;
        let spec = SandboxSpec::default();
        let attached = self.node.run(|| wait(network.attach(&format!("pod-{index}"), &spec))).expect("a pod's network");
        // Into sysfs the network writes it too, but that shows the namespace of the machine only.
        self.node.run(|| {
            let links = Command::new("ip").args(["-o", "link", "show", "master", "exam"]).output().expect("runs");
            let links = String::from_utf8_lossy(&links.stdout).into_owned();
            for link in links.lines().filter_map(|line| line.split(['@', ' ']).nth(1)) {
                must(&format!("ip link set dev {link} type bridge_slave hairpin on"));
            }
        });
        let place = Place::of(File::open(attached.netns).expect("the pod's namespace"));
        place.run(move || listen(&format!("pod-{index}")));
        self.pods.push((place, attached.ips[0].clone()));
    }

    pub(crate) fn pod(&self, index: usize) -> String {
        self.pods[index].1.clone()
    }

    pub(crate) fn in_pod<T: Send>(&self, index: usize, body: impl FnOnce() -> T + Send) -> T {
        self.pods[index].0.run(body)
    }

    pub(crate) fn in_node<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        self.node.run(body)
    }

    pub(crate) fn outside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        self.outside.run(body)
    }

    pub(crate) fn apply(&self, services: &[Value], slices: &[Value]) {
        self.node.run(|| wait(self.services.apply(services, slices))).expect("applies");
    }

    pub(crate) fn remove(&self) {
        self.node.run(|| wait(self.services.remove())).expect("removes");
    }

    pub(crate) fn nft(&self, words: &[&str]) -> String {
        let output = self.node.run(|| Command::new("nft").args(words).output()).expect("nft runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn hide_bridge(&self) {
        self.show_bridge("0");
    }

    /// A switch of this namespace alone. A kernel without br_netfilter has none, and then it is hidden.
    fn show_bridge(&self, value: &str) {
        let path = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
        self.node.run(|| {
            if path.exists() {
                std::fs::write(path, value).expect("sets it")
            }
        });
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let network = &self.network;
        self.node.run(|| wait(network.purge()));
        assert!(!self.dir.path().join("network").exists() || std::thread::panicking());
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// Says who it is and whom it sees, over TCP at 8080 and UDP at 5353, as long as the process lives.
fn listen(name: &str) {
    let tcp = TcpListener::bind("0.0.0.0:8080").expect("a port");
    let udp = UdpSocket::bind("0.0.0.0:5353").expect("a port");
    let (first, second) = (name.to_owned(), name.to_owned());
    thread(move || {
        while let Ok((mut stream, peer)) = tcp.accept() {
            let _ = stream.write_all(format!("{first} {}", peer.ip()).as_bytes());
        }
    });
    thread(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = udp.recv_from(&mut buffer) {
            let _ = udp.send_to(format!("{second} {}", peer.ip()).as_bytes(), peer);
        }
    });
}

fn answer(text: &str) -> Answer {
    text.split_once(' ').map(|(name, peer)| (name.to_owned(), peer.to_owned())).ok_or_else(|| format!("said: {text}"))
}

fn words(why: &std::io::Error) -> String {
    match why.kind() {
        // Said to a program of the machine that refuses its own datagram.
        ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied => "refused".into(),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "silence".into(),
        _ => why.to_string(),
    }
}

pub(crate) fn ask_tcp(ip: &str, port: u16) -> Answer {
    let address = SocketAddr::new(ip.parse().expect("an address"), port);
    let mut text = String::new();
    let asked = TcpStream::connect_timeout(&address, PATIENCE).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.read_to_string(&mut text)
    });
    asked.map_err(|why| words(&why)).and_then(|_| answer(&text))
}

pub(crate) fn ask_udp(ip: &str, port: u16) -> Answer {
    again(&udp(ip, port))
}

pub(crate) fn udp(ip: &str, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((ip, port)).expect("an address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a wait");
    socket
}

/// Asks from a socket that may have asked before.
pub(crate) fn again(socket: &UdpSocket) -> Answer {
    let mut buffer = [0; 64];
    let asked = socket.send(b"who").and_then(|_| socket.recv(&mut buffer));
    asked.map_err(|why| words(&why)).and_then(|length| answer(&String::from_utf8_lossy(&buffer[..length])))
}

/// How often each answer came. All of them must come.
pub(crate) fn count<T: Ord, E: std::fmt::Debug>(times: usize, ask: impl Fn() -> Result<T, E>) -> BTreeMap<T, usize> {
    let mut found = BTreeMap::new();
    for _ in 0..times {
        *found.entry(ask().expect("an answer")).or_insert(0) += 1;
    }
    found
}

/// How often each one answered.
pub(crate) fn answers(times: usize, ask: impl Fn() -> Answer) -> BTreeMap<String, usize> {
    count(times, || ask().map(|answer| answer.0))
}
