// What came out: counted as the suite's own summary counts, compared with what is expected, and written as a table.
import fs from 'node:fs'

const BEGIN = '<!-- cache-tests: begin (written by make cache-tests) -->'
const END = '<!-- cache-tests: end -->'
const GATING = ['required', 'optimal']

/// One row per test: {id, name, section, kind, result, message}.
export function outcomes (suite, results, honourDependencies) {
  return suite.sections.flatMap(section => section.tests
    .filter(test => test.id in results)
    .map(test => ({
      id: test.id,
      name: test.name,
      section: section.name,
      kind: test.kind ?? 'required',
      result: suite.judge(test.id, results, honourDependencies),
      message: results[test.id] === true ? '' : results[test.id].join(': ')
    })))
}

export function counts (rows) {
  const total = {}
  for (const { kind, result } of rows) {
    total[kind] ??= { all: 0 }
    total[kind].all++
    total[kind][result] = (total[kind][result] ?? 0) + 1
  }
  return total
}

export function summary (rows) {
  const { required, optimal, check } = counts(rows)
  const passed = kind => kind ? `${kind.pass ?? 0} of ${kind.all}` : 'none'
  const { all, ...answers } = check ?? { all: 0 }
  const checks = Object.entries(answers).map(([answer, times]) => `${times} ${answer}`).join(', ')
  return `required ${passed(required)}, optimal ${passed(optimal)}, checks ${all} (${checks})`
}

export function failing (rows) {
  return rows.filter(row => GATING.includes(row.kind) && row.result !== 'pass')
}

export function line ({ id, kind, result, message }) {
  return `${id} (${kind}): ${result}${message && `: ${message}`}`
}

/// The differences from what is expected, as lines; `expected` maps the id of a test that fails to the reason.
export function surprises (rows, expected) {
  const failed = new Set(failing(rows).map(row => row.id))
  const known = new Set(rows.map(row => row.id))
  const lines = failing(rows).filter(row => !(row.id in expected))
    .map(line)
  for (const id of Object.keys(expected)) {
    if (!known.has(id)) lines.push(`${id}: expected to fail, and is no test that ran`)
    else if (!failed.has(id)) lines.push(`${id}: expected to fail, and passes`)
  }
  return lines
}

function cell (text) {
  return text.replaceAll('\n', ' ').replaceAll('|', '\\|').trim()
}

function tableRow (row, expected) {
  const reason = row.id in expected ? `: ${expected[row.id]}` : ''
  return `| ${cell(row.name)} | ${row.kind} | ${row.result}${cell(reason)} |`
}

function table (rows, expected) {
  const lines = [BEGIN, '', `**${summary(rows)}**`]
  let section
  for (const row of rows) {
    if (row.section !== section) {
      section = row.section
      lines.push('', `### ${section}`, '', '| test | kind | result |', '|---|---|---|')
    }
    lines.push(tableRow(row, expected))
  }
  return [...lines, '', END].join('\n')
}

export function writeTable (file, rows, expected) {
  const text = fs.readFileSync(file, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for the table (${BEGIN} … ${END})`)
  fs.writeFileSync(file, text.slice(0, begin) + table(rows, expected) + text.slice(end + END.length))
}

/// The tests, checks aside, that the table says something else of.
export function misreported (file, rows, expected) {
  const lines = new Set(fs.readFileSync(file, 'utf8').split('\n'))
  return rows.filter(row => GATING.includes(row.kind) && !lines.has(tableRow(row, expected)))
    .map(row => `${row.id}: ${file} does not say "${row.result}" of it, and why (make cache-tests writes it)`)
}
