import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { accounts, client, ended, hello, id, keys, long, modern, own, pixel, sdk, seen, sent, url, version } from './client.mjs';

const c = client();
const ask = (model, body = {}) => ({ model, max_tokens: 2000, messages: hello, ...body });
const create = (model, body) => c.messages.create(ask(model, body));
const stream = (model, body) => c.messages.stream(ask(model, body));
const say = (content) => ({ messages: [{ role: 'user', content }] });
const textOf = (message) => message.content.filter((b) => b.type === 'text').map((b) => b.text).join('');
const callsOf = (message) => message.content.filter((b) => b.type === 'tool_use');

const schema = (name, type) => ({ type: 'object', properties: { [name]: { type } }, required: [name], additionalProperties: false });
const tools = [{ name: 'weather', input_schema: schema('city', 'string') }, { name: 'add', input_schema: schema('number', 'integer') }];
const results = (message) => ({
  role: 'user', content: callsOf(message).map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: `the result of ${call.name}` })),
});

// The order of events that the dialect promises.
const grammar = /^message_start (ping )*(content_block_start (content_block_delta |ping )*content_block_stop )*message_delta message_stop $/;

for (const [account, dialect] of Object.entries(accounts)) {
  const model = `${account}/sim-fast`;
  const thinker = `${account}/sim-reasoning`;

  describe(`${version} over ${dialect}`, { concurrency: true }, () => {
    test('text', async () => {
      const got = await create(model);
      assert.equal(textOf(got), textOf(await create('ant/sim-fast')));
      assert.equal(got.type, 'message');
      assert.equal(got.role, 'assistant');
      assert.equal(got.stop_reason, 'end_turn');
      assert.equal(got.stop_sequence, null);
      assert.equal(got.usage.output_tokens, 30);
      assert.ok(got.usage.input_tokens > 0);
      assert.match(got._request_id, dialect === 'anthropic' ? /./ : id);
    });

    test('stream', async () => {
      const whole = await create(model);
      let events = '';
      let deltas = 0;
      for await (const event of await c.messages.create({ ...ask(model), stream: true })) {
        events += `${event.type} `;
        if (event.type === 'content_block_delta') deltas++;
      }
      assert.match(events, grammar);
      assert.ok(deltas > 10, `${deltas} deltas`);
      const final = await stream(model).finalMessage();
      assert.deepEqual(final.content, whole.content);
      assert.equal(final.stop_reason, 'end_turn');
      assert.equal(final.usage.output_tokens, whole.usage.output_tokens);
      assert.equal(final.usage.input_tokens, whole.usage.input_tokens);
    });

    test('parallel tools, round trip', async () => {
      const messages = [{ role: 'user', content: 'Use them. [[sim:tools=2]]' }];
      const system = [{ type: 'text', text: 'Be brief.' }];
      const whole = await create(model, { messages, tools, system });
      assert.equal(whole.stop_reason, 'tool_use');
      assert.deepEqual(callsOf(whole).map((call) => call.name), ['weather', 'add']);
      assert.equal(typeof callsOf(whole)[0].input.city, 'string');

      let fragments = 0;
      const streaming = stream(model, { messages, tools, system }).on('streamEvent', (event) => {
        if (event.delta?.type === 'input_json_delta') fragments++;
      });
      const folded = await streaming.finalMessage();
      assert.ok(fragments >= (dialect === 'gemini' ? 2 : 7), `${fragments} fragments`);
      assert.equal(folded.stop_reason, 'tool_use');
      assert.deepEqual(callsOf(folded).map(({ name, input }) => [name, input]), callsOf(whole).map(({ name, input }) => [name, input]));

      for (const answer of [whole, folded]) {
        const next = [...messages, { role: 'assistant', content: answer.content }, results(answer)];
        const final = await create(model, { messages: next, tools, system });
        assert.equal(final.stop_reason, 'end_turn');
        assert.ok(textOf(final));
        assert.equal(textOf(await stream(model, { messages: next, tools, system }).finalMessage()), textOf(final));
      }
    });

    test('tool choice', async () => {
      const names = async (tool_choice, content = 'Hello.') => callsOf(await create(model, { ...say(content), tools, tool_choice })).map((call) => call.name);
      assert.deepEqual(await names({ type: 'tool', name: 'add' }), ['add']);
      assert.equal((await names({ type: 'any' })).length, 1);
      assert.deepEqual(await names({ type: 'none' }, 'Call weather.'), []);
      assert.deepEqual(await names({ type: 'auto' }, 'Call weather.'), ['weather']);
      assert.equal((await names({ type: 'auto', disable_parallel_tool_use: true }, 'Call weather and add.')).length, dialect === 'gemini' ? 2 : 1);
    });

    test('image', async () => {
      const name = own('image', account);
      const content = [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }, { type: 'text', text: 'What is this?' }];
      assert.ok(textOf(await create(name, { messages: [{ role: 'user', content }] })));
      const [body] = await sent(name);
      const image = {
        openai: () => body.messages[0].content[0].image_url.url.replace('data:image/png;base64,', ''),
        anthropic: () => body.messages[0].content[0].source.data,
        gemini: () => body.contents[0].parts[0].inlineData.data,
      }[dialect]();
      assert.equal(image, pixel);
    });

    test('structured output', async () => {
      const person = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } }, required: ['name', 'age'], additionalProperties: false };
      const body = { ...say('A person, please.'), output_config: { format: { type: 'json_schema', schema: person } } };
      const got = JSON.parse(textOf(await create(model, body)));
      assert.equal(typeof got.name, 'string');
      assert.ok(Number.isInteger(got.age));
      assert.deepEqual(JSON.parse(textOf(await stream(model, body).finalMessage())), got);
    });

    test('thinking', async () => {
      const body = { thinking: { type: 'enabled', budget_tokens: 1024 } };
      const whole = await create(thinker, body);
      assert.equal(whole.content[0].type, 'thinking', JSON.stringify(whole));
      assert.ok(whole.content[0].thinking);
      assert.ok(textOf(whole));
      assert.ok(whole.usage.output_tokens_details.thinking_tokens > 0, JSON.stringify(whole.usage));
      const final = await stream(thinker, body).finalMessage();
      assert.deepEqual(final.content, whole.content);
      const off = await create(thinker, { thinking: { type: 'disabled' } });
      if (dialect !== 'openai') assert.deepEqual(off.content.map((b) => b.type), ['text']);
    });

    test('thinking in a tool loop', async () => {
      // The simulator refuses a thinking model's turn that comes back without the signature that it had given.
      const messages = [{ role: 'user', content: 'Use it. [[sim:tools=1]]' }];
      const body = { tools: tools.slice(0, 1), thinking: { type: 'enabled', budget_tokens: 1024 } };
      const whole = await create(thinker, { messages, ...body });
      const folded = await stream(thinker, { messages, ...body }).finalMessage();
      for (const answer of [whole, folded]) {
        assert.equal(answer.content[0].type, 'thinking', JSON.stringify(answer));
        const final = await create(thinker, { messages: [...messages, { role: 'assistant', content: answer.content }, results(answer)], ...body });
        assert.equal(final.stop_reason, 'end_turn');
      }
    });

    test('stop reasons', async () => {
      const f = async (body, reason, content, sequence = null) => {
        for (const got of [await create(model, body), await stream(model, body).finalMessage()]) {
          assert.equal(got.stop_reason, reason);
          if (content !== undefined) assert.equal(textOf(got), content);
          // Other dialects do not say which sequence it was.
          if (dialect === 'anthropic') assert.equal(got.stop_sequence, sequence);
        }
      };
      await f({ max_tokens: 5 }, 'max_tokens');
      await f({ ...say('[[sim:say=one two three four]]'), stop_sequences: ['three'] }, dialect === 'anthropic' ? 'stop_sequence' : 'end_turn', 'one two ', 'three');
      await f(say('[[sim:refuse]]'), 'refusal');
    });

    test('cached tokens', async () => {
      const content = [{ type: 'text', text: long(`${version} ${dialect}`), cache_control: { type: 'ephemeral' } }];
      const body = { messages: [{ role: 'user', content }] };
      const first = (await create(model, body)).usage;
      const second = (await create(model, body)).usage;
      assert.ok(second.cache_read_input_tokens >= 1024, JSON.stringify(second));
      const total = (u) => u.input_tokens + u.cache_read_input_tokens + u.cache_creation_input_tokens;
      assert.equal(total(second), total(first));
    });

    test('count_tokens', async () => {
      const { data, response } = await c.messages.countTokens({ model, messages: hello, tools }).withResponse();
      assert.ok(data.input_tokens > 20, JSON.stringify(data));
      // Where the provider does not count in this dialect, the gateway does, and says so.
      assert.equal(response.headers.get('x-sluice-estimate'), dialect === 'anthropic' ? null : 'true');
      if (dialect === 'anthropic') assert.equal(data.input_tokens, (await create(model, { tools })).usage.input_tokens);
    });

    describe('errors', { concurrency: true }, () => {
      const f = (name, kind, { model: other = model, body = {} }, status, type, code) =>
        test(name, async () => {
          for (const streamed of [false, true]) {
            await assert.rejects(create(other, { stream: streamed, ...body }), (error) => {
              assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
              assert.equal(error.status, status);
              assert.equal(error.error.type, 'error');
              assert.equal(error.error.error.type, type);
              if (code) assert.equal(error.error.error.details?.error_code, code, JSON.stringify(error.error));
              assert.match(error.requestID, id);
              assert.ok(!JSON.stringify(error).includes('provider-secret'));
              return true;
            });
          }
        });
      f('a field with a wrong type', sdk.BadRequestError, { body: { max_tokens: 'many' } }, 400, 'invalid_request_error');
      f('refused by the provider', sdk.BadRequestError, { model: own('refused:400', account) }, 400, 'invalid_request_error');
      f('rate limited', sdk.RateLimitError, { model: own('limited:429;retry=false', account) }, 429, 'rate_limit_error', 'provider_rate_limited');
      if (dialect !== 'gemini') f('overloaded', sdk.InternalServerError, { model: own('over:529', account) }, 529, 'overloaded_error', 'provider_overloaded');
      f('unavailable', sdk.InternalServerError, { model: own('away:503', account) }, 529, 'overloaded_error', 'provider_overloaded');
      f('server error', sdk.InternalServerError, { model: own('broken:500', account) }, 502, 'api_error', 'provider_error');
      f("the provider refuses the gateway's key", sdk.InternalServerError, { model: own('locked:401', account) }, 502, 'api_error', 'provider_auth_failed');
      f('error page', sdk.InternalServerError, { model: own('page:html', account) }, 502, 'api_error', 'provider_error');
    });

    for (const fault of ['drip;delay=50ms+cut;after=5;form=fin', 'drip;delay=50ms+cut;after=5;form=eof', 'drip;delay=50ms+stream-error;after=5']) {
      test(`broken stream: ${fault}`, async () => {
        let deltas = 0;
        await assert.rejects(async () => {
          for await (const event of await create(own(`broke-${fault.length}:${fault}`, account), { stream: true })) {
            if (event.type === 'content_block_delta') deltas++;
          }
        }, (error) => {
          assert.ok(error instanceof sdk.APIError, `${error.constructor.name}: ${error.message}`);
          return true;
        });
        assert.ok(deltas >= 5, `${deltas} deltas`);
      });
    }

    test('abort', async () => {
      const name = own('left:stall;after=5', account);
      const got = await create(name, { stream: true });
      let deltas = 0;
      for await (const event of got) if (event.type === 'content_block_delta' && ++deltas === 3) got.controller.abort();
      await ended(name);
    });
  });
}

describe(`${version} at the gateway`, { concurrency: true }, () => {
  const bases = [`${url}/anthropic`, url];

  test('both paths, both keys, both versions', async () => {
    for (const baseURL of bases) {
      for (const headers of [{ 'anthropic-version': '2023-06-01' }, { 'anthropic-version': '2026-10-21' }]) {
        for (const auth of [{ apiKey: keys.all }, { apiKey: null, authToken: keys.all }]) {
          const one = client(keys.all, { baseURL, defaultHeaders: headers, ...auth });
          for (const account of Object.keys(accounts)) {
            assert.equal((await one.messages.create(ask(`${account}/sim-fast`))).stop_reason, 'end_turn');
          }
        }
      }
    }
  });

  test('sampling parameters under both versions', async () => {
    // Version 2026-10-21 refuses them where the target speaks the dialect itself; elsewhere they mean what they always meant.
    for (const account of Object.keys(accounts)) {
      const asked = create(`${account}/sim-fast`, { temperature: 0.5 });
      if (account === 'ant' && modern) await assert.rejects(asked, sdk.BadRequestError);
      else assert.equal((await asked).stop_reason, 'end_turn');
    }
  });

  test('wrong key', async () => {
    for (const baseURL of bases) {
      await assert.rejects(client(keys.wrong, { baseURL }).messages.create(ask('smart')), (error) => {
        assert.ok(error instanceof sdk.AuthenticationError, `${error.constructor.name}: ${error.message}`);
        assert.equal(error.status, 401);
        assert.equal(error.error.error.type, 'authentication_error');
        assert.match(error.requestID, id);
        return true;
      });
    }
  });

  test('unknown model', async () => {
    for (const streamed of [false, true]) {
      await assert.rejects(create('smrat', { stream: streamed }), (error) => {
        assert.ok(error instanceof sdk.NotFoundError);
        assert.equal(error.error.error.type, 'not_found_error');
        assert.ok(error.message.includes('smart'), error.message);
        return true;
      });
    }
  });

  test('model not allowed', async () => {
    await assert.rejects(client(keys.limited).messages.create(ask('smart')), sdk.PermissionDeniedError);
  });

  test('retries', async () => {
    const retrying = client(keys.all, { maxRetries: 2 });
    const once = own('once:503;first=1', 'ant');
    assert.ok(textOf(await retrying.messages.create(ask(once))));
    await seen(once, 2);
    const always = own('always:500', 'ant');
    await assert.rejects(retrying.messages.create(ask(always)), sdk.InternalServerError);
    await seen(always, 3);
  });

  test('models', async () => {
    for (const baseURL of bases) {
      const one = client(keys.all, { baseURL });
      const ids = [];
      for await (const model of one.models.list({ limit: 2 })) {
        assert.equal(model.type, 'model');
        ids.push(model.id);
      }
      assert.ok(ids.includes('smart') && ids.includes('other/elsewhere'), `models ${ids}`);
      assert.equal(new Set(ids).size, ids.length);
      assert.equal((await one.models.retrieve('smart')).id, 'smart');
      await assert.rejects(one.models.retrieve('smrat'), sdk.NotFoundError);
    }
  });
});
