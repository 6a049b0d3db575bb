package upstream

import (
	"net/http"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Ask is one operation on one model, as a front has it.
type Ask struct {
	Op     llm.Op
	Front  llm.Dialect
	Model  string // the provider's name
	Stream bool
	Path   string // of the front, below its version: "/images/edits"
	Query  string // raw, without credentials
}

// Surface is how an account answers an Ask: in which dialect, and where.
type Surface struct {
	Dialect llm.Dialect
	Method  string      // POST if empty
	Path    string      // appended to the account's base
	Query   string      // raw
	Frames  Frames      // of a streamed answer
	Change  wire.Change // what of the body differs beside the model's name and the request for usage
	Header  http.Header // set on the request, before the account's own; may be nil
}

// Frames is the framing of a stream.
type Frames uint8

// The framings.
const (
	FrameSSE  Frames = iota
	FrameAWS         // application/vnd.amazon.eventstream
	FrameJSON        // an array of JSON objects
)

// Surface returns how the account answers an operation. ok is false if it cannot.
func (a *Account) Surface(ask *Ask) (s Surface, ok bool) {
	switch ask.Op {
	case llm.OpChat, llm.OpCompletion, llm.OpEmbedding:
		return Surface{Dialect: llm.OpenAI, Path: ask.Path, Query: ask.Query}, true
	}
	return Surface{}, false
}
