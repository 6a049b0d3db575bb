package openai

import (
	"net/http"
	"time"

	"sluice/internal/llm"
)

// ClassifyError reads the answer of a provider that is not a success.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error { return nil }

// RetryAfter returns the wait that a provider asks for.
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) { return 0, false }

// AppendError appends an error body in OpenAI's shape.
func AppendError(dst []byte, e *llm.Error) []byte { return dst }

// AppendStreamError appends an error event.
func AppendStreamError(dst []byte, e *llm.Error) []byte { return dst }
