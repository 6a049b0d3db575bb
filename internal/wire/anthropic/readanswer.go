package anthropic

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadAnswer reads a whole 200 answer of a target. Blocks that have no word in llm are PartOther. What the provider says about
// a refusal is a PartRefusal: the answer is often empty but for it.
//
// The error is of KindBadAnswer if the body cannot be read, and of KindTruncated if there is no stop_reason. An error object
// in its place is classified.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) {
	if _, e := scanMessage(body); e != nil {
		return nil, e
	}
	var w walker
	var counts counts
	a := &llm.Answer{Choices: make([]llm.Choice, 1)}
	c := &a.Choices[0]
	var details value
	w.members(value{raw: body}, func(name string, v value) {
		switch name {
		case "id":
			a.ID = w.text(v)
		case "model":
			a.Model = w.text(v)
		case "content":
			w.elements(v, func(e value) { c.Parts = append(c.Parts, readBlock(e.raw)) })
		case "stop_reason":
			c.Reason = w.text(v)
		case "stop_sequence":
			c.Stop = w.text(v)
		case "stop_details":
			details = v
		case "usage":
			counts.merge(v.raw)
		}
	})
	switch {
	case w.err != nil:
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer cannot be read: %s", w.err.Message)
	case c.Reason == "":
		return nil, llm.Errorf(llm.KindTruncated, "provider's answer has no stop_reason")
	}
	c.Finish = finishOf(c.Reason)
	if text := explanation(details.raw); text != "" {
		c.Parts = append(c.Parts, llm.Part{Kind: llm.PartRefusal, Text: text})
	}
	a.Usage, a.HasUsage, a.ServiceTier = counts.usage(), counts.stated(), counts.tierUsed()
	return a, nil
}

// readBlock reads a content block of an answer, which has been validated.
func readBlock(raw []byte) llm.Part {
	var w walker // an answer of a provider is taken as far as it can be read
	v := value{raw: raw}
	var p llm.Part
	kind := w.typeOf(v)
	switch kind {
	case "text":
		p.Kind = llm.PartText
	case "thinking":
		p.Kind = llm.PartThinking
	case "redacted_thinking":
		p.Kind = llm.PartRedacted
	case "tool_use":
		p.Kind, p.Text = llm.PartToolCall, "{}"
	default:
		return llm.Part{Kind: llm.PartOther, Name: kind, Raw: string(raw), Origin: llm.Anthropic}
	}
	w.members(v, func(name string, m value) {
		switch name {
		case "text", "thinking":
			p.Text = w.text(m)
		case "signature", "data":
			sign(&p, w.text(m))
		case "id":
			p.ID = w.text(m)
		case "name":
			p.Name = w.text(m)
		case "input":
			if m.kind() != wire.Null {
				p.Text = string(m.raw)
			}
		case "citations":
			w.elements(m, func(e value) { p.Citations = append(p.Citations, readCitation(e.raw)) })
		}
	})
	spread(p.Citations, len(p.Text))
	return p
}

// readCitation reads a citation of any kind: of the web, of a search result, or of a place in a document.
func readCitation(raw []byte) (c llm.Citation) {
	var w walker
	w.members(value{raw: raw}, func(name string, m value) {
		switch name {
		case "cited_text":
			c.Quote = w.text(m)
		case "url", "source":
			c.URL = w.text(m)
		case "title", "document_title":
			c.Title = w.text(m)
		}
	})
	return c
}

// spread makes citations those of a text of n bytes, all of it: the protocol has a block for each text that rests on some.
func spread(all []llm.Citation, n int) {
	for i := range all {
		all[i].Start, all[i].End = 0, n
	}
}

// explanation returns what stop_details says about a refusal, "" if nothing.
func explanation(raw []byte) (text string) {
	var w walker
	w.members(value{raw: raw}, func(name string, m value) {
		if name == "explanation" {
			text = w.text(m)
		}
	})
	return text
}
