// What the engine in the suite's package lacks for the tests in added_tests.mjs and amendments.mjs; the engine in the
// suite's source has it.

/// The origin's part: interim responses, and a pause before the response.
export function originWithGapsFilled (handleTest, configs) {
  return (path, request, response) => {
    const config = configs.get(path[0])?.[parseInt(request.headers['req-num']) - 1] ?? {}
    for (const [status, fields = []] of config.interim_responses ?? []) {
      if (status === 102) response.writeProcessing()
      else response.writeEarlyHints(Object.fromEntries(fields))
    }
    setTimeout(handleTest, (config.response_pause ?? 0) * 1000, path, request, response)
  }
}

function failure (message) {
  return Object.assign(new Error(message), { name: 'Assertion' })
}

function checkInterim (expected, received) {
  if (received.length !== expected.length) throw failure(`${received.length} interim responses, not ${expected.length}`)
  expected.forEach(([status, fields = []], at) => {
    if (received[at].status !== status) throw failure(`interim response ${at + 1} is ${received[at].status}, not ${status}`)
    for (const [name, value] of fields) {
      const found = received[at].headers.get(name)
      if (found !== value) throw failure(`interim response ${at + 1} header ${name} is "${found}", not "${value}"`)
    }
  })
}

/// Puts each 1xx response of one request into `received`.
function collecting (received, Headers) {
  return dispatch => (options, handler) => {
    const onHeaders = handler.onHeaders
    handler.onHeaders = function (status, raw, ...rest) {
      if (status < 200) {
        const headers = new Headers()
        for (let at = 0; at < raw.length; at += 2) headers.append(raw[at].toString(), raw[at + 1].toString())
        received.push({ status, headers })
      }
      return onHeaders.call(this, status, raw, ...rest)
    }
    return dispatch(options, handler)
  }
}

/// The client's part: interim responses are checked, and a status that is left open is whatever came.
export function clientWithGapsFilled ({ fetch, dispatcher, Headers }, sections) {
  const tests = new Map(sections.flatMap(section => section.tests).map(test => [test.id, test]))
  return async (url, init) => {
    const headers = new Headers(init?.headers)
    const request = tests.get(headers.get('Test-ID'))?.requests[parseInt(headers.get('Req-Num')) - 1] ?? {}
    const received = []
    const response = await fetch(url, { ...init, dispatcher: dispatcher.compose(collecting(received, Headers)) })
    if (request.expected_interim_responses) checkInterim(request.expected_interim_responses, received)
    if (request.expected_status === null) request.expected_status = response.status
    return response
  }
}
