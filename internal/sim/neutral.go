package sim

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/internal/dialect"
	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// decode reads the body of a request in the dialect of its path.
func (x *exchange) decode(body []byte) *refusal {
	a := x.ask
	x.body = body
	if a.dialect == llm.OpenAI && a.op <= llm.OpEmbedding {
		if a.model != "" {
			body = withModel(body, a, false)
		}
		job, bad := decodeJob(a.op, body)
		if bad != nil {
			return refuseRequest(bad)
		}
		x.job = job
		return nil
	}
	switch a.op {
	case llm.OpChat:
		return x.decodeChat(body)
	case llm.OpCountTokens:
		return x.decodeCount(body)
	case llm.OpEmbedding:
		return x.decodeEmbed(body)
	case llm.OpRerank:
		return x.decodeRerank(body)
	case llm.OpModeration:
		return x.decodeModeration(body)
	case llm.OpImage:
		return x.decodeImage(body)
	case llm.OpSpeech:
		return x.decodeSpeech(body)
	default:
		return x.decodeTranscription(body)
	}
}

// withModel puts what the path says into a body whose dialect has it there.
func withModel(body []byte, a *ask, stream bool) []byte {
	if !gjson.ParseBytes(body).IsObject() {
		return body // the codec says what is wrong with it
	}
	var c wire.Change
	if a.model != "" {
		c.Set = []llm.Member{{Name: "model", Value: string(wire.AppendString(nil, a.model))}}
	}
	if stream {
		c.Set = append(c.Set, llm.Member{Name: "stream", Value: strconv.FormatBool(a.stream)})
		c.Drop = []string{"anthropic_version", "anthropic_beta"}
	}
	return wire.AppendChanged(nil, body, &c)
}

// decodeChat reads a chat in any dialect but OpenAI's, checks it as its maker would, and makes a job of it.
func (x *exchange) decodeChat(body []byte) *refusal {
	a := x.ask
	codec := dialect.Of(a.dialect)
	if codec == nil || codec.ReadChat == nil || codec.NewWriter == nil || codec.AppendAnswer == nil {
		return &refusal{status: 501, kind: "server_error", text: "The simulator does not speak " + a.dialect.String() + " chat."}
	}
	if !gjson.ValidBytes(body) {
		return refuseField("", "The request body is not valid JSON.")
	}
	if ref := x.strict(body); ref != nil {
		return ref
	}
	read := body
	if a.dialect == llm.Anthropic && a.host != onDirect {
		read = withModel(body, a, true)
	}
	if a.dialect == llm.Responses {
		read = wire.AppendChanged(nil, body, &wire.Change{Drop: []string{"previous_response_id"}}) // recall sees to it
	}
	chat, e := codec.ReadChat(llm.OpChat, read)
	if e != nil {
		return refuseError(e)
	}
	if a.model != "" {
		chat.Model = a.model
	}
	if a.dialect == llm.Gemini || a.host == onBedrock || a.host == onVertex {
		chat.Stream = a.stream
	}
	if a.dialect == llm.Responses {
		if ref := x.recall(chat, body); ref != nil {
			return ref
		}
	}
	j := neutralJob(chat, a.dialect)
	j.chat, j.strict = chat, (*exchange).checkChat
	j.store = a.dialect == llm.Responses && gjson.GetBytes(body, "store").Type != gjson.False
	x.job = j
	return nil
}

// checkChat checks what depends on the model: what it rejects, and signatures that it gave.
func (x *exchange) checkChat() *refusal {
	m, c := &x.model.cfg, x.job.chat
	last := c.Messages[len(c.Messages)-1]
	switch {
	case m.rejects("temperature") && (c.Temperature != "" && c.Temperature != "1" || c.TopP != "" || c.TopK != ""):
		return refuseField("temperature", "`temperature`, `top_p` and `top_k` are not supported for this model.")
	case m.rejects("prefill") && last.Role == llm.RoleAssistant:
		return refuseField("messages", "This model does not support assistant message prefill. The conversation must end with a user message.")
	case m.rejects("forced_tools") && c.ToolChoice.Mode == llm.ToolsRequired:
		return refuseField("tool_choice", "tool_choice: forced tool use is not supported for this model.")
	case m.rejects("budget") && c.Reasoning.Budget > 0:
		return refuseField("thinking", "thinking.type.enabled: is not supported for this model. Use \"adaptive\".")
	}
	switch x.ask.dialect {
	case llm.Anthropic, llm.Converse:
		return x.checkThoughts()
	case llm.Gemini:
		return x.checkThoughtSignatures()
	case llm.Responses:
		if looksReasoning(x.base) && (c.Temperature != "" && c.Temperature != "1" || c.TopP != "" && c.TopP != "1") {
			return refuseSampling("temperature")
		}
	}
	return nil
}

// checkThoughts verifies the signatures of thoughts that come back, and that a model which is to think gets those of its
// unfinished turn (PROVIDERS.md section 2.7, 2026-11-20).
func (x *exchange) checkThoughts() *refusal {
	c := x.job.chat
	for i := range c.Messages {
		for j := range c.Messages[i].Parts {
			p := &c.Messages[i].Parts[j]
			where := "messages." + strconv.Itoa(i) + ".content." + strconv.Itoa(j)
			switch {
			case p.Kind == llm.PartThinking && !x.s.genuine(x.base, p.Signature, p.Text):
				return refuseField("", where+": Invalid `signature` in `thinking` block")
			case p.Kind == llm.PartRedacted && !x.s.genuine(x.base, p.Signature, ""):
				return refuseField("", where+": Invalid `data` in `redacted_thinking` block")
			}
		}
	}
	// A model that thinks as it sees fit may not have: there the rule does not hold.
	if c.Reasoning.Mode != llm.ThinkOn || x.model.cfg.Reasoning == 0 || !x.job.talk.afterTool {
		return nil
	}
	for i := len(c.Messages) - 1; i >= 0; i-- {
		m := &c.Messages[i]
		if m.Role != llm.RoleAssistant {
			continue
		}
		if k := m.Parts[0].Kind; k != llm.PartThinking && k != llm.PartRedacted {
			return refuseField("", "messages."+strconv.Itoa(i)+".content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. "+
				"When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "+
				"`tool_use` and `tool_result` blocks).")
		}
		return nil
	}
	return nil
}

// skipSignature is the word that Gemini takes in place of a signature, for calls that another model made
// (ai.google.dev/gemini-api/docs/thought-signatures, read 2026-11-21).
const skipSignature = "skip_thought_signature_validator"

// checkThoughtSignatures does the same for Gemini: of each turn of the model since the user last spoke, the first call must
// have the signature that it came with. Models that do not think sign nothing.
func (x *exchange) checkThoughtSignatures() *refusal {
	c := x.job.chat
	current := 0
	for i := range c.Messages {
		if c.Messages[i].Role == llm.RoleUser {
			current = i
		}
	}
	for i := range c.Messages {
		first := true
		for j := range c.Messages[i].Parts {
			p := &c.Messages[i].Parts[j]
			if p.Signature != "" && p.Signature != skipSignature && !x.s.genuine(x.base, p.Signature, "") {
				return refuseField("", "Corrupted thought signature.")
			}
			if p.Kind != llm.PartToolCall {
				continue
			}
			if first && i > current && p.Signature == "" && x.model.cfg.Reasoning > 0 {
				return refuseField("", "Function call is missing a thought_signature in functionCall parts. This is required for tools to "+
					"work correctly, and missing thought_signature may lead to degraded model performance. Additional data, function call `"+
					p.Name+"`, position "+strconv.Itoa(j+1)+".")
			}
			first = false
		}
	}
	return nil
}

// decodeCount reads a request to count tokens. It costs nothing.
func (x *exchange) decodeCount(body []byte) *refusal {
	a := *x.ask
	x.ask = &a
	read := body
	if a.dialect == llm.Gemini {
		if inner := gjson.GetBytes(body, "generateContentRequest"); inner.Exists() {
			read = []byte(inner.Raw)
		}
	}
	if a.dialect == llm.Converse {
		switch in := gjson.GetBytes(body, "input"); {
		case in.Get("converse").Exists():
			read = []byte(in.Get("converse").Raw)
		default:
			return refuseField("input", "The provided input is not supported: give converse.")
		}
	}
	if a.dialect == llm.Anthropic && !gjson.GetBytes(read, "max_tokens").Exists() {
		read = wire.AppendChanged(nil, read, &wire.Change{Set: []llm.Member{{Name: "max_tokens", Value: "1"}}})
	}
	if ref := x.decodeChat(read); ref != nil {
		return ref
	}
	tokens := strconv.FormatInt(x.job.input, 10)
	x.job.op = llm.OpCountTokens
	x.job.maxTokens, x.job.stream, x.job.store = 0, false, false
	x.job.reply = func(x *exchange) error {
		x.usage = llm.Usage{}
		switch x.ask.dialect {
		case llm.Gemini:
			return x.send([]byte(`{"totalTokens":` + tokens + `,"promptTokensDetails":[{"modality":"TEXT","tokenCount":` + tokens + `}]}`))
		case llm.Converse:
			return x.send([]byte(`{"inputTokens":` + tokens + `}`))
		default:
			return x.send([]byte(`{"input_tokens":` + tokens + `}`))
		}
	}
	return nil
}

// refuseField says what is wrong with a field.
func refuseField(param, text string) *refusal {
	return &refusal{status: 400, kind: "invalid_request_error", param: param, text: text}
}

// refuseError makes a refusal of what a codec said.
func refuseError(e *llm.Error) *refusal {
	text := e.Message
	if e.Param != "" && !strings.Contains(text, e.Param) {
		text = e.Param + ": " + text
	}
	return refuseField(e.Param, text)
}

func refuseSampling(param string) *refusal {
	return refuseRequest(&openai.RequestError{Param: param, Code: "unsupported_value", Message: "Unsupported value: '" + param +
		"' does not support the given value with this model. Only the default (1) value is supported."})
}
