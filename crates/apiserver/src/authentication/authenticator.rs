//! The port to those who know bearer tokens. Each says whose a token is, that it knows nothing of it, or why it is no good.
use crate::identity::User;
use futures::future::BoxFuture;

/// Whom a token proved, and for which audiences it is good. None: it says nothing of audiences, and is good for the API's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub user: User,
    pub audiences: Vec<String>,
}

/// What came of a token: somebody, nobody, or why it is refused.
pub type Verdict = Result<Option<Known>, String>;

pub trait Authenticator: Send + Sync {
    /// Whose `token` is. `audiences`: those that ask, of which the token must be for one if it is for any in particular.
    ///
    /// # Errors
    /// In Kubernetes' words: the token is of a kind that this one knows, and no good.
    fn authenticate<'a>(&'a self, token: &'a str, audiences: &'a [String]) -> BoxFuture<'a, Verdict>;
}
