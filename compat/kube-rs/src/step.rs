//! Steps as the other suites print them: `ok NAME`, or `not ok NAME` with the reason; and waiting. It knows nothing of Kubernetes.
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub type Answer<T = ()> = Result<T, Box<dyn std::error::Error>>;

static FAILED: AtomicBool = AtomicBool::new(false);

/// Runs one step and tells of it; the suite goes on.
pub async fn step(name: &str, work: impl Future<Output = Answer>) {
    let answer =
        tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(format!("not within {PATIENCE:?}").into()));
    match answer {
        Ok(()) => println!("ok {name}"),
        Err(why) => {
            FAILED.store(true, Ordering::Relaxed);
            println!("not ok {name}");
            let mut reason = Some(&*why as &dyn std::error::Error);
            while let Some(why) = reason {
                println!("#   {why}");
                reason = why.source();
            }
        }
    }
}

/// True if no step failed.
pub fn well() -> bool {
    !FAILED.load(Ordering::Relaxed)
}

/// # Errors
/// With both, if they differ.
pub fn equal<T: PartialEq + std::fmt::Debug>(got: T, wanted: T) -> Answer {
    if got == wanted { Ok(()) } else { Err(format!("got {got:?}, wanted {wanted:?}").into()) }
}

/// Waits until `check` gives something.
///
/// # Errors
/// If it never does.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> Answer<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = check().await {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE / 2 {
            return Err(format!("{what}: not in time").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
