//! The content of a role: a set of permissions, its classes, and what is left of it after deny.

use std::collections::HashMap;

use fixedbitset::FixedBitSet;
use sha2::{Digest, Sha256};

use super::catalogue::catalogue;
use super::meaning::{self, Meaning};
use crate::facts::{Text, text};
use crate::privilege::class::{Class, ClassSet};

/// Most permissions that a holding names.
const STRONGEST: usize = 12;

/// Numbers of permissions: those of the catalogue, then others that the inputs name.
#[derive(Debug)]
pub struct Lexicon {
    more: HashMap<Text, usize>,
    names: Vec<Text>,
    meanings: Vec<Meaning>,
}

impl Default for Lexicon {
    fn default() -> Self {
        let names: Vec<Text> = catalogue().permissions.iter().map(text).collect();
        let meanings = names.iter().map(|n| meaning::of(n)).collect();
        Self { more: HashMap::new(), names, meanings }
    }
}

impl Lexicon {
    /// Number of a permission; a new one for a name never seen.
    pub fn id(&mut self, name: &str) -> usize {
        if let Some(id) = self.known(name) {
            return id;
        }
        let id = self.names.len();
        let name = text(name);
        self.meanings.push(meaning::of(&name));
        self.names.push(name.clone());
        self.more.insert(name, id);
        id
    }

    /// Number of a permission that some role holds.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<usize> {
        catalogue().id(name).or_else(|| self.more.get(name).copied())
    }

    /// Name of a permission.
    #[must_use]
    pub fn name(&self, id: usize) -> &str {
        self.names.get(id).map_or("", AsRef::as_ref)
    }

    /// All names, by number.
    #[must_use]
    pub fn names(&self) -> &[Text] {
        &self.names
    }

    fn meaning(&self, id: usize) -> Meaning {
        self.meanings.get(id).copied().unwrap_or_default()
    }

    /// A predefined role as the catalogue has it.
    #[must_use]
    pub fn predefined(&self, role: &str) -> Option<FixedBitSet> {
        let ids = catalogue().role(role)?;
        let mut set = FixedBitSet::with_capacity(self.names.len());
        ids.for_each(|i| set.insert(i));
        Some(set)
    }

    /// A set of permissions by name.
    pub fn set<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) -> FixedBitSet {
        let mut set = FixedBitSet::with_capacity(self.names.len());
        for name in names {
            let id = self.id(name);
            set.grow(id + 1);
            set.insert(id);
        }
        set
    }

    /// What a set of permissions amounts to.
    #[must_use]
    pub fn judge(&self, set: &FixedBitSet) -> Content {
        let mut classes = ClassSet::EMPTY;
        let (mut halves, mut act_as) = (false, false);
        let mut by_class: Vec<(Class, u8, usize)> = Vec::new();
        let mut hasher = Sha256::new();
        for id in set.ones() {
            let m = self.meaning(id);
            classes.extend(m.classes);
            halves |= m.needs_act_as;
            act_as |= m.act_as;
            if let Some(strongest) = m.classes.iter().next().filter(|c| *c < Class::Write) {
                by_class.push((strongest, meaning::rank(self.name(id)), id));
            }
            hasher.update(self.name(id).as_bytes());
            hasher.update(b"\n");
        }
        if halves && act_as {
            classes.insert(Class::Escalation);
        }
        if self.owner_shaped(set) {
            classes.insert(Class::Admin);
        }
        by_class.sort_unstable();
        Content {
            classes,
            n: set.count_ones(..),
            halves,
            act_as,
            strongest: by_class
                .iter()
                .take(STRONGEST)
                .map(|(_, _, id)| text(self.name(*id)))
                .collect(),
            normal: hasher.finalize().iter().map(|b| format!("{b:02x}")).collect(),
        }
    }

    /// Decides who may do what in a container and changes all of it: the shape of `roles/owner`.
    fn owner_shaped(&self, set: &FixedBitSet) -> bool {
        let has = |name: &str| self.known(name).is_some_and(|id| set.contains(id));
        let decides = ["projects", "folders", "organizations"]
            .iter()
            .any(|c| has(&format!("resourcemanager.{c}.setIamPolicy")));
        decides
            && has(meaning::ACT_AS)
            && has("compute.instances.create")
            && has("storage.buckets.create")
            && has("iam.serviceAccountKeys.create")
    }
}

/// What a set of permissions amounts to.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Classes.
    pub classes: ClassSet,
    /// Number of permissions.
    pub n: usize,
    /// Holds permissions that escalate together with `actAs`.
    pub halves: bool,
    /// Holds `actAs`.
    pub act_as: bool,
    /// The strongest permissions, at most twelve: by class, then by how much they decide, then by name.
    pub strongest: Vec<Text>,
    /// Digest of all names: equal digest, equal permissions.
    pub normal: String,
}

/// Permissions that can act on one resource of a service: bound there, a role gives no others. `None`
/// when the service of the resource is not one whose permissions are known by its name.
#[must_use]
pub fn service_of(resource: &str) -> Option<&str> {
    let host = resource.strip_prefix("//")?.split('/').next()?;
    let service = host.strip_suffix(".googleapis.com")?;
    Some(match service {
        "cloudresourcemanager" => return None,
        "bigtableadmin" => "bigtable",
        "sqladmin" => "cloudsql",
        "bigquerydatatransfer" => "bigquery",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn words(set: ClassSet) -> Vec<&'static str> {
        set.iter().map(Class::word).collect()
    }

    #[test]
    fn pairs_complete_and_owner_is_a_shape() {
        let mut lexicon = Lexicon::default();
        let one = lexicon.set(["iam.serviceAccounts.actAs"]);
        assert_eq!(words(lexicon.judge(&one).classes), ["escalation (possible)"]);
        let pair = lexicon.set(["iam.serviceAccounts.actAs", "run.services.create"]);
        let judged = lexicon.judge(&pair);
        assert!(judged.classes.contains(Class::Escalation) && judged.halves && judged.act_as);
        let owner = lexicon.predefined("roles/owner").unwrap();
        assert!(lexicon.judge(&owner).classes.contains(Class::Admin));
        let editor = lexicon.predefined("roles/editor").unwrap();
        let editor = lexicon.judge(&editor);
        assert!(
            !editor.classes.contains(Class::Admin) && editor.classes.contains(Class::Escalation)
        );
        let owner = lexicon.judge(&owner);
        assert_eq!(&*owner.strongest[0], "resourcemanager.projects.setIamPolicy");
        let own = lexicon.set(["acme.things.delete", "storage.objects.get"]);
        let judged = lexicon.judge(&own);
        assert_eq!(words(judged.classes), ["destructive", "data-read"]);
        assert_eq!(
            judged.strongest.iter().map(|t| &**t).collect::<Vec<_>>(),
            ["acme.things.delete", "storage.objects.get"]
        );
        assert_eq!(service_of("//storage.googleapis.com/b"), Some("storage"));
        assert_eq!(service_of("projects/p"), None);
    }

    /// Tier as the reference counts it: 0 for admin, permissions management and escalation, 1 for
    /// secrets and policies of resources, 2 for data, destruction and change, 3 for reading.
    fn tier(content: &Content) -> u8 {
        let has = |c| content.classes.contains(c);
        if has(Class::Admin) || has(Class::Permissions) || has(Class::Escalation) {
            0
        } else if has(Class::Secrets) || has(Class::PermissionsLimited) {
            1
        } else if content.classes.iter().all(|c| c == Class::Read) {
            3
        } else {
            2
        }
    }

    /// The prototype that rated all roles before us is a reference, not the truth: each difference is
    /// one of these kinds.
    ///
    /// - 0 there, 1 here: what makes the tier is the policy of a data resource or workload alone (a key, a
    ///   secret, a function), which section 8 puts a class below the policies of principals and containers.
    /// - 2 there, 0 here: takes a principal access boundary away.
    /// - 2 there, 1 here: decrypts through another's right or decapsulates shared secrets, which uses a key
    ///   like decryption.
    /// - 2 against 3: whether a verb that is in neither list (`export`, `report`, `fetch`, `verify`) reads.
    #[test]
    fn the_reference_rates_roles_as_we_do() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shared/data/gcp/role_classes.csv");
        assert!(path.exists(), "this test needs the shared data at `{}`", path.display());
        let lexicon = Lexicon::default();
        let mut rows = csv::Reader::from_path(&path).unwrap();
        let mut differ: BTreeMap<(u8, u8), Vec<String>> = BTreeMap::new();
        let mut n = 0;
        for row in rows.records() {
            let row = row.unwrap();
            let (role, want): (String, u8) = (row[0].into(), row[3].parse().unwrap());
            let set = lexicon.predefined(&role).unwrap();
            let got = tier(&lexicon.judge(&set));
            n += 1;
            if (want, got) == (0, 1) {
                let policies = |id: usize| {
                    let name = lexicon.name(id);
                    let listed = meaning::table().get(name);
                    listed.is_some_and(|r| r.class == "permissions-management")
                        && name.ends_with(".setIamPolicy")
                };
                assert!(set.ones().any(policies), "{role}");
            }
            if got != want {
                differ.entry((want, got)).or_default().push(role);
            }
        }
        assert_eq!(n, 2461);
        let of = |k| differ.get(&k).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(
            of((0, 1)),
            [
                "roles/cloudkms.admin",
                "roles/cloudkms.serviceAgent",
                "roles/compute.storageAdmin",
                "roles/secretmanager.admin",
                "roles/securedlandingzone.bqdwProjectRemediator",
            ]
        );
        assert_eq!(of((2, 0)), ["roles/iam.workspacePoolAdmin"]);
        assert_eq!(
            of((2, 1)),
            [
                "roles/cloudkms.cryptoKeyDecrypterViaDelegation",
                "roles/cloudkms.cryptoKeyEncrypterDecrypterViaDelegation",
                "roles/cloudkms.decapsulator",
            ]
        );
        let verbs = of((2, 3)).len() + of((3, 2)).len();
        assert!((verbs, differ.len()) == (51, 5), "{verbs}: {differ:#?}");
    }

    /// Names of roles are never consulted: the same permissions under another name are the same.
    #[test]
    fn names_of_roles_are_never_consulted() {
        let mut lexicon = Lexicon::default();
        for role in
            ["roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/storage.admin"]
        {
            let set = lexicon.predefined(role).unwrap();
            let names: Vec<String> = set.ones().map(|i| lexicon.name(i).to_owned()).collect();
            let renamed = lexicon.set(names.iter().map(String::as_str));
            let (a, b) = (lexicon.judge(&set), lexicon.judge(&renamed));
            assert_eq!((a.classes, a.n, a.normal), (b.classes, b.n, b.normal));
        }
    }
}
