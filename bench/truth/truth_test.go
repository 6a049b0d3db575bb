//go:build linux

package main

import (
	"context"
	"math"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sluice/bench/rig"
	"sluice/internal/report"
	"sluice/internal/workload"
)

// serveTruth serves a truth server in this process and returns its address.
func serveTruth(t *testing.T, p plan) string {
	t.Helper()
	c, err := rig.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newTruthServer(c, p)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(l)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// TestEngineAgainstTruth runs a small job through everything but the processes.
func TestEngineAgainstTruth(t *testing.T) {
	t.Parallel()
	p := truthPlan()
	addr := serveTruth(t, p)
	clock, err := rig.NewClock()
	if err != nil {
		t.Fatal(err)
	}
	f := func(s shape) (*outcome, []*entry) {
		t.Helper()
		j := job{URL: "http://" + addr + "/v1", Model: "truth", Shape: s, Keep: true}
		o, err := j.run(t.Context(), clock)
		if err != nil {
			t.Fatal(err)
		}
		entries, err := takeEntries(addr)
		if err != nil {
			t.Fatal(err)
		}
		var all []truthOf
		for _, e := range entries {
			all = append(all, e.truth())
		}
		for _, e := range countsOf(o, all) {
			if !e.holds() && !strings.Contains(e.name, "window") { // what lies in the window depends on the machine
				t.Errorf("%s: %g, true %s", e.name, e.got, bounds(e.low, e.high))
			}
		}
		c := newComparison()
		c.add(o, all)
		if c.strange != 0 || len(c.single) == 0 {
			t.Errorf("%d requests known to one side only, %d to both", c.strange, len(c.single))
		}
		for i, d := range c.single {
			if d < 0 {
				t.Errorf("request %d ended %v ms before the server wrote", i, -d)
			}
		}
		return o, entries
	}
	o, entries := f(shape{Process: workload.Constant, Rate: 100, Sustain: 600 * time.Millisecond, Cooldown: 5 * time.Second, Output: 64})
	if len(entries) != 60 || o.Run.Summary.Requests != 60 {
		t.Errorf("%d requests came, %d are reported, want 60", len(entries), o.Run.Summary.Requests)
	}
	for _, e := range entries {
		s := p.script(e.N)
		tokens, reasoning := s.tokens()
		if e.Status != s.Status || e.Complete == (s.Cut || s.Status != 200) || s.Status == 200 && (e.Tokens != tokens || e.Reasoning != reasoning) {
			t.Errorf("entry %+v does not follow its script %+v", e, s)
		}
		if s.Status == 200 && (e.First-e.Received < int64(s.First) || len(e.Emitted) != len(s.Events)) {
			t.Errorf("request %d: first token after %d ns, planned %d; %d events, planned %d", e.N, e.First-e.Received, s.First, len(e.Emitted), len(s.Events))
		}
	}
	o, _ = f(shape{Process: workload.Closed, Users: 3, Sustain: 400 * time.Millisecond, Cooldown: 5 * time.Second, Output: 64, Whole: true})
	if o.Run.Summary.OutputTokens == 0 || o.CPU <= 0 || o.Took < 400*time.Millisecond {
		t.Errorf("outcome %+v", o)
	}
}

// TestComparisonFindsLies changes what the engine said: each lie must be found.
func TestComparisonFindsLies(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	f := func(lie func(*outcome), want ...string) {
		t.Helper()
		var all []truthOf
		o := &outcome{Anchor: 100 * second, Run: &report.Run{To: 10 * time.Second, Verdict: report.Verdict{State: "valid"}}}
		s := &o.Run.Summary
		s.Statuses = map[string]int64{"200": 1000, "429": 1}
		for i := range int64(1000) {
			d := time.Duration(50+i%100) * time.Millisecond
			at := o.Anchor + i*second/200 + second
			all = append(all, truthOf{
				ID: requestID(i), Status: 200, OK: true, Received: at, End: at + int64(d), TTFT: d / 2, TTFO: report.None, TPOT: 5 * time.Millisecond,
				E2E: d, Tokens: 7, Reasoning: 2, Emitted: []emission{{at, 7}},
			})
			o.Records = append(o.Records, report.Record{RequestID: requestID(i), OK: true, Dispatched: 0, Done: d})
		}
		all = append(all, truthOf{ID: "refused", Status: 429, Received: 100 * second})
		o.Records = append(o.Records, report.Record{RequestID: "refused"})
		s.Requests, s.OK, s.Failed, s.OutputTokens, s.ReasoningTokens = 1001, 1000, 1, 7000, 2000
		s.TPS, s.OutputRate = 100, 700
		s.TTFT = report.Dist{N: 1000, P50: 49.75, P95: 72, P99: 74}
		s.TPOT = report.Dist{N: 1000, P50: 5, P95: 5, P99: 5}
		s.E2E = report.Dist{N: 1000, P50: 99.5, P95: 144, P99: 148}
		lie(o)
		c := newComparison()
		c.figures = []*figure{c.figures[0], c.figures[2], c.figures[3]} // there is no reasoning here
		c.add(o, all)
		var r findings
		c.judge(&r, "x")
		var got []string
		for _, b := range r.Bars {
			if b.Status != met {
				got = append(got, b.What+" "+b.Note)
			}
		}
		if len(got) != len(want) {
			t.Errorf("missed %q, want %q", got, want)
			return
		}
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("missed %q, want %q in it", got[i], want[i])
			}
		}
	}
	f(func(*outcome) {})
	f(func(o *outcome) { o.Run.Summary.TTFT.P99 += 1.6 }, "TTFT")
	f(func(o *outcome) { o.Run.Summary.TTFT.P99 += 1.4 }) // under 2 %
	f(func(o *outcome) { o.Run.Summary.TPOT.P50 += 1.1 }, "TPOT")
	f(func(o *outcome) { o.Run.Summary.E2E.N-- }, "E2E")
	f(func(o *outcome) { o.Run.Summary.E2E.P50 = math.NaN() }, "E2E")
	f(func(o *outcome) { o.Run.Summary.Failed = 0 }, "failed 0, true 1")
	f(func(o *outcome) { o.Run.Summary.OutputTokens-- }, "output tokens 6999")
	f(func(o *outcome) { o.Run.Summary.TPS = 100.1 }, "completed in window 1001")
	f(func(o *outcome) { o.Run.Summary.OutputRate = 699 }, "tokens in window 6990")
	f(func(o *outcome) { o.Run.Summary.Statuses["429"] = 2 }, "status 429 2, true 1")
	f(func(o *outcome) { o.Records[3].RequestID = "other" }, "single requests")
}

func TestWindowsEndsAreOpen(t *testing.T) {
	t.Parallel()
	const from, to = int64(10 * time.Second), int64(20 * time.Second)
	f := func(at time.Duration, low, high float64) {
		t.Helper()
		var e exact
		e.count(int64(at), 2, from, to)
		if e.low != low || e.high != high {
			t.Errorf("at %v: %v to %v, want %v to %v", at, e.low, e.high, low, high)
		}
	}
	f(9*time.Second, 0, 0)
	f(10*time.Second-edge/2, 0, 2)
	f(10*time.Second+edge/2, 0, 2)
	f(15*time.Second, 2, 2)
	f(20*time.Second+edge/2, 0, 2)
	f(20*time.Second+2*edge, 0, 0)
}

func TestScriptsFollowTheSeed(t *testing.T) {
	t.Parallel()
	p := truthPlan()
	p.Bundle = 4
	statuses := map[int]int{}
	cut := 0
	var firsts []float64
	for n := range int64(4000) {
		a, b := p.script(n), p.script(n)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatal(diff)
		}
		statuses[a.Status]++
		if a.Cut {
			cut++
		}
		firsts = append(firsts, millis(a.First))
		all, reasoning := a.tokens()
		if all < 1 || !a.Cut && (reasoning >= all || len(a.Events) < p.Events[0]) {
			t.Errorf("request %d: %d tokens, %d of them reasoning, in %d events", n, all, reasoning, len(a.Events))
		}
	}
	if diff := cmp.Diff(map[int]int{200: 3700, 429: 100, 500: 100, 503: 100}, statuses); diff != "" || cut != 100 {
		t.Errorf("%d cut; %s", cut, diff)
	}
	if m := median(firsts); m < 58 || m > 62 { // 60 ms, three standard errors are 1.8
		t.Errorf("median of the first token is %v ms", m)
	}
	other := p
	other.Seed++
	if cmp.Equal(p.script(1), other.script(1)) {
		t.Error("another seed, the same answer")
	}
}

func TestWaitOnAFrozenServer(t *testing.T) {
	t.Parallel()
	freezes := []freeze{{int64(4 * time.Second), int64(6 * time.Second)}, {int64(14 * time.Second), int64(16 * time.Second)}}
	f := func(at, want time.Duration) {
		t.Helper()
		if got := wait(int64(at), freezes); got != want {
			t.Errorf("who comes at %v waits %v, want %v", at, got, want)
		}
	}
	f(time.Second, frozenAfter)
	f(4*time.Second-frozenAfter-1, frozenAfter)
	f(4*time.Second-2*time.Millisecond, 2*time.Second+2*time.Millisecond) // read in time, due too late
	f(4*time.Second, 2*time.Second+frozenAfter)
	f(6*time.Second-1, frozenAfter+1)
	f(6*time.Second, frozenAfter)
	f(15*time.Second, time.Second+frozenAfter)
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	f := func(values []float64, want three) {
		t.Helper()
		if got := threeOf(values); math.Abs(got[0]-want[0])+math.Abs(got[1]-want[1])+math.Abs(got[2]-want[2]) > 1e-9 {
			t.Errorf("%v: %v, want %v", values, got, want)
		}
	}
	f([]float64{4}, three{4, 4, 4})
	f([]float64{3, 1}, three{2, 2.9, 2.98})
	f([]float64{5, 1, 2, 4, 3}, three{3, 4.8, 4.96})
	if !math.IsNaN(threeOf(nil)[0]) {
		t.Error("nothing has a median")
	}
}

func TestNoise(t *testing.T) {
	t.Parallel()
	n, err := startNoise()
	if err != nil {
		t.Fatal(err)
	}
	if text := n.String(); !strings.HasPrefix(text, "others used ") {
		t.Errorf("noise: %s", text)
	}
	loud := &noise{time.Now().Add(-time.Second), n.used - time.Duration(runtime.NumCPU())*time.Second/2}
	if text := loud.String(); !strings.HasSuffix(text, "TOO NOISY to settle a bar") {
		t.Errorf("half of the CPUs: %s", text)
	}
}

func TestFindings(t *testing.T) {
	t.Parallel()
	f := func(r findings, good, bad int) {
		t.Helper()
		if g, b := r.count(); g != good || b != bad {
			t.Errorf("%+v: %d good, %d bad; want %d, %d", r.Bars, g, b, good, bad)
		}
	}
	var r findings
	f(r, 0, 1) // a section without a verdict has missed one
	r.add("a", "1", met, "%d", 1)
	f(r, 1, 0)
	r.add("b", "1", absent, "none").Note = "install it"
	r.add("c", "1", informal, "2")
	f(r, 1, 0)
	r.add("d", "1", unknown, "-")
	r.add("e", "1", held(false), "3")
	f(r, 1, 2)
	r.Error = "gone"
	f(r, 1, 3)
	var text strings.Builder
	if err := r.print(&text); err != nil || !strings.Contains(text.String(), "install it") || !strings.Contains(text.String(), "ended early: gone") {
		t.Errorf("%v: %s", err, text.String())
	}
	rec := record{Sections: []*findings{&r}}
	if err := rec.finish(&text, t.TempDir()+"/out.json"); err == nil || !strings.Contains(err.Error(), "3 of 4 bars") {
		t.Errorf("a run with misses ends with %v", err)
	}
}

func TestToolsAreRead(t *testing.T) {
	t.Parallel()
	f := func(tl *tool, out string, want measured) {
		t.Helper()
		got, err := tl.read([]byte(out), target{length: 2 * time.Second})
		if want.N == 0 {
			if err == nil {
				t.Errorf("%s: no error for %q", tl.name, out)
			}
			return
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tl.name, err, diff)
		}
	}
	f(wrk(), "Running 2s test\nRESULT 1600 2000000 3 20100.000000 20500.000000 21000.000000\n", measured{800, three{20.1, 20.5, 21}, 1600, 3})
	f(wrk(), "unable to connect", measured{})
	f(hey(), "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n"+
		"0.0200,0,0,0,0.02,0,200,0.1\n0.0300,0,0,0,0.02,0,200,0.2\n0.5,0,0,0,0.02,0,503,0.3\n", measured{2.5, three{25, 29.5, 29.9}, 2, 1})
	f(hey(), "Error: 3", measured{})
	f(k6(), `{"http_reqs":{"values":{"count":600}},"http_req_failed":{"values":{"passes":2}},"http_req_duration":{"values":{"p(50)":20,"p(95)":21,"p(99)":22}}}`,
		measured{300, three{20, 21, 22}, 600, 2})
	f(k6(), `{}`, measured{})
	for _, tl := range []*tool{wrk(), hey(), k6()} {
		args, err := tl.command("/bin/x", t.TempDir(), target{url: "http://a/b", body: `{"model":"m"}`, users: 4, rate: 300, length: 3 * time.Second})
		if err != nil || args[0] != "/bin/x" {
			t.Errorf("%s: %v, %v", tl.name, args, err)
		}
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	f := func(path, want string) {
		t.Helper()
		answer := map[string]any{"a": []any{map[string]any{"b": "x", "c": 1.5}}, "d": 2.0}
		if got := lookup(answer, path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	f("a.0.b", "x")
	f("a.0.c", "1.5")
	f("d", "2")
	f("a.1.b", "")
	f("a.0.z", "")
	f("d.e", "")
}

// TestOptions reads the command line.
func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parseOptions([]string{"-only", "frozen", "-quick", "-engine-cpu", "0", "-server-cpu", ""})
	if err != nil || o.only != "frozen" || !o.quick || len(o.serverCPU) != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"stray"}, {"-nothing"}} {
		if _, err := parseOptions(bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
	l := &lab{o: options{only: "nonsense"}, progress: os.Stderr}
	if err := l.runSections(context.Background(), &record{}); err == nil || !strings.Contains(err.Error(), "frozen") {
		t.Errorf("unknown section: %v", err)
	}
}
