package sim

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

const asObject = `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"gate":{"type":"integer"}},"required":["gate"]}}}`

// ruleCases are the faults of failures that are rehearsed.
func ruleCases() map[string]faultCase {
	return map[string]faultCase{
		"down": func(t *testing.T, c *client, _ *Server) {
			refused(t, c.chat("sim-fast:down", question, ""), 503, "service_unavailable_error", "", "server_is_overloaded")
			for _, form := range []string{"reset", "refuse"} {
				if a := c.chat("sim-fast:down;form="+form, question, streamed); !errors.Is(a.err, syscall.ECONNRESET) {
					t.Errorf("%s: %d %v", form, a.status, a.err)
				}
			}
		},
		"overloaded": func(t *testing.T, c *client, _ *Server) {
			refused(t, c.chat("sim-fast:overloaded", question, ""), 503, "service_unavailable_error", "", "server_is_overloaded")
			a := c.chat("sim-fast:deviate=groq+overloaded;after=3", question, "")
			refused(t, a, 498, "capacity_error", "", "capacity_exceeded")
			if a.header.Get("Retry-After") != "3" {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		},
		"rate-limit": func(t *testing.T, c *client, _ *Server) {
			a := c.chat("sim-fast:rate-limit;after=4", question, "")
			refused(t, a, 429, "requests", "", "rate_limit_exceeded")
			h := a.header
			if h.Get("Retry-After") != "4" || h.Get("Retry-After-Ms") != "4000" || h.Get("X-Ratelimit-Remaining-Requests") != "0" ||
				h.Get("X-Ratelimit-Reset-Requests") != "4s" || !strings.Contains(a.body, "Please try again in 4s.") {
				t.Errorf("header %v, body %s", h, a.body)
			}
		},
		"drip": func(t *testing.T, _ *client, _ *Server) {
			synctest.Test(t, func(t *testing.T) {
				s := newTimed(t, quick())
				defer s.Close()
				w := timed(t.Context(), s, "sim-fast:drip;delay=2s;after=3", "hi", streamed)
				for i := 2; i < 8; i++ { // 0 is the role
					want := 2 * time.Second
					if i <= 3 {
						want = 0
					}
					if got := w.arrivals[i].at - w.arrivals[i-1].at; got != want {
						t.Errorf("event %d came %v after the one before, want %v", i, got, want)
					}
				}
			})
		},
		"invalid-json": func(t *testing.T, c *client, s *Server) {
			for form, broken := range map[string]func(string) bool{
				"prose": func(s string) bool { return strings.HasPrefix(s, "Here is") && strings.Contains(s, `{"gate":`) },
				"fence": func(s string) bool { return strings.HasPrefix(s, "```json\n{") && strings.HasSuffix(s, "}\n```") },
				"cut":   func(s string) bool { return strings.HasPrefix(s, "{") && !json.Valid([]byte(s)) },
				"schema": func(s string) bool {
					return json.Valid([]byte(s)) && !strings.Contains(s, "gate")
				},
			} {
				s.Reset()
				a := c.chat("sim-fast:invalid-json;form="+form, question, asObject+streamed)
				if j := join(t, a.body, 1); !broken(j.texts[0]) || j.finishes[0] != "stop" {
					t.Errorf("form %s: %q (%s)", form, j.texts[0], j.finishes[0])
				}
				for _, again := range []string{question, question + "\n\nAnswer with JSON only."} {
					got := parse(t, c.chat("sim-fast:invalid-json;form="+form, again, asObject).body).Choices[0].Message.Content
					if broken(got) || !json.Valid([]byte(got)) || !strings.Contains(got, "gate") {
						t.Errorf("form %s, second try: %q", form, got)
					}
				}
				a = c.chat("sim-fast:invalid-json;once=0;form="+form, "get_weather please", twoTools)
				if got := parse(t, a.body).Choices[0].Message.Tools[0].Function.Arguments; json.Valid([]byte(got)) != (form == "schema") {
					t.Errorf("form %s, arguments %q", form, got)
				}
			}
		},
		"no-end": func(t *testing.T, c *client, _ *Server) {
			j := join(t, c.chat("sim-fast:no-end", question, streamed).body, 1)
			if j.done || j.finishes[0] != "stop" || j.usage == nil {
				t.Errorf("got %+v", j)
			}
		},
		"continue": func(t *testing.T, c *client, _ *Server) {
			whole := join(t, c.chat("sim-fast", question, streamed).body, 1).texts[0]
			partial := whole[:len(whole)/2]
			f := func(form, want string) {
				t.Helper()
				for _, tail := range []string{"", `,{"role":"user","content":"Continue exactly where you stopped."}`} {
					body := `{"model":"sim-fast` + form + `","messages":[{"role":"user","content":"` + question + `"},{"role":"assistant","content":"` + partial + `"}` + tail + `]}`
					if got := parse(t, c.do("POST", "/chat/completions", body).body).Choices[0].Message.Content; got != want {
						t.Errorf("%q, tail %q: %q, want %q", form, tail, got, want)
					}
				}
			}
			rest := strings.TrimPrefix(whole, partial)
			f("", rest)
			f(":continue=overlap;bytes=9", partial[len(partial)-9:]+rest)
			f(":continue=restart", whole)
			f(":continue;form=chatty", "Sure, continuing:\n"+rest)
		},
	}
}

// TestPrefillIsRejected holds that a model which takes no prefill says so in OpenAI's dialect too, and is asked to continue by a
// user's turn.
func TestPrefillIsRejected(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Models = []ModelConfig{{Name: "m", Rejects: []string{"prefill"}, Continue: "chatty"}}
	_, c := start(t, cfg)
	whole := parse(t, c.chat("m", question, "").body).Choices[0].Message.Content
	turns := `{"model":"m","messages":[{"role":"user","content":"` + question + `"},{"role":"assistant","content":"` + whole[:9] + `"}`
	refused(t, c.do("POST", "/chat/completions", turns+"]}"), 400, "invalid_request_error", "messages", "")
	got := parse(t, c.do("POST", "/chat/completions", turns+`,{"role":"user","content":"CONTINUE"}]}`).body).Choices[0].Message.Content
	if got != "Sure, continuing:\n"+whole[9:] {
		t.Errorf("got %q", got)
	}
}

// TestRepeatInEveryChannel lets a model loop in its thoughts and in a tool's arguments, and begin late.
func TestRepeatInEveryChannel(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	looped := func(name, text string, fresh, tokens int64) {
		t.Helper()
		if got := CountTokens(text); got != fresh+tokens || !strings.HasSuffix(text, strings.Repeat(" stream", int(tokens))) ||
			strings.HasSuffix(text, strings.Repeat(" stream", int(tokens)+2)) {
			t.Errorf("%s: %d tokens, %q", name, got, text)
		}
	}
	j := join(t, c.chat("sim-fast:repeat;tokens=50;after=20", question, streamed).body, 1)
	looped("text", j.texts[0], 20, 50)
	j = join(t, c.chat("sim-fast:repeat;form=thinking;tokens=40;after=7", question, streamed).body, 1)
	looped("thinking", j.reasoning[0], 7, 40)
	if j.texts[0] == "" || strings.Contains(j.texts[0], "stream stream") {
		t.Errorf("text after the loop: %q", j.texts[0])
	}
	j = join(t, c.chat("sim-fast:repeat;form=tool;tokens=30", question, twoTools+streamed).body, 1)
	var args map[string]string
	if err := json.Unmarshal([]byte(j.tools[0][0].Function.Arguments), &args); err != nil {
		t.Fatal(err)
	}
	looped("tool", " "+args["city"], 0, 30)
}

// TestDrawnPositions holds that positions which are drawn fall inside the answer, all over it, by the seed.
func TestDrawnPositions(t *testing.T) {
	t.Parallel()
	draw := func(text string, length int64, seed rng) int64 {
		t.Helper()
		all, err := parseFaults(text)
		if err != nil {
			t.Fatal(err)
		}
		e := noEffects()
		all[0].apply(&e)
		e.settle(length, &seed)
		return e.cutAfter
	}
	f := func(text string, length, low, high int64) {
		t.Helper()
		seen := map[int64]bool{}
		for i := range rng(2000) {
			at := draw(text, length, i)
			if seen[at] = true; at != draw(text, length, i) {
				t.Fatalf("%s: same seed, another position", text)
			}
			if at < low || at > high {
				t.Fatalf("%s in %d tokens: %d is not from %d to %d", text, length, at, low, high)
			}
		}
		if int64(len(seen)) != high-low+1 {
			t.Errorf("%s in %d tokens: %d positions, want each from %d to %d", text, length, len(seen), low, high)
		}
	}
	f("cut;after=random", 60, 1, 59)
	f("cut;after=random", 1, 0, 0)
	f("cut;after=random", 0, 0, 0)
	f("cut;after=3-40", 60, 3, 40)
	f("cut;after=3-40", 20, 3, 19)
	f("cut;after=30-40", 20, 19, 19)
	f("cut;after=7", 5, 7, 7)
	for _, bad := range []string{"random-3", "3-", "9-3", "x", "-4"} {
		if _, err := parseFaults("cut;after=" + bad); err == nil {
			t.Errorf("after=%s: no error", bad)
		}
	}
	if _, err := parseFaults("429;after=random"); err == nil {
		t.Error("seconds can be drawn")
	}
}

// TestContinuationInEveryDialect holds that all fronts say the same to a conversation, and go on with a partial answer from where
// it stops, with the text that they would have said.
func TestContinuationInEveryDialect(t *testing.T) {
	t.Parallel()
	_, c := start(t, quick())
	ask := userChat("sim-fast", "how does the sluice work?")
	ask.Messages = slices.Insert(ask.Messages, 0, llm.Turn{Role: llm.RoleSystem, Parts: []llm.Part{{Kind: llm.PartText, Text: "Be  brief.\n"}}})
	tell := func(role llm.Role, text string) llm.Turn {
		return llm.Turn{Role: role, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}
	}
	const first = `{"model":"sim-fast","messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"how does the sluice work?"}]}`
	whole := parse(t, c.do("POST", "/chat/completions", first).body).Choices[0].Message.Content
	for _, g := range tongues() {
		if got := textOf(g.parse(t, g.send(c, ask))); got != whole {
			t.Errorf("%s says %q, OpenAI's dialect %q", g.dialect, got, whole)
		}
		for _, at := range []int{5, len(whole) / 3, len(whole) - 1, len(whole)} {
			partial := strings.TrimRight(whole[:at], " ")
			rest := strings.TrimPrefix(whole, partial)
			for _, stream := range []bool{false, true} {
				for _, instructed := range []bool{false, true} {
					more := ask
					more.Stream = stream
					more.Messages = append(slices.Clone(ask.Messages), tell(llm.RoleAssistant, partial))
					if instructed {
						more.Messages = append(more.Messages, tell(llm.RoleUser, "Please continue your answer."))
					}
					var got string
					if a := g.send(c, more); stream {
						folded, e, _ := g.fold(t, a)
						if e != nil {
							t.Errorf("%s: %v", g.dialect, e)
						}
						got = textOf(folded)
					} else {
						got = textOf(g.parse(t, a))
					}
					if got != rest {
						t.Errorf("%s, stream %v, instructed %v, after %d bytes: %q, want %q", g.dialect, stream, instructed, at, got, rest)
					}
				}
			}
		}
		other := ask
		other.Messages = append(slices.Clone(ask.Messages), tell(llm.RoleAssistant, "Something else"), tell(llm.RoleUser, "continue"))
		if got := textOf(g.parse(t, g.send(c, other))); got == "" || strings.Contains(whole, got) {
			t.Errorf("%s goes on with what it did not say: %q", g.dialect, got)
		}
	}
}
