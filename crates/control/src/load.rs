//! A load on the log, made inside the member: many writers, each write a new object. For measuring; unless it is told to keep them,
//! it takes its objects away again.
use crate::decide::MEMBER_ACTOR;
use crate::submit::{By, submit};
use api::command::{Change, Condition, Outcome, Write};
use api::key::Key;
use api::status::Status;
use consensus::Member;
use serde_json::{Value, json};
use std::time::Duration;

const LOAD: By<'static> = By { actor: MEMBER_ACTOR, agent: "load" };

/// What may be asked for.
const CLIENTS_MAX: u64 = 4_096;
const SIZE_MAX: u64 = 1024 * 1024;
const SECONDS_MAX: u64 = 600;
const OBJECTS_MAX: u64 = 10_000_000;
/// After a write that failed.
const PAUSE: Duration = Duration::from_millis(10);

pub(crate) struct Load {
    /// Writers.
    pub(crate) clients: u64,
    /// About how many bytes an object has.
    pub(crate) size: u64,
    pub(crate) seconds: u64,
    /// Ends when so many objects are made, if that is sooner.
    pub(crate) objects: Option<u64>,
    pub(crate) keep: bool,
}

#[derive(Default)]
struct Measured {
    latencies_us: Vec<u64>,
    errors: u64,
    error: Option<String>,
}

/// Runs the load.
///
/// # Errors
/// If more is asked for than may be.
pub(crate) async fn run(member: &Member, load: &Load) -> Result<Value, Status> {
    let lawful = (1..=CLIENTS_MAX).contains(&load.clients)
        && load.size <= SIZE_MAX
        && (1..=SECONDS_MAX).contains(&load.seconds)
        && load.objects.is_none_or(|objects| (1..=OBJECTS_MAX).contains(&objects));
    if !lawful {
        return Err(Status::bad_request(format!(
            "a load may have clients 1 to {CLIENTS_MAX}, size to {SIZE_MAX}, seconds 1 to {SECONDS_MAX}, objects 1 to {OBJECTS_MAX}"
        )));
    }
    let began = rt::now();
    let end = began.after(Duration::from_secs(load.seconds));
    let salt = format!("load-{:x}", rt::random());
    let writers: Vec<_> = (0..load.clients)
        .map(|client| {
            // The objects are shared out; the first writers make the rest.
            let share = load.objects.map(|all| all / load.clients + u64::from(client < all % load.clients));
            let lane = Lane { member: member.clone(), name: format!("{salt}-{client}"), size: load.size };
            rt::spawn("load", async move { lane.write(end, share.unwrap_or(u64::MAX)).await })
        })
        .collect();
    let mut all = Measured::default();
    let mut made = Vec::new();
    for writer in writers {
        let Ok((lane, measured)) = writer.await else { continue };
        made.push((lane, measured.latencies_us.len() as u64));
        all.latencies_us.extend(measured.latencies_us);
        all.errors += measured.errors;
        all.error = all.error.or(measured.error);
    }
    let elapsed = rt::now().since(began).as_micros();
    if !load.keep {
        let lanes = made.into_iter().map(|(lane, made)| rt::spawn("load", async move { lane.delete(made).await }));
        for lane in lanes.collect::<Vec<_>>() {
            // What could not be deleted stays; the figures stand.
            let _ = lane.await;
        }
    }
    Ok(json!({
        "operations": all.latencies_us.len(), "latencies_us": all.latencies_us, "errors": all.errors, "error": all.error,
        "elapsed_us": u64::try_from(elapsed).unwrap_or(u64::MAX),
    }))
}

/// One writer.
struct Lane {
    member: Member,
    name: String,
    size: u64,
}

impl Lane {
    async fn write(self, end: rt::Instant, share: u64) -> (Self, Measured) {
        let mut measured = Measured::default();
        let filler = "x".repeat(usize::try_from(self.size).unwrap_or(0));
        while (measured.latencies_us.len() as u64) < share && rt::now() < end {
            let key = self.key(measured.latencies_us.len() as u64);
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"namespace": &*key.namespace, "name": &*key.name}, "data": {"filler": filler}});
            let Ok(body) = api::kinds::body("configmaps", &object) else { break };
            let began = rt::now();
            match self.put(&key, Condition::Absent, Change::Put(body)).await {
                Ok(()) => {
                    measured.latencies_us.push(u64::try_from(rt::now().since(began).as_micros()).unwrap_or(u64::MAX));
                }
                Err(why) => {
                    measured.errors += 1;
                    measured.error.get_or_insert(why);
                    rt::sleep(PAUSE).await;
                }
            }
        }
        (self, measured)
    }

    async fn delete(self, made: u64) {
        for number in 0..made {
            // Nobody is told: it is litter.
            let _ = self.put(&self.key(number), Condition::Exists, Change::Delete).await;
        }
    }

    fn key(&self, number: u64) -> Key {
        Key::new("configmaps", "kube-system", &format!("{}-{number}", self.name))
    }

    async fn put(&self, key: &Key, condition: Condition, change: Change) -> Result<(), String> {
        let writes = vec![Write { key: key.clone(), condition, change }];
        match submit(&self.member, LOAD, self.member.view().revision(), writes).await {
            Ok(Outcome::Done { .. }) => Ok(()),
            Ok(Outcome::Refused { refusal, .. }) => Err(format!("refused: {refusal:?}")),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}
