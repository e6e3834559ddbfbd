//! Contents of roles: the definition in the inputs, else the dated catalogue.

use std::collections::HashMap;
use std::sync::OnceLock;

use fixedbitset::FixedBitSet;
use serde::Deserialize;

use crate::facts::{Facts, RoleKind, Text, text};
use crate::privilege::gcp::catalogue::catalogue;
use crate::privilege::gcp::content::{Content, Lexicon};

/// Whether a role gives anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce {
    /// It does.
    Yes,
    /// It is switched off or deleted.
    No,
    /// Its content is not known.
    Unknown,
}

#[derive(Debug)]
struct Entry {
    set: Option<FixedBitSet>,
    state: InForce,
    /// Taken from the catalogue, for the inputs do not define it.
    embedded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow, default)]
    included_permissions: Vec<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    deleted: bool,
}

/// All roles that are named, by number.
#[derive(Debug)]
pub struct Roles {
    /// Names and numbers of permissions.
    pub lexicon: Lexicon,
    index: HashMap<Text, usize>,
    names: Vec<Text>,
    entries: Vec<Entry>,
    judged: HashMap<usize, Content>,
}

impl Roles {
    /// Reads the definitions.
    pub fn new(facts: &Facts) -> Self {
        let mut out = Self {
            lexicon: Lexicon::default(),
            index: HashMap::new(),
            names: Vec::new(),
            entries: Vec::new(),
            judged: HashMap::new(),
        };
        let rows = facts.roles.iter().filter(|r| &*r.platform == "gcp" && r.kind == RoleKind::Role);
        for r in rows {
            let entry = r.document.as_deref().and_then(|d| out.defined(d));
            let entry = entry.unwrap_or_else(|| out.predefined(&r.role_id));
            out.put(&r.role_id, entry);
        }
        out
    }

    fn defined(&mut self, document: &str) -> Option<Entry> {
        let d: Document<'_> = serde_json::from_str(document).ok()?;
        let off = d.deleted || d.stage == "DISABLED";
        let set = self.lexicon.set(d.included_permissions.iter().map(AsRef::as_ref));
        let state = if off { InForce::No } else { InForce::Yes };
        Some(Entry { set: Some(set), state, embedded: false })
    }

    fn predefined(&self, role: &str) -> Entry {
        match self.lexicon.predefined(role) {
            Some(set) => Entry { set: Some(set), state: InForce::Yes, embedded: true },
            None => Entry { set: None, state: InForce::Unknown, embedded: false },
        }
    }

    fn put(&mut self, role: &Text, entry: Entry) -> usize {
        let i = self.entries.len();
        self.entries.push(entry);
        self.names.push(role.clone());
        *self.index.entry(role.clone()).or_insert(i)
    }

    /// Number of a role; one that nothing defines is looked up in the catalogue.
    pub fn index(&mut self, role: &Text) -> usize {
        if let Some(i) = self.index.get(role) {
            return *i;
        }
        let entry = self.predefined(role);
        self.put(role, entry)
    }

    /// Whether a role gives anything.
    pub fn state(&self, i: usize) -> InForce {
        self.entries.get(i).map_or(InForce::Unknown, |e| e.state)
    }

    /// The catalogue that its permissions are taken from; `None` where the inputs define it.
    pub fn basis(&self, i: usize) -> Option<Text> {
        static BASIS: OnceLock<Text> = OnceLock::new();
        let of =
            || text(format!("embedded catalogue of predefined roles ({})", catalogue().origin));
        let embedded = self.entries.get(i).is_some_and(|e| e.embedded);
        embedded.then(|| BASIS.get_or_init(of).clone())
    }

    /// Its permissions.
    pub fn set(&self, i: usize) -> Option<&FixedBitSet> {
        self.entries.get(i)?.set.as_ref()
    }

    /// What a role amounts to; `None` when its content is not known.
    pub fn content(&mut self, i: usize) -> Option<&Content> {
        if !self.judged.contains_key(&i) {
            let content = self.lexicon.judge(self.entries.get(i)?.set.as_ref()?);
            self.judged.insert(i, content);
        }
        self.judged.get(&i)
    }

    /// All roles with what they amount to.
    pub fn all(&mut self) -> Vec<(Text, Option<Content>)> {
        (0..self.entries.len())
            .filter_map(|i| Some((self.names.get(i)?.clone(), self.content(i).cloned())))
            .collect()
    }
}
