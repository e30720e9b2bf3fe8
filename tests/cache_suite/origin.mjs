// The suite's origin server on a free port of loopback.
import http from 'node:http'

export async function startOrigin (handlers) {
  const server = http.createServer((request, response) => {
    const [, kind, ...rest] = request.url.split('?')[0].split('/')
    if (kind in handlers) {
      handlers[kind](rest, request, response)
    } else {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop () {
      server.closeAllConnections()
      return new Promise(resolve => server.close(resolve))
    }
  }
}
