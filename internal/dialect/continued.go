package dialect

import (
	"slices"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/model"
	"sluice/internal/wire"
)

// goOn is what a model is told that cannot be given its own words to go on with.
const goOn = "Your reply above was cut off by a technical fault before it was finished. Continue it from exactly where it stops, in the middle of a " +
	"sentence or word if need be. Write only what is still missing: do not repeat anything, do not start over, and do not mention the interruption."

// Prefills reports whether a target goes on with an assistant's last turn, so that a broken answer can be continued without words. Models
// that think first do not.
func Prefills(to llm.Dialect, t *model.Traits, thinks bool) bool {
	level, _ := Can(model.Prefill, to, t)
	return level == Yes && !thinks
}

// Continuation returns the turns that make a target go on with an answer of which text is there: with prefill, the text as the
// assistant's own; else an instruction after it.
func Continuation(text string, to llm.Dialect, prefill bool) []llm.Turn {
	said := llm.Turn{Role: llm.RoleAssistant, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}
	if prefill {
		if to == llm.Anthropic || to == llm.Converse { // Claude refuses white space at the end of what it is to go on with
			said.Parts[0].Text = strings.TrimRight(text, " \t\r\n")
		}
		return []llm.Turn{said}
	}
	return []llm.Turn{said, {Role: llm.RoleUser, Parts: []llm.Part{{Kind: llm.PartText, Text: goOn}}}}
}

// turnsMember returns the member of a chat request that holds its turns.
func turnsMember(d llm.Dialect) string {
	switch d {
	case llm.Gemini:
		return "contents"
	case llm.Responses:
		return "input"
	default:
		return "messages"
	}
}

// AppendTurns appends body, a chat request of a dialect, with turns added at the end of its conversation; all other bytes stay as they are.
// ok is false if its conversation is not found.
func AppendTurns(dst []byte, d llm.Dialect, body []byte, turns []llm.Turn) (out []byte, ok bool) {
	name := turnsMember(d)
	added, ok := member(Of(d).AppendChat(nil, &llm.Chat{Messages: turns, Choices: 1}), name)
	if !ok || len(added) < 2 || added[0] != '[' {
		return dst, false
	}
	added = added[1 : len(added)-1]
	old, at, ok := find(body, name)
	if !ok || len(old) < 2 {
		return dst, false
	}
	dst = append(dst, body[:at.Start]...)
	switch old[0] {
	case '[':
		dst = append(dst, old[:len(old)-1]...)
		if !emptyList(old) {
			dst = append(dst, ',')
		}
	case '"': // the Responses API takes a text for a conversation of one turn
		dst = append(dst, `[{"role":"user","content":`...)
		dst = append(append(dst, old...), "},"...)
	default:
		return dst[:0], false
	}
	dst = append(append(dst, added...), ']')
	return append(dst, body[at.End:]...), true
}

func emptyList(list []byte) bool {
	return len(strings.Trim(string(list[1:len(list)-1]), " \t\r\n")) == 0
}

func member(body []byte, name string) ([]byte, bool) {
	v, _, ok := find(body, name)
	return v, ok
}

// find returns the value of a member of a JSON object, the last of its name.
func find(body []byte, name string) (value []byte, at wire.Span, ok bool) {
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		return nil, at, false
	}
	for {
		m, more := sc.Member()
		if !more {
			break
		}
		same := string(m) == name
		v := sc.Value()
		if same {
			at, ok = v, true
		}
	}
	return at.Of(body), at, ok && sc.Err() == nil
}

// HasMember reports whether a JSON object has a member of a name.
func HasMember(body []byte, name string) bool {
	_, ok := member(body, name)
	return ok
}

// SetLimit has a change give a chat request another limit on its output than it has. ok is false if that is not found where it is expected.
func SetLimit(c *wire.Change, d llm.Dialect, body []byte, limit int64) (ok bool) {
	value := strconv.FormatInt(limit, 10)
	if d == llm.Gemini {
		return setNested(c, body, "generationConfig", llm.Member{Name: "maxOutputTokens", Value: value})
	}
	for _, name := range [...]string{"max_completion_tokens", "max_tokens", "max_output_tokens"} {
		if !HasMember(body, name) {
			continue
		}
		c.Drop = append(slices.Clip(c.Drop), name)
		for _, other := range c.Rename {
			if other.From == name {
				name = other.To
			}
		}
		c.Set = append(slices.Clip(c.Set), llm.Member{Name: name, Value: value})
		return true
	}
	return false
}

// setNested changes a member of an object that is a member of a request, and may have been changed already.
func setNested(c *wire.Change, body []byte, outer string, m llm.Member) (ok bool) {
	old, _ := member(body, outer)
	set := slices.DeleteFunc(slices.Clone(c.Set), func(s llm.Member) bool {
		if s.Name == outer {
			old = []byte(s.Value)
		}
		return s.Name == outer
	})
	if !HasMember(old, m.Name) {
		return false
	}
	inner := wire.AppendChanged(nil, old, &wire.Change{Set: []llm.Member{m}})
	c.Set = append(set, llm.Member{Name: outer, Value: string(inner)})
	return true
}
