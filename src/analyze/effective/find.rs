//! Who is meant by an argument: an ARN, a name, a service, or a root user.

use super::Effective;
use crate::facts::{Text, text};
use crate::privilege::aws::decide::CallerKind;

/// A caller that a question is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// ARN, or name of a service.
    pub arn: Text,
    /// Kind.
    pub kind: CallerKind,
    /// Session of a role, when the argument names one.
    pub session: Option<String>,
}

impl Who {
    /// Account id; empty for services and providers.
    #[must_use]
    pub fn account(&self) -> &str {
        if self.kind.has_account() { self.arn.split(':').nth(4).unwrap_or_default() } else { "" }
    }
}

/// Nobody, or several, are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// The inputs know nobody of that name; the nearest names, if any.
    Nobody(Vec<Text>),
    /// Several have that name.
    Several(Vec<Text>),
}

/// Candidates that an error lists.
const CANDIDATES: usize = 10;

impl Effective<'_> {
    /// Finds who is meant by an ARN (of a user, role, role session, root user), a service's name
    /// (`lambda.amazonaws.com`), a provider's ARN, or a name that only one user or role has.
    ///
    /// # Errors
    /// When nobody or several are meant.
    pub fn find(&self, name: &str) -> Result<Who, NotFound> {
        let who = |arn: &str, kind, session| Who { arn: text(arn), kind, session };
        if let Some(p) = self.principals.get(name) {
            return Ok(who(name, p.kind, None));
        }
        if name.ends_with(".amazonaws.com") || name.ends_with(".amazonaws.com.cn") {
            return Ok(who(name, CallerKind::Service, None));
        }
        if name.contains(":oidc-provider/") || name.contains(":saml-provider/") {
            return Ok(who(name, CallerKind::Federated, None));
        }
        if name.starts_with("arn:") && name.ends_with(":root") {
            return Ok(who(name, CallerKind::Root, None));
        }
        if name.starts_with("arn:") {
            return self.session(name).ok_or_else(|| NotFound::Nobody(self.like(name)));
        }
        let named: Vec<&Text> = self
            .principals
            .iter()
            .filter(|(_, p)| p.subject.name == name)
            .map(|(id, _)| id)
            .collect();
        match named.as_slice() {
            [one] => {
                let kind = self.principals.get(*one).map_or(CallerKind::Role, |p| p.kind);
                Ok(who(one, kind, None))
            }
            [] => Err(NotFound::Nobody(self.like(name))),
            many => {
                Err(NotFound::Several(many.iter().take(CANDIDATES).map(|t| (*t).clone()).collect()))
            }
        }
    }

    /// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`: the session leaves the role's path out.
    fn session(&self, arn: &str) -> Option<Who> {
        let account = arn.split(':').nth(4)?;
        let mut words = arn.split_once(":assumed-role/")?.1.splitn(2, '/');
        let (name, session) = (words.next()?, words.next()?);
        let role = self.principals.iter().find(|(_, p)| {
            p.kind == CallerKind::Role
                && p.subject.name == name
                && p.subject.home.account == account
        });
        role.map(|(id, _)| Who {
            arn: id.clone(),
            kind: CallerKind::Role,
            session: Some(session.to_owned()),
        })
    }

    /// Principals whose name holds the text, whatever its case.
    fn like(&self, name: &str) -> Vec<Text> {
        let last = name.rsplit(['/', ':']).next().unwrap_or(name).to_lowercase();
        let near = |p: &super::Principal| {
            let own = p.subject.name.to_lowercase();
            !last.is_empty() && (own.contains(&last) || (own.len() > 2 && last.contains(&own)))
        };
        let found = self.principals.iter().filter(|(_, p)| near(p)).map(|(id, _)| id.clone());
        found.take(CANDIDATES).collect()
    }
}
