//! Exposure classes: what a set of permissions lays open, whatever it is called (AWS semantics, 5.6).
//!
//! Five classes, as the field knows them from cloudsplaining, computed on effective sets. The lists of
//! actions are data: `rules/privilege/aws_exposures.csv` says where each entry comes from.

use std::sync::OnceLock;

use super::action::{ActionSet, Level, catalogue};
use super::evaluate::{Grants, Scope};
use crate::facts::Text;

/// One way in which permissions lay something open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exposure {
    /// Changes resources of a whole type.
    InfrastructureModification,
    /// Opens resources of a whole type to others.
    ResourceExposure,
    /// Reads data of a whole type.
    DataExfiltration,
    /// Returns or makes credentials.
    CredentialsExposure,
    /// Holds every action of a service, however that is written.
    ServiceWildcard,
}

/// All classes, in the order they are listed.
pub const EXPOSURES: [Exposure; 5] = [
    Exposure::InfrastructureModification,
    Exposure::ResourceExposure,
    Exposure::DataExfiltration,
    Exposure::CredentialsExposure,
    Exposure::ServiceWildcard,
];

impl Exposure {
    /// The public word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::InfrastructureModification => "infrastructure_modification",
            Self::ResourceExposure => "resource_exposure",
            Self::DataExfiltration => "data_exfiltration",
            Self::CredentialsExposure => "credentials_exposure",
            Self::ServiceWildcard => "service_wildcard",
        }
    }
}

const TABLE: &str = include_str!("../../../rules/privilege/aws_exposures.csv");

/// The actions of each class.
#[derive(Debug)]
pub struct Exposures {
    modification: ActionSet,
    opening: ActionSet,
    exfiltration: ActionSet,
    credentials: ActionSet,
    data_events: ActionSet,
    unlogged: ActionSet,
}

/// The embedded lists.
pub fn exposures() -> &'static Exposures {
    static EXPOSURES: OnceLock<Exposures> = OnceLock::new();
    EXPOSURES.get_or_init(Exposures::load)
}

/// Class, pattern and origin of each line of the data file.
fn table() -> &'static [[String; 3]] {
    static ROWS: OnceLock<Vec<[String; 3]>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let rows = csv::Reader::from_reader(TABLE.as_bytes()).into_records().flatten();
        rows.map(|row| [0, 1, 2].map(|i| row.get(i).unwrap_or_default().to_owned())).collect()
    })
}

/// Patterns of a class in the data file, with where they come from.
pub(super) fn listed(class: &str) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
    let rows = table().iter().filter(move |[of, ..]| of == class);
    rows.map(|[_, pattern, origin]| (pattern.as_str(), origin.as_str()))
}

impl Exposures {
    fn load() -> Self {
        let c = catalogue();
        let of_level = |levels: &[Level]| {
            let mut set = c.none();
            set.extend((0..c.len()).filter(|id| levels.contains(&c.level(*id))));
            set
        };
        let listed = |class: &str| {
            let mut set = c.none();
            for (pattern, _) in listed(class) {
                set.union_with(&c.expand(pattern));
            }
            set
        };
        let mut opening = of_level(&[Level::Permissions]);
        opening.union_with(&listed("resource_exposure"));
        Self {
            modification: of_level(&[Level::Write, Level::Permissions, Level::Tagging]),
            opening,
            exfiltration: listed("data_exfiltration"),
            credentials: listed("credentials_exposure"),
            data_events: listed("data_event"),
            unlogged: listed("unlogged"),
        }
    }

    /// Actions that only a log with data events shows; a log without them says nothing about their use.
    #[must_use]
    pub fn data_events(&self) -> &ActionSet {
        &self.data_events
    }

    /// Actions that no log ever shows, because they are checked inside other calls.
    #[must_use]
    pub fn unlogged(&self) -> &ActionSet {
        &self.unlogged
    }

    /// The actions of a class out of a set; for service wildcards those of the services held whole.
    #[must_use]
    pub fn of(&self, class: Exposure, held: &ActionSet) -> ActionSet {
        let list = match class {
            Exposure::InfrastructureModification => &self.modification,
            Exposure::ResourceExposure => &self.opening,
            Exposure::DataExfiltration => &self.exfiltration,
            Exposure::CredentialsExposure => &self.credentials,
            Exposure::ServiceWildcard => return whole_services(held),
        };
        let mut out = held.clone();
        out.intersect_with(list);
        out
    }

    /// What grants lay open for certain, and what only if undecided conditions are met, with the scope.
    #[must_use]
    pub fn judge(&self, class: Exposure, grants: &Grants) -> Exposed {
        let at = |certain: bool, scope: Scope| {
            let set = if certain { grants.certain(scope) } else { grants.possible(scope) };
            self.of(class, set)
        };
        // All actions of a service on some resources are all its actions; the others ask for a whole type.
        let (narrow, wide) = match class {
            Exposure::ServiceWildcard => (Scope::Some, Scope::All),
            _ => (Scope::AllExcept, Scope::All),
        };
        let certain = at(true, narrow);
        let possible = at(false, narrow);
        let sure = !certain.is_clear();
        let all = at(sure, wide) == if sure { &certain } else { &possible }.clone();
        Exposed { certain, possible, all }
    }
}

/// What a class finds in a set of grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Actions certainly laid open.
    pub certain: ActionSet,
    /// Actions laid open if undecided conditions are met; contains the certain ones.
    pub possible: ActionSet,
    /// On whole types without exception: the certain ones, or the possible ones when none is certain.
    pub all: bool,
}

fn whole_services(held: &ActionSet) -> ActionSet {
    let mut out = catalogue().none();
    for (_, range) in catalogue().services_in(held) {
        if held.count_ones(range.clone()) == range.len() {
            out.insert_range(range);
        }
    }
    out
}

/// Names of a set, one entry per service: `s3:*` where the set holds all actions of the service that
/// `of` holds, else `s3:GetObject,PutObject`. Nothing is left out; the catalogue gives it back.
#[must_use]
pub fn by_service(set: &ActionSet, of: Option<&ActionSet>) -> Vec<String> {
    let mut out = Vec::new();
    for (service, range) in catalogue().services_by_name(set) {
        let seen = range.clone();
        let whole = of.map_or(range.len(), |all| all.count_ones(range));
        if set.count_ones(seen.clone()) == whole && whole > 1 {
            out.push(format!("{service}:*"));
            continue;
        }
        let mut entry = service.to_string();
        let mut between = ":";
        for id in seen.filter(|id| set.contains(*id)) {
            entry.push_str(between);
            // The name begins with the service and a colon.
            let name = catalogue().name(id);
            entry.push_str(name.get(service.len() + 1..).unwrap_or(name));
            between = ",";
        }
        out.push(entry);
    }
    out
}

/// [`services`], shared with the catalogue.
#[must_use]
pub fn service_texts(set: &ActionSet) -> Vec<Text> {
    catalogue().services_by_name(set).into_iter().map(|(name, _)| name.clone()).collect()
}

/// The services of which a set holds an action.
#[must_use]
pub fn services(set: &ActionSet) -> Vec<String> {
    service_texts(set).iter().map(ToString::to_string).collect()
}

impl Exposures {
    /// All actions that a class may name, for shortening lists; `None` for whole services.
    #[must_use]
    pub fn universe(&self, class: Exposure) -> Option<&ActionSet> {
        match class {
            Exposure::InfrastructureModification => Some(&self.modification),
            Exposure::ResourceExposure => Some(&self.opening),
            Exposure::DataExfiltration => Some(&self.exfiltration),
            Exposure::CredentialsExposure => Some(&self.credentials),
            Exposure::ServiceWildcard => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privilege::aws::arn::Home;
    use crate::privilege::aws::document::Document;
    use crate::privilege::aws::evaluate::{
        Bound, Boundary, Compiler, Rights, Subject, SubjectKind,
    };

    /// The two entries of cloudsplaining that the catalogue does not know stand for nothing here.
    const NOT_IN_THE_CATALOGUE: [&str; 2] =
        ["connect:GetFederationTokens", "sso:GetRoleCredentials"];

    #[test]
    fn every_listed_pattern_stands_for_something() {
        let mut n = 0;
        for row in csv::Reader::from_reader(TABLE.as_bytes()).records() {
            let row = row.unwrap();
            let known = !catalogue().expand(&row[1]).is_clear();
            assert_eq!(known, !NOT_IN_THE_CATALOGUE.contains(&&row[1]), "{row:?}");
            n += 1;
        }
        assert!(n > 150);
    }

    /// 5.6: five actions of data exfiltration and 45 of credentials come from cloudsplaining.
    #[test]
    fn the_lists_of_cloudsplaining_are_whole() {
        let count = |class: &str| listed(class).filter(|(_, o)| *o != "overstay").count();
        assert_eq!(count("data_exfiltration"), 5);
        assert_eq!(count("credentials_exposure"), 45);
    }

    fn grants(statements: &str) -> Grants {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let home = Home { partition: "aws".into(), account: "111122223333".into() };
        let policy = Compiler::default().compile(&Document::parse(&text), &home);
        let subject = Subject {
            arn: "arn:aws:iam::111122223333:role/r".into(),
            kind: SubjectKind::Role,
            home,
            name: "r".into(),
            unique_id: None,
            tags: Vec::new(),
            organisation: None,
            as_of: crate::facts::time::parse_rfc3339("2026-06-01T00:00:00Z").unwrap(),
        };
        let bound = Bound::new(&policy, &subject);
        let rights = Rights::new(vec![bound], Boundary::Absent);
        rights.grants
    }

    fn names(set: &ActionSet) -> Vec<&'static str> {
        set.ones().map(|id| catalogue().name(id)).collect()
    }

    #[test]
    fn classes_of_statements() {
        use Exposure::{
            CredentialsExposure, DataExfiltration, InfrastructureModification, ResourceExposure,
            ServiceWildcard,
        };
        type Expected = &'static [(Exposure, &'static [&'static str])];
        let cases: &[(&str, Expected)] = &[
            (
                r#"{"Effect":"Allow","Action":["s3:GetObject","ec2:TerminateInstances"],"Resource":"*"}"#,
                &[
                    (DataExfiltration, &["s3:GetObject"]),
                    (InfrastructureModification, &["ec2:TerminateInstances"]),
                    (ResourceExposure, &[]),
                    (CredentialsExposure, &[]),
                ],
            ),
            (
                // On one bucket it is no exposure of a whole type.
                r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutBucketPolicy"],"Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}"#,
                &[(DataExfiltration, &[]), (ResourceExposure, &[]), (ServiceWildcard, &[])],
            ),
            (
                // All buckets, written as a pattern that cloudsplaining takes for a constraint.
                r#"{"Effect":"Allow","Action":"s3:PutBucketPolicy","Resource":"arn:aws:s3:::*"}"#,
                &[
                    (ResourceExposure, &["s3:PutBucketPolicy"]),
                    (InfrastructureModification, &["s3:PutBucketPolicy"]),
                ],
            ),
            (
                r#"{"Effect":"Allow","Action":["gamelift:GetComputeAccess","ssm:GetParameterHistory"],"Resource":"*"}"#,
                &[
                    (
                        CredentialsExposure,
                        &["gamelift:GetComputeAccess", "ssm:GetParameterHistory"],
                    ),
                    (DataExfiltration, &["ssm:GetParameterHistory"]),
                ],
            ),
        ];
        for (text, expected) in cases {
            let g = grants(text);
            for (class, want) in *expected {
                assert_eq!(
                    names(&exposures().judge(*class, &g).certain),
                    *want,
                    "{class:?} {text}"
                );
            }
        }
    }

    /// A whole service, however written: `rds-db:*`, its parts, or everything but others.
    #[test]
    fn whole_services_however_written() {
        let allow = |a: &str| format!(r#"{{"Effect":"Allow","Action":{a},"Resource":"*"}}"#);
        for text in [
            allow(r#""sdb:*""#),
            allow(r#"["sdb:B*","sdb:C*","sdb:D*","SDB:G*","sdb:L*","sdb:P*","sdb:S*"]"#),
            allow(r#""*""#),
            r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#.to_owned(),
        ] {
            let e = exposures().judge(Exposure::ServiceWildcard, &grants(&text));
            assert!(services(&e.certain).contains(&"sdb".to_owned()), "{text}");
            assert!(e.all);
        }
        let without = format!(
            r#"{},{{"Effect":"Deny","Action":"sdb:Select","Resource":"*"}}"#,
            allow(r#""sdb:*""#)
        );
        assert!(exposures().judge(Exposure::ServiceWildcard, &grants(&without)).certain.is_clear());
    }

    /// A condition that is not decided makes it possible, a partial Deny leaves all but its part.
    #[test]
    fn possible_and_all_but() {
        let mfa = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}"#;
        let e = exposures().judge(Exposure::DataExfiltration, &grants(mfa));
        assert!(e.certain.is_clear());
        assert_eq!(names(&e.possible), ["s3:GetObject"]);
        let but = r#"{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::vault/*"}"#;
        let e = exposures().judge(Exposure::DataExfiltration, &grants(but));
        assert_eq!(names(&e.certain), ["s3:GetObject"]);
        assert!(!e.all);
    }

    #[test]
    fn lists_by_service() {
        let c = catalogue();
        let mut set = c.expand("sdb:*");
        set.union_with(&c.expand("s3:GetObject"));
        set.union_with(&c.expand("s3:PutObject"));
        assert_eq!(by_service(&set, None), ["s3:GetObject,PutObject", "sdb:*"]);
        assert!(by_service(&ActionSet::new(), None).is_empty());
    }
}
