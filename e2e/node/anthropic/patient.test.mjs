import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { accounts, client, hello, keys, patient, resumable, slow, version } from './client.mjs';

const c = client(keys.all, { baseURL: `${patient}/anthropic` });

// Streams with keep-alives in all their pauses, without and with the ids of events.
for (const [account, dialect] of Object.entries(accounts)) {
  for (const [name, headers] of Object.entries({ plain: {}, 'with ids': resumable })) {
    describe(`${version} kept alive over ${dialect}, ${name}`, () => {
      test('messages', async () => {
        const ask = { model: `${account}/${slow}`, max_tokens: 2000, messages: hello };
        const whole = await c.messages.create(ask);
        const folded = await c.messages.stream(ask, { headers }).finalMessage();
        assert.ok(whole.content[0].text);
        assert.deepEqual(folded.content, whole.content);
        assert.equal(folded.stop_reason, whole.stop_reason);
      });
    });
  }
}
