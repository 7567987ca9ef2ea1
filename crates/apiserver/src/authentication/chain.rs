//! All who know tokens, asked one after another, and what a server trusts beside its own state.
use super::authenticator::{Authenticator, Known, Verdict};
use super::bootstrap::BootstrapTokens;
use super::service_accounts::ServiceAccounts;
use super::signer::{ISSUER, Signer};
use consensus::Member;
use std::sync::Arc;

/// What a server is told of whom to believe.
#[derive(Clone)]
pub struct Trust {
    /// What the tokens of service accounts are signed with: the same on every member.
    pub signer: Arc<Signer>,
    /// Whose certificates the cluster's are signed by (PEM); empty: nobody knows.
    pub authority_pem: Arc<str>,
    /// Others who know tokens, asked after the cluster itself.
    pub others: Vec<Arc<dyn Authenticator>>,
}

impl Default for Trust {
    /// A key of its own: for a server that is alone.
    fn default() -> Self {
        Self { signer: Arc::new(Signer::random()), authority_pem: "".into(), others: Vec::new() }
    }
}

pub struct Chain {
    all: Vec<Arc<dyn Authenticator>>,
    /// The audiences of the API itself.
    own: Vec<String>,
}

impl Chain {
    #[must_use]
    pub fn new(member: &Member, trust: &Trust) -> Self {
        let accounts: Arc<dyn Authenticator> = Arc::new(ServiceAccounts::new(member.clone(), trust.signer.clone()));
        let bootstrap: Arc<dyn Authenticator> = Arc::new(BootstrapTokens::new(member.clone()));
        Self {
            all: [accounts, bootstrap].into_iter().chain(trust.others.iter().cloned()).collect(),
            own: vec![ISSUER.to_owned()],
        }
    }

    /// Whose the token is. `audiences`: for whom that is asked; nobody in particular: the API.
    ///
    /// # Errors
    /// Why nobody believes it.
    pub async fn known(&self, token: &str, audiences: &[String]) -> Verdict {
        let asked = if audiences.is_empty() { &self.own } else { audiences };
        let mut refused = Vec::new();
        for one in &self.all {
            match one.authenticate(token, asked).await {
                Ok(Some(known)) if !known.audiences.is_empty() => return Ok(Some(known)),
                Ok(Some(Known { user, .. })) => {
                    let both: Vec<String> = asked.iter().filter(|one| self.own.contains(one)).cloned().collect();
                    if !both.is_empty() {
                        return Ok(Some(Known { user, audiences: both }));
                    }
                }
                Ok(None) => {}
                Err(why) => refused.push(why),
            }
        }
        match refused.len() {
            0 => Ok(None),
            1 => Err(refused.swap_remove(0)),
            _ => Err(format!("[{}]", refused.join(", "))),
        }
    }
}
