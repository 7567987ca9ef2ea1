//! Whatever becomes of nodes and pods, a DaemonSet comes to rest with one pod on each node that shall have one, and finishes its updates.
mod cluster;

use cluster::daemons::*;
use cluster::{Cluster, node};
use proptest::prelude::*;
use serde_json::json;

#[derive(Clone, Debug)]
enum Step {
    Node(u8),
    NodeGone(u8),
    Taint(u8, &'static str),
    Clear(u8),
    Wanted(u8, bool),
    Fail(u8),
    Delete(u8),
    Image(u8),
    Ready(bool),
    Wait(u64),
    Elect,
}

fn step() -> impl Strategy<Value = Step> {
    let node = 1..5_u8;
    prop_oneof![
        node.clone().prop_map(Step::Node),
        node.clone().prop_map(Step::NodeGone),
        (node.clone(), prop::sample::select(vec!["NoSchedule", "NoExecute"])).prop_map(|(n, e)| Step::Taint(n, e)),
        node.clone().prop_map(Step::Clear),
        (node.clone(), any::<bool>()).prop_map(|(n, wanted)| Step::Wanted(n, wanted)),
        node.clone().prop_map(Step::Fail),
        node.prop_map(Step::Delete),
        (0..3_u8).prop_map(Step::Image),
        any::<bool>().prop_map(Step::Ready),
        (1..90_u64).prop_map(Step::Wait),
        Just(Step::Elect),
    ]
}

fn take(cluster: &mut Cluster, step: &Step) {
    let there = |cluster: &Cluster, n: u8| cluster.get("nodes", "", &format!("n{n}")).is_some();
    let pod_on = |cluster: &Cluster, n: u8| {
        let pods = cluster.active("default");
        pods.iter().find(|pod| pod["spec"]["nodeName"] == format!("n{n}")).map(name)
    };
    match *step {
        Step::Node(n) if !there(cluster, n) => {
            let mut value = node(&format!("n{n}"));
            value["metadata"]["labels"]["daemons"] = "yes".into();
            cluster.create("nodes", value);
        }
        Step::NodeGone(n) if there(cluster, n) => cluster.delete("nodes", "", &format!("n{n}"), ""),
        Step::Taint(n, effect) if there(cluster, n) => cluster.update("nodes", "", &format!("n{n}"), |node| {
            node["spec"]["taints"] = json!([{"key": "k", "effect": effect}]);
        }),
        Step::Clear(n) if there(cluster, n) => cluster.update("nodes", "", &format!("n{n}"), |node| {
            node["spec"].as_object_mut().expect("a spec").remove("taints");
        }),
        Step::Wanted(n, wanted) if there(cluster, n) => cluster.update("nodes", "", &format!("n{n}"), |node| {
            node["metadata"]["labels"]["daemons"] = if wanted { "yes" } else { "no" }.into();
        }),
        Step::Fail(n) => {
            if let Some(pod) = pod_on(cluster, n) {
                fail(cluster, &pod);
            }
        }
        Step::Delete(n) => {
            if let Some(pod) = pod_on(cluster, n) {
                cluster.delete("pods", "default", &pod, "");
            }
        }
        Step::Image(version) => set_image(cluster, &format!("v{version}")),
        Step::Ready(ready) => cluster.pods_become_ready = ready,
        Step::Wait(seconds) => cluster.advance(seconds),
        Step::Elect => cluster.elect(),
        _ => {}
    }
}

/// Of each node that is there: whether it shall have a pod, and how many it has that neither ended nor go.
fn nodes(cluster: &Cluster) -> Vec<(String, bool, usize)> {
    let shall = |node: &serde_json::Value| {
        node["metadata"]["labels"]["daemons"] == "yes" && node["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
    };
    let on = |node: &str| cluster.active("default").iter().filter(|pod| pod["spec"]["nodeName"] == node).count();
    cluster.list("nodes", "").iter().map(|node| (name(node), shall(node), on(&name(node)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn one_pod_stands_where_one_shall(surge in any::<bool>(), steps in prop::collection::vec((step(), any::<bool>()), 1..40)) {
        let mut cluster = with(0, |set| {
            set["spec"]["template"]["spec"]["nodeSelector"] = json!({"daemons": "yes"});
            if surge {
                set["spec"]["updateStrategy"]["rollingUpdate"] = json!({"maxUnavailable": 0, "maxSurge": 1});
            }
        });
        for (step, rest) in &steps {
            take(&mut cluster, step);
            if *rest {
                cluster.settle();
                for (name, _, pods) in nodes(&cluster) {
                    prop_assert!(pods <= if surge { 2 } else { 1 }, "{name} has {pods} after {step:?}");
                }
            }
        }
        cluster.pods_become_ready = true;
        set_image(&mut cluster, "last");
        cluster.settle();
        // Nodes that went, and failures that are waited for.
        cluster.advance(1_800);
        for (name, shall, pods) in nodes(&cluster) {
            prop_assert!(!shall || pods == 1, "{name} has {pods}");
        }
        prop_assert!(rolled_out(&cluster), "{}", set(&cluster)["status"]);
        let wanted = nodes(&cluster).iter().filter(|(_, shall, _)| *shall).count();
        prop_assert_eq!(counts(&cluster)[0], i64::try_from(wanted).expect("few"));
    }
}
