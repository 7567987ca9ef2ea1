//! Each check with what it refuses and how that is told, and how versions and levels choose among them.
use super::PLUGIN;
use super::policy::{Level, Policy, violations};
use super::words::Pod;
use crate::admission::town::Town;
use serde_json::{Value, json};

fn told(level: Level, version: Option<u32>, annotations: &Value, spec: &Value) -> Vec<String> {
    let found = violations(Policy { level, version }, Pod { annotations, spec });
    found.into_iter().map(|one| format!("{} ({})", one.reason, one.detail)).collect()
}

fn one(context: &Value) -> Value {
    json!({"containers": [{"name": "a", "securityContext": context}]})
}

#[test]
fn the_baseline_tells_what_leads_out_of_a_container() {
    let table = [
        (
            one(&json!({"privileged": true})),
            r#"privileged (container "a" must not set securityContext.privileged=true)"#,
        ),
        (
            json!({"hostIPC": true, "hostNetwork": true, "containers": []}),
            "host namespaces (hostNetwork=true, hostIPC=true)",
        ),
        (
            one(&json!({"capabilities": {"add": ["SYS_ADMIN", "CHOWN", "BPF"]}})),
            r#"non-default capabilities (container "a" must not include "BPF", "SYS_ADMIN" in securityContext.capabilities.add)"#,
        ),
        (
            json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}]}),
            r#"hostPath volumes (volume "v")"#,
        ),
        (
            json!({"containers": [{"name": "a", "ports": [{"hostPort": 80}, {"hostPort": 443}, {"containerPort": 1}]}]}),
            r#"hostPort (container "a" uses hostPorts 443, 80)"#,
        ),
        (
            json!({"initContainers": [{"name": "i", "livenessProbe": {"httpGet": {"host": "1.2.3.4"}}}]}),
            r#"probe or lifecycle host (container "i" uses probe or lifecycle host "1.2.3.4")"#,
        ),
        (
            one(&json!({"procMount": "Unmasked"})),
            r#"procMount (container "a" must not set securityContext.procMount to "Unmasked")"#,
        ),
        (
            one(&json!({"seLinuxOptions": {"type": "x", "user": "u"}})),
            r#"seLinuxOptions (container "a" set forbidden securityContext.seLinuxOptions: type "x"; user may not be set)"#,
        ),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}, "ephemeralContainers":
            [{"name": "e", "securityContext": {"seccompProfile": {"type": "Unconfined"}}}]}),
            r#"seccompProfile (pod and container "e" must not set securityContext.seccompProfile.type to "Unconfined")"#,
        ),
        (
            json!({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
            r#"forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")"#,
        ),
        (
            json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}, {"name": "net.ipv4.tcp_wmem"}]}}),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
    ];
    for (spec, want) in table {
        assert_eq!(told(Level::Baseline, None, &Value::Null, &spec), [want], "{spec}");
        assert!(told(Level::Privileged, None, &Value::Null, &spec).is_empty());
    }
    let annotations = json!({"container.apparmor.security.beta.kubernetes.io/a": "unconfined"});
    let found = told(Level::Baseline, None, &annotations, &one(&Value::Null));
    assert!(
        found[0].starts_with("forbidden AppArmor profile (annotation must not set AppArmor profile type to"),
        "{found:?}"
    );
}

#[test]
fn restricted_demands_what_hardens() {
    let bare = one(&Value::Null);
    let want = [
        r#"allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false)"#,
        r#"unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"])"#,
        r#"runAsNonRoot != true (pod or container "a" must set securityContext.runAsNonRoot=true)"#,
        r#"seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#,
    ];
    assert_eq!(told(Level::Restricted, None, &Value::Null, &bare), want);
    let good = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert!(told(Level::Restricted, None, &Value::Null, &one(&good)).is_empty());
    let mut spec = one(&good);
    spec["volumes"] = json!([{"name": "h", "hostPath": {}}, {"name": "n", "nfs": {}}, {"name": "c", "configMap": {}}]);
    spec["securityContext"] = json!({"runAsUser": 0, "runAsNonRoot": false});
    let want = [
        r#"restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs")"#,
        "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)",
        "runAsUser=0 (pod must not set runAsUser=0)",
    ];
    assert_eq!(told(Level::Restricted, None, &Value::Null, &spec), want);
    spec["hostUsers"] = false.into();
    assert_eq!(told(Level::Restricted, None, &Value::Null, &spec).len(), 1, "users of its own (1.35)");
    assert_eq!(told(Level::Restricted, Some(34), &Value::Null, &spec).len(), 3);
}

#[test]
fn a_policy_is_that_of_its_version() {
    let sysctl = json!({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem"}]}});
    let engine = one(&json!({"seLinuxOptions": {"type": "container_engine_t"}}));
    let unmasked =
        json!({"hostUsers": false, "containers": [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]});
    let windows =
        json!({"os": {"name": "windows"}, "containers": [{"name": "a", "securityContext": {"runAsNonRoot": true}}]});
    let table = [
        (Level::Baseline, 31, &sysctl, 1),
        (Level::Baseline, 32, &sysctl, 0),
        (Level::Baseline, 30, &engine, 1),
        (Level::Baseline, 31, &engine, 0),
        (Level::Baseline, 34, &unmasked, 1),
        (Level::Baseline, 35, &unmasked, 0),
        (Level::Restricted, 24, &windows, 3),
        (Level::Restricted, 25, &windows, 0),
        (Level::Restricted, 999, &windows, 0),
    ];
    for (level, version, spec, count) in table {
        let found = told(level, Some(version), &Value::Null, spec);
        assert_eq!(found.len(), count, "{level:?} {version} {spec}: {found:?}");
    }
}

fn town(labels: &Value) -> Town {
    let pod = json!({"metadata": {"name": "p", "namespace": "a"}, "spec": one(&json!({"privileged": true}))});
    Town::default().with("namespaces", &json!({"metadata": {"name": "a", "labels": labels}})).with("pods", &pod)
}

#[test]
fn what_is_enforced_is_refused_and_what_is_warned_of_is_told() {
    let town = town(
        &json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/warn-version": "v1.20", "pod-security.kubernetes.io/audit": "restricted"}),
    );
    let pod = |context: Value| json!({"metadata": {"name": "q", "namespace": "a"}, "spec": one(&context)});
    let refused = town.create(&[&PLUGIN], "pods", &mut pod(json!({"privileged": true}))).expect_err("privileged");
    let want = "pods \"q\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"a\" must not set securityContext.privileged=true)";
    assert_eq!((refused.code, refused.message.as_str()), (403, want));
    let notes = town.create(&[&PLUGIN], "pods", &mut pod(json!({}))).expect("told only");
    assert!(
        notes.warnings[0]
            .starts_with("would violate PodSecurity \"restricted:v1.20\": allowPrivilegeEscalation != false ("),
        "{notes:?}"
    );
    assert_eq!(notes.audit["pod-security.kubernetes.io/enforce-policy"], "baseline:latest");
    assert!(
        notes.audit["pod-security.kubernetes.io/audit-violations"]
            .starts_with("would violate PodSecurity \"restricted:latest\": ")
    );
    let template = json!({"spec": one(&json!({"privileged": true}))});
    let mut deployment = json!({"metadata": {"name": "d", "namespace": "a"}, "spec": {"template": template}});
    let notes = town.create(&[&PLUGIN], "deployments.apps", &mut deployment).expect("templates are only told of");
    assert_eq!(notes.warnings.len(), 1);
    let old = pod(json!({"privileged": true}));
    assert!(town.ask(&[&PLUGIN], "pods", "", Some(&old), &mut old.clone()).is_ok(), "nothing that matters changed");
    let mut other = old.clone();
    other["spec"]["containers"][0]["image"] = "other".into();
    assert!(town.ask(&[&PLUGIN], "pods", "", Some(&old), &mut other).is_err());
}

#[test]
fn labels_are_checked_and_a_stricter_policy_says_whom_it_would_refuse() {
    let namespace =
        |level: &str| json!({"metadata": {"name": "a", "labels": {"pod-security.kubernetes.io/enforce": level}}});
    let town = town(&json!({}));
    let refused = town.create(&[&PLUGIN], "namespaces", &mut namespace("strict")).expect_err("no level");
    let want = "Namespace \"a\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted";
    assert_eq!((refused.code, refused.message.as_str()), (422, want));
    let old = namespace("privileged");
    let notes = town.ask(&[&PLUGIN], "namespaces", "", Some(&old), &mut namespace("baseline")).expect("told");
    let want = [
        "existing pods in namespace \"a\" violate the new PodSecurity enforce level \"baseline:latest\"",
        "p: privileged",
    ];
    assert_eq!(notes.warnings, want);
    let notes = town.ask(&[&PLUGIN], "namespaces", "", Some(&namespace("restricted")), &mut namespace("baseline"));
    assert!(notes.expect("laxer").warnings.is_empty());
}
