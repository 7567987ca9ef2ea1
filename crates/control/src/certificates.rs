//! Signs the certificates that were asked for by CertificateSigningRequests and approved, as Kubernetes' built-in signers do, and
//! approves those of nodes that may ask for their own. Only members hold the authority's key; whoever else approves does it by the API.
use crate::limits::ENTER_PAUSE;
use crate::stop::Stop;
use api::attempt::Attempt;
use api::command::{Change, Command, CommandId, Condition, Write};
use api::object::Object;
use api::revision::Millis;
use apiserver::identity::User;
use apiserver::server::ApiServer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consensus::Member;
use link::authority::Authority;
use link::signing::{Signer, Wanted};
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::{Part, View};

const REQUESTS: &str = "certificatesigningrequests.certificates.k8s.io";
/// What an answer depends on: the requests, and who may be answered without anybody.
const JUDGED: [&str; 3] =
    [REQUESTS, "clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"];
/// Whom the log names as the author of approvals and certificates.
const ACTOR: &str = "system:controller:certificate-controller";

pub(crate) struct Certificates {
    pub(crate) member: Member,
    pub(crate) api: ApiServer,
    pub(crate) authority: Arc<Authority>,
}

impl Certificates {
    /// Runs until `stop`; works whenever this member leads.
    pub(crate) async fn run(self, stop: Stop) {
        let mut settled = Part::default();
        while !stop.stopping() {
            if let Some(term) = self.member.leading() {
                let view = self.member.view();
                // Requests that wait for somebody are not read again while nothing changes.
                if !settled.is_of(&view) && self.look(term, &view).await {
                    settled = view.part(&JUDGED);
                }
            }
            stop.unless(rt::sleep(ENTER_PAUSE)).await;
        }
    }

    /// Takes every open request one step further; tells whether there was none that went.
    async fn look(&self, term: u64, view: &View) -> bool {
        let mut settled = true;
        let now = Millis(rt::wall());
        for request in view.list(REQUESTS, None) {
            let Some((next, note)) = self.next(view, request, now) else { continue };
            settled = false;
            let Ok(body) = api::kinds::body(REQUESTS, &next) else { continue };
            let (key, condition) = (request.key.clone(), Condition::Revision(request.revision));
            let command = Command {
                id: CommandId(rt::unique()),
                actor: ACTOR.into(),
                agent: "certificates".into(),
                cause: request.revision,
                read: view.revision(),
                note: note.into(),
                writes: vec![Write { key, condition, change: Change::Put(body) }],
            };
            if let Err(why) = self.member.submit_as_leader(term, command).await {
                tracing::debug!(%why, "a certificate could not be written; it is tried again");
            }
        }
        settled
    }

    /// The request as it shall be next, and why; `None` if it stays.
    fn next(&self, view: &View, object: &Object, now: Millis) -> Option<(Value, String)> {
        let mut request = object.value();
        let signer = Signer::named(request["spec"]["signerName"].as_str()?)?;
        let done = request["status"]["certificate"].as_str().is_some_and(|certificate| !certificate.is_empty());
        if done || decided(&request, "Denied") || decided(&request, "Failed") {
            return None;
        }
        let pem = STANDARD.decode(request["spec"]["request"].as_str()?).ok()?;
        let usages: Vec<String> =
            request["spec"]["usages"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let usages: Vec<&str> = usages.iter().map(String::as_str).collect();
        let wanted = Wanted::read(&pem);
        if !decided(&request, "Approved") {
            let wanted = wanted.ok()?;
            let how = self.approves(view, &request, signer, &wanted, &usages)?;
            let message = format!("Auto approving {how} after SubjectAccessReview.");
            decide(&mut request, ("Approved", "AutoApproved", &message), now);
            return Some((request, message));
        }
        let objection = match &wanted {
            Ok(wanted) => signer.objects(wanted, &usages),
            Err(why) => Some(why.to_string()),
        };
        let seconds = request["spec"]["expirationSeconds"].as_u64();
        let signed = match objection {
            Some(why) => Err(why),
            None => self.authority.grant(&pem, &usages, seconds, now).map_err(|why| why.to_string()),
        };
        let note = match signed {
            Ok(certificate) => {
                request["status"]["certificate"] = STANDARD.encode(certificate).into();
                format!("signed for {}", wanted.map(|wanted| wanted.name).unwrap_or_default())
            }
            Err(why) => {
                decide(&mut request, ("Failed", "SignerValidationFailure", &why), now);
                why
            }
        };
        Some((request, note))
    }

    /// How the request may be approved without anybody: a node's own client certificate, for who may ask for one.
    fn approves(
        &self,
        view: &View,
        request: &Value,
        signer: Signer,
        wanted: &Wanted,
        usages: &[&str],
    ) -> Option<&'static str> {
        if signer != Signer::KubeletClient || signer.objects(wanted, usages).is_some() {
            return None;
        }
        let user = asker(&request["spec"]);
        let may = |subresource: &str| {
            let (group, resource) = ("certificates.k8s.io", "certificatesigningrequests");
            let attempt = Attempt { verb: "create", group, resource, subresource, ..Attempt::default() };
            self.api.may(view, &user, &attempt)
        };
        if *user.name == *wanted.name && may("selfnodeclient") {
            return Some("self kubelet client certificate");
        }
        may("nodeclient").then_some("kubelet client certificate")
    }
}

/// Who made the request: the API server wrote it down.
fn asker(spec: &Value) -> User {
    let texts = |value: &Value| -> Vec<Box<str>> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
    };
    let extra = spec["extra"].as_object().into_iter().flatten();
    User {
        name: spec["username"].as_str().unwrap_or_default().into(),
        uid: spec["uid"].as_str().unwrap_or_default().into(),
        groups: texts(&spec["groups"]),
        extra: extra.map(|(name, values)| (name.as_str().into(), texts(values))).collect(),
    }
}

fn decided(request: &Value, kind: &str) -> bool {
    let conditions = request["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn decide(request: &mut Value, (kind, reason, message): (&str, &str, &str), now: Millis) {
    let now = now.rfc3339().to_string();
    let condition = json!({"type": kind, "status": "True", "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now});
    if !request["status"].is_object() {
        request["status"] = json!({});
    }
    match request["status"]["conditions"].as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => request["status"]["conditions"] = json!([condition]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::revision::Revision;

    /// A request for `CN=system:node:n9, O=system:nodes` over a P-256 key.
    const NODE: &str = include_str!("../tests/node.csr");

    fn object(signer: &str, user: &str, groups: &[&str], usages: &[&str], conditions: Value) -> Value {
        json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "r"},
            "spec": {"signerName": signer, "request": STANDARD.encode(NODE), "usages": usages, "username": user, "groups": groups,
                "expirationSeconds": 3_600}, "status": {"conditions": conditions}})
    }

    async fn after(value: &Value) -> Value {
        let member = Member::alone();
        let authority = Arc::new(Authority::found("c", Millis(rt::wall())).expect("founded"));
        let api = ApiServer::new(apiserver::room::Parts::new(member.clone()));
        apiserver::founding::found(&api, 6443).await.expect("founded");
        let body = api::kinds::body(REQUESTS, value).expect("a body");
        let key = api::key::Key::new(REQUESTS, "", "r");
        let writes = vec![Write { key: key.clone(), condition: Condition::Absent, change: Change::Put(body) }];
        let (actor, agent, note) = ("test".into(), "test".into(), "".into());
        let (id, cause, read) = (CommandId(rt::unique()), Revision(0), Revision(0));
        member.submit(Command { id, actor, agent, cause, read, note, writes }).await.expect("it is written");
        let certificates = Certificates { member: member.clone(), api, authority };
        for _ in 0..3 {
            certificates.look(member.leading().expect("it leads"), &member.view()).await;
        }
        member.view().get_key(&key).expect("it is there").value()["status"].clone()
    }

    const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";
    const CLIENT: [&str; 2] = ["digital signature", "client auth"];

    #[tokio::test]
    async fn a_node_that_bootstraps_gets_its_certificate() {
        let groups =
            ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated"];
        let nobody = after(&object(KUBELET, "bob", &["system:authenticated"], &CLIENT, json!([]))).await;
        assert_eq!(nobody["certificate"], Value::Null, "nobody approved it");
        let own =
            after(&object(KUBELET, "system:node:n9", &["system:nodes", "system:authenticated"], &CLIENT, json!([])))
                .await;
        assert_eq!(own["certificate"], Value::Null, "nodes may renew only where a binding says so");
        let approved = json!([{"type": "Approved", "status": "True"}]);
        let signed = after(&object(KUBELET, "system:bootstrap:x", &groups, &CLIENT, approved.clone())).await;
        let pem = STANDARD.decode(signed["certificate"].as_str().expect("a certificate")).expect("base64");
        assert!(pem.starts_with(b"-----BEGIN CERTIFICATE-----"), "{signed}");
        let denied = json!([{"type": "Denied", "status": "True"}]);
        assert_eq!(after(&object(KUBELET, "b", &groups, &CLIENT, denied)).await["certificate"], Value::Null);
        let serving = "kubernetes.io/kubelet-serving";
        let failed =
            after(&object(serving, "b", &groups, &["digital signature", "server auth"], approved.clone())).await;
        assert_eq!((&failed["certificate"], &failed["conditions"][1]["type"]), (&Value::Null, &json!("Failed")));
        let foreign = after(&object("example.com/mine", "b", &groups, &CLIENT, approved)).await;
        assert_eq!((&foreign["certificate"], foreign["conditions"].as_array().map(Vec::len)), (&Value::Null, Some(1)));
    }
}
