// Package anthropic is the codec of Anthropic's Messages protocol: both directions, both ends. It reads what Sluice has to
// know of a request, a stream, an answer or an error, names or changes the places that must differ where both ends speak the
// protocol, and translates from and to the vocabulary of llm where they do not. It opens no connections, runs no goroutines
// and keeps no state beyond one call.
//
// The facts are those of PROVIDERS.md sections 2 and 6.4 (2026-11-20) and of the official SDKs' types (npm 0.137 and
// 1.11, Go 1.84 and v2 2.12). The wire form of answers is the same in both API versions.
package anthropic

import (
	"net/http"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// The API versions that there are, newest last. The second one is since 2026-10-21.
const (
	Version = "2023-06-01"
	Latest  = "2026-10-21"
)

// Request is what Sluice reads of a request body, and the places that it may change.
type Request struct {
	wire.Request
	model wire.Span
}

// AppendUpstream appends the body as a target of this dialect is sent it.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte {
	return append(dst, body...)
}

// ParseRequest reads a request for OpChat or OpCountTokens.
func ParseRequest(op llm.Op, body []byte) (*Request, *llm.Error) { return nil, notYet() }

// ReadChat reads a whole request for its translation.
func ReadChat(op llm.Op, body []byte) (*llm.Chat, *llm.Error) { return nil, notYet() }

// AppendAnswer appends a whole answer for a client.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte { return dst }

// NewWriter returns a writer of one streamed answer for a client.
func NewWriter(h *llm.Head) llm.EventWriter { return nil }

// AppendError appends the body that tells a client of an error.
func AppendError(dst []byte, e *llm.Error, id string) ([]byte, int) { return dst, e.Kind.Status() }

// SetLimits sets the dialect's rate-limit headers.
func SetLimits(h http.Header, l llm.RateLimits, now time.Time) {}

// AppendChat appends a chat request for a target.
func AppendChat(dst []byte, c *llm.Chat) []byte { return dst }

// ReadAnswer reads a whole 200 answer of a target.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) { return nil, notYet() }

// NewReader returns a reader of one streamed answer of a target.
func NewReader() llm.EventReader { return nil }

// ClassifyError reads an answer whose status is no success.
func ClassifyError(status int, h http.Header, body []byte, now time.Time) *llm.Error { return notYet() }

// Limits reads the quota headers of a target's answer.
func Limits(h http.Header) llm.RateLimits { return llm.NoRateLimits() }

// NewFollower returns a follower of streams that are forwarded.
func NewFollower() wire.Follower { return nil }

// Scan validates a whole answer that is forwarded.
func Scan(op llm.Op, body []byte) (wire.Answer, *llm.Error) { return wire.Answer{}, notYet() }

// AppendCount appends the answer to count_tokens.
func AppendCount(dst []byte, tokens int64) []byte { return dst }

// ReadCount reads a target's answer to count_tokens.
func ReadCount(body []byte) (int64, *llm.Error) { return 0, notYet() }

// Model is one row of a model list.
type Model struct {
	ID, Name  string    // Name is for people; ID if empty
	Created   time.Time // zero if not known
	MaxInput  int64     // tokens; 0 if not known
	MaxOutput int64
	// What it can do; nil if not known.
	Images, Files, Schema, Thinking *bool
}

// AppendModel appends one model.
func AppendModel(dst []byte, m *Model) []byte { return dst }

// AppendModels appends a page of models.
func AppendModels(dst []byte, all []Model, more bool) []byte { return dst }

func notYet() *llm.Error { return llm.Errorf(llm.KindInternal, "not written yet") }
