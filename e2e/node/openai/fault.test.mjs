import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { client, ended, eventually, gather, hello, keys, own, sdk, seen, version } from './client.mjs';

const c = client();
const create = (model, more = {}) => c.chat.completions.create({ model, messages: hello, ...more });
const stream = (model, more = {}) => create(model, { stream: true, ...more });

describe(`odd streams by ${version}`, { concurrency: true }, () => {
  for (const fault of [
    'crlf', 'bom', 'pings', 'multiline', 'no-space', 'no-done', 'no-blank', 'null-error', 'null-choices', 'azure', 'role-each',
    'role-delay;delay=200ms', 'usage-each', 'crlf+multiline+bom+pings', 'split;bytes=7+crlf+unicode',
  ]) {
    test(fault, async () => {
      const plain = await create(fault.includes('unicode') ? 'up/sim-fast:unicode' : 'up/sim-fast');
      const got = await gather(await stream(`up/sim-fast:${fault}`));
      assert.equal(got.text[0], plain.choices[0].message.content);
      assert.equal(got.finish[0], 'stop');
    });
  }
});

describe(`errors by ${version}`, { concurrency: true }, () => {
  const f = (name, kind, { key = keys.all, model = 'smart', body = {} }, want, ...texts) =>
    test(name, async () => {
      const one = client(key);
      for (const stream of [false, true]) {
        await assert.rejects(one.chat.completions.create({ model, messages: hello, stream, ...body }), (error) => {
          assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
          for (const [field, value] of Object.entries(want)) assert.equal(error[field], value, field);
          for (const text of texts) assert.ok(error.message.includes(text), `${error.message} lacks ${text}`);
          assert.match(error.requestID, /^[0-9A-Z]{26}$/);
          assert.ok(!JSON.stringify(error).includes('provider-secret'));
          return true;
        });
      }
    });
  f('wrong key', sdk.AuthenticationError, { key: keys.wrong }, { status: 401, code: 'invalid_api_key' });
  f('unknown model', sdk.NotFoundError, { model: 'smrat' }, { status: 404, code: 'model_not_found', param: 'model' }, 'smart');
  f('refused by the provider', sdk.BadRequestError, { body: { temperature: 9 } }, { status: 400, param: 'temperature' }, "Invalid 'temperature'");
  f('model not allowed', sdk.PermissionDeniedError, { key: keys.limited }, { status: 403, code: 'model_not_allowed' });
  f('rate limited', sdk.RateLimitError, { model: `${own('limited')}:429;retry=false` }, { status: 429, code: 'provider_rate_limited' });
  f('overloaded', sdk.InternalServerError, { model: `${own('overloaded')}:503` }, { status: 503, code: 'provider_overloaded' });
  f('server error', sdk.InternalServerError, { model: `${own('broken')}:500` }, { status: 502, code: 'provider_error' });
  f('error page', sdk.InternalServerError, { model: `${own('page')}:html` }, { status: 502, code: 'provider_error' });

  test('key concurrency', async () => {
    const one = client(keys.one);
    const held = await one.chat.completions.create({ model: `${own('held')}:stall;after=3`, messages: hello, stream: true });
    for await (const _ of held) break; // leaving the loop would abort: see below
    await eventually(() => one.chat.completions.create({ model: 'smart', messages: hello }));

    const controller = new AbortController();
    const again = await one.chat.completions.create(
      { model: `${own('held-again')}:stall;after=3`, messages: hello, stream: true }, { signal: controller.signal });
    const iterator = again[Symbol.asyncIterator]();
    await iterator.next();
    await assert.rejects(one.chat.completions.create({ model: 'smart', messages: hello }), (error) => {
      assert.ok(error instanceof sdk.RateLimitError);
      assert.equal(error.code, 'key_concurrency_exceeded');
      return true;
    });
    controller.abort();
    await eventually(() => one.chat.completions.create({ model: 'smart', messages: hello }));
  });
});

describe(`retries by ${version}`, { concurrency: true }, () => {
  const retrying = client(keys.all, { maxRetries: 2 });
  const f = (name, model, fault, kind, requests) =>
    test(name, async () => {
      const asked = retrying.chat.completions.create({ model: `${model}:${fault}`, messages: hello });
      if (kind) await assert.rejects(asked, kind);
      else assert.ok((await asked).choices[0].message.content);
      await seen(model, requests);
    });
  f("the gateway's retry helps", own('once'), '503;first=1', null, 2);
  f("the client does not repeat the gateway's retries", own('always'), '500', sdk.InternalServerError, 3);
  f('no credit is not retried by anybody', own('quota'), 'quota', sdk.RateLimitError, 1);

  test('a wait that the gateway does not make is left to the client', async () => {
    await assert.rejects(create(`${own('waits')}:429;after=90`), (error) => {
      assert.ok(error instanceof sdk.RateLimitError);
      assert.equal(error.headers.get('retry-after'), '90');
      return true;
    });
    await seen(own('waits'), 1);
  });
});

describe(`broken streams by ${version}`, { concurrency: true }, () => {
  for (const [i, fault] of [
    'drip;delay=50ms+cut;after=5;form=rst', 'drip;delay=50ms+cut;after=5;form=fin', 'drip;delay=50ms+cut;after=5;form=eof', 'drip;delay=50ms+cut;after=5;form=mid', 'no-finish',
    'drip;delay=50ms+stream-error;after=5', 'drip;delay=50ms+stream-error;after=5;form=string', 'drip;delay=50ms+stream-error;after=5;form=event', 'drip;delay=50ms+stream-error;after=5;form=finish',
  ].entries()) {
    test(fault, async () => {
      let chunks = 0;
      const consume = async () => {
        for await (const _ of await stream(`${own(`break${i}`)}:${fault}`)) chunks++;
      };
      await assert.rejects(consume, (error) => {
        assert.ok(error instanceof sdk.APIError, `${error.constructor.name}: ${error.message}`);
        assert.match(error.code, /^provider_/);
        return true;
      });
      assert.ok(chunks >= 5, `${chunks} chunks`);
    });
  }

  test('an event that is no JSON is left out', async () => {
    const got = await gather(await stream('up/sim-fast:malformed;after=5'));
    assert.equal(got.finish[0], 'stop');
  });
});

describe(`leaving by ${version}`, { concurrency: true }, () => {
  test('abort', async () => {
    const model = `${own('left')}:stall;after=5`;
    const got = await stream(model);
    let chunks = 0;
    for await (const _ of got) if (++chunks === 3) got.controller.abort();
    assert.ok(chunks >= 3);
    await ended(model);
  });

  test('break', async () => {
    const model = `${own('broke-off')}:stall;after=5`;
    for await (const _ of await stream(model)) break;
    await ended(model);
  });

  test('timeout', async () => {
    const model = `${own('silent')}:silent`;
    await assert.rejects(client(keys.all, { timeout: 300 }).chat.completions.create({ model, messages: hello }), sdk.APIConnectionTimeoutError);
    await ended(model);
  });
});
