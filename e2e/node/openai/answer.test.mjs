import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';

import { client, gather, hello, sdk, version, zodResponseFormat } from './client.mjs';

const c = client();
const model = 'smart';

describe(`answers by ${version}`, { concurrency: true }, () => {
  test('chat', async () => {
    for (const name of ['up/sim-fast', 'sim-fast', 'smart']) {
      const { data, response, request_id } = await c.chat.completions.create({ model: name, messages: hello }).withResponse();
      assert.equal(data.choices[0].finish_reason, 'stop');
      assert.ok(data.choices[0].message.content);
      assert.equal(data.usage.completion_tokens, 30);
      assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + 30);
      assert.match(data._request_id, /^[0-9A-Z]{26}$/);
      assert.equal(request_id, data._request_id);
      assert.equal(response.headers.get('x-sluice-target'), 'up/sim-fast');
    }
  });

  test('stream', async () => {
    const whole = await c.chat.completions.create({ model, messages: hello });
    const got = await gather(await c.chat.completions.create({ model, messages: hello, stream: true }));
    assert.equal(got.text[0], whole.choices[0].message.content);
    assert.equal(got.finish[0], 'stop');
    assert.ok(got.chunks > 10, `${got.chunks} chunks`);
    assert.deepEqual(got.usage, []);
  });

  test('stream with usage', async () => {
    const got = await gather(await c.chat.completions.create({ model, messages: hello, stream: true, stream_options: { include_usage: true } }));
    assert.equal(got.usage.length, 1);
    assert.deepEqual(got.usage[0].choices, []);
    assert.equal(got.usage[0].usage.completion_tokens, 30);
    assert.equal(got.finish[0], 'stop');
  });

  test('stream helper', async () => {
    const stream = c.chat.completions.stream({ model, messages: hello });
    let text = '';
    stream.on('content', (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    assert.equal(text, final.choices[0].message.content);
    assert.equal(final.choices[0].finish_reason, 'stop');
  });

  test('choices', async () => {
    const whole = await c.chat.completions.create({ model, messages: hello, n: 2 });
    const got = await gather(await c.chat.completions.create({ model, messages: hello, n: 2, stream: true }));
    assert.deepEqual(Object.values(got.text), whole.choices.map((choice) => choice.message.content));
    assert.deepEqual(Object.values(got.finish), ['stop', 'stop']);
    assert.notEqual(got.text[0], got.text[1]);
  });

  test('tools', async () => {
    const parameters = (name, type) => ({ type: 'object', properties: { [name]: { type } }, required: [name], additionalProperties: false });
    const body = {
      model,
      messages: [{ role: 'user', content: 'Use them. [[sim:tools=2]]' }],
      tools: [
        { type: 'function', function: { name: 'weather', parameters: parameters('city', 'string') } },
        { type: 'function', function: { name: 'add', parameters: parameters('number', 'integer') } },
      ],
    };
    const whole = await c.chat.completions.create(body);
    assert.equal(whole.choices[0].finish_reason, 'tool_calls');
    const calls = whole.choices[0].message.tool_calls.map((call) => call.function);
    assert.equal(calls.length, 2);

    const streamed = [];
    let fragments = 0;
    let finish;
    for await (const chunk of await c.chat.completions.create({ ...body, stream: true })) {
      for (const part of chunk.choices[0]?.delta.tool_calls ?? []) {
        fragments++;
        const call = (streamed[part.index] ??= { name: '', arguments: '' });
        call.name += part.function.name ?? '';
        call.arguments += part.function.arguments ?? '';
      }
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    assert.equal(finish, 'tool_calls');
    assert.ok(fragments > 6, `${fragments} fragments`);
    assert.deepEqual(streamed.map(({ name, arguments: a }) => [name, a]), calls.map(({ name, arguments: a }) => [name, a]));
    assert.equal(typeof JSON.parse(streamed[0].arguments).city, 'string');
    assert.ok(Number.isInteger(JSON.parse(streamed[1].arguments).number));
  });

  test('structured output', async () => {
    const Person = z.object({ name: z.string(), age: z.number().int(), hobbies: z.array(z.string()) });
    const body = { model, messages: [{ role: 'user', content: 'A person, please.' }], response_format: zodResponseFormat(Person, 'person') };
    const got = await c.chat.completions.parse(body);
    assert.equal(typeof got.choices[0].message.parsed.name, 'string');
    const final = await c.chat.completions.stream(body).finalChatCompletion();
    assert.deepEqual(final.choices[0].message.parsed, got.choices[0].message.parsed);
  });

  test('reasoning', async () => {
    let reasoning = '';
    let text = '';
    for await (const chunk of await c.chat.completions.create({ model: 'up/sim-reasoning', messages: hello, stream: true })) {
      reasoning += chunk.choices[0]?.delta.reasoning_content ?? '';
      text += chunk.choices[0]?.delta.content ?? '';
    }
    assert.ok(reasoning && text, `reasoning ${reasoning}, text ${text}`);
  });

  test('embeddings', async () => {
    const embed = (encoding_format) =>
      c.embeddings.create({ model: 'up/sim-embed', input: ['a river', 'a stone'], ...(encoding_format && { encoding_format }) });
    const [coded, float, base64] = [await embed(), await embed('float'), await embed('base64')];
    assert.ok(coded.usage.prompt_tokens > 0);
    for (const i of [0, 1]) {
      const want = float.data[i].embedding;
      assert.equal(want.length, 64);
      // The client asks for base64 by itself and decodes it; asked for base64 by the caller, it hands on the text.
      const bytes = Buffer.from(base64.data[i].embedding, 'base64');
      assert.equal(bytes.length, 4 * 64);
      want.forEach((v, j) => {
        assert.ok(Math.abs(coded.data[i].embedding[j] - v) < 1e-6);
        assert.ok(Math.abs(bytes.readFloatLE(4 * j) - v) < 1e-6);
      });
    }
  });

  test('completions', async () => {
    const body = { model, prompt: 'Once upon a time', max_tokens: 20 };
    const whole = await c.completions.create(body);
    assert.ok(whole.choices[0].text && whole.usage.completion_tokens > 0);
    let text = '';
    for await (const chunk of await c.completions.create({ ...body, stream: true })) text += chunk.choices[0]?.text ?? '';
    assert.equal(text, whole.choices[0].text);
  });

  test('models', async () => {
    const ids = [];
    for await (const one of c.models.list()) ids.push(one.id);
    assert.ok(ids.includes('smart') && ids.includes('other/elsewhere'), `models ${ids}`);
    for (const id of ['smart', 'up/sim-fast']) assert.equal((await c.models.retrieve(id)).id, id);
    await assert.rejects(c.models.retrieve('smrat'), sdk.NotFoundError);
  });
});
