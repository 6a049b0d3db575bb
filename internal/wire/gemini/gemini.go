// Package gemini is the codec of Google's generateContent, as the Gemini API and Vertex AI speak it: requests, whole
// answers, streams, errors, embeddings and token counts, at both ends. It reads what Sluice has to know of bytes that are
// forwarded, and names or changes the places that must differ; all other bytes stay as they came. What goes to another
// dialect or comes from one passes through the vocabulary of llm. It opens no connections, runs no goroutines and keeps no
// state beyond one call.
//
// Facts of the protocol are from docs/PROVIDERS.md and from the official SDKs (@google/genai 3.1.0, go-genai 1.77.0, read
// 2026-11).
package gemini

import (
	"sluice/internal/llm"
)

// Limits of what is read. What is over them is refused, and the error names the limit.
const (
	maxCandidates = 128  // candidates of one answer; Google's own limit is 8
	maxEmbeds     = 1000 // requests in one batchEmbedContents; Google's own limit is 100
)

// bad makes the error for a request that cannot be. It is kept out of line, as llm.Errorf is.
//
//go:noinline
func bad(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(llm.KindBadRequest, format, args...)
	e.Param = param
	return e
}
