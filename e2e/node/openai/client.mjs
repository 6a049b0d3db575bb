// What the tests of both versions of the npm package openai share.

import { keys, text, url, version } from '../stage.mjs';

export * from '../stage.mjs';

export const sdk = await import(version);
export const { zodResponseFormat, zodTextFormat } = await import(`${version}/helpers/zod`);

export function client(key = keys.all, more = {}) {
  return new sdk.OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 60_000, ...more });
}

export const hello = [{ role: 'user', content: text }];

// Gathers a stream: text and finish reason by choice, and the chunks that have usage.
export async function gather(stream) {
  const got = { text: {}, finish: {}, reasoning: '', details: [], chunks: 0, usage: [] };
  for await (const chunk of stream) {
    got.chunks++;
    for (const choice of chunk.choices ?? []) {
      got.text[choice.index] = (got.text[choice.index] ?? '') + (choice.delta.content ?? '');
      got.reasoning += choice.delta.reasoning_content ?? '';
      got.details.push(...(choice.delta.reasoning_details ?? []));
      if (choice.finish_reason) got.finish[choice.index] = choice.finish_reason;
    }
    if (chunk.usage) got.usage.push(chunk);
  }
  return got;
}
