//! The exam of all that stands for sessions in a simulation: over a network that loses, cuts and falls silent, and processes that die.
use super::*;
use crate::network::Network;
use crate::quic::{Identities, Quic, Sockets};
use crate::whole::authority::{CERTIFICATE, KEY};
use crate::world::{Order, Step, World};
use link::authority::Authority;
use link::limits::IDLE_MAX;
use link::sessions::Sessions;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

const SERVER: Node = Node(1);
const DIALLER: Node = Node(2);
const AT: &str = "10.0.0.1:7443";

/// What stands for sessions.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Twin,
    Quic,
}

const KINDS: [Kind; 2] = [Kind::Twin, Kind::Quic];

#[derive(Clone)]
struct Site {
    world: World,
    addresses: Addresses,
    quic: Arc<Quic>,
    kind: Kind,
    said: Arc<Mutex<Vec<String>>>,
}

fn site(kind: Kind, seed: u64) -> Site {
    let world = World::new(seed, Order::Random);
    let network = Network::new(&world, 1_000_000);
    let authority = Arc::new(Authority::open(CERTIFICATE, KEY).expect("the fixed authority can be read"));
    let quic = Quic { sockets: Sockets::new(&world, &network), identities: Identities::new(&authority) };
    Site { addresses: Addresses::new(&world, &network), world, quic: Arc::new(quic), kind, said: Arc::default() }
}

impl Site {
    fn say(&self, text: impl std::fmt::Display) {
        self.said.lock().expect("one thread").push(text.to_string());
    }

    fn endpoint(&self, node: Node, peer: Peer, address: &str) -> Arc<dyn Sessions> {
        let serves = (node == SERVER).then_some(address);
        match self.kind {
            Kind::Twin => Arc::new(Endpoint::new(&self.addresses, node, peer, serves)),
            Kind::Quic => {
                let address = address.parse().expect("an address");
                Arc::new(self.quic.endpoint(node, &peer, address).expect("an endpoint"))
            }
        }
    }

    fn dialler(&self, peer: Peer) -> Arc<dyn Sessions> {
        self.endpoint(DIALLER, peer, "10.0.0.2:7443")
    }

    /// A server that gives back what it is sent.
    fn serve(&self) {
        let site = self.clone();
        self.world.spawn_on(SERVER, "server", async move {
            let endpoint = site.endpoint(SERVER, Peer::Member("m1".into()), AT);
            while let Some(knock) = endpoint.accept().await {
                rt::spawn("session", async move {
                    let Ok(session) = knock.await else { return };
                    while let Ok((mut sender, mut receiver)) = session.accept().await {
                        rt::spawn("echo", async move {
                            let mut bytes = Vec::new();
                            if receiver.read_to_end(&mut bytes).await.is_ok() && sender.frame(&bytes).await.is_ok() {
                                let _ = sender.finish().await;
                            }
                        });
                    }
                });
            }
        });
    }

    fn run(&self, seconds: u64) {
        let last = self.world.run(seconds * 1_000_000_000, |_| false);
        assert!(!matches!(last, Step::Livelock(_)), "{last:?}");
        assert!(self.world.panics().is_empty(), "{:?}", self.world.panics());
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().expect("one thread").clone()
    }
}

async fn echo(session: &Session, bytes: &[u8]) -> Result<usize, LinkError> {
    let (mut sender, mut receiver) = session.open().await?;
    sender.frame(bytes).await?;
    sender.finish().await?;
    Ok(receiver.frame().await?.map_or(0, |back| back.len()))
}

#[test]
fn bytes_arrive_whole_and_in_order_whatever_is_lost() {
    for (kind, seed) in KINDS.into_iter().flat_map(|kind| (0..20).map(move |seed| (kind, seed))) {
        let site = site(kind, seed);
        // QUIC has five seconds for a handshake of several datagrams.
        site.addresses.network.set_loss(if matches!(kind, Kind::Twin) { 200 } else { 60 });
        site.serve();
        let inside = site.clone();
        site.world.spawn_on(DIALLER, "dialler", async move {
            let endpoint = inside.dialler(Peer::Node("n1".into()));
            let session = endpoint.connect(AT).await.expect("connects");
            inside.say(session.peer());
            // More than the window, so that the writer waits for the reader.
            let bytes: Vec<u8> = (0..400_000_u32).map(|number| number as u8).collect();
            inside.say(format!("{:?}", echo(&session, &bytes).await));
        });
        site.run(60);
        assert_eq!(site.said(), ["member m1", "Ok(400004)"], "{kind:?}, seed {seed}");
    }
}

#[test]
fn silence_ends_a_session_on_both_sides_and_a_new_life_ends_the_old_one() {
    for kind in KINDS {
        let site = site(kind, 1);
        site.serve();
        let inside = site.clone();
        site.world.spawn_on(DIALLER, "dialler", async move {
            let endpoint = inside.dialler(Peer::Member("m2".into()));
            let session = endpoint.connect(AT).await.expect("connects");
            // The other side has to hear of it first.
            rt::sleep(Duration::from_millis(100)).await;
            inside.addresses.network.cut(DIALLER, SERVER);
            let began = rt::now();
            inside.say(session.closed().await);
            // QUIC counts from what came last, and the server, which hears nothing, still sends for an idle time.
            assert!(rt::now().since(began) <= IDLE_MAX * 3);
            inside.addresses.network.heal();
            let session = endpoint.connect(AT).await.expect("connects again");
            inside.world.kill(SERVER);
            inside.say(endpoint.connect(AT).await.expect_err("nobody is there"));
            inside.say(session.closed().await);
        });
        site.run(60);
        let said = site.said();
        assert!(said[0].contains("nothing was heard for 7 seconds"), "{said:?}");
        assert!(said[1].contains("no answer in 5 seconds"), "{said:?}");
        assert!(said[2].contains("nothing was heard"), "{said:?}");
    }
}

#[test]
fn a_process_that_was_started_again_ends_the_sessions_of_its_former_life() {
    for kind in KINDS {
        let site = site(kind, 2);
        site.serve();
        let inside = site.clone();
        site.world.spawn_on(DIALLER, "dialler", async move {
            let endpoint = inside.dialler(Peer::Member("m2".into()));
            let session = endpoint.connect(AT).await.expect("connects");
            inside.say("connected");
            inside.say(session.closed().await);
        });
        site.run(3);
        assert_eq!(site.said(), ["connected"]);
        site.world.enter(|| site.world.kill(SERVER));
        site.serve();
        site.run(9);
        assert!(site.said()[1].contains("reset by peer"), "{:?}", site.said());
    }
}

#[test]
fn quic_sends_the_same_bytes_at_every_run() {
    let digest = || {
        let site = site(Kind::Quic, 3);
        site.addresses.network.set_loss(50);
        site.serve();
        let inside = site.clone();
        site.world.spawn_on(DIALLER, "dialler", async move {
            let endpoint = inside.dialler(Peer::Node("n1".into()));
            let session = endpoint.connect(AT).await.expect("connects");
            inside.say(format!("{:?}", echo(&session, &[7; 100_000]).await));
        });
        site.run(20);
        assert_eq!(site.said(), ["Ok(100004)"]);
        site.world.with_trace(|trace| (trace.digest(), trace.count()))
    };
    assert_eq!(digest(), digest());
}

#[test]
fn a_session_of_quic_goes_on_when_its_dialler_gets_another_address() {
    let site = site(Kind::Quic, 4);
    site.serve();
    let inside = site.clone();
    site.world.spawn_on(DIALLER, "dialler", async move {
        let endpoint = inside.dialler(Peer::Node("n1".into()));
        let session = endpoint.connect(AT).await.expect("connects");
        inside.say(format!("{:?}", echo(&session, &[7; 100]).await));
        inside.quic.sockets.migrate(DIALLER);
        inside.say(format!("{:?}", echo(&session, &[7; 300_000]).await));
    });
    site.run(30);
    assert_eq!(site.said(), ["Ok(104)", "Ok(300004)"]);
}
