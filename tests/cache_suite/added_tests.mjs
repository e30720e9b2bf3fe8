// Tests that the suite's source has and its package has not, by the id of their section; written in the suite's terms.

const FRESH = [['Cache-Control', 'max-age=100000'], ['Date', 0]]
const HINT = ['link', '</styles.css>; rel=preload; as=style']
const HINTS = [[103, [HINT, ['x-my-header', 'test']]]]

function largeAge (id, value) {
  return {
    id,
    name: `HTTP cache should consider a response with an \`Age\` of ${value} to be stale`,
    depends_on: ['freshness-max-age-age'],
    requests: [
      {
        response_headers: [['Date', 0], ['Cache-Control', 'max-age=3600'], ['Age', value, false]],
        setup: true,
        pause_after: true
      },
      { expected_type: 'not_cached' }
    ]
  }
}

/// A response that may be kept, then one that may not, then the first again.
function olderAfterNoStore (id, directives) {
  const kept = [['Cache-Control', 'max-age=10000'], ['Expires', 10000], ['Date', 0], ['A', '1']]
  return {
    id,
    name: `HTTP cache goes on using an older response after one with \`Cache-Control: ${directives}\``,
    depends_on: ['cc-resp-no-store'],
    requests: [
      { response_headers: kept, setup: true, pause_after: true },
      { response_headers: [['Cache-Control', directives], ['Date', 0], ['A', '2']], setup: true, pause_after: true },
      { expected_type: 'cached', expected_response_headers: [['a', '1']] }
    ]
  }
}

function staleWhileRevalidate (seconds) {
  return {
    response_headers: [['Cache-Control', `max-age=1, stale-while-revalidate=${seconds}`], ['ETag', '"abc"']],
    setup: true,
    pause_after: true
  }
}

function keptDate (id, kind, name, field) {
  return {
    id,
    kind,
    name,
    depends_on: ['freshness-expires-future'],
    requests: [
      { response_headers: [['Expires', 2592000], ['Date', 0]], setup: true, pause_after: true },
      { expected_type: 'cached', expected_response_headers: [field] }
    ]
  }
}

/// The origin sends the responses `sent` before the first final one; the second final one comes from the cache.
function interim (id, kind, name, sent, { first = {}, second = {} } = {}) {
  return {
    id,
    kind,
    name,
    requests: [
      { interim_responses: sent, expected_interim_responses: sent, response_headers: FRESH, pause_after: true, ...first },
      { expected_type: 'cached', ...second }
    ]
  }
}

const withoutHintsField = { expected_response_headers_missing: ['x-my-header'] }

export const addedTests = {
  'cc-freshness': [{
    id: 'freshness-max-age-stale',
    name: 'HTTP cache must not reuse a response after its `max-age`',
    depends_on: ['freshness-max-age'],
    requests: [
      { response_headers: [['Cache-Control', 'max-age=2'], ['Date', 0], ['Template-A', '1']], setup: true, pause_after: true },
      { expected_type: 'not_cached' }
    ]
  }],
  'age-parse': [
    largeAge('age-parse-large-minus-one', '2147483647'),
    largeAge('age-parse-large', '2147483648'),
    largeAge('age-parse-larger', '2147483649')
  ],
  'cc-response': [
    olderAfterNoStore('cc-resp-no-store-old-new', 'no-store'),
    olderAfterNoStore('cc-resp-no-store-old-max-age', 'no-store, max-age=0')
  ],
  stale: [
    {
      id: 'stale-while-revalidate',
      name: 'An optimal cache serves a stale response within `stale-while-revalidate`',
      kind: 'optimal',
      depends_on: ['freshness-max-age-stale'],
      requests: [staleWhileRevalidate(3600), { expected_type: 'cached' }]
    },
    {
      id: 'stale-while-revalidate-window',
      name: 'HTTP cache must not serve a stale response after the window of `stale-while-revalidate`',
      depends_on: ['stale-while-revalidate'],
      requests: [
        staleWhileRevalidate(4),
        {
          response_headers: [['Cache-Control', 'no-cache', false], ['ETag', '"def"', false]],
          expected_type: 'cached',
          setup: true,
          pause_after: true
        },
        { expected_response_headers: [['client-request-count', '3']] }
      ]
    }
  ],
  status: [{
    id: 'status-200-must-understand',
    name: 'An optimal HTTP cache reuses a fresh `200` with `Cache-Control: no-store, must-understand`',
    kind: 'optimal',
    depends_on: ['status-200-fresh', 'cc-resp-no-store-fresh'],
    requests: [
      { response_headers: [['Cache-Control', 'max-age=3600, no-store, must-understand']], setup: true },
      { expected_type: 'cached' }
    ]
  }],
  other: [
    {
      id: 'other-age-delay',
      name: 'Does HTTP cache insert an `Age` field when the response takes its time?',
      kind: 'check',
      requests: [{
        response_headers: [['Cache-Control', 'max-age=3600'], ['Date', 0]],
        response_pause: 5,
        expected_response_headers: [['age', '>', 0]]
      }]
    },
    keptDate('other-date-update-expires', 'required', 'HTTP cache must not change `Date` when there is `Expires`', ['Date', 0]),
    keptDate('other-date-update-expires-update', 'check', 'Does HTTP cache leave `Expires` alone?', ['Expires', 2592000])
  ],
  interim: [
    interim('interim-102', 'optimal', 'An optimal HTTP cache passes a 102 on and caches the final response', [[102]]),
    interim('interim-103', 'optimal', 'An optimal HTTP cache passes a 103 on and caches the final response', HINTS),
    interim('interim-not-cached', 'required', 'An HTTP cache does not keep interim responses', [[103, [HINT]]],
      { second: { expected_interim_responses: [] } }),
    interim('interim-no-header-reuse', 'optimal', 'An optimal HTTP cache does not keep the fields of interim responses', HINTS,
      { first: withoutHintsField, second: withoutHintsField })
  ]
}
