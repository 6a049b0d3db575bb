import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';

import { accounts, client, ended, gather, hello, id, long, own, pixel, sdk, sent, version, zodResponseFormat } from './client.mjs';

const c = client();
const create = (model, body = {}) => c.chat.completions.create({ model, messages: hello, ...body });
const say = (content) => ({ messages: [{ role: 'user', content }] });

const parameters = (name, type) => ({ type: 'object', properties: { [name]: { type } }, required: [name], additionalProperties: false });
const tools = [
  { type: 'function', function: { name: 'weather', parameters: parameters('city', 'string') } },
  { type: 'function', function: { name: 'add', parameters: parameters('number', 'integer') } },
];

// Folds a stream of tool calls; counts their fragments.
async function calls(stream) {
  const got = { message: { role: 'assistant', content: null, tool_calls: [] }, fragments: 0, finish: undefined };
  for await (const chunk of stream) {
    const [choice] = chunk.choices;
    if (!choice) continue;
    for (const part of choice.delta.tool_calls ?? []) {
      got.fragments++;
      const call = (got.message.tool_calls[part.index] ??= { id: part.id, type: 'function', function: { name: '', arguments: '' } });
      call.function.name += part.function.name ?? '';
      call.function.arguments += part.function.arguments ?? '';
    }
    if (choice.delta.reasoning_content) got.message.reasoning_content = (got.message.reasoning_content ?? '') + choice.delta.reasoning_content;
    if (choice.delta.reasoning_details) (got.message.reasoning_details ??= []).push(...choice.delta.reasoning_details);
    got.finish = choice.finish_reason ?? got.finish;
  }
  return got;
}

const plain = (list) => list.map(({ function: { name, arguments: a } }) => [name, JSON.parse(a)]);
const results = (list) => list.map((call) => ({ role: 'tool', tool_call_id: call.id, content: `the result of ${call.function.name}` }));

for (const [account, dialect] of Object.entries(accounts)) {
  const model = `${account}/sim-fast`;
  const thinker = `${account}/sim-reasoning`;

  describe(`${version} over ${dialect}`, { concurrency: true }, () => {
    test('text', async () => {
      const want = await create('up/sim-fast');
      const got = await create(model);
      assert.equal(got.choices[0].message.content, want.choices[0].message.content);
      assert.equal(got.choices[0].finish_reason, 'stop');
      assert.equal(got.usage.completion_tokens, 30);
      assert.equal(got.usage.prompt_tokens, want.usage.prompt_tokens);
      assert.equal(got.usage.total_tokens, got.usage.prompt_tokens + 30);
      assert.match(got._request_id, id);
    });

    test('stream', async () => {
      const whole = await create(model);
      const got = await gather(await create(model, { stream: true, stream_options: { include_usage: true } }));
      assert.equal(got.text[0], whole.choices[0].message.content);
      assert.equal(got.finish[0], 'stop');
      assert.ok(got.chunks > 10, `${got.chunks} chunks`);
      assert.equal(got.usage.length, 1);
      assert.deepEqual(got.usage[0].choices, []);
      assert.deepEqual(got.usage[0].usage, whole.usage);
      assert.deepEqual((await gather(await create(model, { stream: true }))).usage, []);
    });

    test('parallel tools, round trip', async () => {
      const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Use them. [[sim:tools=2]]' }];
      const whole = (await create(model, { messages, tools })).choices[0];
      assert.equal(whole.finish_reason, 'tool_calls');
      assert.deepEqual(whole.message.tool_calls.map((call) => call.function.name), ['weather', 'add']);

      const got = await calls(await create(model, { messages, tools, stream: true }));
      assert.equal(got.finish, 'tool_calls');
      // Gemini's dialect has no fragments: a call comes whole.
      assert.ok(got.fragments >= (dialect === 'gemini' ? 2 : 7), `${got.fragments} fragments`);
      assert.deepEqual(plain(got.message.tool_calls), plain(whole.message.tool_calls));

      for (const answer of [whole.message, got.message]) {
        const next = [...messages, answer, ...results(answer.tool_calls)];
        const final = (await create(model, { messages: next, tools })).choices[0];
        assert.equal(final.finish_reason, 'stop');
        assert.ok(final.message.content);
        const again = await gather(await create(model, { messages: next, tools, stream: true }));
        assert.equal(again.text[0], final.message.content);
      }
    });

    test('tool choice', async () => {
      const asked = { ...say('Hello.'), tools };
      const names = async (body) => ((await create(model, { ...asked, ...body })).choices[0].message.tool_calls ?? []).map((call) => call.function.name);
      assert.deepEqual(await names({ tool_choice: { type: 'function', function: { name: 'add' } } }), ['add']);
      assert.equal((await names({ tool_choice: 'required' })).length, 1);
      assert.deepEqual(await names({ tool_choice: 'none', ...say('Call weather.') }), []);
      assert.deepEqual(await names({ ...say('Call weather.') }), ['weather']);
    });

    test('image', async () => {
      const name = own('across-image', account);
      const content = [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }];
      const got = await create(name, { messages: [{ role: 'user', content }] });
      assert.ok(got.choices[0].message.content);
      const [body] = await sent(name);
      const image = {
        openai: () => body.messages[0].content[1].image_url.url.replace('data:image/png;base64,', ''),
        anthropic: () => body.messages[0].content[1].source.data,
        gemini: () => body.contents[0].parts[1].inlineData.data,
      }[dialect]();
      assert.equal(image, pixel);
    });

    test('structured output', async () => {
      const Person = z.object({ name: z.string(), age: z.number().int(), hobbies: z.array(z.string()) });
      const body = { model, ...say('A person, please.'), response_format: zodResponseFormat(Person, 'person') };
      const got = await c.chat.completions.parse(body);
      assert.equal(typeof got.choices[0].message.parsed.name, 'string');
      const final = await c.chat.completions.stream(body).finalChatCompletion();
      assert.deepEqual(final.choices[0].message.parsed, got.choices[0].message.parsed);
    });

    test('reasoning', async () => {
      const whole = await create(thinker, { reasoning_effort: 'medium' });
      const { message } = whole.choices[0];
      assert.ok(message.reasoning_content && message.content, JSON.stringify(whole));
      assert.ok(whole.usage.completion_tokens_details.reasoning_tokens > 0);
      const got = await gather(await create(thinker, { reasoning_effort: 'medium', stream: true }));
      assert.equal(got.reasoning, message.reasoning_content);
      assert.equal(got.text[0], message.content);
    });

    test('reasoning in a tool loop', async () => {
      // The simulator refuses a thinking model's turn that comes back without the signature that it had given.
      const messages = [{ role: 'user', content: 'Use it. [[sim:tools=1]]' }];
      const body = { tools: tools.slice(0, 1), reasoning_effort: 'medium' };
      const whole = (await create(thinker, { messages, ...body })).choices[0];
      const { message } = await calls(await create(thinker, { messages, ...body, stream: true }));
      for (const answer of [whole.message, message]) {
        assert.ok(answer.reasoning_content, JSON.stringify(answer));
        const final = await create(thinker, { messages: [...messages, answer, ...results(answer.tool_calls)], ...body });
        assert.equal(final.choices[0].finish_reason, 'stop');
      }
    });

    test('stop reasons', async () => {
      const f = async (body, finish, content) => {
        const { choices: [choice] } = await create(model, body);
        assert.equal(choice.finish_reason, finish);
        if (content !== undefined) assert.equal(choice.message.content, content);
        const got = await gather(await create(model, { ...body, stream: true }));
        assert.equal(got.finish[0], finish);
        if (content !== undefined) assert.equal(got.text[0], content);
      };
      await f({ max_tokens: 5 }, 'length');
      await f({ max_completion_tokens: 5 }, 'length');
      await f({ ...say('[[sim:say=one two three four]]'), stop: ['three'] }, 'stop', 'one two ');
      await f({ ...say('[[sim:say=one two three four]]'), stop: 'three' }, 'stop', 'one two ');
      await f(say('[[sim:refuse]]'), 'content_filter');
    });

    test('cached tokens', async () => {
      const asked = say(long(`${version} ${dialect}`));
      if (dialect === 'anthropic') {
        // There a prompt is kept only where it is marked; the mark is that of OpenAI's own dialect.
        asked.messages[0].content = [{ type: 'text', text: asked.messages[0].content, prompt_cache_breakpoint: { mode: 'explicit' } }];
      }
      const first = (await create(model, asked)).usage;
      const second = (await create(model, asked)).usage;
      assert.ok(first.prompt_tokens > 1024, JSON.stringify(first));
      assert.equal(second.prompt_tokens, first.prompt_tokens);
      assert.ok(second.prompt_tokens_details.cached_tokens >= 1024, JSON.stringify(second));
    });

    describe('errors', { concurrency: true }, () => {
      const f = (name, kind, ask, want) =>
        test(name, async () => {
          for (const stream of [false, true]) {
            await assert.rejects(create(ask.model ?? model, { stream, ...ask.body }), (error) => {
              assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
              for (const [field, value] of Object.entries(want)) assert.equal(error[field], value, field);
              assert.match(error.requestID, id);
              assert.ok(!JSON.stringify(error).includes('provider-secret'));
              return true;
            });
          }
        });
      f('a field with a wrong type', sdk.BadRequestError, { body: { max_tokens: 'many' } }, { status: 400, param: 'max_tokens' });
      f('refused by the provider', sdk.BadRequestError, { model: own('across-refused:400', account) }, { status: 400 });
      f('rate limited', sdk.RateLimitError, { model: own('across-limited:429;retry=false', account) }, { status: 429, code: 'provider_rate_limited' });
      f('no credit', sdk.RateLimitError, { model: own('across-poor:quota', account) }, { status: 429, code: 'provider_quota_exhausted' });
      if (dialect !== 'gemini') f('overloaded', sdk.InternalServerError, { model: own('across-over:529', account) }, { status: 503, code: 'provider_overloaded' });
      f('unavailable', sdk.InternalServerError, { model: own('across-away:503', account) }, { status: 503, code: 'provider_overloaded' });
      f('server error', sdk.InternalServerError, { model: own('across-broken:500', account) }, { status: 502, code: 'provider_error' });
      f("the provider refuses the gateway's key", sdk.InternalServerError, { model: own('across-locked:401', account) }, { status: 502, code: 'provider_auth_failed' });
      f('error page', sdk.InternalServerError, { model: own('across-page:html', account) }, { status: 502, code: 'provider_error' });
    });

    // A stream of Anthropic's says why it ends in its last event but one, whose absence is a cut.
    for (const fault of ['drip;delay=50ms+cut;after=5;form=fin', 'drip;delay=50ms+cut;after=5;form=eof', 'drip;delay=50ms+stream-error;after=5', ...(dialect === 'anthropic' ? [] : ['no-finish'])]) {
      test(`broken stream: ${fault}`, async () => {
        let chunks = 0;
        await assert.rejects(async () => {
          for await (const _ of await create(own(`broke-${fault.length}:${fault}`, account), { stream: true })) chunks++;
        }, (error) => {
          assert.ok(error instanceof sdk.APIError, `${error.constructor.name}: ${error.message}`);
          assert.match(error.code, /^provider_/);
          return true;
        });
        assert.ok(chunks >= 5, `${chunks} chunks`);
      });
    }

    test('abort', async () => {
      const name = own('across-left:stall;after=5', account);
      const stream = await create(name, { stream: true });
      let chunks = 0;
      for await (const _ of stream) if (++chunks === 3) stream.controller.abort();
      await ended(name);
    });
  });
}
