//! Scenarios of FlowSchemas: they say whether their level is there, as it comes and goes.
mod cluster;

use api::flow::{LEVELS, SCHEMAS};
use cluster::Cluster;
use serde_json::json;

#[test]
fn a_schema_says_whether_its_level_is_there() {
    let mut cluster = Cluster::new(0);
    let version = "flowcontrol.apiserver.k8s.io/v1";
    let level =
        json!({"apiVersion": version, "kind": "PriorityLevelConfiguration", "metadata": {"name": "l"}, "spec": {}});
    let schema = json!({"apiVersion": version, "kind": "FlowSchema", "metadata": {"name": "s"},
        "spec": {"priorityLevelConfiguration": {"name": "l"}}});
    let told = |cluster: &Cluster| {
        let schema = cluster.get(SCHEMAS, "", "s").expect("the schema");
        let one = schema["status"]["conditions"][0].clone();
        format!("{} {} {}: {}", one["type"], one["status"], one["reason"], one["message"]).replace(['"', '\\'], "")
    };
    let start = "This FlowSchema references the PriorityLevelConfiguration object named l";
    cluster.create(SCHEMAS, schema);
    cluster.settle();
    assert_eq!(told(&cluster), format!("Dangling True NotFound: {start} but there is no such object"));
    cluster.create(LEVELS, level);
    cluster.settle();
    assert_eq!(told(&cluster), format!("Dangling False Found: {start} and it exists"));
    cluster.delete(LEVELS, "", "l", "");
    cluster.settle();
    assert_eq!(told(&cluster), format!("Dangling True NotFound: {start} but there is no such object"));
}
