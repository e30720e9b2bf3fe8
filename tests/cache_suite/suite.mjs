// The public tests for HTTP caches (http-tests/cache-tests): what they are, how one is run, how its result is judged.
//
// Two layouts are understood: the package's, and the one its source has today (`test-engine/`).
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

// The suite judges by symbols; these are its words for them.
const WORDS = {
  '-': 'untested',
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup failed',
  '⁉️': 'harness failed',
  '⚪️': 'dependency failed',
  '↻': 'retried'
}

/// A shared cache is asked: what is for browsers or for CDNs alone is left out, as in the suite's published results.
function isForSharedCaches (test) {
  return test.browser_only !== true && test.cdn_only !== true
}

export async function loadSuite (root) {
  const hasEngine = fs.existsSync(path.join(root, 'test-engine'))
  const engine = hasEngine ? path.join(root, 'test-engine') : root
  const load = (folder, file) => import(pathToFileURL(path.join(folder, file)))
  const sections = (await load(root, 'tests/index.mjs')).default
    .map(section => ({ ...section, tests: section.tests.filter(isForSharedCaches) }))
    .filter(section => section.tests.length > 0)
  const runner = await load(engine, 'client/runner.mjs')
  const judge = await load(engine, hasEngine ? 'lib/results.mjs' : 'lib/display.mjs')
  const handlers = {}
  for (const name of ['config', 'state', 'test']) {
    handlers[name] = (await load(engine, `server/handle-${name}.mjs`)).default
  }
  return {
    sections,
    handlers,
    /// Runs `chosen` sections, `atOnce` tests at a time, and returns what the suite says of each id.
    async run (chosen, fetch, base, atOnce) {
      const isBrowser = false
      if (hasEngine) await runner.runTests(chosen, isBrowser, base, atOnce)
      else await runner.runTests(chosen, fetch, isBrowser, base, atOnce)
      return runner.getResults()
    },
    judge (id, results, honourDependencies) {
      return WORDS[judge.determineTestResult(sections, id, results, honourDependencies)[2]]
    }
  }
}
