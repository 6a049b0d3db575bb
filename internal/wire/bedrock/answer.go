package bedrock

import (
	"encoding/json"
	"strings"

	"sluice/internal/llm"
)

// ReadAnswer reads a whole Converse answer. It has no id and no model.
func ReadAnswer(body []byte) (*llm.Answer, *llm.Error) {
	var a converseAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		e := llm.Errorf(llm.KindBadAnswer, "provider's answer cannot be read: %v", err)
		e.Err, e.Sent = err, llm.WasSent
		return nil, e
	}
	if a.Stop == "" && a.Output.Message.Role == "" {
		return nil, streamError([]byte(errorType(readFailure(body).Type)), body)
	}
	c := llm.Choice{Finish: finishOf(a.Stop), Reason: a.Stop}
	var err error
	if c.Parts, err = readBlocks(a.Output.Message.Content); err != nil {
		return nil, llm.Errorf(llm.KindBadAnswer, "provider's answer cannot be read: %v", err)
	}
	out := &llm.Answer{Choices: []llm.Choice{c}, ServiceTier: tierOf(a.Tier)}
	if a.Usage != nil {
		out.Usage, out.HasUsage = a.Usage.usage(), true
	}
	return out, nil
}

// readBlocks reads content blocks. A cache point belongs to the part before it.
func readBlocks(raw []json.RawMessage) ([]llm.Part, error) {
	var parts []llm.Part
	for _, one := range raw {
		var b block
		if err := json.Unmarshal(one, &b); err != nil {
			return nil, err
		}
		if b.CachePoint != nil {
			if len(parts) > 0 {
				parts[len(parts)-1].CacheTTL = ttlOf(b.CachePoint)
			}
			continue
		}
		p, err := b.part(one)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func ttlOf(c *cachePoint) string {
	if c.TTL == "" {
		return "5m"
	}
	return c.TTL
}

func (b *block) part(raw json.RawMessage) (llm.Part, error) {
	switch {
	case b.Text != nil:
		return llm.Part{Kind: llm.PartText, Text: *b.Text}, nil
	case b.Image != nil:
		return b.Image.part(llm.PartImage, "image"), nil
	case b.Document != nil:
		return b.Document.part(llm.PartFile, "application"), nil
	case b.Audio != nil:
		return b.Audio.part(llm.PartAudio, "audio"), nil
	case b.ToolUse != nil:
		input := string(b.ToolUse.Input)
		if input == "" || input == "null" {
			input = "{}"
		}
		return llm.Part{Kind: llm.PartToolCall, ID: b.ToolUse.ID, Name: b.ToolUse.Name, Text: input}, nil
	case b.ToolResult != nil:
		parts, err := readBlocks(b.ToolResult.Content)
		return llm.Part{Kind: llm.PartToolResult, ID: b.ToolResult.ID, Parts: parts, IsError: b.ToolResult.Status == "error"}, err
	case b.Reasoning != nil && b.Reasoning.Text != nil:
		p := llm.Part{Kind: llm.PartThinking, Text: b.Reasoning.Text.Text, Signature: b.Reasoning.Text.Signature}
		if p.Signature != "" {
			p.Origin = llm.Converse
		}
		return p, nil
	case b.Reasoning != nil:
		return llm.Part{Kind: llm.PartRedacted, Signature: b.Reasoning.Redacted, Origin: llm.Converse}, nil
	case b.Citations != nil:
		var text strings.Builder
		for _, c := range b.Citations.Content {
			text.WriteString(c.Text)
		}
		p := llm.Part{Kind: llm.PartText, Text: text.String()}
		for i := range b.Citations.Citations {
			p.Citations = append(p.Citations, b.Citations.Citations[i].citation())
		}
		return p, nil
	case len(b.JSON) > 0:
		return llm.Part{Kind: llm.PartText, Text: string(b.JSON)}, nil
	}
	return llm.Part{Kind: llm.PartOther, Raw: string(raw), Origin: llm.Converse}, nil
}

func (m *media) part(kind llm.PartKind, class string) llm.Part {
	p := llm.Part{Kind: kind, MIME: mimeOf(m.Format, class), Data: m.Source.Bytes, Name: m.Name}
	if m.Source.S3 != nil {
		p.URL = m.Source.S3.URI
	}
	if m.Source.Text != "" {
		p.Data, p.MIME = encodeBase64(m.Source.Text), "text/plain"
	}
	return p
}

func (c *citation) citation() llm.Citation {
	out := llm.Citation{Title: c.Title, URL: c.Source}
	if c.Location.Web != nil {
		out.URL = c.Location.Web.URL
	}
	for _, t := range c.Content {
		out.Quote += t.Text
	}
	return out
}
