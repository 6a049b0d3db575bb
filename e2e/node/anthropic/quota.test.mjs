import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { client, counting, counts, keys, own, sdk, version } from './client.mjs';

const ask = (one, model, tokens = 3, options = {}) =>
  one.messages.create({ model, max_tokens: 30, messages: [{ role: 'user', content: `hi [[sim:tokens=${tokens}]]` }] }, options);

const refused = (code, more = () => {}) => (error) => {
  assert.ok(error instanceof sdk.RateLimitError, error);
  assert.equal(error.status, 429);
  assert.equal(error.error.error.details.error_code, code);
  more(error);
  return true;
};

const waits = (most) => (error) => {
  const wait = +error.headers.get('retry-after');
  assert.ok(wait >= 1 && wait <= most, `Retry-After ${wait}`);
};

describe(`quotas and limits by ${version}`, () => {
  test('a burst is paced, and nobody comes twice', async () => {
    const fetch = counting();
    const one = client(keys.all, { maxRetries: 2, fetch });
    const model = own('burst').replace('up/', 'paced/paced-');
    await Promise.all(Array.from({ length: 50 }, () => ask(one, model)));
    assert.equal(fetch.requests, 50);
    const seen = await counts(model);
    assert.equal(seen.requests - seen.refused, 50);
    assert.ok(seen.refused <= 5, `the provider has refused ${seen.refused}`);
  });

  test('a deadline that a full quota cannot meet', async () => {
    const one = client();
    const model = own('full').replace('up/', 'paced/few-');
    for (let i = 0; i < 2; i++) await ask(one, model);
    const begun = Date.now();
    await assert.rejects(ask(one, model, 3, { headers: { 'X-Sluice-Deadline': '1s' } }), refused('deadline_unreachable', waits(65)));
    assert.ok(Date.now() - begun < 900, 'it took as long as the deadline');
  });

  test("a key's rate", async () => {
    const one = client(keys.counted);
    for (const left of ['1', '0']) {
      const { response } = await ask(one, 'smart').withResponse();
      assert.equal(response.headers.get('anthropic-ratelimit-requests-limit'), '2');
      assert.equal(response.headers.get('anthropic-ratelimit-requests-remaining'), left);
      assert.ok(Date.parse(response.headers.get('anthropic-ratelimit-requests-reset')) > Date.now() - 1000);
    }
    await assert.rejects(ask(one, 'smart'), refused('key_rate_exceeded', (error) => {
      assert.match(error.message, /may make 2 \(`rpm`/);
      waits(60)(error);
    }));
  });

  test("a key's budget is not tried again", async () => {
    const fetch = counting();
    const one = client(keys.paid, { maxRetries: 2, fetch });
    await ask(one, 'paid/gpt-4o-mini', 30);
    await assert.rejects(ask(one, 'paid/gpt-4o-mini', 30), refused('key_budget_exceeded', (error) => {
      assert.equal(error.headers.get('x-should-retry'), 'false');
      assert.match(error.message, /\$0\.00003 per month/);
    }));
    assert.equal(fetch.requests, 2);
  });
});
