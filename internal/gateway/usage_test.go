package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"sluice/internal/llm"
)

// TestUsageOfBrokenStreams: what a provider states at the beginning of a stream counts if the stream breaks off, in either way that it
// goes to the client; an error in the place of an answer costs nothing.
func TestUsageOfBrokenStreams(t *testing.T) {
	t.Parallel()
	const (
		begin = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\"," +
			"\"usage\":{\"input_tokens\":100,\"cache_read_input_tokens\":900,\"output_tokens\":1}}}\n\n"
		broke = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n"
	)
	_, text, _ := strings.Cut(anthropicText, "\n\n")
	f := func(name string, front llm.Dialect, body string, want llm.Usage, parts ...any) {
		t.Helper()
		onRoad(t, options{providers: []provider{{name: "p", api: "anthropic", answer: steps(events(parts...))}}}, func(rd *road) {
			w := rd.ask(front, "p/m", true, body)
			if got := rd.row(w).Usage; got != want {
				t.Errorf("%s, %v: %+v, want %+v", name, front, got, want)
			}
		})
	}
	both := func(name string, want llm.Usage, parts ...any) {
		t.Helper()
		f(name, llm.Anthropic, messages, want, parts...)
		f(name, llm.OpenAI, chatBody("m", `,"stream":true`), want, parts...)
	}
	both("cut", llm.Usage{Input: 1000, CachedInput: 900, Output: 2, Estimated: true}, begin, text)
	both("complete", llm.Usage{Input: 1000, CachedInput: 900, Output: 2}, begin, text, anthropicFinish, anthropicEnd)
	both("error in place", llm.Usage{}, begin, broke)
}

// TestZeroUsage: a server that reports zeros for an answer with text has not said what it has used.
func TestZeroUsage(t *testing.T) {
	t.Parallel()
	const zero = `"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`
	body := strings.Replace(answerText, usage, zero, 1)
	onRoad(t, options{providers: []provider{{name: "p", answer: steps(whole(body))}}}, func(rd *road) {
		if got := rd.row(rd.chat("p/m")).Usage; !got.Estimated || got.Input == 0 || got.Output == 0 {
			t.Errorf("%+v, want an estimate", got)
		}
	})
}

// TestErrorInPlaceOfStream: a provider that answers a request for a stream with an error as one JSON object, and status 200, has its
// error told as what it is.
func TestErrorInPlaceOfStream(t *testing.T) {
	t.Parallel()
	plain := func(body string) step {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			whole(body)(w, r)
		}
	}
	f := func(front llm.Dialect, api, body, answer string, kind llm.Kind) {
		t.Helper()
		s := steps(plain(answer), plain(answer), plain(answer))
		onRoad(t, options{providers: []provider{{name: "p", api: api, answer: s, native: true}}}, func(rd *road) {
			w := rd.ask(front, "p/m", true, body)
			w.want(kind, s.count())
			if u := rd.row(w).Usage; kind != llm.KindTruncated && u != (llm.Usage{}) {
				t.Errorf("%v: billed %+v", front, u)
			}
		})
	}
	const (
		openAI    = `{"error":{"message":"The server is overloaded","type":"server_error","code":null}}`
		anthropic = "{\n \"type\":\"error\",\n\n \"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
	)
	chat := chatBody("m", `,"stream":true`)
	f(llm.OpenAI, "openai", chat, openAI, llm.KindProviderStream)
	f(llm.Anthropic, "anthropic", messages, anthropic, llm.KindOverloaded)
	f(llm.Responses, "openai", `{"model":"m","input":"hello","stream":true}`, openAI, llm.KindProviderStream)
	f(llm.Anthropic, "openai", messages, openAI, llm.KindProviderStream)
	f(llm.OpenAI, "openai", chat, `{"choices":[]}`, llm.KindTruncated)
	f(llm.OpenAI, "openai", chat, `{`, llm.KindTruncated)
}

// TestTranslatedStreamIsBounded: what is held of a stream that is translated, for its end or to be stored, has a limit.
func TestTranslatedStreamIsBounded(t *testing.T) {
	t.Parallel()
	chunk := strings.Replace(geminiText, "hello", strings.Repeat("x", 500), 1)
	f := func(kind llm.Kind, parts ...any) {
		t.Helper()
		s := steps(events(append(parts, geminiEnd)...))
		onRoad(t, options{providers: []provider{{name: "p", api: "gemini", answer: s, maxAnswer: 1024}}}, func(rd *road) {
			w := rd.ask(llm.OpenAI, "p/m", true, chatBody("m", `,"stream":true`))
			w.want(kind, 1)
			if kind != llm.KindNone {
				w.says("1024 bytes", "max_answer")
			}
		})
	}
	f(llm.KindNone, chunk, chunk)
	f(llm.KindBadAnswer, chunk, chunk, chunk, chunk)
}
