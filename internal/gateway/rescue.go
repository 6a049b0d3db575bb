package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// rescue is the state of a call whose stream has broken after its client had seen part of it, until another attempt has ended it.
//
//  1. The stream breaks. What the client has is in the record; its follower hands over a writer in the state in which it left the
//     client's stream. The attempt ends with its error as any other, and attemptAll chooses who is asked next.
//  2. The next request asks to go on (its conversation ends with the record's text), or for the whole answer again.
//  3. Its stream is translated, even within one dialect, and spliced: what the client has is left out, and the writer goes on.
//  4. If that breaks too, it begins again at 1. If nobody is left to ask, the writer ends the stream with the error.
type rescue struct {
	rec    record
	writer llm.EventWriter // of the client's stream
	open   bool            // the last part of the client's stream
	before llm.Usage       // of the attempts whose output the client has
	anew   bool            // the answer is asked for again, and what the client has is left out
	exact  bool            // the target was given the text as its own words
	// trimmed says that it was so without the white space at its end.
	trimmed bool
	cause   *llm.Error // why the stream broke last
	over    bool       // nobody is asked any more
}

// rescues reports whether a stream of this call may be gone on with if it breaks. What is needed for that is kept while it runs.
func (r *run) rescues() bool {
	x := r.x
	how := r.settings.Rescue.OnBreak
	return (how == BreakContinue || how == BreakRestart) && x.Call.Stream && isChat(x.Call.Op) && x.Call.Choices <= 1 && x.Upload == nil
}

func isChat(op llm.Op) bool { return op == llm.OpChat || op == llm.OpCompletion }

// savable reports whether an error is one after which somebody else may go on. What the client has seen of an answer that repeats itself
// cannot be taken back.
func savable(e *llm.Error) bool {
	return e.Retryable() && e.Advice != llm.DoNotRetry && e.Kind != llm.KindDegenerate
}

// save keeps what is needed to go on with a stream that has broken. It reports false if nobody may, or can.
func (r *run) save(e *llm.Error, rl *relay) bool {
	resumer, ok := rl.stream.(wire.Resumer)
	if !ok || !rl.watch.on {
		return false
	}
	rec := &rl.watch.rec
	anew, can := r.anew(rec)
	ok = can && savable(e) && !rec.many && !rec.over() && !rl.finished()
	if r.resc == nil {
		if !ok {
			return false
		}
		r.resc = new(rescue)
	}
	s := r.resc
	head := r.head()
	s.writer, s.open = resumer.Resume(&head, rec.answer())
	rec.settle()
	s.rec, *rec = *rec, s.rec
	s.anew = anew
	if ok {
		s.cause = e
	}
	return ok
}

// anew reports whether what there is of an answer has to be asked for again, rather than gone on with; ok is false if neither can be
// done.
func (r *run) anew(rec *record) (again, ok bool) {
	again = r.settings.Rescue.OnBreak == BreakRestart || r.x.Call.Op == llm.OpCompletion
	text := false
	for i := range rec.parts {
		switch rec.parts[i].kind {
		case llm.PartText:
			text = text || len(rec.parts[i].text) > 0
		case llm.PartThinking:
		case llm.PartToolCall, llm.PartRefusal:
			again = true
		default:
			return false, false // a picture, or what a tool of the provider's has made: nobody makes the same again
		}
	}
	if !text {
		return true, true
	}
	if again {
		return true, true
	}
	if e := r.readChat(); e != nil {
		return true, true
	}
	f := r.x.Chat.Format.Kind
	return f == llm.FormatJSON || f == llm.FormatSchema, true
}

// turns returns what the request of the attempt under way has at the end of its conversation besides the client's turns; nil for nothing.
func (r *run) turns() []llm.Turn {
	s := r.resc
	if s != nil {
		s.exact, s.trimmed = false, false
	}
	if s != nil && !s.anew {
		text := s.text()
		if strings.TrimSpace(text) == "" { // providers refuse a turn without a word; and there is nothing to go on from
			return nil
		}
		s.exact = !r.info.noPrefill.Load() && dialect.Prefills(r.leg.surface.Dialect, &r.info.traits, r.x.Chat.Reasoning.Mode == llm.ThinkOn || r.x.Chat.Reasoning.Mode == llm.ThinkAdaptive)
		turns := dialect.Continuation(text, r.leg.surface.Dialect, s.exact)
		s.trimmed = turns[0].Parts[0].Text != text
		return turns
	}
	return r.stricter
}

// refusedPrefill reports whether a target has refused to be given its own words to go on with; then it is asked in words from now on. What a
// model takes is not known of each.
func (r *run) refusedPrefill(e *llm.Error) bool {
	if r.resc == nil || !r.resc.exact || e.Kind != llm.KindRejected {
		return false
	}
	r.resc.exact = false
	r.info.noPrefill.Store(true)
	return true
}

// text returns the text that the client has.
func (s *rescue) text() string {
	var text []byte
	for i := range s.rec.parts {
		if p := &s.rec.parts[i]; p.kind == llm.PartText {
			text = append(text, p.plain()...)
		}
	}
	return string(text)
}

// left returns the limit on output that is left for a request that goes on; 0 if there is none. A budget for thinking comes on top, up to
// the client's own limit: the model has to think again, and providers refuse a limit that is not above the budget.
func (r *run) left() int64 {
	limit := r.x.Call.MaxTokens
	if limit == 0 || r.resc == nil || r.resc.anew {
		return limit
	}
	least := int64(1)
	if r.leg.surface.Dialect == llm.Responses {
		least = leastResponses
	}
	left := max(limit-model.EstimateTokens(r.resc.rec.size), least)
	if c := r.x.Chat; c != nil && c.Reasoning.Budget > 0 {
		left = max(min(limit, left+c.Reasoning.Budget), least)
	}
	return left
}

// leastResponses is the least limit on output that OpenAI's Responses API takes.
const leastResponses = 16

// withTurns returns the body for a target of the client's dialect with further turns; ok is false if it has to be written anew.
func (r *run) withTurns(turns []llm.Turn, c *wire.Change) (body []byte, ok bool) {
	x := r.x
	if limit := r.left(); limit != x.Call.MaxTokens {
		if !dialect.SetLimit(c, x.Call.Front, x.Body, limit) {
			return nil, false
		}
	}
	body = x.Request.AppendUpstream(make([]byte, 0, len(x.Body)+1024), x.Body, c)
	return dialect.AppendTurns(make([]byte, 0, len(body)+1024), x.Call.Front, body, turns)
}

// lengthened returns a request with further turns, and the limit that is left.
func (r *run) lengthened(chat *llm.Chat, turns []llm.Turn) *llm.Chat {
	if len(turns) == 0 {
		return chat
	}
	c := *chat
	c.Messages = append(slices.Clip(c.Messages), turns...)
	c.MaxTokens = r.left()
	return &c
}

// splice returns what goes on with the client's stream; nil if this is its first.
func (r *run) splice() *dialect.Splice {
	s := r.resc
	if s == nil {
		return nil
	}
	return &dialect.Splice{
		Writer: s.writer, Open: s.open, Sofar: s.rec.answer(), Restart: s.anew, Exact: s.exact, Trimmed: s.trimmed, Before: s.before,
	}
}

// giveUp ends the stream of a call that could not be rescued.
//
// The client is told why its stream broke. That those who were asked to go on with it could not is less to it, unless that is its own doing,
// or a limit's.
func (r *run) giveUp(e *llm.Error) {
	if s := r.resc; e != s.cause && e.Kind.Cause() == llm.ByProvider && e.Kind != llm.KindMismatch {
		own := *s.cause
		own.Message += " (and could not be gone on with: " + e.Message + ")"
		e = &own
	}
	r.trailers()
	r.broken(e, r.resc.writer.Fail)
	r.g.metrics.Rescue(r.resc.how(), false)
}

func (s *rescue) how() string {
	if s.anew {
		return BreakRestart
	}
	return BreakContinue
}

// rescued tells those who read it that the answer has come from more than one attempt: in a comment after the end of the stream, where
// clients do not mind, and in trailers.
func (r *run) rescued() {
	s := r.resc
	r.g.metrics.Rescue(s.how(), true)
	r.trailers()
	r.w.Header()[http.TrailerPrefix+"X-Sluice-Rescued"] = []string{s.how()}
	if !r.commentable() {
		return
	}
	line := ": sluice attempts=" + strconv.Itoa(r.attempts) + " rescued=" + s.how() + " target=" + r.target.Name + "\n\n"
	if r.w.Write([]byte(line)) == nil {
		_ = r.w.Flush() // the answer is complete without it
	}
}

// trailers say behind a stream what was not yet known when its headers were sent.
func (r *run) trailers() {
	h := r.w.Header()
	h[http.TrailerPrefix+"X-Sluice-Attempts"] = []string{strconv.Itoa(r.attempts)}
	h[http.TrailerPrefix+"X-Sluice-Target"] = r.info.header
}

// commentable reports whether the client's parser takes a comment after the end of a stream (PROVIDERS.md 6.4: Google's does not, and
// openai-go before 3.43 fails at comments where the stream has no [DONE] to stop at).
func (r *run) commentable() bool {
	switch r.x.Call.Front {
	case llm.OpenAI, llm.Anthropic:
		return true
	case llm.Responses:
		return r.x.Header.Get("X-Stainless-Lang") != "go"
	}
	return false
}
