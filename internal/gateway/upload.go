package gateway

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"sluice/internal/llm"
	"sluice/internal/upstream"
	"sluice/internal/wire"
)

// Upload is the body of a request that is streamed through to the provider: what has been read of it, which names the model, and the
// rest. It can be sent once. Until something of the rest has been read the call may still go elsewhere.
type Upload struct {
	// set once
	head        []byte
	model       wire.Span // of the model's name in head; empty if there is no place that can change
	rest        io.Reader
	interrupt   func()
	length      int64
	contentType string

	read  atomic.Int64            // bytes of rest
	taken atomic.Bool             // something of rest has been asked for
	fault atomic.Pointer[faulted] // why rest cannot be read
}

// faulted is an error of the client's side of an upload.
type faulted struct{ e *llm.Error }

// NewUpload returns an upload: head, with the model's name at a place of it (an empty span for none), and then rest. length is the size
// of both in bytes, negative if it is not known. An error of rest should be an *llm.Error that says what the client did. interrupt
// must make a Read of rest return that is under way on another goroutine: net/http waits for it before it gives a request up.
func NewUpload(head []byte, model wire.Span, rest io.Reader, interrupt func(), length int64, contentType string) *Upload {
	return &Upload{head: head, model: model, rest: rest, interrupt: interrupt, length: length, contentType: contentType}
}

// used reports whether another attempt would miss a part of the body. A nil Upload has none.
func (u *Upload) used() bool { return u != nil && u.taken.Load() }

// bytes returns how much of the body has been read. A nil Upload has none.
func (u *Upload) bytes() int64 {
	if u == nil {
		return 0
	}
	return int64(len(u.head)) + u.read.Load()
}

// failed returns why the client's side broke off; nil if it did not. A nil Upload did not.
func (u *Upload) failed() *llm.Error {
	if u == nil {
		return nil
	}
	if f := u.fault.Load(); f != nil {
		own := *f.e
		own.Sent = llm.WasSent
		return &own
	}
	return nil
}

// body returns the body with another name for the model, for one attempt, and its length. ended is called once it has been read to
// its end.
func (u *Upload) body(model string, ended func()) (*uploadBody, int64) {
	b := &uploadBody{upload: u, ended: ended}
	length := u.length
	if u.model.Len() > 0 {
		b.pending = [3][]byte{u.head[:u.model.Start], []byte(model), u.head[u.model.End:]}
		if length >= 0 {
			length += int64(len(model) - u.model.Len())
		}
	} else {
		b.pending[0] = u.head
	}
	return b, max(length, -1)
}

// uploadBody is an Upload on its way in one attempt. It is read by the transport, on a goroutine of that; Close may be called by
// another.
type uploadBody struct {
	upload *Upload
	ended  func()

	pending [3][]byte // owned by Read

	mu     sync.Mutex // guards closed, and is held while Upload.taken is set: what is closed takes nothing more
	closed bool
}

// errClosed is what a transport gets that reads on after the attempt is over. Nobody sees it.
var errClosed = errors.New("the attempt is over")

// Read reads from what is pending, and then from the client.
func (b *uploadBody) Read(p []byte) (int, error) {
	for i := range b.pending {
		if len(b.pending[i]) > 0 {
			n := copy(p, b.pending[i])
			b.pending[i] = b.pending[i][n:]
			return n, nil
		}
	}
	if !b.take() {
		return 0, errClosed
	}
	u := b.upload
	n, err := u.rest.Read(p)
	u.read.Add(int64(n))
	switch {
	case err == nil:
	case err == io.EOF:
		b.ended()
	default:
		e, ok := errors.AsType[*llm.Error](err)
		if !ok {
			e = &llm.Error{Kind: llm.KindCanceled, Message: "the client's body broke off", Err: err}
		}
		u.fault.CompareAndSwap(nil, &faulted{e})
	}
	return n, err
}

// take reports whether the attempt may read of the client's body, which is from then on used.
func (b *uploadBody) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.upload.taken.Store(true)
	return true
}

// Close makes further reads fail. One that is under way is not ended: then the upload is used.
func (b *uploadBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// send makes the attempt. For an upload the time to the response headers counts from the end of the body, which is the client's
// to send: until then clients.read_body and the call's total time hold. stop must be called when the attempt is over.
func (r *run) send(rq *upstream.Request) (answer *upstream.Answer, stop func(), e *llm.Error) {
	u := r.x.Upload
	if u == nil {
		answer, e = r.info.account.Send(r.ctx, rq)
		return answer, func() {}, e
	}
	ctx, cancel := context.WithCancelCause(r.ctx)
	limit := rq.Limits.Headers
	rq.Limits.Headers = 0
	w := &uploadWait{}
	body, length := u.body(cmp.Or(r.leg.surface.Change.Model, r.target.Model), func() { w.begin(limit, cancel) })
	rq.Body, rq.Upload, rq.UploadLength, rq.ContentType = nil, body, length, u.contentType
	release := context.AfterFunc(ctx, u.interrupt)
	if end := rq.Limits.End; !end.IsZero() {
		// A moment later, so that it is the attempt's own timer that says why.
		late := time.AfterFunc(time.Until(end)+uploadGrace, u.interrupt)
		defer late.Stop()
	}
	answer, e = r.info.account.Send(ctx, rq)
	w.end()
	if fault := u.failed(); e != nil && e.Kind == llm.KindUnreachable && fault != nil {
		e = fault // the transport tells only that its connection is of no more use
	}
	return answer, func() {
		_ = body.Close()
		release() // what is left of the body is no matter of a later attempt's, but of the call's
		cancel(nil)
	}, e
}

// uploadGrace is how long after the end of a call's time a read of the client's body is interrupted.
const uploadGrace = 100 * time.Millisecond

// uploadWait is the wait for response headers after an upload.
type uploadWait struct {
	mu    sync.Mutex // guards what follows
	timer *time.Timer
	over  bool
}

// begin starts the wait, unless the headers have come before the body's end.
func (w *uploadWait) begin(limit time.Duration, cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over || limit <= 0 {
		return
	}
	w.timer = time.AfterFunc(limit, func() {
		e := llm.Errorf(llm.KindHeaderTimeout, "no response headers within %v of the end of the upload (timeouts.headers)", limit)
		e.Sent = llm.WasSent
		cancel(e)
	})
}

func (w *uploadWait) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
