//! Tokens of service accounts for a node's pods: only for a pod that runs there, in the name of its account, bound to the pod. Pure.
use crate::nodes::report::Refused;
use api::key::Key;
use api::object::Uid;
use api::revision::Millis;
use apiserver::authentication::signer::Signer;
use apiserver::token::{Issued, Reference, Wanted, issue};
use store::view::View;

/// What a node asks for.
pub(crate) struct Asked<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) pod: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) seconds: u64,
}

/// The token, under the name `id`.
pub(crate) fn for_pod(
    view: &View,
    signer: &Signer,
    node: &str,
    asked: &Asked<'_>,
    now: Millis,
    id: u128,
) -> Result<Issued, Refused> {
    let key = Key::new("pods", asked.namespace, asked.pod);
    let pod = view.get_key(&key).ok_or_else(|| format!("{key} is gone"))?;
    if pod.facet.field("spec.nodeName") != Some(node) {
        return Err(format!("{key} is not on node {node}"));
    }
    if Uid::parse(asked.uid) != Some(pod.uid) {
        return Err(format!("{key} is another now, with uid {}", pod.uid));
    }
    let bound = Reference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: asked.pod.to_owned(),
        uid: asked.uid.to_owned(),
    };
    let wanted = Wanted {
        namespace: asked.namespace.to_owned(),
        account: pod.facet.field("spec.serviceAccountName").unwrap_or(api::service_account::DEFAULT).to_owned(),
        audiences: Some(asked.audience.to_owned()).filter(|audience| !audience.is_empty()).into_iter().collect(),
        seconds: i64::try_from(asked.seconds).unwrap_or(i64::MAX),
        bound: Some(bound),
    };
    let failed = |why: api::status::Status| format!("failed to fetch token: {}", why.message);
    issue(view, signer, wanted, now, id).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::command::{Change, Command, CommandId, Condition, Write};
    use api::revision::Revision;
    use consensus::Member;
    use serde_json::{Value, json};

    async fn write(member: &Member, resource: &str, value: Value) -> String {
        let name = value["metadata"]["name"].as_str().expect("a name").to_owned();
        let key = Key::new(resource, "d", &name);
        let change = Change::Put(api::kinds::body(resource, &value).expect("a body"));
        let writes = vec![Write { key: key.clone(), condition: Condition::Absent, change }];
        let (actor, agent, note) = ("test".into(), "test".into(), "".into());
        let (cause, read, id) = (Revision(0), Revision(0), CommandId(rt::unique()));
        member.submit(Command { id, actor, agent, cause, read, note, writes }).await.expect("it is written");
        member.view().get_key(&key).expect("written").uid.to_string()
    }

    #[tokio::test]
    async fn a_node_gets_tokens_for_its_own_pods_only() {
        let member = Member::alone();
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "d", "name": "default"}});
        write(&member, "serviceaccounts", account).await;
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "d", "name": "p"}, "spec": {"nodeName": "n1"}});
        let uid = write(&member, "pods", pod).await;
        let (view, signer) = (member.view(), Signer::from_seed(&[1; 32]));
        let ask = |node: &str, pod: &str, uid: &str, seconds: u64| {
            let asked = Asked { namespace: "d", pod, uid, audience: "", seconds };
            for_pod(&view, &signer, node, &asked, Millis(1_000), 7)
        };
        assert_eq!(ask("n1", "p", &uid, 600).expect("issued").expires, Millis(601_000));
        let table = [
            (ask("n2", "p", &uid, 600), "is not on node n2"),
            (ask("n1", "q", &uid, 600), "is gone"),
            (ask("n1", "p", "00000000-0000-0000-0000-000000000001", 600), "is another now"),
            (ask("n1", "p", &uid, 60), "may not specify a duration less than 10 minutes"),
        ];
        for (refused, words) in table {
            assert!(refused.expect_err(words).contains(words), "{words}");
        }
    }
}
