// The client: undici's fetch, through a forward proxy, in absolute form and without a tunnel.
import { createRequire } from 'node:module'

const FETCH_MS_MAX = 30_000

/// `require` belongs to the folder that has the packages.
export function proxiedFetch (folder, proxyUrl) {
  const undici = createRequire(`${folder}/`)('undici')
  const options = { uri: proxyUrl, proxyTunnel: false }
  const dispatcher = new undici.ProxyAgent(options)
  undici.setGlobalDispatcher(dispatcher)
  // The suite's source makes agents of its own where it looks at 1xx responses, and those have to go the same way.
  undici.Agent = class extends undici.ProxyAgent {
    constructor () { super(options) }
  }
  const fetch = (url, init = {}) => {
    const headers = new undici.Headers(init.headers)
    // Fetch adds `no-cache` to a request that has neither field and is not to use the browser's cache. The suite
    // prevents that where a test has no fields of its own; here it is prevented everywhere, as in the suite's source.
    for (const [name, value] of [['Pragma', 'foo'], ['Cache-Control', 'nothing-to-see-here']]) {
      if (init.cache === 'no-store' && !headers.has(name)) headers.append(name, value)
    }
    return undici.fetch(url, { signal: AbortSignal.timeout(FETCH_MS_MAX), ...init, headers })
  }
  globalThis.fetch = fetch
  return { fetch, dispatcher, Headers: undici.Headers, close: () => dispatcher.destroy() }
}
