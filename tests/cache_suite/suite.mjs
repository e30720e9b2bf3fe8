// The public tests for HTTP caches (http-tests/cache-tests): what they are, how one is run, how its result is judged.
//
// Two forms are understood: the package, amended to what the source says today, and a checkout of the source.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { amended } from './amendments.mjs'
import { clientWithGapsFilled, originWithGapsFilled } from './gaps.mjs'

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

function load (folder, file) {
  return import(pathToFileURL(path.join(folder, file)))
}

/// The origin's handlers, by the first segment of the path.
async function loadHandlers (engine, isSource) {
  const handlers = {}
  for (const name of ['config', 'state', 'test']) {
    handlers[name] = (await load(engine, `server/handle-${name}.mjs`)).default
  }
  const { configs } = await load(engine, 'server/utils.mjs')
  return isSource ? handlers : { ...handlers, test: originWithGapsFilled(handlers.test, configs) }
}

export async function loadSuite (root) {
  const isSource = fs.existsSync(path.join(root, 'test-engine'))
  const engine = isSource ? path.join(root, 'test-engine') : root
  const all = (await load(root, 'tests/index.mjs')).default
  const sections = (isSource ? all : amended(all))
    .map(section => ({ ...section, tests: section.tests.filter(isForSharedCaches) }))
    .filter(section => section.tests.length > 0)
  const runner = await load(engine, 'client/runner.mjs')
  const judge = await load(engine, isSource ? 'lib/results.mjs' : 'lib/display.mjs')
  return {
    sections,
    handlers: await loadHandlers(engine, isSource),
    /// Runs `chosen` sections, `atOnce` tests at a time, and returns what the suite says of each id.
    async run (chosen, client, base, atOnce) {
      const isBrowser = false
      if (isSource) await runner.runTests(chosen, isBrowser, base, atOnce)
      else await runner.runTests(chosen, clientWithGapsFilled(client, sections), isBrowser, base, atOnce)
      return runner.getResults()
    },
    judge (id, results, honourDependencies) {
      return WORDS[judge.determineTestResult(sections, id, results, honourDependencies)[2]]
    }
  }
}
