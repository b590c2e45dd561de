// Anthropic's library for JavaScript against the real server.
import assert from 'node:assert/strict';
import test from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { call, endless, isIdle, start } from './server.js';

const weather = { name: 'weather', description: 'Tells the weather.', input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } };
const question = { role: 'user', content: 'How is it in Paris?' };
const request = { model: 'any', max_tokens: 200, thinking: { type: 'adaptive' } };
const client = ({ address }, apiKey = 'none') => new Anthropic({ baseURL: address, apiKey, maxRetries: 0 });

test('a stream tells thinking, text, input and tokens', async t => {
  const anthropic = client(await start(t, ['I ask.</think>One moment, please.\n\n' + call]));
  const stream = anthropic.messages.stream({ ...request, messages: [question], tools: [weather] });
  let [thinking, text, input] = [0, 0, 0];
  stream.on('thinking', () => thinking++).on('text', () => text++).on('inputJson', () => input++);
  const message = await stream.finalMessage();
  assert.deepEqual(message.content.map(block => block.thinking ?? block.text ?? block.input), ['I ask.', 'One moment, please.', { city: 'Paris' }]);
  assert.equal(message.stop_reason, 'tool_use');
  assert.ok(thinking > 1 && text > 1 && input > 1, `${thinking}, ${text} and ${input} pieces`);
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0, 'no tokens were told');
});

test('a loop of tools ends, and its second turn is found in the cache', async t => {
  const anthropic = client(await start(t, ['I ask.</think>\n\n' + call, 'So.</think>It rains in Paris.']));
  const messages = [question];
  const first = await anthropic.messages.create({ ...request, messages, tools: [weather] });
  const asked = first.content.find(block => block.type === 'tool_use');
  messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: asked.id, content: 'rain' }] });
  const second = await anthropic.messages.create({ ...request, messages, tools: [weather] });
  assert.deepEqual([second.content.at(-1).text, second.stop_reason], ['It rains in Paris.', 'end_turn']);
  assert.equal(second.usage.cache_read_input_tokens, first.usage.input_tokens + first.usage.output_tokens);
});

test('the library runs the tools itself', async t => {
  const anthropic = client(await start(t, ['I ask.</think>\n\n' + call, 'So.</think>It rains in Paris.']));
  const asked = [];
  const tool = { ...weather, parse: input => input, run: ({ city }) => { asked.push(city); return 'rain'; } };
  const message = await anthropic.beta.messages.toolRunner({ ...request, messages: [question], tools: [tool] });
  assert.equal(message.content.at(-1).text, 'It rains in Paris.');
  assert.deepEqual(asked, ['Paris']);
});

test('tokens are counted as they are read, and without thinking there is none', async t => {
  const anthropic = client(await start(t, ['It rains.']));
  const count = await anthropic.messages.countTokens({ model: 'any', messages: [question] });
  const message = await anthropic.messages.create({ model: 'any', max_tokens: 50, messages: [question] });
  assert.deepEqual([message.content.length, message.content[0].text, message.usage.input_tokens], [1, 'It rains.', count.input_tokens]);
});

test('errors are the library\'s own', async t => {
  const key = 'a-key-of-many-letters';
  const server = await start(t, [], key);
  await assert.rejects(client(server).messages.create({ ...request, messages: [question] }), error => error instanceof Anthropic.AuthenticationError);
  const anthropic = client(server, key);
  await assert.rejects(
    anthropic.messages.create({ ...request, messages: [] }),
    error => error instanceof Anthropic.BadRequestError && error.message.includes('messages: expected at least one message'));
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
  await assert.rejects(
    anthropic.messages.create({ ...request, messages: [{ role: 'user', content: [image] }] }), error => error instanceof Anthropic.BadRequestError);
});

test('who leaves a stream makes room', async t => {
  const server = await start(t, [endless]);
  const stream = client(server).messages.stream({ ...request, max_tokens: 8000, messages: [question] });
  stream.on('thinking', () => stream.abort());
  await assert.rejects(stream.done(), Anthropic.APIUserAbortError);
  await isIdle(server);
});
