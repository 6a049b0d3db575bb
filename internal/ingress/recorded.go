package ingress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/replay"
)

// asked is what a request says of the recording of its answer.
type asked struct {
	key       string // idempotency key; "" if there is none, or keys are off
	hash      string // of the request, with a key
	resumable bool   // events are to carry their ids
}

// replayAsked reads what a request's headers say.
func replayAsked(h http.Header, c *Config) (a asked, e *llm.Error) {
	if v := h["Idempotency-Key"]; len(v) > 0 && c.Idempotency.TTL > 0 {
		a.key = v[0]
		if e := replay.CheckKey(a.key); e != nil {
			return a, e
		}
	}
	if v := h["X-Sluice-Resumable"]; len(v) > 0 {
		switch v[0] {
		case "true":
			a.resumable = true
		case "false":
		default:
			return a, llm.Errorf(llm.KindBadRequest, "X-Sluice-Resumable is %.40q; it must be true or false", v[0])
		}
	}
	return a, nil
}

// sum hashes what makes a request with a key the same as another: what is asked for, and in which form.
func (a *asked) sum(r *http.Request, body []byte) {
	if a.key == "" {
		return
	}
	h := sha256.New()
	for _, part := range [...]string{
		r.Method, r.URL.Path, cleanQuery(r.URL.RawQuery), r.URL.Query().Get("alt"),
		strings.Join(r.Header["Anthropic-Version"], ","), strings.Join(r.Header["Anthropic-Beta"], ","), strings.Join(r.Header["Openai-Beta"], ","),
		strings.Join(r.Header["X-Sluice-Region"], ","), strings.Join(r.Header["X-Sluice-Resumable"], ","),
	} {
		_, _ = io.WriteString(h, part+"\x00") // a hash takes everything
	}
	_, _ = h.Write(body)
	a.hash = hex.EncodeToString(h.Sum(nil))
}

// wanted reports whether an answer is recorded.
func (a *asked) wanted(x *gateway.Exchange, c *Config) bool {
	return a.key != "" || (a.resumable || c.Resume.Always) && x.Call.Stream && mayStream(x.Call.Op) && !x.Head.Array
}

// mayStream reports whether answers of an operation can be streams of events that a client goes on reading.
func mayStream(op llm.Op) bool { return op == llm.OpChat || op == llm.OpCompletion }

// record answers a call by way of a recording. The call has a goroutine of its own; this one is its first reader. If the request's key leads to
// a recording that is there already, no call is made.
func (s *Server) record(rp *reply, r *http.Request, en *entry, x *gateway.Exchange, asked *asked) {
	base := context.Background()
	if p := s.base.Load(); p != nil {
		base = *p
	}
	ctx, cancel := context.WithCancelCause(base)
	o := replay.Options{
		ID: x.Call.ID, Owner: x.Call.Key, Key: asked.key, Hash: asked.hash, Cancel: cancel,
		Form: replay.Form{Front: x.Call.Front, Op: x.Call.Op, Stream: x.Call.Stream, Array: x.Head.Array},
		IDs:  asked.resumable && x.Call.Stream && mayStream(x.Call.Op) && !x.Head.Array,
	}
	if x.Call.Front == llm.Responses {
		o.Name = responseID
	}
	rec, joined, e := s.replays.Open(o)
	var rd *replay.Reader
	if e == nil {
		rd, e = rec.Attach()
	}
	if e != nil || joined {
		cancel(nil)
	}
	if e != nil {
		s.refuse(rp.w, r, en, e)
		return
	}
	if !joined {
		s.detached.Add(1)
		go s.runRecorded(ctx, cancel, x, rec, asked) // waited for by who calls Detached
	} else {
		ctx, done := inTime(r.Context(), &x.Call)
		defer done()
		r = r.WithContext(ctx)
	}
	s.relay(r, rp, rd, rec, joined)
}

// inTime bounds the wait for another call's answer by the deadline of the one that waits.
func inTime(ctx context.Context, call *llm.Call) (context.Context, context.CancelFunc) {
	if call.Deadline.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, call.Deadline, llm.Errorf(llm.KindDeadline,
		"the answer of the call that the Idempotency-Key stands for was not complete in the call's time (X-Sluice-Deadline)"))
}

// runRecorded runs a call whose answer is recorded. A panic ends the answer, as it would on a goroutine of net/http's.
func (s *Server) runRecorded(ctx context.Context, cancel context.CancelCauseFunc, x *gateway.Exchange, rec *replay.Recording, asked *asked) {
	defer s.detached.Add(-1)
	defer cancel(nil)
	w := rec.Record()
	panicked := true
	defer func() {
		if panicked {
			v := recover()
			s.log.LogAttrs(ctx, slog.LevelError, "panic in a recorded call", slog.Any("panic", v), slog.String("id", x.Call.ID), slog.String("stack", string(debug.Stack())))
		}
		w.End(panicked)
	}()
	if asked.key != "" && s.keeper != nil {
		s.runClaimed(ctx, x, rec, w, asked)
	} else {
		s.calls.Do(ctx, x, w)
	}
	panicked = false
}

// relay sends a client what a reader reads, to its end, and closes the reader. replayed says that the client's request has made no call.
func (s *Server) relay(r *http.Request, rp *reply, rd *replay.Reader, rec *replay.Recording, replayed bool) {
	defer rd.Close()
	form := rec.Form()
	rp.codec, rp.array = dialect.Of(form.Front), form.Array
	if replayed {
		h := rp.w.Header() // at once, since a keep-alive may begin the answer
		h["X-Sluice-Replayed"], h["X-Sluice-Original-Request-Id"] = []string{"true"}, []string{rec.ID()}
	}
	rp.keepAlive(s.settings.Load().KeepAlive, form.Op, form.Stream, r.Header)
	defer rp.stop()
	rp.copy(r.Context(), rd)
	rp.end()
}

// copy writes what a reader reads, to its end.
func (rp *reply) copy(ctx context.Context, rd *replay.Reader) {
	head, err := rd.Head(ctx)
	if err != nil {
		rp.ended(err)
		return
	}
	h := rp.Header()
	maps.Copy(h, head.Header)
	if head.Played != "" { // another process, or an earlier one, has made the call
		h["X-Sluice-Replayed"], h["X-Sluice-Original-Request-Id"] = []string{"true"}, []string{head.Played}
	}
	if head.Whole {
		body, err := rd.Next(ctx)
		if err != nil && err != io.EOF {
			rp.ended(err)
			return
		}
		rp.Whole(head.Status, body)
		return
	}
	rp.BeginStatus(head.Status)
	for {
		p, err := rd.Next(ctx)
		if err != nil {
			maps.Copy(rp.Header(), rd.Trailer())
			rp.ended(err)
			return
		}
		if rp.Write(p) != nil || rp.Flush() != nil {
			return // the client has left
		}
	}
}

// ended tells a client how a recording has ended, or its reading.
func (rp *reply) ended(err error) {
	if err == io.EOF {
		if f := rp.Flush(); f != nil {
			return // nobody is there to be told
		}
		return
	}
	if f, ok := errors.AsType[*replay.Failure](err); ok {
		maps.Copy(rp.Header(), f.Header)
		rp.Fail(f.Err, f.Event)
		return
	}
	if e, ok := errors.AsType[*llm.Error](err); ok { // too slow, or the gateway is going
		rp.Fail(e, rp.failure(e))
		return
	}
	if errors.Is(err, replay.ErrCut) {
		e := llm.Errorf(llm.KindInternal, "the call ended without an answer")
		rp.Fail(e, rp.failure(e))
		return
	}
	rp.Fail(&llm.Error{Kind: llm.KindCanceled, Message: "the client closed the request", Err: err}, nil)
}

// responseID returns the id of the response that an event of the Responses API tells of; "" if it does not.
func responseID(event []byte) string {
	_, rest, ok := strings.Cut(string(event), `"id":`)
	if !ok {
		return ""
	}
	id, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), `"`), `"`)
	if !ok || !strings.HasPrefix(id, "resp") || len(id) > maxModel {
		return ""
	}
	return id
}
