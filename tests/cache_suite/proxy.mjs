// One propeller-proxy with a cache of its own, on free ports.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import readline from 'node:readline'

const START_MS_MAX = 30_000
const STOP_MS_MAX = 20_000
const LOG_LINES_MAX = 200

function configuration (folder) {
  return `proxy:
  allow_targets: [127.0.0.0/8]
tls:
  cert_dir: ${folder}/certs
cache:
  enabled: true
  dir: ${folder}/cache
logging:
  format: json
`
}

function orFail (promise, ms, message) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(message())), ms) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export async function startProxy (program) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cache-suite-'))
  const file = path.join(folder, 'propeller-proxy.yaml')
  fs.writeFileSync(file, configuration(folder))
  const child = spawn(program, ['--config', file, '--proxy-port', '0', '--api-port', '0'], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, PROXY_HTTP_PORT: '0' },
    stdio: ['ignore', 'ignore', 'pipe']
  })
  process.once('exit', () => child.kill('SIGKILL'))

  const log = []
  const exited = new Promise(resolve => child.once('exit', (code, signal) => resolve(code ?? signal)))
  const started = new Promise((resolve, reject) => {
    let address
    readline.createInterface({ input: child.stderr }).on('line', line => {
      if (log.push(line) > LOG_LINES_MAX) log.shift()
      if (line.includes('proxy server started')) address = JSON.parse(line).addr
      if (line.includes('api server started')) resolve(address)
    })
    child.once('error', reject)
    exited.then(how => reject(new Error(`${program} ended (${how}) before it served:\n${log.join('\n')}`)))
  })
  const address = await orFail(started, START_MS_MAX, () => `${program} does not serve:\n${log.join('\n')}`)
  return {
    url: `http://${address}`,
    log,
    async stop () {
      child.kill('SIGTERM')
      const how = await orFail(exited, STOP_MS_MAX, () => `${program} does not stop:\n${log.join('\n')}`)
      fs.rmSync(folder, { recursive: true })
      if (how !== 0) throw new Error(`${program} ended with ${how}:\n${log.join('\n')}`)
    }
  }
}
