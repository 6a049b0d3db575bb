package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sluice/internal/ledger"
	"sluice/internal/llm"
)

var start = time.UnixMicro(1_790_000_000_123_456)

// call makes a row in which every field says something.
func call(i int) ledger.Row {
	return ledger.Row{
		ID: fmt.Sprintf("req_%08d", i), Time: start.Add(time.Duration(i) * time.Millisecond),
		Key: fmt.Sprintf("key-%d", i%3), User: "user-7", Op: "chat", Front: "openai", Model: fmt.Sprintf("model-%d", i%2),
		Target: "acme/large", Provider: "acme", Region: "eu", Class: "bulk", Stream: true,
		Status: 200, Attempts: 2,
		Usage:       llm.Usage{Input: 1000, CachedInput: 200, CacheWrite: 30, Output: 400, Reasoning: 50},
		CostNanoUSD: 1_500, Priced: true, PriceAsOf: "2026-11-01",
		Queue: 3 * time.Millisecond, FirstToken: 250 * time.Millisecond, Total: 2 * time.Second, Overhead: 47 * time.Microsecond,
		BytesIn: 321, BytesOut: 9876, Tags: []string{"a", "tag two"}, Snapshot: "f00", TraceID: "0af7651916cd43dd8448eb211c80319c",
	}
}

func calls(n int) []ledger.Row {
	rows := make([]ledger.Row, n)
	for i := range rows {
		rows[i] = call(i)
	}
	return rows
}

// mustWrite writes rows.
func mustWrite(t testing.TB, s *Store, rows ...ledger.Row) {
	t.Helper()
	if err := s.WriteCalls(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
}

// all reads the calls that f picks, page by page, newest first.
func all(t testing.TB, s *Store, f Filter, page int) []ledger.Row {
	t.Helper()
	var out []ledger.Row
	var at Cursor
	for {
		rows, next, err := s.Calls(t.Context(), f, at, page)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rows...)
		if next == (Cursor{}) {
			return out
		}
		if len(rows) != page {
			t.Fatalf("a page has %d rows and is not the last; want %d", len(rows), page)
		}
		at = next
	}
}

func TestCallsComeBackAsWritten(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		full := call(1)
		empty := ledger.Row{ID: "req_0", Time: start}
		free := call(2)
		free.CostNanoUSD = 0
		unpriced := call(3)
		unpriced.CostNanoUSD, unpriced.Priced, unpriced.PriceAsOf = 0, false, ""
		failed := call(4)
		failed.Status, failed.Code, failed.Cause, failed.Stream, failed.Tags = 499, "client_closed_request", "caller", false, nil
		failed.Usage.Estimated = true
		huge := call(5)
		huge.CostNanoUSD, huge.BytesOut, huge.Usage.Input = math.MaxInt64, math.MaxInt64, math.MaxInt64
		odd := call(6)
		odd.User, odd.Tags = `"quoted" \ and <html> ü 世界`+"\n\t\x7f\u2028", []string{`"`, `\`, "", "\x01"}

		want := []ledger.Row{odd, huge, failed, unpriced, free, full, empty}
		s := open()
		mustWrite(t, s, want...)
		if diff := cmp.Diff(want, all(t, open(), Filter{}, 1000)); diff != "" {
			t.Errorf("calls differ (-want +got):\n%s", diff)
		}
	})
}

func TestHostileTextIsStored(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		r := call(0)
		r.User = "nul \x00 and \xff\xfe bytes"
		r.Model = strings.Repeat("世", 100_000)
		r.Tags = append(slices.Repeat([]string{strings.Repeat("x", 10_000)}, 1000), "\x00")
		mustWrite(t, s, r)
		got := all(t, s, Filter{Model: r.Model}, 10)
		if len(got) != 1 {
			t.Fatalf("found %d calls by the long model name, want 1", len(got))
		}
		g := got[0]
		if g.User != "nul \uFFFD and \uFFFD bytes" {
			t.Errorf("user = %q", g.User)
		}
		if len(g.Model) > maxText || len(g.Model) < maxText-3 || !utf8.ValidString(g.Model) {
			t.Errorf("model has %d bytes, want about %d of valid UTF-8", len(g.Model), maxText)
		}
		if len(g.Tags) != maxTags || len(g.Tags[0]) != maxTag {
			t.Errorf("%d tags, the first of %d bytes; want %d and %d", len(g.Tags), len(g.Tags[0]), maxTags, maxTag)
		}
	})
}

func TestWritingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		rows := calls(100)
		mustWrite(t, s, rows[:60]...)
		again := calls(100)
		for i := range again[:60] {
			again[i].CostNanoUSD = 99 // must not overwrite
		}
		mustWrite(t, s, append(again, again[99])...) // doubled within the group, too
		slices.Reverse(rows)
		if diff := cmp.Diff(rows, all(t, s, Filter{}, 1000)); diff != "" {
			t.Errorf("calls differ (-want +got):\n%s", diff)
		}
	})
}

func TestGroupIsAllOrNothing(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		if _, err := s.write.ExecContext(t.Context(), map[string]string{
			"sqlite": `CREATE TRIGGER refuse BEFORE INSERT ON calls WHEN NEW.status = 999
				BEGIN SELECT RAISE(ABORT, 'refused by test'); END`,
			"postgres": "ALTER TABLE calls ADD CONSTRAINT refuse CHECK (status <> 999)",
		}[strings.Fields(s.String())[0]]); err != nil {
			t.Fatal(err)
		}
		rows := calls(200)
		rows[150].Status = 999
		if err := s.WriteCalls(t.Context(), rows); err == nil || !strings.Contains(err.Error(), "refuse") {
			t.Fatalf("error = %v, want the one of row 150", err)
		}
		if got := all(t, s, Filter{}, 1000); len(got) != 0 {
			t.Errorf("%d rows of a failed group are there", len(got))
		}
		rows[150].Status = 200
		mustWrite(t, s, rows...)
		if got := all(t, s, Filter{}, 1000); len(got) != len(rows) {
			t.Errorf("%d rows after the second try, want %d", len(got), len(rows))
		}
	})
}

func TestEverySizeOfGroup(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		n := 0
		for _, size := range []int{0, 1, 7, 8, 9, 63, 64, 65, 73, 512, 1000} {
			mustWrite(t, s, calls(n + size)[n:]...)
			n += size
		}
		got := all(t, s, Filter{}, 333)
		if len(got) != n {
			t.Fatalf("%d rows, want %d", len(got), n)
		}
		for i, r := range got {
			if want := call(n - 1 - i); !cmp.Equal(want, r) {
				t.Fatalf("row %d differs (-want +got):\n%s", i, cmp.Diff(want, r))
			}
		}
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		rows := calls(50)
		for i := range rows {
			rows[i].Time = start.Add(time.Duration(i/7) * time.Second) // many of one time
		}
		mustWrite(t, s, rows...)
		slices.Reverse(rows)
		for _, page := range []int{1, 2, 7, 49, 50, 51} {
			if diff := cmp.Diff(rows, all(t, s, Filter{}, page)); diff != "" {
				t.Errorf("pages of %d differ (-want +got):\n%s", page, diff)
			}
		}

		// A call that arrives between two pages is not in the second, and shifts nothing.
		first, next, err := s.Calls(t.Context(), Filter{}, Cursor{}, 20)
		if err != nil {
			t.Fatal(err)
		}
		late := call(1000)
		late.Time = start.Add(time.Hour)
		mustWrite(t, s, late)
		second, _, err := s.Calls(t.Context(), Filter{}, next, 100)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rows, append(first, second...)); diff != "" {
			t.Errorf("pages around an arrival differ (-want +got):\n%s", diff)
		}
	})
}

func TestFilters(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		rows := calls(12)
		rows[3].Code, rows[5].Code = "provider_error", "canceled"
		rows[4].Tags = []string{"other", `we"ird\`}
		rows[6].Provider, rows[6].Target = "sydney", "sydney/small"
		mustWrite(t, s, rows...)
		check := func(name string, f Filter, want ...int) {
			t.Helper()
			var ids, got []string
			for _, i := range want {
				ids = append(ids, rows[i].ID)
			}
			for _, r := range all(t, s, f, 5) {
				got = append(got, r.ID)
			}
			if diff := cmp.Diff(ids, got); diff != "" {
				t.Errorf("%s: ids differ (-want +got):\n%s", name, diff)
			}
		}
		check("id", Filter{ID: rows[7].ID}, 7)
		check("key", Filter{Key: "key-1"}, 10, 7, 4, 1)
		check("model", Filter{Model: "model-1"}, 11, 9, 7, 5, 3, 1)
		check("target", Filter{Target: "sydney/small"}, 6)
		check("provider", Filter{Provider: "sydney"}, 6)
		check("code", Filter{Code: "provider_error"}, 3)
		check("failed", Filter{Failed: true}, 5, 3)
		check("tag", Filter{Tag: "other"}, 4)
		check("odd tag", Filter{Tag: `we"ird\`}, 4)
		check("part of a tag", Filter{Tag: "tag"})
		check("from", Filter{From: rows[9].Time}, 11, 10, 9)
		check("to", Filter{To: rows[2].Time}, 1, 0)
		check("span and key", Filter{From: rows[2].Time, To: rows[9].Time, Key: "key-1"}, 7, 4)
		check("nothing", Filter{Key: "key-1", Code: "canceled"})
	})
}

func TestTotals(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		rows := calls(10) // keys 0 1 2 0 1 2 0 1 2 0
		rows[0].Priced, rows[0].CostNanoUSD = false, 0
		rows[1].Code, rows[1].Usage.Estimated = "provider_error", true
		rows[2].CostNanoUSD = 1_000_000_000_000
		rows[9].Tags = []string{"b"}
		mustWrite(t, s, rows...)

		check := func(by By, from, to time.Time, want ...Total) {
			t.Helper()
			got, err := s.Totals(t.Context(), from, to, by)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("totals by %d differ (-want +got):\n%s", by, diff)
			}
		}
		sum := func(name string, calls, failed, estimated, unpriced, cost int64) Total {
			return Total{
				Name: name, Calls: calls, Failed: failed, Estimated: estimated, Unpriced: unpriced, CostNanoUSD: cost,
				Input: 1000 * calls, CachedInput: 200 * calls, CacheWrite: 30 * calls, Output: 400 * calls, Reasoning: 50 * calls,
			}
		}
		const big = 1_000_000_000_000
		var none time.Time
		check(ByNothing, none, none, sum("", 10, 1, 1, 1, big+8*1500))
		check(ByKey, none, none, sum("key-2", 3, 0, 0, 0, big+2*1500), sum("key-0", 4, 0, 0, 1, 3*1500), sum("key-1", 3, 1, 1, 0, 3*1500))
		check(ByModel, none, none, sum("model-0", 5, 0, 0, 1, big+3*1500), sum("model-1", 5, 1, 1, 0, 5*1500))
		check(ByTarget, none, none, sum("acme/large", 10, 1, 1, 1, big+8*1500))
		check(ByProvider, none, none, sum("acme", 10, 1, 1, 1, big+8*1500))
		check(ByTag, none, none, sum("a", 9, 1, 1, 1, big+7*1500), sum("tag two", 9, 1, 1, 1, big+7*1500), sum("b", 1, 0, 0, 0, 1500))
		check(ByKey, rows[1].Time, rows[3].Time, sum("key-2", 1, 0, 0, 0, big), sum("key-1", 1, 1, 1, 0, 1500))
		check(ByNothing, start.Add(time.Hour), none)
		check(ByKey, start.Add(time.Hour), none)
	})
}

func TestWritersSideBySide(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		const writers, groups, size = 4, 10, 50
		rows := calls(writers * groups * size)
		var wg sync.WaitGroup
		for w := range writers {
			s := open() // each with its own connections, as replicas have
			wg.Go(func() {
				for g := range groups {
					from := (w*groups + g) * size
					if err := s.WriteCalls(t.Context(), rows[from:from+size]); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		got, err := open().Totals(t.Context(), time.Time{}, time.Time{}, ByNothing)
		if err != nil {
			t.Fatal(err)
		}
		if got[0].Calls != int64(len(rows)) {
			t.Errorf("%d calls, want %d", got[0].Calls, len(rows))
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add("plain", "tag", int64(5))
	f.Add("nul \x00 \xff", `"\`, int64(-1))
	f.Add(strings.Repeat("世", 300), "\u2028\n", int64(1))
	f.Fuzz(func(t *testing.T, text, tag string, n int64) {
		r := ledger.Row{ID: "x", User: text, Region: tag, BytesIn: n, Tags: []string{tag, text}}
		for _, s := range []string{clean(text, maxText), clean(tag, 7)} {
			if !utf8.ValidString(s) || strings.Contains(s, "\x00") || len(s) > maxText {
				t.Fatalf("clean made %q", s)
			}
		}
		var got ledger.Row
		if err := readRest([]byte(restJSON(&r)), &got); err != nil {
			t.Fatalf("%s: %v", restJSON(&r), err)
		}
		if got.User != clean(text, maxText) || got.Region != clean(tag, maxText) || got.BytesIn != n {
			t.Fatalf("read back %+v", got)
		}
	})
}
