// Package dialect joins the codecs of wire: which protocols there are, what each of them can express, and how a call in one
// reaches a target that speaks another. Codecs know themselves only; here they meet, through the vocabulary of llm, so that there are N
// of them and not N x N. It does no I/O, keeps no state, and runs no goroutines.
package dialect

import (
	"net/http"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Request is a request as its codec has read it, together with the places in its body that may change.
type Request interface {
	// Fields returns what the road reads.
	Fields() *wire.Request
	// AppendUpstream appends the body, which must be the one that was read, as a target of the same dialect is sent it: with the
	// change, and otherwise byte for byte.
	AppendUpstream(dst, body []byte, c *wire.Change) []byte
}

// Codec is one protocol, in both directions and at both ends. Functions that a dialect has no use for are nil (Cohere has no
// chat here).
type Codec struct {
	Dialect llm.Dialect

	// Parse reads a request as far as the road needs it, for the front. The body is validated on the way.
	Parse func(op llm.Op, body []byte) (Request, *llm.Error)
	// ReadChat reads a whole chat request for its translation (OpChat, or OpCompletion).
	ReadChat func(op llm.Op, body []byte) (*llm.Chat, *llm.Error)
	// AppendAnswer appends a whole answer for a client.
	AppendAnswer func(dst []byte, a *llm.Answer, h *llm.Head) []byte
	// NewWriter returns a writer of one streamed answer for a client.
	NewWriter func(h *llm.Head) llm.EventWriter
	// AppendError appends the body that tells a client of an error, and returns the HTTP status that goes with it. id is that
	// of the request.
	AppendError func(dst []byte, e *llm.Error, id string) (body []byte, status int)
	// SetLimits sets the dialect's own rate-limit headers. Those that are not known (-1) are left out.
	SetLimits func(h http.Header, l llm.RateLimits, now time.Time)

	// AppendChat appends a chat request for a target. Chat has been adapted: all in it can be expressed.
	AppendChat func(dst []byte, c *llm.Chat) []byte
	// ReadAnswer reads a whole 200 answer of a target. An error object in it is classified.
	ReadAnswer func(body []byte) (*llm.Answer, *llm.Error)
	// NewReader returns a reader of one streamed answer of a target.
	NewReader func() llm.EventReader
	// ClassifyError reads an answer whose status is no success. It never returns nil.
	ClassifyError func(status int, h http.Header, body []byte, now time.Time) *llm.Error
	// Limits reads the quota headers of a target's answer.
	Limits func(h http.Header) llm.RateLimits

	// Unmarked says that no event marks the end of a target's stream: it is the clean end of the connection.
	Unmarked bool

	// NewFollower returns a follower of streams that are forwarded. It must be reset before use.
	NewFollower func() wire.Follower
	// NewArrayFollower is NewFollower for clients that want the stream as a JSON array; nil where there is no such form.
	NewArrayFollower func() wire.Follower
	// NewFold returns what adds up a stream to a whole answer in the same dialect; nil where there is no such.
	NewFold func(op llm.Op) wire.Fold
	// AppendPing appends what keeps a stream's connection alive and means nothing to clients; see ingress. Nil where there is nothing like it.
	AppendPing func(dst []byte) []byte
	// Scan validates a whole answer that is forwarded, and reads what the road needs of it.
	Scan func(op llm.Op, body []byte) (wire.Answer, *llm.Error)

	// AppendCount appends the answer to a client that asks how many tokens its request has. Nil where clients cannot ask.
	AppendCount func(dst []byte, tokens int64) []byte

	// FileRefs returns where a chat request refers to uploaded files. Nil where clients cannot.
	FileRefs func(body []byte) []wire.FileRef

	// ReadEmbed reads a whole embeddings request for its translation, or to be split.
	ReadEmbed func(body []byte) (*llm.Embed, *llm.Error)
	// AppendEmbed appends an embeddings request for a target.
	AppendEmbed func(dst []byte, e *llm.Embed) []byte
	// ReadEmbedded reads a whole embeddings answer of a target.
	ReadEmbedded func(body []byte) (*llm.Embedded, *llm.Error)
	// AppendEmbedded appends an embeddings answer for a client that sent rq.
	AppendEmbedded func(dst []byte, a *llm.Embedded, rq *llm.Embed) []byte
	// SplitEmbed returns where the list of inputs of an embeddings request stands, and each input; ok is false if they cannot be
	// told apart. Nil where a request has to be read and written anew to be split.
	SplitEmbed func(body []byte) (list wire.Span, inputs []wire.Span, ok bool)
	// JoinEmbedded appends one answer made of the answers to the parts of a split request, in order, with the bytes of their vectors.
	// Nil where SplitEmbed is.
	JoinEmbedded func(dst []byte, parts [][]byte) ([]byte, *llm.Error)

	// ReadRerank reads a whole rerank request for its translation.
	ReadRerank func(body []byte) (*llm.Rerank, *llm.Error)
	// AppendRerank appends a rerank request for a target.
	AppendRerank func(dst []byte, r *llm.Rerank) []byte
	// ReadRanked reads a whole rerank answer of a target.
	ReadRanked func(body []byte) (*llm.Ranked, *llm.Error)
	// AppendRanked appends a rerank answer for a client that sent rq.
	AppendRanked func(dst []byte, a *llm.Ranked, rq *llm.Rerank) []byte
}

// Of returns the codec of a dialect; nil if there is none.
func Of(d llm.Dialect) *Codec {
	if int(d) < len(codecs) {
		return codecs[d]
	}
	return nil
}
