import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { accounts, client, gather, hello, keys, patient, resumable, slow, text, version } from './client.mjs';

const c = client(keys.all, { baseURL: `${patient}/v1` });

// Streams with keep-alives in all their pauses, without and with the ids of events.
for (const [account, dialect] of Object.entries(accounts)) {
  for (const [name, headers] of Object.entries({ plain: {}, 'with ids': resumable })) {
    describe(`${version} kept alive over ${dialect}, ${name}`, { concurrency: true }, () => {
      const model = `${account}/${slow}`;

      test('chat', async () => {
        const whole = await c.chat.completions.create({ model, messages: hello });
        const got = await gather(await c.chat.completions.create({ model, messages: hello, stream: true }, { headers }));
        assert.ok(got.text[0]);
        assert.equal(got.text[0], whole.choices[0].message.content);
        assert.equal(got.finish[0], 'stop');
      });

      test('responses', async () => {
        const whole = await c.responses.create({ model, input: text });
        let got = '';
        for await (const event of await c.responses.create({ model, input: text, stream: true }, { headers })) {
          if (event.type === 'response.output_text.delta') got += event.delta;
        }
        assert.ok(got);
        assert.equal(got, whole.output_text);
      });
    });
  }
}
