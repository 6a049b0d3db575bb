//go:build !oldclient

package openaigo

// readsComments says whether the client takes an SSE comment for what it is. openai-go does since v3.43.0.
const readsComments = true
