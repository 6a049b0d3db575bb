package dialect

import "sluice/internal/llm"

// maxSigned bounds the thinking that is collected of one answer, in bytes.
const maxSigned = 1 << 20

// signed collects from a stream what a provider signs: thinking, and calls of tools. It is for clients whose dialect, or whose
// SDK, does not bring it back.
type signed struct {
	parts []llm.Part
	text  []byte // of the thinking that is open
	bytes int
	any   bool // there is a signature
}

func (s *signed) add(e *llm.Event) {
	if e.Choice != 0 || e.Part != llm.PartThinking && e.Part != llm.PartRedacted && e.Part != llm.PartToolCall {
		return
	}
	switch e.Kind {
	case llm.EventPart:
		s.parts = append(s.parts, llm.Part{Kind: e.Part, ID: e.ID})
		s.text = s.text[:0]
	case llm.EventDelta:
		if e.Part == llm.PartThinking && s.bytes <= maxSigned {
			s.text = append(s.text, e.Text...)
			s.bytes += len(e.Text)
		}
	case llm.EventPartEnd:
		if len(s.parts) == 0 {
			return
		}
		p := &s.parts[len(s.parts)-1]
		p.Text, p.Signature, p.Origin = string(s.text), e.Signature, e.Origin
		s.any = s.any || e.Signature != ""
	}
}

// Signed returns the thinking and the tool calls (by their id, without arguments) of the first choice, with their signatures;
// nil if nothing is signed, or there is more than is kept.
func (t *Translation) Signed() []llm.Part {
	if !t.signed.any || t.signed.bytes > maxSigned {
		return nil
	}
	return t.signed.parts
}
