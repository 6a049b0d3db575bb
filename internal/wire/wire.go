// Package wire holds what every protocol of language models shares on the wire: a scanner of JSON that validates as it
// goes, a reader and writers of Server-Sent Events, append-style encoders of JSON, and what the codecs do alike with
// requests, errors and the client's end of streams. It knows no dialect, opens no connections and runs no goroutines. What
// runs for each event does not allocate once its buffers have their size; what it returns points into the caller's or the
// reader's buffer, and each function says for how long it is valid.
package wire

import "fmt"

// Limits of what is read. Each is a hard bound: what is over it is an error that names it.
const (
	// MaxDepth is how deeply arrays and objects may be nested in one JSON text.
	MaxDepth = 512
	// DefaultEventLimit is the size limit of one SSE event, in bytes, where the reader is given none. Generated images
	// come as base64 within one event, hence megabytes.
	DefaultEventLimit = 16 << 20
)

// Span is a part of a byte slice: b[Start:End].
type Span struct{ Start, End int }

// Len returns the number of bytes.
func (s Span) Len() int { return s.End - s.Start }

// Of returns the part of b that s names.
func (s Span) Of(b []byte) []byte { return b[s.Start:s.End] }

// LimitError says that something on the wire is over a limit.
type LimitError struct {
	What  string // what is too large: "SSE line" or "SSE event"
	Limit int    // in bytes
}

// Error names the limit and its value.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s is over the limit of %d bytes", e.What, e.Limit)
}
