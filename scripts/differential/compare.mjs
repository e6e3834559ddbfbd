// Runs the cases of `run.sh` in the other evaluator and sorts the differences. Every difference must be
// explained by the corners of `corners.mjs`; any other one fails, and so does a case that the other
// evaluator refuses.
//
//   node compare.mjs PACKAGE_DIR CASES.ndjson

import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

import { explained } from './corners.mjs'

const [peer, file] = process.argv.slice(2)
const load = (path) => import(pathToFileURL(path).href)
const core = join(peer, 'dist/esm')
const { authorize } = await load(join(core, 'core_engine/CoreSimulatorEngine.js'))
const { AwsRequestImpl } = await load(join(core, 'request/request.js'))
const { RequestContextImpl } = await load(join(core, 'requestContext.js'))
const { DiscoveryContextKeyConstraints } = await load(
  join(core, 'context_keys/discoveryContextKeyConstraints.js')
)
const { loadPolicy } = await load(
  createRequire(join(core, 'index.js')).resolve('@cloud-copilot/iam-policy').replace('/cjs/', '/esm/')
)

const named = (docs) => (docs ?? []).map((d, i) => loadPolicy(d, { name: `p${i}` }))
const levels = (tree) =>
  (tree ?? []).map((docs, i) => ({ orgIdentifier: `l${i}`, policies: named(docs) }))

// With keys open the other evaluator is told of each key what is known of it, and looks for values that
// allow; of a key that it is not told of it would open the known values too.
const KEYS = [
  'aws:username',
  'aws:principaltag/team',
  'aws:sourceip',
  'aws:currenttime',
  'aws:multifactorauthpresent',
  'aws:multifactorauthage',
  'aws:principalarn',
  'aws:tagkeys',
  's3:prefix',
]

function constraints(c) {
  return KEYS.map((keyName) => {
    const known = keyName in c.keys || c.absent.includes(keyName)
    return { keyName, presenceIsKnown: known, valueIsKnown: known }
  })
}

function answer(c) {
  const keys = Object.fromEntries(
    // `aws:TagKeys` is multivalued by kind; `single` is set by a corner.
    Object.entries(c.keys).map(([k, v]) => [k, k === 'aws:tagkeys' && !c.single ? v : v[0]])
  )
  const strange = Object.keys(keys).find((k) => !KEYS.includes(k))
  if (strange) throw new Error(`compare.mjs does not know the key ${strange}`)
  const request = new AwsRequestImpl(
    c.principal,
    { resource: c.resource, accountId: c.resource_account },
    c.action,
    new RequestContextImpl(keys),
    c.wildcard_only
  )
  return authorize({
    request,
    sessionPolicy: c.session ? loadPolicy(c.session[0], { name: 'session' }) : undefined,
    identityPolicies: named(c.identity),
    serviceControlPolicies: levels(c.scps),
    resourceControlPolicies: levels(c.rcps),
    resourcePolicy: c.policy ? loadPolicy(c.policy, { name: 'resource' }) : undefined,
    permissionBoundaries: c.boundary ? named([c.boundary]) : undefined,
    vpcEndpointPolicies: undefined,
    simulationParameters: {
      simulationMode: c.mode === 'strict' ? 'Strict' : 'Discovery',
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints(constraints(c)),
    },
    serviceSettings: { s3: {} },
  })
}

const WORDS = { Allowed: 'allow', ImplicitlyDenied: 'deny', ExplicitlyDenied: 'explicit' }
const counts = { strict: 0, open: 0 }
const corners = new Map()
const unexplained = []
let agree = 0
// Verdicts turned round on purpose: a comparison that explains them away finds nothing.
const turned = { tried: 0, found: 0 }
const began = process.hrtime.bigint()

/** The other evaluator's verdict. With keys open: what the best values give. */
function verdict(c) {
  try {
    return WORDS[answer(c).result]
  } catch (e) {
    return `refused: ${e.message}`
  }
}

const denied = (v) => v === 'deny' || v === 'explicit'
const refused = (v) => v === undefined || v.startsWith('refused')
const same = (c, theirs) =>
  !refused(theirs) && (c.mode === 'strict' ? c.verdict === theirs : denied(c.verdict) === denied(theirs))

for await (const line of createInterface({ input: createReadStream(file) })) {
  const c = JSON.parse(line)
  counts[c.mode] += 1
  const theirs = verdict(c)
  if (same(c, theirs)) {
    agree += 1
    if (c.mode === 'strict' && agree % 20 === 0) {
      const wrong = { ...c, verdict: denied(theirs) ? 'allow' : 'deny' }
      turned.tried += 1
      turned.found += explained(wrong, verdict, (v) => same(wrong, v)) ? 0 : 1
    }
    continue
  }
  const names = refused(theirs) ? undefined : explained(c, verdict, (v) => same(c, v))
  if (names) {
    const name = names.sort().join(' + ')
    corners.set(name, (corners.get(name) ?? 0) + 1)
  } else {
    unexplained.push({ ours: c.verdict, theirs, case: c })
  }
}

const seconds = Number(process.hrtime.bigint() - began) / 1e9
const total = counts.strict + counts.open
const told = [...corners.values()].reduce((a, b) => a + b, 0)
console.log(`${total} decisions (${counts.strict} with all keys known, ${counts.open} with some open)`)
console.log(`  ${agree} agree`)
console.log(`  ${told} differ and agree once the corner is spelled out:`)
for (const [name, n] of [...corners].sort((a, b) => b[1] - a[1])) console.log(`    ${n}  ${name}`)
console.log(`  ${unexplained.length} differ without explanation`)
console.log(`of ${turned.tried} verdicts turned round on purpose, ${turned.found} are found`)
console.log(`the other evaluator took ${seconds.toFixed(1)} s`)
for (const u of unexplained.slice(0, Number(process.env.SHOW ?? 3))) console.log(JSON.stringify(u))
const sharp = turned.tried > 0 && turned.found >= 0.99 * turned.tried
process.exit(unexplained.length === 0 && sharp ? 0 : 1)
