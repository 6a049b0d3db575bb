//go:build !oldclient

package openaigo

// readsComments says whether the client takes an SSE comment for what it is. openai-go does since v3.43.0; before, it
// fails at the comments of a provider, with the gateway as without it.
const readsComments = true
