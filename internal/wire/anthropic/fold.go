package anthropic

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// NewFold returns what adds up the stream of an answer to the message that the provider would have sent whole:
//
//   - The message of message_start is the skeleton, with all of its members.
//   - A block is the one of content_block_start, with its deltas added by their type. Of a delta of another type the members are the
//     block's, the last of a name winning.
//   - The members of message_delta's delta are the message's, and those of its usage stand in for the ones that were stated at
//     the start; one that is null takes nothing away. What else message_delta has (context_management) is the message's too.
//
// The deltas' texts are put together as they are written, without being read.
func NewFold(llm.Op) wire.Fold { return new(folding) }

type folding struct {
	message []byte // of message_start; nil until then
	blocks  []foldBlock
	over    members // of message_delta and of its delta
	usage   members
	stopped bool
	text    []byte // scratch
}

// The members of a block that deltas add to.
const (
	addText = iota
	addThinking
	addSignature
	addInput
	addCitations
	additions // how many there are
)

// foldBlock is one block of content.
type foldBlock struct {
	index int
	start []byte // the block as it began
	added [additions][]byte
	over  members // of deltas of other types
}

// members are members of an object, in the order in which their names came up.
type members []llm.Member

// get returns the value of a name, "" if there is none.
func (m members) get(name string) string {
	for i := range m {
		if m[i].Name == name {
			return m[i].Value
		}
	}
	return ""
}

// set gives a member its value.
func (m *members) set(name, value string) {
	for i := range *m {
		if (*m)[i].Name == name {
			(*m)[i].Value = value
			return
		}
	}
	*m = append(*m, llm.Member{Name: name, Value: value})
}

// take sets the members of the object b but those named.
func (m *members) take(b []byte, but ...string) {
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
next:
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		for _, other := range but {
			if string(name) == other {
				sc.Value()
				continue next
			}
		}
		key := string(name)
		m.set(key, string(sc.Value().Of(b)))
	}
}

// Add takes an event of the stream.
func (f *folding) Add(name, data []byte) {
	var fr frame
	if !fr.read(name, data) {
		return
	}
	switch fr.kind {
	case messageStart:
		if f.message == nil && fr.message.Len() > 0 {
			f.message = append([]byte{}, fr.message.Of(data)...)
		}
	case blockStart:
		if fr.block.Len() > 0 {
			f.blocks = append(f.blocks, foldBlock{index: fr.index, start: append([]byte{}, fr.block.Of(data)...)})
		}
	case blockDelta:
		f.delta(&fr, data)
	case messageDelta:
		f.stopped = f.stopped || fr.stopReason.Len() > 0
		f.over.take(data, "type", "delta", "usage")
		f.over.take(fr.whole.Of(data))
		f.takeUsage(fr.usage.Of(data))
	}
}

// delta adds to a block.
func (f *folding) delta(fr *frame, data []byte) {
	i := len(f.blocks) - 1
	for i >= 0 && f.blocks[i].index != fr.index {
		i--
	}
	if i < 0 {
		return
	}
	b := &f.blocks[i]
	kind := fr.delta.Of(data)
	add := func(at int, text []byte) { b.added[at] = append(b.added[at], text...) }
	switch {
	case wire.EqualString(kind, "text_delta"):
		add(addText, inside(fr.text, data))
	case wire.EqualString(kind, "thinking_delta"):
		add(addThinking, inside(fr.text, data))
	case wire.EqualString(kind, "input_json_delta"):
		add(addInput, inside(fr.text, data))
	case wire.EqualString(kind, "signature_delta"):
		add(addSignature, inside(fr.signature, data))
	case wire.EqualString(kind, "citations_delta"):
		if fr.citation.Len() > 0 {
			add(addCitations, []byte(",")) // between those that are there and this one
			add(addCitations, fr.citation.Of(data))
		}
	default:
		b.over.take(fr.whole.Of(data), "type")
	}
}

// takeUsage notes the members of a usage object. A null says nothing.
func (f *folding) takeUsage(b []byte) {
	var stated members
	stated.take(b)
	for _, m := range stated {
		if m.Value != "null" || f.usage.get(m.Name) == "" {
			f.usage.set(m.Name, m.Value)
		}
	}
}

// Append appends the message. ok is false if there was no message_start, or no reason for the stop.
func (f *folding) Append(dst []byte) (answer []byte, ok bool) {
	if f.message == nil || !f.stopped {
		return dst, false
	}
	return appendMerged(dst, f.message, f.over, func(dst []byte, name string, v []byte) []byte {
		switch name {
		case "content":
			return f.appendContent(dst, v)
		case "usage":
			return f.appendUsage(dst, v)
		}
		return append(dst, v...)
	}, "content", "usage"), true
}

// appendMerged appends the object b with the members of over in place of its own, and after them. Of all others write appends the
// value. Members named in must are written with no value where b does not have them.
func appendMerged(dst, b []byte, over members, write func(dst []byte, name string, v []byte) []byte, must ...string) []byte {
	dst = append(dst, '{')
	open := len(dst)
	seen := make(map[string]bool, 16)
	var sc wire.Scanner
	sc.Reset(b)
	sc.Object()
	for {
		member, ok := sc.Member()
		if !ok {
			break
		}
		name := string(member)
		v := sc.Value().Of(b)
		if seen[name] {
			continue
		}
		seen[name] = true
		dst = append(wire.AppendString(comma(dst, open), name), ':')
		if value := over.get(name); value != "" {
			dst = append(dst, value...)
		} else {
			dst = write(dst, name, v)
		}
	}
	for _, name := range must {
		if !seen[name] {
			seen[name] = true
			dst = append(wire.AppendString(comma(dst, open), name), ':')
			dst = write(dst, name, nil)
		}
	}
	for _, m := range over {
		if !seen[m.Name] {
			dst = append(wire.AppendString(comma(dst, open), m.Name), ':')
			dst = append(dst, m.Value...)
		}
	}
	return append(dst, '}')
}

// appendUsage appends the usage, of which the start stated v.
func (f *folding) appendUsage(dst, v []byte) []byte {
	if len(v) == 0 || v[0] != '{' {
		v = []byte("{}")
	}
	var over members
	for _, m := range f.usage {
		if m.Value != "null" || !has(v, m.Name) {
			over = append(over, m)
		}
	}
	return appendMerged(dst, v, over, func(dst []byte, _ string, v []byte) []byte { return append(dst, v...) })
}

// has reports whether the object b has a member.
func has(b []byte, member string) bool {
	var all members
	all.take(b)
	return all.get(member) != ""
}

// appendContent appends the blocks, after those that the message began with.
func (f *folding) appendContent(dst, v []byte) []byte {
	dst = append(dst, '[')
	open := len(dst)
	if elements := elementsOf(v); len(elements) > 0 {
		dst = append(dst, elements...)
	}
	for i := range f.blocks {
		dst = f.appendBlock(comma(dst, open), &f.blocks[i])
	}
	return append(dst, ']')
}

// elementsOf returns what stands between the brackets of an array, without white space around it; nothing for any other value.
func elementsOf(v []byte) []byte {
	var sc wire.Scanner
	sc.Reset(v)
	if !sc.Array() {
		return nil
	}
	start, end := -1, -1
	for sc.Element() {
		at := sc.Value()
		if start < 0 {
			start = at.Start
		}
		end = at.End
	}
	if start < 0 {
		return nil
	}
	return v[start:end]
}

// appendBlock appends a block with its deltas.
func (f *folding) appendBlock(dst []byte, b *foldBlock) []byte {
	names := [additions]string{addText: "text", addThinking: "thinking", addSignature: "signature", addInput: "input", addCitations: "citations"}
	var must []string
	for i := range names {
		if len(b.added[i]) > 0 {
			must = append(must, names[i])
		}
	}
	return appendMerged(dst, b.start, b.over, func(dst []byte, name string, v []byte) []byte {
		for i := range names {
			if name == names[i] && len(b.added[i]) > 0 {
				return f.appendAdded(dst, i, v, b.added[i])
			}
		}
		return append(dst, v...)
	}, must...)
}

// appendAdded appends the value of a member that began as v, with what deltas added.
func (f *folding) appendAdded(dst []byte, which int, v, added []byte) []byte {
	switch which {
	case addInput:
		f.text = wire.Unescape(f.text[:0], added)
		return appendInputObject(dst, &llm.Part{Text: string(f.text)})
	case addCitations:
		dst = append(dst, '[')
		if elements := elementsOf(v); len(elements) > 0 {
			dst = append(dst, elements...)
		} else {
			added = added[1:] // the comma
		}
		return append(append(dst, added...), ']')
	}
	dst = append(dst, '"')
	if len(v) > 2 && v[0] == '"' {
		dst = append(dst, v[1:len(v)-1]...)
	}
	dst = append(dst, added...)
	return append(dst, '"')
}
