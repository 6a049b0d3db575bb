package sim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"
)

// faultCase shows that a fault does what its description says. plain and stream send the same request as model:fault.
type faultCase func(t *testing.T, c *client, s *Server)

// unfinished fails unless the answer began with status 200 and broke off with the error, after some text.
func unfinished(t *testing.T, a answer, want error) {
	t.Helper()
	if a.status != 200 || !errors.Is(a.err, want) {
		t.Errorf("status %d, error %v, want 200 and %v", a.status, a.err, want)
	}
}

const question = "how does the sluice work?"

func faultCases() map[string]faultCase {
	cases := map[string]faultCase{}
	for _, one := range statuses {
		name := strconv.Itoa(one.status)
		cases[name] = func(t *testing.T, c *client, _ *Server) {
			for _, prefix := range []string{":", ":error-"} {
				a := c.chat("sim-fast"+prefix+name, question, streamed)
				refused(t, a, one.status, one.kind, "", one.code)
				if a.header.Get("Retry-After") != "" || a.header.Get("Retry-After-Ms") != "" {
					t.Errorf("a wait was not asked for: %v", a.header)
				}
			}
			if a := c.chat("sim-fast:"+name+";after=3", question, ""); a.header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After %q, want 3", a.header.Get("Retry-After"))
			}
			if a := c.chat("sim-fast:"+name+";after=2;form=ms", question, ""); a.header.Get("Retry-After-Ms") != "2000" {
				t.Errorf("Retry-After-Ms %q, want 2000", a.header.Get("Retry-After-Ms"))
			}
			if a := c.chat("sim-fast:"+name+";after=5;form=date", question, ""); a.header.Get("Retry-After") != "Sun, 15 Jun 2025 15:06:45 GMT" {
				t.Errorf("Retry-After %q, want 5 s after the frozen clock", a.header.Get("Retry-After"))
			}
		}
	}
	for name, one := range refusalCases() {
		cases[name] = one
	}
	for name, one := range brokenCases() {
		cases[name] = one
	}
	for name, one := range shapeCases() {
		cases[name] = one
	}
	for name, one := range slowCases() {
		cases[name] = one
	}
	for name, one := range ruleCases() {
		cases[name] = one
	}
	return cases
}

func refusalCases() map[string]faultCase {
	return map[string]faultCase{
		"quota": func(t *testing.T, c *client, _ *Server) {
			refused(t, c.chat("sim-fast:quota", question, ""), 429, "insufficient_quota", "", "insufficient_quota")
		},
		"context-length": func(t *testing.T, c *client, _ *Server) {
			refused(t, c.chat("sim-fast:context-length", question, ""), 400, "invalid_request_error", "messages", "context_length_exceeded")
		},
		"content-filter": func(t *testing.T, c *client, _ *Server) {
			a := c.chat("sim-fast:content-filter", question, "")
			refused(t, a, 400, "", "prompt", "content_filter")
			if !strings.Contains(a.body, "ResponsibleAIPolicyViolation") {
				t.Errorf("no innererror: %s", a.body)
			}
		},
		"html": func(t *testing.T, c *client, _ *Server) {
			a := c.chat("sim-fast:html;status=504", question, "")
			if a.status != 504 || a.header.Get("Content-Type") != "text/html" || !strings.HasPrefix(a.body, "<html>") {
				t.Errorf("got %d %v %s", a.status, a.header, a.body)
			}
		},
		"error-body": func(t *testing.T, c *client, _ *Server) {
			for form, want := range map[string]string{
				"string": `"error":"`, "bare": `{"object":"error"`, "array": `[{"error":{`,
				"detail": `{"detail":[`, "code": `"code":422}`, "empty": "",
			} {
				a := c.chat("sim-fast:error-body;status=422;form="+form, question, "")
				if a.status != 422 || !strings.Contains(a.body, want) || form == "empty" && a.body != "" || form != "empty" && !json.Valid([]byte(a.body)) {
					t.Errorf("form %s: %d %s", form, a.status, a.body)
				}
			}
		},
		"error-200": func(t *testing.T, c *client, _ *Server) {
			for _, extra := range []string{"", streamed} {
				refused(t, c.chat("sim-fast:error-200", question, extra), 200, "server_error", "", "server_error")
			}
		},
	}
}

func brokenCases() map[string]faultCase {
	return map[string]faultCase{
		"reset": func(t *testing.T, c *client, _ *Server) {
			if a := c.chat("sim-fast:reset", question, ""); a.status != 0 || !errors.Is(a.err, syscall.ECONNRESET) {
				t.Errorf("rst: status %d, error %v", a.status, a.err)
			}
			if a := c.chat("sim-fast:reset;form=fin", question, ""); a.status != 0 || !errors.Is(a.err, io.EOF) {
				t.Errorf("fin: status %d, error %v", a.status, a.err)
			}
		},
		"cut": func(t *testing.T, c *client, s *Server) {
			for form, want := range map[string]error{"rst": syscall.ECONNRESET, "fin": io.ErrUnexpectedEOF, "mid": io.ErrUnexpectedEOF, "eof": nil} {
				a := c.chat("sim-fast:cut;after=4;form="+form, question, streamed)
				unfinished(t, a, want)
				j := join(t, a.body, 1)
				if CountTokens(j.texts[0]) != 4 || j.finishes[0] != "" || j.done || strings.HasSuffix(a.body, malformedData) != (form == "mid") {
					t.Errorf("form %s: %q finish %q done %v", form, j.texts[0], j.finishes[0], j.done)
				}
				whole := c.chat("sim-fast:cut;form="+form, question, "")
				unfinished(t, whole, want)
				if json.Valid([]byte(whole.body)) {
					t.Errorf("form %s, not streamed: whole body", form)
				}
			}
			if st := settled(s); st.Aborted != 0 || st.Faults["cut"] != 8 {
				t.Errorf("counts %+v, want 8 cuts and no abort", st)
			}
		},
		"stream-error": func(t *testing.T, c *client, _ *Server) {
			for form, want := range map[string]string{
				"object": `{"error":{"message":`, "string": `{"error":"`, "code": `"code":500}`,
				"event": `{"error":{"message":`, "finish": `"finish_reason":"error"`,
			} {
				a := c.chat("sim-fast:stream-error;after=2;form="+form, question, streamed)
				all := events(a.body)
				if a.status != 200 || a.err != nil || len(all) != 4 || !strings.Contains(all[3], want) || strings.Contains(a.body, "event: error") != (form == "event") {
					t.Errorf("form %s: %d %v %q", form, a.status, a.err, all)
				}
			}
			refused(t, c.chat("sim-fast:stream-error", question, ""), 200, "server_error", "", "server_error")
		},
		"truncated": func(t *testing.T, c *client, _ *Server) {
			unfinished(t, c.chat("sim-fast:truncated", question, ""), nil)
			unfinished(t, c.chat("sim-fast:truncated;form=length", question, ""), io.ErrUnexpectedEOF)
			if a := c.chat("sim-fast:truncated", question, ""); json.Valid([]byte(a.body)) || len(a.body) == 0 {
				t.Errorf("body %q", a.body)
			}
		},
		"empty": func(t *testing.T, c *client, _ *Server) {
			for _, extra := range []string{"", streamed} {
				if a := c.chat("sim-fast:empty", question, extra); a.status != 200 || a.body != "" || a.err != nil {
					t.Errorf("got %d %q %v", a.status, a.body, a.err)
				}
			}
		},
		"wrong-type": func(t *testing.T, c *client, _ *Server) {
			for _, extra := range []string{"", streamed} {
				if a := c.chat("sim-fast:wrong-type", question, extra); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || a.body == "" {
					t.Errorf("got %d %v", a.status, a.header)
				}
			}
		},
		"malformed": func(t *testing.T, c *client, _ *Server) {
			all := events(c.chat("sim-fast:malformed;after=2", question, streamed).body)
			if all[3] != malformedData || all[len(all)-1] != "[DONE]" || json.Valid([]byte(all[3])) {
				t.Errorf("events %q", all)
			}
		},
		"no-done": func(t *testing.T, c *client, _ *Server) {
			j := join(t, c.chat("sim-fast:no-done", question, streamed).body, 1)
			if j.done || j.finishes[0] != "stop" || j.usage == nil {
				t.Errorf("got %+v", j)
			}
		},
		"no-usage": func(t *testing.T, c *client, _ *Server) {
			if a := c.chat("sim-fast:no-usage", question, streamed); strings.Contains(a.body, `"usage":`) || !join(t, a.body, 1).done {
				t.Errorf("stream %s", a.body)
			}
			if a := c.chat("sim-fast:no-usage", question, ""); strings.Contains(a.body, `"usage":`) || a.status != 200 {
				t.Errorf("answer %s", a.body)
			}
		},
		"no-finish": func(t *testing.T, c *client, _ *Server) {
			if j := join(t, c.chat("sim-fast:no-finish", question, streamed).body, 1); j.finishes[0] != "" || !j.done {
				t.Errorf("stream: finish %q", j.finishes[0])
			}
			if got := parse(t, c.chat("sim-fast:no-finish", question, "").body); got.Choices[0].Finish != nil {
				t.Errorf("answer: finish %q", *got.Choices[0].Finish)
			}
		},
		"no-blank": func(t *testing.T, c *client, _ *Server) {
			if a := c.chat("sim-fast:no-blank", question, streamed); !strings.HasSuffix(a.body, "}\n\ndata: [DONE]") {
				t.Errorf("stream ends with %q", a.body[max(0, len(a.body)-30):])
			}
		},
		"filtered": func(t *testing.T, c *client, _ *Server) {
			if j := join(t, c.chat("sim-fast:filtered", question, streamed).body, 1); j.finishes[0] != "content_filter" {
				t.Errorf("finish %q", j.finishes[0])
			}
		},
	}
}

// normal is the answer to the same request without a fault.
func normal(t *testing.T, c *client) joined {
	t.Helper()
	return join(t, c.chat("sim-fast", question, streamed).body, 1)
}

// sameText fails unless the stream, read by the standard, gives the text and usage of one without the fault.
func sameText(t *testing.T, c *client, a answer) joined {
	t.Helper()
	j, want := join(t, a.body, 1), normal(t, c)
	if j.texts[0] != want.texts[0] || j.finishes[0] != "stop" || !j.done || *j.usage != *want.usage {
		t.Errorf("got %q (%s, %+v), want %q", j.texts[0], j.finishes[0], j.usage, want.texts[0])
	}
	return j
}

func shapeCases() map[string]faultCase {
	// inStream makes a case of a fault that leaves the meaning of the stream as it is.
	inStream := func(name string, check func(t *testing.T, body string, j joined)) faultCase {
		return func(t *testing.T, c *client, _ *Server) {
			a := c.chat("sim-fast:"+name, question, streamed)
			check(t, a.body, sameText(t, c, a))
		}
	}
	text := func(name string, check func(t *testing.T, text string, tokens int64)) faultCase {
		return func(t *testing.T, c *client, _ *Server) {
			j := join(t, c.chat("sim-fast:"+name, question, streamed).body, 1)
			if got := CountTokens(j.texts[0]); got != j.usage.Completion {
				t.Errorf("%d tokens of text, usage says %d", got, j.usage.Completion)
			}
			check(t, j.texts[0], j.usage.Completion)
		}
	}
	return map[string]faultCase{
		"crlf": inStream("crlf", func(t *testing.T, body string, _ joined) {
			if strings.Count(body, "\n") != strings.Count(body, "\r\n") {
				t.Errorf("a line ends with LF alone")
			}
		}),
		"bom": inStream("bom", func(t *testing.T, body string, _ joined) {
			if !strings.HasPrefix(body, "\ufeffdata: ") {
				t.Errorf("stream begins with %q", body[:10])
			}
		}),
		"pings": inStream("pings", func(t *testing.T, body string, j joined) {
			if !strings.HasPrefix(body, ": SIM PROCESSING\n\ndata: ") || strings.Count(body, ": keep-alive\n\n") != len(j.chunks)-1 {
				t.Errorf("stream %.200q", body)
			}
		}),
		"multiline": inStream("multiline", func(t *testing.T, body string, j joined) {
			if got := strings.Count(body, "data: "); got != 3*len(j.chunks)+1 {
				t.Errorf("%d data lines for %d events", got, len(j.chunks))
			}
		}),
		"no-space": inStream("no-space", func(t *testing.T, body string, _ joined) {
			if strings.Contains(body, "data: ") || !strings.HasPrefix(body, "data:{") {
				t.Errorf("stream %.60q", body)
			}
		}),
		"usage-each": inStream("usage-each", func(t *testing.T, _ string, j joined) {
			for i, ch := range j.chunks {
				if ch.Usage == nil {
					t.Errorf("chunk %d has no usage", i)
				}
			}
		}),
		"null-error": inStream("null-error", func(t *testing.T, body string, j joined) {
			if got := strings.Count(body, `,"error":null}`); got != len(j.chunks)-1 {
				t.Errorf("%d chunks with a null error", got)
			}
		}),
		"null-choices": inStream("null-choices", func(t *testing.T, body string, _ joined) {
			if strings.Count(body, `"choices":null`) != 2 {
				t.Errorf("stream %.300q", body)
			}
		}),
		"azure": inStream("azure", func(t *testing.T, body string, j joined) {
			if j.chunks[0].ID != "" || len(j.chunks[0].Choices) != 0 || !strings.Contains(body, "prompt_filter_results") {
				t.Errorf("first chunk %+v", j.chunks[0])
			}
		}),
		"role-each": func(t *testing.T, c *client, _ *Server) {
			for i, ch := range sameText(t, c, c.chat("sim-fast:role-each", question, streamed)).chunks {
				if len(ch.Choices) == 1 && ch.Choices[0].Delta.Role != "assistant" {
					t.Errorf("chunk %d has no role", i)
				}
			}
		},
		"array-content": inStream("array-content", func(t *testing.T, body string, _ joined) {
			if !strings.Contains(body, `"content":[{"type":"text","text":"`) {
				t.Errorf("stream %.300q", body)
			}
		}),
		"no-index": func(t *testing.T, c *client, _ *Server) {
			j := join(t, c.chat("sim-fast:no-index", "get_weather", twoTools+streamed).body, 1)
			checkArguments(t, "get_weather", j.tools[0][0].Function.Arguments)
			for _, ch := range j.chunks {
				for _, choice := range ch.Choices {
					for _, f := range choice.Delta.Tools {
						if f.Index != nil {
							t.Errorf("fragment with index: %+v", f)
						}
					}
				}
			}
		},
		"whole-tools": func(t *testing.T, c *client, _ *Server) {
			j := join(t, c.chat("sim-fast:whole-tools", "get_weather, open_gate", twoTools+streamed).body, 1)
			if len(j.chunks) != 5 || len(j.tools[0]) != 2 || j.finishes[0] != "tool_calls" { // role, two calls, finish, usage
				t.Errorf("%d chunks: %+v", len(j.chunks), j.chunks)
			}
			checkArguments(t, "get_weather", j.tools[0][0].Function.Arguments)
			checkArguments(t, "open_gate", j.tools[0][1].Function.Arguments)
		},
		"repeat": text("repeat;tokens=300", func(t *testing.T, text string, tokens int64) {
			if tokens != 300 || strings.TrimPrefix(strings.Repeat(" stream", 300), " ") != strings.TrimPrefix(text, " ") {
				t.Errorf("%d tokens: %.80q", tokens, text)
			}
		}),
		"gibberish": text("gibberish;tokens=100", func(t *testing.T, text string, tokens int64) {
			if tokens != 100 || !strings.ContainsAny(text, debris) {
				t.Errorf("%d tokens: %q", tokens, text)
			}
		}),
		"long": text("long;tokens=3000", func(t *testing.T, text string, tokens int64) {
			if tokens != 3000 {
				t.Errorf("%d tokens", tokens)
			}
		}),
		"unicode": text("unicode", func(t *testing.T, text string, _ int64) {
			if utf8.RuneCountInString(text) == len(text) {
				t.Errorf("only ASCII: %q", text)
			}
		}),
		"split": func(t *testing.T, _ *client, s *Server) {
			for _, size := range []int{1, 3} {
				w := &pieces{ResponseRecorder: httptest.NewRecorder()}
				body := `{"model":"sim-fast:split;bytes=` + strconv.Itoa(size) + `","stream":true,"messages":[{"role":"user","content":"hi"}]}`
				s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
				cut := false
				for i, p := range w.all {
					if len(p) > size {
						t.Fatalf("piece %d has %d bytes, want at most %d", i, len(p), size)
					}
					cut = cut || !utf8.ValidString(p)
				}
				if !cut || w.flushes != len(w.all) || join(t, strings.Join(w.all, ""), 1).finishes[0] != "stop" {
					t.Errorf("%d pieces, %d flushes, a rune was cut: %v", len(w.all), w.flushes, cut)
				}
			}
		},
		"unnamed": func(t *testing.T, _ *client, _ *Server) {
			if got := opened(t, "unnamed"); strings.Contains(got, "event:") || strings.Count(got, "data: {") != 4 {
				t.Errorf("got %q", got)
			}
			if got := opened(t, "unicode"); strings.Count(got, "event: ") != 4 {
				t.Errorf("without the fault %q", got)
			}
		},
		"ping-flood": func(t *testing.T, _ *client, _ *Server) {
			if got := opened(t, "ping-flood;events=7"); strings.Count(got, "event: ping\ndata: {\"type\":\"ping\"}\n\n") != 7 {
				t.Errorf("got %q", got)
			}
		},
		"deviate": func(t *testing.T, c *client, _ *Server) {
			for form := range strings.SplitSeq(quirkForms, "|") {
				if quirkOf(form) == nil || quirkOf(form).doc == "" {
					t.Errorf("%s is no quirk that is described", form)
				}
			}
			plain := sameText(t, c, c.chat("sim-fast", question, streamed)).texts[0]
			if got := sameText(t, c, c.chat("sim-fast:deviate=xai", question, streamed)).texts[0]; got != plain {
				t.Errorf("text %q, want %q", got, plain)
			}
		},
	}
}

// pieces keeps what was written at once apart.
type pieces struct {
	*httptest.ResponseRecorder
	all     []string
	flushes int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.all = append(p.all, string(b))
	return len(b), nil
}

func (p *pieces) Flush() { p.flushes++ }

func TestEveryFault(t *testing.T) {
	t.Parallel()
	cases := faultCases()
	for _, info := range Faults() {
		run := cases[info.Name]
		delete(cases, info.Name)
		if run == nil {
			t.Errorf("fault %s has no test", info.Name)
			continue
		}
		if info.Doc == "" {
			t.Errorf("fault %s has no description", info.Name)
		}
		t.Run(info.Name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t, quick())
			run(t, c, s)
		})
	}
	for name := range cases {
		t.Errorf("test of a fault %s that does not exist", name)
	}
}
