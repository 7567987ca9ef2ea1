//! The kubeconfig of a person with a client certificate. Pure: PEM in, YAML out.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use link::authority::Identity;

/// A kubeconfig for the API at `server` (`https://host:port`), as user `user` of cluster `cluster`.
#[must_use]
pub fn kubeconfig(cluster: &str, server: &str, user: &str, identity: &Identity) -> String {
    let authority = STANDARD.encode(&identity.authority_pem);
    let certificate = STANDARD.encode(&identity.certificate_pem);
    let key = STANDARD.encode(&identity.key_pem);
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {cluster}\n  cluster:\n    server: {server}\n    \
         certificate-authority-data: {authority}\nusers:\n- name: {user}\n  user:\n    \
         client-certificate-data: {certificate}\n    client-key-data: {key}\ncontexts:\n- name: {cluster}\n  context:\n    \
         cluster: {cluster}\n    user: {user}\ncurrent-context: {cluster}\npreferences: {{}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_kubectl_reads() {
        let identity = Identity { authority_pem: "A".into(), certificate_pem: "B".into(), key_pem: "C".into() };
        let text = kubeconfig("rutter-1", "https://10.0.0.1:6443", "kubernetes-admin", &identity);
        for line in [
            "    server: https://10.0.0.1:6443",
            "    certificate-authority-data: QQ==",
            "    client-certificate-data: Qg==",
            "    client-key-data: Qw==",
            "    cluster: rutter-1",
            "current-context: rutter-1",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} in\n{text}");
        }
    }
}
