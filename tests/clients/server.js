// The real executable as a server, on a free port, with a store of its own. What the model would choose is replaced by a script; the rest runs as ever.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const executable = process.env.FATHOM ?? fileURLToPath(new URL('../../src/Fathom.Cli/bin/Release/net10.0/fathom', import.meta.url));

/** A call of the function weather, as the model writes it. */
export const call = '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="weather">\n<｜DSML｜parameter name="city" string="true">Paris</｜DSML｜parameter>\n'
  + '</｜DSML｜invoke>\n</｜DSML｜tool_calls>';

/** A reply that would take minutes to write. */
export const endless = Array.from({ length: 4000 }, (_, i) => `and ${i} men went down to the sea`).join(', ');

/** Starts a server whose replies are those of the script, in turn; it ends with the test. */
export async function start(test, script, keys) {
  const folder = await mkdtemp(join(tmpdir(), 'fathom-'));
  const [scriptFile, keysFile] = [join(folder, 'script.json'), join(folder, 'keys.txt')];
  await writeFile(scriptFile, JSON.stringify(script));
  await writeFile(keysFile, keys ?? '');
  const { FATHOM_API_KEYS: _, ...env } = process.env;
  const server = spawn(
    executable,
    ['serve', '--port', '0', '--cache-dir', join(folder, 'cache'), '--memory', '1', '--script', scriptFile, ...(keys ? ['--api-keys', keysFile] : [])],
    { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise(resolve => server.on('exit', resolve));
  test.after(async () => {
    server.kill();
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  return { address: await addressOf(server) };
}

/** Waits until nobody is served any more. */
export async function isIdle({ address }) {
  while ((await (await fetch(`${address}/health/ready`)).json()).requests > 0) {
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

function addressOf(server) {
  let told = '';
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', () => reject(new Error(`fathom serve ended before it was ready:\n${told}`)));
    server.stderr.setEncoding('utf8').on('data', text => {
      told += text;
      const found = /Base address for clients: (\S+)\/v1/.exec(told);
      if (found) {
        resolve(found[1]);
      }
    });
  });
}
