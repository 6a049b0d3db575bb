package llm

// Unfold returns the events that fold to a: the start, each choice with its parts one after another and its finish, the usage
// if there is any, and the end. Each part's text is one delta; the log probabilities of a choice go with the first text that
// it has. It allocates, and the events share memory with a.
func Unfold(a *Answer) []Event {
	events := []Event{{
		Kind: EventStart, ID: a.ID, Name: a.Model, Created: a.Created, Fingerprint: a.Fingerprint, ServiceTier: a.ServiceTier,
	}}
	for i := range a.Choices {
		events = unfoldChoice(events, &a.Choices[i])
	}
	if a.HasUsage {
		u := a.Usage
		events = append(events, Event{Kind: EventUsage, Usage: &u})
	}
	return append(events, Event{Kind: EventEnd})
}

func unfoldChoice(events []Event, c *Choice) []Event {
	probs := c.Logprobs
	for i := range c.Parts {
		p := &c.Parts[i]
		begin := Event{Kind: EventPart, Choice: c.Index, Part: p.Kind, ID: p.ID, Name: p.Name, Custom: p.Custom}
		if p.whole() {
			m := *p
			m.Text, m.Citations, m.Signature = "", nil, ""
			begin.Media = &m
		}
		events = append(events, begin)
		delta := Event{Kind: EventDelta, Choice: c.Index, Part: p.Kind, Text: []byte(p.Text)}
		if len(probs) > 0 && (p.Kind == PartText || p.Kind == PartRefusal) {
			delta.Logprobs, probs = probs, nil
		}
		if p.Text != "" || delta.Logprobs != nil {
			events = append(events, delta)
		}
		events = append(events, Event{
			Kind: EventPartEnd, Choice: c.Index, Part: p.Kind, Signature: p.Signature, Origin: p.Origin, Citations: p.Citations,
		})
	}
	if len(probs) > 0 { // of an answer without text
		events = append(events, Event{Kind: EventDelta, Choice: c.Index, Part: PartText, Logprobs: probs})
	}
	return append(events, Event{Kind: EventFinish, Choice: c.Index, Finish: c.Finish, Stop: c.Stop, Name: c.Reason})
}

// whole reports whether the part has more than a text, and so comes in one event.
func (p *Part) whole() bool {
	return p.MIME != "" || p.Data != "" || p.URL != "" || p.FileID != "" || p.Detail != "" || p.Raw != "" || p.CacheTTL != "" ||
		p.IsError || len(p.Parts) > 0
}
