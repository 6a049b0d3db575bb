package gateway

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/upstream"
	"sluice/internal/wire"
)

// maxHeld bounds what may come before the first content token of a stream (role chunks, comments, filter results).
const maxHeld = 1 << 20

// frames cuts a stream into events; see wire.Reader.
type frames interface {
	Reset(maxEvent int)
	Fill(src io.Reader) (int, error)
	Next() (wire.Event, bool, error)
	Last() (wire.Event, bool)
}

// relay is what one stream needs; it is used again for later streams.
type relay struct {
	sse       wire.Reader
	followers [maxDialect]wire.Follower // of streams that are forwarded, made when first needed

	reader frames        // of this stream
	stream wire.Follower // of this stream
	state  *wire.Progress
	ev     wire.Event // that is looked at; here, since a follower is handed its address
	ended  bool       // the last event of the stream was taken

	tell  func(end []byte) // hands the complete answer over; nil if nobody wants it, or it was done
	held  []byte           // events before the commit point
	hold  bool             // the whole stream is kept until its end
	fold  wire.Fold        // adds up a stream of the client's dialect whose client wants the answer whole; nil otherwise
	quiet bool             // nothing is sent: the client wants the answer whole
	begun bool             // the first content token has come
	watch watch
	check func() *llm.Error // holds the answer to its form when its end has come, and before that is sent; nil if it has none
	why   llm.Finish        // the answer has ended
	data  bool              // the last read brought an event with data

	most int64 // bytes of text; 0 for no limit

	// What each token needs of the run, so that it does not have to be looked at: with thousands of streams open every
	// object more is a miss in the processor's caches.
	w    Reply
	live bool  // the call is committed
	sent int64 // bytes
}

var relays = sync.Pool{New: func() any { return new(relay) }}

// relay forwards a stream. It goes through these steps:
//
//  1. Read what has arrived, cut it into events, and let the codec look at each: forward, drop, or failed.
//  2. Until the first content token, keep what is to be forwarded. An error here is returned, and the call may go elsewhere.
//  3. With the first content token, commit: headers, what was kept, and from then on each read's events with one flush.
//  4. The stream is complete when every choice that was seen has its finish reason, there is one, and the provider ended cleanly; [DONE] may be missing.
//     Anything else is told to the client as an error event.
//
// Invariant: what the client gets is a sequence of whole events, byte for byte as the provider sent them but for what the
// codec cut out.
func (r *run) relay(answer *upstream.Answer) *llm.Error {
	rl := relays.Get().(*relay)
	defer rl.release()
	rl.reset(r)
	e := r.forward(answer, rl)
	c, st := &r.consumed, rl.state
	if e != nil && e.Kind == llm.KindTruncated && r.committed.IsZero() && st.Err == nil {
		if st.Err = r.inPlace(rl.held); st.Err != nil {
			e = st.Err
		}
	}
	c.usage, c.reported, c.outBytes, c.refused, c.tier = st.Usage, st.HasUsage, int64(st.OutputBytes), st.Err != nil, st.Tier
	r.malformed += st.Malformed
	r.bytesOut += rl.sent
	r.noteFlag(rl)
	if e == nil {
		return r.complete(answer, rl)
	}
	again := r.committed.IsZero() || r.save(e, rl)
	r.noteGuard(e, again)
	switch {
	case again:
		return e
	case r.resc != nil:
		r.resc.over = true
		return e
	}
	r.broken(e, rl.stream.Fail)
	return nil
}

// complete ends what has been relayed whole.
//
//go:noinline
func (r *run) complete(answer *upstream.Answer, rl *relay) *llm.Error {
	if rl.quiet {
		return r.supervised(answer, rl)
	}
	r.handOver(rl)
	if r.resc != nil {
		r.rescued()
	}
	return nil
}

// noteFlag notes what a guard has found and let through.
func (r *run) noteFlag(rl *relay) {
	if k := rl.watch.flagged; k != 0 {
		r.g.metrics.Guard(k, "flag")
		r.flagged = k
	}
}

// noteGuard counts an attempt that a guard has ended; again says that another one may follow.
func (r *run) noteGuard(e *llm.Error, again bool) {
	switch {
	case e.Kind != llm.KindDegenerate && e.Kind != llm.KindTooSlow:
	case again && e.Advice != llm.DoNotRetry:
		r.g.metrics.Guard(e.Kind, "retry")
	default:
		r.g.metrics.Guard(e.Kind, "cancel")
	}
}

// inPlace returns the error that a provider sent in the place of a stream, as one JSON object without framing; nil if what came is
// something else. A translation has seen such an object itself.
func (r *run) inPlace(held []byte) *llm.Error {
	held = bytes.TrimSpace(held)
	if !r.leg.same || len(held) == 0 || held[0] != '{' {
		return nil
	}
	if _, e := r.leg.back.Scan(r.x.Call.Op, held); e != nil && e.Kind != llm.KindBadAnswer {
		return e
	}
	return nil
}

// handOver gives what has to be kept of a complete stream to those who keep it.
func (r *run) handOver(rl *relay) {
	if t, ok := rl.stream.(*dialect.Translation); ok {
		r.g.signed.keep(r.x.Call.Key, t.Signed())
	}
}

// tell hands a complete stream's answer over. It comes before the client is sent the end, so that whoever has seen that finds the
// answer kept. end is what ends the client's stream: that of one which was gone on with repeats all of the answer, with its id.
func (r *run) tell(rl *relay, end []byte) {
	t, ok := rl.stream.(*dialect.Translation)
	switch {
	case r.resc != nil:
		if raw := dialect.Final(r.x.Call.Front, end); raw != nil {
			r.x.OnAnswer(raw, nil, nil)
		}
	case ok:
		r.x.OnAnswer(nil, r.asShown(t.Answer()), r.target)
	case len(rl.state.Final) > 0:
		r.x.OnAnswer(bytes.Clone(rl.state.Final), nil, r.target)
	}
}

// reset makes the relay ready for a stream. It is kept out of line because its frame is large, and the caller's stays on the
// stack for as long as the stream is open.
//
//go:noinline
func (rl *relay) reset(r *run) {
	rl.w, rl.live, rl.sent, rl.ended, rl.begun = r.w, r.resc != nil, 0, false, false
	rl.quiet, rl.hold, rl.fold = !r.x.Call.Stream, r.holds(), nil
	if rl.quiet && r.leg.same {
		rl.fold = dialect.Of(r.x.Call.Front).NewFold(r.x.Call.Op)
	}
	rl.reader = r.framing(&rl.sse)
	rl.reader.Reset(r.info.account.MaxEvent)
	rl.watch.on, rl.watch.guards = r.rescues() || r.form() != nil, r.guards()
	rl.stream = r.follower(rl)
	rl.watch.reset(r.resc)
	rl.state, rl.most = rl.stream.State(), 0
	if !r.leg.same || rl.quiet || rl.hold || r.resc != nil {
		rl.most = r.info.account.MaxAnswer // some of what writes it in other words, or keeps it, holds all of it
	}
	rl.check, rl.why = nil, llm.FinishUnset
	if r.x.Call.Stream && r.form() != nil {
		rl.check = func() *llm.Error { return r.checkEnd(rl) }
	}
	if r.x.OnAnswer != nil && !rl.quiet {
		rl.tell = func(end []byte) {
			if r.claim() == nil { // else the answer is another attempt's
				r.tell(rl, end)
			}
		}
	}
}

// answerModel returns the model name that answers are to carry, or "" for the provider's own.
func (r *run) answerModel() string {
	if r.snap.RequestedName {
		return r.x.Call.Model
	}
	return ""
}

func (r *run) forward(answer *upstream.Answer, rl *relay) *llm.Error {
	st := rl.state
	for {
		_, readErr := rl.reader.Fill(answer)
		eof := isEOF(readErr)
		fail := rl.collect(eof)
		if rl.data {
			answer.Progress()
		}
		if fail == nil {
			fail = st.Err
		}
		if fail == nil {
			fail = rl.bounds()
		}
		done := fail == nil && rl.stream.Finished() && (st.Done || eof)
		if fail == nil && !done {
			switch {
			case st.Done:
				fail = answer.Fail(errNoFinish)
			case readErr != nil:
				fail, done = r.lost(answer, rl, readErr)
				eof = done
			}
		}
		if done {
			fail = rl.finish()
		}
		if !rl.begun && fail == nil && (st.Content || done) {
			answer.FirstToken()
			fail = r.firstToken(answer, rl)
		}
		if rl.hold && done && fail == nil {
			fail = r.begin(answer, rl)
		}
		if rl.live && !rl.quiet {
			if e := rl.w.Flush(); e != nil {
				return e
			}
		}
		if fail != nil {
			return fail
		}
		if done {
			if !eof {
				answer.Finish()
			}
			return nil
		}
	}
}

// lost takes a stream that has ended otherwise than cleanly. An answer that had its end by then, and of which nothing more can come, is whole:
// all that is missing is the mark of the stream's end, and perhaps its usage.
//
//go:noinline
func (r *run) lost(answer *upstream.Answer, rl *relay, err error) (e *llm.Error, whole bool) {
	e = answer.Fail(err)
	if (e.Kind == llm.KindTruncated || e.Kind == llm.KindStalled) && isChat(r.x.Call.Op) && r.x.Call.Choices <= 1 && rl.stream.Finished() {
		return nil, true
	}
	return e, false
}

// finished reports whether the answer had its end, whatever came after it.
func (rl *relay) finished() bool {
	st := rl.state
	defer func(e *llm.Error) { st.Err = e }(st.Err)
	st.Err = nil
	return rl.stream.Finished()
}

// bounds holds a stream to its size and its speed.
//
//go:noinline
func (rl *relay) bounds() *llm.Error {
	if rl.most > 0 && int64(rl.state.OutputBytes) > rl.most {
		return tooMuch("the provider's answer is over %d bytes (max_answer)", rl.most)
	}
	return rl.watch.rate(rl.state)
}

// firstToken takes the first content token of an attempt. It is the commit point, if the client is to have the stream as it comes.
//
//go:noinline
func (r *run) firstToken(answer *upstream.Answer, rl *relay) *llm.Error {
	if e := r.claim(); e != nil {
		return e
	}
	rl.begun = true
	r.first = time.Now()
	r.lease.Begun()
	if rl.live || rl.quiet || rl.hold {
		return nil
	}
	return r.begin(answer, rl)
}

// begin opens the client's stream, and sends what was kept for it.
func (r *run) begin(answer *upstream.Answer, rl *relay) *llm.Error {
	r.beginStream(answer)
	rl.live = true
	e := rl.emit(rl.held)
	rl.held = nil
	return e
}

// beginStream is the commit point of a stream.
func (r *run) beginStream(answer *upstream.Answer) {
	r.status = answer.Status
	r.commit(answer.Header)
	if !r.rescues() { // no other attempt can follow; a stream may stay open for long
		r.x.Body, r.x.Chat = nil, nil
	}
	if r.leg.adapted != nil {
		r.leg.adapted.Chat = nil
	}
	r.g.metrics.StreamOpened()
	r.open = true
	r.w.Begin()
}

// broken tells the client, in its stream, that the answer ends here. That goes for a client that left too: net/http takes
// one that has closed its sending side, and still reads, for gone, and would end the stream as if it were complete.
func (r *run) broken(e *llm.Error, event func(dst []byte, e *llm.Error) []byte) {
	if why := upstream.Cause(r.ctx); e.Kind == llm.KindCanceled && why != nil {
		e = why // a shutdown that has cut the connection looks like a client that left
	}
	r.err = e
	if e.Kind != llm.KindSlowClient {
		e.Sent = llm.OutputBegun
		r.w.Fail(e, event(nil, e))
	}
}

var errNoFinish = errors.New("end of stream without a finish reason for each choice")

// collect lets the codec look at every event that has arrived and writes those that go on, or keeps them while the call is
// not committed.
func (rl *relay) collect(eof bool) *llm.Error {
	rl.data = false
	st := rl.state
	for !st.Done && st.Err == nil {
		ok, err := rl.next(eof)
		switch {
		case err != nil:
			return tooMuch("cannot read the provider's stream: %v", err)
		case !ok:
			return nil
		}
		rl.data = rl.data || !rl.ev.Comment && string(rl.ev.Name) != "ping"
		action := rl.stream.Observe(&rl.ev)
		fault := rl.watch.look(st.Pieces)
		if rl.check != nil && rl.why == llm.FinishUnset && rl.stream.Finished() {
			if e := rl.check(); e != nil {
				if w, ok := rl.stream.(interface{ Withhold() }); ok {
					w.Withhold()
				}
				return e
			}
		}
		switch {
		case st.Done && !rl.stream.Finished():
			return nil // an error event follows, and clients do not read past [DONE]
		case action != wire.Forward:
		default:
			if rl.tell != nil && len(st.Final) > 0 {
				rl.tell(nil)
				rl.tell = nil
			}
			if e := rl.add(rl.ev.Raw); e != nil {
				return e
			}
		}
		if fault != nil {
			return fault
		}
	}
	return nil
}

// next takes the next event that has arrived; at the end of the stream, also one whose blank line is missing. It is kept out of line
// for its frame's sake.
//
//go:noinline
func (rl *relay) next(eof bool) (ok bool, err error) {
	if rl.ev, ok, err = rl.reader.Next(); ok || err != nil || !eof || rl.ended {
		return ok, err
	}
	rl.ended = true // there is only one
	rl.ev, ok = rl.reader.Last()
	return ok, nil
}

// add sends a part of the stream, or keeps it while the call is not committed.
func (rl *relay) add(p []byte) *llm.Error {
	switch {
	case rl.quiet:
		if rl.fold != nil && !rl.ev.Comment {
			rl.fold.Add(rl.ev.Name, rl.ev.Data)
		}
		return nil
	case rl.live:
		return rl.emit(p)
	case rl.hold && rl.begun: // most bounds it
	case len(rl.held)+len(p) > maxHeld:
		return tooMuch("the provider sent over %d bytes without a content token", maxHeld)
	}
	rl.held = append(rl.held, p...)
	return nil
}

// finish adds what ends the client's stream besides what was forwarded.
func (rl *relay) finish() *llm.Error {
	if rl.quiet {
		return nil
	}
	end := rl.stream.End(nil)
	if rl.tell != nil {
		rl.tell(end)
		rl.tell = nil
	}
	if len(end) > 0 {
		return rl.add(end)
	}
	return nil
}

// emit writes a part of the stream, to be sent with the next flush.
func (rl *relay) emit(p []byte) *llm.Error {
	rl.sent += int64(len(p))
	return rl.w.Write(p)
}

// release gives the relay back for another stream, unless it has grown large.
func (rl *relay) release() {
	const keep = 64 << 10
	if cap(rl.held) > keep {
		return
	}
	rl.held, rl.w, rl.reader, rl.stream, rl.state, rl.tell, rl.ev, rl.fold, rl.check = rl.held[:0], nil, nil, nil, nil, nil, wire.Event{}, nil, nil
	rl.watch.guards = nil
	relays.Put(rl)
}

func isEOF(err error) bool { return err == io.EOF }
