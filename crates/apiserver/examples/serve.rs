//! An API server alone, without a log, for trying clients by hand: prints where its kubeconfig is, and serves until killed.
#[path = "../tests/serve/mod.rs"]
mod serve;

#[tokio::main]
async fn main() {
    let https = serve::https(serve::alone().await).await;
    println!("{}", https.kubeconfig.display());
    std::future::pending::<()>().await;
}
