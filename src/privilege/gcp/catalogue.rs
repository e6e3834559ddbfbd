//! Google's predefined roles as of a date: what a role holds when the export does not say.
//!
//! Google changes these roles often, so a definition in the inputs wins, and whoever uses this one says
//! so with [`Catalogue::origin`].

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

static PACKED: &[u8] = include_bytes!("../../../rules/privilege/gcp_roles.txt.gz");

/// Predefined roles and the permissions that any of them holds.
#[derive(Debug, Default)]
pub struct Catalogue {
    /// Where it comes from, and of when.
    pub origin: String,
    /// All permissions, sorted.
    pub permissions: Vec<String>,
    /// Role to runs of permissions, as `start..end` into `permissions`.
    roles: BTreeMap<String, Vec<(usize, usize)>>,
}

impl Catalogue {
    /// Number of roles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roles.len()
    }

    /// Whether there are no roles.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// Names of all roles, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// Permissions of a role, sorted, as numbers into `permissions`.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<impl Iterator<Item = usize> + '_> {
        self.roles.get(name).map(|runs| runs.iter().flat_map(|(from, to)| *from..*to))
    }

    /// Number of a permission.
    #[must_use]
    pub fn id(&self, permission: &str) -> Option<usize> {
        self.permissions.binary_search_by(|p| p.as_str().cmp(permission)).ok()
    }

    /// Reads the packed form: origin, two counts, then names coded against the line before.
    fn unpack(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let (n, m) = lines.next()?.split_once(' ')?;
        let (n, m): (usize, usize) = (n.parse().ok()?, m.parse().ok()?);
        let mut permissions: Vec<String> = Vec::with_capacity(n);
        for line in lines.by_ref().take(n) {
            let before = permissions.last().map_or("", String::as_str);
            permissions.push(lengthened(before, line)?);
        }
        let mut roles: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
        let mut before = String::new();
        for line in lines.take(m) {
            let (name, coded) = line.split_once('\t')?;
            before = lengthened(&before, name)?;
            let mut runs = Vec::new();
            let mut end = 0usize;
            for run in coded.split(' ').filter(|r| !r.is_empty()) {
                let (gap, more) = run.split_once('+').unwrap_or((run, "0"));
                let from = end.checked_add(gap.parse().ok()?)?;
                end = from.checked_add(more.parse::<usize>().ok()?)?.checked_add(1)?;
                if end > n {
                    return None;
                }
                runs.push((from, end));
            }
            roles.insert(before.clone(), runs);
        }
        (permissions.len() == n && roles.len() == m).then_some(Self { origin, permissions, roles })
    }
}

/// A name out of what it shares with the one before and its own rest.
fn lengthened(before: &str, coded: &str) -> Option<String> {
    let mut rest = coded.chars();
    let same = (rest.next()? as usize).checked_sub(33)?;
    Some(format!("{}{}", before.get(..same)?, rest.as_str()))
}

/// The embedded roles, unpacked at first use.
#[must_use]
pub fn catalogue() -> &'static Catalogue {
    static CELL: OnceLock<Catalogue> = OnceLock::new();
    CELL.get_or_init(|| {
        let mut text = String::new();
        let read = flate2::read::GzDecoder::new(PACKED).read_to_string(&mut text);
        // The file is part of the binary and held by a test; without it every role is unknown.
        read.ok().and_then(|_| Catalogue::unpack(&text)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packed_roles_are_those_of_the_collection() {
        let c = catalogue();
        assert_eq!((c.len(), c.permissions.len()), (2461, 13_790));
        assert!(c.permissions.is_sorted() && c.origin.contains("2073fa5"));
        let n: usize = c.names().map(|r| c.role(r).unwrap().count()).sum();
        assert_eq!(n, 165_179);
        let of = |role: &str| -> Vec<&str> {
            c.role(role).unwrap().map(|i| c.permissions[i].as_str()).collect()
        };
        assert!(of("roles/cloudsql.client").contains(&"cloudsql.instances.connect"));
        assert_eq!(of("roles/owner").len(), 13_568);
        assert!(c.role("roles/none").is_none());
        assert_eq!(
            c.id("storage.objects.get").map(|i| c.permissions[i].as_str()),
            Some("storage.objects.get")
        );
    }

    #[test]
    fn a_broken_pack_is_refused() {
        for bad in
            ["", "o\n", "o\n1 1\n", "o\n1 1\n!a\n!r\t5\n", "o\n1 1\n\u{7f}a\n!r\t0\n", "o\nx y\n"]
        {
            assert!(Catalogue::unpack(bad).is_none(), "{bad:?}");
        }
        assert!(Catalogue::unpack("o\n1 1\n!a\n!r\t0\n").is_some());
    }
}
