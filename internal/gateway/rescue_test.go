package gateway_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice/internal/dialect"
	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// rescuing switches on what a configuration does by default.
func rescuing(change ...func(*gateway.Rescue)) func(*gateway.Settings) {
	return func(s *gateway.Settings) {
		s.Rescue.SetDefaults()
		s.Retry.Attempts = 4
		for _, c := range change {
			c(&s.Rescue)
		}
	}
}

func how(onBreak string) func(*gateway.Rescue) {
	return func(r *gateway.Rescue) { r.OnBreak = onBreak }
}

// says makes events of a stream of chunks with these texts.
func says(texts ...string) []any {
	all := []any{roleEvent}
	for _, text := range texts {
		all = append(all, fmt.Sprintf("data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q},\"finish_reason\":null}]}\n\n", text))
	}
	return all
}

// read returns what a client makes of a stream.
func read(t *testing.T, d llm.Dialect, stream string) (*llm.Answer, *llm.Error) {
	t.Helper()
	var sse wire.Reader
	sse.Reset(1 << 20)
	src := strings.NewReader(stream)
	reader, folder := dialect.Of(d).NewReader(), new(llm.Folder)
	add := func(events []llm.Event, e *llm.Error) *llm.Error {
		for i := range events {
			folder.Add(&events[i])
		}
		return e
	}
	for {
		_, err := sse.Fill(src)
		for {
			ev, ok, bad := sse.Next()
			if bad != nil {
				t.Fatal(bad)
			}
			if !ok {
				break
			}
			if ev.Comment {
				continue
			}
			if e := add(reader.Read(nil, ev.Name, ev.Data)); e != nil {
				return folder.Answer(), e
			}
		}
		if err != nil {
			break
		}
	}
	e := add(reader.End(nil))
	return folder.Answer(), e
}

// text returns the text of an answer that has one choice.
func text(a *llm.Answer) string {
	var all strings.Builder
	for _, c := range a.Choices {
		for _, p := range c.Parts {
			if p.Kind == llm.PartText {
				all.WriteString(p.Text)
			}
		}
	}
	return all.String()
}

const stopEvent = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

// TestContinue breaks a stream in the middle of its text: the next target is given what there is and goes on, and the client has one
// answer.
func TestContinue(t *testing.T) {
	t.Parallel()
	f := func(name string, broken []any, rest []string, want string) {
		t.Helper()
		a, b := steps(events(broken...)), steps(events(append(says(rest...), stopEvent, usageEvent, doneEvent)...))
		o := pool(a, b)
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			w.want(llm.KindNone, 1) // when the answer began
			got, e := read(t, llm.OpenAI, w.body.String())
			if e != nil || text(got) != want || got.ID != "c" || got.Choices[0].Finish != llm.FinishStop {
				t.Errorf("%s: client read %q (%v) of %s", name, text(got), e, w.body.String())
			}
			if n := strings.Count(w.body.String(), "[DONE]"); n != 1 {
				t.Errorf("%s: %d ends", name, n)
			}
			if !strings.Contains(w.body.String(), ": sluice attempts=2 rescued=continue target=b/m\n\n") || w.header.Get(http.TrailerPrefix+"X-Sluice-Attempts") != "2" {
				t.Errorf("%s: nothing tells of the second attempt: %v\n%s", name, w.header, w.body.String())
			}
			asked := b.got()[0].body
			if !strings.Contains(asked, `"role":"assistant","content":"Hello wor"`) || !strings.Contains(asked, "was cut off") || !strings.Contains(asked, `"stream":true`) {
				t.Errorf("%s: the second target was asked %s", name, asked)
			}
			if row := rd.row(w); row.Attempts != 2 || row.Target != "b/m" || row.Code != "" || row.Usage.Output <= 0 {
				t.Errorf("%s: row %+v", name, row)
			}
			if n := rd.metric(`sluice_rescues_total{how="continue",result="ok"}`); n != 1 {
				t.Errorf("%s: %v rescues counted", name, n)
			}
		})
	}
	broken := says("Hello", " wor")
	f("reset", append(broken, "reset"), []string{"ld", ", and all."}, "Hello world, and all.")
	f("clean end", broken, []string{"ld", ", and all."}, "Hello world, and all.")
	f("stall", append(broken, "hang"), []string{"ld", ", and all."}, "Hello world, and all.")
	f("error", append(broken, "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}\n\n"), []string{"ld."}, "Hello world.")
	f("repeats the broken word", append(broken, "reset"), []string{"wor", "ld, and", " all."}, "Hello world, and all.")
	f("end mark without an end", append(broken, doneEvent), []string{"ld."}, "Hello world.")
}

// TestContinueAgain breaks the second attempt too, and the third: each goes on from all that there is.
func TestContinueAgain(t *testing.T) {
	t.Parallel()
	a := steps(events(append(says("One, ", "two,"), "reset")...))
	b := steps(events(append(says(" three, four, five, six, seven, eight, nine,", " ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen,", strings.Repeat(" eighteen,", 30), " nineteen,"), "reset")...))
	c := steps(fail(500))
	d := steps(events(append(says(" twenty."), stopEvent, usageEvent, doneEvent)...))
	o := pool(a, b, c, d)
	o.settings = rescuing(func(r *gateway.Rescue) { r.Guards.Repetition = "off" })
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		got, e := read(t, llm.OpenAI, w.body.String())
		want := "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen," + strings.Repeat(" eighteen,", 30) + " nineteen, twenty."
		if e != nil || text(got) != want {
			t.Errorf("client read %q (%v)", text(got), e)
		}
		if asked := d.got()[0].body; !strings.Contains(asked, "nineteen,\"") {
			t.Errorf("the last target was asked %s", asked)
		}
		if row := rd.row(w); row.Attempts != 4 || row.Target != "d/m" {
			t.Errorf("row %+v", row)
		}
	})
}

// TestRestart asks for the whole answer again, and leaves out what the client has.
func TestRestart(t *testing.T) {
	t.Parallel()
	f := func(name string, broken, again []any, want string, kind llm.Kind) {
		t.Helper()
		a, b := steps(events(broken...)), steps(events(append(again, stopEvent, usageEvent, doneEvent)...))
		o := pool(a, b)
		o.settings = rescuing(how(gateway.BreakRestart))
		onRoad(t, o, func(rd *road) {
			w := rd.stream("m")
			got, e := read(t, llm.OpenAI, w.body.String())
			if kind != llm.KindNone {
				if w.err == nil || w.err.Kind != kind || text(got) != want {
					t.Errorf("%s: client read %q, and was told %v, want %v", name, text(got), w.err, kind)
				}
				return
			}
			if w.err != nil || e != nil || text(got) != want {
				t.Errorf("%s: client read %q (%v, %v)", name, text(got), e, w.err)
			}
			if asked := b.got()[0].body; strings.Contains(asked, "assistant") {
				t.Errorf("%s: asked %s", name, asked)
			}
		})
	}
	broken := append(says("Hello", " wor"), "reset")
	f("the same", broken, says("Hell", "o world", ", again."), "Hello world, again.", llm.KindNone)
	f("another", broken, says("Good", " day"), "Hello wor", llm.KindMismatch)
	f("shorter", broken, says("Hello"), "Hello wor", llm.KindMismatch)
	f("only the role was sent", []any{roleEvent, "reset"}, says("Good", " day"), "Good day", llm.KindNone)
}

const toolStart = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n"

func toolArgs(s string) string {
	return fmt.Sprintf("data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":%q}}]},\"finish_reason\":null}]}\n\n", s)
}

const toolEnd = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"

// TestCutToolCall restarts an answer that was cut within the arguments of a tool: nobody can go on with half a call.
func TestCutToolCall(t *testing.T) {
	t.Parallel()
	a := steps(events(roleEvent, toolStart, toolArgs(`{"at":`), "reset"))
	b := steps(events(roleEvent, strings.Replace(toolStart, "call_1", "call_2", 1), toolArgs(`{"at":"the `), toolArgs(`lock"}`), toolEnd, usageEvent, doneEvent))
	o := pool(a, b)
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		got, e := read(t, llm.OpenAI, w.body.String())
		if e != nil || w.err != nil || len(got.Choices) != 1 || len(got.Choices[0].Parts) != 1 {
			t.Fatalf("client read %+v (%v, %v) of %s", got, e, w.err, w.body.String())
		}
		p := got.Choices[0].Parts[0]
		if p.Kind != llm.PartToolCall || p.ID != "call_1" || p.Name != "look" || p.Text != `{"at":"the lock"}` || got.Choices[0].Finish != llm.FinishTools {
			t.Errorf("client read %+v", p)
		}
		if asked := b.got()[0].body; strings.Contains(asked, "assistant") {
			t.Errorf("asked %s", asked)
		}
	})
}

// TestNotRescued checks what ends a stream that has broken.
func TestNotRescued(t *testing.T) {
	t.Parallel()
	f := func(name string, set func(*gateway.Settings), more string, kind llm.Kind, asked int, parts ...any) {
		t.Helper()
		a, b := steps(events(parts...)), steps(events(append(says("ld"), stopEvent, doneEvent)...))
		o := pool(a, b)
		o.settings = set
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", `,"stream":true`+more)))
			if w.err == nil || w.err.Kind != kind || w.last == "" {
				t.Errorf("%s: client was told %v, want %v; stream %s", name, w.err, kind, w.body.String())
			}
			if b.count() != asked {
				t.Errorf("%s: the second target was asked %d times, want %d", name, b.count(), asked)
			}
			if row := rd.row(w); row.Code != kind.Code() {
				t.Errorf("%s: row %+v", name, row)
			}
		})
	}
	broken := append(says("Hello", " wor"), "reset")
	f("on_break: error", rescuing(how(gateway.BreakError)), "", llm.KindTruncated, 0, broken...)
	f("several choices", rescuing(), `,"n":2`, llm.KindTruncated, 0, broken...)
	f("structured output", rescuing(), `,"response_format":{"type":"json_object"}`, llm.KindMismatch, 1, broken...)
	loop := says(strings.Repeat(" again and again", 200))
	f("repetition", rescuing(), "", llm.KindDegenerate, 0, append(says("Well,"), append(loop, "hang")...)...)
}

// TestNobodyGoesOn tells the client why its stream broke, not why the others could not help.
func TestNobodyGoesOn(t *testing.T) {
	t.Parallel()
	a, b := steps(events(append(says("Hello", " wor"), "reset")...)), steps(fail(503))
	o := pool(a, b)
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		if w.err == nil || w.err.Kind != llm.KindTruncated || !strings.Contains(w.last, "provider_truncated") {
			t.Errorf("client was told %v: %s", w.err, w.last)
		}
		w.says("could not be gone on with")
		if n := w.header.Get(http.TrailerPrefix + "X-Sluice-Attempts"); n != strconv.Itoa(rd.row(w).Attempts) || n < "2" {
			t.Errorf("the trailer says %q attempts", n)
		}
		if n := rd.metric(`sluice_rescues_total{how="continue",result="failed"}`); n != 1 {
			t.Errorf("%v failed rescues counted", n)
		}
	})
}

// TestPrefill has a target that takes its own words to go on with: it is given them without a word more.
func TestPrefill(t *testing.T) {
	t.Parallel()
	a := steps(events(append(says("Hello", " wor"), "reset")...))
	b := steps(events(
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ld, and all.\"}}\n\n",
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\n",
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	))
	o := pool(a, b)
	o.providers[1].api = "anthropic"
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		got, e := read(t, llm.OpenAI, w.body.String())
		if e != nil || w.err != nil || text(got) != "Hello world, and all." || got.ID != "c" {
			t.Errorf("client read %q (%v, %v) of %s", text(got), e, w.err, w.body.String())
		}
		if asked := b.got()[0].body; strings.Contains(asked, "cut off") || !strings.Contains(asked, "Hello wor") {
			t.Errorf("asked %s", asked)
		}
	})
}

// TestGuardIsCounted checks what the metrics and the log say of an answer that repeats itself.
func TestGuardIsCounted(t *testing.T) {
	t.Parallel()
	f := func(name, action, more, counted string, kind llm.Kind, attempts int, logged string) {
		t.Helper()
		loop := append(says("Well,"), time.Second, says(strings.Repeat(" again and again", 200))[1], stopEvent, doneEvent)
		a, b := steps(events(loop...)), steps(events(append(says("Well."), stopEvent, doneEvent)...))
		o := pool(a, b)
		var log bytes.Buffer
		o.log, o.settings = &log, rescuing(func(r *gateway.Rescue) { r.Guards.Repetition = action })
		onRoad(t, o, func(rd *road) {
			w := rd.do(rd.t.Context(), rd.exchange(llm.OpChat, chatBody("m", more)))
			w.want(kind, attempts)
			rd.row(w)
			if n := rd.metric(`sluice_guard_total{action="` + counted + `",fault="degenerate_output"}`); n != 1 {
				t.Errorf("%s: %s counted %v times, want 1", name, counted, n)
			}
		})
		if !strings.Contains(log.String(), logged) {
			t.Errorf("%s: log has no %s:\n%s", name, logged, log.String())
		}
	}
	f("whole", "retry", "", "retry", llm.KindNone, 2, "")
	f("seen by its client", "retry", `,"stream":true`, "cancel", llm.KindDegenerate, 1, "code=degenerate_output")
	f("canceled", "cancel", "", "cancel", llm.KindDegenerate, 1, "code=degenerate_output")
	f("flagged", "flag", `,"stream":true`, "flag", llm.KindNone, 1, "flagged=degenerate_output")
}

// TestRescueIsLogged checks that a call that was rescued can be found in the log, though it succeeded.
func TestRescueIsLogged(t *testing.T) {
	t.Parallel()
	a, b := steps(events(append(says("Hello", " wor"), "reset")...)), steps(events(append(says("ld"), stopEvent, doneEvent)...))
	o := pool(a, b)
	var log bytes.Buffer
	o.log, o.settings = &log, rescuing()
	onRoad(t, o, func(rd *road) {
		rd.row(rd.stream("m"))
	})
	if !strings.Contains(log.String(), "level=INFO msg=call") || !strings.Contains(log.String(), "rescue=continue broken=provider_truncated") {
		t.Errorf("log:\n%s", log.String())
	}
}

// TestLost checks that nobody is asked to go on with what has gone wrong itself, while it was gone on with.
func TestLost(t *testing.T) {
	t.Parallel()
	a := steps(events(append(says("Well,"), "reset")...))
	b := steps(events(append(says(strings.Repeat(" again and again", 200), " and"), "hang")...))
	c := steps(events(append(says(" so on."), stopEvent, doneEvent)...))
	o := pool(a, b, c)
	o.settings = rescuing()
	onRoad(t, o, func(rd *road) {
		w := rd.stream("m")
		if w.err == nil || w.last == "" || !strings.Contains(w.err.Message, "repeats itself") {
			t.Errorf("client was told %v: %s", w.err, w.last)
		}
		if c.count() != 0 {
			t.Errorf("the third target was asked %d times to go on with a loop: %s", c.count(), c.got()[0].body)
		}
	})
}

// TestLimitToGoOnWith checks how much a target that goes on may write: what the client's limit leaves, and room to think again.
func TestLimitToGoOnWith(t *testing.T) {
	t.Parallel()
	cut, _, _ := strings.Cut(anthropicText, "event: content_block_stop")
	f := func(front llm.Dialect, first, body, want string) {
		t.Helper()
		api := map[llm.Dialect]string{llm.OpenAI: "openai", llm.Anthropic: "anthropic"}[front]
		a, b := steps(events(first, "reset")), steps(fail(400))
		o := pool(a, b)
		o.providers[0].api, o.providers[1].api = api, api
		o.settings = rescuing()
		onRoad(t, o, func(rd *road) {
			rd.ask(front, "m", true, body)
			if b.count() == 0 || !strings.Contains(b.got()[0].body, want) {
				t.Errorf("%s: asked %d times, want %s in %v", body, b.count(), want, b.got())
			}
		})
	}
	f(llm.OpenAI, strings.Join([]string{roleEvent, says("Yes")[1].(string)}, ""), chatBody("m", `,"stream":true,"max_tokens":1`), `"max_tokens":1`)
	f(llm.Anthropic, cut, `{"model":"m","max_tokens":1025,"stream":true,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"hi"}]}`, `"max_tokens":1025`)
	f(llm.Anthropic, cut, `{"model":"m","max_tokens":1025,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, `"max_tokens":1023`)
}
