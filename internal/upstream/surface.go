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
	Path   string      // of the front, below its version: "/images/edits"
	Query  string      // raw, without credentials
	Header http.Header // the client's; may be nil
}

// Surface is how an account answers an Ask: in which dialect, and where.
type Surface struct {
	Dialect llm.Dialect
	Method  string // POST if empty
	Path    string // appended to the account's base, escaped as it is sent
	Query   string // raw
	Frames  Frames // of a streamed answer
	// Change says what of the body differs beside the request for usage. Its Model is the name that the body has to carry, where that
	// is not the target's (a deployment at Azure); empty leaves the target's.
	Change wire.Change
	Header http.Header // goes into Request.Set; may be nil
	// Items is the largest number of inputs that the operation takes at once here; 0 sets no limit beside the model's own.
	Items int
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

// Supports reports whether the account can answer an operation of a front on a model, in its dialect or another.
func (a *Account) Supports(op llm.Op, front llm.Dialect, model string) bool {
	_, ok := a.Surface(&Ask{Op: op, Front: front, Model: model})
	return ok
}
