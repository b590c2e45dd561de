// OpenAI's library for JavaScript against the real server: Chat Completions and Responses.
import assert from 'node:assert/strict';
import test from 'node:test';
import OpenAI from 'openai';
import { call, endless, isIdle, start } from './server.js';

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const weather = { type: 'function', function: { name: 'weather', description: 'Tells the weather.', parameters } };
const question = { role: 'user', content: 'How is it in Paris?' };
const client = ({ address }, apiKey = 'none') => new OpenAI({ baseURL: `${address}/v1`, apiKey, maxRetries: 0 });

test('a stream tells reasoning, answer and tokens', async t => {
  const openai = client(await start(t, ['I think.</think>It rains, and how.']));
  const stream = await openai.chat.completions.create({ model: 'any', messages: [question], stream: true, stream_options: { include_usage: true } });
  let [reasoning, text, pieces, usage, finish] = ['', '', 0];
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    reasoning += choice?.delta.reasoning_content ?? '';
    text += choice?.delta.content ?? '';
    pieces += choice?.delta.content ? 1 : 0;
    finish = choice?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual([reasoning, text, finish], ['I think.', 'It rains, and how.', 'stop']);
  assert.ok(pieces > 1, 'the answer came in one piece');
  assert.ok(usage.completion_tokens_details.reasoning_tokens > 0 && usage.prompt_tokens > 0, 'no tokens were told');
});

test('a loop of tools ends, and its second turn is found in the cache', async t => {
  const openai = client(await start(t, ['I ask.</think>\n\n' + call, 'So.</think>It rains in Paris.']));
  const messages = [question];
  const first = await openai.chat.completions.create({ model: 'any', messages, tools: [weather] });
  const { message, finish_reason } = first.choices[0];
  assert.deepEqual([finish_reason, message.reasoning_content, message.tool_calls.length], ['tool_calls', 'I ask.', 1]);
  assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: 'Paris' });
  messages.push({ role: 'assistant', content: message.content, tool_calls: message.tool_calls }, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'rain' });
  const second = await openai.chat.completions.create({ model: 'any', messages, tools: [weather] });
  assert.equal(second.choices[0].message.content, 'It rains in Paris.');
  assert.equal(second.usage.prompt_tokens_details.cached_tokens, first.usage.total_tokens);
});

test('the library runs the tools itself, from a stream', async t => {
  const openai = client(await start(t, ['I ask.</think>\n\n' + call, 'So.</think>It rains in Paris.']));
  const asked = [];
  const run = openai.chat.completions.runTools({
    model: 'any', messages: [question], stream: true,
    tools: [{ type: 'function', function: { ...weather.function, parse: JSON.parse, function: ({ city }) => { asked.push(city); return 'rain'; } } }],
  });
  assert.equal(await run.finalContent(), 'It rains in Paris.');
  assert.deepEqual(asked, ['Paris']);
});

test('answers of a schema parse, behind the reasoning', async t => {
  const openai = client(await start(t, []));
  const schema = { type: 'object', properties: { sky: { enum: ['rain', 'sun'] } }, required: ['sky'], additionalProperties: false };
  const reply = await openai.chat.completions.parse({
    model: 'any', messages: [question], max_tokens: 100, seed: 1, response_format: { type: 'json_schema', json_schema: { name: 'sky', strict: true, schema } },
  });
  assert.ok(['rain', 'sun'].includes(reply.choices[0].message.parsed.sky));
});

test('responses stream in order and go through a loop of tools', async t => {
  const openai = client(await start(t, ['I ask.</think>One moment.\n\n' + call, 'So.</think>It rains in Paris.']));
  const tools = [{ type: 'function', name: 'weather', parameters, strict: false }];
  const input = [question];
  const stream = openai.responses.stream({ model: 'any', input, tools, store: false });
  const kinds = [];
  for await (const event of stream) {
    assert.equal(event.sequence_number, kinds.length);
    kinds.push(event.type);
  }
  const first = await stream.finalResponse();
  assert.deepEqual([kinds[0], kinds.at(-1), first.output_text], ['response.created', 'response.completed', 'One moment.']);
  const asked = first.output.find(item => item.type === 'function_call');
  assert.deepEqual(JSON.parse(asked.arguments), { city: 'Paris' });
  input.push(...first.output, { type: 'function_call_output', call_id: asked.call_id, output: 'rain' });
  const second = await openai.responses.create({ model: 'any', input, tools, store: false });
  assert.equal(second.output_text, 'It rains in Paris.');
  assert.equal(second.usage.input_tokens_details.cached_tokens, first.usage.total_tokens);
});

test('errors are the library\'s own', async t => {
  const key = 'a-key-of-many-letters';
  const server = await start(t, [], key);
  await assert.rejects(client(server).models.list(), error => error instanceof OpenAI.AuthenticationError && error.code === 'invalid_api_key');
  const openai = client(server, key);
  assert.equal((await openai.models.list()).data[0].id, 'fathom-nano');
  await assert.rejects(openai.models.retrieve('other'), error => error instanceof OpenAI.NotFoundError);
  await assert.rejects(
    openai.chat.completions.create({ model: 'any', messages: [] }),
    error => error instanceof OpenAI.BadRequestError && error.message.includes('messages: expected at least one message'));
  await assert.rejects(
    openai.responses.create({ model: 'any', input: 'Go.', previous_response_id: 'resp_1' }),
    error => error instanceof OpenAI.BadRequestError && error.message.includes('stores no responses'));
});

test('who leaves a stream makes room', async t => {
  const server = await start(t, [endless]);
  const stream = await client(server).chat.completions.create({ model: 'any', messages: [question], stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.reasoning_content) {
      break;
    }
  }
  await isIdle(server);
});
