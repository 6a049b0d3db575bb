import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';

import { accounts, client, ended, id, keys, own, pixel, sdk, sent, text, version, zodTextFormat } from './client.mjs';

const c = client();
const create = (model, body = {}) => c.responses.create({ model, input: text, ...body });

const parameters = (name, type) => ({ type: 'object', properties: { [name]: { type } }, required: [name], additionalProperties: false });
const tools = [
  { type: 'function', name: 'weather', parameters: parameters('city', 'string'), strict: true },
  { type: 'function', name: 'add', parameters: parameters('number', 'integer'), strict: true },
];
const callsOf = (response) => response.output.filter((item) => item.type === 'function_call');
const results = (response) => callsOf(response).map((call) => ({ type: 'function_call_output', call_id: call.call_id, output: `the result of ${call.name}` }));
const plain = (response) => callsOf(response).map((call) => [call.name, JSON.parse(call.arguments)]);
const user = (content) => ({ role: 'user', content });

// Checks that a stream's events are in order and tell the same as the response at its end, which it returns.
async function fold(stream) {
  const got = { text: '', reasoning: '', arguments: {}, types: [], deltas: 0 };
  let next = 0;
  for await (const event of await stream) {
    assert.equal(event.sequence_number, next++, event.type);
    got.types.push(event.type);
    if (event.type === 'response.output_text.delta') {
      got.text += event.delta;
      got.deltas++;
    }
    if (event.type === 'response.reasoning_summary_text.delta') got.reasoning += event.delta;
    if (event.type === 'response.function_call_arguments.delta') got.arguments[event.output_index] = (got.arguments[event.output_index] ?? '') + event.delta;
    if (event.response) got.response = event.response;
  }
  assert.deepEqual(got.types.slice(0, 2), ['response.created', 'response.in_progress']);
  assert.match(got.types.at(-1), /^response\.(completed|incomplete)$/);
  assert.equal(got.types.filter((t) => t === 'response.output_item.added').length, got.response.output.length);
  assert.equal(got.types.filter((t) => t === 'response.output_item.done').length, got.response.output.length);
  const final = got.response.output;
  assert.equal(got.text, final.flatMap((item) => item.content ?? []).filter((p) => p.type === 'output_text').map((p) => p.text).join(''));
  assert.equal(got.reasoning, final.flatMap((item) => item.summary ?? []).map((p) => p.text).join(''));
  final.forEach((item, i) => item.type === 'function_call' && assert.equal(got.arguments[i], item.arguments));
  return got;
}

// The fourth account has the API itself; the others are translated to.
for (const [account, dialect] of Object.entries({ ...accounts, res: 'responses' })) {
  const model = `${account}/sim-fast`;
  const thinker = `${account}/sim-reasoning`;

  describe(`${version} responses over ${dialect}`, { concurrency: true }, () => {
    test('text', async () => {
      const got = await create(model);
      assert.equal(got.output_text, (await create('res/sim-fast')).output_text);
      assert.equal(got.status, 'completed');
      assert.equal(got.object, 'response');
      assert.equal(got.usage.output_tokens, 30);
      assert.equal(got.usage.total_tokens, got.usage.input_tokens + 30);
      assert.match(got._request_id, id);
    });

    test('stream', async () => {
      const whole = await create(model);
      const got = await fold(create(model, { stream: true }));
      assert.equal(got.text, whole.output_text);
      assert.ok(got.deltas > 10, `${got.deltas} deltas`);
      assert.deepEqual(got.response.usage, whole.usage);
      const final = await c.responses.stream({ model, input: text }).finalResponse();
      assert.equal(final.output_text, whole.output_text);
    });

    test('parallel tools, round trip', async () => {
      const input = [user('Use them. [[sim:tools=2]]')];
      const body = { instructions: 'Be brief.', tools };
      const whole = await create(model, { input, ...body });
      assert.deepEqual(callsOf(whole).map((call) => call.name), ['weather', 'add']);
      const { response } = await fold(create(model, { input, ...body, stream: true }));
      assert.deepEqual(plain(response), plain(whole));
      for (const answer of [whole, response]) {
        const kept = await create(model, { input: [...input, ...answer.output, ...results(answer)], ...body });
        assert.equal(kept.status, 'completed');
        assert.ok(kept.output_text);
        const named = await create(model, { input: results(answer), previous_response_id: answer.id, ...body });
        assert.equal(named.output_text, kept.output_text);
      }
    });

    test('going on at another account', async () => {
      const first = await create(model);
      for (const other of [...Object.keys(accounts), 'res']) {
        const name = own(`goes-on-from-${account}`, other);
        const second = await create(name, { input: 'And lakes? [[sim:tokens=8]]', previous_response_id: first.id, store: false });
        // An account that has the API is sent the conversation where it has not stored it, and says what it was told.
        if (other !== 'res') assert.equal(second.previous_response_id, first.id);
        if (other !== 'res' || account !== 'res') assert.ok(JSON.stringify(await sent(name)).includes('Tell me about rivers'), other);
      }
    });

    test('stored', async () => {
      const made = await create(model, { input: [user('one'), user(text)], metadata: { a: 'b' } });
      const got = await c.responses.retrieve(made.id);
      assert.deepEqual(got.output, made.output);
      assert.deepEqual(got.metadata, { a: 'b' });
      const items = [];
      for await (const item of await c.responses.inputItems.list(made.id, { order: 'asc', limit: 1 })) items.push(item.content[0].text);
      assert.deepEqual(items, ['one', text]);
      assert.equal((await fold(c.responses.retrieve(made.id, { stream: true }))).text, made.output_text);
      await assert.rejects(c.responses.cancel(made.id), sdk.BadRequestError);
      await assert.rejects(client(keys.one).responses.retrieve(made.id), sdk.NotFoundError);
      await c.responses.delete(made.id);
      await assert.rejects(c.responses.retrieve(made.id), sdk.NotFoundError);
      await assert.rejects(create(model, { previous_response_id: made.id }), (error) => {
        assert.equal(error.code, 'previous_response_not_found');
        return error instanceof sdk.BadRequestError;
      });
      const unkept = await create(model, { store: false });
      await assert.rejects(c.responses.retrieve(unkept.id), sdk.NotFoundError);
    });

    test('image', async () => {
      const name = own('responses-image', account);
      await create(name, { input: [user([{ type: 'input_text', text: 'What is this?' }, { type: 'input_image', image_url: `data:image/png;base64,${pixel}`, detail: 'auto' }])] });
      assert.ok(JSON.stringify(await sent(name)).includes(pixel));
    });

    test('structured output', async () => {
      const body = { model, input: 'A person, please.', text: { format: zodTextFormat(z.object({ name: z.string(), age: z.number().int() }), 'person') } };
      const got = await c.responses.parse(body);
      assert.equal(typeof got.output_parsed.name, 'string');
      assert.deepEqual((await c.responses.stream(body).finalResponse()).output_parsed, got.output_parsed);
    });

    test('reasoning in a tool loop', async () => {
      const input = [user('Use it. [[sim:tools=1]]')];
      const body = { tools: tools.slice(0, 1), reasoning: { effort: 'medium', summary: 'auto' }, include: ['reasoning.encrypted_content'], store: false };
      const whole = await create(thinker, { input, ...body });
      const { response, reasoning } = await fold(create(thinker, { input, ...body, stream: true }));
      assert.ok(reasoning);
      for (const answer of [whole, response]) {
        assert.equal(answer.output[0].type, 'reasoning');
        assert.ok(answer.usage.output_tokens_details.reasoning_tokens > 0);
        const final = await create(thinker, { input: [...input, ...answer.output, ...results(answer)], ...body });
        assert.equal(final.status, 'completed');
        assert.ok(final.output_text);
      }
    });

    test('incomplete', async () => {
      for (const got of [await create(model, { max_output_tokens: 16, input: 'Talk. [[sim:tokens=200]]' }),
        (await fold(create(model, { max_output_tokens: 16, input: 'Talk. [[sim:tokens=200]]', stream: true }))).response]) {
        assert.equal(got.status, 'incomplete');
        assert.equal(got.incomplete_details.reason, 'max_output_tokens');
      }
    });

    describe('errors', { concurrency: true }, () => {
      const f = (name, kind, other, body, want) =>
        test(name, async () => {
          for (const stream of [false, true]) {
            await assert.rejects(create(other, { stream, ...body }), (error) => {
              assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
              for (const [field, value] of Object.entries(want)) assert.equal(error[field], value, field);
              assert.match(error.requestID, id);
              assert.ok(!JSON.stringify(error).includes('provider-secret'));
              return true;
            });
          }
        });
      f('a field with a wrong type', sdk.BadRequestError, model, { max_output_tokens: 'many' }, { status: 400, param: 'max_output_tokens' });
      f('background', sdk.BadRequestError, model, { background: true }, { status: 400, code: 'unsupported_parameter' });
      f('refused by the provider', sdk.BadRequestError, own('r-refused:400', account), {}, { status: 400 });
      f('rate limited', sdk.RateLimitError, own('r-limited:429;retry=false', account), {}, { status: 429, code: 'provider_rate_limited' });
      f('unavailable', sdk.InternalServerError, own('r-away:503', account), {}, { status: 503, code: 'provider_overloaded' });
      f('server error', sdk.InternalServerError, own('r-broken:500', account), {}, { status: 502, code: 'provider_error' });
    });

    for (const fault of ['drip;delay=50ms+cut;after=5;form=fin', 'drip;delay=50ms+stream-error;after=5']) {
      test(`broken stream: ${fault}`, async () => {
        let deltas = 0;
        await assert.rejects(async () => {
          for await (const event of await create(own(`r-broke-${fault.length}:${fault}`, account), { stream: true })) {
            if (event.type === 'response.output_text.delta') deltas++;
          }
        }, sdk.APIError);
        assert.ok(deltas >= 5, `${deltas} deltas`);
      });
    }

    test('abort', async () => {
      const name = own('r-left:stall;after=5', account);
      const stream = await create(name, { stream: true });
      let deltas = 0;
      for await (const event of stream) if (event.type === 'response.output_text.delta' && ++deltas === 3) stream.controller.abort();
      await ended(name);
    });
  });
}

test(`wrong key and unknown model of responses by ${version}`, async () => {
  await assert.rejects(client(keys.wrong).responses.create({ model: 'smart', input: text }), sdk.AuthenticationError);
  await assert.rejects(create('smrat'), sdk.NotFoundError);
});
