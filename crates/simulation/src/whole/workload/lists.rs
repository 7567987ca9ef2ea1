//! Clients that list everything again and again, some page by page: what many clients do at once when a server comes back.
use super::worker::{Work, Worker};
use serde_json::Value;

pub(super) const WORK: Work = Work {
    name: "lists",
    says: "list pods, Deployments, ConfigMaps and nodes in a row, whole or in pages",
    most: 3,
    act: |worker| Box::pin(act(worker)),
};

const PATHS: [&str; 4] = ["/api/v1/pods", "/apis/apps/v1/deployments", "/api/v1/configmaps", "/api/v1/nodes"];
const PAGES_MAX: u32 = 20;

async fn act(worker: &mut Worker) {
    for path in PATHS {
        if worker.random.chance(500) {
            worker.ask("GET", path, Value::Null).await;
            continue;
        }
        let mut next = Some(String::new());
        for _ in 0..PAGES_MAX {
            let Some(token) = next.take() else { break };
            let more = if token.is_empty() { String::new() } else { format!("&continue={token}") };
            let answer = worker.ask("GET", &format!("{path}?limit=2{more}"), Value::Null).await;
            let Some((200, list)) = answer else { break };
            next = list["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        }
    }
}
