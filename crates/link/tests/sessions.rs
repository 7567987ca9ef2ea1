//! Sessions on loopback, over QUIC and in memory: who may enter, what a call and a stream carry, what a bad peer can do.
use api::revision::Millis;
use link::authority::{Authority, Holder, Identity, Key, cluster_of};
use link::error::LinkError;
use link::limits::{FRAME_BYTES_MAX, IDLE_MAX, JOIN_FRAME_BYTES_MAX};
use link::peer::Peer;
use link::quic::Endpoint;
use link::session::Session;
use link::token::{Role, Token};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn now() -> Millis {
    Millis(rt::wall())
}

fn member(authority: &Authority, name: &str) -> Identity {
    authority.issue(&Holder::Member { name: name.into() }, now()).expect("a member's identity")
}

fn node(authority: &Authority, name: &str) -> Identity {
    authority.issue(&Holder::Node { name: name.into() }, now()).expect("a node's identity")
}

fn serve(identity: &Identity) -> (Endpoint, String) {
    let secret = Authority::found("c1", now()).expect("founds").reset_secret("m1");
    let endpoint = Endpoint::serve("127.0.0.1:0".parse().expect("an address"), identity, secret).expect("serves");
    let address = endpoint.local_address().expect("has an address").to_string();
    (endpoint, address)
}

/// What the serving side got, while the dialling side connected.
async fn meet(
    serving: &Endpoint,
    dialling: &Endpoint,
    address: &str,
) -> (Result<Session, LinkError>, Result<Session, LinkError>) {
    let serving = serving.clone();
    let accepted = rt::spawn("accept", async move { serving.accept().await.expect("open").session().await });
    let dialled = dialling.connect(address).await;
    (accepted.await.expect("no panic"), dialled)
}

/// Answers every call with `name: request`.
fn echo(session: Session, name: &'static str) {
    rt::spawn("echo", async move {
        while let Ok((mut sender, mut receiver)) = session.accept().await {
            if let Ok(Some(body)) = receiver.frame().await {
                let _ = sender.frame(&[name.as_bytes(), b": ", &body].concat()).await;
            }
        }
    });
}

async fn exam(held_by_node: Session, held_by_member: Session) {
    assert_eq!(held_by_member.peer(), &Peer::Node("n1".into()));
    assert_eq!(held_by_node.peer(), &Peer::Member("m1".into()));
    echo(held_by_member.clone(), "m1");
    echo(held_by_node.clone(), "n1");
    // Calls both ways, many at once, more than streams are allowed at a time.
    let calls = (0..100).map(|number: u32| {
        let (node, member) = (held_by_node.clone(), held_by_member.clone());
        rt::spawn("call", async move {
            let text = number.to_string();
            assert_eq!(node.call(text.as_bytes()).await.expect("answers"), format!("m1: {text}"));
            assert_eq!(member.call(text.as_bytes()).await.expect("answers"), format!("n1: {text}"));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic");
    }
    // A body far larger than the windows, and one that is too large.
    let long = vec![7; 5_000_000];
    assert_eq!(held_by_node.call(&long).await.expect("answers").len(), long.len() + 4);
    let refused = held_by_node.call(&vec![0; FRAME_BYTES_MAX + 1]).await;
    assert!(matches!(refused, Err(LinkError::Frame(_))), "{refused:?}");
    // The session lives on, until one side ends it with a reason.
    assert_eq!(held_by_node.call(b"still").await.expect("answers"), "m1: still");
    held_by_member.close("the member stops");
    assert_eq!(held_by_node.closed().await, LinkError::Closed("the member stops".into()));
    assert!(held_by_node.call(b"late").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_over_quic() {
    let authority = Authority::found("c1", now()).expect("founds");
    let (serving, address) = serve(&member(&authority, "m1"));
    let dialling = Endpoint::dial(&node(&authority, "n1")).expect("dials");
    let (accepted, dialled) = meet(&serving, &dialling, &address).await;
    exam(dialled.expect("connects"), accepted.expect("accepts")).await;
}

#[tokio::test]
async fn sessions_in_memory() {
    let (held_by_node, held_by_member) = link::memory::pair(Peer::Node("n1".into()), Peer::Member("m1".into()));
    exam(held_by_node, held_by_member).await;
}

#[tokio::test]
async fn a_stream_goes_on_raw_behind_its_frames() {
    let (left, right) = link::memory::pair(Peer::Node("n1".into()), Peer::Member("m1".into()));
    let (mut sender, _keep) = left.open().await.expect("opens");
    let (_, mut receiver) = right.accept().await.expect("accepts");
    sender.frame(b"head").await.expect("sends");
    sender.write_all(b"raw bytes").await.expect("sends");
    sender.finish().await.expect("ends");
    assert_eq!(receiver.frame().await.expect("reads").expect("a frame"), "head");
    let mut rest = String::new();
    receiver.read_to_string(&mut rest).await.expect("reads");
    assert_eq!(rest, "raw bytes");
}

#[tokio::test]
async fn a_cut_frame_is_an_error() {
    let (left, right) = link::memory::pair(Peer::Node("n1".into()), Peer::Member("m1".into()));
    let (mut sender, _keep) = left.open().await.expect("opens");
    let (_, mut receiver) = right.accept().await.expect("accepts");
    sender.write_all(&[0, 0, 0, 9, 1, 2]).await.expect("sends");
    sender.finish().await.expect("ends");
    assert!(matches!(receiver.frame().await, Err(LinkError::Frame(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_stays_outside() {
    let ours = Authority::found("c1", now()).expect("founds");
    let theirs = Authority::found("c2", now()).expect("founds");
    let (serving, address) = serve(&member(&ours, "m1"));
    // Their node does not take our member for one of theirs.
    let stranger = Endpoint::dial(&node(&theirs, "n1")).expect("dials");
    let (accepted, dialled) = meet(&serving, &stranger, &address).await;
    assert!(accepted.is_err());
    assert!(matches!(dialled, Err(LinkError::Stranger(_))), "{dialled:?}");
    // A node that pretends to trust us, with a certificate of theirs: our member refuses it.
    let liar = Identity { authority_pem: ours.certificate_pem().into(), ..node(&theirs, "n1") };
    let (accepted, _) = meet(&serving, &Endpoint::dial(&liar).expect("dials"), &address).await;
    assert!(matches!(accepted, Err(LinkError::Stranger(_))), "{accepted:?}");
    // A certificate of ours that is for people, not for link.
    let person = Holder::Client { user: "kubernetes-admin".into(), groups: vec!["system:masters".into()] };
    let person = ours.issue(&person, now()).expect("issues");
    let (accepted, _) = meet(&serving, &Endpoint::dial(&person).expect("dials"), &address).await;
    assert!(matches!(accepted, Err(LinkError::Stranger(_))), "{accepted:?}");
    // A node that serves in a member's place is not taken for one.
    let (pretender, address) = serve(&node(&ours, "n2"));
    let (_, dialled) = meet(&pretender, &Endpoint::dial(&node(&ours, "n1")).expect("dials"), &address).await;
    assert!(matches!(dialled, Err(LinkError::Stranger(_))), "{dialled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_stays_outside() {
    let authority = Authority::found("c1", now()).expect("founds");
    let (serving, address) = serve(&member(&authority, "m1"));
    let old = authority.issue(&Holder::Node { name: "n1".into() }, Millis(1_000)).expect("issues");
    let (accepted, _) = meet(&serving, &Endpoint::dial(&old).expect("dials"), &address).await;
    assert!(matches!(accepted, Err(LinkError::Stranger(_))), "{accepted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_pins_the_authority() {
    let authority = Authority::found("c1", now()).expect("founds");
    assert_eq!(cluster_of(authority.certificate_pem()), Ok("c1".to_owned()));
    let (serving, address) = serve(&member(&authority, "m1"));
    let token = Token::make(Role::Node, 1, 2, Millis(now().0 + 60_000), authority.pin().expect("a pin"));
    let (accepted, dialled) = meet(&serving, &Endpoint::join(token.pin).expect("dials"), &address).await;
    let (accepted, dialled) = (accepted.expect("accepts"), dialled.expect("connects"));
    assert_eq!((accepted.peer(), dialled.peer()), (&Peer::Nobody, &Peer::Member("m1".into())));
    echo(accepted.clone(), "m1");
    assert_eq!(dialled.call(b"join").await.expect("answers"), "m1: join");
    // A stranger may not send much.
    assert!(dialled.call(&vec![0; JOIN_FRAME_BYTES_MAX + 1]).await.is_err());
    // The key is made by who joins; only its public half is signed, and it opens the door.
    let key = Key::make().expect("makes");
    let certificate_pem = authority.sign(&Holder::Node { name: "n7".into() }, &key.public_pem, now()).expect("signs");
    let authority_pem = authority.certificate_pem().to_owned();
    let identity = Identity { authority_pem, certificate_pem, key_pem: key.private_pem };
    let (accepted, _) = meet(&serving, &Endpoint::dial(&identity).expect("dials"), &address).await;
    assert_eq!(accepted.expect("accepts").peer(), &Peer::Node("n7".into()));
    // Another pin: refused before anything is said.
    let (accepted, dialled) = meet(&serving, &Endpoint::join([9; 32]).expect("dials"), &address).await;
    assert!(accepted.is_err());
    assert!(matches!(dialled, Err(LinkError::Stranger(_))), "{dialled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_port_harms_nobody() {
    let authority = Authority::found("c1", now()).expect("founds");
    let (serving, address) = serve(&member(&authority, "m1"));
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("binds");
    for number in 0..200u8 {
        let packet: Vec<u8> = (0..1_200u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8 ^ number).collect();
        socket.send_to(&packet, &address).await.expect("sends");
    }
    let (accepted, dialled) = meet(&serving, &Endpoint::dial(&node(&authority, "n1")).expect("dials"), &address).await;
    assert!(accepted.is_ok() && dialled.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_peer_is_noticed() {
    let authority = Authority::found("c1", now()).expect("founds");
    let (serving, address) = serve(&member(&authority, "m1"));
    // The dialling side runs in a runtime of its own, which is then stopped as a dead machine is: without a word.
    let machine =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let identity = node(&authority, "n1");
    let dialled = machine.spawn(async move { Endpoint::dial(&identity).expect("dials").connect(&address).await });
    let accepted = serving.accept().await.expect("open").session().await.expect("accepts");
    let held = dialled.await.expect("no panic").expect("connects");
    // It lives while it is idle, for the dialling side keeps it alive.
    assert!(rt::timeout(IDLE_MAX + Duration::from_secs(1), accepted.closed()).await.is_none());
    machine.shutdown_background();
    let end = rt::timeout(IDLE_MAX + Duration::from_secs(2), accepted.closed()).await;
    assert!(matches!(end, Some(LinkError::Closed(_))), "{end:?}");
    drop(held);
}

/// A member that is killed and started again tells the others at once that their sessions with its former life are over.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_with_a_former_life_end_at_the_first_packet() {
    let authority = Authority::found("c1", now()).expect("founds");
    let identity = member(&authority, "m1");
    let first_life =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (own, secret) = (identity.clone(), authority.reset_secret("m1"));
    let started = first_life.spawn(async move {
        let serving = Endpoint::serve("127.0.0.1:0".parse().expect("an address"), &own, secret).expect("serves");
        let address = serving.local_address().expect("an address");
        let accepting = serving.clone();
        let accepted = rt::spawn("accept", async move { accepting.accept().await.expect("open").session().await });
        (serving, address, accepted)
    });
    let (serving, address, accepted) = started.await.expect("no panic");
    let dialling = Endpoint::dial(&node(&authority, "n1")).expect("dials");
    let session = dialling.connect(&address.to_string()).await.expect("connects");
    let held = accepted.await.expect("no panic").expect("accepts");
    // Dead without a word. Its socket is closed once nobody holds the endpoint.
    first_life.shutdown_background();
    drop((serving, held));
    let again = loop {
        match Endpoint::serve(address, &identity, secret) {
            Ok(again) => break again,
            Err(_) => rt::sleep(Duration::from_millis(10)).await,
        }
    };
    let began = rt::now();
    while rt::timeout(Duration::from_millis(50), session.closed()).await.is_none() {
        let _ = rt::timeout(Duration::from_millis(50), session.call(&[7; 1_000])).await;
        assert!(rt::now().since(began) < IDLE_MAX / 3, "the session outlives its peer");
    }
    drop(again);
}

#[tokio::test]
async fn nobody_there_and_no_such_address() {
    let authority = Authority::found("c1", now()).expect("founds");
    let dialling = Endpoint::dial(&node(&authority, "n1")).expect("dials");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
    let address = socket.local_addr().expect("an address");
    let nobody = dialling.connect(&address.to_string()).await;
    assert!(matches!(nobody, Err(LinkError::Unreachable { .. })), "{nobody:?}");
    assert!(matches!(dialling.connect("no-port").await, Err(LinkError::Address { .. })));
    let taken = Endpoint::serve(address, &member(&authority, "m1"), authority.reset_secret("m1"));
    assert!(matches!(taken, Err(LinkError::Taken { .. })));
}

#[test]
fn damaged_files_are_errors() {
    let (ours, theirs) =
        (Authority::found("c1", now()).expect("founds"), Authority::found("c2", now()).expect("founds"));
    assert!(Authority::open(ours.certificate_pem(), ours.key_pem()).is_ok());
    assert!(Authority::open(ours.certificate_pem(), theirs.key_pem()).is_err());
    assert!(Authority::open("", ours.key_pem()).is_err());
    assert!(Authority::open(&ours.certificate_pem()[..200], ours.key_pem()).is_err());
    assert!(ours.sign(&Holder::Node { name: "n1".into() }, "garbage", now()).is_err());
    assert!(ours.sign(&Holder::Node { name: "../n1".into() }, &Key::make().expect("a key").public_pem, now()).is_err());
    assert!(Endpoint::dial(&Identity { key_pem: String::new(), ..node(&ours, "n1") }).is_err());
}
