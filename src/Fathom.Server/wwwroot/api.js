// Talks to the server that the page came from.

/** What the server, or the way to it, refused. */
export class ServerError extends Error {
  /** @param {number} status of HTTP; 0 where there was no answer */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Whether the model is loaded. */
export async function isReady() {
  try {
    return (await fetch("/health/ready", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

/** The model that is served. */
export async function model(key) {
  return (await (await send("GET", "/v1/models", key)).json()).data[0];
}

/** What a request would take: prompt_tokens, cached_tokens, seconds_to_first_token, fits, refusal. */
export async function forecast(body, key, signal) {
  return (await send("POST", "/v1/forecast", key, body, signal)).json();
}

/**
 * A chat request's events as they come: {progress}, {reasoning}, {answer}, {reason}, {usage, timings}.
 * Aborting the signal closes the connection, and the server stops its work within a step.
 */
export async function* chat(body, key, signal) {
  const asked = { ...body, stream: true, stream_options: { include_usage: true }, return_progress: true };
  const response = await send("POST", "/v1/chat/completions", key, asked, signal);
  for await (const data of lines(response.body)) {
    if (data === "[DONE]") return;
    yield* events(JSON.parse(data));
  }
  throw new ServerError(0, "The connection ended before the answer did.");
}

function* events(chunk) {
  if (chunk.error) throw new ServerError(500, chunk.error.message);
  if (chunk.prompt_progress) yield { progress: chunk.prompt_progress };
  const choice = chunk.choices[0];
  if (choice?.delta.reasoning_content) yield { reasoning: choice.delta.reasoning_content };
  if (choice?.delta.content) yield { answer: choice.delta.content };
  if (choice?.finish_reason) yield { reason: choice.finish_reason };
  if (chunk.usage) yield { usage: chunk.usage, timings: chunk.timings };
}

// The data of server-sent events; comments are signs of life and say nothing.
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const line of parts) {
        if (line.startsWith("data: ")) yield line.slice("data: ".length);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function send(method, path, key, body, signal) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError(0, "The server does not answer. Is it still running?");
  }
  if (!response.ok) throw new ServerError(response.status, await messageOf(response));
  return response;
}

async function messageOf(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered with status ${response.status}.`;
  }
}
