import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { client, counting, counts, keys, own, sdk, version } from './client.mjs';

const short = [{ role: 'user', content: 'hi [[sim:tokens=3]]' }];

describe(`quotas and limits by ${version}`, () => {
  test('a burst is paced, and nobody comes twice', async () => {
    const fetch = counting();
    const one = client(keys.all, { maxRetries: 2, fetch });
    const model = own('burst').replace('up/', 'paced/paced-');
    await Promise.all(Array.from({ length: 50 }, () => one.chat.completions.create({ model, messages: short })));
    assert.equal(fetch.requests, 50);
    const { requests, refused } = await counts(model);
    assert.equal(requests - refused, 50);
    assert.ok(refused <= 5, `the provider has refused ${refused}`);
  });

  test('a deadline that a full quota cannot meet', async () => {
    const one = client();
    const model = own('full').replace('up/', 'paced/few-');
    for (let i = 0; i < 2; i++) await one.chat.completions.create({ model, messages: short });
    const begun = Date.now();
    await assert.rejects(one.chat.completions.create({ model, messages: short }, { headers: { 'X-Sluice-Deadline': '1s' } }), (error) => {
      assert.ok(error instanceof sdk.RateLimitError, error);
      assert.equal(error.code, 'deadline_unreachable');
      const wait = +error.headers.get('retry-after');
      assert.ok(wait >= 1 && wait <= 65, `Retry-After ${wait}`); // a minute, and what the gateway keeps clear of its end
      return true;
    });
    assert.ok(Date.now() - begun < 900, 'it took as long as the deadline');
  });

  test("a key's rate", async () => {
    const one = client(keys.counted);
    for (const left of ['1', '0']) {
      const { response } = await one.chat.completions.create({ model: 'smart', messages: short }).withResponse();
      assert.equal(response.headers.get('x-ratelimit-limit-requests'), '2');
      assert.equal(response.headers.get('x-ratelimit-remaining-requests'), left);
    }
    await assert.rejects(one.chat.completions.create({ model: 'smart', messages: short }), (error) => {
      assert.ok(error instanceof sdk.RateLimitError, error);
      assert.equal(error.code, 'key_rate_exceeded');
      assert.match(error.message, /may make 2 \(`rpm`/);
      const wait = +error.headers.get('retry-after');
      assert.ok(wait >= 1 && wait <= 60, `Retry-After ${wait}`);
      return true;
    });
  });

  test("a key's budget is not tried again", async () => {
    const fetch = counting();
    const one = client(keys.paid, { maxRetries: 2, fetch });
    const ask = () => one.chat.completions.create({ model: 'paid/gpt-4o-mini', messages: [{ role: 'user', content: 'hi [[sim:tokens=30]]' }], max_tokens: 30 });
    await ask();
    await assert.rejects(ask(), (error) => {
      assert.ok(error instanceof sdk.RateLimitError, error);
      assert.equal(error.code, 'key_budget_exceeded');
      assert.equal(error.type, 'insufficient_quota');
      assert.equal(error.headers.get('x-should-retry'), 'false');
      return true;
    });
    assert.equal(fetch.requests, 2);
  });

  test('the retry of the client waits as it is told', async () => {
    const held = await client(keys.held).chat.completions.create({ model: 'up/sim-slow', messages: [{ role: 'user', content: 'hi [[sim:tokens=12]]' }], stream: true });
    const reader = held[Symbol.asyncIterator]();
    await reader.next();
    const read = (async () => { while (!(await reader.next()).done); })();
    const fetch = counting();
    const begun = performance.now();
    await client(keys.held, { maxRetries: 2, fetch }).chat.completions.create({ model: 'smart', messages: short });
    assert.ok(fetch.requests === 1 || performance.now() - begun > 990, `${fetch.requests} requests in ${performance.now() - begun} ms`);
    await read;
  });
});
