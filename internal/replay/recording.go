package replay

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
)

// Recording is one answer, as far as it has come. It is written by the goroutine of its call, through a Recorder, and read by any number of
// readers, none of which can hold it up.
//
// Invariant: data holds whole events, and comments before them; ends says where each event ends, counted from the stream's beginning. Bytes once written are
// never changed: readers look at them without the lock.
type Recording struct {
	// set once
	o        Options
	registry *Registry
	buffer   int64
	start    time.Time

	size atomic.Int64 // that the registry has counted

	// guarded by the registry's mu
	alias   string
	expires time.Time // zero until it has ended
	dropped bool

	mu      sync.Mutex // guards what follows
	head    *Head      // nil until the answer has begun
	data    []byte
	base    int64       // bytes of the stream before data
	ends    []int64     // of the events from number first+1 on
	first   int64       // events before data
	trailer http.Header // set with over
	over    error       // what readers get at the end; nil while it goes on
	changed chan struct{}
	readers int
	grace   *time.Timer // runs while nobody reads
}

// Head is how an answer begins.
type Head struct {
	Status int
	Header http.Header // not to be changed
	Whole  bool        // it is not a stream
	Played string      // id of the call that the answer was kept of; "" if it is this recording's own
}

// Failure is how a call ended that did not succeed. It is not to be changed.
type Failure struct {
	Err    *llm.Error
	Event  []byte      // tells of it within the stream; nil for none
	Header http.Header // of the answer that tells of it
}

// Error returns the error's text.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error.
func (f *Failure) Unwrap() error { return f.Err }

// ErrCut is what readers get where a stream broke off without a word.
var ErrCut = errors.New("the recorded answer broke off")

// overheadEvent is what each event counts for besides its bytes.
const overheadEvent = 8

// ID returns the id of the recorded call.
func (r *Recording) ID() string { return r.o.ID }

// complete reports whether all that has come is there, from the beginning.
func (r *Recording) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.base == 0
}

// Form returns the form of the answer.
func (r *Recording) Form() Form { return r.o.Form }

// Reader is one client's place in a recording. It is used by one goroutine, which calls Close.
type Reader struct {
	r      *Recording
	pos    int64
	closed bool
}

// Attach returns a reader of the whole recording. The error is of KindNoStream if its beginning is not there any more.
func (r *Recording) Attach() (*Reader, *llm.Error) { return r.AttachAfter(0) }

// AttachAfter returns a reader of what comes after event n of a stream, counted from 1. The error is of KindNoStream if the recording does
// not hold what comes next, or has had no event n.
func (r *Recording) AttachAfter(n int64) (*Reader, *llm.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch at := n - r.first; {
	case at < 0:
		return nil, r.overrun()
	case at > int64(len(r.ends)):
		return nil, missing(r.o.ID, "it has not had so many events")
	case at == 0:
		return r.attach(r.base), nil
	default:
		return r.attach(r.ends[at-1]), nil
	}
}

// AttachFrom returns a reader that begins at the first event of a stream for which is is true, or at what is yet to come. is must be false for
// all events before those for which it is true.
func (r *Recording) AttachFrom(is func(event []byte) bool) (*Reader, *llm.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := sort.Search(len(r.ends), func(i int) bool { return is(r.event(i)) })
	switch {
	case i == 0 && r.first > 0:
		return nil, r.overrun()
	case i == 0:
		return r.attach(0), nil
	}
	return r.attach(r.ends[i-1]), nil
}

func (r *Recording) event(i int) []byte {
	from := r.base
	if i > 0 {
		from = r.ends[i-1]
	}
	return r.data[from-r.base : r.ends[i]-r.base]
}

func (r *Recording) overrun() *llm.Error {
	e := missing(r.o.ID, "")
	e.Message = llm.Errorf(llm.KindNoStream, "the stream %.80q cannot be gone on with: what comes next is not kept any more (resume.buffer, %d bytes; resume.max_bytes, %d bytes); "+
		"the oldest event that is kept is %d", r.o.ID, r.buffer, r.registry.config.Load().MaxBytes, r.first+1).Message
	return e
}

func (r *Recording) attach(pos int64) *Reader {
	r.readers++
	if r.grace != nil {
		r.grace.Stop()
		r.grace = nil
	}
	return &Reader{r: r, pos: pos}
}

// Close gives the place up. The call goes on for the time of grace if it was the last one.
func (rd *Reader) Close() {
	if rd.closed {
		return
	}
	rd.closed = true
	grace := rd.r.registry.grace()
	rd.r.mu.Lock()
	defer rd.r.mu.Unlock()
	rd.r.readers--
	rd.r.abandon(grace)
}

// abandon ends the call after the time of grace, unless somebody reads it again by then, or it has ended. It is called with mu held.
func (r *Recording) abandon(grace time.Duration) {
	if r.readers > 0 || r.over != nil || r.o.Cancel == nil {
		return
	}
	if r.grace != nil {
		r.grace.Stop()
	}
	r.grace = time.AfterFunc(grace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.readers == 0 && r.over == nil {
			r.o.Cancel(llm.Errorf(llm.KindCanceled, "the client closed the connection, and none came back within %v (resume.grace)", grace))
		}
	})
}

// Head waits for the beginning of the answer. The error is a *Failure or ErrCut if there is none, or that of ctx.
func (rd *Reader) Head(ctx context.Context) (*Head, error) {
	r := rd.r
	for {
		r.mu.Lock()
		if r.head != nil || r.over != nil {
			defer r.mu.Unlock()
			if r.head == nil {
				return nil, r.over
			}
			return r.head, nil
		}
		wait := r.wait()
		r.mu.Unlock()
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// Next waits for more of the answer and returns all that is there, which must not be changed. At the end the error is io.EOF, a *Failure or
// ErrCut; an *llm.Error of KindSlowClient if the reader was so slow that what it needs is not kept any more; or that of ctx.
func (rd *Reader) Next(ctx context.Context) ([]byte, error) {
	r := rd.r
	for {
		r.mu.Lock()
		at := rd.pos - r.base
		switch {
		case at < 0:
			r.mu.Unlock()
			return nil, llm.Errorf(llm.KindSlowClient, "the client fell behind by more than is kept of the stream (resume.buffer, %d bytes)", r.buffer)
		case at < int64(len(r.data)):
			p := r.data[at:len(r.data):len(r.data)]
			rd.pos += int64(len(p))
			r.mu.Unlock()
			return p, nil
		case r.over != nil:
			r.mu.Unlock()
			return nil, r.over
		}
		wait := r.wait()
		r.mu.Unlock()
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// Trailer returns the headers that follow an answer, under the names that net/http takes them by. It is for who has read to the end.
func (rd *Reader) Trailer() http.Header {
	rd.r.mu.Lock()
	defer rd.r.mu.Unlock()
	return rd.r.trailer
}

// wait returns what is closed with the next change. It is called with mu held.
func (r *Recording) wait() <-chan struct{} {
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.changed
}

func sleep(ctx context.Context, wait <-chan struct{}) error {
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tell wakes the readers. It is called with mu held.
func (r *Recording) tell() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// Answer returns a recording that has ended well as it is kept for its key; ok is false if it has not, or is not there from its beginning.
func (r *Recording) Answer() (a Answer, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over != io.EOF || r.head == nil || r.base > 0 || r.head.Status >= 300 || int64(len(r.data)) > r.buffer {
		return Answer{}, false
	}
	header := r.head.Header.Clone()
	maps.Copy(header, r.trailer)
	return Answer{
		Owner: r.o.Owner, Key: r.o.Key, Hash: r.o.Hash, Call: r.o.ID, Created: r.start,
		Status: r.head.Status, Header: header, Stream: !r.head.Whole, Body: r.data,
	}, true
}
