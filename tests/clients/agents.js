// Runs agents without a terminal against the real server. The first scripted reply calls the agent's own tool to read a file, the second is the answer.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { kinds } from './agent-kinds.js';
import { record } from './recorder.js';
import { start } from './server.js';

const minute = 60_000;
const installTime = 15 * minute;
const agentTime = 5 * minute;

/** What a side request gets, such as one for a title. */
const sideReply = '{"title": "A note"}';

const names = process.argv.length > 2 ? [...new Set(process.argv.slice(2))] : Object.keys(kinds);
const unknown = names.find(name => !Object.hasOwn(kinds, name));
if (unknown) {
  console.error(`Unknown agent ${unknown}: expected ${Object.keys(kinds).join(', ')}.`);
  process.exit(2);
}

const endings = [];
const owner = { after: ending => endings.unshift(ending) };
try {
  const rows = await runAll();
  console.table(rows);
  process.exitCode = Object.values(rows).every(row => row.passed) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  for (const ending of endings) {
    await ending();
  }
}

async function runAll() {
  const folder = await mkdtemp(join(tmpdir(), 'agents-'));
  owner.after(() => rm(folder, { recursive: true, force: true }));
  const side = await start(owner, Array(100).fill(sideReply));
  await install(folder);
  const rows = {};
  for (const name of names) {
    console.log(`${name} runs`);
    const { failures, row } = await runOne(kinds[name], folder, side);
    failures.forEach(failure => console.error(`${name}: ${failure}`));
    rows[name] = { ...row, passed: failures.length === 0 };
  }
  return rows;
}

async function install(folder) {
  const packages = names.map(name => `${kinds[name].package}@${kinds[name].version}`);
  console.log(`npm installs ${packages.join(', ')}`);
  const options = ['--prefix', folder, '--no-audit', '--no-fund', '--loglevel', 'error'];
  const npm = await runProgram('npm', ['install', ...options, ...packages], { timeout: installTime });
  if (npm.code !== 0) {
    throw new Error(`npm could not install the agents (${npm.ended}). Is there a network, and does the registry have these versions? It said:\n`
      + (npm.stderr || npm.stdout));
  }
}

async function runOne(kind, prefix, side) {
  const folder = await mkdtemp(join(prefix, 'run-'));
  const [home, work] = [join(folder, 'home'), join(folder, 'work')];
  await Promise.all([mkdir(home), mkdir(work)]);
  // Of each run alone, so that none of them is found by chance.
  const texts = { marker: `marker ${randomUUID()}`, thought: `I read ${randomUUID()}.`, answer: `It says ${randomUUID()}.` };
  const file = join(work, 'note.txt');
  await writeFile(file, `${texts.marker}\n`);
  const server = await start(owner, [`${texts.thought}</think>\n\n${callOf(kind, file)}`, `I know.</think>${texts.answer}`]);
  const recorder = await record(owner, { main: server.address, side: side.address, tool: kind.tool });
  await Promise.all(Object.entries(kind.files(recorder.address)).map(([path, text]) => write(join(home, path), text)));

  const program = join(prefix, 'node_modules', '.bin', kind.command);
  const options = { cwd: work, env: environmentOf(kind, home, recorder.address) };
  const told = await runProgram(program, ['--version'], { ...options, timeout: minute });
  const begun = Date.now();
  const run = await runProgram(program, kind.arguments, { ...options, timeout: agentTime });
  const seconds = Math.round((Date.now() - begun) / 1000);
  const version = /\d+\.\d+\.\d+/.exec(told.stdout)?.[0];
  const { turns, sides } = recorder;
  const { prompt, cached } = turns[1]?.usage ?? {};
  return {
    failures: failuresOf(kind, { ...run, version }, recorder, texts),
    row: { version, requests: turns.length, 'side requests': sides.length, prompt, cached, seconds },
  };
}

/** Nothing of the user's own that could lead an agent elsewhere. */
function environmentOf(kind, home, address) {
  const path = [dirname(process.execPath), process.env.PATH].join(delimiter);
  return { PATH: path, HOME: home, TMPDIR: tmpdir(), LANG: 'C.UTF-8', ...kind.environment(address) };
}

function failuresOf(kind, run, { turns, sides }, { marker, thought, answer }) {
  const [first, second] = turns;
  const requests = [...turns, ...sides];
  const offered = [...new Set(requests.flatMap(request => request.tools))].join(', ') || 'none';
  const statuses = requests.map(request => request.status);
  const failures = [
    [run.version === kind.version, `expected version ${kind.version}, found ${run.version}`],
    [turns.length === 2, `expected 2 requests that offer the tool ${kind.tool}, found ${turns.length}; tools offered: ${offered}`],
    [statuses.every(status => status === 200), `expected status 200 of each request, found ${statuses.join(', ')}`],
    [!first?.body.includes(marker), 'the first request has the content of the file before it was read'],
    [second?.body.includes(marker), 'the second request does not have the content of the file'],
    [run.stdout.includes(thought) || second?.body.includes(thought), 'the agent neither printed the reasoning nor sent it back'],
    [run.stdout.includes(answer), 'the answer is not on stdout'],
    [first?.usage && second?.usage?.cached === first.usage.total,
      `expected the whole first turn in the cache, ${first?.usage?.total} tokens, found ${second?.usage?.cached}`],
    [run.code === 0, `expected exit code 0, found ${run.ended}`],
  ].filter(([passed]) => !passed).map(([, failure]) => failure);
  if (failures.length > 0) {
    failures.push(`stdout ended with\n${run.stdout.slice(-2000)}`, `stderr ended with\n${run.stderr.slice(-2000)}`);
  }
  return failures;
}

/** A call of the agent's own tool, as the model writes it. */
function callOf(kind, file) {
  const parameters = Object.entries(kind.parameters(file))
    .map(([name, value]) => `<｜DSML｜parameter name="${name}" string="true">${value}</｜DSML｜parameter>\n`);
  return `<｜DSML｜tool_calls>\n<｜DSML｜invoke name="${kind.tool}">\n${parameters.join('')}</｜DSML｜invoke>\n</｜DSML｜tool_calls>`;
}

async function write(path, text) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** Runs a program to its end, or until its time is over. */
function runProgram(program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', text => { stdout += text; });
  child.stderr.setEncoding('utf8').on('data', text => { stderr += text; });
  return new Promise(resolve => {
    child.on('error', error => resolve({ ended: error.message, stdout, stderr }));
    child.on('close', (code, signal) => {
      const ended = signal ? `the signal ${signal}, which comes after ${options.timeout / minute} minutes` : `exit code ${code}`;
      resolve({ code, ended, stdout, stderr });
    });
  });
}
