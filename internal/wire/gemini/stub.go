package gemini

import (
	"net/http"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Request is what Sluice reads of a request body, and the places that it may change.
type Request struct{ wire.Request }

// AppendUpstream appends the body for a target of the same dialect.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte { return append(dst, body...) }

// ParseRequest validates a body.
func ParseRequest(op llm.Op, body []byte) (*Request, *llm.Error) { return nil, bad("", "not yet") }

// SplitPath splits a path.
func SplitPath(path string) (version, model, method string, ok bool) { return "", "", "", false }

// ReadChat reads a chat request.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) { return nil, bad("", "not yet") }

// AppendAnswer appends a whole answer.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte { return dst }

// NewWriter returns a writer.
func NewWriter(h *llm.Head) llm.EventWriter { return nil }

// AppendError appends an error body.
func AppendError(dst []byte, e *llm.Error, id string) ([]byte, int) { return dst, e.Kind.Status() }

// SetLimits does nothing.
func SetLimits(http.Header, llm.RateLimits, time.Time) {}

// AppendChat appends a chat request.
func AppendChat(dst []byte, c *llm.Chat) []byte { return dst }

// ReadAnswer reads a whole answer.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) { return nil, bad("", "not yet") }

// NewReader returns a reader.
func NewReader() llm.EventReader { return nil }

// ClassifyError reads an error answer.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error { return bad("", "not yet") }

// Limits returns llm.NoRateLimits.
func Limits(http.Header) llm.RateLimits { return llm.NoRateLimits() }

// NewFollower returns a follower.
func NewFollower() wire.Follower { return nil }

// NewArrayFollower returns a follower whose client gets a JSON array.
func NewArrayFollower() wire.Follower { return nil }

// Scan validates a whole answer.
func Scan(op llm.Op, body []byte) (wire.Answer, *llm.Error) { return wire.Answer{}, bad("", "not yet") }
