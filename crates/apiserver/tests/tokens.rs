//! Tokens of service accounts from the request to the use: made, believed, bound to what they are bound to, and refused.
mod serve;

use apiserver::authentication::chain::Trust;
use apiserver::authentication::claims::{Claims, Named};
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use serve::{Reply, alone, ask, ask_as};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const PODS: &str = "/api/v1/namespaces/default/pods";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

async fn made(server: &ApiServer, path: &str, object: Value) -> Value {
    let reply = ask(server, "POST", path, &[], object.to_string()).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    reply.json()
}

/// A token with this `spec`.
async fn token(server: &ApiServer, account: &str, spec: Value) -> Reply {
    let request = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec});
    ask(server, "POST", &format!("{ACCOUNTS}/{account}/token"), &[], request.to_string()).await
}

fn text(reply: &Reply) -> String {
    assert_eq!(reply.code, 201, "{}", reply.body);
    reply.json()["status"]["token"].as_str().expect("a token").to_owned()
}

/// Who the API says that one is who has the token.
async fn who(server: &ApiServer, token: &str) -> Result<Value, u16> {
    let headers = [format!("Authorization: Bearer {token}")];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = ask_as(server, None, "POST", path, &headers, "{}").await;
    if reply.code == 201 { Ok(reply.json()["status"]["userInfo"].clone()) } else { Err(reply.code) }
}

async fn review(server: &ApiServer, token: &str, audiences: &[&str]) -> Value {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": audiences}});
    made(server, REVIEWS, review).await["status"].clone()
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}})
}

#[tokio::test]
async fn an_account_asks_with_its_token() {
    let server = alone().await;
    let reply = token(&server, "default", json!({"expirationSeconds": 600})).await;
    let (token, answer) = (text(&reply), reply.json());
    assert_eq!((&answer["metadata"]["name"], &answer["metadata"]["namespace"]), (&json!("default"), &json!("default")));
    let want = json!({"audiences": [ISSUER], "expirationSeconds": 600, "boundObjectRef": null});
    assert_eq!(answer["spec"], want);
    let said = claims(&token);
    assert_eq!(said["exp"].as_u64(), said["iat"].as_u64().map(|at| at + 600));
    let account = ask(&server, "GET", &format!("{ACCOUNTS}/default"), &[], "").await.json();
    let uid = account["metadata"]["uid"].clone();
    let want = json!({"username": "system:serviceaccount:default:default", "uid": uid,
        "groups": ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/credential-id": [format!("JTI={}", said["jti"].as_str().expect("an id"))]}});
    assert_eq!(who(&server, &token).await, Ok(want.clone()));
    let status = review(&server, &token, &[]).await;
    assert_eq!(status, json!({"authenticated": true, "user": want, "audiences": [ISSUER]}));
    let headers = [format!("Authorization: Bearer {token}")];
    let secrets = ask_as(&server, None, "GET", "/api/v1/namespaces/default/secrets", &[&headers[0]], "").await;
    assert_eq!(secrets.code, 403, "known, and not allowed: {}", secrets.body);
    assert!(secrets.body.contains("system:serviceaccount:default:default"));
    let protocol = format!(
        "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.{}, v5.channel.k8s.io",
        URL_SAFE_NO_PAD.encode(&token)
    );
    let secrets = ask_as(&server, None, "GET", "/api/v1/namespaces/default/secrets", &[&protocol], "").await;
    assert_eq!(secrets.code, 403, "{}", secrets.body);
}

#[tokio::test]
async fn a_token_is_worth_nothing_once_its_account_is_another() {
    let server = alone().await;
    made(&server, ACCOUNTS, json!({"metadata": {"name": "robot"}})).await;
    let token = text(&token(&server, "robot", json!({})).await);
    assert!(who(&server, &token).await.is_ok());
    assert_eq!(ask(&server, "DELETE", &format!("{ACCOUNTS}/robot"), &[], "").await.code, 200);
    assert_eq!(who(&server, &token).await, Err(401));
    made(&server, ACCOUNTS, json!({"metadata": {"name": "robot"}})).await;
    assert_eq!(who(&server, &token).await, Err(401));
    let status = review(&server, &token, &[]).await;
    assert!(status["error"].as_str().expect("why").contains("does not match claim"), "{status}");
    assert!(status["authenticated"].is_null());
}

#[tokio::test]
async fn a_token_is_bound_to_its_pod() {
    let server = alone().await;
    let node = made(&server, "/api/v1/nodes", json!({"metadata": {"name": "n1"}})).await;
    let pod = made(&server, PODS, pod("p")).await;
    let bound = |kind: &str, name: &str, uid: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}});
    let uid = pod["metadata"]["uid"].as_str().expect("a uid");
    let good = text(&token(&server, "default", bound("Pod", "p", uid)).await);
    let user = who(&server, &good).await.expect("known");
    let extra = |name: &str| user["extra"][format!("authentication.kubernetes.io/{name}")][0].clone();
    let want = [json!("p"), json!(uid), json!("n1"), node["metadata"]["uid"].clone()];
    assert_eq!(["pod-name", "pod-uid", "node-name", "node-uid"].map(extra), want);
    made(&server, ACCOUNTS, json!({"metadata": {"name": "other"}})).await;
    let secrets = "/api/v1/namespaces/default/secrets";
    made(&server, secrets, json!({"metadata": {"name": "s"}})).await;
    let table = [
        ("other", bound("Pod", "p", uid), 400, "to pod running with different serviceaccount name."),
        ("default", bound("Pod", "q", ""), 404, "pods \"q\" not found"),
        ("default", bound("Pod", "p", "00000000-0000-0000-0000-000000000001"), 409, "does not match the UID in record"),
        ("default", bound("Service", "kubernetes", ""), 400, "cannot bind token to object of type /v1, Kind=Service"),
        ("none", json!({}), 404, "serviceaccounts \"none\" not found"),
        ("default", json!({"expirationSeconds": 599}), 422, "may not specify a duration less than 10 minutes"),
        ("default", json!({"expirationSeconds": 4_294_967_297_i64}), 422, "larger than 2^32 seconds"),
    ];
    for (account, spec, code, words) in table {
        let reply = token(&server, account, spec).await;
        assert!(reply.code == code && reply.json()["message"].as_str().expect("why").contains(words), "{}", reply.body);
    }
    let to_secret = text(&token(&server, "default", bound("Secret", "s", "")).await);
    let to_node = text(&token(&server, "default", bound("Node", "n1", "")).await);
    assert!(who(&server, &to_secret).await.is_ok() && who(&server, &to_node).await.is_ok());
    for path in [format!("{secrets}/s"), format!("{PODS}/p?gracePeriodSeconds=0"), "/api/v1/nodes/n1".to_owned()] {
        assert_eq!(ask(&server, "DELETE", &path, &[], "").await.code, 200, "{path}");
    }
    for gone in [good, to_secret, to_node] {
        assert_eq!(who(&server, &gone).await, Err(401));
    }
}

#[tokio::test]
async fn a_token_for_others_is_not_for_the_api() {
    let server = alone().await;
    let other = text(&token(&server, "default", json!({"audiences": ["vault", "else"]})).await);
    assert_eq!(who(&server, &other).await, Err(401));
    let status = review(&server, &other, &["vault", "nobody"]).await;
    assert_eq!((&status["authenticated"], &status["audiences"]), (&json!(true), &json!(["vault"])));
    let status = review(&server, &other, &[]).await;
    let want = format!("token audiences [\"vault\", \"else\"] is invalid for the target audiences [\"{ISSUER}\"]");
    assert_eq!(status, json!({"user": {}, "error": want}));
    let empty = ask(&server, "POST", REVIEWS, &[], r#"{"spec": {}}"#).await;
    assert_eq!(empty.code, 400, "{}", empty.body);
}

#[tokio::test]
async fn forged_and_late_tokens_are_refused() {
    let trust = Trust::default();
    let member = consensus::Member::alone();
    let server = ApiServer::new(Parts { trust: trust.clone(), ..Parts::new(member) });
    apiserver::founding::found(&server, 6443).await.expect("founded");
    let account = ask(&server, "GET", &format!("{ACCOUNTS}/default"), &[], "").await.json();
    let uid = account["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let now = rt::wall() / 1_000;
    let good = Claims {
        audiences: vec![ISSUER.into()],
        issued: now,
        not_before: now,
        expires: Some(now + 600),
        id: "j".into(),
        namespace: "default".into(),
        account: Named { name: "default".into(), uid },
        ..Claims::default()
    };
    let signed = |claims: &Claims| trust.signer.sign(&claims.to_value());
    assert!(who(&server, &signed(&good)).await.is_ok());
    let late = signed(&Claims { expires: Some(now - 61), ..good.clone() });
    let early = signed(&Claims { not_before: now + 120, ..good.clone() });
    let forged = Trust::default().signer.sign(&good.to_value());
    for (token, why) in [
        (&late, "service account token has expired"),
        (&early, "service account token is not valid yet"),
        (&forged, "invalid bearer token"),
        (&"garbage".to_owned(), "invalid bearer token"),
        (&"a.b.c".to_owned(), "invalid bearer token"),
    ] {
        assert_eq!(who(&server, token).await, Err(401), "{why}");
        assert_eq!(review(&server, token, &[]).await["error"], why);
    }
    let header = format!("Authorization: Bearer {late}");
    let reply = ask_as(&server, None, "GET", "/version", &[&header], "").await;
    assert_eq!(reply.code, 401, "a bad token is not nobody");
    let want = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401});
    assert_eq!(reply.json(), want);
}

#[tokio::test]
async fn the_keys_are_published() {
    let server = alone().await;
    let reply = ask(&server, "GET", "/.well-known/openid-configuration", &[], "").await;
    assert_eq!(
        (reply.json()["issuer"].clone(), reply.json()["id_token_signing_alg_values_supported"].clone()),
        (json!(ISSUER), json!(["ES256"]))
    );
    let reply = ask(&server, "GET", "/openid/v1/jwks", &[], "").await;
    assert!(reply.code == 200 && reply.headers["content-type"] == "application/jwk-set+json", "{reply:?}");
    let token = text(&token(&server, "default", json!({})).await);
    let keys = apiserver::authentication::keys::PublicKey::of_set(&reply.json());
    let read = apiserver::authentication::jwt::Jwt::read(&token).expect("a token");
    assert!(read.proved(&keys).is_some(), "anybody can check it");
}

#[tokio::test]
async fn a_secret_of_the_type_holds_a_token_as_long_as_it_is_there() {
    let server = alone().await;
    let secrets = "/api/v1/namespaces/default/secrets";
    let annotations = json!({"kubernetes.io/service-account.name": "default"});
    let secret =
        json!({"metadata": {"name": "old", "annotations": annotations}, "type": "kubernetes.io/service-account-token"});
    let secret = made(&server, secrets, secret).await;
    let data = |member: &str| {
        String::from_utf8(STANDARD.decode(secret["data"][member].as_str().expect("there")).expect("base64"))
            .expect("text")
    };
    assert_eq!(data("namespace"), "default");
    let token = data("token");
    assert_eq!(claims(&token)["iss"], "kubernetes/serviceaccount");
    assert_eq!(who(&server, &token).await.expect("known")["username"], "system:serviceaccount:default:default");
    let merge = ["Content-Type: application/merge-patch+json"];
    let other = json!({"data": {"token": STANDARD.encode("other")}}).to_string();
    assert_eq!(ask(&server, "PATCH", &format!("{secrets}/old"), &merge, other).await.code, 200);
    assert_eq!(who(&server, &token).await, Err(401), "the secret holds another");
    let none = json!({"data": {"token": null}}).to_string();
    assert_eq!(ask(&server, "PATCH", &format!("{secrets}/old"), &merge, none).await.code, 200);
    assert!(who(&server, &token).await.is_ok(), "it is filled again");
    assert_eq!(ask(&server, "DELETE", &format!("{secrets}/old"), &[], "").await.code, 200);
    assert_eq!(who(&server, &token).await, Err(401));
}

#[tokio::test]
async fn a_bootstrap_token_proves_its_machine() {
    let server = alone().await;
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    let secret = |id: &str, more: Value| {
        let mut data =
            json!({"token-id": id, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true"});
        for (name, value) in more.as_object().expect("an object") {
            data[name] = value.clone();
        }
        json!({"metadata": {"name": format!("bootstrap-token-{id}")}, "type": "bootstrap.kubernetes.io/token", "stringData": data})
    };
    let groups = "system:bootstrappers:kubeadm:default-node-token";
    for (id, more) in [
        ("aaaaaa", json!({"auth-extra-groups": groups})),
        ("bbbbbb", json!({"expiration": "2020-01-01T00:00:00Z"})),
        ("cccccc", json!({"usage-bootstrap-authentication": "false"})),
        ("dddddd", json!({"auth-extra-groups": "system:masters"})),
        ("eeeeee", json!({"token-secret": ""})),
    ] {
        made(&server, secrets, secret(id, more)).await;
    }
    let want = json!({"username": "system:bootstrap:aaaaaa", "groups": ["system:bootstrappers", groups, "system:authenticated"]});
    assert_eq!(who(&server, "aaaaaa.0123456789abcdef").await, Ok(want));
    for bad in [
        "aaaaaa.0123456789abcdee",
        "bbbbbb.0123456789abcdef",
        "cccccc.0123456789abcdef",
        "dddddd.0123456789abcdef",
        "eeeeee.0123456789abcdef",
        "ffffff.0123456789abcdef",
    ] {
        assert_eq!(who(&server, bad).await, Err(401), "{bad}");
    }
}

#[tokio::test]
async fn a_namespace_is_born_with_an_account_and_pods_run_as_one() {
    let server = alone().await;
    apiserver::founding::publish_authority(&server, "PEM").await.expect("published");
    made(&server, "/api/v1/namespaces", json!({"metadata": {"name": "new"}})).await;
    let pods = "/api/v1/namespaces/new/pods";
    let first =
        made(&server, pods, json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}))
            .await;
    let volume = &first["spec"]["volumes"][0];
    assert!(volume["name"].as_str().expect("a name").starts_with("kube-api-access-"));
    let want = json!({"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]});
    assert_eq!(volume["projected"], want);
    let mount = json!([{"name": volume["name"], "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]);
    assert_eq!(first["spec"]["containers"][0]["volumeMounts"], mount);
    let map = ask(&server, "GET", "/api/v1/namespaces/new/configmaps/kube-root-ca.crt", &[], "").await.json();
    assert_eq!(map["data"]["ca.crt"], "PEM");
    let other = json!({"metadata": {"name": "q"}, "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]}});
    let refused = ask(&server, "POST", pods, &[], other.to_string()).await;
    let want =
        "pods \"q\" is forbidden: error looking up service account new/robot: serviceaccount \"robot\" not found";
    assert_eq!((refused.code, refused.json()["message"].as_str()), (403, Some(want)));
}

#[tokio::test]
async fn bodies_are_read_for_who_has_a_token() {
    let api = alone().await;
    let token = text(&token(&api, "default", json!({})).await);
    let https = serve::https(api).await;
    let url = format!("https://{}/apis/authentication.k8s.io/v1/selfsubjectreviews", https.server.address());
    let authority = https.directory.path().join("ca.pem");
    let ask = |token: String| {
        let (url, authority) = (url.clone(), authority.clone());
        async move {
            let mut curl = tokio::process::Command::new("curl");
            curl.arg("-s").arg("--cacert").arg(authority).args(["-H", &format!("Authorization: Bearer {token}")]);
            curl.args([
                "-H",
                "Content-Type: application/json",
                "-d",
                r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#,
            ])
            .arg(url);
            let done = curl.output().await.expect("curl runs");
            serde_json::from_slice::<Value>(&done.stdout).expect("JSON")
        }
    };
    assert_eq!(ask(token.clone()).await["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
    for _ in 0..20 {
        assert_eq!(ask(format!("{token}x")).await["code"], 401, "the answer comes, though the body is not read");
    }
    https.server.stop().await;
}
