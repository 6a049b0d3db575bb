package sim

import (
	"bytes"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// repetition is the fault of a model that falls into a loop.
type repetition struct {
	form          string // text, thinking or tool; empty: none
	after, tokens int64
}

// in reports whether a channel falls into a loop.
func (r *repetition) in(form string) bool { return r.form == form }

// prose is what a looping channel says.
func (r *repetition) prose(seed rng, words *vocabulary) source {
	return source{want: r.after + r.tokens, prose: prose{rng: seed, words: words, repeat: true, fresh: r.after}}
}

// arguments are those of a tool call that falls into a loop: an object whose first member does not end, until it does.
func (r *repetition) arguments(schema []byte, seed rng) []byte {
	name := "text"
	gjson.GetBytes(schema, "properties").ForEach(func(key, _ gjson.Result) bool {
		name = key.String()
		return false
	})
	text := r.prose(seed, &english)
	var said []byte
	for !text.done() {
		said, _ = text.append(said)
	}
	b := append(wire.AppendString([]byte{'{'}, name), ':')
	return append(wire.AppendString(b, string(said)), '}')
}

// distort makes JSON that was to fit a schema invalid in one of the ways in which models do that.
func distort(form string, text, schema []byte) []byte {
	switch form {
	case "prose":
		return []byte("Here is the JSON that you asked for:\n" + string(text) + "\nLet me know if you need anything else.")
	case "fence":
		return []byte("```json\n" + string(text) + "\n```")
	case "cut":
		return bytes.TrimSpace(text[:len(text)*2/3])
	case "schema":
		return misfit(schema)
	}
	return text
}

// misfit is valid JSON that does not fit a schema: an object without what is required, or another type.
func misfit(schema []byte) []byte {
	s := gjson.ParseBytes(schema)
	switch object := s.Get("type").Str == "object"; {
	case object && len(s.Get("required").Array()) > 0:
		return []byte(`{"unexpected":true}`)
	case object:
		return []byte(`["unexpected"]`)
	default:
		return []byte(`{"unexpected":true}`)
	}
}

// distortCall is distort for the arguments of a tool call. Where a dialect has no text for them but an object (the answers
// that are not streamed, and Gemini's), only what is an object can be sent.
func (p *planner) distortCall(args, schema []byte) []byte {
	form := p.fx.badJSON
	if form == "" {
		return args
	}
	if p.dialect == llm.Gemini || !p.job.stream && (p.dialect == llm.Anthropic || p.dialect == llm.Converse) {
		if len(gjson.GetBytes(schema, "required").Array()) > 0 {
			return []byte(`{"unexpected":true}`)
		}
		return []byte(`{"unexpected":{"value":[true]}}`)
	}
	return distort(form, args, schema)
}
