package gemini

import "sluice/internal/llm"

// Resume returns a writer that goes on with the stream where it stopped; see wire.Resumer.
func (s *Stream) Resume(h *llm.Head, sofar *llm.Answer) (w llm.EventWriter, open bool) {
	return NewWriter(h), false
}
