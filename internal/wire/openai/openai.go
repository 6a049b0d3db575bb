// Package openai is the codec of OpenAI's dialect (chat completions, completions, embeddings), as OpenAI and the many
// servers that follow it speak it. It reads what Sluice has to know of a request, a stream, an answer or an error,
// and names or changes the places that must differ; all other bytes stay as they came. It also holds the encoders for
// both ends of the protocol, and the translation of whole requests, answers and streams to and from the words of llm, for calls
// that another dialect is at the other end of: ReadChat, AppendAnswer and NewWriter towards clients, AppendChat, ReadAnswer and
// NewReader towards servers. It opens no connections, runs no goroutines and keeps no state beyond one call.
//
// It is the one place that knows how providers word their errors; what leaves it is an *llm.Error.
package openai

// Done is the event that ends a stream.
const Done = "data: [DONE]\n\n"
