package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// TestSupervised makes streams of calls whose clients want the answer whole: what breaks is asked for elsewhere, and the client sees
// nothing of it but the time.
func TestSupervised(t *testing.T) {
	t.Parallel()
	good := append(says("Hello", " world."), stopEvent, usageEvent, doneEvent)
	f := func(name string, took time.Duration, attempts int, parts ...any) {
		t.Helper()
		a, b := steps(events(parts...)), steps(events(good...))
		o := pool(a, b)
		o.settings = func(s *gateway.Settings) {
			rescuing()(s)
			s.Timeouts = upstream.Timeouts{Connect: time.Second, FirstToken: 4 * time.Second, Idle: 2 * time.Second, Total: time.Minute}
		}
		onRoad(t, o, func(rd *road) {
			w := rd.chat("m")
			w.want(llm.KindNone, attempts)
			var got struct {
				ID, Object string
				Choices    []struct {
					Message struct{ Role, Content string }
					Reason  string `json:"finish_reason"`
				}
				Usage struct {
					In  int `json:"prompt_tokens"`
					Out int `json:"completion_tokens"`
				}
			}
			if err := json.Unmarshal([]byte(w.body.String()), &got); err != nil || got.Object != "chat.completion" || got.ID != "c" || len(got.Choices) != 1 ||
				got.Choices[0].Message.Content != "Hello world." || got.Choices[0].Message.Role != "assistant" || got.Choices[0].Reason != "stop" ||
				got.Usage.In != 1000 || got.Usage.Out != 500 {
				t.Errorf("%s: client got %s (%v)", name, w.body.String(), err)
			}
			if ct := w.header.Get("Content-Type"); ct != "" && ct != "application/json" {
				t.Errorf("%s: content type %q", name, ct)
			}
			if !near(w.took, took) {
				t.Errorf("%s: took %v, want %v", name, w.took, took)
			}
			if us := w.header.Get("X-Sluice-Overhead-Us"); len(us) == 0 || len(us) > 5 { // of simulated time: the answer's is the provider's
				t.Errorf("%s: took %v, of which X-Sluice-Overhead-Us says %s", name, w.took, us)
			}
			if asked := a.got()[0].body; !strings.Contains(asked, `"stream":true`) || !strings.Contains(asked, `"include_usage":true`) {
				t.Errorf("%s: asked %s", name, asked)
			}
			row := rd.row(w)
			if row.Stream || row.Attempts != attempts || row.Code != "" || row.Usage.Input < 1000 {
				t.Errorf("%s: row %+v", name, row)
			}
		})
	}
	f("well", 0, 1, good...)
	f("in its time", 3*time.Second, 1, append([]any{roleEvent, time.Second, good[1], time.Second, good[2], time.Second}, stopEvent, usageEvent, doneEvent)...)
	f("cut", 0, 2, append(says("Hello"), "reset")...)
	f("clean end too soon", 0, 2, says("Hello")...)
	f("no first token", 4*time.Second, 2, roleEvent, "hang")
	f("stall", 2*time.Second, 2, append(says("Hello"), "hang")...)
	f("error inside", 0, 2, append(says("Hello"), "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n")...)
	f("repetition", 0, 2, append(says("Well,", strings.Repeat(" again and again", 200)), "hang")...)
	f("malformed", 0, 1, roleEvent, good[1], "data: {\"choi\n\n", good[2], stopEvent, usageEvent, doneEvent)
}

// TestSupervisedElsewhere does the same where the target speaks another dialect.
func TestSupervisedElsewhere(t *testing.T) {
	t.Parallel()
	for _, front := range []llm.Dialect{llm.OpenAI, llm.Anthropic, llm.Responses} {
		a, b := steps(events(geminiText, "reset")), steps(events(geminiText, geminiEnd))
		o := pool(a, b)
		o.providers[0].api, o.providers[1].api = "gemini", "gemini"
		o.settings = rescuing()
		body := map[llm.Dialect]string{llm.OpenAI: chatBody("m", ""), llm.Anthropic: messages, llm.Responses: `{"model":"m","input":"hello","store":false}`}[front]
		onRoad(t, o, func(rd *road) {
			w := rd.ask(front, "m", false, body)
			w.want(llm.KindNone, 2)
			if !strings.Contains(w.body.String(), `hello you`) || strings.Contains(w.body.String(), "data:") {
				t.Errorf("%v: client got %s", front, w.body.String())
			}
			if row := rd.row(w); row.Usage.Output < 500 {
				t.Errorf("%v: row %+v", front, row)
			}
		})
	}
}

// TestUnsupervised checks which calls are asked for whole all the same.
func TestUnsupervised(t *testing.T) {
	t.Parallel()
	f := func(name, more string, set func(*gateway.Rescue), usageOff bool) {
		t.Helper()
		s := steps(ok)
		o := at(s)
		o.providers[0].usageOff = usageOff
		o.settings = rescuing(set)
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("p/m", more)))
			w.want(llm.KindNone, 1)
			if asked := s.got()[0].body; strings.Contains(asked, `"stream":true`) {
				t.Errorf("%s: asked %s", name, asked)
			}
			if w.body.String() != answerText {
				t.Errorf("%s: client got %s", name, w.body.String())
			}
		})
	}
	same := func(*gateway.Rescue) {}
	f("off", "", func(r *gateway.Rescue) { r.Supervise = "off" }, false)
	f("sound", `,"modalities":["text","audio"]`, same, false)
	f("no usage in streams", "", same, true)
}

// TestStreamRefused has a provider that streams to nobody: the call is asked for whole, and so are all later ones.
func TestStreamRefused(t *testing.T) {
	t.Parallel()
	s := steps(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"stream":true`) {
			failWith(400, `{"error":{"message":"Your organization must be verified to stream this model.","type":"invalid_request_error","param":"stream","code":"unsupported_value"}}`)(w, r)
			return
		}
		whole(answerText)(w, r)
	})
	o := at(s)
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		for i := range 3 {
			w := rd.chat("p/m")
			w.want(llm.KindNone, map[bool]int{true: 2, false: 1}[i == 0])
			if w.body.String() != answerText {
				t.Errorf("client got %s", w.body.String())
			}
		}
		if n := s.count(); n != 4 {
			t.Errorf("%d requests for three calls, want one more", n)
		}
	})
}

// TestWholeAllTheSame has a provider that answers whole though a stream was asked for.
func TestWholeAllTheSame(t *testing.T) {
	t.Parallel()
	s := steps(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, answerText)
	})
	o := at(s)
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.chat("p/m")
		w.want(llm.KindNone, 1)
		if w.body.String() != answerText {
			t.Errorf("client got %s", w.body.String())
		}
	})
}

const demand = `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"gate":{"type":"integer"}},"required":["gate"]}}}`

// TestForm asks for structured output. What stands around it is taken away, and what has not the form is asked for once more, in stricter
// words.
func TestForm(t *testing.T) {
	t.Parallel()
	answer := func(text string) step {
		return events(append(says(text), stopEvent, usageEvent, doneEvent)...)
	}
	const good = `{"gate": 3}`
	f := func(name, more string, set func(*gateway.Rescue), want string, kind llm.Kind, asked int, answers ...string) {
		t.Helper()
		var all []step
		for _, text := range answers {
			all = append(all, answer(text))
		}
		s := steps(all...)
		o := at(s)
		o.settings = rescuing(set)
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("p/m", demand+more)))
			got := llm.KindNone
			if w.err != nil {
				got = w.err.Kind
			}
			if got != kind || s.count() != asked {
				t.Errorf("%s: ended with %v (%v) after %d requests, want %v after %d", name, got, w.err, s.count(), kind, asked)
			}
			if quoted := fmt.Sprintf("%q", want); kind == llm.KindNone && !strings.Contains(w.body.String(), quoted) {
				t.Errorf("%s: client got %s, want %s", name, w.body.String(), quoted)
			}
			if asked > 1 && !strings.Contains(s.got()[1].body, "JSON") {
				t.Errorf("%s: the second request is %s", name, s.got()[1].body)
			}
		})
	}
	same := func(*gateway.Rescue) {}
	f("good", "", same, good, llm.KindNone, 1, good)
	f("fenced", "", same, good, llm.KindNone, 1, "```json\n"+good+"\n```")
	f("prose first, then good", "", same, good, llm.KindNone, 2, "There are three gates.", good)
	f("against the schema", "", same, good, llm.KindNone, 2, `{"door": 3}`, good)
	f("twice bad", "", same, "", llm.KindInvalidOutput, 2, "three", "three")
	f("nobody looks", "", func(r *gateway.Rescue) { r.Structured.Retry = 0 }, "three", llm.KindNone, 1, "three")
	f("stream, good", `,"stream":true`, same, good, llm.KindNone, 1, good)
	f("stream, bad", `,"stream":true`, same, "", llm.KindInvalidOutput, 1, "three")
	f("stream, off", `,"stream":true`, func(r *gateway.Rescue) { r.Structured.Stream = "off" }, "three", llm.KindNone, 1, "three")
	hold := func(r *gateway.Rescue) { r.Structured.Stream = "hold" }
	f("held, bad and good", `,"stream":true`, hold, good, llm.KindNone, 2, "three", good)
	f("held, twice bad", `,"stream":true`, hold, "", llm.KindInvalidOutput, 2, "three", "three")
}

// TestToolsOfStreams checks what is demanded of the arguments of tools in a stream that is only checked: of strict tools their schema, of
// others that they are JSON.
func TestToolsOfStreams(t *testing.T) {
	t.Parallel()
	f := func(name, strict, args string, kind llm.Kind) {
		t.Helper()
		s := steps(events(roleEvent, toolStart, toolArgs(args), toolEnd, usageEvent, doneEvent))
		o := at(s)
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			tools := `,"stream":true,"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"at":{"type":"string"}},"required":["at"]}` + strict + `}}]`
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("p/m", tools)))
			got := llm.KindNone
			if w.err != nil {
				got = w.err.Kind
			}
			if got != kind {
				t.Errorf("%s: ended with %v (%v), want %v", name, got, w.err, kind)
			}
		})
	}
	f("good", "", `{"at":"lock"}`, llm.KindNone)
	f("against the schema", "", `{"near":"lock"}`, llm.KindNone)
	f("against the schema of a strict tool", `,"strict":true`, `{"near":"lock"}`, llm.KindInvalidOutput)
	f("no JSON", "", `{"at":`, llm.KindInvalidOutput)
}
