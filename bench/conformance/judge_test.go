//go:build linux

package main

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/bench/caller"
	"sluice/internal/llm"
	"sluice/internal/sim"
)

// saying returns an answer of the second target.
func saying(text string) *llm.Answer {
	return &llm.Answer{
		Model: "s1-1b", HasUsage: true, Usage: llm.Usage{Input: 7, Output: 4},
		Choices: []llm.Choice{{Finish: llm.FinishStop, Parts: []llm.Part{{Kind: llm.PartText, Text: text}}}},
	}
}

// playedWell is a cell that passes: the first target refuses, the second answers.
func playedWell() *played {
	s := &scenario{name: "503", want: want{by: "b", a: exactly(1), b: exactly(1), wall: time.Second, gap: 100 * time.Millisecond, first: time.Second}}
	front := caller.Fronts()[0]
	return &played{
		cell:  &cell{scenario: s, id: "s1-1", front: front, stream: true, target: front.Dialect, other: front.Dialect},
		ref:   saying("The gate opens."),
		res:   &caller.Result{Status: 200, Header: http.Header{"X-Sluice-Attempts": {"2"}}, Answer: saying("The gate opens."), Complete: true, Wall: time.Millisecond},
		seenA: []sim.RequestRecord{{Status: 503}}, seenB: []sim.RequestRecord{{Status: 200}},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	f := func(name string, change func(p *played), grade string, misses int, says string) {
		t.Helper()
		p := playedWell()
		change(p)
		v := judge(p, 0)
		all := v.Why + strings.Join(v.Misses, "; ")
		if v.Grade != grade || len(v.Misses) != misses || !strings.Contains(all, says) {
			t.Errorf("%s: %s with %d misses, want %s with %d: %q, want %q", name, v.Grade, len(v.Misses), grade, misses, all, says)
		}
	}
	told := func(status int) *caller.Told {
		return &caller.Told{Status: status, Code: "provider_error", Message: "no"}
	}
	f("well", func(*played) {}, pass, 0, "")
	f("not run", func(p *played) { p.err = errors.New("no port") }, fail, 0, "no port")
	f("truncated", func(p *played) { p.res.Answer = saying("The gate") }, fail, 0, "truncated as success")
	f("wrong", func(p *played) { p.res.Answer = saying("A gate opens.") }, fail, 0, "wrong answer")
	f("protocol", func(p *played) { p.res.Bad = []string{"no [DONE]"} }, fail, 0, "no [DONE]")
	f("broken", func(p *played) { p.res.Broken = errors.New("reset") }, fail, 0, "reset")
	f("no end", func(p *played) { p.res.Complete = false }, fail, 0, "without an end")
	f("error", func(p *played) { p.res.Told, p.res.Answer, p.res.Complete = told(502), nil, false }, safe, 0, "provider_error")
	f("error after text", func(p *played) { p.res.Told, p.res.Answer, p.res.Complete = told(200), saying("The gate"), false }, partial, 0, "provider_error")
	f("error after wrong text", func(p *played) { p.res.Told, p.res.Answer, p.res.Complete = told(200), saying("No"), false }, fail, 0, "not right")
	f("asked twice", func(p *played) { p.seenA = append(p.seenA, p.seenA[0]) }, pass, 2, "first target saw 2")
	f("other model", func(p *played) { p.res.Answer.Model = "s1-1" }, pass, 1, "model")
	f("usage", func(p *played) { p.res.Answer.Usage.Output = 3 }, pass, 1, "usage 7 in and 3 out")
	f("late", func(p *played) { p.res.Wall = 2 * time.Second }, pass, 1, "took 2s")
	f("silence", func(p *played) { p.res.Gap = time.Second }, pass, 1, "silence")
	f("early", func(p *played) {
		p.cell.want.waitLow, p.cell.want.a = time.Second, exactly(2)
		p.res.Header.Set("X-Sluice-Attempts", "3")
		p.seenA = append(p.seenA, sim.RequestRecord{Start: p.seenA[0].Start.Add(500 * time.Millisecond)})
	}, pass, 1, "asked again after 500ms")
	refuse := func(p *played) {
		p.cell.want = want{end: refused, status: 502, code: "provider_error", a: exactly(1), b: exactly(1), retry: "false"}
	}
	f("answered", refuse, fail, 0, "where an error is right")
	f("refused", func(p *played) {
		refuse(p)
		p.res.Told, p.res.Complete = told(502), false
		p.res.Header.Set("X-Should-Retry", "false")
	}, pass, 0, "")
	f("refused otherwise", func(p *played) { refuse(p); p.res.Told, p.res.Complete = told(500), false }, fail, 0, "status 500")
	f("refused, retry", func(p *played) { refuse(p); p.res.Told, p.res.Complete = told(502), false }, pass, 1, "X-Should-Retry")
	f("no form", func(p *played) { p.cell.want.end = fitting }, fail, 0, "does not fit")
	f("form", func(p *played) {
		p.cell.want.end = fitting
		p.res.Answer = saying(`{"river":"a","gate":"b","level":1,"keeper":"c"}`)
	}, pass, 0, "")
}

func TestTimingAlone(t *testing.T) {
	t.Parallel()
	p := playedWell()
	p.res.Wall = 2 * time.Second
	if v := judge(p, 0); !v.Timing {
		t.Error("a miss of time alone is not known as such")
	}
	if v := judge(p, 2*time.Second); len(v.Misses) > 0 {
		t.Errorf("with slack: %q", v.Misses)
	}
	p.res.Answer.Model = "other"
	if v := judge(p, 0); v.Timing {
		t.Error("another miss is taken for one of time")
	}
}

func TestScorecard(t *testing.T) {
	t.Parallel()
	bad := playedWell()
	bad.res.Answer, bad.res.Body = saying("The gate"), []byte("data: half\n")
	rec := &record{Cells: []*verdict{judge(playedWell(), 0), judge(bad, 0)}}
	var b bytes.Buffer
	if err := rec.print(&b, true); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"1 pass, 0 partial, 0 safe, 1 fail", "truncated as success", "data: half", "1+1"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("no %q in\n%s", part, b.String())
		}
	}
	if rec.err() == nil {
		t.Error("no error")
	}
	if good := (&record{Cells: rec.Cells[:1]}); good.err() != nil {
		t.Error(good.err())
	}
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, c := range matrix(scenarios(), func(string) bool { return true }) {
		if names[c.fullName()] {
			t.Errorf("two cells %s", c.fullName())
		}
		names[c.fullName()] = true
	}
	for _, want := range []string{"healthy/gemini/whole", "cut-rst/openai>anthropic/stream", "cut-rst/gemini+openai/stream", "outage-503/anthropic/stream"} {
		if !names[want] {
			t.Errorf("no cell %s", want)
		}
	}
	if names["truncated/openai/stream"] || names["gone-image/gemini/whole"] {
		t.Error("a cell that its scenario leaves out")
	}
}

func TestStillness(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	s := &stillness{spans: []still{{begin.Add(time.Second), begin.Add(2 * time.Second)}, {begin.Add(5 * time.Second), begin.Add(9 * time.Second)}}}
	f := func(from, to, want time.Duration) {
		t.Helper()
		if got := s.within(begin.Add(from), begin.Add(to)); got != want {
			t.Errorf("within %v and %v: %v, want %v", from, to, got, want)
		}
	}
	f(0, 500*time.Millisecond, 0)
	f(1500*time.Millisecond, 3*time.Second, time.Second)
	f(0, 10*time.Second, 4*time.Second)
	for _, v := range []struct {
		v    verdict
		want bool
	}{
		{verdict{Grade: pass, Stood: time.Second}, false},
		{verdict{Grade: pass, Stood: time.Second, Misses: []string{"asked"}}, true},
		{verdict{Grade: pass, Misses: []string{"asked"}}, false},
		{verdict{Grade: pass, Misses: []string{"late"}, Timing: true}, true},
		{verdict{Grade: safe, Stood: time.Second}, true},
		{verdict{Grade: fail, Stood: time.Second}, false},
	} {
		if got := v.v.doubtful(); got != v.want {
			t.Errorf("%+v is doubtful: %v", v.v, got)
		}
	}
}
