//! Certificates for who asks with a request of their own (PKCS #10), as Kubernetes' signers give them: what each signer demands of a
//! request, and the certificate. Whether a request is approved is decided elsewhere; it keeps nothing and asks no clock.
use crate::authority::Authority;
use crate::error::LinkError;
use crate::peer::{NODE_GROUP, NODE_PREFIX};
use api::revision::Millis;
use rcgen::{CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use std::time::Duration;
use x509_parser::certification_request::X509CertificationRequest;
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
            let one = request.groups.len() <= 1;
            return (!one).then(|| "a certificate can name one organization only".to_owned());
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
            let x509_parser::extensions::ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
            for name in &names.general_names {
                use x509_parser::extensions::GeneralName::{DNSName, IPAddress};
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
        let bad = |why: rcgen::Error| LinkError::Certificate(format!("the request cannot be signed: {why}"));
        let text = std::str::from_utf8(pem).map_err(|why| LinkError::Certificate(why.to_string()))?;
        let mut request = CertificateSigningRequestParams::from_pem(text).map_err(bad)?;
        let params = &mut request.params;
        params.is_ca = IsCa::NoCa;
        params.subject_alt_names.retain(|name| matches!(name, SanType::DnsName(_) | SanType::IpAddress(_)));
        params.key_usages = usages.iter().filter_map(|usage| key_usage(usage)).collect();
        params.extended_key_usages = usages.iter().filter_map(|usage| purpose(usage)).collect();
        params.use_authority_key_identifier_extension = true;
        let today = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_millis(now.0);
        params.not_before = today - BACK;
        params.not_after = today + seconds.map_or(LIFE, |seconds| Duration::from_secs(seconds).min(LIFE));
        Ok(request.signed_by(self.issuer()).map_err(bad)?.pem())
    }
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
    use rcgen::{CertificateParams, DnType, KeyPair};
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
