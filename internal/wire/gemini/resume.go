package gemini

import "sluice/internal/llm"

// Resume returns a writer that goes on with the stream where it stopped; see wire.Resumer. Its chunks have the id and the model of
// those that were forwarded, and the form: events, or elements of the array, which End and Fail close. A candidate whose finish reason
// was forwarded gets nothing more.
//
// Calls and media come whole, so what is open is text or thinking, unless it has its signature.
func (s *Stream) Resume(h *llm.Head, sofar *llm.Answer) (llm.EventWriter, bool) {
	w := &writer{head: *h, begun: s.begun}
	w.head.Chat, w.head.Array = nil, s.array
	w.resumed = true
	if s.trails != nil {
		w.id = unquote(s.trails.id)
		if w.model = unquote(s.trails.model); w.model != "" {
			w.head.Model = ""
		}
	}
	if s.options.Model != "" {
		w.head.Model = s.options.Model
	}
	open := false
	for i := range maxCandidates {
		if !s.seen.has(i) {
			continue
		}
		w.choices = append(w.choices, writing{index: i, over: s.ended.has(i)})
		open = open || !s.ended.has(i) && s.openOf(i, sofar)
	}
	return w, open
}

// openOf reports whether the last part of a candidate can go on.
func (s *Stream) openOf(index int, sofar *llm.Answer) bool {
	if s.trails == nil || sofar == nil {
		return false
	}
	t := s.trails.of(index)
	for i := range sofar.Choices {
		if c := &sofar.Choices[i]; c.Index == index && len(c.Parts) > 0 {
			return t.open != 0 && !t.signed && c.Parts[len(c.Parts)-1].Kind == t.open
		}
	}
	return false
}
