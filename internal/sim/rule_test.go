package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScheduleOfARule(t *testing.T) {
	t.Parallel()
	f := func(line string, at time.Duration, want bool, until time.Duration) {
		t.Helper()
		r, err := ParseRule(line)
		if err != nil {
			t.Fatal(err)
		}
		end, got := r.activeUntil(at)
		if got != want || got && end != until {
			t.Errorf("%s at %v: %v until %v, want %v until %v", line, at, got, end, want, until)
		}
	}
	f("500", 0, true, 0)
	f("500 from=10s", 10*sec-1, false, 0)
	f("500 from=10s", 10*sec, true, 0)
	f("500 for=5s", 5*sec-1, true, 5*sec)
	f("500 for=5s", 5*sec, false, 0)
	f("500 from=10s for=5s every=30s", 9*sec, false, 0)
	f("500 from=10s for=5s every=30s", 12*sec, true, 15*sec)
	f("500 from=10s for=5s every=30s", 15*sec, false, 0)
	f("500 from=10s for=5s every=30s", 40*sec, true, 45*sec)
	f("500 from=10s for=5s every=30s", 3600*sec+12*sec, true, 3615*sec)
	f("500 from=10s for=5s every=30s", 3600*sec+9*sec, false, 0)
}

func TestParseRule(t *testing.T) {
	t.Parallel()
	bad := func(line, want string) {
		t.Helper()
		if _, err := ParseRule(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRule(%q): %v, want %q", line, err, want)
		}
	}
	bad("", "empty")
	bad("cutt", `unknown fault "cutt"`)
	bad("cut;at=3", `takes no "at"`)
	bad("cut from", "from: has no value")
	bad("cut from=3", `from: "3" is no duration`)
	bad("cut until=3s", "until: is no key of a rule")
	bad("cut probability=1.5", "probability: 1.5 is not from 0 to 1")
	bad("cut every=3s", "every: needs for")
	bad("cut for=4s every=3s", "for: 4s is longer than every, 3s")
	bad("cut models=a,", `models[1]: "" is no name`)
	bad("cut models=[", "is no name or glob")
	bad("down;form=refuse", "needs for")
	bad("down;form=refuse for=3s models=x", "takes neither models")
	const line = "cut;after=random models=a,b* probability=0.03 first=4 from=20s for=1m0s every=2m0s"
	r, err := ParseRule(line)
	want := FaultRule{Fault: "cut;after=random", Models: []string{"a", "b*"}, Probability: 0.03, First: 4, From: 20 * sec, For: 60 * sec, Every: 120 * sec}
	if diff := cmp.Diff(want, r); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if r.String() != line {
		t.Errorf("written as %q", r.String())
	}
	for _, name := range Rehearsals() {
		rules, err := Rehearsal(name)
		if err != nil || len(rules) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		for i := range rules {
			again, err := ParseRule(rules[i].String())
			if diff := cmp.Diff(rules[i], again); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
	if _, err := Rehearsal("x"); err == nil {
		t.Error("a rehearsal of any name")
	}
}

// TestOutageBySchedule has a provider go down and come back, for all that is asked of it.
func TestOutageBySchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Faults = []FaultRule{{Fault: "down", From: 20 * sec, For: 60 * sec}, {Fault: "429", Models: []string{"sim-slow"}, For: sec, Every: 10 * sec}}
		s := newTimed(t, cfg)
		defer s.Close()
		begin := time.Now()
		get := func(path string) int {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return w.Code
		}
		f := func(at time.Duration, list, fast, slow int) {
			t.Helper()
			time.Sleep(at - time.Since(begin))
			if got := get("/v1/models"); got != list {
				t.Errorf("list after %v: %d, want %d", at, got, list)
			}
			for model, want := range map[string]int{"sim-fast": fast, "sim-slow": slow, "sim-fast:400": max(fast, 400)} {
				if got := timed(t.Context(), s, model, "hi", "").Code; got != want {
					t.Errorf("%s after %v: %d, want %d", model, at, got, want)
				}
			}
			if got := get("/sim/stats"); got != 200 {
				t.Errorf("stats after %v: %d", at, got)
			}
		}
		f(0, 200, 200, 429)
		f(1*sec, 200, 200, 200)
		f(20*sec-1, 200, 200, 200)
		f(20*sec, 503, 503, 503)
		f(80*sec-1, 503, 503, 503)
		f(80*sec, 200, 200, 429)
		s.StartSchedule()
		begin = time.Now()
		f(2*sec, 200, 200, 200)
		f(30*sec, 503, 503, 503)
		rules := s.FaultRules()
		if rules[0].Struck != 12 || !rules[0].Active || rules[1].Struck != 2 || s.Stats().Faults["down"] != 9 {
			t.Errorf("rules %+v, faults %v", rules, s.Stats().Faults)
		}
	})
}

func TestFaultsAtRunTime(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.Faults = []FaultRule{{Fault: "500"}}
	s, c := start(t, cfg)
	root := c.root()
	f := func(want int) {
		t.Helper()
		if got := c.chat("sim-fast", question, "").status; got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	f(500)
	rules := `[{"fault":"429;after=2","probability":1,"first":2},{"fault":"503","from":"1h","for":"1s","every":"2s"}]`
	if a := root.do("POST", "/sim/faults", rules); a.status != 204 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	f(429)
	f(429)
	f(200)
	var got []RuleState
	list := root.do("GET", "/sim/faults", "")
	decode(t, list, &got)
	want := []RuleState{
		{FaultRule: FaultRule{Fault: "429;after=2", Probability: 1, First: 2}, Active: true, Struck: 2},
		{FaultRule: FaultRule{Fault: "503", From: time.Hour, For: sec, Every: 2 * sec}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("GET /sim/faults (-want +got):\n%s", diff)
	}
	if a := root.do("POST", "/sim/faults", list.body); a.status != 204 { // what it gives can be given back
		t.Errorf("%d %s", a.status, a.body)
	}
	f(429) // counters start again
	for _, bad := range []string{"", "{}", `[{"fault":"x"}]`, `[{"fault":"500","form":"3s"}]`, `[{"fault":"500","for":3}]`, `[{"fault":"500","for":"3"}]`} {
		if a := root.do("POST", "/sim/faults", bad); a.status != 400 {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	if rules := s.FaultRules(); len(rules) != 2 {
		t.Errorf("after bad lists: %+v", rules)
	}
	if a := root.do("DELETE", "/sim/faults", ""); a.status != 204 {
		t.Errorf("delete: %d", a.status)
	}
	f(200)
	if list := root.do("GET", "/sim/faults", ""); strings.TrimSpace(list.body) != "[]" {
		t.Errorf("without rules: %s", list.body)
	}
	if a := root.do("POST", "/sim/schedule/start", ""); a.status != 204 {
		t.Errorf("start: %d", a.status)
	}
	if a := root.do("GET", "/sim/schedule/start", ""); a.status != 405 {
		t.Errorf("GET start: %d", a.status)
	}
	if err := s.SetFaults(make([]FaultRule, maxRules+1)); err == nil {
		t.Error("any number of rules")
	}
}

// TestShares holds that faults strike the share of requests that they are to, and the same ones for the same seed.
func TestShares(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) (struck string) {
		cfg := quick()
		cfg.Seed, cfg.Faults = seed, []FaultRule{{Fault: "500", Probability: 0.1}}
		s := newTimed(t, cfg)
		defer s.Close()
		for i := range 2000 {
			if timed(t.Context(), s, "sim-fast", fmt.Sprint("prompt ", i), `,"max_tokens":1`).Code == 500 {
				struck += fmt.Sprint(i, " ")
			}
		}
		if n := len(strings.Fields(struck)); n < 150 || n > 250 || s.FaultRules()[0].Struck != int64(n) {
			t.Errorf("%d of 2000 are struck, the rule says %d, want about 200", n, s.FaultRules()[0].Struck)
		}
		return struck
	}
	if a, b, other := run(3), run(3), run(4); a != b || a == other {
		t.Errorf("the seed does not decide which requests are struck")
	}
}

// TestPortIsClosed has the system itself refuse connections during an outage, and serve at the same address after it.
func TestPortIsClosed(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	c.http.Transport.(*http.Transport).DisableKeepAlives = true
	if err := s.SetFaults([]FaultRule{{Fault: "down;form=refuse", For: time.Second}}); err != nil {
		t.Fatal(err)
	}
	s.StartSchedule()
	if a := c.do("GET", "/models", ""); a.err == nil {
		t.Fatalf("the first one: %d", a.status)
	}
	refused := 0
	deadline := time.Now().Add(30 * time.Second)
	for {
		a := c.do("GET", "/models", "")
		if errors.Is(a.err, syscall.ECONNREFUSED) {
			refused++
		}
		if a.status == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not back after the outage: %v", a.err)
		}
	}
	if refused == 0 {
		t.Error("no connection was refused")
	}
}

// TestPortIsClosedAtTheEnd closes a server whose port is closed by an outage.
func TestPortIsClosedAtTheEnd(t *testing.T) {
	t.Parallel()
	s, c := start(t, quick())
	if err := s.SetFaults([]FaultRule{{Fault: "down;form=refuse", For: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if a := c.do("GET", "/models", ""); a.err == nil || errors.Is(a.err, io.EOF) && a.status != 0 {
		t.Errorf("%d %v", a.status, a.err)
	}
}

func FuzzRules(f *testing.F) {
	for _, s := range []string{`[{"fault":"down","from":"20s","for":"60s"}]`, `[{"fault":"cut;after=random","probability":0.03,"models":["a"]}]`, `[]`, `[{}]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var states []RuleState
		if json.Unmarshal([]byte(text), &states) != nil {
			return
		}
		for i := range states {
			bad := false
			states[i].Validate(func(string, string) { bad = true })
			b, err := json.Marshal(states[i])
			var again RuleState
			if err != nil || json.Unmarshal(b, &again) != nil {
				t.Fatalf("%+v cannot be written and read: %s %v", states[i], b, err)
			}
			if !bad {
				for at := range 100 {
					states[i].activeUntil(time.Duration(at) * sec)
				}
			}
		}
	})
}
