//! A load on the log, made inside the member: many writers, each with an object of its own that it writes again and again.
//! For measuring; it leaves nothing behind.
use crate::decide::MEMBER_ACTOR;
use crate::submit::submit;
use api::command::{Change, Condition, Outcome, Write};
use api::key::Key;
use api::status::Status;
use consensus::Member;
use serde_json::{Value, json};
use std::time::Duration;

/// Writers, bytes and seconds that may be asked for.
const CLIENTS_MAX: u64 = 4_096;
const SIZE_MAX: u64 = 1024 * 1024;
const SECONDS_MAX: u64 = 60;

#[derive(Default)]
struct Measured {
    latencies_us: Vec<u64>,
    errors: u64,
    error: Option<String>,
}

/// Runs `clients` writers of objects of `size` bytes for `seconds`.
///
/// # Errors
/// If more is asked for than may be.
pub(crate) async fn run(member: &Member, clients: u64, size: u64, seconds: u64) -> Result<Value, Status> {
    if clients == 0 || clients > CLIENTS_MAX || size > SIZE_MAX || seconds == 0 || seconds > SECONDS_MAX {
        let bounds = format!("clients 1 to {CLIENTS_MAX}, size to {SIZE_MAX}, seconds 1 to {SECONDS_MAX}");
        return Err(Status::bad_request(format!("a load may have {bounds}")));
    }
    let began = rt::now();
    let end = began.after(Duration::from_secs(seconds));
    let name = format!("load-{:x}", rt::random());
    let writers: Vec<_> = (0..clients)
        .map(|client| {
            let (member, name) = (member.clone(), format!("{name}-{client}"));
            rt::spawn("load", async move { write(&member, &name, size, end).await })
        })
        .collect();
    let mut all = Measured::default();
    for writer in writers {
        let Ok(measured) = writer.await else { continue };
        all.latencies_us.extend(measured.latencies_us);
        all.errors += measured.errors;
        all.error = all.error.or(measured.error);
    }
    let elapsed = rt::now().since(began).as_micros();
    Ok(json!({
        "latencies_us": all.latencies_us, "errors": all.errors, "error": all.error,
        "elapsed_us": u64::try_from(elapsed).unwrap_or(u64::MAX),
    }))
}

async fn write(member: &Member, name: &str, size: u64, end: rt::Instant) -> Measured {
    let mut measured = Measured::default();
    let key = Key::new("configmaps", "kube-system", name);
    let filler = "x".repeat(usize::try_from(size).unwrap_or(0));
    let mut number = 0_u64;
    while rt::now() < end {
        number += 1;
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "kube-system", "name": name},
            "data": {"number": number.to_string(), "filler": filler}});
        let Ok(body) = api::kinds::body("configmaps", &object) else { break };
        let condition = if number == 1 { Condition::Absent } else { Condition::Exists };
        let began = rt::now();
        match put(member, &key, condition, Change::Put(body)).await {
            Ok(()) => measured.latencies_us.push(u64::try_from(rt::now().since(began).as_micros()).unwrap_or(u64::MAX)),
            Err(why) => {
                measured.errors += 1;
                measured.error.get_or_insert(why);
                rt::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    if let Err(why) = put(member, &key, Condition::Exists, Change::Delete).await {
        measured.error.get_or_insert(why);
    }
    measured
}

async fn put(member: &Member, key: &Key, condition: Condition, change: Change) -> Result<(), String> {
    let writes = vec![Write { key: key.clone(), condition, change }];
    match submit(member, MEMBER_ACTOR, "load", member.view().revision(), writes).await {
        Ok(Outcome::Done { .. }) => Ok(()),
        Ok(Outcome::Refused { refusal, .. }) => Err(format!("refused: {refusal:?}")),
        Err(error) => Err(format!("{error:?}")),
    }
}
