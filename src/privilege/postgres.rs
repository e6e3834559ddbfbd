//! PostgreSQL: access lists, and what attributes, predefined roles and privileges on objects mean.
//!
//! Specification: cloud semantics 4.4 and 8; vendor chapters "Privileges", "Predefined Roles", "Role
//! Attributes". Only names that the server itself gives are looked up: names that begin with `pg_` are
//! refused by `CREATE ROLE`.

use super::class::{Class, ClassSet};
use super::dangerous;

/// One entry of an access list: `grantee=arwdDxt/grantor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclItem {
    /// Who holds it; empty for PUBLIC.
    pub grantee: String,
    /// Privileges, and whether each may be granted on.
    pub privileges: Vec<(&'static str, bool)>,
    /// Who granted it.
    pub grantor: String,
}

/// Entries of one access list at most: a list longer than this is no list of a catalogue.
const MAX_ITEMS: usize = 100_000;

impl AclItem {
    /// Reads entries that are already apart.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn all<'s>(items: impl Iterator<Item = &'s str>) -> Result<Vec<Self>, String> {
        items.take(MAX_ITEMS).map(item).collect()
    }
}

/// Reads an access list as the server prints it: `{app=arw*/app,"\"odd name\"=r/app",=r/app}`.
///
/// # Errors
/// What is wrong with it.
pub fn acl(text: &str) -> Result<Vec<AclItem>, String> {
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}'))
        .ok_or("an access list is in braces")?;
    let mut out = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut any = false;
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        any = true;
        match c {
            '\\' => current.extend(chars.next()),
            // Quotes of the array; those of names are behind a backslash.
            '"' => quoted = !quoted,
            ',' if !quoted => {
                if out.len() >= MAX_ITEMS {
                    return Err("too many entries".into());
                }
                out.push(item(&std::mem::take(&mut current))?);
            }
            c => current.push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed".into());
    }
    if any {
        out.push(item(&current)?);
    }
    Ok(out)
}

/// A name at the begin of a text, with what follows it.
fn name(s: &str) -> Option<(String, &str)> {
    let Some(inner) = s.strip_prefix('"') else {
        let end = s.find(['=', '/']).unwrap_or(s.len());
        return Some((s.get(..end)?.to_owned(), s.get(end..)?));
    };
    let mut out = String::new();
    let mut at = 0;
    loop {
        let rest = inner.get(at..)?;
        let i = rest.find('"')?;
        out.push_str(rest.get(..i)?);
        if rest.get(i + 1..)?.starts_with('"') {
            out.push('"');
            at += i + 2;
        } else {
            return Some((out, rest.get(i + 1..)?));
        }
    }
}

fn item(s: &str) -> Result<AclItem, String> {
    let wrong = || "an entry is not `grantee=privileges/grantor`".to_owned();
    let (grantee, rest) = name(s).ok_or_else(wrong)?;
    let (letters, grantor) =
        rest.strip_prefix('=').and_then(|r| r.split_once('/')).ok_or_else(wrong)?;
    let (grantor, rest) = name(grantor).ok_or_else(wrong)?;
    if !rest.is_empty() {
        return Err(wrong());
    }
    let mut privileges: Vec<(&'static str, bool)> = Vec::new();
    for c in letters.chars() {
        if c == '*' {
            match privileges.last_mut() {
                Some(last) => last.1 = true,
                None => return Err(wrong()),
            }
            continue;
        }
        let word = letter(c).ok_or_else(|| format!("`{c}` is no privilege"))?;
        if !privileges.iter().any(|(p, _)| *p == word) {
            privileges.push((word, false));
        }
    }
    Ok(AclItem { grantee, privileges, grantor })
}

/// Word of a privilege's letter.
fn letter(c: char) -> Option<&'static str> {
    Some(match c {
        'r' => "SELECT",
        'a' => "INSERT",
        'w' => "UPDATE",
        'd' => "DELETE",
        'D' => "TRUNCATE",
        'x' => "REFERENCES",
        't' => "TRIGGER",
        'm' => "MAINTAIN",
        'X' => "EXECUTE",
        'U' => "USAGE",
        'C' => "CREATE",
        'c' => "CONNECT",
        'T' => "TEMPORARY",
        's' => "SET",
        'A' => "ALTER SYSTEM",
        _ => return None,
    })
}

/// Whether the server made the role: names with this prefix are reserved.
#[must_use]
pub fn is_predefined(role: &str) -> bool {
    role.starts_with("pg_")
}

/// What somebody holds: certainly, and under what the catalogue does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes {
    /// Certainly held.
    pub certain: ClassSet,
    /// Held for certain or in circumstances that the inputs do not show.
    pub possible: ClassSet,
}

impl Classes {
    fn sure(classes: &[Class]) -> Self {
        let certain: ClassSet = classes.iter().copied().collect();
        Self { certain, possible: certain }
    }

    fn or(mut self, class: Class) -> Self {
        self.possible.insert(class);
        self
    }
}

/// Server versions, as far as the catalogue shows which it is: since 16 a role with CREATEROLE hands
/// out only roles that it administers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Before 16.
    Before16,
    /// 16 or later.
    Since16,
    /// Not shown.
    Unknown,
}

/// Meaning of an attribute, in the whole cluster.
#[must_use]
pub fn attribute(word: &str, version: Version) -> Classes {
    match (word, version) {
        ("SUPERUSER", _) => Classes::sure(&[Class::Admin]),
        ("CREATEROLE", Version::Before16) => Classes::sure(&[Class::Permissions]),
        ("CREATEROLE", Version::Since16) => Classes::sure(&[Class::PermissionsLimited]),
        ("CREATEROLE", Version::Unknown) => {
            Classes::sure(&[Class::PermissionsLimited]).or(Class::Permissions)
        }
        // It shows rows of tables that the role may read anyhow.
        ("BYPASSRLS", _) => Classes::default().or(Class::DataRead),
        (word, _) => {
            let key = format!("rol{}", word.to_lowercase());
            dangerous::class("postgres", &key).map_or(Classes::default(), |c| Classes::sure(&[c]))
        }
    }
}

/// Meaning of membership in a role that the server made, in the whole cluster; `None` for another.
#[must_use]
pub fn predefined(role: &str) -> Option<Classes> {
    let own: &[Class] = match role {
        "pg_write_all_data" => &[Class::DataWrite, Class::Destructive],
        "pg_execute_server_program" | "pg_write_server_files" => &[Class::Escalation],
        "pg_monitor" | "pg_read_all_settings" | "pg_read_all_stats" | "pg_stat_scan_tables" => {
            &[Class::Read]
        }
        "pg_checkpoint"
        | "pg_maintain"
        | "pg_create_subscription"
        | "pg_use_reserved_connections"
        | "pg_signal_autovacuum_worker" => &[Class::Write],
        // Stands for the owner of the current database, whose rights are listed as ownership.
        "pg_database_owner" => &[],
        other => {
            let class = dangerous::class("postgres", other).filter(|_| is_predefined(other))?;
            return Some(Classes::sure(&[class]));
        }
    };
    Some(Classes::sure(own))
}

/// Meaning of a privilege on an object of a kind, at the breadth of that object.
#[must_use]
pub fn on_object(kind: &str, privilege: &str, grantable: bool) -> Classes {
    let mut out = match (kind, privilege) {
        ("table" | "view" | "sequence", "OWNER") => Classes::sure(&[
            Class::PermissionsLimited,
            Class::Destructive,
            Class::DataWrite,
            Class::DataRead,
        ]),
        (_, "OWNER") => {
            Classes::sure(&[Class::PermissionsLimited, Class::Destructive, Class::Write])
        }
        (_, "SELECT") => Classes::sure(&[Class::DataRead]),
        (_, "INSERT" | "UPDATE") => Classes::sure(&[Class::DataWrite]),
        (_, "DELETE" | "TRUNCATE") => Classes::sure(&[Class::Destructive]),
        // Code that runs with the rights of whoever changes the table.
        (_, "TRIGGER") => Classes::sure(&[Class::EscalationPossible]),
        // Functions that shadow others in a search path.
        ("schema", "CREATE") => Classes::sure(&[Class::EscalationPossible, Class::Write]),
        (_, "CREATE" | "MAINTAIN" | "SET") => Classes::sure(&[Class::Write]),
        (_, "ALTER SYSTEM") => Classes::sure(&[Class::Permissions]),
        ("sequence", "USAGE") => Classes::sure(&[Class::DataWrite]),
        _ => Classes::sure(&[Class::Read]),
    };
    if grantable {
        out.certain.insert(Class::PermissionsLimited);
        out.possible.insert(Class::PermissionsLimited);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(s: &str) -> Vec<(String, Vec<String>, String)> {
        acl(s)
            .unwrap()
            .into_iter()
            .map(|i| {
                let words =
                    i.privileges.iter().map(|(p, g)| format!("{p}{}", if *g { "*" } else { "" }));
                (i.grantee, words.collect(), i.grantor)
            })
            .collect()
    }

    #[test]
    fn access_lists() {
        assert_eq!(
            read("{app_owner=UC/app_owner,bob=a*r/app_owner,=r/postgres}"),
            [
                ("app_owner".into(), vec!["USAGE".into(), "CREATE".into()], "app_owner".into()),
                ("bob".into(), vec!["INSERT*".into(), "SELECT".into()], "app_owner".into()),
                (String::new(), vec!["SELECT".into()], "postgres".into()),
            ]
        );
        // A name with a comma, an equals sign and quotes.
        assert_eq!(
            read(r#"{"\"o,d=d \"\"x\"\"\"=r/\"a/b\""}"#),
            [("o,d=d \"x\"".into(), vec!["SELECT".into()], "a/b".into())]
        );
        assert_eq!(read("{}"), []);
        for bad in ["", "{", "{a}", "{a=r}", "{a=*r/b}", "{a=Q/b}", "{\"a=r/b}", "{a=r/b/c}"] {
            assert!(acl(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn meaning_of_roles_and_objects() {
        let sure = |c: Classes| c.certain.iter().map(Class::word).collect::<Vec<_>>();
        assert_eq!(sure(attribute("SUPERUSER", Version::Unknown)), ["admin"]);
        assert_eq!(sure(attribute("CREATEROLE", Version::Before16)), ["permissions-management"]);
        assert_eq!(
            sure(attribute("CREATEROLE", Version::Since16)),
            ["permissions-management (limited)"]
        );
        assert!(attribute("CREATEROLE", Version::Unknown).possible.contains(Class::Permissions));
        assert_eq!(sure(attribute("REPLICATION", Version::Unknown)), ["data-read"]);
        assert_eq!(sure(attribute("CREATEDB", Version::Unknown)), ["data-write (control plane)"]);
        assert_eq!(sure(predefined("pg_execute_server_program").unwrap()), ["escalation"]);
        assert_eq!(sure(predefined("pg_read_all_data").unwrap()), ["data-read"]);
        assert_eq!(predefined("admin"), None);
        assert_eq!(
            sure(on_object("table", "SELECT", true)),
            ["permissions-management (limited)", "data-read"]
        );
        assert_eq!(sure(on_object("schema", "USAGE", false)), ["read"]);
    }

    proptest! {
        #[test]
        fn never_panics(s in "\\{[a-z=/*,\"\\\\rwé]{0,60}\\}") {
            let _ = acl(&s);
        }
    }
}
