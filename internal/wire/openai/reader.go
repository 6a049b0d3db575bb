package openai

import (
	"bytes"
	"math"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Client's end, for answers that go to another dialect. It knows the deviations of the servers that speak this one (PROVIDERS.md 4
// and 8, 2026-11).

// reader turns the chunks of a stream into events. Each is read in one pass that validates it, and counts only then.
type reader struct {
	scanner
	tracks []*track
	now    *track // of the choice that came last
	text   []byte // of the events that the last Read gave, unescaped

	begun, done bool // EventStart, EventEnd were told
	id, model   string
	fingerprint string
	tier        string
	created     time.Time
	usage       llm.Usage
}

// NewReader returns a reader of one streamed answer, of chat or of legacy completions.
func NewReader() llm.EventReader { return new(reader) }

// ReadAnswer reads a whole 200 answer. A choice without finish reason has FinishUnset. The errors are those of ScanAnswer.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) {
	r := reader{scanner: scanner{whole: true}}
	r.reset(body)
	if r.sc.Kind() != wire.Object {
		return nil, noObject(&r.sc, body)
	}
	var c chunk
	if !r.scan(&c) {
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer is not valid JSON: %v", r.sc.Err())
	}
	events, err := r.take(nil, &c)
	if err != nil {
		return nil, err
	}
	for _, t := range r.tracks {
		if !t.ended {
			events = append(t.flush(events), llm.Event{Kind: llm.EventFinish, Choice: t.index})
		}
	}
	var fold llm.Folder
	for i := range events {
		fold.Add(&events[i])
	}
	return fold.Answer(), nil
}

func (r *reader) reset(data []byte) {
	if cap(r.text) > keepScratch {
		r.text = nil
	}
	r.text, r.pieces, r.heads, r.body = r.text[:0], r.pieces[:0], r.heads[:0], data
	r.sc.Reset(data)
}

// Read appends the events of a chunk. One that is malformed counts as nothing else, as in Stream.
func (r *reader) Read(dst []llm.Event, name, data []byte) ([]llm.Event, *llm.Error) {
	switch {
	case r.done:
		return dst, nil
	case bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("[DONE]")):
		r.done = true
		return append(r.start(dst), llm.Event{Kind: llm.EventEnd}), nil
	}
	r.reset(data)
	var c chunk
	if !r.scan(&c) {
		return r.odd(dst, name, data)
	}
	if string(name) == "error" {
		return dst, streamError(data)
	}
	return r.take(dst, &c)
}

// odd decides on data that is no JSON object, as Stream does.
func (r *reader) odd(dst []llm.Event, name, data []byte) ([]llm.Event, *llm.Error) {
	switch known, failed := oddEvent(name, data); {
	case failed:
		return dst, streamError(data)
	case known:
		return dst, nil
	}
	return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
}

// scan passes over the data, which must be an object, and keeps what matters. It reports false at a fault.
func (r *reader) scan(c *chunk) bool {
	if !r.sc.Object() {
		return false
	}
	var id, fingerprint, created wire.Span
	for {
		name, ok := r.sc.Member()
		if !ok {
			break
		}
		switch string(name) {
		case "choices":
			if r.sc.Kind() == wire.Array {
				r.choices()
			} else {
				r.sc.Value()
			}
		case "id":
			id = r.literal()
		case "system_fingerprint":
			fingerprint = r.literal()
		case "created":
			created = r.sc.Value()
		default:
			c.member(string(name), &r.sc, r.body, false)
		}
	}
	if !r.sc.End() {
		return false
	}
	if !r.begun {
		r.learn(&r.id, id)
		r.learn(&r.model, c.model)
		r.learn(&r.fingerprint, fingerprint)
		if r.created.IsZero() {
			r.created = unixTime(created.Of(r.body))
		}
	}
	return true
}

// learn keeps the first text that is not empty.
func (r *reader) learn(v *string, lit wire.Span) {
	if *v == "" && lit.Len() > 2 {
		*v = wire.TextOf(lit.Of(r.body))
	}
}

// unixTime reads seconds, which may have a fraction.
func unixTime(lit []byte) time.Time {
	v, err := strconv.ParseFloat(string(lit), 64)
	if err != nil || !(v >= 1 && v < math.MaxInt32*1000) {
		return time.Time{}
	}
	return time.Unix(int64(v), 0)
}

// take makes events of what was scanned.
func (r *reader) take(dst []llm.Event, c *chunk) ([]llm.Event, *llm.Error) {
	if c.isError {
		return dst, streamError(r.body)
	}
	known, ok := r.readUsage(c)
	if !ok {
		return dst, streamError(r.body)
	}
	if c.tier.Len() > 2 && !wire.EqualString(c.tier.Of(r.body), r.tier) {
		if tier := tierOf(c.tier.Of(r.body)); tier != r.tier {
			r.tier = tier
			if r.begun {
				dst = append(dst, llm.Event{Kind: llm.EventUsage, ServiceTier: tier})
			}
		}
	}
	if len(r.heads) > 0 || known {
		dst = r.start(dst)
	}
	for i := range r.heads {
		h := &r.heads[i]
		if wire.EqualString(h.finish.Of(r.body), "error") {
			return dst, streamError(r.body)
		}
		dst = r.takeChoice(dst, h)
	}
	if known {
		dst = append(dst, llm.Event{Kind: llm.EventUsage, Usage: &r.usage})
	}
	return dst, nil
}

// readUsage reads what a chunk says of usage, in the places that there are for it. ok is false if Groq's holds an error.
func (r *reader) readUsage(c *chunk) (known, ok bool) {
	if c.usage.Len() > 0 {
		if u, ok := readUsage(c.usage.Of(r.body)); ok {
			r.usage, known = u, true
		}
	}
	if c.vendor.Len() > 0 {
		b := c.vendor.Of(r.body)
		v := readVendor(b)
		if v.isError {
			return false, false
		}
		if u, ok := readUsage(v.usage.Of(b)); ok {
			r.usage, known = u, true
		}
	}
	return known, true
}

// start tells the beginning, once.
func (r *reader) start(dst []llm.Event) []llm.Event {
	if r.begun {
		return dst
	}
	r.begun = true
	return append(dst, llm.Event{
		Kind: llm.EventStart, ID: r.id, Name: r.model, Created: r.created, Fingerprint: r.fingerprint, ServiceTier: r.tier,
	})
}

// track returns the choice of an index.
func (r *reader) track(index int) *track {
	if r.now != nil && r.now.index == index {
		return r.now
	}
	for _, t := range r.tracks {
		if t.index == index {
			r.now = t
			return t
		}
	}
	r.now = &track{index: index}
	r.tracks = append(r.tracks, r.now)
	return r.now
}

func (r *reader) takeChoice(dst []llm.Event, h *choiceHead) []llm.Event {
	t := r.track(h.index)
	pieces := r.pieces[h.from:h.to]
	if t.ended {
		for i := range pieces {
			if pieces[i].kind != pieceProbs {
				return append(dst, llm.Event{Kind: llm.EventMalformed}) // whoever reads the answer has been told that it is over
			}
		}
		return dst
	}
	pieces = unrepeated(t.plain(), pieces)
	for i := range pieces {
		dst = r.takePiece(dst, t, &pieces[i])
	}
	if len(t.probs) > 0 { // of a token that is half a character
		if p := t.last(); p != nil && (p.kind == llm.PartText || p.kind == llm.PartRefusal) {
			dst = t.write(dst, p, nil)
		}
	}
	if h.finish.Len() == 0 {
		return dst
	}
	return r.finish(dst, t, h)
}

func (r *reader) finish(dst []llm.Event, t *track, h *choiceHead) []llm.Event {
	dst = t.flush(dst)
	t.ended = true
	e := llm.Event{Kind: llm.EventFinish, Choice: t.index, Name: wire.TextOf(h.finish.Of(r.body))}
	e.Finish = finishOf(e.Name)
	switch {
	case e.Finish == llm.FinishStop && len(t.tools) > 0:
		e.Finish = llm.FinishTools // forced calls end so, and all calls of some servers
	case e.Finish == llm.FinishStop && h.stop.Len() > 0:
		e.Finish, e.Stop = llm.FinishSequence, wire.TextOf(h.stop.Of(r.body))
	}
	return append(dst, e)
}

// finishOf returns what a finish_reason means.
func finishOf(reason string) llm.Finish {
	switch reason {
	case "stop", "eos", "end_turn", "stop_sequence": // eos is Together's
		return llm.FinishStop
	case "length", "max_tokens":
		return llm.FinishLength
	case "model_length": // Mistral
		return llm.FinishContext
	case "tool_calls", "function_call", "tool_use":
		return llm.FinishTools
	case "content_filter":
		return llm.FinishFilter
	}
	return llm.FinishOther // insufficient_system_resource of DeepSeek, and what is still to come
}

// End appends what was held back. The stream is complete if there is a choice and each has its finish reason; a stream that ends
// without is truncated, whether there was a [DONE] or not.
func (r *reader) End(dst []llm.Event) ([]llm.Event, *llm.Error) {
	complete := len(r.tracks) > 0
	for _, t := range r.tracks {
		complete = complete && t.ended
		dst = t.flush(dst)
	}
	if !complete {
		e := llm.Errorf(llm.KindTruncated, "provider's stream ended without a finish reason")
		e.Sent = llm.WasSent
		return dst, e
	}
	return dst, nil
}
