package gateway

import (
	"fmt"
	"slices"
	"time"

	"sluice/internal/guard"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxRecord bounds how much of an answer is kept to go on from, in bytes. A longer one that breaks is ended with an error.
const maxRecord = 4 << 20

// record is what has been seen of an answer: what a rescue goes on from, and what a form is held against.
type record struct {
	parts []recorded
	many  bool // there is more than one choice: only the first is kept
	size  int
}

// recorded is one part of the first choice.
type recorded struct {
	kind     llm.PartKind
	index    int
	id, name string
	text     []byte
	escaped  bool // text is the inside of a JSON string
	ended    bool
}

func (r *record) over() bool { return r.size > maxRecord }

// add takes the next piece.
func (r *record) add(p *wire.Piece) {
	if p.Choice != 0 {
		r.many = true
		return
	}
	if r.size += len(p.Text); r.over() {
		return
	}
	x := r.part(p)
	if x == nil {
		return
	}
	switch {
	case x.escaped == p.Escaped || len(x.text) == 0:
		x.text, x.escaped = append(x.text, p.Text...), p.Escaped
	case x.escaped:
		x.text, x.escaped = append(wire.Unescape(nil, x.text), p.Text...), false
	default:
		x.text = wire.Unescape(x.text, p.Text)
	}
	x.ended = x.ended || p.End
}

// part returns the part that a piece belongs to; nil for the end of one that is not there.
func (r *record) part(p *wire.Piece) *recorded {
	if !p.Begin {
		for i := len(r.parts) - 1; i >= 0; i-- {
			x := &r.parts[i]
			if x.kind == p.Kind && x.index == p.Index && !x.ended {
				return x
			}
			if p.Kind != llm.PartToolCall && !p.End { // only calls come at once; of the rest, another kind ends one
				break
			}
		}
		if p.End {
			return nil
		}
	}
	n := len(r.parts)
	r.parts = slices.Grow(r.parts, 1)[:n+1]
	x := &r.parts[n]
	*x = recorded{kind: p.Kind, index: p.Index, id: string(p.ID), name: string(p.Name), text: x.text[:0]}
	return x
}

// settle makes it ready for a stream that goes on: what that brings comes one part after another.
func (r *record) settle() {
	for i := range r.parts {
		r.parts[i].index = 0
	}
}

// answer returns what was seen.
func (r *record) answer() *llm.Answer {
	var c llm.Choice
	for i := range r.parts {
		x := &r.parts[i]
		c.Parts = append(c.Parts, llm.Part{Kind: x.kind, ID: x.id, Name: x.name, Text: string(x.plain())})
	}
	return &llm.Answer{Choices: []llm.Choice{c}}
}

func (x *recorded) plain() []byte {
	if x.escaped {
		return wire.Unescape(nil, x.text)
	}
	return x.text
}

// reset empties the record, and keeps its memory unless it is large.
func (r *record) reset() {
	const keep = 16 << 10
	for i := range r.parts[:cap(r.parts)] {
		x := &r.parts[:cap(r.parts)][i]
		if cap(x.text) > keep {
			x.text = nil
		}
	}
	*r = record{parts: r.parts[:0]}
	if cap(r.parts) > 64 {
		r.parts = nil
	}
}

// watch looks at an answer while it comes: it records it, and stops one that has gone wrong.
type watch struct {
	rec    record
	on     bool    // pieces are recorded
	guards *Guards // nil if nothing is guarded

	repeats guard.Repetition
	flagged llm.Kind // what was found and only flagged
	checked time.Time
	bytes   int // of output when the rate was last looked at
}

// reset makes it ready for a stream. What was seen stays if the stream goes on with another.
func (w *watch) reset(s *rescue) {
	w.flagged, w.checked, w.bytes = 0, time.Time{}, 0
	w.repeats.Reset()
	if s != nil {
		w.rec, s.rec = s.rec, w.rec
		return
	}
	w.rec.reset()
}

// active reports whether pieces are wanted.
func (w *watch) active() bool { return w.on || w.guards != nil && w.guards.Repetition != "off" }

// look takes the pieces of an event before it is sent on.
func (w *watch) look(pieces []wire.Piece) *llm.Error {
	for i := range pieces {
		p := &pieces[i]
		if w.on {
			w.rec.add(p)
		}
		if w.guards == nil || w.guards.Repetition == "off" || p.Choice != 0 || len(p.Text) == 0 || p.Kind == llm.PartOther {
			continue
		}
		if w.repeats.Add(p.Kind, p.Text) {
			if e := w.found(w.guards.Repetition, llm.KindDegenerate); e != nil {
				return e
			}
		}
	}
	return nil
}

// found makes the error for what a guard has found, or notes it where that is all that is wanted.
func (w *watch) found(action string, kind llm.Kind) *llm.Error {
	if action == "flag" {
		w.flagged = kind
		return nil
	}
	e := llm.Errorf(kind, "the answer repeats itself without end (guards.repetition)")
	if kind == llm.KindTooSlow {
		e.Message = fmt.Sprintf("the answer came with less than %g tokens a second over %v (guards.min_rate)", w.guards.MinRate, w.guards.RateWindow)
	}
	e.Sent = llm.WasSent
	if action == "cancel" {
		e.Advice = llm.DoNotRetry
	}
	return e
}

// rate holds the answer to its least speed, once its text has begun.
func (w *watch) rate(st *wire.Progress) *llm.Error {
	g := w.guards
	if g == nil || g.MinRate <= 0 || !st.Text || w.flagged == llm.KindTooSlow {
		return nil
	}
	now := time.Now()
	if w.checked.IsZero() {
		w.checked, w.bytes = now, st.OutputBytes
		return nil
	}
	past := now.Sub(w.checked)
	if past < g.RateWindow {
		return nil
	}
	tokens := float64(st.OutputBytes-w.bytes) / bytesPerToken
	w.checked, w.bytes = now, st.OutputBytes
	if tokens >= g.MinRate*past.Seconds() {
		return nil
	}
	return w.found(g.SlowAction, llm.KindTooSlow)
}

// guards returns what an answer is watched for; nil for nothing.
func (r *run) guards() *Guards {
	g := &r.settings.Rescue.Guards
	if !isChat(r.x.Call.Op) || g.Repetition == "" {
		return nil
	}
	return g
}
