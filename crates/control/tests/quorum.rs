//! Three whole members in one process on loopback: found, join, agree, serve a node through any of them, lose the leader, go on.
use apiserver::operator::{Answer, Operation, Operator as _};
use control::config::{Begin, Config};
use control::error::ControlError;
use control::member::{Running, start};
use futures::StreamExt;
use link::quic::Endpoint;
use link::token::{Role, Token};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

fn config(name: &str, dir: &Path, begin: Begin) -> Config {
    Config {
        name: name.into(),
        dir: dir.join(name),
        api: "127.0.0.1:0".parse().expect("an address"),
        link: "127.0.0.1:0".parse().expect("an address"),
        advertise_api: None,
        advertise_link: None,
        keep: control::config::Keep::default(),
        audit: None,
        issuers: None,
        webhook: None,
        begin,
    }
}

async fn ask(running: &Running, verb: &str, change: bool, body: Value) -> Value {
    let operation = Operation { actor: "somebody".into(), verb: verb.into(), change, body, ..Operation::default() };
    match running.operator().call(operation).await {
        Ok(Answer::Value(value)) => value,
        Ok(Answer::Lines(_)) => panic!("lines"),
        Err(status) => panic!("{status}"),
    }
}

async fn token(running: &Running, role: &str) -> String {
    ask(running, "token", true, json!({"role": role})).await["token"].as_str().expect("a token").to_owned()
}

async fn join(name: &str, dir: &Path, at: &Running) -> Running {
    let begin = Begin::Join { addresses: vec![at.link().to_string()], token: token(at, "member").await };
    start(&config(name, dir, begin)).await.expect("joins")
}

async fn within<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = rt::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(rt::now().since(began) < Duration::from_secs(20), "not in time: {what}");
        rt::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_members_from_nothing_and_without_their_leader() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(&config("m1", dir.path(), Begin::Found)).await.expect("founds");
    within("the first leads", async || first.member().leading()).await;
    let second = join("m2", dir.path(), &first).await;
    // The third joins through a member that does not lead.
    let third = join("m3", dir.path(), &second).await;
    let status = within("all are well", async || {
        let status = ask(&third, "status", false, Value::Null).await;
        let members = status["members"].as_array().expect("members").clone();
        let well = |member: &Value| member["health"] == "well" && member["voter"] == true;
        (members.len() == 3 && members.iter().all(well)).then_some(status)
    })
    .await;
    assert_eq!((&status["leader"], &status["asked"]), (&json!("m1"), &json!("m3")));
    within("what every cluster has", async || third.member().view().get("namespaces", "", "kube-system").cloned())
        .await;
    within("each namespace has an account and the authority, and the API has addresses", async || {
        let view = third.member().view();
        let there = |resource: &str, namespace: &str, name: &str| view.get(resource, namespace, name).cloned();
        let root = there("configmaps", "kube-public", "kube-root-ca.crt")?.value();
        there("serviceaccounts", "kube-public", "default")?;
        let pem = root["data"]["ca.crt"].as_str().filter(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----"))?;
        assert_eq!(there("configmaps", "kube-system", "cluster-ca")?.value()["data"]["ca.crt"], pem);
        there("ipaddresses.networking.k8s.io", "", "10.96.0.1")?;
        let service = there("services", "default", "kubernetes")?.value();
        assert_eq!(service["spec"]["ports"][0]["targetPort"], first.api().port());
        let slice = there("endpointslices.discovery.k8s.io", "default", "kubernetes")?.value();
        (slice["ports"][0]["port"] == first.api().port()).then_some(())
    })
    .await;
    // One that is asked for a name that is taken says so in one line.
    let begin = Begin::Join { addresses: vec![second.link().to_string()], token: token(&first, "member").await };
    let taken = start(&Config { dir: dir.path().join("other"), ..config("m3", dir.path(), begin) }).await;
    let taken = taken.map(|_| ()).expect_err("the name is taken").to_string();
    assert_eq!(
        taken,
        "this cluster has a member m3: `rutter member replace m3` puts a new one in its place, or choose another name"
    );
    // Without the leader the others agree on another and go on.
    first.stop().await;
    within("another leads", async || second.member().leading().or(third.member().leading())).await;
    let made = token(&second, "node").await;
    let joined =
        link::join::join(&[third.link().to_string()], &Token::parse(&made).expect("reads"), Role::Node, "n1").await;
    let identity = joined.expect("a node joins through any member").identity;
    let session = Endpoint::dial(&identity).expect("dials").connect(&second.link().to_string()).await;
    assert!(session.is_ok());
    second.stop().await;
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_join_at_once_all_come_in() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(&config("m1", dir.path(), Begin::Found)).await.expect("founds");
    within("the first leads", async || first.member().leading()).await;
    let token = token(&first, "member").await;
    let joins = ["m2", "m3", "m4"].map(|name| config(name, dir.path(), with_at(&first, &token)));
    let joined = futures::future::join_all(joins.iter().map(start)).await;
    let mut running = Vec::new();
    for (join, joined) in joins.iter().zip(joined) {
        running.push(match joined {
            Ok(member) => member,
            // Another got the id that was meant for it: the same command again.
            Err(ControlError::NoPlace(why)) => {
                println!("{}: {why}", join.name);
                start(join).await.expect("it has a place now")
            }
            Err(why) => panic!("{why}"),
        });
    }
    let members = first.member().members();
    let voters = members.iter().filter(|standing| standing.voter).map(|standing| standing.info.name.as_str());
    let mut names: Vec<&str> = voters.collect();
    names.sort_unstable();
    assert_eq!(names, ["m1", "m2", "m3", "m4"]);
    for member in running.into_iter().chain([first]) {
        member.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_replaced_by_one_of_its_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(&config("m1", dir.path(), Begin::Found)).await.expect("founds");
    within("the first leads", async || first.member().leading()).await;
    let second = join("m2", dir.path(), &first).await;
    let third = join("m3", dir.path(), &first).await;
    let asked = async |force: bool, name: &str| {
        let body = json!({"name": name, "force": force});
        let (actor, verb) = ("somebody".into(), "member/replace".into());
        let operation = Operation { actor, verb, change: true, body, ..Operation::default() };
        match second.operator().call(operation).await {
            Ok(Answer::Value(value)) => Ok(value["token"].as_str().expect("a token").to_owned()),
            Ok(Answer::Lines(_)) => panic!("lines"),
            Err(status) => Err(status.message.clone()),
        }
    };
    assert!(asked(true, "m7").await.expect_err("unknown").contains("m1, m2, m3"));
    assert!(asked(false, "m3").await.expect_err("alive").contains("--force"));
    let place = asked(true, "m3").await.expect("a token");
    let with = |token: &str| Begin::Join { addresses: vec![second.link().to_string()], token: token.to_owned() };
    let other = start(&config("m4", dir.path(), with(&place))).await.map(|_| ()).expect_err("of another name");
    assert!(other.to_string().contains("for a new member m3, not for m4"), "{other}");
    let fresh = Config { dir: dir.path().join("fresh"), ..config("m3", dir.path(), with(&place)) };
    let new = start(&fresh).await.expect("takes the place");
    assert_eq!(new.member().id(), 4);
    assert_eq!(second.member().members().len(), 3, "the old one went as the new one came");
    // The old one is told, and its directory is of no more use; what it holds it does not serve.
    let why = within("the old one ends", async || rt::timeout(Duration::from_secs(1), third.failed()).await).await;
    assert!(matches!(&why, ControlError::Removed { name, .. } if name == "m3"), "{why}");
    let service = apiserver::server::ApiServer::new(apiserver::room::Parts::new(third.member().clone()));
    let request = apiserver::request::Request {
        method: Default::default(),
        uri: "/api/v1/namespaces?resourceVersion=0".parse().expect("a path"),
        headers: Default::default(),
        body: Default::default(),
        user: Some(apiserver::identity::User::new("admin", &["system:masters"])),
        from: None,
    };
    assert_eq!(service.handle(request).await.code, 503, "not even what need not be new");
    third.stop().await;
    let again = start(&config("m3", dir.path(), Begin::Resume)).await.map(|_| ()).expect_err("it was removed");
    assert!(again.to_string().starts_with("member m3 was removed from cluster rutter-"), "{again}");
    the_log_names_members_and_who_changed_them(&second).await;
    // The token has done its work.
    let late = Config { dir: dir.path().join("late"), ..config("m3", dir.path(), with(&place)) };
    let late = start(&late).await.map(|_| ()).expect_err("the place is taken").to_string();
    assert!(late.contains("replaced or removed"), "{late}");
    // Who comes back elsewhere would not be found, and is told where it is looked for.
    second.stop().await;
    // The log's own thread gives the directory back a moment after the member has stopped.
    within("it is told where it is looked for", async || {
        let why = start(&config("m2", dir.path(), Begin::Resume)).await.map(|_| ()).expect_err("it has moved");
        matches!(&why, ControlError::Moved { .. }).then_some(())
    })
    .await;
    // A directory belongs to its member and its cluster: it neither founds nor joins another.
    let told = async |begin| start(&config("m2", dir.path(), begin)).await.map(|_| ()).expect_err("no").to_string();
    assert!(told(Begin::Found).await.contains("which joined cluster rutter-"));
    let elsewhere = Token::make(Role::Member, 1, 2, api::revision::Millis(rt::wall() + 1_000), [3; 32]).to_string();
    assert!(told(with_at(&first, &elsewhere)).await.contains("the token is of another cluster"));
    first.stop().await;
    new.stop().await;
}

async fn the_log_names_members_and_who_changed_them(running: &Running) {
    let operation = Operation { verb: "log".into(), query: vec![("from".into(), "1".into())], ..Operation::default() };
    let Ok(Answer::Lines(lines)) = running.operator().call(operation).await else { panic!("no lines") };
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(&line).expect("JSON")).collect().await;
    let ids =
        |line: &Value| line["members"].as_array().expect("members").iter().map(|each| each["id"].clone()).collect();
    let members: Vec<Vec<Value>> = lines.iter().filter(|line| line["kind"] == "membership").map(ids).collect();
    assert_eq!(members.last().expect("a last membership"), &[json!(1), json!(2), json!(4)]);
    let stamped = lines.iter().skip_while(|line| line["kind"] != "entry").all(|line| line["time"].is_string());
    assert!(stamped, "what follows an entry came no earlier");
    let commands = lines.iter().flat_map(|line| line["commands"].as_array().cloned().unwrap_or_default());
    let said: Vec<(Value, Value)> = commands.map(|each| (each["actor"].clone(), each["note"].clone())).collect();
    let says = |actor: &str, note: &str| said.contains(&(actor.into(), note.into()));
    assert!(says("somebody", "a new member is to take the place of m3 (id 3)"), "{said:?}");
    assert!(said.iter().any(|(actor, note)| actor == "system:rutter:member:m3"
        && note.as_str().is_some_and(
            |note| note.starts_with("member m3 (id 4, at 127.0.0.1:") && note.ends_with("in the place of id 3")
        )));
}

fn with_at(at: &Running, token: &str) -> Begin {
    Begin::Join { addresses: vec![at.link().to_string()], token: token.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_goes_on_from_its_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(&config("m1", dir.path(), Begin::Found)).await.expect("founds");
    within("it leads", async || first.member().leading()).await;
    let made = token(&first, "node").await;
    within("what every cluster has", async || first.member().view().get("namespaces", "", "default").cloned()).await;
    let (cluster, revision) = (first.cluster().to_owned(), first.member().view().revision());
    // Two processes on one directory would be two members with one vote.
    let twice = start(&config("m1", dir.path(), Begin::Resume)).await.map(|_| ()).expect_err("it is in use");
    assert!(twice.to_string().contains("another process uses this directory"), "{twice}");
    first.stop().await;
    // The log's own thread gives the directory back when it has ended, a moment after the member.
    let again = within("it goes on", async || start(&config("m1", dir.path(), Begin::Resume)).await.ok()).await;
    within("it leads again", async || again.member().leading()).await;
    assert_eq!(again.cluster(), cluster);
    assert!(again.member().view().revision() >= revision, "what was acknowledged is there");
    let token = Token::parse(&made).expect("reads");
    let joined = link::join::join(&[again.link().to_string()], &token, Role::Node, "n1").await;
    assert!(joined.is_ok(), "a token outlives a restart: {joined:?}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_beginnings_are_told_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let told = async |config: Config| match start(&config).await {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    };
    assert!(matches!(told(config("m1", dir.path(), Begin::Resume)).await, ControlError::Nothing { .. }));
    let first = start(&config("m1", dir.path(), Begin::Found)).await.expect("founds");
    within("the first leads", async || first.member().leading()).await;
    let at = vec![first.link().to_string()];
    let with = |token: &str| Begin::Join { addresses: at.clone(), token: token.to_owned() };
    let good = token(&first, "member").await;
    let mut errors = Vec::new();
    errors.push(told(config("m2", dir.path(), with("garbage"))).await);
    errors.push(told(config("m2", dir.path(), with(&good.replace("rutter.member", "rutter.node")))).await);
    errors.push(told(config("m2", dir.path(), with(&token(&first, "node").await))).await);
    let forged = Token::make(
        Role::Member,
        1,
        2,
        api::revision::Millis(rt::wall() + 1_000),
        Token::parse(&good).expect("reads").pin,
    );
    errors.push(told(config("m2", dir.path(), with(&forged.to_string()))).await);
    let foreign = Token::make(Role::Member, 1, 2, api::revision::Millis(rt::wall() + 1_000), [3; 32]);
    errors.push(told(config("m2", dir.path(), with(&foreign.to_string()))).await);
    errors.push(told(config("M_2", dir.path(), with(&good))).await);
    errors.push(told(Config { link: first.link(), ..config("m2", dir.path(), Begin::Found) }).await);
    errors.push(told(Config { name: "m9".into(), ..config("m1", dir.path(), Begin::Found) }).await);
    for error in &errors {
        let text = error.to_string();
        assert!(!text.contains('\n') && text.len() > 20, "{text}");
    }
    first.stop().await;
}
