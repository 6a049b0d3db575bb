import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { accounts, ended, id, keys, long, own, pixel, seen, sent, text, url, version } from '../stage.mjs';

const { ApiError, FunctionCallingConfigMode, GoogleGenAI } = await import(version);

const client = (key = keys.all, more = {}, options = {}) =>
  new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: `${url}/gemini`, timeout: 60_000, ...options }, ...more });

const c = client();
const create = (model, contents = text, config = {}) => c.models.generateContent({ model, contents, config });
const open = (model, contents = text, config = {}) => c.models.generateContentStream({ model, contents, config });

const schema = (name, type) => ({ type: 'object', properties: { [name]: { type } }, required: [name] });
const tools = [{ functionDeclarations: [{ name: 'weather', parametersJsonSchema: schema('city', 'string') }, { name: 'add', parametersJsonSchema: schema('number', 'integer') }] }];

const partsOf = (answer) => answer.candidates?.[0]?.content?.parts ?? [];
const callsOf = (answer) => partsOf(answer).filter((p) => p.functionCall);
const textOf = (answer) => partsOf(answer).filter((p) => p.text && !p.thought).map((p) => p.text).join('');
const thoughtOf = (answer) => partsOf(answer).filter((p) => p.text && p.thought).map((p) => p.text).join('');

// Folds a stream into an answer with all its parts, as clients do that keep the conversation.
async function fold(stream) {
  const got = { chunks: 0, parts: [], finish: undefined, usage: undefined };
  for await (const chunk of await stream) {
    got.chunks++;
    got.parts.push(...partsOf(chunk));
    got.finish = chunk.candidates?.[0]?.finishReason ?? got.finish;
    got.usage = chunk.usageMetadata ?? got.usage;
  }
  return { ...got, candidates: [{ content: { role: 'model', parts: got.parts }, finishReason: got.finish }] };
}

const finishOf = (answer) => answer.candidates[0].finishReason;
const turn = (answer) => answer.candidates[0].content;
const results = (answer) => ({
  role: 'user', parts: callsOf(answer).map(({ functionCall: { id, name } }) => ({ functionResponse: { id, name, response: { output: `the result of ${name}` } } })),
});
const user = (content) => [{ role: 'user', parts: [{ text: content }] }];

for (const [account, dialect] of Object.entries(accounts)) {
  const model = `${account}/sim-fast`;
  const thinker = `${account}/sim-reasoning`;

  describe(`${version} over ${dialect}`, { concurrency: true }, () => {
    test('text', async () => {
      const got = await create(model);
      assert.equal(got.text, (await create('gem/sim-fast')).text);
      assert.equal(finishOf(got), 'STOP');
      assert.equal(got.usageMetadata.candidatesTokenCount, 30);
      assert.ok(got.usageMetadata.promptTokenCount > 0);
      assert.equal(got.usageMetadata.totalTokenCount, got.usageMetadata.promptTokenCount + 30);
      assert.match(got.sdkHttpResponse.headers['x-sluice-request-id'], id);
      assert.ok(got.responseId && got.modelVersion);
    });

    test('stream', async () => {
      const whole = await create(model);
      const got = await fold(open(model));
      assert.equal(textOf(got), whole.text);
      assert.equal(got.finish, 'STOP');
      assert.ok(got.chunks > 10, `${got.chunks} chunks`);
      assert.equal(got.usage.candidatesTokenCount, 30);
      assert.equal(got.usage.promptTokenCount, whole.usageMetadata.promptTokenCount);
    });

    test('chat helper', async () => {
      const chat = c.chats.create({ model, config: { systemInstruction: 'Be brief.' } });
      const first = await chat.sendMessage({ message: text });
      let second = '';
      for await (const chunk of await chat.sendMessageStream({ message: 'And lakes?' })) second += chunk.text ?? '';
      assert.ok(first.text && second);
      assert.deepEqual([...new Set(chat.getHistory().map((one) => one.role))], ['user', 'model']);
    });

    test('parallel tools, round trip', async () => {
      const contents = user('Use them. [[sim:tools=2]]');
      const config = { tools, systemInstruction: 'Be brief.' };
      const whole = await create(model, contents, config);
      assert.equal(finishOf(whole), 'STOP');
      assert.deepEqual(callsOf(whole).map((p) => p.functionCall.name), ['weather', 'add']);
      assert.equal(typeof callsOf(whole)[0].functionCall.args.city, 'string');
      const got = await fold(open(model, contents, config));
      assert.equal(got.finish, 'STOP');
      assert.deepEqual(callsOf(got).map(({ functionCall: { name, args } }) => [name, args]), callsOf(whole).map(({ functionCall: { name, args } }) => [name, args]));
      for (const answer of [whole, got]) {
        const next = [...contents, turn(answer), results(answer)];
        const final = await create(model, next, config);
        assert.equal(finishOf(final), 'STOP');
        assert.ok(final.text);
        assert.equal(textOf(await fold(open(model, next, config))), final.text);
      }
    });

    test('tool choice', async () => {
      const names = async (functionCallingConfig, content = 'Hello.') =>
        callsOf(await create(model, content, { tools, toolConfig: { functionCallingConfig } })).map((p) => p.functionCall.name);
      assert.deepEqual(await names({ mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['add'] }), ['add']);
      assert.equal((await names({ mode: FunctionCallingConfigMode.ANY })).length, 1);
      assert.deepEqual(await names({ mode: FunctionCallingConfigMode.NONE }, 'Call weather.'), []);
      assert.deepEqual(await names({ mode: FunctionCallingConfigMode.AUTO }, 'Call weather.'), ['weather']);
    });

    test('image', async () => {
      const name = own('image', account);
      const got = await create(name, [{ role: 'user', parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: pixel } }] }]);
      assert.ok(got.text);
      const [body] = await sent(name);
      const image = {
        openai: () => body.messages[0].content[1].image_url.url.replace('data:image/png;base64,', ''),
        anthropic: () => body.messages[0].content[1].source.data,
        gemini: () => body.contents[0].parts[1].inlineData.data,
      }[dialect]();
      assert.equal(image, pixel);
    });

    test('structured output', async () => {
      const person = { type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } }, required: ['name', 'age'] };
      for (const config of [{ responseJsonSchema: person }, { responseSchema: { type: 'OBJECT', properties: { name: { type: 'STRING' }, age: { type: 'INTEGER' } }, required: ['name', 'age'] } }]) {
        config.responseMimeType = 'application/json';
        const got = JSON.parse((await create(model, 'A person, please.', config)).text);
        assert.equal(typeof got.name, 'string');
        assert.ok(Number.isInteger(got.age));
        assert.deepEqual(JSON.parse(textOf(await fold(open(model, 'A person, please.', config)))), got);
      }
    });

    test('thinking', async () => {
      const config = { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
      const whole = await create(thinker, text, config);
      assert.ok(thoughtOf(whole) && whole.text, JSON.stringify(partsOf(whole)));
      assert.ok(whole.usageMetadata.thoughtsTokenCount > 0);
      const got = await fold(open(thinker, text, config));
      assert.equal(thoughtOf(got), thoughtOf(whole));
      assert.equal(textOf(got), whole.text);
      assert.equal(got.usage.thoughtsTokenCount, whole.usageMetadata.thoughtsTokenCount);
    });

    test('thinking in a tool loop', async () => {
      // The simulator refuses a thinking model's turn that comes back without the signature that it had given.
      const contents = user('Use it. [[sim:tools=1]]');
      const config = { tools, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } };
      for (const answer of [await create(thinker, contents, config), await fold(open(thinker, contents, config))]) {
        assert.equal(callsOf(answer).length, 1);
        const final = await create(thinker, [...contents, turn(answer), results(answer)], config);
        assert.equal(finishOf(final), 'STOP');
      }
    });

    test('stop reasons', async () => {
      const f = async (contents, config, reason, content) => {
        for (const got of [await create(model, contents, config), await fold(open(model, contents, config))]) {
          assert.equal(finishOf(got), reason);
          if (content !== undefined) assert.equal(textOf(got), content);
        }
      };
      await f(text, { maxOutputTokens: 5 }, 'MAX_TOKENS');
      await f('[[sim:say=one two three four]]', { stopSequences: ['three'] }, 'STOP', 'one two ');
      await f('[[sim:refuse]]', {}, 'SAFETY');
    });

    test('cached tokens', async () => {
      if (dialect === 'anthropic') return; // a prompt is kept there only where it is marked, for which this dialect has no word
      const contents = long(`${version} ${dialect}`);
      const first = (await create(model, contents)).usageMetadata;
      const second = (await create(model, contents)).usageMetadata;
      assert.ok(second.cachedContentTokenCount >= 1024, JSON.stringify(second));
      assert.equal(second.promptTokenCount, first.promptTokenCount);
    });

    test('countTokens', async () => {
      const got = await c.models.countTokens({ model, contents: text });
      assert.ok(got.totalTokens > 10, JSON.stringify(got));
      assert.equal(got.sdkHttpResponse.headers['x-sluice-estimate'], dialect === 'gemini' ? undefined : 'true');
      if (dialect === 'gemini') assert.equal(got.totalTokens, (await create(model)).usageMetadata.promptTokenCount);
    });

    describe('errors', { concurrency: true }, () => {
      const f = (name, other, config, status, word, reason) =>
        test(name, async () => {
          for (const call of [create, (...args) => fold(open(...args))]) {
            await assert.rejects(call(other, text, config), (error) => {
              assert.ok(error instanceof ApiError, `${error.constructor.name}: ${error.message}`);
              assert.equal(error.status, status);
              const body = JSON.parse(error.message).error;
              assert.equal(body.code, status);
              assert.equal(body.status, word);
              if (reason) assert.equal(body.details?.find((d) => d.reason)?.reason, reason, error.message);
              assert.ok(!error.message.includes('provider-secret'));
              return true;
            });
          }
        });
      f('a field with a wrong type', model, { maxOutputTokens: 'many' }, 400, 'INVALID_ARGUMENT');
      f('refused by the provider', own('refused:400', account), {}, 400, 'INVALID_ARGUMENT');
      f('rate limited', own('limited:429;retry=false', account), {}, 429, 'RESOURCE_EXHAUSTED', 'provider_rate_limited');
      f('unavailable', own('away:503', account), {}, 503, 'UNAVAILABLE', 'provider_overloaded');
      f('server error', own('broken:500', account), {}, 502, 'UNAVAILABLE', 'provider_error');
      f("the provider refuses the gateway's key", own('locked:401', account), {}, 502, 'UNAVAILABLE', 'provider_auth_failed');
      f('error page', own('page:html', account), {}, 502, 'UNAVAILABLE', 'provider_error');
    });

    for (const fault of ['drip;delay=50ms+cut;after=5;form=fin', 'drip;delay=50ms+cut;after=5;form=eof', 'drip;delay=50ms+stream-error;after=5']) {
      test(`broken stream: ${fault}`, async () => {
        let chunks = 0;
        await assert.rejects(async () => {
          for await (const _ of await open(own(`broke-${fault.length}:${fault}`, account))) chunks++;
        });
        assert.ok(chunks >= 5, `${chunks} chunks`);
      });
    }

    test('abort', async () => {
      const name = own('left:stall;after=5', account);
      const controller = new AbortController();
      let chunks = 0;
      await assert.rejects(async () => {
        for await (const _ of await open(name, text, { abortSignal: controller.signal })) if (++chunks === 3) controller.abort();
      });
      await ended(name);
    });
  });
}

describe(`${version} at the gateway`, { concurrency: true }, () => {
  test('wrong key', async () => {
    await assert.rejects(client(keys.wrong).models.generateContent({ model: 'smart', contents: text }), (error) => {
      assert.equal(error.status, 401);
      assert.equal(JSON.parse(error.message).error.status, 'UNAUTHENTICATED');
      return true;
    });
  });

  test('unknown model', async () => {
    await assert.rejects(create('smrat'), (error) => {
      assert.equal(error.status, 404);
      assert.equal(JSON.parse(error.message).error.status, 'NOT_FOUND');
      assert.ok(error.message.includes('smart'), error.message);
      return true;
    });
  });

  test('retries', async () => {
    const name = own('once:503;first=1', 'gem');
    assert.ok((await create(name)).text);
    await seen(name, 2);
  });

  test('paths without the prefix, and those of Vertex AI', async () => {
    assert.ok((await client(keys.all, {}, { baseUrl: url }).models.generateContent({ model: 'smart', contents: text })).text);
    for (const model of ['smart', 'gem/sim-fast', 'ant/sim-fast']) {
      const vertex = client(keys.all, { vertexai: true });
      assert.ok((await vertex.models.generateContent({ model, contents: text })).text);
      assert.ok(textOf(await fold(vertex.models.generateContentStream({ model, contents: text }))));
    }
  });

  test('embeddings', async () => {
    for (const account of ['up', 'gem', 'coh', 'voy', 'jin']) {
      const got = await c.models.embedContent({ model: `${account}/sim-embed`, contents: ['a river', 'a stone'] });
      assert.equal(got.embeddings.length, 2, account);
      assert.equal(got.embeddings[0].values.length, 64, account);
      assert.notDeepEqual(got.embeddings[0].values, got.embeddings[1].values);
    }
  });

  test('models', async () => {
    for (const one of [c, client(keys.all, {}, { baseUrl: url })]) {
      const names = [];
      for await (const model of await one.models.list({ config: { pageSize: 2 } })) names.push(model.name);
      assert.ok(names.includes('models/smart') && names.includes('models/other/elsewhere'), `models ${names}`);
      assert.equal((await one.models.get({ model: 'smart' })).name, 'models/smart');
    }
    await assert.rejects(c.models.get({ model: 'smrat' }), (error) => error.status === 404);
  });
});
