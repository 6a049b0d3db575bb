package workload

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// mustParse parses a workload from the keys below its name, indented by two.
func mustParse(t testing.TB, keys string) *Workload {
	t.Helper()
	w, err := Parse(t.TempDir()+"/w.yaml", []byte("benchmark_workload:\n  name: test\n"+strings.TrimPrefix(keys, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func mustSchedule(t testing.TB, w *Workload, o ScheduleOptions) *Schedule {
	t.Helper()
	s, err := w.Schedule(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const short = "\n  request_distribution: {input_tokens: {p50: 500, p95: 2000}, output_tokens: {p50: 100, p95: 300}}"

// gaps returns the mean of the gaps between arrivals of a phase in seconds, and their coefficient of variation.
func gaps(slots []Slot, phase Phase) (n int, mean, cv float64) {
	var last time.Duration
	var all []float64
	for _, s := range slots {
		if s.Phase != phase {
			continue
		}
		if last > 0 {
			all = append(all, (s.At - last).Seconds())
			mean += (s.At - last).Seconds()
		}
		last = s.At
	}
	mean /= float64(len(all))
	for _, g := range all {
		cv += (g - mean) * (g - mean)
	}
	return len(all), mean, math.Sqrt(cv/float64(len(all))) / mean
}

func TestArrivalsHaveTheirRateAndVariation(t *testing.T) {
	t.Parallel()
	f := func(arrival string, wantCV, tolerance float64) {
		t.Helper()
		w := mustParse(t, short+"\n  arrival: "+arrival+"\n  phases: {warmup: 5s, sustain: 1000s}")
		for repeat := range 3 {
			s := mustSchedule(t, w, ScheduleOptions{Key: Key{Seed: 3, Repeat: repeat}})
			n, mean, cv := gaps(s.Slots, Sustain)
			// The mean of n gaps has the standard error cv/sqrt(n).
			if within := 4*wantCV/math.Sqrt(float64(n)) + 1e-6; math.Abs(mean*20-1) > within {
				t.Errorf("%s: mean gap %v, want 0.05 within %.3g", arrival, mean, within)
			}
			if math.Abs(cv-wantCV) > tolerance*wantCV+1e-6 {
				t.Errorf("%s: coefficient of variation %.3f, want %.3f", arrival, cv, wantCV)
			}
		}
	}
	f("{process: constant, rate: 20}", 0, 0)
	f("{process: poisson, rate: 20}", 1, 0.04)
	f("{rate: 20}", 1, 0.04)
	f("{process: gamma, rate: 20, shape: 0.25}", 2, 0.08)
	f("{process: gamma, rate: 20, shape: 4}", 0.5, 0.04)
	f("{process: gamma, rate: 20, shape: 1}", 1, 0.04)
}

func TestConstantArrivalsKeepToTheirTimes(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  arrival: {process: constant, rate: 300}\n  phases: {warmup: 0s, sustain: 600s}")
	s := mustSchedule(t, w, ScheduleOptions{})
	if len(s.Slots) != 180_000 {
		t.Fatalf("%d requests in 600 s at 300/s", len(s.Slots))
	}
	for i, slot := range s.Slots {
		if want := time.Duration(i) * time.Second / 300; (slot.At - want).Abs() > time.Microsecond {
			t.Fatalf("request %d at %v, want %v", i, slot.At, want)
		}
	}
}

func TestTimesAreTheInverseOfTheIntegralOfTheRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p profile
		for range rapid.IntRange(1, 4).Draw(t, "legs") {
			p = append(p, leg{
				float64(rapid.IntRange(0, 100_000).Draw(t, "lasts in ms")) / 1000, rapid.Float64Range(0, 1000).Draw(t, "from"), rapid.Float64Range(0, 1000).Draw(t, "to"),
			})
		}
		n := rapid.Float64Range(0, p.total()).Draw(t, "n")
		at, ok := p.when(n)
		if !ok {
			if n < p.total()*(1-1e-9) {
				t.Fatalf("request %v of %v has no time", n, p.total())
			}
			return
		}
		var sum, start float64
		for _, l := range p {
			x := min(max(at-start, 0), l.lasts)
			if l.lasts > 0 {
				sum += l.from*x + (l.to-l.from)/l.lasts*x*x/2
			}
			start += l.lasts
		}
		if math.Abs(sum-n) > 1e-6*max(1, p.total()) {
			t.Fatalf("%v requests until %v, want %v (of %v)", sum, at, n, p)
		}
	})
}

// anyWorkload draws an open workload.
func anyWorkload(t *rapid.T) *Workload {
	w := &Workload{Name: "any", Seed: rapid.Uint64().Draw(t, "seed")}
	w.Arrival = Arrival{
		Process: rapid.SampledFrom([]string{Constant, Poisson, Gamma, Rising}).Draw(t, "process"),
		Rate:    rapid.Float64Range(0.1, 200).Draw(t, "rate"),
		Shape:   rapid.Float64Range(0.1, 10).Draw(t, "shape"),
		From:    rapid.Float64Range(0, 100).Draw(t, "from"),
	}
	second := rapid.Int64Range(0, int64(5*time.Second))
	w.Phases = Phases{
		time.Duration(second.Draw(t, "warmup")), time.Duration(second.Draw(t, "ramp")), time.Duration(second.Draw(t, "sustain")) + 1,
		time.Duration(second.Draw(t, "cooldown")),
	}
	w.load.Mix = []share{
		{Chat, 0.7, lengths{In: anyDist(t), Out: anyDist(t)}},
		{Embeddings, 0.3, lengths{In: anyDist(t)}},
	}
	if rapid.Bool().Draw(t, "turns") {
		w.load.Turns = turns{Mean: 3, Think: time.Duration(second.Draw(t, "think")), MaxInput: 1e6}
	}
	switch rapid.IntRange(0, 2).Draw(t, "prefix") {
	case 1:
		w.load.Prefix = prefix{Tokens: 100, Share: 0.5, Groups: 3}
	case 2:
		w.load.Prefix = prefix{Block: 16, Hit: 0.4, Groups: 3}
	}
	return w
}

func TestSchedulesAreSortedAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := anyWorkload(t)
		key := Key{Seed: w.Seed, Suite: "a", Repeat: rapid.IntRange(0, 5).Draw(t, "repeat")}
		s, err := w.Schedule(ScheduleOptions{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		other := key
		other.Suite, other.Cell, other.Step = "b", 4, 2
		again, err := w.Schedule(ScheduleOptions{Key: other})
		if err != nil || !slices.Equal(s.Slots, again.Slots) {
			t.Fatalf("another cell has another load (error %v)", err)
		}
		turn := map[int32]int16{}
		for i, slot := range s.Slots {
			switch {
			case slot.Index != int64(i), i > 0 && slot.At < s.Slots[i-1].At:
				t.Fatalf("slot %d has index %d, and its time is %v after %v", i, slot.Index, slot.At, s.Slots[max(i-1, 0)].At)
			case slot.Phase != s.Phases.At(slot.At), slot.Phase == Cooldown:
				t.Fatalf("slot at %v is in phase %v of %+v", slot.At, slot.Phase, s.Phases)
			case slot.Input < 1, slot.Shared < 0, slot.Shared >= slot.Input:
				t.Fatalf("slot %+v: shares %d of %d", slot, slot.Shared, slot.Input)
			case slot.Kind == Embeddings && (slot.Output != 0 || slot.Turn != 0):
				t.Fatalf("embeddings with output or turns: %+v", slot)
			case w.load.Turns.given() && slot.Kind == Chat && slot.Turn != turn[slot.Group]:
				t.Fatalf("turn %d of conversation %d comes after %d", slot.Turn, slot.Group, turn[slot.Group])
			}
			if slot.Kind == Chat {
				turn[slot.Group]++
			}
		}
	})
}

func TestRepeatsDiffer(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  arrival: {rate: 50}")
	a := mustSchedule(t, w, ScheduleOptions{Key: Key{Repeat: 0}})
	b := mustSchedule(t, w, ScheduleOptions{Key: Key{Repeat: 1}})
	same := 0
	for i := range min(len(a.Slots), len(b.Slots)) {
		if a.Slots[i].At == b.Slots[i].At || a.Slots[i].Input == b.Slots[i].Input {
			same++
		}
	}
	if same > len(a.Slots)/50 {
		t.Errorf("%d of %d requests are the same in two repeats", same, len(a.Slots))
	}
}

func TestRateOverrideKeepsTheDraws(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  arrival: {process: gamma, shape: 0.5, rate: 10}\n  phases: {warmup: 0s, sustain: 100s}")
	slow := mustSchedule(t, w, ScheduleOptions{})
	fast := mustSchedule(t, w, ScheduleOptions{Rate: 20})
	for i, s := range slow.Slots {
		f := fast.Slots[i]
		if (s.At-2*f.At).Abs() > time.Microsecond || s.Input != f.Input || s.Output != f.Output {
			t.Fatalf("request %d: %+v at 10/s, %+v at 20/s", i, s, f)
		}
	}
	closed := mustParse(t, short+"\n  concurrent_users: 5")
	if s := mustSchedule(t, closed, ScheduleOptions{Rate: 20}); s.Arrival.Process != Poisson || s.Arrival.Concurrency != 0 || len(s.Slots) < 500 {
		t.Errorf("a closed loop at 20/s: %+v with %d requests", s.Arrival, len(s.Slots))
	}
}

func TestWarmUpAndRampRise(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  arrival: {process: constant, rate: 100}\n  phases: {warmup: 10s, ramp: 10s, sustain: 10s}")
	s := mustSchedule(t, w, ScheduleOptions{})
	var n [4]int
	for _, slot := range s.Slots {
		n[slot.Phase]++
	}
	// Warm-up at 10/s, ramp from 10/s to 100/s, sustain at 100/s.
	if diff := cmp.Diff([4]int{100, 550, 1000, 0}, n); diff != "" {
		t.Errorf("requests by phase (-want +got):\n%s", diff)
	}
	rising := mustParse(t, short+"\n  arrival: {process: ramp, from: 10, rate: 100}\n  phases: {warmup: 10s, sustain: 100s}")
	s = mustSchedule(t, rising, ScheduleOptions{})
	n = [4]int{}
	half := 0
	for _, slot := range s.Slots {
		n[slot.Phase]++
		if slot.Phase == Sustain && slot.At < 60*time.Second {
			half++
		}
	}
	// 10..100/s over 100 s are 5,500; over its first half, 10..55/s, 1,625.
	if n[Warmup] != 100 || n[Sustain] != 5500 || half != 1625 {
		t.Errorf("a rising rate has %v requests by phase and %d in its first half", n, half)
	}
}

func TestScheduleLimits(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  arrival: {rate: 100000}\n  phases: {warmup: 0s, sustain: 10m}")
	if _, err := w.Schedule(ScheduleOptions{}); err == nil || !strings.Contains(err.Error(), "60000000 requests are more than the 5000000") {
		t.Errorf("60 million requests: %v", err)
	}
	s := mustSchedule(t, w, ScheduleOptions{Rate: 100, Requests: 250, Phases: &Phases{Warmup: 5 * time.Second, Sustain: time.Minute}})
	n := 0
	for _, slot := range s.Slots {
		if slot.Phase == Sustain {
			n++
		}
	}
	if n != 250 || s.Slots[0].Phase != Warmup {
		t.Errorf("%d requests in the sustain phase, want 250 after a warm-up", n)
	}
}

func TestClosedLoopHasSlotsInAnyOrder(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  concurrent_users: 7\n  arrival: {think: 2s}\n  turns: {mean: 3, think: 4s}\n  prefix: {tokens: 50, groups: 2}")
	s := mustSchedule(t, w, ScheduleOptions{Key: Key{Seed: 5}})
	if s.Slots != nil || s.Arrival.Mode() != Closed {
		t.Fatalf("a closed loop with %d slots, mode %s", len(s.Slots), s.Arrival.Mode())
	}
	forward := make([]Slot, 700)
	for i := range forward {
		forward[i] = s.Slot(int64(i))
	}
	for i := len(forward) - 1; i >= 0; i-- {
		if got := s.Slot(int64(i)); got != forward[i] {
			t.Fatalf("slot %d is %+v when asked for last, %+v when asked for first", i, got, forward[i])
		}
	}
	for user := range 7 {
		before := Slot{Group: -1}
		for step := range 100 {
			slot := forward[step*7+user]
			low, high := time.Second, 3*time.Second
			switch {
			case step == 0:
				low, high = 0, 0
			case slot.Turn > 0:
				low, high = 2*time.Second, 6*time.Second
			}
			switch {
			case slot.Think < low || slot.Think > high:
				t.Fatalf("user %d thinks %v before step %d, turn %d", user, slot.Think, step, slot.Turn)
			case slot.Turn > 0 && (slot.Group != before.Group || slot.Turn != before.Turn+1 || slot.Shared != before.Input):
				t.Fatalf("user %d: %+v after %+v", user, slot, before)
			case slot.Turn == 0 && slot.Group%7 != int32(user):
				t.Fatalf("user %d has conversation %d", user, slot.Group)
			}
			before = slot
		}
	}
}

func TestUsersStartOneAfterTheOther(t *testing.T) {
	t.Parallel()
	f := func(p Phases, want ...time.Duration) {
		t.Helper()
		w := mustParse(t, short+"\n  concurrent_users: 10")
		s := mustSchedule(t, w, ScheduleOptions{Phases: &p})
		var got []time.Duration
		for u := range 10 {
			got = append(got, s.UserStart(u)/time.Millisecond)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v, in ms (-want +got):\n%s", p, diff)
		}
	}
	const s = time.Second
	f(Phases{Warmup: 5 * s, Ramp: 9 * s}, 0, 5000, 6000, 7000, 8000, 9000, 10000, 11000, 12000, 13000)
	f(Phases{Ramp: 10 * s}, 0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000)
	f(Phases{Warmup: 10 * s}, 0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000)
	f(Phases{}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

func TestConversationsKeepTheRateOfTheirArrivals(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+"\n  arrival: {process: constant, rate: 50}\n  turns: {mean: 4, think: 3s}\n  phases: {warmup: 0s, sustain: 200s}")
	s := mustSchedule(t, w, ScheduleOptions{})
	if len(s.Slots) != 10_000 {
		t.Fatalf("%d requests in 200 s at 50/s", len(s.Slots))
	}
	last := map[int32]time.Duration{}
	talks := 0
	for _, slot := range s.Slots {
		if slot.Turn == 0 {
			talks++
		} else if gap := slot.At - last[slot.Group]; gap < 1500*time.Millisecond {
			t.Fatalf("conversation %d goes on after %v, before its user has thought", slot.Group, gap)
		}
		last[slot.Group] = slot.At
	}
	if mean := float64(len(s.Slots)) / float64(talks); mean < 3.6 || mean > 4.4 {
		t.Errorf("%.2f turns a conversation, want about 4", mean)
	}
}

func TestMixAndPrefixHaveTheirShares(t *testing.T) {
	t.Parallel()
	w := mustParse(t, short+`
  arrival: {rate: 100}
  phases: {warmup: 0s, sustain: 200s}
  mix: [{kind: chat, weight: 5}, {kind: embeddings, weight: 3}, {kind: tools}, {kind: structured}]
  prefix: {tokens: 20, share: 60%, groups: 4}`)
	s := mustSchedule(t, w, ScheduleOptions{})
	var kinds [4]float64
	groups := map[int32]float64{}
	n := float64(len(s.Slots))
	for _, slot := range s.Slots {
		kinds[slot.Kind] += 1 / n
		groups[slot.Group] += 1 / n
	}
	for i, want := range []float64{0.5, 0.3, 0.1, 0.1} {
		if math.Abs(kinds[i]-want) > 0.015 {
			t.Errorf("%.3f of the requests are %v, want %.1f", kinds[i], Kind(i), want)
		}
	}
	if len(groups) != 5 || math.Abs(groups[-1]-0.4) > 0.015 {
		t.Errorf("shares by group: %v, want 0.4 without one and 0.15 for each of 4", groups)
	}
}

func TestLengthsOfTurns(t *testing.T) {
	t.Parallel()
	f := func(keys string, want [][3]int32) { // input, output, shared
		t.Helper()
		w := mustParse(t, "\n  request_distribution: {input_tokens: 500, output_tokens: 70}\n  concurrent_users: 1\n"+keys)
		s := mustSchedule(t, w, ScheduleOptions{})
		var got [][3]int32
		for i := range want {
			slot := s.Slot(int64(i))
			got = append(got, [3]int32{slot.Input, slot.Output, slot.Shared})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", keys, diff)
		}
	}
	f("  turns: {fixed: 3}", [][3]int32{{500, 70, 0}, {1070, 70, 500}, {1640, 70, 1070}, {500, 70, 0}})
	f("  turns: {fixed: 3, input_tokens: 30}", [][3]int32{{500, 70, 0}, {600, 70, 500}, {700, 70, 600}, {500, 70, 0}})
	f("  turns: {fixed: 3}\n  prefix: {tokens: 450}", [][3]int32{{500, 70, 450}, {620, 70, 500}, {740, 70, 620}, {500, 70, 450}})
	f("  turns: {fixed: 3, max_input_tokens: 1639}", [][3]int32{{500, 70, 0}, {1070, 70, 500}, {500, 70, 0}})
	f("  prefix: {tokens: 900}", [][3]int32{{500, 70, 499}, {500, 70, 499}})
	f("  prefix: {block_tokens: 100, hit_rate: 100%}", [][3]int32{{500, 70, 499}, {500, 70, 499}})
	f("  prefix: {block_tokens: 100, hit_rate: 60%}\n  mix: [{kind: embeddings}]", [][3]int32{{500, 0, 300}, {500, 0, 300}})
}
