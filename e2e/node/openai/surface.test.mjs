import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { client, id, own, sdk, version } from './client.mjs';

const c = client();

describe(`other surfaces by ${version}`, { concurrency: true }, () => {
  for (const [account, limited] of [
    ['up', 'text-embedding-3-small'], ['gem', 'gemini-embedding-001'], ['coh', 'embed-v4.0'], ['voy', 'voyage-3.5'], ['jin', 'jina-embeddings-v3'],
  ]) {
    test(`embeddings over ${account}`, async () => {
      const model = `${account}/sim-embed`;
      const input = ['a river', 'a stone', 'a river'];
      const coded = await c.embeddings.create({ model, input }); // the client asks for base64 by itself, and decodes it
      const float = await c.embeddings.create({ model, input, encoding_format: 'float' });
      assert.deepEqual(coded.data.map((one) => one.index), [0, 1, 2]);
      assert.ok(coded.usage.prompt_tokens > 0);
      assert.match(coded._request_id, id);
      for (const i of [0, 1, 2]) {
        assert.equal(float.data[i].embedding.length, 64);
        float.data[i].embedding.forEach((v, j) => assert.ok(Math.abs(v - coded.data[i].embedding[j]) < 1e-6));
      }
      assert.deepEqual(float.data[0].embedding, float.data[2].embedding);
      assert.notDeepEqual(float.data[0].embedding, float.data[1].embedding);
      assert.equal((await c.embeddings.create({ model, input: 'a river' })).data.length, 1);
      if (account === 'voy') return; // the simulator takes Voyage's path for OpenAI's, whose name for the length is another
      const short = await c.embeddings.create({ model, input: 'a river', dimensions: 32 });
      assert.equal(short.data[0].embedding.length, 32);
    });

    test(`many embeddings over ${account}`, async () => {
      // More than any of these models takes at once.
      const input = Array.from({ length: 2500 }, (_, i) => `stone ${i % 50}`);
      const { data } = await c.embeddings.create({ model: `${account}/${limited}`, input, encoding_format: 'float' });
      assert.equal(data.length, 2500);
      data.forEach((one, i) => assert.equal(one.index, i));
      for (const i of [49, 1000, 2449]) assert.deepEqual(data[i].embedding, data[i % 50].embedding);
    });
  }

  test('embeddings of an account that has none', async () => {
    await assert.rejects(c.embeddings.create({ model: 'ant/sim-embed', input: 'a' }), (error) => {
      assert.equal(error.code, 'unsupported_by_target');
      return error instanceof sdk.BadRequestError;
    });
  });

  test('moderations', async () => {
    const got = await c.moderations.create({ model: 'up/sim-moderation', input: ['a river', 'a stone'] });
    assert.equal(got.results.length, 2);
    assert.equal(typeof got.results[0].flagged, 'boolean');
    assert.equal(typeof got.results[0].category_scores.violence, 'number');
  });

  test('images', async () => {
    const got = await c.images.generate({ model: 'up/sim-image', prompt: 'A river.', n: 2 });
    assert.equal(got.data.length, 2);
    assert.ok(Buffer.from(got.data[0].b64_json, 'base64').length > 60);
    const types = [];
    for await (const event of await c.images.generate({ model: 'up/sim-image', prompt: 'A river.', stream: true, partial_images: 2 })) types.push(event.type);
    assert.deepEqual(types, ['image_generation.partial_image', 'image_generation.partial_image', 'image_generation.completed']);
    const image = await sdk.toFile(Buffer.from('not much of a picture'), 'a.png', { type: 'image/png' });
    assert.equal((await c.images.edit({ model: 'up/sim-image', image, prompt: 'Bluer.' })).data.length, 1);
  });

  test('speech', async () => {
    const answer = await c.audio.speech.create({ model: 'up/sim-speech', voice: 'alloy', input: 'The river runs.', response_format: 'mp3' });
    assert.equal(answer.headers.get('content-type'), 'audio/mpeg');
    assert.ok((await answer.arrayBuffer()).byteLength > 100);
    const events = await c.audio.speech.create({ model: 'up/sim-speech', voice: 'alloy', input: 'The river runs.', stream_format: 'sse' });
    assert.match(await events.text(), /speech\.audio\.done/);
  });

  test('transcription', async () => {
    const file = () => sdk.toFile(Buffer.alloc(200_000, 7), 'a.wav', { type: 'audio/wav' });
    const whole = await c.audio.transcriptions.create({ model: 'up/sim-transcription', file: await file() });
    assert.ok(whole.text && whole.usage);
    let streamed = '';
    let done;
    for await (const event of await c.audio.transcriptions.create({ model: 'up/sim-transcription', file: await file(), stream: true })) {
      if (event.type === 'transcript.text.delta') streamed += event.delta;
      if (event.type === 'transcript.text.done') done = event.text;
    }
    assert.equal(streamed, done);
    assert.equal(done, whole.text);
    assert.ok(await c.audio.translations.create({ model: 'up/sim-transcription', file: await file() }));
  });

  test('errors', async () => {
    const f = async (call, kind, code) => assert.rejects(call, (error) => {
      assert.ok(error instanceof kind, `${error.constructor.name}: ${error.message}`);
      assert.equal(error.code, code);
      assert.match(error.requestID, id);
      return true;
    });
    await f(c.moderations.create({ model: own('moderate:429;retry=false'), input: 'a' }), sdk.RateLimitError, 'provider_rate_limited');
    await f(c.images.generate({ model: own('image:500'), prompt: 'a' }), sdk.InternalServerError, 'provider_error');
    await f(c.audio.speech.create({ model: own('speech:503'), voice: 'alloy', input: 'a' }), sdk.InternalServerError, 'provider_overloaded');
    await f(c.audio.transcriptions.create({ model: own('hear:429;retry=false'), file: await sdk.toFile(Buffer.from('a'), 'a.wav') }), sdk.RateLimitError, 'provider_rate_limited');
    await f(c.images.generate({ model: 'smrat', prompt: 'a' }), sdk.NotFoundError, 'model_not_found');
    await f(c.moderations.create({ model: 'gem/sim-moderation', input: 'a' }), sdk.BadRequestError, 'unsupported_by_target');
  });
});
