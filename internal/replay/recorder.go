package replay

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/llm"
)

// Recorder writes a recording. It is what a call answers to (gateway.Reply) in the place of its client, and used by the call's goroutine. End
// must be called when the call is over.
type Recorder struct {
	r      *Recording
	header http.Header
	opaque bool // the stream has no events
	ids    bool // events get their ids
	named  bool // the recording has its other name, or needs none
	played string
	next   int64
	loose  int // bytes of comments since the last event
	out    []byte
	marks  []int // where events end in out
}

// maxLoose bounds what is kept of comments between two events.
const maxLoose = 64 << 10

// Record returns the recorder of a recording, of which there is one. A stream that is no stream of events is recorded as it comes.
func (r *Recording) Record() *Recorder {
	opaque := r.o.Form.Array || r.o.Form.Op == llm.OpSpeech || r.o.Form.Op == llm.OpImage
	return &Recorder{r: r, header: http.Header{}, opaque: opaque, ids: r.o.IDs, named: r.o.Name == nil, next: 1}
}

// Header returns the headers of the answer; they can be changed until it begins.
func (w *Recorder) Header() http.Header { return w.header }

// Whole records a complete answer. It is there for who waits for it, even if it is too large to be kept for others.
func (w *Recorder) Whole(status int, body []byte) {
	r := w.r
	r.mu.Lock()
	if r.over != nil {
		r.mu.Unlock()
		return
	}
	r.head = &Head{Status: status, Header: maps.Clone(w.header), Whole: true, Played: w.played}
	r.data = body
	r.over = io.EOF
	r.tell()
	r.mu.Unlock()
	fits := int64(len(body)) <= r.buffer && r.registry.grown(r, int64(len(body)))
	r.registry.ends(r, fits, fits && status < 300)
}

// Begin records that a stream begins.
func (w *Recorder) Begin() { w.BeginStatus(http.StatusOK) }

// BeginStatus records that a stream begins, with any status.
func (w *Recorder) BeginStatus(status int) {
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == nil {
		r.head = &Head{Status: status, Header: maps.Clone(w.header), Played: w.played}
		r.tell()
	}
}

// Write records whole events. Readers see them with the next Flush at the latest. It never fails.
func (w *Recorder) Write(p []byte) *llm.Error {
	w.add(p)
	return nil
}

// Flush does nothing: readers have seen all that was written.
func (w *Recorder) Flush() *llm.Error { return nil }

// Fail records how the call failed.
func (w *Recorder) Fail(e *llm.Error, event []byte) {
	w.end(&Failure{Err: e, Event: event, Header: maps.Clone(w.header)})
}

// End records that the call is over. A stream that has begun is complete then; an answer that never began is ErrCut.
func (w *Recorder) End(panicked bool) {
	w.r.mu.Lock()
	begun := w.r.head != nil
	w.r.mu.Unlock()
	if panicked || !begun {
		w.end(ErrCut)
		return
	}
	w.end(io.EOF)
}

// end notes the end, once.
func (w *Recorder) end(how error) {
	r := w.r
	r.mu.Lock()
	if r.over != nil {
		r.mu.Unlock()
		return
	}
	r.over, r.trailer = how, trailers(w.header)
	if r.grace != nil {
		r.grace.Stop()
		r.grace = nil
	}
	whole := r.base == 0
	r.tell()
	r.mu.Unlock()
	r.registry.ends(r, true, whole && how == io.EOF)
}

// trailers returns those headers that were set to follow the answer (http.TrailerPrefix).
func trailers(h http.Header) http.Header {
	t := http.Header{}
	for k, v := range h {
		if strings.HasPrefix(k, http.TrailerPrefix) {
			t[k] = v
		}
	}
	return t
}

// add appends events, each with its id if they carry one.
func (w *Recorder) add(p []byte) {
	if len(p) == 0 {
		return
	}
	out, marks := w.out[:0], w.marks[:0]
	if w.opaque {
		out = append(out, p...)
		marks, p = append(marks, len(out)), nil
	}
	for len(p) > 0 {
		n, data := cut(p)
		block := p[:n]
		p = p[n:]
		if !data { // goes with the event that follows, and does not count
			if w.loose += n; w.loose <= maxLoose {
				out = append(out, block...)
			}
			continue
		}
		w.loose = 0
		if w.ids {
			out = append(append(append(out, "id: "...), w.r.o.ID...), '-')
			out = append(strconv.AppendInt(out, w.next, 10), '\n')
		}
		out = append(out, block...)
		marks = append(marks, len(out))
		w.next++
		if !w.named {
			w.name(block)
		}
	}
	w.out, w.marks = out, marks
	w.append(out, marks)
}

func (w *Recorder) name(event []byte) {
	if alias := w.r.o.Name(event); alias != "" {
		w.named = true
		w.r.registry.name(w.r, alias)
	}
}

func (w *Recorder) append(p []byte, marks []int) {
	r := w.r
	r.mu.Lock()
	if r.over != nil {
		r.mu.Unlock()
		return
	}
	r.data = append(r.data, p...)
	at := r.base + int64(len(r.data)-len(p))
	for _, mark := range marks {
		r.ends = append(r.ends, at+int64(mark))
	}
	by := int64(len(p) + overheadEvent*len(marks))
	if int64(len(r.data)) > r.buffer {
		by -= r.trim(r.buffer - r.buffer/4) // some more than needed, so that not every event has to
	}
	r.tell()
	r.mu.Unlock()
	if r.registry.grown(r, by) {
		return
	}
	r.mu.Lock()
	freed := r.trim(int64(len(r.data)) / 2)
	r.mu.Unlock()
	r.registry.grown(r, -freed)
}

// trim lets go of the oldest events, until at most so many bytes are left, but not of the last event. It returns what that frees. It is called
// with mu held.
func (r *Recording) trim(to int64) (freed int64) {
	left, gone := int64(len(r.data)), 0
	for left > to && gone < len(r.ends)-1 {
		left = r.base + int64(len(r.data)) - r.ends[gone]
		gone++
	}
	if gone == 0 {
		return 0
	}
	at := r.ends[gone-1]
	freed = at - r.base + int64(gone)*overheadEvent
	r.data = slices.Clone(r.data[at-r.base:]) // readers may be looking at the old ones
	r.ends = slices.Clone(r.ends[gone:])
	r.base, r.first = at, r.first+int64(gone)
	return freed
}

// cut returns the length of the first event of p, with the blank line that ends it, and whether it is one that clients see rather than a comment.
func cut(p []byte) (n int, data bool) {
	for n < len(p) {
		line := p[n:]
		end := bytes.IndexAny(line, "\r\n")
		if end < 0 {
			return len(p), data || line[0] != ':'
		}
		after := n + end + 1
		if line[end] == '\r' && after < len(p) && p[after] == '\n' {
			after++
		}
		switch {
		case end == 0:
			return after, data
		case line[0] != ':':
			data = true
		}
		n = after
	}
	return n, data
}
