package openai

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
//   - texts that come in pieces are joined: content, refusal, reasoning and reasoning_content, the arguments of tools, audio and its
//     transcript, and text of legacy completions
//   - lists that come in pieces are appended: annotations, images, the lists of logprobs, token_ids. tool_calls are put together by the rules
//     of reader, reasoning_details by index and type, and parts of a content that is an array (Mistral) with the part before if it is
//     of their type
//   - id, model, created, role, and the names and ids of calls are the first that says something
//   - of anything else the last value counts that says something, and of its members nothing is looked at: usage, finish_reason, and what
//     nobody here knows
//
// What only answers in one piece have is not made up: refusal and annotations of a message without any, Together's warnings. What only
// chunks have stays: Together's token_id.
//
// object, delta and obfuscation are a stream's own. Usage that is in x_groq only becomes that of the answer, as Groq has it there.
type folding struct {
	op      llm.Op
	sc      wire.Scanner
	top     wire.Merge
	groq    wire.Merged // x_groq.usage
	choices []*foldedChoice
	bad     bool
	walk    trails // its scanner reads entries of tool_calls
}

// foldedChoice is one choice under way.
type foldedChoice struct {
	index   int
	members wire.Merge
	message wire.Merge
	deltas  bool     // deltas were seen: a message beside them repeats them
	said    bool     // there is a message
	parts   partList // of a content that is an array
	trail   trail
	calls   []*wire.Merge
	details []foldedDetail
}

// foldedDetail is an entry of reasoning_details.
type foldedDetail struct {
	index   int
	kind    []byte // literal of its type
	members *wire.Merge
}

// NewFold returns what adds up a streamed chat or legacy completion to the whole answer. ok of its Append is false if there was no choice, an event
// that is no JSON object, or over 256 choices, or 1024 calls in one.
func NewFold(op llm.Op) wire.Fold { return &folding{op: op} }

// Add takes an event.
func (f *folding) Add(name, data []byte) {
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("[DONE]")) {
		return
	}
	f.sc.Reset(data)
	if !f.sc.Object() {
		f.bad = f.bad || len(name) == 0
		return
	}
	for {
		name, ok := f.sc.Member()
		if !ok {
			break
		}
		f.member(name, data)
	}
	f.bad = f.bad || !f.sc.End()
}

// member takes a member of a chunk, whose value is ahead.
func (f *folding) member(name, data []byte) {
	at := f.sc.Name().Of(data)
	switch string(name) {
	case "choices":
		if f.sc.Kind() == wire.Array {
			if v := f.top.At(at); v.Missing() {
				v.Put(f.appendChoices)
			}
			f.readChoices(data)
			return
		}
		f.sc.Value()
	case "id", "model", "created":
		f.first(f.top.At(at), f.sc.Value().Of(data))
	case "object":
		f.sc.Value()
		if f.op == llm.OpCompletion {
			f.top.At(at).Set([]byte(`"text_completion"`))
		} else {
			f.top.At(at).Set([]byte(`"chat.completion"`))
		}
	case "obfuscation":
		f.sc.Value()
	case "usage":
		if v := f.sc.Value().Of(data); string(v) != "null" {
			f.top.At(at).Set(v)
		}
	case "error":
		if v := f.sc.Value().Of(data); string(v) != "null" {
			f.top.At(at).Set(v)
		}
	case "x_groq":
		if !f.sc.Object() {
			f.top.At(at).Set(f.sc.Value().Of(data))
			return
		}
		f.readGroq(f.top.At(at).Object(), data)
	default:
		f.top.At(at).Set(f.sc.Value().Of(data))
	}
}

// first is First, for which 0 says nothing (Azure's first chunk).
func (f *folding) first(v *wire.Merged, lit []byte) {
	if string(lit) != "0" {
		v.First(lit)
	}
}

func (f *folding) readGroq(m *wire.Merge, data []byte) {
	for {
		name, ok := f.sc.Member()
		if !ok {
			return
		}
		at := f.sc.Name().Of(data)
		if string(name) == "usage" {
			f.groq.Set(f.sc.Value().Of(data))
			continue
		}
		m.At(at).Set(f.sc.Value().Of(data))
	}
}

func (f *folding) readChoices(data []byte) {
	f.sc.Array()
	for n := 0; f.sc.Element(); n++ {
		if f.sc.Kind() != wire.Object {
			f.sc.Value()
			continue
		}
		c := f.of(indexAt(data[f.sc.Pos():], n))
		if c == nil {
			f.bad = true
			f.sc.Value()
			continue
		}
		f.choice(c, data)
	}
}

// indexAt returns the index that the object at the beginning of b says, n if it says none.
func indexAt(b []byte, n int) int {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		name, ok := sc.Member()
		if !ok {
			return n
		}
		is := string(name) == "index"
		v := sc.Value()
		if !is {
			continue
		}
		if i, ok := wire.Int(v.Of(b)); ok && i >= 0 {
			return int(min(i, maxChoices-1))
		}
		return n
	}
}

// of returns the choice of an index; nil if there are too many.
func (f *folding) of(index int) *foldedChoice {
	for _, c := range f.choices {
		if c.index == index {
			return c
		}
	}
	if len(f.choices) == maxTrails {
		return nil
	}
	c := &foldedChoice{index: index}
	c.members.At([]byte(`"index"`)).Set(strconv.AppendInt(nil, int64(index), 10))
	c.message.At([]byte(`"role"`))
	c.message.At([]byte(`"content"`))
	f.choices = append(f.choices, c)
	return c
}

// choice takes the choice ahead.
func (f *folding) choice(c *foldedChoice, data []byte) {
	f.sc.Object()
	for {
		name, ok := f.sc.Member()
		if !ok {
			return
		}
		at := f.sc.Name().Of(data)
		kind := f.sc.Kind()
		switch string(name) {
		case "index":
			f.sc.Value()
		case "delta":
			if kind != wire.Object {
				f.sc.Value()
				continue
			}
			if c.said && !c.deltas { // Perplexity sends all so far as message beside it
				c.message, c.calls, c.details, c.parts, c.trail = wire.Merge{}, nil, nil, partList{}, trail{}
			}
			c.deltas = true
			f.delta(c, data)
		case "message":
			if kind != wire.Object || c.deltas {
				f.sc.Value()
				continue
			}
			f.delta(c, data)
		case "text":
			c.members.At(at).Join(f.sc.Value().Of(data))
		case "logprobs":
			if !f.sc.Object() {
				c.members.At(at).Set(f.sc.Value().Of(data))
				continue
			}
			f.lists(c.members.At(at).Object(), data)
		case "token_ids":
			c.members.At(at).Extend(f.sc.Value().Of(data))
		default:
			c.members.At(at).Set(f.sc.Value().Of(data))
		}
	}
}

// lists takes the members of logprobs, whose lists go on.
func (f *folding) lists(m *wire.Merge, data []byte) {
	for {
		if _, ok := f.sc.Member(); !ok {
			return
		}
		at := f.sc.Name().Of(data)
		m.At(at).Extend(f.sc.Value().Of(data))
	}
}

// Append appends the answer.
func (f *folding) Append(dst []byte) (answer []byte, ok bool) {
	if f.bad || len(f.choices) == 0 {
		return dst, false
	}
	slices.SortStableFunc(f.choices, func(a, b *foldedChoice) int { return a.index - b.index })
	if usage := f.top.At([]byte(`"usage"`)); f.groq.Says() && !usage.Says() {
		usage.Set(f.groq.Append(nil))
	}
	return f.top.Append(dst), true
}

func (f *folding) appendChoices(dst []byte) []byte {
	dst = append(dst, '[')
	for i, c := range f.choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.append(dst, f.op)
	}
	return append(dst, ']')
}

func (c *foldedChoice) append(dst []byte, op llm.Op) []byte {
	if c.said || op != llm.OpCompletion {
		c.members.At([]byte(`"message"`)).Put(c.appendMessage)
	}
	c.members.At([]byte(`"finish_reason"`)).Set([]byte("null"))
	return c.members.Append(dst)
}

// appendMessage appends the message, which has a role and a content: null where there is none.
func (c *foldedChoice) appendMessage(dst []byte) []byte {
	c.message.At([]byte(`"role"`)).First([]byte(`"assistant"`))
	content := c.message.At([]byte(`"content"`))
	if !content.Says() && (len(c.calls) > 0 || c.says(`"function_call"`) || c.says(`"refusal"`) || c.says(`"audio"`)) {
		content.Clear()
		content.Set([]byte("null"))
	}
	if content.Missing() {
		content.Set([]byte("null"))
	}
	return c.message.Append(dst)
}

// says reports whether the message has a member that says something.
func (c *foldedChoice) says(name string) bool {
	v := c.message.Find(name)
	return v != nil && v.Says()
}
