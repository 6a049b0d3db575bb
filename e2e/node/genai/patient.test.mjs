import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { accounts, keys, patient, resumable, slow, text, version } from '../stage.mjs';

const { GoogleGenAI } = await import(version);

const client = (headers = {}) => new GoogleGenAI({ apiKey: keys.all, httpOptions: { baseUrl: `${patient}/gemini`, timeout: 60_000, headers } });

async function read(c, model) {
  let got = '';
  for await (const chunk of await c.models.generateContentStream({ model, contents: text })) got += chunk.text ?? '';
  return got;
}

for (const [account, dialect] of Object.entries(accounts)) {
  const model = `${account}/${slow}`;

  describe(`${version} kept alive over ${dialect}`, { concurrency: true }, () => {
    test('stream', async () => {
      const whole = await client().models.generateContent({ model, contents: text });
      assert.ok(whole.text);
      assert.equal(await read(client(), model), whole.text);
    });

    // The client skips events whose first line is not their data (3.1.0), so that it must not ask for ids.
    test('events with ids are lost', async () => {
      assert.equal(await read(client(resumable), model), '');
    });
  });
}
