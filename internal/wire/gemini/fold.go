package gemini

import (
	"bytes"
	"slices"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// folding adds up a stream; see wire.Fold.
//
// What a member becomes:
//
//   - parts stand in their order; a text that follows one of its kind (thought or not) is joined to it, if neither has other members. A
//     text that says nothing is left out, unless there is nothing else. Calls whose arguments come in pieces become whole
//   - the lists of citationMetadata and logprobsResult are appended, of citations what is not there yet; of groundingMetadata each member is
//     the last that says something
//   - responseId, modelVersion, createTime and role are the first that say something
//   - of anything else the last value counts that says something: usageMetadata, promptFeedback, finishReason, and what nobody here knows
//
// A signature that comes with an empty text behind the text that it is of stays there: Google wants parts back as they came.
type folding struct {
	sc         wire.Scanner
	top        wire.Merge
	candidates []*foldedCandidate
	blocked    bool
	bad        bool
}

// foldedCandidate is one candidate under way.
type foldedCandidate struct {
	index   int
	members wire.Merge
	content wire.Merge
	parts   []*foldedPart
	empty   bool // there was a text that says nothing
	partial *partial
	call    *foldedPart // that partial is of
}

// foldedPart is one part.
type foldedPart struct {
	members wire.Merge
	text    *wire.Merged // that later text is joined to; nil if there is none
	thought bool
}

// NewFold returns what adds up a stream to the whole answer. ok of its Append is false if there was neither a candidate nor a refusal of the
// prompt, or an event that is no JSON object.
func NewFold(llm.Op) wire.Fold { return new(folding) }

// Add takes an event.
func (f *folding) Add(_, data []byte) {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[DONE]")) {
		return
	}
	f.sc.Reset(data)
	if !f.sc.Object() {
		f.bad = true
		return
	}
	for {
		name, ok := f.sc.Member()
		if !ok {
			break
		}
		at := f.sc.Name().Of(data)
		switch string(name) {
		case "candidates":
			if f.sc.Kind() == wire.Array {
				if v := f.top.At(at); v.Missing() {
					v.Put(f.appendCandidates)
				}
				f.read(data)
				continue
			}
			f.sc.Value()
		case "responseId", "response_id", "modelVersion", "model_version", "createTime", "create_time":
			f.top.At(at).First(f.sc.Value().Of(data))
		case "promptFeedback", "prompt_feedback":
			v := f.sc.Value().Of(data)
			f.blocked = f.blocked || len(v) > 2
			f.top.At(at).Set(v)
		default:
			f.top.At(at).Set(f.sc.Value().Of(data))
		}
	}
	f.bad = f.bad || !f.sc.End()
}

// read reads the candidates ahead.
func (f *folding) read(data []byte) {
	f.sc.Array()
	for n := 0; f.sc.Element(); n++ {
		if f.sc.Kind() != wire.Object {
			f.sc.Value()
			continue
		}
		f.candidate(f.of(indexAt(data[f.sc.Pos():], n)), data)
	}
}

// indexAt returns the index that the candidate at the beginning of b says, n if it says none.
func indexAt(b []byte, n int) int {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return min(n, maxCandidates-1)
		}
		is := string(name) == "index"
		v := sc.Value()
		if i, ok := wire.Int(v.Of(b)); is && ok && i >= 0 {
			return int(min(i, maxCandidates-1))
		}
	}
}

func (f *folding) of(index int) *foldedCandidate {
	for _, c := range f.candidates {
		if c.index == index {
			return c
		}
	}
	c := &foldedCandidate{index: index}
	c.members.At([]byte(`"content"`))
	f.candidates = append(f.candidates, c)
	return c
}

// candidate reads the candidate ahead.
func (f *folding) candidate(c *foldedCandidate, data []byte) {
	f.sc.Object()
	for {
		name, ok := f.sc.Member()
		if !ok {
			return
		}
		at := f.sc.Name().Of(data)
		object := f.sc.Kind() == wire.Object
		switch {
		case string(name) == "index":
			c.members.At(at).First(f.sc.Value().Of(data))
		case string(name) == "content" && object:
			f.content(c, data)
		case string(name) == "content":
			f.sc.Value()
		case string(name) == "finishReason" || string(name) == "finish_reason":
			if v := f.sc.Value().Of(data); !unspecified(v) || c.members.At(at).Missing() {
				c.members.At(at).Set(v)
			}
		case object && (sameField(name, "citationMetadata") || sameField(name, "logprobsResult")):
			cites := name[0] == 'c'
			f.each(c.members.At(at).Object(), data, func(v *wire.Merged, lit []byte) {
				switch {
				case lit[0] != '[':
					v.Set(lit)
				case cites:
					v.ExtendNew(lit)
				default:
					v.Extend(lit)
				}
			})
		case object && sameField(name, "groundingMetadata"):
			f.each(c.members.At(at).Object(), data, (*wire.Merged).Set)
		default:
			c.members.At(at).Set(f.sc.Value().Of(data))
		}
	}
}

// each reads the object ahead: take adds the value of each member to what there is in m.
func (f *folding) each(m *wire.Merge, data []byte, take func(v *wire.Merged, lit []byte)) {
	f.sc.Object()
	for {
		if _, ok := f.sc.Member(); !ok {
			return
		}
		at := f.sc.Name().Of(data)
		if lit := f.sc.Value().Of(data); len(lit) > 0 {
			take(m.At(at), lit)
		}
	}
}

// content reads the content ahead.
func (f *folding) content(c *foldedCandidate, data []byte) {
	if v := c.members.At([]byte(`"content"`)); v.Missing() {
		v.Put(c.appendContent)
		c.content.At([]byte(`"parts"`))
	}
	f.sc.Object()
	for {
		name, ok := f.sc.Member()
		if !ok {
			return
		}
		at := f.sc.Name().Of(data)
		switch {
		case string(name) == "parts" && f.sc.Array():
			for f.sc.Element() {
				c.part(f.sc.Value().Of(data))
			}
		case string(name) == "role":
			c.content.At(at).First(f.sc.Value().Of(data))
		default:
			c.content.At(at).Set(f.sc.Value().Of(data))
		}
	}
}

// Append appends the answer.
func (f *folding) Append(dst []byte) (answer []byte, ok bool) {
	if f.bad || len(f.candidates) == 0 && !f.blocked {
		return dst, false
	}
	slices.SortStableFunc(f.candidates, func(a, b *foldedCandidate) int { return a.index - b.index })
	for _, c := range f.candidates {
		c.endPartial()
	}
	return f.top.Append(dst), true
}

func (f *folding) appendCandidates(dst []byte) []byte {
	dst = append(dst, '[')
	for i, c := range f.candidates {
		if i > 0 {
			dst = append(dst, ',')
		}
		if v := c.members.At([]byte(`"index"`)); len(f.candidates) > 1 && v.Missing() {
			v.Set(strconv.AppendInt(nil, int64(c.index), 10))
		}
		dst = c.members.Append(dst)
	}
	return append(dst, ']')
}
