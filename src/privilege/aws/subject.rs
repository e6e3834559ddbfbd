//! Principals as conditions see them: the context keys that an export lets us derive (5.3.7).

use std::borrow::Cow;

use super::arn::Home;
use super::condition::{Context, Known, Seen};
use crate::facts::Time;

/// What the principal is; some context keys depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubjectKind {
    /// IAM user.
    User,
    /// IAM role.
    Role,
    /// IAM group: only the part of context that all members share is known.
    Group,
    /// A policy on its own.
    Policy,
}

/// A principal as conditions see it (5.3.7).
#[derive(Clone, Debug)]
pub struct Subject {
    /// Full ARN.
    pub arn: String,
    /// Kind.
    pub kind: SubjectKind,
    /// Partition and account.
    pub home: Home,
    /// Name, without path.
    pub name: String,
    /// Unique id, when the export gives it.
    pub unique_id: Option<String>,
    /// Tags, keys lower case.
    pub tags: Vec<(String, String)>,
    /// Organisation of the account (`o-a1b2c3d4e5`), when the inputs say.
    pub organisation: Option<String>,
    /// As-of time.
    pub as_of: Time,
}

impl Context for Subject {
    fn get(&self, key: &str) -> Known {
        self.look(key).known()
    }

    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        let one = |s: &'s str| Seen::One(Cow::Borrowed(s));
        let now = || Seen::One(Cow::Owned(self.as_of.to_rfc3339()));
        let user = self.kind == SubjectKind::User;
        match key {
            "aws:currenttime" => now(),
            "aws:epochtime" => Seen::One(Cow::Owned(self.as_of.secs().to_string())),
            "aws:principalaccount" if !self.home.account.is_empty() => one(&self.home.account),
            "aws:principalorgid" => self.organisation.as_deref().map_or(Seen::Unknown, one),
            "aws:principalisawsservice" => one("false"),
            // Of groups and policies only what all members share is known.
            _ if matches!(self.kind, SubjectKind::Group | SubjectKind::Policy) => Seen::Unknown,
            "aws:principalarn" => one(&self.arn),
            "aws:principaltype" => one(if user { "User" } else { "AssumedRole" }),
            "aws:username" if user => one(&self.name),
            "aws:username" => Seen::Absent,
            "aws:userid" => match self.unique_id.as_deref() {
                Some(id) if user => one(id),
                // `ROLEID:SESSION`, and the session is not known.
                Some(id) => Seen::Prefix(Cow::Owned(format!("{id}:"))),
                None => Seen::Unknown,
            },
            "aws:tokenissuetime" if !user => now(),
            _ => match key.strip_prefix("aws:principaltag/") {
                Some(tag) => match self.tags.iter().find(|(k, _)| k == tag) {
                    // A session tag may override or add a tag of a role.
                    Some((_, v)) if user => one(v),
                    None if user => Seen::Absent,
                    _ => Seen::Unknown,
                },
                None => Seen::Unknown,
            },
        }
    }
}

/// A subject with further keys that the path under test sets.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The principal.
    pub subject: &'a Subject,
    /// Lower-case keys and their values.
    pub extra: &'a [(&'a str, &'a str)],
}

impl Context for Setting<'_> {
    fn get(&self, key: &str) -> Known {
        self.look(key).known()
    }

    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        let extra = self.extra.iter().find(|(k, _)| *k == key);
        extra.map_or_else(|| self.subject.look(key), |(_, v)| Seen::One(Cow::Borrowed(v)))
    }
}
