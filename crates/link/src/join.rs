//! Entering a cluster with a token: the key is made here, the member signs its public half. What is asked and answered goes
//! over a session that shows no certificate; the token proves us to the cluster, its pin proves the cluster to us.
use crate::authority::{Identity, Key, pin};
use crate::error::LinkError;
use crate::limits::CONNECT_MAX;
use crate::quic::Endpoint;
use crate::session::Session;
use crate::token::{Role, Token};
use serde::{Deserialize, Serialize};

/// What a joining machine asks: the only request that is heard without a certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// As printed.
    pub token: String,
    /// The name it wants to have.
    pub name: String,
    /// PEM.
    pub public_key: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    #[serde(rename_all = "camelCase")]
    Welcome {
        /// The number that the new member is to have.
        member_id: Option<u64>,
        cluster: String,
        /// PEM: the certificate asked for, and the authority's.
        certificate: String,
        authority: String,
        /// The authority's key (PEM): members only, for each can sign.
        authority_key: Option<String>,
        /// Link addresses of all members (`host:port`).
        members: Vec<String>,
        /// The number of the member whose place the new one takes.
        #[serde(default)]
        replaces: Option<u64>,
    },
    /// One line.
    Refused { why: String },
}

/// What has been gained.
#[derive(Clone, Debug)]
pub struct Joined {
    pub cluster: String,
    pub identity: Identity,
    /// PEM; for members only.
    pub authority_key: Option<String>,
    /// For members only.
    pub member_id: Option<u64>,
    /// Link addresses of all members.
    pub members: Vec<String>,
    /// The number of the member whose place is taken.
    pub replaces: Option<u64>,
}

/// Asks the members at `addresses`, one after another, to let us in as `name`.
///
/// # Errors
/// If the token is bad (it is not tried elsewhere then), or no address answers.
pub async fn join(addresses: &[String], token: &Token, role: Role, name: &str) -> Result<Joined, LinkError> {
    crate::peer::check_name(name)?;
    if token.role != role {
        let (is, wanted) = (token.role.text(), role.text());
        return Err(LinkError::Token(format!(
            "it is for a {is}, not for a {wanted}; make one with `rutter token --role {wanted}`"
        )));
    }
    let endpoint = Endpoint::join(token.pin)?;
    let mut last = LinkError::Address { address: String::new(), why: "no member's address was given".into() };
    for address in addresses {
        match endpoint.connect(address).await {
            Ok(session) => {
                let joined = ask(&session, token, name).await;
                session.close("joined");
                match joined {
                    Err(LinkError::Closed(why)) => last = LinkError::Closed(why),
                    decided => return decided,
                }
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks over a session that shows no certificate.
///
/// # Errors
/// What the member refuses with.
pub async fn ask(session: &Session, token: &Token, name: &str) -> Result<Joined, LinkError> {
    let garbage = |why: serde_json::Error| LinkError::Frame(crate::frame::FrameError::Garbage(why.to_string()));
    let key = Key::make()?;
    let request = Request { token: token.to_string(), name: name.to_owned(), public_key: key.public_pem };
    let request = serde_json::to_vec(&request).map_err(garbage)?;
    let late = || LinkError::Closed("the member gave no answer in time".into());
    let answer = rt::timeout(CONNECT_MAX * 2, session.call(&request)).await.ok_or_else(late)??;
    match serde_json::from_slice(&answer).map_err(garbage)? {
        Answer::Refused { why } => Err(LinkError::Refused(why)),
        Answer::Welcome { member_id, cluster, certificate, authority, authority_key, members, replaces } => {
            if pin(&authority)? != token.pin {
                return Err(LinkError::Stranger("its authority is not the one that the token names".into()));
            }
            let identity =
                Identity { authority_pem: authority, certificate_pem: certificate, key_pem: key.private_pem };
            Ok(Joined { cluster, identity, authority_key, member_id, members, replaces })
        }
    }
}
