// What the tests of both versions of Anthropic's npm package share.

import { keys, text, url, version } from '../stage.mjs';

export * from '../stage.mjs';

export const sdk = await import(version);
const Anthropic = sdk.default;

// Version 1 of the package sends its key as a bearer and asks for version 2026-10-21 of the API; version 0 sends x-api-key and
// 2023-06-01.
export const modern = version === '@anthropic-ai/sdk';

export function client(key = keys.all, more = {}) {
  return new Anthropic({ baseURL: `${url}/anthropic`, apiKey: key, maxRetries: 0, timeout: 60_000, ...more });
}

export const hello = [{ role: 'user', content: text }];
