// Stands between an agent and the server: passes everything on as it is, and remembers what was asked.
import { createServer, request as send } from 'node:http';

/**
 * Passes requests that offer the tool on to the main server, whose script is theirs alone. Side requests, of which agents have several and in no certain order,
 * go to the other. turns and sides have body, status, tools by name, and usage: tokens of the prompt, cached of them, and total with the reply.
 */
export async function record(test, { main, side, tool }) {
  const [turns, sides] = [[], []];
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const pieces = [];
    const entry = { body: body.toString(), tools: toolsOf(body), get usage() { return usageOf(Buffer.concat(pieces).toString()); } };
    const isTurn = entry.tools.includes(tool) && !request.url.includes('count_tokens');
    (isTurn ? turns : sides).push(entry);
    const passed = send((isTurn ? main : side) + request.url, { method: request.method, headers: request.headers }, reply => {
      entry.status = reply.statusCode;
      // Some agents leave when they have the last event: the end is not waited for.
      reply.on('data', piece => pieces.push(piece));
      response.writeHead(reply.statusCode, reply.headers);
      reply.pipe(response);
    });
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    passed.end(body);
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `http://127.0.0.1:${server.address().port}`, turns, sides };
}

function bodyOf(request) {
  const pieces = [];
  request.on('data', piece => pieces.push(piece));
  return new Promise(resolve => request.on('end', () => resolve(Buffer.concat(pieces))));
}

function toolsOf(body) {
  try {
    return (JSON.parse(body).tools ?? []).map(tool => tool.name ?? tool.function?.name ?? tool.type);
  } catch {
    return [];                                                                            // no JSON, so no tools
  }
}

/** What the last event with a usage tells, in the words of whichever dialect it is; undefined if none does. */
function usageOf(reply) {
  // Without the last line, which is empty or broken off.
  const events = reply.split('\n').slice(0, -1).filter(line => line.startsWith('data: {')).map(line => JSON.parse(line.slice('data: '.length)));
  const usage = events.map(event => event.usage ?? event.response?.usage).filter(Boolean).at(-1);
  if (!usage) {
    return undefined;
  }
  const cached = usage.cache_read_input_tokens ?? (usage.prompt_tokens_details ?? usage.input_tokens_details).cached_tokens;
  const prompt = usage.prompt_tokens ?? usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);
  return { prompt, cached, total: prompt + (usage.completion_tokens ?? usage.output_tokens) };
}
