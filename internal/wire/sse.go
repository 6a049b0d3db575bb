package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/bits"
)

// Event is one Server-Sent Event. Its slices point into the reader and are valid until the next call of Fill or Last.
type Event struct {
	Name []byte // value of the event field; nil if there is none
	Data []byte // data lines, joined by line feeds; nil if there is no data line
	Raw  []byte // all bytes of the event as they were read, with the blank line that ends it
	// At is where Data stands in Raw; -1 if Data had to be joined from several lines.
	At int
	// Comment means that there is no data: comments, ids, retry times, an event name alone, or only a blank line.
	// Clients ignore such events, and they are no sign of progress.
	Comment bool
}

const (
	firstBuffer = 2 << 10  // one per open stream, so it starts small
	keepBuffer  = 64 << 10 // a larger buffer is given back as soon as it is not needed
	shrinkAfter = 64       // small events in a row after which any grown buffer is given back
)

// Reader cuts a byte stream into Server-Sent Events by the grammar of the WHATWG: lines end with LF, CRLF or CR, a
// blank line ends an event, a byte-order mark in front is passed over (it is in no event's Raw). Put together, the Raw
// of all events is what was read, so an event that is forwarded is forwarded exactly.
//
//	loop: Fill (one read); Next until it has none; at io.EOF, Last once
//
// Events come out the same however the stream is split into reads. A CR at the end of what has been read may be half
// of a CRLF: the line is taken as ended when the next byte is there, or at once where the line before it ended with a
// lone CR too, since such a stream has no LFs to wait for.
//
// The buffer grows with the largest event, up to the limit, and shrinks after it. Once it has its size nothing is
// allocated. A Reader is used by one goroutine; the zero value has DefaultEventLimit.
type Reader struct {
	buf        []byte // buf[start:end] is not consumed; len is the capacity
	start, end int
	limit      int
	err        error
	small      int // events in a row that would fit a quarter of the buffer

	begun  bool // a byte-order mark has been looked for
	loneCR bool // the last line ended with a CR and no LF
	skipLF bool // a CR was taken as a line end before its LF could be seen

	// The event under way. Offsets count from start, so that they stay right when the buffer moves.
	line, pos  int // start of the line under way; what lies between it and pos holds no line end
	name, data Span
	named      bool
	lines      int    // data lines
	join       []byte // data, if there are several lines
}

// Reset makes the reader ready for another stream, whose events may have maxEvent bytes (DefaultEventLimit if it is not
// positive). A line is part of an event, so the same limit holds for it.
func (r *Reader) Reset(maxEvent int) {
	buf, join := r.buf, r.join
	if len(buf) > keepBuffer {
		buf = nil
	}
	if cap(join) > keepBuffer {
		join = nil
	}
	*r = Reader{buf: buf, join: join[:0], limit: maxEvent}
}

// Fill does one Read into the buffer and returns its result. Events given out before are no longer valid. It is a
// *LimitError to call Fill when the buffer is full, which cannot be if Next was called until it had no more.
func (r *Reader) Fill(src io.Reader) (int, error) {
	if r.limit <= 0 {
		r.limit = DefaultEventLimit
	}
	r.makeRoom()
	if r.end == len(r.buf) {
		return 0, &LimitError{"SSE event", r.limit}
	}
	n, err := src.Read(r.buf[r.end:])
	r.end += n
	return n, err
}

func (r *Reader) makeRoom() {
	switch {
	case r.start == r.end:
		r.start, r.end = 0, 0
		if len(r.buf) > firstBuffer && (r.small >= shrinkAfter || r.small > 0 && len(r.buf) > keepBuffer) {
			r.buf, r.join = nil, nil
		}
	case r.start > 0:
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		size := max(firstBuffer, min(2*len(r.buf), r.limit+1))
		if size > len(r.buf) {
			buf := make([]byte, size)
			copy(buf, r.buf[:r.end])
			r.buf = buf
		}
	}
}

// Next returns the next event that is complete in the buffer; ok is false if there is none. The error is a *LimitError
// for an event over the limit, and stays.
func (r *Reader) Next() (ev Event, ok bool, err error) {
	if r.err != nil || r.start == r.end || !r.begin(false) {
		return Event{}, false, r.err
	}
	w := r.buf[r.start:r.end]
	for {
		eol := r.pos + indexEOL(w[r.pos:])
		if eol == len(w) {
			r.pos = eol
			return Event{}, false, r.over(len(w))
		}
		next := eol + 1
		if w[eol] == '\r' {
			switch {
			case next < len(w) && w[next] == '\n':
				next++
			case next == len(w) && (eol > r.line || !r.loneCR):
				r.pos = eol
				return Event{}, false, r.over(len(w))
			case next == len(w):
				r.skipLF = true
			}
		}
		r.loneCR = w[eol] == '\r' && next == eol+1
		if eol == r.line {
			if r.over(next) != nil {
				return Event{}, false, r.err
			}
			return r.dispatch(w[:next:next]), true, nil
		}
		r.field(w, r.line, eol)
		r.line, r.pos = next, next
	}
}

// Last returns the event that the stream broke off in, or that its sender did not end with a blank line; ok is false if
// nothing is left. It is called once, after Fill has returned io.EOF and Next has no more. Raw is completed with the
// blank line, since clients lose the event without it.
func (r *Reader) Last() (ev Event, ok bool) {
	if r.err != nil || r.start == r.end || !r.begin(true) {
		return Event{}, false
	}
	w := r.buf[r.start:r.end]
	if r.line == 1 && len(w) == 1 { // the LF of a CR that was taken before
		return Event{}, false
	}
	eol := len(w)
	if r.pos < len(w) { // a CR that waited for its LF
		eol = r.pos
	}
	if eol > r.line {
		r.field(w, r.line, eol)
	}
	if w[len(w)-1] == '\n' {
		w = append(w[:len(w):len(w)], '\n')
	} else {
		w = append(w[:len(w):len(w)], '\n', '\n')
	}
	ev = r.dispatch(w)
	r.start, r.end = 0, 0
	return ev, true
}

// begin does what comes before the first line of an event: at the start of the stream a byte-order mark is passed over,
// and after a lone CR its LF joins the event that follows. It reports false while it cannot tell yet.
func (r *Reader) begin(last bool) bool {
	const mark = "\xef\xbb\xbf"
	if !r.begun {
		w := r.buf[r.start:min(r.end, r.start+len(mark))]
		if !last && len(w) < len(mark) && string(w) == mark[:len(w)] {
			return false
		}
		r.begun = true
		if string(w) == mark {
			r.start += len(mark)
		}
		if r.start == r.end {
			return false
		}
	}
	if r.skipLF {
		r.skipLF = false
		if r.buf[r.start] == '\n' {
			r.line, r.pos, r.loneCR = 1, 1, false
		}
	}
	return true
}

// over sets and returns the error for an event of n bytes or more, nil if that is within the limit.
func (r *Reader) over(n int) error {
	switch {
	case n <= r.limit:
		return nil
	case n-r.line > r.limit:
		r.err = &LimitError{"SSE line", r.limit}
	default:
		r.err = &LimitError{"SSE event", r.limit}
	}
	return r.err
}

// field takes the line w[start:end], which is not blank.
func (r *Reader) field(w []byte, start, end int) {
	line := w[start:end]
	value := len(line)
	name := line
	if i := bytes.IndexByte(line, ':'); i >= 0 {
		name, value = line[:i], i+1
		if value < len(line) && line[value] == ' ' {
			value++
		}
	}
	span := Span{start + value, end}
	switch string(name) {
	case "data":
		switch r.lines {
		case 0:
			r.data = span
		case 1:
			r.join = append(r.join[:0], r.data.Of(w)...)
			fallthrough
		default:
			r.join = append(r.join, '\n')
			r.join = append(r.join, span.Of(w)...)
		}
		r.lines++
	case "event":
		r.name, r.named = span, true
	}
}

// dispatch gives out the event under way, whose bytes are raw, and begins another.
func (r *Reader) dispatch(raw []byte) Event {
	ev := Event{Raw: raw, At: -1, Comment: r.lines == 0}
	if r.named {
		ev.Name = r.name.Of(raw)
	}
	switch {
	case r.lines == 1:
		ev.Data, ev.At = r.data.Of(raw), r.data.Start
	case r.lines > 1:
		ev.Data = r.join
	}
	if len(raw)*4 <= len(r.buf) {
		r.small++
	} else {
		r.small = 0
	}
	r.start += len(raw)
	r.line, r.pos, r.lines, r.named = 0, 0, 0, false
	return ev
}

// indexEOL returns the index of the first CR or LF in b, len(b) if there is none. It looks at eight bytes at a time;
// the trick is that of Scanner.text.
func indexEOL(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if m := (((x ^ '\n'*ones) - ones) | ((x ^ '\r'*ones) - ones)) &^ x & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(b) && b[i] != '\n' && b[i] != '\r' {
		i++
	}
	return i
}
