package bedrock

import (
	"slices"
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendChat appends a Converse request. The model is in the path, and whether the answer is streamed too. Chat has been adapted:
// what Converse has no word for is left out. Neighbouring turns of one role become one message, since roles must alternate.
func AppendChat(dst []byte, c *llm.Chat) []byte {
	dst = append(dst, `{"messages":[`...)
	role := ""
	for i := range c.Messages {
		t := &c.Messages[i]
		r := roleOf(t.Role)
		if r == "" || !anyBlock(t.Parts) {
			continue
		}
		if r != role {
			if role != "" {
				dst = append(dst, `]},`...)
			}
			dst = append(append(append(dst, `{"role":"`...), r...), `","content":[`...)
			role = r
		} else {
			dst = append(dst, ',')
		}
		dst = appendBlocks(dst, t.Parts)
	}
	if role != "" {
		dst = append(dst, `]}`...)
	}
	dst = append(dst, ']')
	dst = appendSystem(dst, c)
	dst = appendInference(dst, c)
	dst = appendToolConfig(dst, c)
	dst = appendAdditional(dst, c)
	dst = appendOutput(dst, c)
	if t := tierWord(c.ServiceTier); t != "" {
		dst = append(append(append(dst, `,"serviceTier":{"type":"`...), t...), `"}`...)
	}
	if c.Metadata != "" {
		dst = append(append(dst, `,"requestMetadata":`...), c.Metadata...)
	}
	return append(dst, '}')
}

// roleOf returns Converse's role; "" for what goes into system.
func roleOf(r llm.Role) string {
	switch r {
	case llm.RoleUser, llm.RoleTool:
		return "user"
	case llm.RoleAssistant:
		return "assistant"
	}
	return ""
}

// anyBlock reports whether parts give any content block: a message without is refused, and so is a blank text.
func anyBlock(parts []llm.Part) bool {
	for i := range parts {
		if written(&parts[i]) {
			return true
		}
	}
	return false
}

func written(p *llm.Part) bool {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		return strings.TrimSpace(p.Text) != ""
	case llm.PartThinking:
		return p.Text != "" || p.Signature != ""
	case llm.PartRedacted:
		return p.Signature != ""
	case llm.PartOther:
		return p.Origin == llm.Converse
	}
	return true
}

func appendBlocks(dst []byte, parts []llm.Part) []byte {
	first := true
	for i := range parts {
		p := &parts[i]
		if !written(p) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendBlock(dst, p)
		if ttl := cacheOf(p); ttl != "" {
			dst = appendCachePoint(append(dst, ','), ttl)
		}
	}
	return dst
}

// cacheOf returns the breakpoint after a part, which may stand within a tool's result: there Converse has no place for it.
func cacheOf(p *llm.Part) string {
	ttl := p.CacheTTL
	for i := range p.Parts {
		if ttl == "" {
			ttl = p.Parts[i].CacheTTL
		}
	}
	return ttl
}

func appendBlock(dst []byte, p *llm.Part) []byte {
	switch p.Kind {
	case llm.PartImage:
		return appendMedia(dst, "image", p)
	case llm.PartFile:
		return appendMedia(dst, "document", p)
	case llm.PartAudio:
		return appendMedia(dst, "audio", p)
	case llm.PartToolCall:
		dst = append(dst, `{"toolUse":{"toolUseId":`...)
		dst = wire.AppendString(dst, p.ID)
		dst = append(dst, `,"name":`...)
		dst = wire.AppendString(dst, p.Name)
		dst = append(dst, `,"input":`...)
		return append(appendObject(dst, p.Text), `}}`...)
	case llm.PartToolResult:
		return appendResult(dst, p)
	case llm.PartThinking:
		dst = append(dst, `{"reasoningContent":{"reasoningText":{"text":`...)
		dst = wire.AppendString(dst, p.Text)
		if p.Signature != "" {
			dst = append(dst, `,"signature":`...)
			dst = wire.AppendString(dst, p.Signature)
		}
		return append(dst, `}}}`...)
	case llm.PartRedacted:
		dst = append(dst, `{"reasoningContent":{"redactedContent":`...)
		dst = wire.AppendString(dst, p.Signature)
		return append(dst, `}}`...)
	case llm.PartOther:
		return append(dst, p.Raw...)
	}
	dst = append(dst, `{"text":`...)
	return append(wire.AppendString(dst, p.Text), '}')
}

// appendObject appends a tool's arguments. What is no object becomes an empty one.
func appendObject(dst []byte, text string) []byte {
	b := []byte(text)
	var sc wire.Scanner
	sc.Reset(b)
	if sc.Kind() == wire.Object && wire.Valid(b) {
		return append(dst, b...)
	}
	return append(dst, `{}`...)
}

func appendResult(dst []byte, p *llm.Part) []byte {
	dst = append(dst, `{"toolResult":{"toolUseId":`...)
	dst = wire.AppendString(dst, p.ID)
	dst = append(dst, `,"content":[`...)
	parts := slices.Clone(p.Parts)
	for i := range parts {
		parts[i].CacheTTL = ""
	}
	dst = append(appendBlocks(dst, parts), ']')
	if p.IsError {
		dst = append(dst, `,"status":"error"`...)
	}
	return append(dst, `}}`...)
}

// appendMedia appends an image, a document or audio. An address is taken if it is one of S3.
func appendMedia(dst []byte, kind string, p *llm.Part) []byte {
	dst = append(append(append(dst, `{"`...), kind...), `":{"format":`...)
	dst = wire.AppendString(dst, Format(p.MIME, p.Name))
	if kind == "document" {
		dst = append(dst, `,"name":`...)
		dst = wire.AppendString(dst, documentName(p.Name))
	}
	if p.Data == "" && p.URL != "" {
		dst = append(dst, `,"source":{"s3Location":{"uri":`...)
		dst = wire.AppendString(dst, p.URL)
		return append(dst, `}}}}`...)
	}
	dst = append(dst, `,"source":{"bytes":`...)
	dst = wire.AppendString(dst, p.Data)
	return append(dst, `}}}`...)
}

// appendCachePoint appends a breakpoint. Five minutes are the default, and the only time that all models know.
func appendCachePoint(dst []byte, ttl string) []byte {
	dst = append(dst, `{"cachePoint":{"type":"default"`...)
	if ttl == "1h" {
		dst = append(dst, `,"ttl":"1h"`...)
	}
	return append(dst, `}}`...)
}

// appendSystem appends all system messages, in order.
func appendSystem(dst []byte, c *llm.Chat) []byte {
	first := true
	for i := range c.Messages {
		t := &c.Messages[i]
		if t.Role != llm.RoleSystem && t.Role != llm.RoleDeveloper || !anyBlock(t.Parts) {
			continue
		}
		if first {
			dst = append(dst, `,"system":[`...)
		} else {
			dst = append(dst, ',')
		}
		first = false
		dst = appendBlocks(dst, t.Parts)
	}
	if !first {
		dst = append(dst, ']')
	}
	return dst
}

func appendInference(dst []byte, c *llm.Chat) []byte {
	if c.MaxTokens == 0 && c.Temperature == "" && c.TopP == "" && len(c.Stop) == 0 {
		return dst
	}
	dst = append(dst, `,"inferenceConfig":{`...)
	start := len(dst)
	if c.MaxTokens > 0 {
		dst = append(dst, `"maxTokens":`...)
		dst = strconv.AppendInt(dst, c.MaxTokens, 10)
	}
	dst = appendNumber(dst, start, "temperature", c.Temperature)
	dst = appendNumber(dst, start, "topP", c.TopP)
	if len(c.Stop) > 0 {
		dst = append(comma(dst, start), `"stopSequences":[`...)
		for i, s := range c.Stop {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = wire.AppendString(dst, s)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func appendNumber(dst []byte, start int, name string, n llm.Number) []byte {
	if n == "" {
		return dst
	}
	dst = append(append(append(comma(dst, start), '"'), name...), `":`...)
	return append(dst, n...)
}

// comma appends a comma if something follows the opening that ends at start.
func comma(dst []byte, start int) []byte {
	if len(dst) > start {
		return append(dst, ',')
	}
	return dst
}

func appendToolConfig(dst []byte, c *llm.Chat) []byte {
	if len(c.Tools) == 0 {
		return dst
	}
	dst = append(dst, `,"toolConfig":{"tools":[`...)
	for i := range c.Tools {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendTool(dst, &c.Tools[i])
	}
	dst = append(dst, ']')
	switch ch := &c.ToolChoice; {
	case ch.Mode == llm.ToolsAuto:
		dst = append(dst, `,"toolChoice":{"auto":{}}`...)
	case ch.Mode == llm.ToolsRequired && len(ch.Names) == 1:
		dst = append(dst, `,"toolChoice":{"tool":{"name":`...)
		dst = wire.AppendString(dst, ch.Names[0])
		dst = append(dst, `}}`...)
	case ch.Mode == llm.ToolsRequired:
		dst = append(dst, `,"toolChoice":{"any":{}}`...)
	}
	return append(dst, '}')
}

func appendTool(dst []byte, f *llm.Function) []byte {
	if f.Raw != "" {
		return append(dst, f.Raw...)
	}
	dst = append(dst, `{"toolSpec":{"name":`...)
	dst = wire.AppendString(dst, f.Name)
	if f.Description != "" {
		dst = append(dst, `,"description":`...)
		dst = wire.AppendString(dst, f.Description)
	}
	dst = append(dst, `,"inputSchema":{"json":`...)
	if f.Parameters == "" {
		dst = append(dst, `{"type":"object","properties":{}}`...)
	} else {
		dst = append(dst, f.Parameters...)
	}
	dst = append(dst, '}')
	if f.Strict != nil {
		dst = append(dst, `,"strict":`...)
		dst = strconv.AppendBool(dst, *f.Strict)
	}
	dst = append(dst, `}}`...)
	if f.CacheTTL != "" {
		dst = appendCachePoint(append(dst, ','), f.CacheTTL)
	}
	return dst
}

// appendAdditional appends what only some models know: Claude's top_k and thinking.
func appendAdditional(dst []byte, c *llm.Chat) []byte {
	r := &c.Reasoning
	think := ""
	switch {
	case r.Mode == llm.ThinkOff:
		think = `{"type":"disabled"}`
	case r.Mode == llm.ThinkAdaptive:
		think = `{"type":"adaptive"}`
	case r.Budget > 0:
		think = `{"type":"enabled","budget_tokens":` + strconv.FormatInt(r.Budget, 10) + `}`
	}
	if c.TopK == "" && think == "" {
		return dst
	}
	dst = append(dst, `,"additionalModelRequestFields":{`...)
	start := len(dst)
	dst = appendNumber(dst, start, "top_k", c.TopK)
	dst = appendNumber(dst, start, "thinking", llm.Number(think))
	return append(dst, '}')
}

func appendOutput(dst []byte, c *llm.Chat) []byte {
	schema := c.Format.Kind == llm.FormatSchema
	effort := c.Reasoning.Effort
	if !schema && effort == "" {
		return dst
	}
	dst = append(dst, `,"outputConfig":{`...)
	start := len(dst)
	if schema {
		dst = append(dst, `"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":`...)
		dst = wire.AppendString(dst, c.Format.Schema)
		if c.Format.Name != "" {
			dst = append(dst, `,"name":`...)
			dst = wire.AppendString(dst, c.Format.Name)
		}
		if c.Format.Description != "" {
			dst = append(dst, `,"description":`...)
			dst = wire.AppendString(dst, c.Format.Description)
		}
		dst = append(dst, `}}}`...)
	}
	if effort != "" {
		dst = append(comma(dst, start), `"effort":`...)
		dst = wire.AppendString(dst, effort)
	}
	return append(dst, '}')
}
