//! The statements about roles that a server log holds: GRANT, REVOKE, CREATE, ALTER and DROP ROLE.
//!
//! A reader of words, not of SQL: what is not of these forms is none of them. Passwords are skipped.

/// A change of who may what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    /// What it changes.
    pub(super) change: Change,
}

/// What a statement changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// `GRANT ... TO ...`: membership in a role without `object`, else rights on one.
    Grant { privilege: String, object: Option<String>, to: Vec<String>, admin: bool },
    /// `REVOKE ... FROM ...`.
    Revoke { privilege: String, object: Option<String>, from: Vec<String> },
    /// `CREATE` or `ALTER ROLE ... VALID UNTIL`; `None` for a role created without.
    ValidUntil { role: String, until: Option<String>, created: bool },
    /// `DROP ROLE`.
    Drop { roles: Vec<String> },
}

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Bare or double-quoted; bare ones in lower case, as the server reads them.
    Word { text: String, quoted: bool },
    /// In single quotes.
    Literal(String),
    /// Any other character.
    Mark(char),
}

/// Words that are looked at; statements about roles are short.
const MAX_TOKENS: usize = 4096;

/// Words of a statement.
pub(crate) fn tokens(sql: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        if out.len() >= MAX_TOKENS {
            break;
        }
        match c {
            '\'' | '"' => {
                let mut text = String::new();
                while let Some(d) = chars.next() {
                    // A doubled quote stands for itself.
                    if d == c && chars.next_if_eq(&c).is_none() {
                        break;
                    }
                    text.push(d);
                }
                out.push(if c == '"' {
                    Token::Word { text, quoted: true }
                } else {
                    Token::Literal(text)
                });
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut text: String = c.to_lowercase().collect();
                while let Some(d) = chars.next_if(|d| d.is_alphanumeric() || matches!(d, '_' | '$'))
                {
                    text.extend(d.to_lowercase());
                }
                out.push(Token::Word { text, quoted: false });
            }
            c if c.is_whitespace() => {}
            c => out.push(Token::Mark(c)),
        }
    }
    out
}

impl Token {
    /// Whether it is this bare word.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word { text, quoted: false } if text == word)
    }
}

/// Position of a keyword.
fn find(tokens: &[Token], word: &str) -> Option<usize> {
    tokens.iter().position(|t| t.is(word))
}

/// Names of a list of roles, up to the first word that ends it.
fn names(tokens: &[Token]) -> Vec<String> {
    const END: [&str; 5] = ["with", "granted", "cascade", "restrict", "if"];
    let mut out = Vec::new();
    for t in tokens {
        match t {
            t if END.iter().any(|w| t.is(w)) => break,
            Token::Word { text, quoted: false } if text == "group" => {}
            Token::Word { text, .. } => out.push(text.clone()),
            Token::Mark(',') => {}
            _ => break,
        }
    }
    out
}

/// Tokens as one text, keywords of rights in upper case.
fn written(tokens: &[Token], upper: bool) -> String {
    let mut out = String::new();
    for t in tokens {
        match t {
            Token::Word { text, quoted } => {
                if !out.is_empty() && !out.ends_with(['.', '(', ' ']) {
                    out.push(' ');
                }
                if upper && !quoted {
                    out.push_str(&text.to_uppercase())
                } else {
                    out.push_str(text)
                }
            }
            Token::Mark(',') => out.push_str(", "),
            Token::Mark(c) => out.push(*c),
            Token::Literal(_) => {}
        }
    }
    out
}

/// Reads a statement; `None` when it is about something else.
pub(super) fn read(sql: &str) -> Option<Statement> {
    let all = tokens(sql);
    let (first, rest) = all.split_first()?;
    let change = if first.is("grant") {
        given(rest, "to")?
    } else if first.is("revoke") {
        given(rest, "from")?
    } else if first.is("create") || first.is("alter") {
        role(first.is("create"), rest)?
    } else if first.is("drop") {
        dropped(rest)?
    } else {
        return None;
    };
    Some(Statement { change })
}

/// `GRANT` and `REVOKE`: the part in front of `TO` or `FROM`, and the names behind it.
fn given(rest: &[Token], word: &str) -> Option<Change> {
    // The last one: a column or table may be called like a keyword only in quotes.
    let at = find(rest, word)?;
    let (mut what, who) = (rest.get(..at)?, rest.get(at + 1..)?);
    // `REVOKE ADMIN OPTION FOR role` takes the option, not the membership.
    if let Some(option) = find(what, "for")
        && word == "from"
        && find(what.get(..option)?, "option").is_some()
    {
        return None;
    }
    let mut object = None;
    if let Some(on) = find(what, "on") {
        object = Some(written(what.get(on + 1..)?, false)).filter(|o| !o.is_empty());
        what = what.get(..on)?;
    }
    let privilege = written(what, object.is_some());
    let members = names(who);
    if privilege.is_empty() || members.is_empty() {
        return None;
    }
    if word == "from" {
        return Some(Change::Revoke { privilege, object, from: members });
    }
    let admin = find(who, "admin").is_some();
    Some(Change::Grant { privilege, object, to: members, admin })
}

fn role(created: bool, rest: &[Token]) -> Option<Change> {
    let (kind, rest) = rest.split_first()?;
    if !(kind.is("role") || kind.is("user")) {
        return None;
    }
    let (Token::Word { text: role, .. }, rest) = rest.split_first()? else { return None };
    let until = rest.windows(3).find_map(|w| match w {
        [a, b, Token::Literal(t)] if a.is("valid") && b.is("until") => Some(t.clone()),
        _ => None,
    });
    // A role that cannot log in has no use for a password.
    let login = kind.is("user") || find(rest, "login").is_some();
    if until.is_none() && !(created && login) {
        return None;
    }
    Some(Change::ValidUntil { role: role.clone(), until, created })
}

fn dropped(rest: &[Token]) -> Option<Change> {
    let (kind, rest) = rest.split_first()?;
    if !(kind.is("role") || kind.is("user")) {
        return None;
    }
    let rest = match rest {
        [a, b, tail @ ..] if a.is("if") && b.is("exists") => tail,
        all => all,
    };
    let roles = names(rest);
    (!roles.is_empty()).then_some(Change::Drop { roles })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn change(sql: &str) -> Option<Change> {
        read(sql).map(|s| s.change)
    }

    #[test]
    fn statements_about_roles() {
        let s = |v: &[&str]| v.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            change("GRANT app_owner TO svc_batch WITH ADMIN OPTION;"),
            Some(Change::Grant {
                privilege: "app_owner".into(),
                object: None,
                to: s(&["svc_batch"]),
                admin: true
            })
        );
        assert_eq!(
            change("grant select, UPDATE on table pay.\"Cards\" to A, group b"),
            Some(Change::Grant {
                privilege: "SELECT, UPDATE".into(),
                object: Some("table pay.Cards".into()),
                to: s(&["a", "b"]),
                admin: false
            })
        );
        assert_eq!(
            change("REVOKE app_owner FROM jit_alice CASCADE;"),
            Some(Change::Revoke {
                privilege: "app_owner".into(),
                object: None,
                from: s(&["jit_alice"])
            })
        );
        assert_eq!(change("REVOKE ADMIN OPTION FOR a FROM b;"), None);
        assert_eq!(
            change("ALTER ROLE j VALID UNTIL '2026-12-01';"),
            Some(Change::ValidUntil {
                role: "j".into(),
                until: Some("2026-12-01".into()),
                created: false
            })
        );
        assert_eq!(
            change("CREATE USER x PASSWORD 'it''s TO secret';"),
            Some(Change::ValidUntil { role: "x".into(), until: None, created: true })
        );
        assert_eq!(change("CREATE ROLE app_owner NOLOGIN;"), None);
        assert_eq!(
            change("DROP ROLE IF EXISTS a, b;"),
            Some(Change::Drop { roles: s(&["a", "b"]) })
        );
        for other in ["", ";", "SELECT 1", "GRANT", "GRANT TO", "CREATE TABLE t()", "'x"] {
            assert_eq!(change(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(s in "(GRANT|REVOKE|CREATE ROLE|ALTER USER|DROP ROLE)[ a-z\"'(),.;é]{0,60}") {
            let _ = read(&s);
        }
    }
}
