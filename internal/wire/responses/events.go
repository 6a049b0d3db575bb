package responses

import "sluice/internal/llm"

// each calls add for the events whose fold is a. An event is valid during the call.
func each(a *llm.Answer, add func(*llm.Event)) {
	start := llm.Event{Kind: llm.EventStart, ID: a.ID, Name: a.Model, Created: a.Created, Fingerprint: a.Fingerprint, ServiceTier: a.ServiceTier}
	if a.HasUsage {
		start.Usage = &a.Usage
	}
	add(&start)
	for i := range a.Choices {
		eachOf(&a.Choices[i], add)
	}
	add(&llm.Event{Kind: llm.EventEnd})
}

func eachOf(c *llm.Choice, add func(*llm.Event)) {
	eachPart(c, add)
	add(&llm.Event{Kind: llm.EventFinish, Choice: c.Index, Finish: c.Finish, Stop: c.Stop, Name: c.Reason})
}

// eachPart does so for the parts of a choice.
func eachPart(c *llm.Choice, add func(*llm.Event)) {
	logprobs := c.Logprobs // of the tokens of all texts: they go with the first
	for i := range c.Parts {
		p := &c.Parts[i]
		e := llm.Event{Kind: llm.EventPart, Choice: c.Index, Part: p.Kind, ID: p.ID, Name: p.Name, Custom: p.Custom}
		switch p.Kind {
		case llm.PartImage, llm.PartAudio, llm.PartOther:
			e.Media = p
		}
		add(&e)
		if e.Media == nil && (p.Text != "" || p.Kind == llm.PartText && len(logprobs) > 0) {
			d := llm.Event{Kind: llm.EventDelta, Choice: c.Index, Part: p.Kind, Text: []byte(p.Text)}
			if p.Kind == llm.PartText {
				d.Logprobs, logprobs = logprobs, nil
			}
			add(&d)
		}
		add(&llm.Event{Kind: llm.EventPartEnd, Choice: c.Index, Part: p.Kind, Signature: p.Signature, Origin: p.Origin, Citations: p.Citations})
	}
}
