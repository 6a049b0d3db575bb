package sim

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"sluice/internal/llm"
	"sluice/internal/wire"
	"sluice/internal/wire/openai"
)

// quirk is how another provider's form of OpenAI's dialect differs (PROVIDERS.md section 4.1, 2026-11-20). Functions that are
// nil change nothing.
type quirk struct {
	name, doc string
	set       func(*effects)                                        // plain faults that are part of it
	chunk     func(x *exchange, data []byte, kind chunkKind) []byte // changes one chunk; nil leaves it out
	body      func(x *exchange, data []byte) []byte                 // changes an answer that is not streamed
	fail      func(v *openAIVoice, k *streamer)                     // an error in the middle of a stream
	refusal   func(r *refusal) []byte                               // the body of an error
	header    func(x *exchange, h http.Header)
}

// chunkKind is what a chunk is there for.
type chunkKind uint8

const (
	chunkRole chunkKind = iota
	chunkPiece
	chunkFinish
	chunkUsage
)

// quirkOf returns the quirk of a provider; nil if there is none of the name.
func quirkOf(name string) *quirk {
	for i := range quirks {
		if quirks[i].name == name {
			return &quirks[i]
		}
	}
	return nil
}

// apply adds a quirk to the effects.
func (q *quirk) apply(e *effects) {
	e.quirk = q
	if q.set != nil {
		q.set(e)
	}
}

// deviate applies the quirk of the configuration, and Azure's on its own paths. A fault of the request can put another in its
// place.
func (x *exchange) deviate() {
	name := x.s.cfg.Deviate
	if x.ask.host == onAzure {
		name = "azure"
	}
	if q := quirkOf(name); q != nil {
		q.apply(&x.fx)
	}
}

// settleQuirk drops a quirk where another dialect is spoken, and sets the headers of one that stays.
func (x *exchange) settleQuirk() {
	q := x.fx.quirk
	switch {
	case q == nil:
	case x.ask.dialect != llm.OpenAI:
		x.fx.quirk = nil
	case q.header != nil:
		q.header(x, x.w.Header())
	}
}

// chunked applies the quirk to a chunk.
func (q *quirk) chunked(x *exchange, data []byte, kind chunkKind) []byte {
	if q.chunk == nil {
		return data
	}
	return q.chunk(x, data, kind)
}

// insert adds members to the object at a path of a JSON text; "" is the text itself. Without such an object nothing changes.
func insert(data []byte, path, members string) []byte {
	end, empty := len(data)-1, len(data) == 2
	if path != "" {
		at := gjson.GetBytes(data, path)
		if !at.IsObject() || at.Index == 0 {
			return data
		}
		end, empty = at.Index+len(at.Raw)-1, len(at.Raw) == 2
	}
	out := append(make([]byte, 0, len(data)+len(members)+1), data[:end]...)
	if !empty {
		out = append(out, ',')
	}
	return append(append(out, members...), data[end:]...)
}

// replace puts another value at a path of a JSON text, if there is one.
func replace(data []byte, path, value string) []byte {
	at := gjson.GetBytes(data, path)
	if !at.Exists() || at.Index == 0 {
		return data
	}
	out := append(make([]byte, 0, len(data)+len(value)), data[:at.Index]...)
	return append(append(out, value...), data[at.Index+len(at.Raw):]...)
}

// rename gives all members of a name another one. Within a text of JSON the quotes around a name would be escaped.
func rename(data []byte, from, to string) []byte {
	return bytes.ReplaceAll(data, []byte(`"`+from+`":`), []byte(`"`+to+`":`))
}

func usageText(x *exchange) string { return string(openai.AppendUsage(nil, x.usage)) }

// numericCode is an error object whose code is a number.
func numericCode(r *refusal, kind string) string {
	return `{"message":` + string(wire.AppendString(nil, r.text)) + `,"type":"` + kind + `","param":null,"code":` + strconv.Itoa(r.status) + `}`
}

const failText = "The server had an error while processing your request."

// quirks are all that there are, in the order of the documentation. The list is not written.
var quirks = [...]quirk{
	{
		name: "groq", doc: "x_groq with id, usage and in-stream error; no usage chunk; reasoning; limits a day, resets like 2m59.56s",
		chunk:  groqChunk,
		body:   groqBody,
		fail:   failWith(`{"object":"chat.completion.chunk","choices":[],"x_groq":{"id":"req_sim","error":"` + failText + `"}}`),
		header: groqHeader,
	},
	{
		name: "together", doc: "the role and token_id in every delta, reasoning twice, finish_reason eos, seed, over-limit header",
		set:   func(e *effects) { e.roleEach = true },
		chunk: togetherChunk,
		body:  func(_ *exchange, b []byte) []byte { return insert(togetherFinish(b), "", `"warnings":[]`) },
		header: func(_ *exchange, h http.Header) {
			h.Set("X-Ratelimit-Limit", "60")
			h.Set("X-Ratelimit-Over-Limit", "yes")
		},
	},
	{
		name: "fireworks", doc: "usage on the chunk with the finish reason; headers of its own for limits and times",
		set: func(e *effects) { e.usageLast = true },
		header: func(_ *exchange, h http.Header) {
			h.Set("X-Ratelimit-Limit-Tokens-Prompt", "60000")
			h.Set("X-Ratelimit-Remaining-Tokens-Prompt", "59000")
			h.Set("X-Ratelimit-Limit-Tokens-Generated", "6000")
			h.Set("X-Ratelimit-Over-Limit", "no")
			h.Set("Fireworks-Server-Time-To-First-Token", "0.012")
		},
	},
	{
		name: "openrouter", doc: "comments, numeric error codes, errors as a chunk with finish_reason error, reasoning_details, cost",
		set:     func(e *effects) { e.pings, e.ping = true, " OPENROUTER PROCESSING" },
		chunk:   openrouterChunk,
		body:    func(x *exchange, b []byte) []byte { return openrouterChunk(x, b, chunkUsage) },
		fail:    failWith(string(errorObject("finish"))),
		refusal: openrouterRefusal,
		header:  func(x *exchange, h http.Header) { h.Set("X-Generation-Id", "gen-"+x.id) },
	},
	{
		name: "deepseek", doc: "keep-alive comments, blank lines before a whole answer, usage on the last chunk with its own names for the cache",
		set:   func(e *effects) { e.pings, e.usageLast = true, true },
		chunk: func(x *exchange, b []byte, _ chunkKind) []byte { return deepseekUsage(x, b) },
		body:  func(x *exchange, b []byte) []byte { return append([]byte("\n\n\n"), deepseekUsage(x, b)...) },
	},
	{
		name: "mistral", doc: "thoughts as an array in content, whole tool calls, usage always on the last chunk, finish_reason error, detail lists",
		set:     func(e *effects) { e.toolOne, e.usageLast = true, true },
		chunk:   mistralChunk,
		body:    mistralBody,
		fail:    failWith(`{"id":"sim","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`, "[DONE]"),
		refusal: mistralRefusal,
		header: func(_ *exchange, h http.Header) {
			h.Set("X-Ratelimit-Limit-Req-Minute", "60")
			h.Set("X-Ratelimit-Remaining-Req-Minute", "59")
			h.Set("X-Ratelimit-Limit-Tokens-Minute", "500000")
			h.Set("X-Ratelimit-Remaining-Tokens-Minute", "499000")
			h.Set("X-Ratelimit-Tokens-Query-Cost", "30")
		},
	},
	{
		name: "xai", doc: "running usage on every chunk; errors are {code, error} with a text as error",
		set: func(e *effects) { e.usageEach = true },
		refusal: func(r *refusal) []byte {
			return wireObject("code", http.StatusText(r.status), "error", r.text)
		},
	},
	{
		name: "cerebras", doc: "time_info, an in-stream error with status_code, resets in seconds",
		chunk: func(_ *exchange, b []byte, kind chunkKind) []byte {
			if kind == chunkFinish || kind == chunkUsage {
				return insert(b, "", timeInfo)
			}
			return b
		},
		body: func(_ *exchange, b []byte) []byte { return insert(b, "", timeInfo) },
		fail: failWith(`{"error":{"message":"` + failText + `","type":"server_error","param":"","code":"internal_error"},"status_code":500}`),
		header: func(_ *exchange, h http.Header) {
			h.Set("X-Ratelimit-Limit-Requests-Day", "14400")
			h.Set("X-Ratelimit-Remaining-Requests-Day", "14000")
			h.Set("X-Ratelimit-Reset-Requests-Day", "33011.382867")
			h.Set("X-Ratelimit-Limit-Tokens-Minute", "60000")
			h.Set("X-Ratelimit-Remaining-Tokens-Minute", "59000")
			h.Set("X-Ratelimit-Reset-Tokens-Minute", "11.38")
		},
	},
	{
		name: "ollama", doc: "the role in every delta, reasoning, an error in the stream is an empty delta and the end without [DONE]",
		set:   func(e *effects) { e.roleEach = true },
		chunk: ollamaChunk,
		body:  func(x *exchange, b []byte) []byte { return ollamaChunk(x, b, chunkUsage) },
		fail:  failWith(`{"id":"chatcmpl-0","object":"chat.completion.chunk","created":0,"model":"","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`),
		refusal: func(r *refusal) []byte {
			kind := "api_error"
			switch {
			case r.status == 404:
				kind = "not_found_error"
			case r.status < 500:
				kind = "invalid_request_error"
			}
			return []byte(`{"error":` + strings.Replace(numericCode(r, kind), `"code":`+strconv.Itoa(r.status), `"code":null`, 1) + `}`)
		},
	},
	{
		name: "vllm", doc: "reasoning, stop_reason and token_ids, numeric codes, an error in the stream and then [DONE]",
		chunk: func(_ *exchange, b []byte, _ chunkKind) []byte {
			return insert(rename(b, "reasoning_content", "reasoning"), "choices.0", `"stop_reason":null,"token_ids":null`)
		},
		body: func(_ *exchange, b []byte) []byte {
			return insert(rename(b, "reasoning_content", "reasoning"), "choices.0", `"stop_reason":null,"token_ids":null`)
		},
		fail:    failWith(`{"error":{"message":"`+failText+`","type":"InternalServerError","param":null,"code":500}}`, "[DONE]"),
		refusal: func(r *refusal) []byte { return []byte(`{"error":` + numericCode(r, "BadRequestError") + `}`) },
	},
	{
		name: "llamacpp", doc: `a first delta with "content":null, timings, 503 while the model is loading`,
		chunk: func(_ *exchange, b []byte, kind chunkKind) []byte {
			switch kind {
			case chunkRole:
				return replace(b, "choices.0.delta.content", "null")
			case chunkFinish:
				return insert(b, "", timings)
			}
			return b
		},
		body: func(_ *exchange, b []byte) []byte { return insert(b, "", timings) },
		fail: failWith(`{"error":{"code":500,"message":"` + failText + `","type":"server_error"}}`),
		refusal: func(r *refusal) []byte {
			text, kind := r.text, "server_error"
			if r.status == http.StatusServiceUnavailable {
				text, kind = "Loading model", "unavailable_error"
			}
			return []byte(`{"error":{"code":` + strconv.Itoa(r.status) + `,"message":` + string(wire.AppendString(nil, text)) + `,"type":"` + kind + `"}}`)
		},
	},
	{
		name: "azure", doc: "a first chunk with empty choices and prompt_filter_results, content_filter_results, codes that are statuses",
		set: func(e *effects) { e.azure = true },
		chunk: func(_ *exchange, b []byte, kind chunkKind) []byte {
			if kind == chunkPiece {
				return insert(b, "choices.0", filterResults)
			}
			return insert(b, "choices.0", `"content_filter_results":{}`)
		},
		body: func(_ *exchange, b []byte) []byte {
			return insert(insert(b, "choices.0", filterResults), "", `"prompt_filter_results":[{"prompt_index":0,`+filterResults+`}]`)
		},
		refusal: azureBody,
	},
	{
		name: "perplexity", doc: "citations, search_results and running usage on every chunk",
		set:   func(e *effects) { e.usageEach = true },
		chunk: func(_ *exchange, b []byte, _ chunkKind) []byte { return insert(b, "", cited) },
		body:  func(_ *exchange, b []byte) []byte { return insert(b, "", cited) },
	},
	{
		name: "gemini", doc: "errors of Google's endpoint for OpenAI's dialect: an array with one error object in it",
		refusal: func(r *refusal) []byte {
			return []byte("[" + strings.TrimSpace(string(r.googleBody(&ask{dialect: llm.Gemini}))) + "\n]")
		},
	},
}

const (
	timeInfo = `"time_info":{"queue_time":0.0001,"prompt_time":0.002,"completion_time":0.01,"total_time":0.0121,"created":1750000000}`
	timings  = `"timings":{"cache_n":0,"prompt_n":8,"prompt_ms":21.5,"predicted_n":32,"predicted_ms":410.2,"predicted_per_second":78.0}`
	cited    = `"citations":["https://example.com/a"],"search_results":[{"title":"A","url":"https://example.com/a","date":"2026-01-01"}]`

	filterResults = `"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},` +
		`"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}`
)

// failWith ends a stream with events.
func failWith(data ...string) func(*openAIVoice, *streamer) {
	return func(_ *openAIVoice, k *streamer) {
		for _, one := range data {
			k.event("", []byte(one))
		}
	}
}
