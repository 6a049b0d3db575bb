// What the tests of all clients share: where the gateway and the simulated provider are, the simulator's counts, waiting, and
// the accounts of each dialect.

import assert from 'node:assert/strict';

const { SLUICE_URL, SIM_URL, SLUICE_KEY, SLUICE_KEY_LIMITED, SLUICE_KEY_ONE, SLUICE_KEY_WRONG, SLUICE_KEY_HELD, SLUICE_KEY_COUNTED, SLUICE_KEY_PAID, SLUICE_CLIENT, PATIENT_URL } = process.env;
assert.ok(SLUICE_URL && SIM_URL && SLUICE_KEY && SLUICE_CLIENT,
  'run by the Go test, which starts the gateway and sets SLUICE_URL, SIM_URL, SLUICE_KEY and SLUICE_CLIENT');

export const keys = {
  all: SLUICE_KEY, limited: SLUICE_KEY_LIMITED, one: SLUICE_KEY_ONE, wrong: SLUICE_KEY_WRONG, held: SLUICE_KEY_HELD, counted: SLUICE_KEY_COUNTED, paid: SLUICE_KEY_PAID,
};

export const url = SLUICE_URL;

// Where keep-alives are sent in every pause of a model's answer, of which there are many.
export const patient = PATIENT_URL;
export const slow = 'sim-slow';

// A header that asks for events with ids.
export const resumable = { 'X-Sluice-Resumable': 'true' };

// The client under test: the npm name, or alias, to import.
export const version = SLUICE_CLIENT;

// The accounts of the stage, one of each dialect.
export const accounts = { up: 'openai', ant: 'anthropic', gem: 'gemini' };

// A model's name that no other test, nor another client, uses.
export const own = (model, account = 'up') => `${account}/js-${version.replace(/\W/g, '')}-${account}-${model}`;

export const text = 'Tell me about rivers. [[sim:tokens=30]]';

// An image of one pixel.
export const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

// A prompt that providers with a cache of prompts keep: over 1,024 tokens.
export const long = (about) => `${about}: ` + 'The river runs from the hills to the sea. '.repeat(180) + '[[sim:tokens=8]]';

export const id = /^[0-9A-Z]{26}$/;

export async function json(path, base = SLUICE_URL) {
  const answer = await fetch(base + path);
  assert.equal(answer.status, 200, path);
  return answer.json();
}

// The name that the provider knows a model of ours by.
const theirs = (model) => model.replace(/^\w+\//, '').replace(/:.*/, '');

export async function counts(model) {
  const stats = await json('/sim/stats', SIM_URL);
  return stats.models[theirs(model)] ?? { requests: 0, aborted: 0 };
}

// The bodies of the requests for a model that have reached the provider, of which there must be some: it notes a request a moment
// after its client has the answer.
export async function sent(model) {
  return eventually(async () => {
    const all = (await json('/sim/requests', SIM_URL)).filter((one) => (one.model ?? '').replace(/:.*/, '') === theirs(model));
    assert.ok(all.length > 0, `no request for ${model}`);
    return all.map((one) => JSON.parse(Buffer.from(one.body, 'base64').toString()));
  });
}

export async function inFlight(target) {
  const { targets } = await json('/admin/v1/targets');
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

// A fetch for a client that counts the requests that the client sends, its own retries among them.
export function counting() {
  const one = (...args) => {
    one.requests++;
    return fetch(...args);
  };
  one.requests = 0;
  return one;
}
