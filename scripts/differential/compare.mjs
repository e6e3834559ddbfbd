// Runs the cases of `run.sh` in the other evaluator and sorts the differences. Every difference must be
// in a documented corner (AWS semantics, 3.9 and 5.7); any other one fails.
//
//   node compare.mjs PACKAGE_DIR CASES.ndjson

import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

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

function verdict(c, mode) {
  const keys = Object.fromEntries(
    Object.entries(c.keys).map(([k, v]) => [k, v.length === 1 && k !== 'aws:tagkeys' ? v[0] : v])
  )
  const request = new AwsRequestImpl(
    c.principal,
    { resource: c.resource, accountId: c.resource_account },
    c.action,
    new RequestContextImpl(keys)
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
      simulationMode: mode,
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]),
    },
    serviceSettings: { s3: {} },
  }).result
}

// The documented corners, by what a case holds.
const corners = [
  ['action pattern without a colon or with white space, which it refuses to read', (t, c, theirs) => theirs.startsWith('error') && /"s3"|Get Object/.test(t)],
  ['dates as epoch seconds', (t) => t.includes('1811808000')],
  ['wildcard in the service part of an action', (t) => /"(\*:\*|s\*:GetObject|\?3:\*)"/.test(t)],
  ['wildcard in the product part of an ARN', (t) => /us\*r|ro\?e/.test(t)],
  ['absent variable in NotResource', (t, c) => c.verdict === 'conditional' || /NotResource[^}]*\$\{/.test(t)],
  ['policy variables in version 2008-10-17', (t) => t.includes('2008-10-17') && t.includes('${')],
  ['session policy and a policy that names the session', (t, c) => c.session && /assumed-role/.test(JSON.stringify(c.policy))],
]

const group = (v) => ({ Allowed: 'allow', ImplicitlyDenied: 'deny', ExplicitlyDenied: 'explicit' })[v] ?? v
const counts = { strict: 0, open: 0, failed: 0 }
const differ = new Map()
const unexplained = []
const began = process.hrtime.bigint()

for await (const line of createInterface({ input: createReadStream(file) })) {
  const c = JSON.parse(line)
  const mode = c.mode === 'strict' ? 'Strict' : 'Discovery'
  let theirs
  try {
    theirs = group(verdict(c, mode))
  } catch (e) {
    theirs = `error ${e.message}`
    counts.failed += 1
  }
  counts[c.mode] += 1
  const ours = c.verdict
  // With keys open the other evaluator says what would do, given the best values: allowed or not.
  const denied = (v) => v === 'deny' || v === 'explicit'
  const same = mode === 'Strict' ? ours === theirs : denied(ours) === denied(theirs)
  if (same) continue
  const text = JSON.stringify(c)
  const corner = corners.find(([, holds]) => holds(text, c, theirs))
  const name = corner ? corner[0] : 'UNEXPLAINED'
  differ.set(name, (differ.get(name) ?? 0) + 1)
  if (!corner) unexplained.push({ ours, theirs, case: c })
}

const seconds = Number(process.hrtime.bigint() - began) / 1e9
const total = counts.strict + counts.open
const all = [...differ.values()].reduce((a, b) => a + b, 0)
console.log(`${total} cases (${counts.strict} with all keys known, ${counts.open} with some open): ${total - all} agree`)
for (const [name, n] of [...differ].sort()) console.log(`  ${n}  ${name}`)
console.log(`the other evaluator took ${seconds.toFixed(1)} s, ${counts.failed} cases failed in it`)
for (const u of unexplained.slice(0, Number(process.env.SHOW ?? 3))) console.log(JSON.stringify(u))
process.exit(unexplained.length === 0 ? 0 : 1)
