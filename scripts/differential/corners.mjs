// Where the other evaluator is known to read a policy differently. A corner is not a word in a text: it
// rewrites the case into cases without the corner, and the difference is explained only if the other
// evaluator's verdicts on those give ours.
//
// Each corner has a name, the reason, and `settle(case)`: undefined when the case does not hold it, else
// the rewritten cases and how their verdicts add up:
//   open  we call the matter undecided, so the verdict holds if all agree and is conditional otherwise
//   best  one of several ways to be allowed is enough

const list = (v) => (Array.isArray(v) ? v : v === undefined ? [] : [v])
const clone = (c) => JSON.parse(JSON.stringify(c))

/** All documents of a case, with the kind of their layer. */
function layered(c) {
  const of = (layer, docs) => docs.filter(Boolean).map((doc) => [doc, layer])
  return [
    ...of('own', [...c.identity, c.boundary, ...(c.session ?? [])]),
    ...of('scp', (c.scps ?? []).flat()),
    ...of('rcp', (c.rcps ?? []).flat()),
    ...of('resource', [c.policy]),
  ]
}

const documents = (c) => layered(c).map(([doc]) => doc)

/** Whether `*` (any run) and `?` (one character) of `p` match the whole of `s`; letters in any case. */
function glob(p, s) {
  p = p.toLowerCase()
  s = s.toLowerCase()
  let [i, j, star, mark] = [0, 0, -1, 0]
  while (j < s.length) {
    if (p[i] === '*') {
      star = i++
      mark = j
    } else if (i < p.length && (p[i] === '?' || p[i] === s[j])) {
      i++
      j++
    } else if (star >= 0) {
      i = star + 1
      j = ++mark
    } else return false
  }
  while (p[i] === '*') i++
  return i === p.length
}

/** A copy in which `change(pattern, statement, document, element, layer)` replaced each entry of the named elements;
 *  undefined when it changed none. An entry may become several or none. */
function rewritten(c, elements, change) {
  const out = clone(c)
  let changed = false
  for (const [doc, layer] of layered(out)) {
    for (const s of list(doc.Statement)) {
      for (const element of elements.filter((e) => s[e] !== undefined)) {
        const next = list(s[element]).flatMap((p) => {
          const q = change(p, s, doc, element, layer)
          changed ||= q !== p
          return q
        })
        s[element] = next.length > 0 ? next : ['arn:aws:none:::none']
      }
    }
  }
  return changed ? out : undefined
}

const withVariables = (doc) => doc.Version === '2012-10-17'
const VARIABLE = /\$\{([^}*?$,]+)(?:, '([^']*)')?\}/g

/** Variables of a pattern without default. */
const bare = (p) => [...p.matchAll(VARIABLE)].filter((m) => m[2] === undefined).map((m) => m[1].toLowerCase())
const open = (c, key) => c.mode === 'open' && !(key in c.keys) && !c.absent.includes(key)

/** Product part of a pattern (before the first `/` or `:` of the sixth part) when it has a wildcard;
 *  names of buckets are none. */
function wildProduct(p) {
  const parts = p.split(':')
  if (parts.length < 6 || parts[2].toLowerCase() === 's3') return undefined
  const tail = parts.slice(5).join(':')
  const end = tail.search(/[/:]/)
  const product = tail.slice(0, Math.max(end, 0))
  return /[*?]/.test(product) && !/^\**$/.test(product) ? { head: parts.slice(0, 5), product, tail } : undefined
}

/** The product part as the request spells it, where it matches. */
function plainProduct(c, p) {
  const wild = wildProduct(p)
  if (!wild) return p
  const asked = c.resource.split(':').slice(5).join(':')
  const product = asked.slice(0, Math.max(asked.search(/[/:]/), 0))
  if (!glob(wild.product, product)) return p
  return [...wild.head, product + wild.tail.slice(wild.product.length)].join(':')
}

// Values that the open keys of variables may have among the cases.
const VALUES = {
  'aws:username': ['ann', 'Ann'],
  'aws:principaltag/team': ['red', 'blue', 'r${*}'],
}

export const corners = [
  {
    name: 'wildcard in the service part of an action',
    // The other evaluator compares the service part as text (aws-semantics 3.9). AWS documents wildcards
    // for the action; what it does with them in the service is not documented. We match (5.2.1).
    settle(c) {
      const service = c.action.split(':')[0]
      const one = rewritten(c, ['Action', 'NotAction'], (p) => {
        const [s, ...rest] = p.split(':')
        if (rest.length === 0 || !/[*?]/.test(s)) return p
        return glob(s, service) ? `${service}:${rest.join(':')}` : 'none:None'
      })
      return one && { how: 'best', cases: [one] }
    },
  },
  {
    name: 'date as epoch seconds',
    // IAM user guide, condition operators, "Date condition operators": ISO 8601 or epoch (UNIX) time. The
    // other evaluator takes seconds for milliseconds.
    settle(c) {
      const out = clone(c)
      let changed = false
      for (const s of documents(out).flatMap((d) => list(d.Statement))) {
        for (const [operator, keys] of Object.entries(s.Condition ?? {})) {
          if (!/^(for(all|any)values?:)?date/i.test(operator)) continue
          for (const [key, values] of Object.entries(keys)) {
            keys[key] = list(values).map((v) => {
              if (!/^\d+$/.test(String(v))) return v
              changed = true
              return new Date(Number(v) * 1000).toISOString()
            })
          }
        }
      }
      return changed ? { how: 'best', cases: [out] } : undefined
    },
  },
  {
    name: 'wildcard in the product part of an ARN',
    // IAM user guide, "IAM ARNs": wildcards there are "incorrect wildcard usage". The other evaluator
    // compares the part as text; we let an Allow match and leave a Deny undecided (5.2.3).
    settle(c) {
      const matched = rewritten(c, ['Resource', 'NotResource'], (p) => plainProduct(c, p))
      const allows = rewritten(c, ['Resource', 'NotResource'], (p, s) =>
        s.Effect === 'Allow' ? plainProduct(c, p) : p
      )
      return matched && { how: 'open', cases: [matched, allows ?? c] }
    },
  },
  {
    name: 'NotResource with an ARN of fewer than six parts',
    // AWS documents ARNs of six parts only. The other evaluator fills such a pattern up (5.2.3) and, when
    // that does not match, does not hold the complement true; for us what matches nothing leaves out
    // nothing (5.2.5).
    settle(c) {
      const fills = {
        own: () => true,
        scp: (p) => p.endsWith('*'),
        rcp: () => false,
        resource: (p) => p.split(':').at(-1).includes('*'),
      }
      const one = rewritten(c, ['NotResource'], (p, s, doc, element, layer) => {
        const parts = p.split(':')
        if (/^\**$/.test(p) || parts.length > 5) return p
        return fills[layer](p) ? [...parts, ...Array(6 - parts.length).fill('*')].join(':') : []
      })
      return one && { how: 'best', cases: [one] }
    },
  },
  {
    name: 'star in the name of the resource asked for',
    // S3 user guide, "Naming Amazon S3 objects": a key may hold a star. The other evaluator takes the
    // request for one about all resources of that pattern.
    settle(c) {
      if (c.resource === '*' || !c.resource.includes('*')) return undefined
      const out = rewritten(c, ['Resource', 'NotResource'], (p) => p.replaceAll('${*}', '@')) ?? clone(c)
      out.resource = c.resource.replaceAll('*', '@')
      return { how: 'best', cases: [out] }
    },
  },
  {
    name: 'one value of a multivalued key without set operator',
    // IAM user guide, "Single-valued vs. multivalued context keys": such keys require a set operator; what
    // happens without is not said. The other evaluator fails by the kind of the key, we by the number of
    // values in the request (5.3.5).
    settle(c) {
      const key = 'aws:tagkeys'
      if (c.single || c.keys[key]?.length !== 1) return undefined
      const asks = (s) =>
        Object.entries(s.Condition ?? {}).some(
          ([operator, keys]) =>
            !/^for(all|any)values?:|^null$/i.test(operator) &&
            Object.keys(keys).some((k) => k.toLowerCase() === key)
        )
      if (!documents(c).some((doc) => list(doc.Statement).some(asks))) return undefined
      return { how: 'best', cases: [{ ...clone(c), single: true }] }
    },
  },
  {
    name: 'variable in NotResource that is absent',
    // IAM user guide, "Variables and tags", says that a pattern with a variable without value matches
    // nothing; whether a complement then holds is left open. The other evaluator says no, we say
    // undecided (5.2.6).
    settle(c) {
      const lacks = (p, doc, element) =>
        element === 'NotResource' &&
        withVariables(doc) &&
        bare(p.split(':').slice(5).join(':')).some((k) => c.absent.includes(k) || open(c, k))
      const put = (by) =>
        rewritten(c, ['NotResource'], (p, s, doc, element) => (lacks(p, doc, element) ? by : p))
      const none = put([])
      return none && { how: 'open', cases: [none, put(['*']), ...(c.mode === 'open' ? [c] : [])] }
    },
  },
  {
    name: 'variable in a resource whose key is open',
    // The other evaluator opens the keys of conditions; in a resource it takes an open key as absent.
    settle(c) {
      const opens = (p, doc) =>
        withVariables(doc) && [...p.matchAll(VARIABLE)].some((m) => open(c, m[1].toLowerCase()))
      const fill = (p, n) =>
        p.replace(VARIABLE, (whole, key, fallback) => {
          if (!open(c, key.toLowerCase())) return whole
          const values = [...VALUES[key.toLowerCase()], ...(fallback === undefined ? [] : [fallback])]
          return values[n % values.length]
        })
      // What is best for the caller: an Allow that reaches the resource, a Deny that does not.
      const put = (n) =>
        rewritten(c, ['Resource', 'NotResource'], (p, s, doc, element) => {
          if (!opens(p, doc)) return p
          const wanted = (s.Effect === 'Allow') === (element === 'Resource')
          return wanted ? fill(p, n) : 'arn:aws:none:::none'
        })
      const cases = [0, 1, 2, 3].map(put)
      return cases[0] && { how: 'best', cases }
    },
  },
  {
    name: 'absent key compared with a variable whose key is open',
    // An absent key settles its clause whatever the value is (5.3.4). The other evaluator opens it.
    settle(c) {
      if (c.mode !== 'open') return undefined
      const out = clone(c)
      let changed = false
      for (const doc of documents(out).filter(withVariables)) {
        for (const keys of list(doc.Statement).flatMap((s) => Object.values(s.Condition ?? {}))) {
          for (const [key, values] of Object.entries(keys)) {
            if (!c.absent.includes(key.toLowerCase())) continue
            keys[key] = list(values).map((v) => {
              const opens = [...String(v).matchAll(VARIABLE)].some((m) => open(c, m[1].toLowerCase()))
              changed ||= opens
              return opens ? 'any value' : v
            })
          }
        }
      }
      return changed ? { how: 'best', cases: [out] } : undefined
    },
  },
  {
    name: 'variables in version 2008-10-17',
    // IAM user guide, "Version": without 2012-10-17 variables are literal text. The other evaluator
    // substitutes in every version.
    settle(c) {
      const literal = (p, doc) => (withVariables(doc) ? p : p.replaceAll('${', '${$}{'))
      let out = rewritten(c, ['Resource', 'NotResource'], (p, s, doc) => literal(p, doc))
      const target = out ?? clone(c)
      for (const doc of documents(target).filter((d) => !withVariables(d))) {
        for (const s of list(doc.Statement)) {
          for (const keys of Object.values(s.Condition ?? {})) {
            for (const [key, values] of Object.entries(keys)) {
              if (!JSON.stringify(values).includes('${')) continue
              // No value of a request here holds such text: it can be told by any other.
              keys[key] = list(values).map((v) => (String(v).includes('${') ? 'no such value' : v))
              out = target
            }
          }
        }
      }
      return out && { how: 'best', cases: [out] }
    },
  },
  {
    name: 'session policy, and a resource policy that names the session',
    // IAM user guide, "Session policies": permissions from a resource policy that names the session are
    // added to those of the session policy. The other evaluator limits them too.
    settle(c) {
      const allows = (s) => s.Effect === 'Allow'
      const names = (s) => s.Principal !== '*' && list(s.Principal?.AWS).includes(c.principal)
      const own = c.principal.split(':')[4] === c.resource_account
      const given = c.policy && list(c.policy.Statement)
      if (!c.session || !own || !given?.some((s) => allows(s) && names(s))) return undefined
      const out = clone(c)
      const keep = (doc, test) => ({ ...doc, Statement: list(doc.Statement).filter(test) })
      const denies = (s) => !allows(s)
      out.identity = out.identity.map((d) => keep(d, denies)).filter((d) => d.Statement.length > 0)
      out.session = [keep(out.session[0], denies)]
      out.session[0].Statement.push({ Effect: 'Allow', Action: '*', Resource: '*' })
      out.policy = keep(out.policy, (s) => denies(s) || names(s))
      for (const s of out.policy.Statement.filter(allows)) s.Principal = { AWS: [c.principal] }
      return { how: 'best', cases: [out, c] }
    },
  },
  {
    name: 'another session of the same role, with keys open',
    // With keys open the other evaluator takes the name of the session as open too; ours is given.
    settle(c) {
      if (c.mode !== 'open' || c.kind !== 'role' || !c.policy) return undefined
      const stem = c.principal.slice(0, c.principal.lastIndexOf('/') + 1)
      const out = clone(c)
      let changed = false
      for (const s of list(out.policy.Statement)) {
        for (const element of ['Principal', 'NotPrincipal'].filter((e) => s[e]?.AWS)) {
          s[element].AWS = list(s[element].AWS).map((p) => {
            if (!p.startsWith(stem) || p === c.principal) return p
            changed = true
            return 'arn:aws:iam::999999999999:user/nobody'
          })
        }
      }
      return changed ? { how: 'best', cases: [out] } : undefined
    },
  },
]

const RANK = ['explicit', 'deny', 'conditional', 'allow']

function joined(how, verdicts) {
  if (verdicts.some((v) => !RANK.includes(v))) return 'refused'
  const ranks = verdicts.map((v) => RANK.indexOf(v))
  const [low, high] = [Math.min(...ranks), Math.max(...ranks)]
  if (how === 'best') return RANK[high]
  // Undecided between the two kinds of denial is a denial that no Deny statement is sure of.
  return high === low ? RANK[low] : high <= 1 ? 'deny' : 'conditional'
}

/** The other evaluator's verdict once these corners are settled; undefined when one is not in the case. */
function settledBy(chosen, c, verdict) {
  if (chosen.length === 0) return verdict(c)
  const found = chosen[0].settle(c)
  if (!found) return undefined
  // A rewritten case may have lost a later corner by that.
  const next = (x) => settledBy(chosen.slice(1).filter((k) => k.settle(x)), x, verdict)
  return joined(found.how, found.cases.map(next))
}

/** The names of the fewest corners that explain the difference: one, or two, or all that there are;
 *  undefined when they do not. `fits(verdict)` says whether a verdict is ours. */
export function explained(c, verdict, fits) {
  const there = corners.filter((k) => k.settle(c))
  const pairs = there.flatMap((a, i) => there.slice(i + 1).map((b) => [a, b]))
  for (const chosen of [...there.map((k) => [k]), ...pairs, there]) {
    if (chosen.length > 0 && fits(settledBy(chosen, c, verdict))) return chosen.map((k) => k.name)
  }
  return undefined
}
