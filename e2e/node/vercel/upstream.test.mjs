import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { z } from 'zod';

import { accounts, ended, id, keys, own, pixel, sent, text, url, version } from '../stage.mjs';

const { APICallError, Output, embedMany, generateText, stepCountIs, streamText, tool } = await import(version);

// The library's providers with a key, each pointed at the gateway.
function connect(apiKey) {
  const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey });
  const anthropic = createAnthropic({ baseURL: `${url}/anthropic/v1`, apiKey });
  const google = createGoogleGenerativeAI({ baseURL: `${url}/gemini/v1beta`, apiKey });
  return { 'openai.chat': openai.chat, 'openai.responses': openai.responses, anthropic, google, embedding: [openai.embedding, google.embedding] };
}

const { embedding, ...providers } = connect(keys.all);

// How each asks a model to think.
const thinking = {
  'openai.chat': { openai: { reasoningEffort: 'medium', forceReasoning: true } },
  'openai.responses': { openai: { reasoningEffort: 'medium', reasoningSummary: 'auto', forceReasoning: true } },
  anthropic: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
  google: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } },
};

const weather = tool({ inputSchema: z.object({ city: z.string() }), execute: async ({ city }) => `It rains in ${city}.` });
const add = tool({ inputSchema: z.object({ number: z.number().int() }), execute: async ({ number }) => number + 1 });

for (const [name, provider] of Object.entries(providers)) {
  for (const [account, dialect] of Object.entries(accounts)) {
    const model = provider(`${account}/sim-fast`);
    const ask = (more = {}) => ({ model, prompt: text, maxRetries: 0, ...more });
    const mine = (what) => own(`${name.replace('.', '-')}-${what}`, account);

    describe(`${version} by ${name} over ${dialect}`, { concurrency: true }, () => {
      test('text and stream', async () => {
        const whole = await generateText(ask());
        assert.equal(whole.finishReason, 'stop');
        assert.equal(whole.usage.outputTokens, 30);
        assert.ok(whole.usage.inputTokens > 0);
        const stream = streamText(ask());
        let got = '';
        let deltas = 0;
        for await (const delta of stream.textStream) {
          got += delta;
          deltas++;
        }
        assert.equal(got, whole.text);
        assert.ok(deltas > 10, `${deltas} deltas`);
        assert.equal(await stream.finishReason, 'stop');
        assert.deepEqual([(await stream.usage).inputTokens, (await stream.usage).outputTokens], [whole.usage.inputTokens, whole.usage.outputTokens]);
      });

      test('parallel tools in a loop', async () => {
        const loop = { prompt: 'Use them. [[sim:tools=2]]', tools: { weather, add }, stopWhen: stepCountIs(3) };
        const whole = await generateText(ask(loop));
        assert.equal(whole.steps.length, 2);
        assert.deepEqual(whole.steps[0].toolCalls.map((call) => call.toolName), ['weather', 'add']);
        assert.equal(whole.steps[0].finishReason, 'tool-calls');
        assert.equal(whole.steps[0].toolResults.length, 2);
        assert.ok(whole.text);
        const stream = streamText(ask(loop));
        await stream.consumeStream();
        const steps = await stream.steps;
        assert.deepEqual(steps[0].toolCalls.map((call) => call.input), whole.steps[0].toolCalls.map((call) => call.input));
        assert.equal(steps.length, 2);
        assert.ok(await stream.text);
      });

      test('image', async () => {
        const named = mine('image');
        const content = [{ type: 'text', text: 'What is this?' }, { type: 'image', image: pixel, mediaType: 'image/png' }];
        assert.ok((await generateText({ model: provider(named), maxRetries: 0, messages: [{ role: 'user', content }] })).text);
        assert.ok(JSON.stringify(await sent(named)).includes(pixel));
      });

      test('structured output', async () => {
        const asked = { prompt: 'A person, please.', output: Output.object({ schema: z.object({ name: z.string(), age: z.number().int() }) }) };
        const whole = (await generateText(ask(asked))).output;
        assert.equal(typeof whole.name, 'string');
        const stream = streamText(ask(asked));
        await stream.consumeStream();
        assert.deepEqual(await stream.output, whole);
      });

      test('reasoning in a tool loop', async () => {
        const loop = {
          model: provider(`${account}/sim-reasoning`), prompt: 'Use it. [[sim:tools=1]]', tools: { weather }, stopWhen: stepCountIs(3),
          providerOptions: thinking[name],
        };
        const whole = await generateText(ask(loop));
        assert.equal(whole.steps.length, 2, JSON.stringify(whole.steps.map((s) => s.content)));
        const stream = streamText(ask(loop));
        await stream.consumeStream();
        assert.equal((await stream.steps).length, 2);
        // Its class for chat completions neither reads reasoning nor sends it back.
        if (name !== 'openai.chat') assert.ok(whole.steps[0].reasoningText, 'no reasoning');
      });

      test('stop reasons', async () => {
        assert.equal((await generateText(ask({ maxOutputTokens: 16, prompt: 'Talk. [[sim:tokens=200]]' }))).finishReason, 'length');
        if (name === 'openai.responses') return; // which has no stop sequences
        const stopped = await generateText(ask({ prompt: '[[sim:say=one two three four]]', stopSequences: ['three'] }));
        assert.deepEqual([stopped.finishReason, stopped.text.trim()], ['stop', 'one two']);
      });

      for (const [fault, status] of [['400', 400], ['429;retry=false', 429], ['503', name === 'anthropic' ? 529 : 503], ['500', 502]]) {
        test(`error ${fault}`, async () => {
          await assert.rejects(generateText(ask({ model: provider(mine(`error-${status}:${fault}`)) })), (error) => {
            assert.ok(APICallError.isInstance(error), `${error.constructor.name}: ${error.message}`);
            assert.equal(error.statusCode, status);
            assert.match(error.responseHeaders['x-sluice-request-id'], id);
            assert.ok(!error.responseBody.includes('provider-secret'));
            return true;
          });
        });
      }

      test('abort', async () => {
        const named = mine('left:stall;after=5');
        const controller = new AbortController();
        let deltas = 0;
        const stream = streamText(ask({ model: provider(named), abortSignal: controller.signal }));
        for await (const _ of stream.textStream) if (++deltas === 3) controller.abort();
        await ended(named);
      });
    });
  }

  test(`wrong key and unknown model by ${name}`, async () => {
    const ask = (model) => generateText({ model, prompt: text, maxRetries: 0 });
    await assert.rejects(ask(connect(keys.wrong)[name]('smart')), (error) => error.statusCode === 401);
    await assert.rejects(ask(provider('smrat')), (error) => error.statusCode === 404);
  });
}

test(`embeddings by ${version}`, async () => {
  for (const account of ['up', 'gem', 'coh']) {
    for (const make of embedding) {
      const { embeddings } = await embedMany({ model: make(`${account}/sim-embed`), values: ['a river', 'a stone'] });
      assert.deepEqual(embeddings.map((e) => e.length), [64, 64]);
    }
  }
});
