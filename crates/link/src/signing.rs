//! Certificates for who asks with a request of their own (PKCS #10), as Kubernetes' signers give them: what each signer demands of a
//! request, and the certificate. Whether a request is approved is decided elsewhere; it keeps nothing and asks no clock.
use crate::authority::Authority;
use crate::error::LinkError;
use crate::peer::{NODE_GROUP, NODE_PREFIX};
use crate::subject;
use api::revision::Millis;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SubjectPublicKeyInfo};
use std::net::IpAddr;
use std::time::Duration;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

/// Whose rules a request is held to: the built-in signers that sign by themselves (certificates.k8s.io).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// `kubernetes.io/kube-apiserver-client`
    Client,
    /// `kubernetes.io/kube-apiserver-client-kubelet`
    KubeletClient,
    /// `kubernetes.io/kubelet-serving`
    KubeletServing,
}

/// How long a certificate is good that nobody wants shorter.
const LIFE: Duration = Duration::from_secs(365 * 24 * 3_600);
/// Back from now, for machines whose clocks are behind.
const BACK: Duration = Duration::from_secs(5 * 60);

impl Signer {
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "kubernetes.io/kube-apiserver-client" => Some(Self::Client),
            "kubernetes.io/kube-apiserver-client-kubelet" => Some(Self::KubeletClient),
            "kubernetes.io/kubelet-serving" => Some(Self::KubeletServing),
            _ => None,
        }
    }

    /// Why the signer would not sign a request; `None` if it would.
    #[must_use]
    pub fn objects(self, request: &Wanted, usages: &[&str]) -> Option<String> {
        let (purpose, more) = match self {
            Self::Client | Self::KubeletClient => ("client auth", "key encipherment"),
            Self::KubeletServing => ("server auth", "key encipherment"),
        };
        let known = |usage: &&str| *usage == purpose || *usage == more || *usage == "digital signature";
        let signs = self == Self::Client || usages.contains(&"digital signature");
        if !usages.contains(&purpose) || !signs || !usages.iter().all(known) {
            return Some(format!("usages did not match {:?}", [more, "digital signature", purpose]));
        }
        if self == Self::Client {
            return None;
        }
        if request.groups != [NODE_GROUP] {
            return Some(format!("subject organization is not {NODE_GROUP}"));
        }
        if !request.name.starts_with(NODE_PREFIX) {
            return Some(format!("subject common name does not begin with {NODE_PREFIX}"));
        }
        match (self, request.hosts, request.others) {
            (_, _, true) => Some("email and URI subjectAltNames are not allowed".into()),
            (Self::KubeletClient, true, _) => Some("DNS and IP subjectAltNames are not allowed".into()),
            (Self::KubeletServing, false, _) => Some("DNS or IP subjectAltName is required".into()),
            _ => None,
        }
    }
}

/// What a request asks for, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub groups: Vec<String>,
    /// It names DNS names or addresses.
    pub hosts: bool,
    /// It names mail addresses or URIs.
    pub others: bool,
}

impl Wanted {
    /// # Errors
    /// If it is no request in PEM.
    pub fn read(pem: &[u8]) -> Result<Self, LinkError> {
        let bad = |why: String| LinkError::Certificate(format!("the request cannot be read: {why}"));
        let (_, block) = parse_x509_pem(pem).map_err(|why| bad(why.to_string()))?;
        let (_, request) = X509CertificationRequest::from_der(&block.contents).map_err(|why| bad(why.to_string()))?;
        let subject = &request.certification_request_info.subject;
        let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
        let name = subject.iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned();
        let mut wanted = Self { name, groups, ..Self::default() };
        for extension in request.requested_extensions().into_iter().flatten() {
            let ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
            for name in &names.general_names {
                use GeneralName::{DNSName, IPAddress};
                if matches!(name, DNSName(_) | IPAddress(_)) { wanted.hosts = true } else { wanted.others = true }
            }
        }
        Ok(wanted)
    }
}

impl Authority {
    /// A certificate (PEM) over a request (PEM) with these usages, good for `seconds` or a year, whichever is shorter.
    ///
    /// # Errors
    /// If the request is none, is not signed by its own key, or holds what no certificate of ours does.
    pub fn grant(&self, pem: &[u8], usages: &[&str], seconds: Option<u64>, now: Millis) -> Result<String, LinkError> {
        let bad = |why: String| LinkError::Certificate(format!("the request cannot be signed: {why}"));
        let (_, block) = parse_x509_pem(pem).map_err(|why| bad(why.to_string()))?;
        let (_, request) = X509CertificationRequest::from_der(&block.contents).map_err(|why| bad(why.to_string()))?;
        request.verify_signature().map_err(|why| bad(why.to_string()))?;
        let asked = &request.certification_request_info;
        let public = SubjectPublicKeyInfo::from_der(asked.subject_pki.raw).map_err(|why| bad(why.to_string()))?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = hosts(&request);
        params.is_ca = IsCa::NoCa;
        params.key_usages = usages.iter().filter_map(|usage| key_usage(usage)).collect();
        params.extended_key_usages = usages.iter().filter_map(|usage| purpose(usage)).collect();
        params.use_authority_key_identifier_extension = true;
        let today = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(now.0);
        params.not_before = today - BACK;
        params.not_after = today + seconds.map_or(LIFE, |seconds| Duration::from_secs(seconds).min(LIFE));
        let plain = params.signed_by(&public, self.issuer()).map_err(|why| bad(why.to_string()))?;
        // The subject as it was asked for, with all its groups.
        subject::named(plain.der(), asked.subject.as_raw(), self.issuer().key())
            .ok_or_else(|| bad("its subject cannot be read".to_owned()))
    }
}

/// The DNS names and addresses that a request names.
fn hosts(request: &X509CertificationRequest<'_>) -> Vec<SanType> {
    let mut hosts = Vec::new();
    for extension in request.requested_extensions().into_iter().flatten() {
        let ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
        hosts.extend(names.general_names.iter().filter_map(|name| {
            match name {
                GeneralName::DNSName(name) => (*name).try_into().ok().map(SanType::DnsName),
                GeneralName::IPAddress(address) => <[u8; 4]>::try_from(*address)
                    .map(IpAddr::from)
                    .or_else(|_| <[u8; 16]>::try_from(*address).map(IpAddr::from))
                    .ok()
                    .map(SanType::IpAddress),
                _ => None,
            }
        }));
    }
    hosts
}

fn key_usage(usage: &str) -> Option<KeyUsagePurpose> {
    match usage {
        "digital signature" => Some(KeyUsagePurpose::DigitalSignature),
        "key encipherment" => Some(KeyUsagePurpose::KeyEncipherment),
        _ => None,
    }
}

fn purpose(usage: &str) -> Option<ExtendedKeyUsagePurpose> {
    match usage {
        "client auth" => Some(ExtendedKeyUsagePurpose::ClientAuth),
        "server auth" => Some(ExtendedKeyUsagePurpose::ServerAuth),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{DnType, KeyPair};
    use x509_parser::parse_x509_certificate;

    fn request(name: &str, group: &str, hosts: &[&str]) -> String {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        if !group.is_empty() {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        let key = KeyPair::generate().expect("a key");
        params.serialize_request(&key).expect("a request").pem().expect("PEM")
    }

    #[test]
    fn each_signer_demands_what_kubernetes_does() {
        let client = ["digital signature", "client auth"];
        let table: [(&str, Signer, String, &[&str], Option<&str>); 10] = [
            ("kubelet", Signer::KubeletClient, request("system:node:n", "system:nodes", &[]), &client, None),
            ("group", Signer::KubeletClient, request("system:node:n", "g", &[]), &client, Some("organization")),
            ("name", Signer::KubeletClient, request("n", "system:nodes", &[]), &client, Some("common name")),
            (
                "host",
                Signer::KubeletClient,
                request("system:node:n", "system:nodes", &["a.b"]),
                &client,
                Some("not allowed"),
            ),
            (
                "usage",
                Signer::KubeletClient,
                request("system:node:n", "system:nodes", &[]),
                &["client auth"],
                Some("usages"),
            ),
            (
                "server",
                Signer::KubeletServing,
                request("system:node:n", "system:nodes", &["10.0.0.1"]),
                &["digital signature", "key encipherment", "server auth"],
                None,
            ),
            (
                "no host",
                Signer::KubeletServing,
                request("system:node:n", "system:nodes", &[]),
                &["digital signature", "server auth"],
                Some("required"),
            ),
            ("person", Signer::Client, request("bob", "devs", &[]), &["client auth"], None),
            ("too much", Signer::Client, request("bob", "devs", &[]), &["client auth", "server auth"], Some("usages")),
            ("nothing", Signer::Client, request("bob", "devs", &[]), &["digital signature"], Some("usages")),
        ];
        for (what, signer, pem, usages, want) in table {
            let wanted = Wanted::read(pem.as_bytes()).expect("a request");
            let told = signer.objects(&wanted, usages);
            assert_eq!(told.is_some(), want.is_some(), "{what}: {told:?}");
            assert!(told.unwrap_or_default().contains(want.unwrap_or_default()), "{what}");
        }
    }

    /// A request of several groups: the subject of a plain one is exchanged.
    fn of_groups(name: &str, groups: &[&str]) -> String {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        let authority = Authority::found("c", Millis(1_000_000_000_000)).expect("founded");
        let key = authority.issuer().key();
        let subject = subject::name(name, &groups);
        let plain = CertificateParams::default().serialize_request(key).expect("a request");
        subject::requested(plain.der(), &subject, key).expect("a request")
    }

    #[test]
    fn all_groups_stay() {
        let authority = Authority::found("c", Millis(1_000_000_000_000)).expect("founded");
        let (usages, now) = (["client auth", "digital signature"], Millis(1_800_000_000_000));
        let read = |pem: &str| {
            let (_, block) = parse_x509_pem(pem.as_bytes()).expect("PEM");
            let (_, read) = parse_x509_certificate(&block.contents).expect("a certificate");
            let (_, own) = parse_x509_pem(authority.certificate_pem().as_bytes()).expect("PEM");
            let (_, own) = parse_x509_certificate(&own.contents).expect("a certificate");
            read.verify_signature(Some(own.public_key())).expect("signed by the authority");
            let groups = read.subject().iter_organization().filter_map(|group| group.as_str().ok());
            let name = read.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
            (name.unwrap_or_default().to_owned(), groups.map(str::to_owned).collect::<Vec<_>>())
        };
        let many: Vec<String> = (0..20).map(|at| format!("group-{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for groups in [&[][..], &["devs"], &["devs", "ops", "system:masters"], &many] {
            let pem = of_groups("bob", groups);
            assert_eq!(Wanted::read(pem.as_bytes()).expect("a request").groups, groups);
            let granted = authority.grant(pem.as_bytes(), &usages, None, now).expect("granted");
            assert_eq!(read(&granted), ("bob".to_owned(), groups.iter().map(|group| (*group).to_owned()).collect()));
        }
        let holder = crate::authority::Holder::Client { user: "ann".into(), groups: vec!["a".into(), "b".into()] };
        let identity = authority.issue(&holder, now).expect("an identity");
        assert_eq!(read(&identity.certificate_pem), ("ann".to_owned(), vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn a_certificate_is_what_was_granted_and_no_more() {
        let authority = Authority::found("c", Millis(1_000_000_000_000)).expect("founded");
        let pem = request("bob", "devs", &["a.b"]);
        let (usages, now) = (["client auth", "digital signature"], Millis(1_800_000_000_000));
        let certificate = authority.grant(pem.as_bytes(), &usages, Some(3_600), now).expect("granted");
        let (_, block) = parse_x509_pem(certificate.as_bytes()).expect("PEM");
        let (_, read) = parse_x509_certificate(&block.contents).expect("a certificate");
        let validity = read.validity();
        assert_eq!(validity.not_after.timestamp() - validity.not_before.timestamp(), 3_600 + 300);
        assert!(!read.is_ca());
        let purposes = read.extended_key_usage().expect("read").expect("there").value;
        assert!(purposes.client_auth && !purposes.server_auth);
        let long = authority.grant(pem.as_bytes(), &usages, Some(u64::from(u32::MAX)), now).expect("granted");
        assert!(long.starts_with("-----BEGIN CERTIFICATE-----"));
        let mut forged = pem.clone();
        forged.replace_range(100..104, "AAAA");
        for bad in [b"".as_slice(), b"x", forged.as_bytes(), &[0xff, 0xfe]] {
            assert!(authority.grant(bad, &usages, None, now).is_err());
        }
    }
}
