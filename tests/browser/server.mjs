// The real executable as a server on a free port, with replies that a test writes.
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const built = "../../src/Fathom.Cli/bin/Release/net10.0/fathom";
const executable = process.env.FATHOM ?? fileURLToPath(new URL(built, import.meta.url));

/** @param {string[]} replies in turn  @param {{keys?: string[], arguments?: string[]}} options */
export async function startServer(replies, { keys = [], arguments: more = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "fathom-page-"));
  await writeFile(join(folder, "script.json"), JSON.stringify(replies));
  await writeFile(join(folder, "keys.txt"), keys.join("\n"));
  const environment = { ...process.env };
  delete environment.FATHOM_API_KEYS;
  const own = ["serve", "--port", "0", "--memory", "1", "--no-cache", "--script", join(folder, "script.json")];
  if (keys.length > 0) own.push("--api-keys", join(folder, "keys.txt"));
  const server = spawn(executable, [...own, ...more], { stdio: ["ignore", "ignore", "pipe"], env: environment });
  const ended = new Promise((done) => server.once("exit", done));
  const errors = [];
  const origin = await new Promise((done, fail) => {
    server.once("error", fail);
    server.once("exit", () => fail(new Error(`fathom serve ended before it was ready:\n${errors.join("\n")}`)));
    createInterface({ input: server.stderr }).on("line", (line) => {
      errors.push(line);
      const address = line.match(/Base address for clients: (.*)\/v1/);
      if (address) done(address[1]);
    });
  });
  return {
    origin,
    /** Requests that wait or are worked on. */
    requests: async () => (await (await fetch(`${origin}/health/ready`)).json()).requests,
    async stop() {
      server.kill("SIGINT");
      await ended;
      await rm(folder, { recursive: true });
      return errors;
    },
  };
}
