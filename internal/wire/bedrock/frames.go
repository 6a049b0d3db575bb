package bedrock

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"sluice/internal/wire"
)

// ContentType is the media type of a stream of frames.
const ContentType = "application/vnd.amazon.eventstream"

// A frame, all numbers big endian:
//
//	total length u32 | headers length u32 | CRC32 of these 8 bytes | headers | payload | CRC32 of all before
const (
	preludeLen = 8
	crcLen     = 4
	frameMin   = preludeLen + 2*crcLen

	// maxHeaders is the size limit of a frame's headers, that of AWS's specification of the format.
	maxHeaders = 128 << 10

	firstBuffer = 4 << 10
	keepBuffer  = 64 << 10 // a larger buffer is given back as soon as it is not needed
)

// FrameError says that bytes are no frame. Nothing can be read after it: where the next frame begins is not known.
type FrameError struct{ What string }

// Error says what is wrong.
func (e *FrameError) Error() string { return "read AWS event stream: " + e.What }

// Frames cuts a byte stream into the events of application/vnd.amazon.eventstream. It has the shape of wire.Reader:
//
//	loop: Fill (one read); Next until it has none; at io.EOF, Last once
//
// An event's Name is its :event-type, or the :exception-type of an exception; Data is the payload. A message of type error, which
// has no payload, is named "error" and has its code and message as JSON. Raw is nil and At -1: a frame is never forwarded as it is.
// Both checksums of each frame are checked. Events come out the same however the stream is split into reads, and are valid until the
// next call of Next or Fill. In the long run nothing is allocated. A Frames is used by one goroutine; the zero value has
// wire.DefaultEventLimit.
type Frames struct {
	// Anthropic unwraps the frames of Claude's own protocol (invoke-with-response-stream): an event's Data is then the JSON within the
	// chunk and Name its type, and an exception becomes an error event of that protocol.
	Anthropic bool

	buf        []byte // buf[start:end] is not consumed; len is the capacity
	start, end int
	limit      int
	err        error
	data       []byte // payload that had to be made
}

// Reset makes the reader ready for another stream, whose frames may have maxEvent bytes (wire.DefaultEventLimit if it is not
// positive). Anthropic stays.
func (f *Frames) Reset(maxEvent int) {
	buf, data := f.buf, f.data
	if len(buf) > keepBuffer {
		buf = nil
	}
	if cap(data) > keepBuffer {
		data = nil
	}
	*f = Frames{Anthropic: f.Anthropic, buf: buf, data: data[:0], limit: maxEvent}
}

// Fill does one Read into the buffer and returns its result. Events given out before are no longer valid. It is an error to call
// Fill when the buffer is full, which cannot be if Next was called until it had no more.
func (f *Frames) Fill(src io.Reader) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	f.makeRoom()
	if f.end == len(f.buf) {
		return 0, &wire.LimitError{What: "AWS event-stream frame", Limit: f.max()}
	}
	n, err := src.Read(f.buf[f.end:])
	f.end += n
	return n, err
}

func (f *Frames) max() int {
	if f.limit <= 0 {
		return wire.DefaultEventLimit
	}
	return f.limit
}

func (f *Frames) makeRoom() {
	switch {
	case f.start == f.end:
		f.start, f.end = 0, 0
		if len(f.buf) > keepBuffer {
			f.buf = nil
		}
	case f.start > 0:
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	if f.end < len(f.buf) {
		return
	}
	size := max(firstBuffer, min(2*len(f.buf), f.max()))
	if size > len(f.buf) {
		buf := make([]byte, size)
		copy(buf, f.buf[:f.end])
		f.buf = buf
	}
}

// Next returns the next frame that is complete in the buffer; ok is false if there is none. The error is a *wire.LimitError for a
// frame over the limit, or a *FrameError, and stays.
func (f *Frames) Next() (ev wire.Event, ok bool, err error) {
	for {
		frame, headers, err := f.frame()
		if frame == nil {
			return wire.Event{}, false, err
		}
		payload := frame[preludeLen+crcLen+headers : len(frame)-crcLen]
		h, what := parseHeaders(frame[preludeLen+crcLen : preludeLen+crcLen+headers])
		if what != "" {
			return wire.Event{}, false, f.fail(what)
		}
		f.start += len(frame)
		if ev, ok := f.event(&h, payload); ok {
			return ev, true, nil
		}
	}
}

// frame returns the first frame in the buffer and the length of its headers; nil if it is not complete.
func (f *Frames) frame() (frame []byte, headers int, err error) {
	w := f.buf[f.start:f.end]
	if f.err != nil || len(w) < preludeLen+crcLen {
		return nil, 0, f.err
	}
	if got, want := crc32.ChecksumIEEE(w[:preludeLen]), binary.BigEndian.Uint32(w[preludeLen:]); got != want {
		return nil, 0, f.fail(fmt.Sprintf("the prelude has checksum %08x, want %08x", got, want))
	}
	total, head := binary.BigEndian.Uint32(w), binary.BigEndian.Uint32(w[4:])
	switch {
	case total < frameMin || head > total-frameMin:
		return nil, 0, f.fail(fmt.Sprintf("a frame of %d bytes cannot have %d bytes of headers", total, head))
	case uint64(total) > uint64(f.max()):
		f.err = &wire.LimitError{What: "AWS event-stream frame", Limit: f.max()}
		return nil, 0, f.err
	case head > maxHeaders:
		f.err = &wire.LimitError{What: "headers of an AWS event-stream frame", Limit: maxHeaders}
		return nil, 0, f.err
	case len(w) < int(total):
		return nil, 0, nil
	}
	w = w[:total]
	if got, want := crc32.ChecksumIEEE(w[:total-crcLen]), binary.BigEndian.Uint32(w[total-crcLen:]); got != want {
		return nil, 0, f.fail(fmt.Sprintf("a frame has checksum %08x, want %08x", got, want))
	}
	return w, int(head), nil
}

func (f *Frames) fail(what string) error {
	f.err = &FrameError{what}
	return f.err
}

// Last returns nothing: a frame that the stream broke off in is lost. It is there for the shape of wire.Reader.
func (f *Frames) Last() (ev wire.Event, ok bool) { return wire.Event{}, false }

// headers are those of a frame that its meaning hangs on. They point into the frame.
type headers struct {
	message, event, exception, code, text []byte
}

// parseHeaders reads a frame's headers; what says what is wrong with them.
func parseHeaders(b []byte) (h headers, what string) {
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n+1 {
			return h, "a header has no name, or is cut short"
		}
		name, kind := b[1:1+n], b[1+n]
		value, rest, ok := headerValue(kind, b[n+2:])
		if !ok {
			return h, fmt.Sprintf("header %.40q of type %d is cut short, or of no known type", name, kind)
		}
		b = rest
		if kind != typeString {
			continue
		}
		switch string(name) {
		case ":message-type":
			h.message = value
		case ":event-type":
			h.event = value
		case ":exception-type":
			h.exception = value
		case ":error-code":
			h.code = value
		case ":error-message":
			h.text = value
		}
	}
	return h, ""
}

// The types of header values that have no size of their own.
const (
	typeBytes  = 6
	typeString = 7
)

// headerValue cuts a header's value off b.
func headerValue(kind byte, b []byte) (value, rest []byte, ok bool) {
	sizes := [...]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, typeBytes: -1, typeString: -1, 8: 8, 9: 16}
	if int(kind) >= len(sizes) {
		return nil, nil, false
	}
	size := sizes[kind]
	if size < 0 {
		if len(b) < 2 {
			return nil, nil, false
		}
		size, b = int(binary.BigEndian.Uint16(b)), b[2:]
	}
	if len(b) < size {
		return nil, nil, false
	}
	return b[:size], b[size:], true
}

// event makes an event of a frame. ok is false for one that has none to give.
func (f *Frames) event(h *headers, payload []byte) (ev wire.Event, ok bool) {
	ev = wire.Event{Name: h.event, Data: payload, At: -1}
	switch string(h.message) {
	case "exception":
		ev.Name = h.exception
		if f.Anthropic {
			return f.anthropicError(string(h.exception), readMessage(payload)), true
		}
	case "error":
		if f.Anthropic {
			return f.anthropicError(string(h.code), string(h.text)), true
		}
		f.data = append(f.data[:0], `{"code":`...)
		f.data = wire.AppendString(f.data, h.code)
		f.data = append(f.data, `,"message":`...)
		f.data = wire.AppendString(f.data, h.text)
		f.data = append(f.data, '}')
		ev.Name, ev.Data = []byte("error"), f.data
	default:
		if f.Anthropic {
			return f.unwrap(payload)
		}
	}
	return ev, true
}

// unwrap returns the event within a chunk of Claude's protocol. A chunk without one says nothing.
func (f *Frames) unwrap(payload []byte) (ev wire.Event, ok bool) {
	var sc wire.Scanner
	sc.Reset(payload)
	found := false
	if sc.Object() {
		for {
			name, more := sc.Member()
			if !more {
				break
			}
			isBytes := string(name) == "bytes" && sc.Kind() == wire.String
			if v := sc.Value(); isBytes && v.Len() > 2 {
				f.data, found = appendDecoded(f.data[:0], v.Of(payload))
			}
		}
	}
	if !found {
		return wire.Event{}, false
	}
	return wire.Event{Name: eventType(f.data), Data: f.data, At: -1}, true
}

// appendDecoded appends what the JSON string lit says in base64.
func appendDecoded(dst, lit []byte) ([]byte, bool) {
	text := lit[1 : len(lit)-1]
	for _, c := range text {
		if c == '\\' { // base64 needs no escape but \/
			text = wire.Unquote(nil, lit)
			break
		}
	}
	out, err := base64.StdEncoding.AppendDecode(dst, text)
	return out, err == nil
}

// eventType returns the text of the member type of an object; nil if there is none.
func eventType(data []byte) []byte {
	var sc wire.Scanner
	sc.Reset(data)
	if !sc.Object() {
		return nil
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return nil
		}
		isType := string(name) == "type" && sc.Kind() == wire.String
		if v := sc.Value(); isType {
			return data[v.Start+1 : v.End-1]
		}
	}
}

// anthropicError returns an exception as the error event of Claude's protocol.
func (f *Frames) anthropicError(exception, message string) wire.Event {
	f.data = append(f.data[:0], `{"type":"error","error":{"type":`...)
	f.data = wire.AppendString(f.data, exceptionOf(exception).anthropic)
	f.data = append(f.data, `,"message":`...)
	f.data = wire.AppendString(f.data, exception+": "+message)
	f.data = append(f.data, `}}`...)
	return wire.Event{Name: []byte("error"), Data: f.data, At: -1}
}
