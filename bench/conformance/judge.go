//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/bench/caller"
	"sluice/internal/llm"
	"sluice/internal/sim"
)

// The grades, in the terms of Failover Bench, from best to worst.
const (
	pass    = "pass"    // what the scenario wants: mostly the whole right answer, as one well-formed success
	partial = "partial" // usable, with a visible fault: part of the right text, and an honest error
	safe    = "safe"    // a clean error in the client's dialect in place of an answer
	fail    = "fail"    // truncated as success, a broken protocol, a hang, a wrong answer
)

// verdict is the judgement on a cell.
type verdict struct {
	Cell     string
	Scenario string
	Front    string
	Form     string
	Grade    string
	Why      string   `json:",omitempty"` // it is not pass
	Misses   []string `json:",omitempty"` // advisory
	Timing   bool     `json:",omitempty"` // all misses are of time, which a busy machine may cause
	A, B     int      // requests that the first and the second target saw
	Gap      time.Duration
	Wall     time.Duration
	Repeated int           `json:",omitempty"` // times that it was done again
	Stood    time.Duration `json:",omitempty"` // longest time that the machine stood still meanwhile
	Note     string        `json:",omitempty"`
	body     []byte
}

// doubtful reports whether what is wrong with a cell may be the machine's doing. That of a cell that failed is not.
func (v *verdict) doubtful() bool {
	return v.Grade == pass && v.Timing || v.Stood > 0 && v.Grade != fail && (v.Grade != pass || len(v.Misses) > 0)
}

// judging makes a verdict.
type judging struct {
	*verdict
	p     *played
	w     *want
	slack time.Duration // added to each limit of time
	late  int           // misses of time
}

// judge gives the verdict on a cell. slack is added to all limits of time.
func judge(p *played, slack time.Duration) *verdict {
	c := p.cell
	v := &verdict{Cell: c.fullName(), Scenario: c.scenario.name, Front: c.front.Name, Form: c.form(), A: len(p.seenA), B: len(p.seenB), Note: p.note, Stood: p.stood}
	j := &judging{verdict: v, p: p, w: c.wants(c.stream), slack: slack}
	switch {
	case p.err != nil:
		v.Grade, v.Why = fail, "could not be run: "+p.err.Error()
	case c.scenario.play != nil:
		j.played()
	default:
		v.Gap, v.Wall, v.body = p.res.Gap, p.res.Wall, p.res.Body
		v.Grade, v.Why = j.grade()
		if v.Grade == pass {
			j.answerer()
		}
		j.attempts()
		j.times()
	}
	v.Timing = len(v.Misses) > 0 && j.late == len(v.Misses)
	return v
}

// played judges a scenario that is more than one call.
func (j *judging) played() {
	p := j.p
	j.Grade, j.Wall, j.Gap = pass, p.wall, p.gap
	if p.look != nil {
		p.look(j)
	}
	if len(p.fails) > 0 {
		j.Grade, j.Why = fail, strings.Join(p.fails, "; ")
	}
	if p.graded != "" {
		j.Grade = p.graded
	}
	j.attempts()
	j.slow("took", p.wall, j.w.wall)
}

func (j *judging) miss(format string, args ...any) {
	j.Misses = append(j.Misses, fmt.Sprintf(format, args...))
}

// slow is a miss of time.
func (j *judging) slow(what string, got, limit time.Duration) {
	if limit > 0 && got > limit+j.slack {
		j.late++
		j.miss("%s %v, limit %v", what, got.Round(time.Millisecond), limit)
	}
}

// grade says what the client was given.
func (j *judging) grade() (grade, why string) {
	res := j.p.res
	switch {
	case res.Broken != nil && (errors.Is(res.Broken, context.DeadlineExceeded) || strings.Contains(res.Broken.Error(), "deadline exceeded")):
		return fail, fmt.Sprintf("hangs: no end in %v", patience)
	case res.Broken != nil:
		return fail, "the connection breaks: " + res.Broken.Error()
	case len(res.Bad) > 0:
		return fail, "protocol: " + strings.Join(res.Bad, "; ")
	}
	if j.w.end == either && res.Told != nil && res.Told.Status != http.StatusOK {
		return pass, ""
	}
	if j.w.end == refused || j.w.end == blocked && (res.Told != nil || j.p.cell.target != llm.Gemini) {
		return j.gradeRefusal()
	}
	if res.Told != nil {
		told := fmt.Sprintf("error %d %s %s: %.200s", res.Told.Status, res.Told.Type, res.Told.Code, res.Told.Message)
		text := caller.Text(res.Answer)
		right := strings.HasPrefix(caller.Text(j.p.ref), text)
		switch {
		case j.w.end == marked && res.Told.Code == j.w.code:
			return pass, ""
		case (j.w.end == broken || j.w.end == either) && right && text != "":
			return pass, ""
		case text == "" && (res.Answer == nil || len(res.Answer.Choices) == 0):
			return safe, told
		case right:
			return partial, told
		default:
			return fail, "the text before the error is not right; " + told
		}
	}
	if !res.Complete {
		return fail, "ends without an end and without an error"
	}
	return j.gradeAnswer()
}

func (j *judging) gradeRefusal() (grade, why string) {
	told := j.p.res.Told
	switch {
	case told == nil:
		return fail, "is answered, where an error is right"
	case told.Status == http.StatusOK:
		return partial, fmt.Sprintf("the error %s comes in a stream that has begun", told.Code)
	case j.w.code != "" && told.Code != j.w.code:
		return fail, fmt.Sprintf("error %q, want %q: %.200s", told.Code, j.w.code, told.Message)
	case j.w.status != 0 && told.Status != j.w.status:
		return fail, fmt.Sprintf("status %d (%s), want %d: %.200s", told.Status, told.Code, j.w.status, told.Message)
	}
	if got := j.p.res.Header.Get("X-Should-Retry"); j.w.retry != "" && got != j.w.retry {
		j.miss("X-Should-Retry is %q, want %q", got, j.w.retry)
	}
	return pass, ""
}

// gradeAnswer judges a complete answer.
func (j *judging) gradeAnswer() (grade, why string) {
	got := j.p.res.Answer
	switch j.w.end {
	case broken, marked:
		return fail, "is answered, where an error is right"
	case filtered, blocked:
		if len(got.Choices) != 1 || got.Choices[0].Finish != llm.FinishFilter {
			return fail, "the answer does not say that a content filter ended it"
		}
		return pass, ""
	case fitting:
		return gradeForm(got)
	}
	if diff := caller.Same(j.p.ref, got); diff != "" {
		if text := caller.Text(got); text != "" && strings.HasPrefix(caller.Text(j.p.ref), text) {
			return fail, "truncated as success: " + diff
		}
		return fail, "wrong answer: " + diff
	}
	return pass, ""
}

// gradeForm judges an answer that was to have a form.
func gradeForm(got *llm.Answer) (grade, why string) {
	text := caller.Text(got)
	for i := range got.Choices {
		for _, p := range got.Choices[i].Parts {
			if p.Kind == llm.PartToolCall {
				text = p.Text
			}
		}
	}
	if bad := fits(text); bad != "" {
		return fail, fmt.Sprintf("the answer does not fit the schema: %s: %.200s", bad, text)
	}
	return pass, ""
}

// answerer checks model and usage of an answer.
func (j *judging) answerer() {
	res, c := j.p.res, j.p.cell
	if res.Answer == nil || res.Told != nil || j.w.by == "" {
		return
	}
	names := map[string][]string{"a": {c.id}, "b": {c.id + "b"}, "ab": {c.id, c.id + "b"}, "a|b": {c.id, c.id + "b"}, "a|ab": {c.id, c.id + "b"}}[j.w.by]
	known := false
	for _, n := range names {
		known = known || res.Answer.Model == n
	}
	if !known {
		j.miss("model %q, want %s", res.Answer.Model, strings.Join(names, " or "))
	}
	if header, want := res.Header.Get("X-Sluice-Attempts"), fmt.Sprint(j.A+j.B); header != want && !(c.stream && strings.HasSuffix(j.w.by, "ab")) {
		j.miss("X-Sluice-Attempts is %q, the targets saw %s", header, want)
	}
	if !res.Answer.HasUsage {
		j.miss("no usage")
		return
	}
	got, right := res.Answer.Usage, j.p.ref.Usage
	switch {
	case j.w.end != answered && j.w.end != either:
	case strings.HasSuffix(j.w.by, "ab"): // several legs: each has cost something
		if got.Output < right.Output || got.Input < right.Input && c.target == c.other { // dialects count a request in their own ways
			j.miss("usage %d in and %d out, want at least %d and %d", got.Input, got.Output, right.Input, right.Output)
		}
	case got.Input != right.Input || got.Output != right.Output:
		j.miss("usage %d in and %d out, want %d and %d", got.Input, got.Output, right.Input, right.Output)
	}
}

// attempts checks what the targets saw.
func (j *judging) attempts() {
	for _, t := range []struct {
		name string
		seen []sim.RequestRecord
		want span
	}{{"first", j.p.seenA, j.w.a}, {"second", j.p.seenB, j.w.b}} {
		if n := len(t.seen); n < t.want.low || n > t.want.high {
			j.miss("the %s target saw %d requests, want %s", t.name, n, t.want)
		}
	}
	if a := j.p.seenA; j.w.waitLow > 0 && len(a) > 1 {
		switch wait := a[1].Start.Sub(a[0].Start.Add(a[0].Took)); {
		case wait < j.w.waitLow:
			j.miss("asked again after %v, stated were %v", wait.Round(time.Millisecond), j.w.waitLow)
		default:
			j.slow("asked again after", wait, j.w.waitHigh)
		}
	}
	if j.w.loop > 0 && len(j.p.seenA) > 0 && j.p.seenA[0].Usage.Output > j.w.loop {
		j.miss("the loop was stopped after %d tokens, want at most %d", j.p.seenA[0].Usage.Output, j.w.loop)
	}
}

func (s span) String() string {
	if s.low == s.high {
		return fmt.Sprint(s.low)
	}
	return fmt.Sprintf("%d to %d", s.low, s.high)
}

// times checks how long it took.
func (j *judging) times() {
	res := j.p.res
	if j.p.cell.stream {
		j.slow("first content after", res.First, j.w.first)
		j.slow("silence of", res.Gap, j.w.gap)
	}
	j.slow("took", res.Wall, j.w.wall)
}
