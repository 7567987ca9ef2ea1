//! The cluster's own certificate authority: ECDSA P-256, which rustls and every Kubernetes client accept. It signs; it keeps
//! nothing, and asks no clock: whoever holds the files and the time hands them over.
use crate::error::LinkError;
use crate::limits::{AUTHORITY_DAYS, SERVER_DAYS};
use crate::peer::{MEMBER_PREFIX, MEMBER_SERVER_NAME, NODE_GROUP, NODE_PREFIX, check_name};
use crate::reset::ResetSecret;
use crate::subject;
use api::revision::Millis;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SubjectPublicKeyInfo,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// A certificate and its key, as PEM, and the authority's certificate: all that is needed to be someone.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub authority_pem: String,
    pub certificate_pem: String,
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// A key made on the machine that will use it; only the public half is sent.
pub struct Key {
    pub public_pem: String,
    pub private_pem: String,
}

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Serves and dials link.
    Member { name: String },
    /// Dials link; may use the API as a node.
    Node { name: String },
    /// The HTTPS server of one member. `names` are host names and addresses beside those every API server has.
    ApiServer { names: Vec<String> },
    /// A person or program that uses the API.
    Client { user: String, groups: Vec<String> },
}

/// BLAKE3 of the authority's certificate (DER): what a join token pins.
pub type Pin = [u8; 32];

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: String,
}

/// Names under which every API server is known inside a cluster.
const API_SERVER_NAMES: [&str; 7] = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "127.0.0.1",
    "10.96.0.1",
];

impl Key {
    /// # Errors
    /// If the system gives no random numbers.
    pub fn make() -> Result<Self, LinkError> {
        Ok(Self::of(&KeyPair::generate().map_err(broken)?))
    }

    /// The key whose private half is given (PKCS #8, DER).
    ///
    /// # Errors
    /// If it is none, or of a kind that is not known.
    pub fn of_der(private: &[u8]) -> Result<Self, LinkError> {
        Ok(Self::of(&KeyPair::try_from(private).map_err(broken)?))
    }

    fn of(key: &KeyPair) -> Self {
        Self { public_pem: key.public_key_pem(), private_pem: key.serialize_pem() }
    }
}

impl Authority {
    /// A new authority for cluster `cluster`.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn found(cluster: &str, now: Millis) -> Result<Self, LinkError> {
        let key = KeyPair::generate().map_err(broken)?;
        let mut params = params("rutter", &[cluster.to_owned()], now, AUTHORITY_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(broken)?;
        Self::open(&certificate.pem(), &key.serialize_pem())
    }

    /// The authority that was kept as two files.
    ///
    /// # Errors
    /// If they are not a certificate and its key.
    pub fn open(certificate_pem: &str, key_pem: &str) -> Result<Self, LinkError> {
        let key = KeyPair::from_pem(key_pem).map_err(broken)?;
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|why| LinkError::Certificate(format!("the authority's file is no PEM: {why}")))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der)
            .map_err(|why| LinkError::Certificate(format!("the authority's certificate cannot be read: {why}")))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(LinkError::Certificate("the authority's key is not that of its certificate".into()));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(broken)?;
        Ok(Self { issuer, certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned() })
    }

    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// What signs.
    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// What tokens of this cluster pin.
    ///
    /// # Errors
    /// Never for an authority that was opened.
    pub fn pin(&self) -> Result<Pin, LinkError> {
        pin(&self.certificate_pem)
    }

    /// The secret with which member `name` ends the sessions of its lives before.
    #[must_use]
    pub fn reset_secret(&self, name: &str) -> ResetSecret {
        let mut hasher = blake3::Hasher::new_derive_key("rutter 1 stateless reset");
        hasher.update(self.key_pem.as_bytes());
        hasher.update(name.as_bytes());
        ResetSecret(*hasher.finalize().as_bytes())
    }

    /// What the key is made of that signs the tokens of service accounts: the same on each member, who all hold the authority.
    #[must_use]
    pub fn token_seed(&self) -> [u8; 32] {
        blake3::derive_key("rutter 1 service account tokens", self.key_pem.as_bytes())
    }

    /// A certificate for `holder` with a new key.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate.
    pub fn issue(&self, holder: &Holder, now: Millis) -> Result<Identity, LinkError> {
        let key = Key::make()?;
        let certificate_pem = self.sign(holder, &key.public_pem, now)?;
        Ok(Identity { authority_pem: self.certificate_pem.clone(), certificate_pem, key_pem: key.private_pem })
    }

    /// A certificate (PEM) for `holder` over a public key (PEM) that it has made itself.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate or the key is none.
    pub fn sign(&self, holder: &Holder, public_pem: &str, now: Millis) -> Result<String, LinkError> {
        let public = SubjectPublicKeyInfo::from_pem(public_pem)
            .map_err(|why| LinkError::Certificate(format!("the public key cannot be read: {why}")))?;
        let (server, client) = (ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth);
        let (mut params, names, uses) = match holder {
            Holder::Member { name } => {
                check_name(name)?;
                let params = params(&format!("{MEMBER_PREFIX}{name}"), &[], now, AUTHORITY_DAYS);
                (params, vec![MEMBER_SERVER_NAME.to_owned()], vec![server, client])
            }
            Holder::Node { name } => {
                check_name(name)?;
                (
                    params(&format!("{NODE_PREFIX}{name}"), &[NODE_GROUP.to_owned()], now, AUTHORITY_DAYS),
                    vec![],
                    vec![client],
                )
            }
            Holder::ApiServer { names } => {
                let mut all: Vec<String> = API_SERVER_NAMES.iter().map(|name| (*name).to_owned()).collect();
                all.extend(names.iter().filter(|name| !API_SERVER_NAMES.contains(&name.as_str())).cloned());
                (params("kube-apiserver", &[], now, SERVER_DAYS), all, vec![server])
            }
            Holder::Client { user, groups } => (params(user, groups, now, SERVER_DAYS), vec![], vec![client]),
        };
        params.subject_alt_names = CertificateParams::new(names).map_err(broken)?.subject_alt_names;
        params.extended_key_usages = uses;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&public, &self.issuer).map_err(broken)?;
        match holder {
            Holder::Client { user, groups } if groups.len() > 1 => {
                let broken = || LinkError::Certificate("the certificate does not take its groups".into());
                subject::named(certificate.der(), &subject::name(user, groups), self.issuer.key()).ok_or_else(broken)
            }
            _ => Ok(certificate.pem()),
        }
    }
}

/// The pin of an authority's certificate.
///
/// # Errors
/// If it is no PEM certificate.
pub fn pin(certificate_pem: &str) -> Result<Pin, LinkError> {
    let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
        .map_err(|why| LinkError::Certificate(format!("the authority's file is no PEM: {why}")))?;
    Ok(blake3::hash(&der).into())
}

/// The cluster's id, as its authority's certificate says (organization).
///
/// # Errors
/// If it is no authority's certificate.
pub fn cluster_of(certificate_pem: &str) -> Result<String, LinkError> {
    let none = || LinkError::Certificate("the authority's certificate names no cluster".into());
    let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|_| none())?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|_| none())?;
    let id = parsed.subject().iter_organization().next().and_then(|id| id.as_str().ok());
    id.map(str::to_owned).ok_or_else(none)
}

fn params(user: &str, groups: &[String], now: Millis, days: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, user);
    // A name holds one group here; more are put in afterwards.
    if let Some(group) = groups.first() {
        name.push(DnType::OrganizationName, group.as_str());
    }
    params.distinguished_name = name;
    let day = std::time::Duration::from_secs(24 * 3_600);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // A day back, for machines whose clocks are behind.
    let today = epoch + std::time::Duration::from_secs(now.0 / 1_000);
    params.not_before = if now.0 / 1_000 > day.as_secs() { today - day } else { epoch };
    params.not_after = today + day * u32::try_from(days).unwrap_or(u32::MAX);
    params
}

fn broken(why: rcgen::Error) -> LinkError {
    LinkError::Certificate(why.to_string())
}
