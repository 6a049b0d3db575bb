package store

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sluice/internal/report"
)

// suite makes one with two runs.
func suite(id, name, workload string, day int) *report.Suite {
	started := time.Date(2026, 5, day, 10, 0, 0, 0, time.UTC)
	s := &report.Suite{
		Format: report.Format, ID: id, Name: name, Started: started, Ended: started.Add(time.Hour),
		Workload:   report.Workload{Name: workload, Hash: "h1", Source: "name: chat # \x00 \xff and a < b"},
		Conditions: report.Conditions{Host: "h", CPUs: 4},
	}
	for i := range 2 {
		s.Runs = append(s.Runs, &report.Run{
			ID: fmt.Sprint(id, "-", i), Suite: id, Repeat: i, Seed: math.MaxUint64 - uint64(i), Started: started,
			Cell: report.Cell{Target: "p/m", Provider: "p", Model: "m", Region: "eu"}, Load: report.Load{Mode: "open", Rate: 2.5},
			Summary: report.Summary{TPS: 2.25, OK: 10, Errors: map[string]int64{"rate_limited": 3}, TTFT: report.Dist{N: 10, P50: 123.456789}},
			Verdict: report.Verdict{State: "degraded", Reasons: []string{"late"}},
		})
	}
	return s
}

func TestSuites(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s, ctx := open(), t.Context()
		a, b, other := suite("20260501-aa", "nightly", "chat", 1), suite("20260502-bb", "nightly", "chat", 2), suite("20260503-cc", "rag", "rag", 3)
		b.Runs[0].Series = []report.Second{{Sent: 1}}
		b.Runs[0].Gaps = "long"
		for _, x := range []*report.Suite{b, a, other, a} { // a twice: it is there once
			if err := s.SaveSuite(ctx, x); err != nil {
				t.Fatal(err)
			}
		}
		b.Runs[0].Series, b.Runs[0].Gaps = nil, "" // not kept
		for _, x := range []*report.Suite{a, b, other} {
			x.Workload.Source = "name: chat # \x00 \uFFFD and a < b" // JSON has no other bytes
		}
		list := func(f SuiteFilter, want ...*report.Suite) {
			t.Helper()
			got, err := s.Suites(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("suites of %+v (-want +got):\n%s", f, d)
			}
		}
		list(SuiteFilter{}, a, b, other)
		list(SuiteFilter{Workload: "chat"}, a, b)
		list(SuiteFilter{Limit: 2}, b, other)
		list(SuiteFilter{From: b.Started, To: other.Started}, b)
		list(SuiteFilter{Workload: "none"})

		short := suite("20260501-aa", "renamed", "chat", 1)
		short.Runs = short.Runs[:1]
		if err := open().SaveSuite(ctx, short); err != nil {
			t.Fatal(err)
		}
		got, err := s.Suite(ctx, "20260501-aa")
		if err != nil || got.Name != "renamed" || len(got.Runs) != 1 || got.Runs[0].Seed != math.MaxUint64 {
			t.Errorf("saved again: %+v, %v", got, err)
		}
		if err := s.SaveSuite(ctx, &report.Suite{}); err == nil {
			t.Error("a suite without an id was saved")
		}
	})
}

func TestFindSuite(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s, ctx := open(), t.Context()
		bad := func(ref string, target error, want ...string) {
			t.Helper()
			id, err := s.FindSuite(ctx, ref)
			if !errors.Is(err, target) {
				t.Errorf("FindSuite(%q) = %q, %v", ref, id, err)
				return
			}
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
		}
		bad("x", ErrNoSuite, "has none")
		for _, x := range []*report.Suite{suite("20260501-aa", "nightly", "chat", 1), suite("20260502-bb", "nightly", "chat", 2), suite("20260502-bc", "", "rag", 3)} {
			if err := s.SaveSuite(ctx, x); err != nil {
				t.Fatal(err)
			}
		}
		f := func(ref, want string) {
			t.Helper()
			if got, err := s.FindSuite(ctx, ref); got != want || err != nil {
				t.Errorf("FindSuite(%q) = %q, %v, want %q", ref, got, err, want)
			}
		}
		f("20260501-aa", "20260501-aa")
		f("20260501", "20260501-aa")
		f("nightly", "20260502-bb") // the newest of that name
		f("latest", "20260502-bc")
		bad("20260502-b", ErrManySuites, "20260502-bb", "20260502-bc")
		bad("nigthly", ErrNoSuite, "did you mean nightly?")
		bad("zzzzzzzz", ErrNoSuite, "bench history")
		bad("%", ErrNoSuite)
		bad("", ErrNoSuite)
		bad("a\x00b", ErrNoSuite)
	})
}

func TestBaselines(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s, ctx := open(), t.Context()
		now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		wantErr := func(err, target error, say string) {
			t.Helper()
			if !errors.Is(err, target) || !strings.Contains(err.Error(), say) {
				t.Errorf("error %v, want %v with %q", err, target, say)
			}
		}
		_, err := s.Baseline(ctx, "chat")
		wantErr(err, ErrNoBaseline, "baseline set")
		_, err = s.SetBaseline(ctx, "a", now)
		wantErr(err, ErrNoSuite, `"a"`)
		for _, x := range []*report.Suite{suite("a", "", "chat", 1), suite("b", "", "chat", 2), suite("c", "", "rag", 3)} {
			if err := s.SaveSuite(ctx, x); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range []string{"a", "c", "b"} {
			if _, err := s.SetBaseline(ctx, id, now.Add(time.Duration(i)*time.Minute)); err != nil {
				t.Fatal(err)
			}
			if b, err := s.Baseline(ctx, ""); i == 0 && (err != nil || b.Suite != "a") {
				t.Errorf("the only baseline = %+v, %v", b, err)
			}
		}
		got, err := s.Baselines(ctx)
		if err != nil || len(got) != 2 || got[0].Suite != "b" || got[1].Suite != "c" || !got[0].Set.Equal(now.Add(2*time.Minute)) {
			t.Errorf("baselines = %+v, %v", got, err)
		}
		_, err = s.Baseline(ctx, "")
		wantErr(err, ErrNoBaseline, "chat, rag")
		_, err = s.Baseline(ctx, "chta")
		wantErr(err, ErrNoBaseline, "chat, rag")
		if b, err := s.Baseline(ctx, "rag"); err != nil || b.Suite != "c" {
			t.Errorf("baseline of rag = %+v, %v", b, err)
		}
		if _, err := s.ClearBaseline(ctx, "rag"); err != nil {
			t.Error(err)
		}
		_, err = s.ClearBaseline(ctx, "rag")
		wantErr(err, ErrNoBaseline, "rag")
	})
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s, ctx := open(), t.Context()
		if _, err := s.Annotate(ctx, report.Annotation{Suite: "a"}); !errors.Is(err, ErrNoSuite) {
			t.Errorf("annotation of no suite: %v", err)
		}
		if err := s.SaveSuite(ctx, suite("a", "", "chat", 1)); err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		a := report.Annotation{Suite: "a", Cell: "p/m at 2/s", Metric: "tps", Cause: report.CauseLimit, Note: "tier 2 \x00", Created: now.Add(time.Hour)}
		b := report.Annotation{Suite: "a", Cause: report.CauseNoise, Created: now}
		for _, x := range []*report.Annotation{&a, &b} {
			got, err := s.Annotate(ctx, *x)
			if err != nil || got.ID == "" {
				t.Fatalf("Annotate = %+v, %v", got, err)
			}
			x.ID = got.ID
		}
		a.Note = "tier 2 \uFFFD"
		got, err := s.Annotations(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]report.Annotation{b, a}, got); d != "" {
			t.Errorf("annotations (-want +got):\n%s", d)
		}
		// Saved again, a suite keeps what people know about it; removed, it takes it along.
		if err := s.SaveSuite(ctx, suite("a", "", "chat", 1)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Annotations(ctx); len(got) != 2 || err != nil {
			t.Errorf("after saving again: %v, %v", got, err)
		}
		if _, err := s.SetBaseline(ctx, "a", now); err != nil {
			t.Fatal(err)
		}
		if err := s.RemoveSuite(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		got, err = s.Annotations(ctx)
		baselines, err2 := s.Baselines(ctx)
		if len(got) != 0 || len(baselines) != 0 || err != nil || err2 != nil {
			t.Errorf("after removing: %v, %v, %v, %v", got, baselines, err, err2)
		}
		if err := s.RemoveSuite(ctx, "a"); !errors.Is(err, ErrNoSuite) {
			t.Errorf("removed twice: %v", err)
		}
	})
}
