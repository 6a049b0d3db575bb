package openai

import (
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Encoders for the server's end of the protocol. Each appends one JSON value to dst, without SSE framing, and returns
// the extended slice; none keeps a reference to its arguments. Text is []byte so that a stream can reuse one buffer.

// Head is what every chunk of one answer, and the answer itself, begin with.
type Head struct {
	ID          string
	Created     int64 // Unix seconds
	Model       string
	Fingerprint string // system_fingerprint; left out if empty
	ServiceTier string // left out if empty
	NullUsage   bool   // chunks carry "usage":null: the client asked for the usage chunk
}

// ToolCall is one call of a function by the model.
type ToolCall struct {
	ID        string
	Name      string
	Arguments []byte // text of a JSON value, or of the part that fitted
}

// ToolDelta is a fragment of a tool call. The first one of a call has ID and Name.
type ToolDelta struct {
	Index     int
	NoIndex   bool // leave the index out, as some servers do
	ID        string
	Name      string
	Arguments []byte
}

// Logprob is one token of the output with its probability, as `logprobs` asks for.
type Logprob = llm.Logprob

// Delta is what one chunk adds to one choice. Nil texts are left out; an empty one that is not nil is written as "".
type Delta struct {
	Index       int
	Role        string // left out if empty
	Content     []byte
	NullContent bool   // "content":null
	RawContent  []byte // JSON in place of Content, for servers that send an array; wins over Content
	Reasoning   []byte // reasoning_content
	Tool        *ToolDelta
	Logprobs    []Logprob  // null if empty
	Finish      string     // null if empty
	Usage       *llm.Usage // running usage on this chunk; nil if none
}

// Choice is one whole answer among the n of a response that is not streamed.
type Choice struct {
	Index       int
	Content     []byte
	NullContent bool // null in place of Content, as beside tool calls
	RawContent  []byte
	Reasoning   []byte
	Tools       []ToolCall
	Logprobs    []Logprob
	Finish      string
}

// AppendChunk appends one chat.completion.chunk with a single choice.
func AppendChunk(dst []byte, h *Head, d *Delta) []byte {
	dst = encHead(dst, h, "chat.completion.chunk")
	dst = append(dst, `,"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(d.Index), 10)
	dst = append(dst, `,"delta":{`...)
	dst = encDelta(dst, d)
	dst = append(dst, `},"logprobs":`...)
	dst = encLogprobs(dst, d.Logprobs)
	dst = append(dst, `,"finish_reason":`...)
	dst = encNullable(dst, d.Finish)
	dst = append(dst, `}]`...)
	return append(encChunkUsage(dst, h, d.Usage), '}')
}

// AppendTextChunk appends one text_completion chunk of the completions API with a single choice. It reads Index,
// Content, Finish and Usage of d.
func AppendTextChunk(dst []byte, h *Head, d *Delta) []byte {
	dst = encHead(dst, h, "text_completion")
	dst = append(dst, `,"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(d.Index), 10)
	dst = append(dst, `,"text":`...)
	dst = wire.AppendString(dst, d.Content)
	dst = append(dst, `,"logprobs":null,"finish_reason":`...)
	dst = encNullable(dst, d.Finish)
	dst = append(dst, `}]`...)
	return append(encChunkUsage(dst, h, d.Usage), '}')
}

// AppendUsageChunk appends the extra last chunk that include_usage asks for: no choices, only usage. object is the
// chunk's object name, chat.completion.chunk or text_completion.
func AppendUsageChunk(dst []byte, h *Head, object string, u llm.Usage) []byte {
	dst = encHead(dst, h, object)
	dst = append(dst, `,"choices":[],"usage":`...)
	return append(AppendUsage(dst, u), '}')
}

// AppendChatCompletion appends a whole chat.completion. u is left out if nil.
func AppendChatCompletion(dst []byte, h *Head, choices []Choice, u *llm.Usage) []byte {
	dst = encHead(dst, h, "chat.completion")
	dst = append(dst, `,"choices":[`...)
	for i := range choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = encChoice(dst, &choices[i])
	}
	dst = append(dst, ']')
	return append(encAnswerUsage(dst, u), '}')
}

// AppendText appends a whole text_completion. u is left out if nil.
func AppendText(dst []byte, h *Head, choices []Choice, u *llm.Usage) []byte {
	dst = encHead(dst, h, "text_completion")
	dst = append(dst, `,"choices":[`...)
	for i := range choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"text":`...)
		dst = wire.AppendString(dst, choices[i].Content)
		dst = append(dst, `,"index":`...)
		dst = strconv.AppendInt(dst, int64(choices[i].Index), 10)
		dst = append(dst, `,"logprobs":null,"finish_reason":`...)
		dst = append(encNullable(dst, choices[i].Finish), '}')
	}
	dst = append(dst, ']')
	return append(encAnswerUsage(dst, u), '}')
}

// AppendUsage appends the usage object of chat and completions.
func AppendUsage(dst []byte, u llm.Usage) []byte {
	dst = append(dst, `{"prompt_tokens":`...)
	dst = strconv.AppendInt(dst, u.Input, 10)
	dst = append(dst, `,"completion_tokens":`...)
	dst = strconv.AppendInt(dst, u.Output, 10)
	dst = append(dst, `,"total_tokens":`...)
	dst = strconv.AppendInt(dst, u.Total(), 10)
	dst = append(dst, `,"prompt_tokens_details":{"cached_tokens":`...)
	dst = strconv.AppendInt(dst, u.CachedInput, 10)
	if u.CacheWrite > 0 {
		dst = append(dst, `,"cache_write_tokens":`...)
		dst = strconv.AppendInt(dst, u.CacheWrite, 10)
	}
	dst = append(dst, `,"audio_tokens":`...)
	dst = strconv.AppendInt(dst, u.AudioInput, 10)
	dst = append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...)
	dst = strconv.AppendInt(dst, u.Reasoning, 10)
	dst = append(dst, `,"audio_tokens":`...)
	dst = strconv.AppendInt(dst, u.AudioOutput, 10)
	return append(dst, `,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`...)
}

func encHead(dst []byte, h *Head, object string) []byte {
	dst = append(dst, `{"id":`...)
	dst = wire.AppendString(dst, h.ID)
	dst = append(dst, `,"object":"`...)
	dst = append(dst, object...)
	dst = append(dst, `","created":`...)
	dst = strconv.AppendInt(dst, h.Created, 10)
	dst = append(dst, `,"model":`...)
	dst = wire.AppendString(dst, h.Model)
	if h.ServiceTier != "" {
		dst = append(dst, `,"service_tier":`...)
		dst = wire.AppendString(dst, h.ServiceTier)
	}
	if h.Fingerprint != "" {
		dst = append(dst, `,"system_fingerprint":`...)
		dst = wire.AppendString(dst, h.Fingerprint)
	}
	return dst
}

// encDelta appends the members of a delta object.
func encDelta(dst []byte, d *Delta) []byte {
	start := len(dst)
	if d.Role != "" {
		dst = append(dst, `"role":`...)
		dst = wire.AppendString(dst, d.Role)
	}
	if d.Content != nil || d.RawContent != nil || d.NullContent {
		dst = encComma(dst, start)
		dst = append(dst, `"content":`...)
		dst = encContent(dst, d.Content, d.RawContent, d.NullContent)
	}
	if d.Reasoning != nil {
		dst = encComma(dst, start)
		dst = append(dst, `"reasoning_content":`...)
		dst = wire.AppendString(dst, d.Reasoning)
	}
	if d.Tool != nil {
		dst = encComma(dst, start)
		dst = encToolDelta(append(dst, `"tool_calls":[`...), d.Tool)
		dst = append(dst, ']')
	}
	return dst
}

func encToolDelta(dst []byte, t *ToolDelta) []byte {
	dst = append(dst, '{')
	start := len(dst)
	if !t.NoIndex {
		dst = append(dst, `"index":`...)
		dst = strconv.AppendInt(dst, int64(t.Index), 10)
	}
	if t.ID != "" {
		dst = encComma(dst, start)
		dst = append(dst, `"id":`...)
		dst = wire.AppendString(dst, t.ID)
		dst = append(dst, `,"type":"function"`...)
	}
	dst = encComma(dst, start)
	dst = append(dst, `"function":{`...)
	if t.Name != "" {
		dst = append(dst, `"name":`...)
		dst = wire.AppendString(dst, t.Name)
		dst = append(dst, ',')
	}
	dst = append(dst, `"arguments":`...)
	return append(wire.AppendString(dst, t.Arguments), `}}`...)
}

func encChoice(dst []byte, c *Choice) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(c.Index), 10)
	dst = append(dst, `,"message":{"role":"assistant","content":`...)
	dst = encContent(dst, c.Content, c.RawContent, c.NullContent)
	if c.Reasoning != nil {
		dst = append(dst, `,"reasoning_content":`...)
		dst = wire.AppendString(dst, c.Reasoning)
	}
	for i, t := range c.Tools {
		if i == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = wire.AppendString(dst, t.ID)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = wire.AppendString(dst, t.Name)
		dst = append(dst, `,"arguments":`...)
		dst = append(wire.AppendString(dst, t.Arguments), `}}`...)
	}
	if len(c.Tools) > 0 {
		dst = append(dst, ']')
	}
	dst = append(dst, `,"refusal":null,"annotations":[]},"logprobs":`...)
	dst = encLogprobs(dst, c.Logprobs)
	dst = append(dst, `,"finish_reason":`...)
	return append(encNullable(dst, c.Finish), '}')
}

func encContent(dst, text, raw []byte, null bool) []byte {
	switch {
	case raw != nil:
		return append(dst, raw...)
	case null:
		return append(dst, "null"...)
	default:
		return wire.AppendString(dst, text)
	}
}

func encChunkUsage(dst []byte, h *Head, u *llm.Usage) []byte {
	switch {
	case u != nil:
		return AppendUsage(append(dst, `,"usage":`...), *u)
	case h.NullUsage:
		return append(dst, `,"usage":null`...)
	default:
		return dst
	}
}

func encAnswerUsage(dst []byte, u *llm.Usage) []byte {
	if u == nil {
		return dst
	}
	return AppendUsage(append(dst, `,"usage":`...), *u)
}

func encLogprobs(dst []byte, all []Logprob) []byte {
	if len(all) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"content":[`...)
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = encLogprob(dst, &all[i])
		dst = append(dst, `,"top_logprobs":[`...)
		for j := range all[i].Top {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(encLogprob(dst, &all[i].Top[j]), '}')
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, `],"refusal":null}`...)
}

// encLogprob appends the members that a token and its alternatives share; the object is left open.
func encLogprob(dst []byte, p *Logprob) []byte {
	dst = append(dst, `{"token":`...)
	dst = wire.AppendString(dst, p.Token)
	dst = append(dst, `,"logprob":`...)
	dst = strconv.AppendFloat(dst, p.Logprob, 'g', -1, 64)
	dst = append(dst, `,"bytes":[`...)
	text := p.Bytes
	if text == nil {
		text = []byte(p.Token)
	}
	for i, b := range text {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(b), 10)
	}
	return append(dst, ']')
}

func encNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return wire.AppendString(dst, s)
}

// encComma appends a comma unless the object that begins at start is still empty.
func encComma(dst []byte, start int) []byte {
	if len(dst) == start {
		return dst
	}
	return append(dst, ',')
}

// AppendTextPart appends an array with one text part: content in the form that some servers send instead of a string.
func AppendTextPart(dst, text []byte) []byte {
	dst = append(dst, `[{"type":"text","text":`...)
	return append(wire.AppendString(dst, text), `}]`...)
}
