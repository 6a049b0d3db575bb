package dialect

import (
	"slices"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// sameFeatures are those that AdaptSame leaves out: numbers and switches with a member of their own. What would change what is said stays,
// and the provider may refuse it.
const sameFeatures = 1<<model.Temperature | 1<<model.TopP | 1<<model.TopK | 1<<model.FrequencyPenalty | 1<<model.PresencePenalty |
	1<<model.Seed | 1<<model.Logprobs | 1<<model.LogitBias | 1<<model.Stop | 1<<model.Verbosity | 1<<model.User | 1<<model.SafetyIdentifier |
	1<<model.ServiceTier | 1<<model.Metadata | 1<<model.CacheKey | 1<<model.ParallelSwitch

// AdaptSame adds to a change what a model of these traits needs of a request in its own dialect (members that it refuses, or
// knows by another name), and returns what that leaves out. For a model without such traits the body is not looked at. The body
// must have been read by the dialect's codec.
func AdaptSame(d llm.Dialect, op llm.Op, body []byte, t *model.Traits, c *wire.Change) []Note {
	if t == nil || op != llm.OpChat || t.Not&sameFeatures == 0 && len(t.Renames) == 0 {
		return nil
	}
	rq := walk(body)
	var notes []Note
	not := t.Not & sameFeatures
	if t.SamplingWhenOff && thinkingOff(body) {
		not &^= model.Of(model.Temperature, model.TopP, model.Logprobs)
	}
	nested := map[string][]string{} // members to leave out of an object of the request
	for _, f := range not.List() {
		outer, inner, within := strings.Cut(spelling(f, d), ".")
		switch {
		case outer == "" || f == model.User && within:
		case within:
			nested[outer] = append(nested[outer], inner)
		case f == model.Logprobs && d == llm.OpenAI:
			notes = drop(notes, rq, c, "logprobs")
			notes = drop(notes, rq, c, "top_logprobs")
		default:
			notes = drop(notes, rq, c, outer)
		}
	}
	for _, outer := range []string{"generationConfig", "inferenceConfig", "text"} {
		notes = dropNested(notes, rq, c, outer, nested[outer])
	}
	rename(c, rq, t)
	return notes
}

// thinkingOff reports whether a request switches thinking off, in OpenAI's words.
func thinkingOff(body []byte) bool {
	var rq struct {
		Effort    string `json:"reasoning_effort"`
		Reasoning struct {
			Effort string `json:"effort"`
		} `json:"reasoning"`
	}
	return unmarshal(string(body), &rq) && (rq.Effort == "none" || rq.Reasoning.Effort == "none")
}

// drop leaves out a member if the request has it, with a note unless it says nothing.
func drop(notes []Note, rq object, c *wire.Change, name string) []Note {
	v, ok := rq.member(name)
	if !ok {
		return notes
	}
	c.Drop = append(c.Drop, name)
	return noteOf(notes, name, name, v)
}

// noteOf adds a note of a member that is left out. Defaults mean the same where they are not said.
func noteOf(notes []Note, param, name string, value []byte) []Note {
	text := string(value)
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(v, 'g', -1, 64) // 1.0 is 1
	}
	switch {
	case text == "null", text == "false" && name == "logprobs", text == "{}", text == "[]":
		return notes
	case text == "1" && (name == "temperature" || name == "top_p" || name == "topP"), text == "0" && strings.HasSuffix(strings.ToLower(name), "penalty"),
		text == `"auto"`, text == `"medium"` && name == "verbosity", text == "true" && name == "parallel_tool_calls":
		return append(notes, Note{Param: param, Reason: "the model takes the default only, which needs no saying", Minor: true})
	}
	return append(notes, Note{Param: param, Reason: modelNot})
}

// dropNested leaves members out of an object of the request.
func dropNested(notes []Note, rq object, c *wire.Change, outer string, names []string) []Note {
	if len(names) == 0 {
		return notes
	}
	value, ok := rq.member(outer)
	if !ok {
		return notes
	}
	within := walk(value)
	var inner wire.Change
	for _, name := range names {
		if v, ok := within.member(name); ok {
			inner.Drop = append(inner.Drop, name)
			notes = noteOf(notes, outer+"."+name, name, v)
		}
	}
	if len(inner.Drop) > 0 {
		c.Set = append(c.Set, llm.Member{Name: outer, Value: string(wire.AppendChanged(nil, value, &inner))})
	}
	return notes
}

// rename adds the renames that a request needs. Where it has the member by both names, the one that the server knows counts.
func rename(c *wire.Change, rq object, t *model.Traits) {
	for _, r := range t.Renames {
		if _, ok := rq.member(r.From); !ok || slices.Contains(c.Drop, r.From) {
			continue
		}
		if _, both := rq.member(r.To); both {
			c.Drop = append(c.Drop, r.From)
			continue
		}
		c.Rename = append(c.Rename, wire.NameChange{From: r.From, To: r.To})
	}
}

// object is a JSON object with where its members stand.
type object struct {
	text    []byte
	members []place
}

type place struct {
	name  string
	value wire.Span
}

// walk finds the members of an object, in one pass: bodies may be large. What is no object has none.
func walk(text []byte) object {
	o := object{text: text, members: make([]place, 0, 24)}
	var sc wire.Scanner
	sc.Reset(text)
	if !sc.Object() {
		return o
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return o
		}
		n := string(name) // valid until the value is read
		o.members = append(o.members, place{n, sc.Value()})
	}
}

// member returns the value of a member; ok is false if there is none.
func (o object) member(name string) (value []byte, ok bool) {
	for i := range o.members {
		if o.members[i].name == name {
			return o.members[i].value.Of(o.text), true
		}
	}
	return nil, false
}
