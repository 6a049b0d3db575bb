package wire

import "io"

// Event is one Server-Sent Event.
type Event struct {
	Name    []byte // value of the event field; nil if there is none
	Data    []byte // data lines joined by line feeds; nil if there is none
	Raw     []byte // all bytes of the event, with the blank line that ends it
	Comment bool   // no data: comments, ids, retry times, or nothing but a blank line
	At      int    // Data is Raw[At:At+len(Data)]; -1 if Data was joined from several lines
}

// Reader cuts a stream into events.
type Reader struct{}

// Reset makes the reader ready for another stream.
func (r *Reader) Reset(maxEvent int) {}

// Fill reads once.
func (r *Reader) Fill(src io.Reader) (int, error) { return 0, io.EOF }

// Next returns the next complete event.
func (r *Reader) Next() (Event, bool, error) { return Event{}, false, nil }

// Last returns what is left at the end of the stream.
func (r *Reader) Last() (Event, bool) { return Event{}, false }
