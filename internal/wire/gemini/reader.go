package gemini

import (
	"bytes"
	"slices"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// reader reads the streamed answer of a target, and whole answers, which are streams of one event here: what both say is the
// same by construction.
type reader struct {
	id      string
	begun   bool
	usage   llm.Usage
	tier    string
	used    bool // usage has been told
	choices []reading
	buf     []byte // of the texts of the events given out last
}

// reading is one candidate under way.
type reading struct {
	index     int
	open      llm.PartKind // text or thinking; 0 if no part is open
	signature string       // of the open part
	at        int          // place in its chunk of what the open part got last
	calls     int
	ended     bool
	cites     []cite
	logprobs  []llm.Logprob // that the next text is to have
	partial   *partial      // a call whose arguments come in pieces
}

// NewReader returns a reader of one streamed answer of a target. It allocates nothing for text.
//
// A text goes on over chunks until a part of another kind comes, or one with a signature of its own. Calls come whole; an id that
// is missing is made of the answer's id and the call. The finish reason ends a candidate: what came after it would be malformed. Data may be a bare
// line in place of an event's (see bareError).
func NewReader() llm.EventReader { return new(reader) }

// ReadAnswer reads a whole 200 answer of a target. An error object in it is classified. A candidate without finish
// reason has FinishUnset.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) {
	var r reader
	events, err := r.Read(nil, nil, body)
	if err != nil {
		return nil, err
	}
	if !r.begun {
		return nil, noObject(body)
	}
	for i := range r.choices {
		events = r.choices[i].close(events)
	}
	var f llm.Folder
	for i := range events {
		f.Add(&events[i])
	}
	return f.Answer(), nil
}

// Read appends the events that a chunk stands for.
func (r *reader) Read(dst []llm.Event, _, data []byte) ([]llm.Event, *llm.Error) {
	if cap(r.buf) > keepScratch {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	c := chunk{brief: true}
	if !c.read(data) {
		return r.odd(dst, data)
	}
	if c.isError {
		return dst, streamError(data)
	}
	dst = r.head(dst, &c, data)
	dst = r.count(dst, &c, data)
	if c.count == 0 && c.blocked.Len() > 0 && len(r.choices) == 0 {
		_, reason := finishOf(c.blocked.Of(data), false)
		r.choices = append(r.choices, reading{ended: true})
		return append(dst, llm.Event{Kind: llm.EventFinish, Finish: llm.FinishFilter, Name: reason}), nil
	}
	var sc wire.Scanner
	list := c.candidates.Of(data)
	sc.Reset(list)
	if sc.Array() {
		for n := 0; sc.Element(); n++ {
			dst = r.candidate(dst, &sc, list, n)
		}
	}
	return dst, nil
}

// odd decides on data that is no JSON object.
func (r *reader) odd(dst []llm.Event, data []byte) ([]llm.Event, *llm.Error) {
	switch data = bytes.TrimSpace(data); {
	case len(data) == 0, bytes.HasPrefix(data, []byte("[DONE]")), data[0] == ':':
		return dst, nil
	case data[0] == '[':
		if d := readDetail(data); d.found {
			return dst, streamError(data)
		}
	}
	return append(dst, llm.Event{Kind: llm.EventMalformed}), nil
}

// head begins the answer with its first chunk.
func (r *reader) head(dst []llm.Event, c *chunk, data []byte) []llm.Event {
	if r.begun {
		return dst
	}
	r.begun = true
	r.id = unquote(c.id.Of(data))
	e := llm.Event{Kind: llm.EventStart, ID: r.id, Name: unquote(c.model.Of(data))}
	if at, err := time.Parse(time.RFC3339Nano, unquote(c.created.Of(data))); err == nil {
		e.Created = at
	}
	if u, _, ok := readUsage(c.usage.Of(data)); ok {
		r.usage = u
		e.Usage = &r.usage
	}
	return append(dst, e)
}

// count tells of the usage, if it is another than before.
func (r *reader) count(dst []llm.Event, c *chunk, data []byte) []llm.Event {
	if c.usage.Len() == 0 {
		return dst
	}
	u, tier, ok := readUsage(c.usage.Of(data))
	if !ok || r.used && u == r.usage && tier == r.tier {
		return dst
	}
	r.usage, r.tier, r.used = u, tier, true
	return append(dst, llm.Event{Kind: llm.EventUsage, Usage: &r.usage, ServiceTier: tier})
}

// of returns the candidate of an index.
func (r *reader) of(index int) *reading {
	for i := range r.choices {
		if r.choices[i].index == index {
			return &r.choices[i]
		}
	}
	r.choices = append(r.choices, reading{index: index})
	return &r.choices[len(r.choices)-1]
}

// candidate reads the candidate ahead, which has been validated.
func (r *reader) candidate(dst []llm.Event, sc *wire.Scanner, b []byte, n int) []llm.Event {
	if !sc.Object() {
		sc.Value()
		return append(dst, llm.Event{Kind: llm.EventMalformed})
	}
	var content, reason, citations, grounding, logprobs wire.Span
	index := n
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		into := &wire.Span{}
		kind, want := sc.Kind(), wire.Object
		switch string(name) {
		case "index":
			if i, ok := wire.Int(sc.Value().Of(b)); ok && i >= 0 {
				index = int(min(i, maxCandidates-1))
			}
			continue
		case "content":
			into = &content
		case "finishReason", "finish_reason":
			into, want = &reason, wire.String
		case "citationMetadata", "citation_metadata":
			into = &citations
		case "groundingMetadata", "grounding_metadata":
			into = &grounding
		case "logprobsResult", "logprobs_result":
			into = &logprobs
		}
		*into = only(want, kind, sc.Value())
	}
	st := r.of(index)
	st.cite(citations.Of(b), grounding.Of(b))
	if logprobs.Len() > 0 {
		st.logprobs = append(st.logprobs, readLogprobs(logprobs.Of(b))...)
	}
	if content.Len() > 0 {
		dst = r.content(dst, st, content.Of(b))
	}
	if reason.Len() > 0 && !unspecified(reason.Of(b)) && !st.ended {
		dst = r.finish(dst, st, reason.Of(b))
	}
	return dst
}

// finish ends a candidate.
func (r *reader) finish(dst []llm.Event, st *reading, reason []byte) []llm.Event {
	if st.partial != nil {
		dst = r.endPartial(dst, st)
	}
	dst = st.close(dst)
	st.ended = true
	f, word := finishOf(reason, st.calls > 0)
	return append(dst, llm.Event{Kind: llm.EventFinish, Choice: st.index, Finish: f, Name: word})
}

// content reads the parts of a content.
func (r *reader) content(dst []llm.Event, st *reading, b []byte) []llm.Event {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return dst
		}
		if string(name) != "parts" || !sc.Array() {
			sc.Value()
			continue
		}
		for n := 0; sc.Element(); n++ {
			p := scanPart(&sc, b)
			switch {
			case p.empty():
			case st.ended: // after its finish reason
				dst = append(dst, llm.Event{Kind: llm.EventMalformed})
			default:
				dst = r.part(dst, st, &p, b, n)
			}
		}
	}
}

// part appends the events of one part.
func (r *reader) part(dst []llm.Event, st *reading, p *rawPart, b []byte, n int) []llm.Event {
	if p.kind == llm.PartText || p.kind == llm.PartThinking {
		return r.text(dst, st, p, b, n)
	}
	if p.kind == llm.PartToolCall {
		return r.call(dst, st, p, b)
	}
	dst = st.close(dst)
	media := p.media(b)
	end := llm.Event{Kind: llm.EventPartEnd, Choice: st.index, Part: media.Kind, Origin: media.Origin}
	if p.signature.Len() > 2 && media.Kind != llm.PartOther { // whose Raw has it
		end.Signature, end.Origin = unquote(p.signature.Of(b)), llm.Gemini
	}
	return append(dst, llm.Event{Kind: llm.EventPart, Choice: st.index, Part: media.Kind, Media: media}, end)
}

// text adds to the open part, or begins another.
func (r *reader) text(dst []llm.Event, st *reading, p *rawPart, b []byte, n int) []llm.Event {
	lit := p.value.Of(b)
	if st.open != p.kind || st.signature != "" && len(lit) > 2 {
		dst = st.close(dst)
		st.open = p.kind
		dst = append(dst, llm.Event{Kind: llm.EventPart, Choice: st.index, Part: p.kind})
	}
	st.at = n
	if len(lit) > 2 {
		start := len(r.buf)
		r.buf = wire.Unquote(r.buf, lit)
		e := llm.Event{Kind: llm.EventDelta, Choice: st.index, Part: p.kind, Text: r.buf[start:]}
		if p.kind == llm.PartText {
			e.Logprobs, st.logprobs = st.logprobs, nil
		}
		dst = append(dst, e)
	}
	if p.signature.Len() > 2 {
		st.signature = unquote(p.signature.Of(b))
	}
	return dst
}

// close ends the open part.
func (st *reading) close(dst []llm.Event) []llm.Event {
	if st.open == 0 {
		return dst
	}
	e := llm.Event{Kind: llm.EventPartEnd, Choice: st.index, Part: st.open, Signature: st.signature}
	if st.signature != "" {
		e.Origin = llm.Gemini
	}
	if st.open == llm.PartText {
		if len(st.logprobs) > 0 {
			dst = append(dst, llm.Event{Kind: llm.EventDelta, Choice: st.index, Part: st.open, Logprobs: st.logprobs})
			st.logprobs = nil
		}
		e.Citations = st.takeCites()
	}
	st.open, st.signature = 0, ""
	return append(dst, e)
}

// call appends a function call.
func (r *reader) call(dst []llm.Event, st *reading, p *rawPart, b []byte) []llm.Event {
	c := readCall(p.value.Of(b))
	if st.partial != nil || c.more || len(c.pieces) > 0 {
		return r.piece(dst, st, &c, unquote(p.signature.Of(b)))
	}
	start := len(r.buf)
	r.buf = appendCompact(r.buf, c.args)
	return r.whole(dst, st, c.id, c.name, r.buf[start:], unquote(p.signature.Of(b)))
}

// whole appends a call whose arguments are known.
func (r *reader) whole(dst []llm.Event, st *reading, id, name string, args []byte, signature string) []llm.Event {
	dst = st.close(dst)
	if id == "" {
		id = madeID(r.id, st.index, st.calls, name, args)
	}
	st.calls++
	end := llm.Event{Kind: llm.EventPartEnd, Choice: st.index, Part: llm.PartToolCall, Signature: signature}
	if signature != "" {
		end.Origin = llm.Gemini
	}
	return append(dst,
		llm.Event{Kind: llm.EventPart, Choice: st.index, Part: llm.PartToolCall, ID: id, Name: name},
		llm.Event{Kind: llm.EventDelta, Choice: st.index, Part: llm.PartToolCall, Text: args},
		end)
}

// End says whether the stream is complete.
func (r *reader) End(dst []llm.Event) ([]llm.Event, *llm.Error) {
	open := func(st reading) bool { return !st.ended }
	if len(r.choices) == 0 || slices.ContainsFunc(r.choices, open) {
		e := llm.Errorf(llm.KindTruncated, "provider's stream ended without a finish reason")
		e.Sent = llm.WasSent
		return dst, e
	}
	return append(dst, llm.Event{Kind: llm.EventEnd}), nil
}

// unquote returns the text of a JSON string, "" for what is none.
func unquote(lit []byte) string {
	text, _ := wire.Text(lit)
	return text
}
