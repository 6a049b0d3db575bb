package openai

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Decoders for the server's end of the protocol: they read a request as an OpenAI-compatible server does and refuse it
// with the errors such a server gives. Unknown fields are accepted. They allocate; the gateway's hot path does not use
// them (it looks at spans of the body, see ParseRequest).

// Message is one message of a chat request, with its parts joined to one text.
type Message struct {
	Role       string
	Name       string
	Text       string // text parts, joined by line feeds
	Parts      int    // parts that are not text (images, audio, files)
	ToolCalls  []ToolCall
	ToolCallID string
}

// Tool is one tool that the model may call.
type Tool struct {
	Type        string // function or custom
	Name        string
	Description string
	Parameters  json.RawMessage // JSON schema; nil if none
}

// ToolChoice says whether tools must be called.
type ToolChoice struct {
	Mode string // none, auto, required; empty if the request does not say
	Name string // one function that must be called; empty if none
}

// ResponseFormat is the wanted form of the answer.
type ResponseFormat struct {
	Type   string // text, json_object, json_schema; empty if the request does not say
	Name   string
	Schema json.RawMessage
}

// ChatRequest is a request to /chat/completions.
type ChatRequest struct {
	Model           string
	Messages        []Message
	Choices         int   // n, at least 1
	MaxTokens       int64 // max_completion_tokens or max_tokens; 0 if none
	OldMaxTokens    bool  // the limit was given as max_tokens
	MinTokens       int64 // vLLM's extension
	IgnoreEOS       bool  // vLLM's extension
	Stop            []string
	Stream          bool
	IncludeUsage    bool
	EachUsage       bool // vLLM's stream_options.continuous_usage_stats
	Tools           []Tool
	ToolsText       []byte // the tools as they were sent, for counting
	ToolChoice      ToolChoice
	ParallelTools   bool
	Format          ResponseFormat
	Logprobs        bool
	TopLogprobs     int
	ReasoningEffort string
	User            string
	ServiceTier     string
}

// CompletionRequest is a request to /completions.
type CompletionRequest struct {
	Model        string
	Prompts      []Input
	Choices      int   // n for each prompt, at least 1
	MaxTokens    int64 // 16 if the request does not say
	MinTokens    int64
	IgnoreEOS    bool
	Stop         []string
	Stream       bool
	IncludeUsage bool
	EachUsage    bool
	Echo         bool
	User         string
}

// EmbeddingRequest is a request to /embeddings.
type EmbeddingRequest struct {
	Model      string
	Inputs     []Input
	Base64     bool // encoding_format is base64
	Dimensions int  // 0 if the request does not say
	User       string
}

// Input is one text, given as text or as token numbers.
type Input struct {
	Text   string
	Tokens []int64 // nil if given as text
}

// maxInputs is the number of entries that one embeddings request may have.
const maxInputs = 2048

// DecodeChat reads a chat request.
func DecodeChat(body []byte) (*ChatRequest, *RequestError) {
	f := newFields(body)
	r := &ChatRequest{
		Model:           f.required("model").text("model"),
		Choices:         int(f.number("n", 1, 128, 1)),
		MinTokens:       f.number("min_tokens", 0, maxNumber, 0),
		IgnoreEOS:       f.boolean("ignore_eos", false),
		Stop:            f.stop(),
		Stream:          f.boolean("stream", false),
		ParallelTools:   f.boolean("parallel_tool_calls", true),
		Logprobs:        f.boolean("logprobs", false),
		TopLogprobs:     int(f.number("top_logprobs", 0, 20, 0)),
		ReasoningEffort: f.oneOf("reasoning_effort", "none", "minimal", "low", "medium", "high", "xhigh", "max"),
		User:            f.text("user"),
		ServiceTier:     f.text("service_tier"),
	}
	f.float("temperature", 0, 2)
	f.float("top_p", 0, 1)
	f.float("presence_penalty", -2, 2)
	f.float("frequency_penalty", -2, 2)
	r.IncludeUsage, r.EachUsage = f.streamOptions(r.Stream)
	if r.MaxTokens = f.number("max_completion_tokens", 1, maxNumber, 0); r.MaxTokens == 0 {
		r.MaxTokens = f.number("max_tokens", 1, maxNumber, 0)
		r.OldMaxTokens = r.MaxTokens > 0
	}
	if r.TopLogprobs > 0 && !r.Logprobs {
		f.fail("top_logprobs", "invalid_value", "Invalid value for 'top_logprobs': it needs 'logprobs' to be true.")
	}
	r.Messages = decodeMessages(f)
	r.ToolsText = f.raw("tools")
	r.Tools = decodeTools(f)
	r.ToolChoice = decodeToolChoice(f, r.Tools)
	r.Format = decodeFormat(f)
	return r, f.err
}

// DecodeCompletion reads a completions request.
func DecodeCompletion(body []byte) (*CompletionRequest, *RequestError) {
	f := newFields(body)
	r := &CompletionRequest{
		Model:     f.required("model").text("model"),
		Choices:   int(f.number("n", 1, 128, 1)),
		MaxTokens: f.number("max_tokens", 0, maxNumber, 16),
		MinTokens: f.number("min_tokens", 0, maxNumber, 0),
		IgnoreEOS: f.boolean("ignore_eos", false),
		Stop:      f.stop(),
		Stream:    f.boolean("stream", false),
		Echo:      f.boolean("echo", false),
		User:      f.text("user"),
	}
	f.float("temperature", 0, 2)
	f.float("top_p", 0, 1)
	r.IncludeUsage, r.EachUsage = f.streamOptions(r.Stream)
	r.Prompts = f.required("prompt").inputs("prompt", maxInputs)
	return r, f.err
}

// DecodeEmbedding reads an embeddings request.
func DecodeEmbedding(body []byte) (*EmbeddingRequest, *RequestError) {
	f := newFields(body)
	r := &EmbeddingRequest{
		Model:      f.required("model").text("model"),
		Dimensions: int(f.number("dimensions", 1, 1<<16, 0)),
		Base64:     f.oneOf("encoding_format", "float", "base64") == "base64",
		User:       f.text("user"),
	}
	r.Inputs = f.required("input").inputs("input", maxInputs)
	for i := range r.Inputs {
		if f.err == nil && r.Inputs[i].Text == "" && len(r.Inputs[i].Tokens) == 0 {
			f.fail("input", "", "Invalid 'input': an input cannot be an empty string.")
		}
	}
	return r, f.err
}

// decodeMessages reads the messages of a chat request.
func decodeMessages(f *fields) []Message {
	list := f.required("messages").list("messages")
	if f.err == nil && len(list) == 0 {
		f.fail("messages", "empty_array",
			"Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	messages := make([]Message, 0, len(list))
	for i, raw := range list {
		m := f.object(raw, pathIndex("messages", i))
		msg := Message{Name: m.text("name"), ToolCallID: m.text("tool_call_id")}
		msg.Role = m.required("role").oneOf("role", "system", "developer", "user", "assistant", "tool", "function")
		msg.ToolCalls = decodeToolCalls(m)
		msg.Text, msg.Parts = decodeContent(m, msg.Role == "assistant")
		if msg.Role == "tool" && msg.ToolCallID == "" {
			m.required("tool_call_id")
		}
		if f.take(m) {
			break
		}
		messages = append(messages, msg)
	}
	return messages
}

// decodeContent reads the content of a message: text, or an array of parts. Only an assistant may leave it out.
func decodeContent(m *fields, optional bool) (text string, parts int) {
	raw := m.raw("content")
	switch jsonKindOf(raw) {
	case jsonNone, jsonNull:
		if !optional {
			m.fail("content", "invalid_type",
				"Invalid value for 'content': expected a string or an array of objects, got null.")
		}
		return "", 0
	case jsonString:
		return m.text("content"), 0
	case jsonArray:
	default:
		m.typeError("content", "one of a string or array of objects", raw)
		return "", 0
	}
	var texts []string
	for i, one := range m.list("content") {
		p := m.object(one, pathIndex("content", i))
		switch kind := p.required("type").text("type"); kind {
		case "text", "refusal":
			texts = append(texts, p.required(kind).text(kind))
		default:
			parts++
		}
		if m.take(p) {
			break
		}
	}
	return strings.Join(texts, "\n"), parts
}

func decodeToolCalls(m *fields) []ToolCall {
	var calls []ToolCall
	for i, raw := range m.list("tool_calls") {
		c := m.object(raw, pathIndex("tool_calls", i))
		call := ToolCall{ID: c.required("id").text("id")}
		if c.text("type") != "custom" {
			fn := c.required("function").object(c.raw("function"), "function")
			call.Name = fn.required("name").text("name")
			call.Arguments = []byte(fn.text("arguments"))
			c.take(fn)
		}
		if m.take(c) {
			break
		}
		calls = append(calls, call)
	}
	return calls
}

func decodeTools(f *fields) []Tool {
	var tools []Tool
	for i, raw := range f.list("tools") {
		t := f.object(raw, pathIndex("tools", i))
		tool := Tool{Type: t.required("type").oneOf("type", "function", "custom")}
		if tool.Type != "" {
			fn := t.required(tool.Type).object(t.raw(tool.Type), tool.Type)
			tool.Name = fn.required("name").text("name")
			tool.Description = fn.text("description")
			if p := fn.raw("parameters"); jsonKindOf(p) == jsonObject {
				tool.Parameters = p
			} else if k := jsonKindOf(p); k != jsonNone && k != jsonNull {
				fn.typeError("parameters", "an object", p)
			}
			t.take(fn)
		}
		if f.take(t) {
			break
		}
		tools = append(tools, tool)
	}
	return tools
}

func decodeToolChoice(f *fields, tools []Tool) ToolChoice {
	raw := f.raw("tool_choice")
	var choice ToolChoice
	switch jsonKindOf(raw) {
	case jsonNone, jsonNull:
		return choice
	case jsonString:
		choice.Mode = f.oneOf("tool_choice", "none", "auto", "required")
	case jsonObject:
		c := f.object(raw, "tool_choice")
		kind := c.required("type").oneOf("type", "function", "custom", "allowed_tools")
		if kind == "" {
			f.take(c)
			return choice
		}
		inner := c.required(kind).object(c.raw(kind), kind)
		if kind == "allowed_tools" {
			choice.Mode = inner.oneOf("mode", "auto", "required")
		} else {
			choice.Name = inner.required("name").text("name")
		}
		c.take(inner)
		f.take(c)
	default:
		f.typeError("tool_choice", "one of a string or an object", raw)
	}
	if f.err == nil && len(tools) == 0 && choice.Mode != "none" {
		f.fail("tool_choice", "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	}
	for _, t := range tools {
		if t.Name == choice.Name {
			return choice
		}
	}
	if f.err == nil && choice.Name != "" {
		f.fail("tool_choice", "", "Invalid value for 'tool_choice': no tool is named '"+choice.Name+"'.")
	}
	return choice
}

func decodeFormat(f *fields) ResponseFormat {
	raw := f.raw("response_format")
	if k := jsonKindOf(raw); k == jsonNone || k == jsonNull {
		return ResponseFormat{}
	}
	o := f.object(raw, "response_format")
	r := ResponseFormat{Type: o.required("type").oneOf("type", "text", "json_object", "json_schema")}
	if r.Type == "json_schema" {
		s := o.required("json_schema").object(o.raw("json_schema"), "json_schema")
		r.Name = s.required("name").text("name")
		r.Schema = bytes.Clone(s.raw("schema"))
		o.take(s)
	}
	f.take(o)
	return r
}
