import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';

import { keys, patient, resumable, slow, text, version } from '../stage.mjs';

const { generateText, streamText } = await import(version);

const openai = createOpenAI({ baseURL: `${patient}/v1`, apiKey: keys.all });
const providers = {
  'openai.chat': openai.chat,
  'openai.responses': openai.responses,
  anthropic: createAnthropic({ baseURL: `${patient}/anthropic/v1`, apiKey: keys.all }),
  google: createGoogleGenerativeAI({ baseURL: `${patient}/gemini/v1beta`, apiKey: keys.all }),
};

// Streams with keep-alives in all their pauses, without and with the ids of events.
for (const [provider, of] of Object.entries(providers)) {
  for (const [name, headers] of Object.entries({ plain: {}, 'with ids': resumable })) {
    test(`${provider} kept alive, ${name}`, { concurrency: true }, async () => {
      const model = of(`up/${slow}`);
      const whole = await generateText({ model, prompt: text, maxRetries: 0 });
      let got = '';
      for await (const delta of streamText({ model, prompt: text, headers, maxRetries: 0 }).textStream) got += delta;
      assert.ok(got);
      assert.equal(got, whole.text);
    });
  }
}
