//! Sessions over a network that loses, cuts and falls silent, and processes that die.
use super::*;
use crate::network::Network;
use crate::world::{Order, Step, World};
use link::limits::IDLE_MAX;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

const SERVER: Node = Node(1);
const DIALLER: Node = Node(2);

struct Site {
    world: World,
    addresses: Addresses,
    said: Arc<Mutex<Vec<String>>>,
}

fn site(seed: u64) -> Site {
    let world = World::new(seed, Order::Random);
    let network = Network::new(&world, 1_000_000);
    Site { addresses: Addresses::new(&world, &network), world, said: Arc::default() }
}

impl Site {
    fn say(&self) -> impl Fn(String) + Clone + Send + 'static {
        let said = self.said.clone();
        move |text| said.lock().expect("one thread").push(text)
    }

    /// A server that gives back what it is sent.
    fn serve(&self) {
        let addresses = self.addresses.clone();
        self.world.spawn_on(SERVER, "server", async move {
            let endpoint = Endpoint::new(&addresses, SERVER, Peer::Member("m1".into()), Some("m1:1"));
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
    for seed in 0..20 {
        let site = site(seed);
        site.addresses.network.set_loss(200);
        site.serve();
        let (addresses, say) = (site.addresses.clone(), site.say());
        site.world.spawn_on(DIALLER, "dialler", async move {
            let endpoint = Endpoint::new(&addresses, DIALLER, Peer::Node("n1".into()), None);
            let session = endpoint.connect("m1:1").await.expect("connects");
            say(format!("{}", session.peer()));
            // More than the window, so that the writer waits for the reader.
            let bytes: Vec<u8> = (0..400_000_u32).map(|number| number as u8).collect();
            say(format!("{:?}", echo(&session, &bytes).await));
        });
        site.run(60);
        assert_eq!(site.said(), ["member m1", "Ok(400004)"], "seed {seed}");
    }
}

#[test]
fn silence_ends_a_session_on_both_sides_and_a_new_life_ends_the_old_one() {
    let site = site(1);
    site.serve();
    let (addresses, say, world) = (site.addresses.clone(), site.say(), site.world.clone());
    site.world.spawn_on(DIALLER, "dialler", async move {
        let endpoint = Endpoint::new(&addresses, DIALLER, Peer::Member("m2".into()), None);
        let session = endpoint.connect("m1:1").await.expect("connects");
        // The other side has to hear of it first.
        rt::sleep(Duration::from_millis(100)).await;
        addresses.network.cut(DIALLER, SERVER);
        let began = rt::now();
        say(format!("{}", session.closed().await));
        assert!(rt::now().since(began) <= IDLE_MAX * 2);
        addresses.network.heal();
        let session = endpoint.connect("m1:1").await.expect("connects again");
        world.kill(SERVER);
        let process = endpoint.connect("m1:1");
        say(format!("{}", process.await.expect_err("nobody is there")));
        say(format!("{}", session.closed().await));
    });
    site.run(60);
    let said = site.said();
    assert!(said[0].contains("nothing was heard for 7 seconds"), "{said:?}");
    assert!(said[1].contains("no answer in 5 seconds"), "{said:?}");
    assert!(said[2].contains("nothing was heard"), "{said:?}");
}

#[test]
fn a_process_that_was_started_again_ends_the_sessions_of_its_former_life() {
    let site = site(2);
    site.serve();
    let (addresses, say) = (site.addresses.clone(), site.say());
    site.world.spawn_on(DIALLER, "dialler", async move {
        let endpoint = Endpoint::new(&addresses, DIALLER, Peer::Member("m2".into()), None);
        let session = endpoint.connect("m1:1").await.expect("connects");
        say("connected".into());
        say(format!("{}", session.closed().await));
    });
    site.run(3);
    assert_eq!(site.said(), ["connected"]);
    site.world.enter(|| site.world.kill(SERVER));
    site.serve();
    site.run(9);
    assert!(site.said()[1].contains("reset by peer"), "{:?}", site.said());
}
