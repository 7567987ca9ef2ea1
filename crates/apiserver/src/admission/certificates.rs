//! CertificateApproval, CertificateSigning and CertificateSubjectRestriction: who approves or signs a request for a certificate must be
//! allowed to do that for its signer, and nobody is made a member of `system:masters` by way of the API.
use api::admission::request::{Notes, Operation, Plugin, Request, text};
use api::attempt::Attempt;
use api::status::Status;
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

pub const APPROVAL: Plugin = Plugin { name: "CertificateApproval", admit: None, validate: Some(approval) };
pub const SIGNING: Plugin = Plugin { name: "CertificateSigning", admit: None, validate: Some(signing) };
pub const SUBJECT: Plugin = Plugin { name: "CertificateSubjectRestriction", admit: None, validate: Some(subject) };

const REQUESTS: &str = "certificatesigningrequests.certificates.k8s.io";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

/// The signer that the request is for, if it is changed through this subresource. It is that of the object as it was.
fn signer<'a>(request: &Request<'a>, subresource: &str) -> Option<&'a str> {
    let concerns = &*request.kind.resource == REQUESTS && request.subresource == subresource;
    let old = request.old.filter(|_| concerns && request.operation == Operation::Update)?;
    Some(text(&old["spec"], "signerName"))
}

/// Whether the asker may do this for a signer, or for all of its domain.
fn may(request: &Request<'_>, verb: &str, signer: &str) -> bool {
    let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
    let also = Attempt { verb, group: "certificates.k8s.io", resource: "signers", ..Attempt::default() };
    [signer, domain.as_str()].into_iter().any(|name| (request.may)(&Attempt { name, ..also }))
}

fn approval(request: &Request<'_>, object: &Value, _: &mut Notes) -> Result<(), Status> {
    match signer(request, "approval") {
        Some(signer) if !may(request, "approve", signer) => {
            let why = format!("user not permitted to approve requests with signerName {signer:?}");
            Err(request.forbidden(object, &why))
        }
        _ => Ok(()),
    }
}

fn signing(request: &Request<'_>, object: &Value, _: &mut Notes) -> Result<(), Status> {
    let same = request.old.is_some_and(|old| old["status"]["certificate"] == object["status"]["certificate"]);
    match signer(request, "status") {
        Some(signer) if !same && !may(request, "sign", signer) => {
            let why = format!("user not permitted to sign requests with signerName {signer:?}");
            Err(request.forbidden(object, &why))
        }
        _ => Ok(()),
    }
}

fn subject(request: &Request<'_>, object: &Value, _: &mut Notes) -> Result<(), Status> {
    let concerns = request.is(Operation::Create, REQUESTS) && text(&object["spec"], "signerName") == CLIENT_SIGNER;
    if !concerns {
        return Ok(());
    }
    match organizations(text(&object["spec"], "request")) {
        None => Err(request.forbidden(object, "failed to parse CSR: PEM block type must be CERTIFICATE REQUEST")),
        Some(groups) if groups.iter().any(|group| group == MASTERS) => {
            let why = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
            Err(request.forbidden(object, &why))
        }
        Some(_) => Ok(()),
    }
}

/// The organizations of the subject; `None` if it is no request.
fn organizations(request: &str) -> Option<Vec<String>> {
    let pem = api::base64::decode(request)?;
    let (_, pem) = parse_x509_pem(&pem).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    Some(subject.iter_organization().filter_map(|name| name.as_str().ok()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::admission::request::Who;
    use serde_json::json;

    /// What the three plug-ins say, for somebody who may do `verb` for `name` and nothing else.
    fn ask(may: (&str, &str), subresource: &str, old: Option<&Value>, new: &Value) -> Result<(), String> {
        let view = store::view::View::default();
        let kind = api::kinds::builtin().iter().find(|kind| &*kind.resource == REQUESTS).expect("the kind");
        let request = Request {
            operation: if old.is_some() { Operation::Update } else { Operation::Create },
            kind,
            subresource,
            namespace: "",
            name: "r",
            user: Who { name: "bob", groups: &[] },
            dry_run: false,
            old,
            cluster: &view,
            may: &|also| (also.verb, also.name) == may && also.resource == "signers",
        };
        let all = [&APPROVAL, &SIGNING, &SUBJECT];
        api::admission::validate(&all, &request, new).map(|_| ()).map_err(|status| status.message.clone())
    }

    #[test]
    fn who_approves_or_signs_must_be_allowed_to_for_the_signer() {
        let old = json!({"spec": {"signerName": "a.io/b"}, "status": {}});
        let signed = json!({"spec": {"signerName": "c.io/d"}, "status": {"certificate": "x"}});
        let refused = |what: &str| {
            let told = format!("user not permitted to {what} requests with signerName \"a.io/b\"");
            Err(format!("certificatesigningrequests.certificates.k8s.io \"r\" is forbidden: {told}"))
        };
        let table = [
            (("approve", "a.io/b"), "approval", &old, Ok(())),
            (("approve", "a.io/*"), "approval", &old, Ok(())),
            (("approve", "c.io/d"), "approval", &signed, refused("approve")),
            (("sign", "a.io/b"), "status", &signed, Ok(())),
            (("approve", "a.io/b"), "status", &signed, refused("sign")),
            (("", ""), "status", &old, Ok(())),
            (("", ""), "", &signed, Ok(())),
        ];
        for (may, subresource, new, want) in table {
            assert_eq!(ask(may, subresource, Some(&old), new), want, "{may:?} {subresource}");
        }
    }

    #[test]
    fn nobody_asks_to_be_a_master() {
        let request = |organization: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
            let key = rcgen::KeyPair::generate().expect("a key");
            params.serialize_request(&key).expect("a request").pem().expect("PEM")
        };
        let object = |signer: &str, pem: &str| json!({"spec": {"signerName": signer, "request": api::base64::encode(pem.as_bytes())}});
        let masters = request(MASTERS);
        let told = ask(("", ""), "", None, &object(CLIENT_SIGNER, &masters)).expect_err("refused");
        assert!(
            told.ends_with(
                "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
            ),
            "{told}"
        );
        assert_eq!(ask(("", ""), "", None, &object("a.io/b", &masters)), Ok(()));
        assert_eq!(ask(("", ""), "", None, &object(CLIENT_SIGNER, &request("crew"))), Ok(()));
        assert!(ask(("", ""), "", None, &object(CLIENT_SIGNER, "nonsense")).is_err());
    }
}
