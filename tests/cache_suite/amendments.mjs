// What the suite's source says since its one package was made, so that CI, which can have the package alone, counts the
// 150 required and 98 optimal tests of the published results. As of the source's commit b55b8bd (July 2026).
import { addedTests } from './added_tests.mjs'

// Rules that RFC 9110 to 9112 made stricter, or left to the cache.
const KINDS = {
  required: [
    ...['utc', 'aest', '2-digit-year', 'no-comma', 'multiple-spaces', 'date-dashes', 'time-periods', '1-digit-hour',
      'multiple-lines'].map(form => `freshness-expires-invalid-${form}`),
    'partial-use-stored-headers'
  ],
  optimal: ['32bit', 'far-future', 'rfc850', 'ansi-c', 'wrong-case-weekday', 'wrong-case-month', 'wrong-case-tz']
    .map(form => `freshness-expires-${form}`),
  check: [
    'age-parse-parameter', 'age-parse-numeric-parameter',
    ...['Content-Encoding', 'Content-Location', 'Content-MD5', 'Content-Range', 'Content-Security-Policy', 'Content-Type',
      'Clear-Site-Data', 'ETag', 'Expires', 'Public-Key-Pins', 'Set-Cookie', 'Set-Cookie2', 'X-Frame-Options',
      'X-XSS-Protection'].map(field => `304-etag-update-response-${field}`),
    ...['POST', 'PUT', 'DELETE', 'M-SEARCH'].flatMap(method => [`invalidate-${method}-location`, `invalidate-${method}-cl`])
  ]
}

const DROPPED = new Set([
  'freshness-max-age-ignore-quoted-all', 'freshness-max-age-ignore-quoted-all-rev', 'freshness-max-age-multiple-line',
  'freshness-max-age-multiple-directive'
])

/// The second response decides; `name` replaces a name that says the opposite.
function now (type, name) {
  return test => {
    test.requests[1].expected_type = type
    test.name = name(test.name)
  }
}

const staysFresh = now('cached', name => name.replace('should consider', 'should ignore, and use,').replace(/ to be stale$/, ''))
const isInvalid = now('not_cached', name => name.replace('Does HTTP cache reuse', 'HTTP cache must not reuse').replace(/\?$/, ''))

/// What a cache says of an origin that hung up is its own affair, as long as it is not the stored response.
function answersForItself (test) {
  const { expected_type: type, ...request } = test.requests[1]
  test.requests[1] = {
    ...request,
    expected_status: null,
    check_body: false,
    expected_response_headers_missing: ['server-request-count']
  }
}

function field (request, name, value) {
  request.response_headers.find(header => header[0] === name)[1] = value
}

/// A 304 replaces this field too.
function updatesField (name) {
  return test => {
    const [, validation, last] = test.requests
    const value = validation.response_headers.find(header => header[0] === name)[1]
    field(last, name, value)
    for (const request of [validation, last]) request.expected_response_headers = [[name, value]]
    for (const request of test.requests) request.response_headers.find(header => header[0] === name)[2] = true
    test.name = `Does HTTP cache update and return \`${name}\` from a \`304\`?`
  }
}

const CHANGES = {
  ...Object.fromEntries(['nonnumeric', 'negative', 'float', 'prefix-twoline', 'dup-0', 'dup-0-twoline']
    .map(form => [`age-parse-${form}`, staysFresh])),
  'age-parse-dup-old' (test) {
    staysFresh(test)
    const headers = test.requests[0].response_headers
    headers.splice(headers.findIndex(header => header[0] === 'Age'), 1, ['Age', '3600', false], ['Age', '3600', false])
  },
  ...Object.fromEntries(KINDS.required.filter(id => id.startsWith('freshness-expires')).map(id => [id, isInvalid])),
  'freshness-expires-32bit': test => field(test.requests[0], 'Expires', 'Tue, 19 Jan 2038 14:14:08 GMT'),
  'freshness-expires-far-future': test => field(test.requests[0], 'Expires', 'Sun, 21 Nov 2286 04:46:39 GMT'),
  ...Object.fromEntries(['must-revalidate', 'proxy-revalidate', 'no-cache', 's-maxage=2']
    .map(directive => [`stale-close-${directive}`, answersForItself])),
  'stale-sie-503' (test) {
    test.requests[1] = { response_status: [503, 'Service Unavailable'], expected_status: 200, expected_type: 'cached' }
  },
  'status-599-must-understand' (test) {
    field(test.requests[0], 'Cache-Control', 'max-age=3600, no-store, must-understand')
    test.name = test.name.replace('must-understand', 'no-store, must-understand')
  },
  // The package's origin announces 5 bytes and sends 36.
  '304-etag-update-response-Content-Length' (test) {
    field(test.requests[0], 'Content-Length', '36')
    field(test.requests[2], 'Content-Length', '36')
    for (const request of test.requests.slice(1)) request.expected_response_headers = [['Content-Length', '36']]
  },
  ...Object.fromEntries(['Content-Encoding', 'Content-MD5', 'Content-Range', 'ETag']
    .map(name => [`304-etag-update-response-${name}`, updatesField(name)])),
  'conditional-etag-vary-headers-mismatch' (test) {
    delete test.requests[1].expected_type
    test.requests[1].expected_request_headers = [['If-None-Match', '"abcdef"']]
  }
}

/// The package's sections, as the source has them today.
export function amended (sections) {
  const kinds = new Map(Object.entries(KINDS).flatMap(([kind, ids]) => ids.map(id => [id, kind])))
  const known = sections.map(section => ({
    ...section,
    tests: [...section.tests.filter(test => !DROPPED.has(test.id)), ...(addedTests[section.id] ?? [])]
  }))
  const all = [...known, { id: 'interim', name: 'Interim Responses', tests: addedTests.interim }]
  for (const test of all.flatMap(section => section.tests)) {
    test.kind = kinds.get(test.id) ?? test.kind
    CHANGES[test.id]?.(test)
  }
  return all
}
