package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"sluice/internal/llm"
)

func encodeBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// ReadChat reads a whole Converse request. The model, and whether the answer is to be streamed, are in the path: the caller sets
// them.
func ReadChat(_ llm.Op, body []byte) (*llm.Chat, *llm.Error) {
	var rq converseRequest
	if err := json.Unmarshal(body, &rq); err != nil {
		return nil, bad("", "the body cannot be read: %v", err)
	}
	c := &llm.Chat{
		Choices: 1, Stop: rq.Inference.Stop, Temperature: llm.Number(rq.Inference.Temperature), TopP: llm.Number(rq.Inference.TopP),
		ServiceTier: tierOf(rq.Tier), Metadata: string(rq.Metadata),
	}
	if n := rq.Inference.MaxTokens; n != "" {
		v, err := n.Int64()
		if err != nil || v < 1 {
			return nil, bad("inferenceConfig.maxTokens", "maxTokens is %s, want a whole number of at least 1", n)
		}
		c.MaxTokens = v
	}
	if len(rq.System) > 0 {
		parts, err := readBlocks(rq.System)
		if err != nil {
			return nil, bad("system", "system cannot be read: %v", err)
		}
		c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleSystem, Parts: parts})
	}
	for i := range rq.Messages {
		if e := readTurn(c, &rq.Messages[i], i); e != nil {
			return nil, e
		}
	}
	if e := readTools(c, rq.Tools); e != nil {
		return nil, e
	}
	readOutput(c, rq.Output)
	if e := readAdditional(c, rq.Additional); e != nil {
		return nil, e
	}
	c.Extra = append(c.Extra, extra(body)...)
	return c, nil
}

func bad(param, format string, args ...any) *llm.Error {
	e := llm.Errorf(llm.KindBadRequest, format, args...)
	e.Param = param
	return e
}

// readTurn reads a message. The results of tools become a turn of their own, before what else the user says.
func readTurn(c *llm.Chat, m *message, i int) *llm.Error {
	at := fmt.Sprintf("messages[%d]", i)
	parts, err := readBlocks(m.Content)
	if err != nil {
		return bad(at+".content", "content cannot be read: %v", err)
	}
	switch m.Role {
	case "assistant":
		c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleAssistant, Parts: parts})
		return nil
	case "user":
	default:
		return bad(at+".role", "role is %q, want user or assistant", m.Role)
	}
	var results, rest []llm.Part
	for _, p := range parts {
		if p.Kind == llm.PartToolResult {
			results = append(results, p)
		} else {
			rest = append(rest, p)
		}
	}
	if len(results) > 0 {
		c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleTool, Parts: results})
	}
	if len(rest) > 0 || len(results) == 0 {
		c.Messages = append(c.Messages, llm.Turn{Role: llm.RoleUser, Parts: rest})
	}
	return nil
}

func readTools(c *llm.Chat, tc *toolConfig) *llm.Error {
	if tc == nil {
		return nil
	}
	for i, raw := range tc.Tools {
		var t tool
		if err := json.Unmarshal(raw, &t); err != nil {
			return bad(fmt.Sprintf("toolConfig.tools[%d]", i), "tool cannot be read: %v", err)
		}
		switch {
		case t.CachePoint != nil:
			if n := len(c.Tools); n > 0 {
				c.Tools[n-1].CacheTTL = ttlOf(t.CachePoint)
			}
		case t.Spec != nil:
			c.Tools = append(c.Tools, llm.Function{Name: t.Spec.Name, Description: t.Spec.Description, Parameters: string(t.Spec.Schema.JSON), Strict: t.Spec.Strict})
		default:
			f := llm.Function{Raw: string(raw), Origin: llm.Converse}
			if t.System != nil {
				f.Name = t.System.Name
			}
			c.Tools = append(c.Tools, f)
		}
	}
	switch ch := tc.Choice; {
	case ch == nil:
	case ch.Auto != nil:
		c.ToolChoice.Mode = llm.ToolsAuto
	case ch.Any != nil:
		c.ToolChoice.Mode = llm.ToolsRequired
	case ch.Tool != nil:
		c.ToolChoice = llm.ToolChoice{Mode: llm.ToolsRequired, Names: []string{ch.Tool.Name}}
	}
	return nil
}

func readOutput(c *llm.Chat, o *outputConfig) {
	if o == nil {
		return
	}
	c.Reasoning.Effort = o.Effort
	if o.Format != nil && o.Format.Structure.Schema != nil {
		s := o.Format.Structure.Schema
		c.Format = llm.Format{Kind: llm.FormatSchema, Name: s.Name, Description: s.Description, Schema: s.Schema}
	}
}

// readAdditional reads what Claude's models know of the fields of a model's own. Others are Extra.
func readAdditional(c *llm.Chat, raw json.RawMessage) *llm.Error {
	if len(raw) == 0 {
		return nil
	}
	var a additional
	if err := json.Unmarshal(raw, &a); err != nil {
		return bad("additionalModelRequestFields", "the fields cannot be read: %v", err)
	}
	c.TopK = llm.Number(a.TopK)
	if t := a.Thinking; t != nil {
		switch t.Type {
		case "disabled":
			c.Reasoning.Mode = llm.ThinkOff
		case "adaptive":
			c.Reasoning.Mode = llm.ThinkAdaptive
		default:
			c.Reasoning.Mode, c.Reasoning.Budget = llm.ThinkOn, t.Budget
		}
	}
	for _, m := range membersBut(raw, "top_k", "thinking") {
		c.Extra = append(c.Extra, llm.Member{Name: "additionalModelRequestFields." + m.Name, Value: m.Value})
	}
	return nil
}

// extra returns the members of a request that are not read above.
func extra(body []byte) []llm.Member {
	return membersBut(body, "messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig", "serviceTier",
		"requestMetadata", "modelId")
}
