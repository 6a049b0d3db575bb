package openai

import (
	"net/http"
	"strconv"
	"time"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Client is the client's end of the protocol: it words requests and reads answers. It has no state, so that many
// goroutines may use it at once.
type Client struct {
	// OldMaxTokens limits the output by max_tokens in place of max_completion_tokens, for servers that know only that.
	OldMaxTokens bool
}

// Name is the dialect's name in configuration.
func (Client) Name() string { return llm.OpenAI.String() }

// Path returns the path of the prompt's operation below the base URL, which ends in the version.
func (Client) Path(p *llm.Prompt) string {
	switch p.Op {
	case llm.OpEmbedding:
		return "/embeddings"
	case llm.OpCompletion:
		return "/completions"
	default:
		return "/chat/completions"
	}
}

// Authorize sets the headers of a request with a JSON body. An empty key sends none.
func (Client) Authorize(h http.Header, key llm.Secret) {
	h.Set("Content-Type", "application/json")
	if !key.Empty() {
		h.Set("Authorization", "Bearer "+key.Reveal())
	}
}

// Error classifies an answer whose status is not 200, as ClassifyError does.
func (Client) Error(status int, h http.Header, body []byte, now time.Time) *llm.Error {
	return ClassifyError(status, h, body, now)
}

// AppendRequest appends the body that asks for p. Streams ask for usage.
func (c Client) AppendRequest(dst []byte, p *llm.Prompt) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, p.Model)
	switch p.Op {
	case llm.OpEmbedding:
		dst = append(dst, `,"input":`...)
		return append(appendTexts(dst, p.Messages), '}')
	case llm.OpCompletion:
		dst = append(dst, `,"prompt":`...)
		dst = appendTexts(dst, p.Messages)
		dst = c.appendLimit(dst, p, "max_tokens")
	default:
		dst = append(dst, `,"messages":[`...)
		for i := range p.Messages {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"role":`...)
			dst = wire.AppendString(dst, p.Messages[i].Role)
			dst = append(dst, `,"content":`...)
			dst = wire.AppendString(dst, p.Messages[i].Text)
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
		dst = appendTools(dst, p.Tools)
		dst = appendSchema(dst, p.Schema)
		name := "max_completion_tokens"
		if c.OldMaxTokens {
			name = "max_tokens"
		}
		dst = c.appendLimit(dst, p, name)
	}
	if p.Stream {
		dst = append(dst, `,"stream":true,"stream_options":{"include_usage":true}`...)
	}
	return append(dst, '}')
}

// appendTexts appends the texts of messages: one as a string, several as an array.
func appendTexts(dst []byte, all []llm.Message) []byte {
	if len(all) == 1 {
		return wire.AppendString(dst, all[0].Text)
	}
	dst = append(dst, '[')
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, all[i].Text)
	}
	return append(dst, ']')
}

// appendLimit appends the limit on output tokens under its name, and what makes a server reach it.
func (Client) appendLimit(dst []byte, p *llm.Prompt, name string) []byte {
	if p.Output <= 0 {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	dst = strconv.AppendInt(dst, p.Output, 10)
	if p.Exact {
		dst = append(dst, `,"ignore_eos":true,"min_tokens":`...)
		dst = strconv.AppendInt(dst, p.Output, 10)
	}
	return dst
}

func appendTools(dst []byte, tools []llm.Tool) []byte {
	if len(tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range tools {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"type":"function","function":{"name":`...)
		dst = wire.AppendString(dst, tools[i].Name)
		dst = append(dst, `,"description":`...)
		dst = wire.AppendString(dst, tools[i].Description)
		if tools[i].Parameters != "" {
			dst = append(dst, `,"parameters":`...)
			dst = append(dst, tools[i].Parameters...)
		}
		dst = append(dst, `}}`...)
	}
	return append(dst, ']')
}

// appendSchema appends the form that the answer must have.
func appendSchema(dst []byte, schema string) []byte {
	if schema == "" {
		return dst
	}
	dst = append(dst, `,"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":`...)
	dst = append(dst, schema...)
	return append(dst, `}}`...)
}

// Answer reads a 200 answer that was not streamed. The error is nil only for a complete one: one without finish reason is
// of KindTruncated, as in a stream.
func (Client) Answer(op llm.Op, body []byte) (llm.Usage, *llm.Error) {
	a, err := ScanAnswer(op, body)
	if err != nil {
		return llm.Usage{}, err
	}
	return a.Outcome("finish reason, or no data")
}

// Stream returns a reader for streamed answers. Chat and completions are told apart by what they say.
func (Client) Stream(llm.Op) llm.StreamReader {
	return wire.NewClientStream(new(Stream), "a finish reason")
}

// Limits reads the quota headers of an answer, as the package's Limits does.
func (Client) Limits(h http.Header) llm.RateLimits { return Limits(h) }
