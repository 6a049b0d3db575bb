package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// watcher looks at the bytes of an answer that is passed on as it comes.
type watcher interface {
	// see is given the next bytes.
	see(p []byte)
	// ready reports whether the answer may begin to go to the client. Until then it is kept, and the call may go elsewhere.
	ready() bool
	// broke returns the error that the provider sent within the answer; nil if it did not.
	broke() *llm.Error
	// end returns what is missing when the answer has ended cleanly; nil if it is complete.
	end() error
	// used adds what the answer says was used.
	used(c *consumed)
	// fail returns what tells the client, within the answer, that it ends here; nil where its form has no word for that: then the
	// connection is cut.
	fail(e *llm.Error) []byte
}

// blind watches answers of which nothing is known.
type blind struct{}

func (blind) see([]byte)             {}
func (blind) ready() bool            { return true }
func (blind) broke() *llm.Error      { return nil }
func (blind) end() error             { return nil }
func (blind) used(*consumed)         {}
func (blind) fail(*llm.Error) []byte { return nil }

// passSize is how much of an answer is read at once.
const passSize = 32 << 10

var passBuffers = sync.Pool{New: func() any { return new([passSize]byte) }}

// pass sends an answer on as it comes, flushed with each read. An error means that nothing has reached the client.
//
//  1. Until the watcher is ready the bytes are kept; an error of the provider's is then the attempt's, which may be made elsewhere.
//  2. From then on what is read is written and flushed, with the provider's status and headers.
//  3. An answer that breaks off, or ends before it is complete, ends for the client with an error of its form or with its
//     connection: never as if it were whole.
func (r *run) pass(answer *upstream.Answer, w watcher) *llm.Error {
	buf := passBuffers.Get().(*[passSize]byte)
	defer passBuffers.Put(buf)
	e := r.passAll(answer, w, buf[:])
	w.used(&r.consumed)
	if r.committed.IsZero() {
		r.consumed.refused = w.broke() != nil
		return e
	}
	if e == nil {
		return nil
	}
	if why := upstream.Cause(r.ctx); e.Kind == llm.KindCanceled && why != nil {
		e = why
	}
	r.err = e
	if e.Kind != llm.KindSlowClient && w.broke() == nil { // the provider's own error has been passed on
		e.Sent = llm.OutputBegun
		r.w.Fail(e, w.fail(e))
	}
	return nil
}

func (r *run) passAll(answer *upstream.Answer, w watcher, buf []byte) *llm.Error {
	var held []byte
	var received int64
	for {
		n, err := answer.Read(buf)
		p := buf[:n]
		received += int64(n)
		if n > 0 {
			answer.Progress()
			w.see(p)
		}
		fail, done := w.broke(), false
		if err != nil && fail == nil {
			fail, done = r.ended(answer, w, err, received)
		}
		live := !r.committed.IsZero()
		if !live && fail == nil && !done && !w.ready() {
			if held = append(held, p...); len(held) > maxHeld {
				return tooMuch("the provider sent over %d bytes without a first result", maxHeld)
			}
			continue
		}
		if !live && fail != nil {
			return fail
		}
		if !live {
			r.beginPass(answer)
			p, held = append(held, p...), nil
		}
		if e := r.sendOn(p); e != nil {
			return e
		}
		if fail != nil || done {
			return fail
		}
	}
}

// ended says what the end of an answer means.
func (r *run) ended(answer *upstream.Answer, w watcher, err error, received int64) (fail *llm.Error, done bool) {
	switch {
	case err != io.EOF:
		return answer.Fail(err), false
	case answer.Length >= 0 && received < answer.Length && r.x.Method != http.MethodHead: // which asks for the length only
		return answer.Fail(io.EOF), false
	}
	if missing := w.end(); missing != nil {
		return answer.Fail(missing), false
	}
	return nil, true
}

// anyStatus is a Reply whose streams may begin with any status.
type anyStatus interface{ BeginStatus(status int) }

// beginPass is the commit point of an answer that is passed on.
func (r *run) beginPass(answer *upstream.Answer) {
	h := r.w.Header()
	if answer.Length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(answer.Length, 10)}
	}
	if len(answer.Header["Content-Type"]) == 0 {
		h["Content-Type"] = nil // it is no event stream, which is what answers are that do not say
		if answer.Length != 0 {
			h["Content-Type"] = []string{"application/octet-stream"}
		}
	}
	if w, ok := r.w.(anyStatus); ok && answer.Status != http.StatusOK {
		r.w = begins{r.w, func() { w.BeginStatus(answer.Status) }}
	}
	answer.FirstToken()
	r.first = time.Now()
	r.lease.Begun()
	r.beginStream(answer)
}

// begins is a Reply that begins otherwise.
type begins struct {
	Reply
	begin func()
}

func (b begins) Begin() { b.begin() }

// sendOn writes and flushes a part of an answer.
func (r *run) sendOn(p []byte) *llm.Error {
	if len(p) == 0 {
		return nil
	}
	r.bytesOut += int64(len(p))
	if e := r.w.Write(p); e != nil {
		return e
	}
	return r.w.Flush()
}

var errNoEnd = errors.New("end of stream without its last event")
