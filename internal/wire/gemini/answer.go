package gemini

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendAnswer appends a whole answer for a client.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte {
	dst = append(dst, `{"candidates":[`...)
	for i := range a.Choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCandidate(dst, &a.Choices[i])
	}
	dst = append(dst, ']')
	if a.HasUsage {
		dst = append(dst, `,"usageMetadata":`...)
		dst = appendUsage(dst, &a.Usage, a.ServiceTier)
	}
	return append(appendTail(dst, a.Model, a.ID, h), '}')
}

// appendTail appends the last members of an answer or chunk: who made it, and its id.
func appendTail(dst []byte, model, id string, h *llm.Head) []byte {
	if h.Model != "" {
		model = h.Model
	}
	if id == "" {
		id = h.ID
	}
	if model != "" {
		dst = append(dst, `,"modelVersion":`...)
		dst = wire.AppendString(dst, model)
	}
	if id != "" {
		dst = append(dst, `,"responseId":`...)
		dst = wire.AppendString(dst, id)
	}
	return dst
}

// appendCandidate appends a whole candidate. One without parts gets an empty text: @google/genai 3.1.0 takes a content without parts for
// an invalid one, and leaves the turn out of a chat's history (isValidContent).
func appendCandidate(dst []byte, c *llm.Choice) []byte {
	dst = append(dst, `{"content":{"parts":[`...)
	var cites []cite
	n := 0
	for i := range c.Parts {
		start := len(dst)
		if n > 0 {
			dst = append(dst, ',')
		}
		end := len(dst)
		if dst = appendPart(dst, &c.Parts[i], true); len(dst) == end {
			dst = dst[:start]
			continue
		}
		for _, one := range c.Parts[i].Citations {
			cites = append(cites, cite{one, n})
		}
		n++
	}
	if n == 0 {
		dst = append(dst, `{"text":""}`...)
	}
	dst = append(dst, `],"role":"model"},"finishReason":"`...)
	dst = append(dst, reasonOf(c.Finish, c.Reason)...)
	dst = append(dst, `","index":`...)
	dst = strconv.AppendInt(dst, int64(c.Index), 10)
	dst = appendGrounding(dst, cites)
	dst = appendLogprobs(dst, c.Logprobs)
	return append(dst, '}')
}

// appendPart appends a part of an answer (with seal), or of a request's history. It appends nothing if the part says nothing to the
// other side: in a history, what is another provider's own.
func appendPart(dst []byte, p *llm.Part, answer bool) []byte {
	signature := ""
	switch {
	case answer:
		signature = seal(p.Signature, p.Origin, p.Kind == llm.PartRedacted)
	case p.Origin == llm.Gemini:
		signature = p.Signature
	}
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		if p.Text == "" && signature == "" {
			return dst
		}
		return appendText(dst, p.Text, false, signature)
	case llm.PartThinking, llm.PartRedacted:
		if signature == "" && (p.Text == "" || !answer && p.Signature != "") {
			return dst
		}
		return appendText(dst, p.Text, true, signature)
	case llm.PartToolCall:
		return appendCall(dst, p.ID, p.Name, p.Text, signature)
	case llm.PartImage, llm.PartFile, llm.PartAudio:
		return appendMedia(dst, p, signature)
	case llm.PartOther:
		if p.Origin == llm.Gemini {
			return appendCompact(dst, []byte(p.Raw)) // see appendObject
		}
	}
	return dst
}

// appendText appends a text part.
func appendText[S ~string | ~[]byte](dst []byte, text S, thought bool, signature string) []byte {
	dst = append(dst, `{"text":`...)
	dst = wire.AppendString(dst, text)
	if thought {
		dst = append(dst, `,"thought":true`...)
	}
	return append(appendSignature(dst, signature), '}')
}

// appendCall appends a functionCall part. Ids that this package made are left out: they are for the other side only.
func appendCall[S ~string | ~[]byte](dst []byte, id, name string, args S, signature string) []byte {
	dst = append(dst, `{"functionCall":{`...)
	dst = appendID(dst, id)
	dst = append(dst, `"name":`...)
	dst = wire.AppendString(dst, name)
	dst = append(dst, `,"args":`...)
	dst = appendObject(dst, args, "input")
	dst = append(dst, '}')
	return append(appendSignature(dst, signature), '}')
}

// appendID appends the member id of a call or a result, with the comma behind it.
func appendID(dst []byte, id string) []byte {
	if id == "" {
		return dst
	}
	dst = append(dst, `"id":`...)
	return append(wire.AppendString(dst, id), ',')
}

// appendObject appends text if it is a JSON object, {} if it is empty, and otherwise an object with text under name.
func appendObject[S ~string | ~[]byte](dst []byte, text S, name string) []byte {
	b := []byte(text)
	switch {
	case len(b) == 0:
		return append(dst, '{', '}')
	case begins(b, '{') && wire.Valid(b):
		return appendCompact(dst, b) // a line break in it would end the line of the stream that it stands in
	}
	dst = append(append(append(dst, '{', '"'), name...), '"', ':')
	return append(wire.AppendString(dst, b), '}')
}
