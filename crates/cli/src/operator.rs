//! What an operator asks of a running cluster: status, tokens, members, the log. Asked over HTTPS with the kubeconfig's certificate.
use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::kubeconfig;
use control::words::ClusterStatus;
use hyper::Method;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;

/// Asks `/rutter/v1/<verb>`.
pub(crate) async fn ask(target: &Target, method: Method, verb: &str, body: Option<&Value>) -> Result<Value, Failure> {
    target.connect().await?.json(method, &format!("/rutter/v1/{verb}"), body).await
}

/// Members, leader, revision, state hashes, nodes.
pub(crate) async fn status(target: &Target) -> Result<ClusterStatus, Failure> {
    let status = ask(target, Method::GET, "status", None).await?;
    serde_json::from_value(status).map_err(|why| {
        Failure::new(format!("the member's status cannot be read ({why})"), "use the rutter that the members run")
    })
}

/// A join token for `role`: member or node.
pub(crate) async fn token(target: &Target, role: &str) -> Result<String, Failure> {
    let made = ask(target, Method::POST, "token", Some(&json!({"role": role}))).await?;
    let text = made.get("token").and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Failure::new("the member made no token", "see its log"))
}

/// Whether the member on this port says that it is ready.
pub(crate) async fn ready(config: &Path, port: u16) -> bool {
    let Ok(mut config) = kubeconfig::read(config) else { return false };
    config.server = format!("https://127.0.0.1:{port}");
    let Ok(target) = Target::new(&config) else { return false };
    let Ok(mut connection) = target.connect().await else { return false };
    matches!(connection.call(Method::GET, "/readyz", None).await, Ok((200, _)))
}

/// How many nodes are Ready.
pub(crate) async fn ready_nodes(target: &Target) -> Result<u16, Failure> {
    let nodes = target.connect().await?.json(Method::GET, "/api/v1/nodes", None).await?;
    let ready = |node: &&Value| {
        let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
        conditions
            .into_iter()
            .flatten()
            .any(|c| c.get("type") == Some(&"Ready".into()) && c.get("status") == Some(&"True".into()))
    };
    let items = nodes.get("items").and_then(Value::as_array);
    Ok(u16::try_from(items.into_iter().flatten().filter(ready).count()).unwrap_or(u16::MAX))
}

/// Prints rows as aligned columns.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = width(at))).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Prints the value as it is, or as `text` makes it.
pub(crate) fn print(output: Output, value: &Value, text: impl Fn(&Value) -> String) {
    match output {
        Output::Json => say(output, &format!("{value}\n")),
        Output::Text => say(output, &text(value)),
    }
}

/// Prints to standard output. When nobody reads it any more (`rutter log | head`), the process ends in silence, as other programs do;
/// it does not die of the signal, for that would take a benchmark down with a connection that was cut.
///
/// Any other failure ends it too, and says so: a result that nobody has is none.
pub(crate) fn say(output: Output, text: &str) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(why) => {
            let failure = Failure::new(format!("standard output: {why}"), "send it to where it can be written");
            failure.print(output);
            std::process::exit(failure.code.into());
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_align() {
        let rows = [vec!["NAME".to_owned(), "A".to_owned()], vec!["m1".to_owned(), "longer".to_owned()]];
        assert_eq!(super::columns(&rows), "NAME  A\nm1    longer\n");
    }
}
