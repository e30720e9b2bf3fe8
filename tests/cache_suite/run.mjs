// Runs the public tests for HTTP caches against propeller-proxy as a forward proxy.
//
//   node run.mjs --binary PROGRAM --packages FOLDER [OPTION…]
//
//   --packages FOLDER   where install.sh put the packages
//   --suite FOLDER      a checkout of the suite's source instead of its package
//   --expected FILE     ids of the tests that fail, each with the reason; anything else ends with 1
//   --only ID,ID        these tests alone, their dependencies not judged
//   --verbose           one test after the other, with each request and response as client and origin see them
//   --results FILE      what each test said, as JSON
//   --table FILE        the Markdown file whose table has to say the same
//   --write-table       writes that table
//   --write-expected REASON   rewrites --expected from what fails now; new ones get REASON
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { proxiedFetch } from './client.mjs'
import { startOrigin } from './origin.mjs'
import { startProxy } from './proxy.mjs'
import * as report from './report.mjs'
import { loadSuite } from './suite.mjs'

// Most of a test's time is pauses, so all run at once.
const AT_ONCE = 1000

function options () {
  const names = ['binary', 'packages', 'suite', 'expected', 'only', 'results', 'table', 'write-expected']
  const { values } = parseArgs({
    options: {
      verbose: { type: 'boolean', default: false },
      'write-table': { type: 'boolean', default: false },
      ...Object.fromEntries(names.map(name => [name, { type: 'string' }]))
    }
  })
  for (const name of ['binary', 'packages']) {
    if (!values[name]) throw new Error(`--${name} is missing`)
    values[name] = path.resolve(values[name])
  }
  values.suite = path.resolve(values.suite ?? path.join(values.packages, 'node_modules/http-cache-tests'))
  values.only = values.only?.split(',')
  return values
}

/// The sections with the tests that were asked for.
function select (sections, only, isVerbose) {
  const chosen = sections.map(section => ({
    ...section,
    tests: section.tests.filter(test => !only || only.includes(test.id)).map(test => ({ ...test, dump: isVerbose }))
  }))
  for (const id of only ?? []) {
    if (!chosen.some(section => section.tests.some(test => test.id === id))) throw new Error(`no test has the id ${id}`)
  }
  return chosen
}

async function runAgainst (suite, binary, { packages, only, verbose }) {
  const origin = await startOrigin(suite.handlers)
  const proxy = await startProxy(binary)
  const client = proxiedFetch(packages, proxy.url)
  try {
    const results = await suite.run(select(suite.sections, only, verbose), client, origin.url, verbose ? 1 : AT_ONCE)
    if (verbose) console.log(`=== The proxy's log\n${proxy.log.join('\n')}\n`)
    return results
  } finally {
    await client.close()
    await proxy.stop()
    await origin.stop()
  }
}

function readExpected (file, only) {
  const all = file ? JSON.parse(fs.readFileSync(file, 'utf8')) : {}
  return only ? Object.fromEntries(Object.entries(all).filter(([id]) => only.includes(id))) : all
}

function writeExpected (file, rows, expected, reason) {
  const entries = report.failing(rows).map(({ id }) => [id, expected[id] ?? reason])
  fs.writeFileSync(file, JSON.stringify(Object.fromEntries(entries), null, 2) + '\n')
}

async function main () {
  const chosen = options()
  const suite = await loadSuite(chosen.suite)
  const results = await runAgainst(suite, chosen.binary, chosen)
  const rows = report.outcomes(suite, results, !chosen.only)
  if (chosen.results) fs.writeFileSync(chosen.results, JSON.stringify(results, null, 2) + '\n')

  const expected = fs.existsSync(chosen.expected ?? '') ? readExpected(chosen.expected, chosen.only) : {}
  if (chosen['write-expected']) {
    writeExpected(chosen.expected, rows, expected, chosen['write-expected'])
    return 0
  }
  if (chosen['write-table']) report.writeTable(chosen.table, rows, expected)
  const surprises = report.surprises(rows, expected)
  if (chosen.table && surprises.length === 0) surprises.push(...report.misreported(chosen.table, rows, expected))
  for (const row of report.failing(rows).filter(({ id }) => id in expected)) console.log(`as expected: ${report.line(row)}`)
  console.log(report.summary(rows))
  if (surprises.length > 0) console.log(`\nnot as expected:\n${surprises.join('\n')}`)
  return surprises.length > 0 ? 1 : 0
}

process.exitCode = await main()
