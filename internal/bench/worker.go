package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/wire"
)

const (
	maxAnswer   = 64 << 20 // bytes of an answer that is not streamed, of which embeddings have many
	maxRefusal  = 64 << 10 // bytes of a refusal that are read
	maxDetail   = 200      // bytes of what went wrong that are recorded
	maxEvent    = 16 << 20 // bytes of one event of a stream
	keepAnswer  = 64 << 10 // a larger buffer is given back
	lingerAfter = time.Second
)

// outcome is what happened to one request. Workers and users fill it in and send it to the collector, which gives it back.
type outcome struct {
	rec      report.Record
	lag      time.Duration // the client's own lateness
	capMet   bool          // it had to wait for a place under the cap
	reserved int64
	shared   int64 // tokens of the input that a cache may have
	emitted  emission
}

// emission counts the content events of a stream by the second.
type emission struct {
	first  int // the second that counts[0] is of
	counts []uint32
}

// add counts n events at an instant.
func (e *emission) add(at time.Duration, n int) {
	sec := int(at / time.Second)
	if len(e.counts) == 0 {
		e.first = sec
	}
	for len(e.counts) <= sec-e.first {
		e.counts = append(e.counts, 0)
	}
	e.counts[sec-e.first] += uint32(n)
}

// worker sends one request at a time. It is used by one goroutine, which its buffers live as long as.
type worker struct {
	r    *run
	jobs chan *job // of a crew's worker: the crew sends, with room for one, and closes

	events  wire.Reader
	streams [2]llm.StreamReader // by operation, made when they are needed
	answer  []byte
	gaps    gapBatch
}

func newWorker(r *run) *worker { return &worker{r: r} }

// do sends a request, reads its answer and reports the outcome. It waits only if the collector is far behind. It returns when
// the answer had ended, and whether the request had failed.
func (w *worker) do(j *job) (ended time.Duration, failed bool) {
	r := w.r
	o := r.outcomes.Get().(*outcome)
	*o = outcome{reserved: j.reserved, shared: int64(j.slot.Shared), emitted: emission{counts: o.emitted.counts[:0]}}
	rec := &o.rec
	*rec = report.Record{
		Run: r.id, Repeat: r.o.Repeat, Step: r.o.Step, Index: j.slot.Index, Phase: j.slot.Phase, Kind: j.slot.Kind.String(),
		Stream: j.stream, Group: int64(j.slot.Group), Turn: int(j.slot.Turn), Scheduled: j.due,
		Dispatched: report.None, Written: report.None, FirstByte: report.None, FirstEvent: report.None,
		FirstToken: report.None, FirstText: report.None, LastToken: report.None, Done: report.None,
		WantInput: int64(j.slot.Input), WantOutput: int64(j.slot.Output), Limits: report.NoLimits(),
	}
	o.capMet = j.came != report.None
	if r.work.Err() != nil { // it lay in the queue until the end
		rec.Incomplete = true
		r.giveBody(j)
		o.lag = max(j.came-j.due, 0)
		r.hand(o)
		return r.now(), false
	}
	r.enter()
	rec.Dispatched = r.now()
	o.lag = rec.Dispatched - j.due
	if o.capMet { // the wait for a place is no fault of the client; that it came late to it, before or after, is one
		o.lag = j.came - j.due + rec.Dispatched - max(j.came, j.place)
	}
	ctx, cancel := context.WithTimeoutCause(r.work, r.timeout, errTimeout)
	u, err := w.exchange(ctx, cancel, j, o)
	if ended = r.now(); !j.stream && rec.Done != report.None {
		ended = rec.Done // what was made of it since is the client's own time
	}
	w.finish(ctx, o, u, err)
	cancel()
	w.gaps.flush(&r.gaps)
	r.inFlight.Add(-1)
	r.hand(o)
	return ended, err != nil
}

// hand gives an outcome to the collector. It waits, and counts that, if the collector is far behind.
func (r *run) hand(o *outcome) {
	select {
	case r.results <- o:
	default:
		r.held.Add(1)
		r.results <- o
	}
}

// enter counts a request that is on its way.
func (r *run) enter() {
	r.dispatched.Add(1)
	n := r.inFlight.Add(1)
	for {
		top := r.maxFlight.Load()
		if n <= top || r.maxFlight.CompareAndSwap(top, n) {
			return
		}
	}
}

// giveBody gives the memory of a job's body back.
func (r *run) giveBody(j *job) {
	if cap(*j.body) <= 1<<20 {
		r.bodies.Put(j.body)
	}
	j.body = nil
}

// exchange sends the request and reads the answer. The error is nil only for a complete answer.
func (w *worker) exchange(ctx context.Context, cancel context.CancelFunc, j *job, o *outcome) (llm.Usage, *llm.Error) {
	r, rec := w.r, &o.rec
	at := r.urls[0]
	switch {
	case j.op == llm.OpEmbedding:
		at = r.urls[2]
	case j.stream:
		at = r.urls[1]
	}
	kept := r.sender.keeps(*j.body)
	resp, how, err := r.sender.send(ctx, at, *j.body)
	rec.Reused = how.reused
	defer func() {
		if rec.Written = r.offset(how.when()); rec.FirstByte != report.None {
			rec.Written = min(rec.Written, rec.FirstByte) // net/http looks at the clock after the write
		}
	}()
	if kept {
		j.body = nil
	} else {
		r.giveBody(j)
	}
	if err != nil {
		return llm.Usage{}, w.sendError(ctx, err)
	}
	rec.FirstByte, rec.Status = r.now(), resp.StatusCode
	defer resp.Body.Close()
	w.readHeader(resp.Header, rec)
	switch {
	case resp.StatusCode != http.StatusOK:
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // a part is better than nothing
		rec.Done = r.now()
		return llm.Usage{}, r.target.Dialect.Error(resp.StatusCode, resp.Header, body, time.Now())
	case j.stream && !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"):
		return w.readStream(ctx, cancel, resp.Body, j.op, o)
	}
	return w.readAnswer(ctx, resp, j.op, rec)
}

func (w *worker) readHeader(h http.Header, rec *report.Record) {
	l := w.r.target.Dialect.Limits(h)
	rec.Limits = report.Limits{Requests: l.Requests, RequestsLeft: l.RequestsLeft, Tokens: l.Tokens, TokensLeft: l.TokensLeft}
	for _, name := range []string{"X-Request-Id", "Request-Id", "Apim-Request-Id"} {
		if v := h[name]; len(v) > 0 {
			rec.RequestID = v[0]
			return
		}
	}
}

// readAnswer reads an answer that is not streamed. It is done when its bytes are there, not when they are understood.
func (w *worker) readAnswer(ctx context.Context, resp *http.Response, op llm.Op, rec *report.Record) (llm.Usage, *llm.Error) {
	body, err := readAll(w.answer[:0], resp.Body, maxAnswer)
	if cap(body) <= keepAnswer {
		w.answer = body
	}
	var limit *wire.LimitError
	switch {
	case errors.As(err, &limit):
		return llm.Usage{}, &llm.Error{Kind: llm.KindBadAnswer, Message: err.Error(), Err: err}
	case err != nil:
		return llm.Usage{}, broken(ctx, "answer", err)
	}
	rec.Done = w.r.now()
	return w.r.target.Dialect.Answer(op, body)
}

// readAll appends what r has, up to limit bytes.
func readAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(len(dst), 4<<10))...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		case len(dst) > limit:
			return dst, &wire.LimitError{What: "answer", Limit: limit}
		}
	}
}

// finish fills in what the request came to.
func (w *worker) finish(ctx context.Context, o *outcome, u llm.Usage, err *llm.Error) {
	r, rec := w.r, &o.rec
	cause := context.Cause(ctx)
	switch {
	case err == nil:
		rec.OK = true
	case rec.Done == report.None && (errors.Is(cause, errOver) || errors.Is(cause, errInterrupted) || errors.Is(cause, errSink)):
		rec.Incomplete = true
	default:
		rec.Error, rec.Detail, rec.RetryAfter = err.Kind.Code(), detail(err), err.RetryAfter
	}
	if rec.Done == report.None && !rec.Incomplete {
		rec.Done = r.now()
	}
	if rec.Status == http.StatusOK && (rec.OK || u != llm.Usage{}) { // what broke off may tell nothing: that is no usage of 0
		rec.Input, rec.Output, rec.Reasoning, rec.Cached, rec.Estimated = u.Input, u.Output, u.Reasoning, u.CachedInput, u.Estimated
		if u.Estimated {
			rec.Input, u.Input = rec.WantInput, rec.WantInput
		}
		if r.target.Price != nil {
			rec.Cost, rec.Priced = r.target.Price(u)
		}
	}
}

// detail is what is recorded of an error.
func detail(err *llm.Error) string {
	s := err.Message
	if err.Err != nil {
		s += ": " + err.Err.Error()
	}
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "")
	}
	return s
}

// broken is the error for an answer that ended before it was complete.
func broken(ctx context.Context, what string, err error) *llm.Error {
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		return &llm.Error{Kind: llm.KindTotalTimeout, Message: "time limit of the request was over while the " + what + " was read", Err: err}
	}
	return &llm.Error{Kind: llm.KindTruncated, Message: what + " broke off", Err: err}
}

// sendError classifies what kept a request from being answered.
func (w *worker) sendError(ctx context.Context, err error) *llm.Error {
	var timeout interface{ Timeout() bool }
	switch limit := ownLimit(err); {
	case limit != "":
		w.r.exhausted.CompareAndSwap(nil, &limit)
		return &llm.Error{Kind: llm.KindInternal, Message: "this machine is " + limit, Err: err}
	case errors.Is(context.Cause(ctx), errTimeout):
		return &llm.Error{Kind: llm.KindTotalTimeout, Message: fmt.Sprintf("no answer within %v", w.r.timeout), Err: err}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &llm.Error{Kind: llm.KindConnectTimeout, Message: fmt.Sprintf("no connection within %v", connectTimeout), Err: err}
	}
	return &llm.Error{Kind: llm.KindUnreachable, Message: "no answer", Err: err}
}
