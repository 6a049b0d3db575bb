package openai

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Action is what to do with an event.
type Action uint8

// The actions.
const (
	Forward Action = iota // send ev.Raw on
	Drop                  // do not
)

// StreamOptions says what of a stream is changed on its way.
type StreamOptions struct {
	StripUsage bool   // Sluice asked for usage, the client did not
	Model      string // model name that the client is shown; empty leaves the provider's
}

// Stream follows one streamed answer.
type Stream struct {
	Content     bool       // content was seen
	Done        bool       // [DONE] was seen
	Err         *llm.Error // error in the stream; nil if none
	Malformed   int        // events dropped because they are no JSON
	Usage       llm.Usage
	HasUsage    bool
	OutputBytes int // text, reasoning and tool arguments
}

// Reset begins a stream.
func (s *Stream) Reset(op llm.Op, choices int, o StreamOptions) {}

// Observe reads an event and says what to do with it.
func (s *Stream) Observe(ev *wire.Event) Action { return Forward }

// Finished reports whether every choice has its finish reason.
func (s *Stream) Finished() bool { return false }
