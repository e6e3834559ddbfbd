//! What the binary knows of Azure by itself: the built-in roles of a date, the operations that matter,
//! and the privileges of the directory. A definition in an export wins over it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::permission::{Block, Plane, block};
use crate::privilege::class::Class;

const ROLES: &str = include_str!("../../../rules/privilege/azure_builtin_roles.csv");
const OPERATIONS: &str = include_str!("../../../rules/privilege/azure_operations.csv");
const ENTRA: &str = include_str!("../../../rules/privilege/entra_privileges.csv");
const ORIGIN: &str = include_str!("../../../rules/privilege/azure_origin.csv");

/// A built-in role.
#[derive(Clone, Debug)]
pub struct BuiltIn {
    /// Name.
    pub name: String,
    /// Permission blocks.
    pub blocks: Vec<Block>,
}

/// An operation and what it gives.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Lower case, to be matched.
    pub key: String,
    /// As the platform writes it.
    pub name: String,
    /// Plane.
    pub plane: Plane,
    /// Class.
    pub class: Class,
    /// Listed by hand, not derived from its name.
    pub listed: bool,
}

/// Whom a holder of a directory privilege can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Any application, by a secret or as owner.
    Apps,
    /// Applications that it owns.
    Owned,
    /// Any group that is not role-assignable.
    Groups,
    /// Everybody.
    Users,
    /// Everybody without a directory role.
    Members,
    /// Users of a domain that it makes trust an issuer of its own.
    Domains,
    /// Everybody, by a certificate of an authority that it makes trusted.
    Certificates,
    /// User access administration of every subscription.
    Root,
}

/// A role of the directory, or an application permission of Microsoft Graph.
#[derive(Clone, Debug)]
pub struct Privilege {
    /// Name.
    pub name: String,
    /// Class.
    pub class: Class,
    /// Whom it reaches.
    pub reach: Option<Reach>,
    /// A role of the directory; else an application permission.
    pub role: bool,
    /// What it can do, in a few words.
    pub why: String,
}

/// All of it.
#[derive(Debug)]
pub struct Catalogue {
    /// Built-in roles by id.
    pub roles: BTreeMap<String, BuiltIn>,
    /// Operations, sorted by key and plane.
    pub operations: Vec<Operation>,
    /// Roles of the directory and application permissions, by id.
    pub entra: BTreeMap<String, Privilege>,
    /// Origin and date of the built-in roles.
    pub origin: String,
}

impl Catalogue {
    /// Id of a built-in role by its name, without regard to case.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<&str> {
        self.roles
            .iter()
            .find(|(_, r)| r.name.eq_ignore_ascii_case(name))
            .map(|(id, _)| id.as_str())
    }

    /// Privilege of the directory by id or name.
    #[must_use]
    pub fn privilege(&self, id_or_name: &str) -> Option<&Privilege> {
        self.entra
            .get(&id_or_name.to_ascii_lowercase())
            .or_else(|| self.entra.values().find(|p| p.name.eq_ignore_ascii_case(id_or_name)))
    }

    /// Operations that begin with a prefix, lower case.
    pub fn beginning(&self, prefix: &str) -> impl Iterator<Item = (usize, &Operation)> {
        let from = self.operations.partition_point(|o| o.key.as_str() < prefix);
        self.operations
            .iter()
            .enumerate()
            .skip(from)
            .take_while(move |(_, o)| o.key.starts_with(prefix))
    }
}

/// The catalogue, read once.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(read)
}

fn rows(text: &str) -> impl Iterator<Item = csv::StringRecord> + '_ {
    csv::ReaderBuilder::new().from_reader(text.as_bytes()).into_records().filter_map(Result::ok)
}

/// Class by the word of the hand-written lists.
fn class(word: &str) -> Option<Class> {
    Class::from_word(word)
}

fn read() -> Catalogue {
    let mut roles: BTreeMap<String, BuiltIn> = BTreeMap::new();
    let mut known: BTreeMap<(String, Plane), (String, Class, bool)> = BTreeMap::new();
    for r in rows(OPERATIONS) {
        let cell = |i: usize| r.get(i).unwrap_or_default();
        let plane = if cell(0) == "dataActions" { Plane::Data } else { Plane::Control };
        if let Some(class) = class(cell(1)) {
            known.insert((cell(2).to_ascii_lowercase(), plane), (cell(2).to_owned(), class, true));
        }
    }
    for r in rows(ROLES) {
        let list = |i: usize| -> Vec<String> {
            let names = r.get(i).unwrap_or_default().split_whitespace();
            names.map(|n| n.replacen('~', "Microsoft.", 1)).collect()
        };
        let lists = [list(2), list(3), list(4), list(5)];
        let [actions, not_actions, data, not_data] = &lists;
        for (names, plane) in [(actions, Plane::Control), (data, Plane::Data)] {
            for name in names.iter().filter(|n| !n.contains('*')) {
                known
                    .entry((name.to_ascii_lowercase(), plane))
                    .or_insert_with_key(|(key, plane)| (name.clone(), by_name(key, *plane), false));
            }
        }
        let condition = r.get(6).filter(|c| !c.is_empty());
        let block = block([actions, not_actions, data, not_data], condition);
        let id = r.get(0).unwrap_or_default().to_owned();
        let name = r.get(1).unwrap_or_default();
        roles
            .entry(id)
            .or_insert_with(|| BuiltIn { name: name.to_owned(), blocks: Vec::new() })
            .blocks
            .push(block);
    }
    let operations = known
        .into_iter()
        .map(|((key, plane), (name, class, listed))| Operation { key, name, plane, class, listed })
        .collect();
    Catalogue { roles, operations, entra: entra(), origin: origin() }
}

fn entra() -> BTreeMap<String, Privilege> {
    let one = |r: csv::StringRecord| {
        let cell = |i: usize| r.get(i).unwrap_or_default();
        let reach = match cell(4) {
            "apps" => Some(Reach::Apps),
            "owned" => Some(Reach::Owned),
            "groups" => Some(Reach::Groups),
            "users" => Some(Reach::Users),
            "members" => Some(Reach::Members),
            "domains" => Some(Reach::Domains),
            "certificates" => Some(Reach::Certificates),
            "root" => Some(Reach::Root),
            _ => None,
        };
        let privilege = Privilege {
            name: cell(2).to_owned(),
            class: class(cell(3))?,
            reach,
            role: cell(0) == "entra-role",
            why: cell(5).to_owned(),
        };
        Some((cell(1).to_ascii_lowercase(), privilege))
    };
    rows(ENTRA).filter_map(one).collect()
}

fn origin() -> String {
    let of = |r: csv::StringRecord| {
        (r.get(0) == Some("azure_builtin_roles.csv")).then(|| {
            format!("{} of {}", r.get(1).unwrap_or_default(), r.get(2).unwrap_or_default())
        })
    };
    rows(ORIGIN).find_map(of).unwrap_or_default()
}

/// Begins of verbs of data actions that read.
const READS: [&str; 6] = ["read", "get", "list", "peek", "download", "query"];

/// Class of an operation by the form of its name (cloud semantics, section 8, column Azure).
#[must_use]
pub fn by_name(key: &str, plane: Plane) -> Class {
    let mut parts = key.rsplit('/');
    let (last, before) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if last == "action" && gives_secret(before) {
        return Class::Secrets;
    }
    match (plane, last) {
        (_, "delete") => Class::Destructive,
        (_, "action") if before == "purge" || before == "delete" => Class::Destructive,
        (Plane::Control, "read") => Class::Read,
        (Plane::Control, _) => Class::Write,
        (Plane::Data, "read") => Class::DataRead,
        (Plane::Data, "action") if READS.iter().any(|w| before.starts_with(w)) => Class::DataRead,
        (Plane::Data, _) => Class::DataWrite,
    }
}

/// `list…Key…`, `…Credential…`, `regenerate…Key…` and their like.
fn gives_secret(verb: &str) -> bool {
    let names = ["key", "secret", "credential", "connectionstring", "sas", "token"];
    let has = |rest: &str| names.iter().any(|n| rest.contains(n));
    verb.strip_prefix("list").is_some_and(has)
        || verb.strip_prefix("regenerate").is_some_and(|rest| rest.contains("key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_files_are_whole() {
        let c = catalogue();
        assert_eq!(c.roles.len(), 928);
        assert_eq!(c.roles.values().filter(|r| r.blocks.len() > 1).count(), 16);
        let conditioned =
            c.roles.values().filter(|r| r.blocks.iter().any(|b| b.condition.is_some())).count();
        assert_eq!(conditioned, 29);
        assert!(
            c.roles
                .values()
                .flat_map(|r| &r.blocks)
                .filter_map(|b| b.condition.as_ref())
                .all(super::super::condition::Condition::is_read)
        );
        assert_eq!(c.operations.iter().filter(|o| o.listed).count(), rows(OPERATIONS).count());
        assert_eq!(c.entra.len(), rows(ENTRA).count());
        assert_eq!(c.origin, "iann0036/iam-dataset 2073fa5 of 2026-08-22");
        assert_eq!(c.role_named("owner"), Some("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"));
        assert_eq!(c.privilege("Global Administrator").unwrap().reach, Some(Reach::Root));
        assert!(c.beginning("microsoft.keyvault/vaults/secrets/").count() > 3);
    }

    #[test]
    fn classes_by_the_form_of_the_name() {
        for (name, plane, want) in [
            ("a/b/listkeys/action", Plane::Control, Class::Secrets),
            ("a/b/listconnectionstrings/action", Plane::Control, Class::Secrets),
            ("a/b/regenerateprimarykey/action", Plane::Control, Class::Secrets),
            ("a/b/listusages/action", Plane::Control, Class::Write),
            ("a/b/delete", Plane::Control, Class::Destructive),
            ("a/b/purge/action", Plane::Data, Class::Destructive),
            ("a/b/read", Plane::Control, Class::Read),
            ("a/b/read", Plane::Data, Class::DataRead),
            ("a/b/send/action", Plane::Data, Class::DataWrite),
            ("a/b/write", Plane::Control, Class::Write),
        ] {
            assert_eq!(by_name(name, plane), want, "{name}");
        }
    }
}
