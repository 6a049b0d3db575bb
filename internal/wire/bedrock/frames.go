package bedrock

import (
	"io"

	"sluice/internal/wire"
)

// ContentType is the media type of a stream of frames.
const ContentType = "application/vnd.amazon.eventstream"

// Frames cuts a byte stream into the events of application/vnd.amazon.eventstream. It has the shape of wire.Reader:
//
//	loop: Fill (one read); Next until it has none; at io.EOF, Last once
//
// An event's Name is its :event-type, or the :exception-type of an exception; Data is the payload. Raw is nil and At -1: a frame is
// never forwarded as it is.
type Frames struct {
	// Anthropic unwraps the frames of Claude's own protocol (invoke-with-response-stream): an event's Data is then the JSON within the
	// chunk and Name its type, and an exception becomes an error event of that protocol.
	Anthropic bool
}

// Reset makes the reader ready for another stream, whose frames may have maxEvent bytes (wire.DefaultEventLimit if it is not
// positive).
func (f *Frames) Reset(maxEvent int) {}

// Fill does one Read into the buffer and returns its result. Events given out before are no longer valid.
func (f *Frames) Fill(src io.Reader) (int, error) { return 0, io.EOF }

// Next returns the next frame that is complete in the buffer; ok is false if there is none.
func (f *Frames) Next() (ev wire.Event, ok bool, err error) { return wire.Event{}, false, nil }

// Last returns nothing: a frame that the stream broke off in is lost.
func (f *Frames) Last() (ev wire.Event, ok bool) { return wire.Event{}, false }
