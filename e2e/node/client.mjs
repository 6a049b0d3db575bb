// What the tests of both versions of the client share: a client for a key, the simulator's counts, and waiting.

import assert from 'node:assert/strict';

const { SLUICE_URL, SIM_URL, SLUICE_KEY, SLUICE_KEY_LIMITED, SLUICE_KEY_ONE, SLUICE_KEY_WRONG, SLUICE_CLIENT } = process.env;
assert.ok(SLUICE_URL && SIM_URL && SLUICE_KEY, 'run by the Go test, which starts the gateway and sets SLUICE_URL, SIM_URL and SLUICE_KEY');

export const keys = { all: SLUICE_KEY, limited: SLUICE_KEY_LIMITED, one: SLUICE_KEY_ONE, wrong: SLUICE_KEY_WRONG };

// The version under test: the npm alias to import.
const name = SLUICE_CLIENT ?? 'openai';
export const sdk = await import(name);
export const { zodResponseFormat } = await import(`${name}/helpers/zod`);
export const version = name;

export function client(key = keys.all, more = {}) {
  return new sdk.OpenAI({ baseURL: `${SLUICE_URL}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000, ...more });
}

// A model's name that no other test, nor the other version, uses.
export const own = (model) => `up/js-${name}-${model}`;

export const hello = [{ role: 'user', content: 'Tell me about rivers. [[sim:tokens=30]]' }];

async function json(url) {
  const answer = await fetch(url);
  assert.equal(answer.status, 200, url);
  return answer.json();
}

async function counts(model) {
  const stats = await json(`${SIM_URL}/sim/stats`);
  return stats.models[model.replace(/^up\//, '').replace(/:.*/, '')] ?? { requests: 0, aborted: 0 };
}

export async function inFlight(target) {
  const { targets } = await json(`${SLUICE_URL}/admin/v1/targets`);
  return targets.find((t) => t.name === target)?.in_flight;
}

// Calls look until it does not throw; fails with what it throws after 20 s.
export async function eventually(look) {
  for (const end = Date.now() + 20_000; ; ) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((again) => setTimeout(again, 5));
  }
}

// Gathers a stream: text and finish reason by choice, and the chunks that have usage.
export async function gather(stream) {
  const got = { text: {}, finish: {}, chunks: 0, usage: [] };
  for await (const chunk of stream) {
    got.chunks++;
    for (const choice of chunk.choices ?? []) {
      got.text[choice.index] = (got.text[choice.index] ?? '') + (choice.delta.content ?? '');
      if (choice.finish_reason) got.finish[choice.index] = choice.finish_reason;
    }
    if (chunk.usage) got.usage.push(chunk);
  }
  return got;
}

// Checks how many requests for a model have reached the provider, after the call that caused them. The provider counts a
// request at its end, which the client may see a moment earlier.
export async function seen(model, requests) {
  await eventually(async () => assert.equal((await counts(model)).requests, requests));
}

// Waits until the provider has noticed that the client left and the gateway has nothing under way at the target.
export async function ended(model) {
  await eventually(async () => {
    assert.equal((await counts(model)).aborted, 1);
    assert.equal(await inFlight(model), 0);
  });
}
