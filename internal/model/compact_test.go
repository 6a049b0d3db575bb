package model

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// update makes the test write prices.tsv.
var update = flag.Bool("update", false, "write prices.tsv from prices.json")

func writeCompact(rows []*Info) string {
	var b strings.Builder
	prices := func(p Price) string {
		var all []string
		for _, n := range []int64{p.Input, p.Output, p.CachedInput, p.CacheWrite, p.CacheWriteLong} {
			if n < 0 {
				all = append(all, "")
			} else {
				all = append(all, strconv.FormatInt(n, 10))
			}
		}
		return strings.Join(all, ",")
	}
	for _, i := range rows {
		var steps []string
		for _, s := range i.steps {
			steps = append(steps, fmt.Sprint(s.above, ":", prices(s.price)))
		}
		change := ""
		if i.next != nil {
			change = i.next.from.Format(time.DateOnly) + ":" + prices(i.next.price)
		}
		fmt.Fprintln(&b, strings.Join([]string{
			i.Provider, i.Model, i.Kind, fmt.Sprint(i.ContextWindow), fmt.Sprint(i.MaxOutput),
			strconv.FormatFloat(i.batch, 'g', -1, 64), prices(i.price), strings.Join(steps, ";"), change, i.Note, i.AsOf, i.Source,
		}, "\t"))
	}
	return b.String()
}

// readJSON reads the table that prices.tsv is made from.
func readJSON(t testing.TB) []*Info {
	t.Helper()
	text, err := os.ReadFile("prices.json")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestCompactIsCurrent(t *testing.T) {
	want := readJSON(t)
	text := writeCompact(want)
	if *update {
		if err := os.WriteFile("prices.tsv", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != compact {
		t.Error("prices.tsv is not what prices.json makes: run go test ./internal/model -run CompactIsCurrent -update")
	}
	got, err := parseCompact(compact)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Info{}, step{}, change{})); diff != "" {
		t.Errorf("prices.tsv says otherwise than prices.json (-json +tsv):\n%s", diff)
	}
}

func FuzzParseCompact(f *testing.F) {
	f.Add("p\tm\tchat\t1\t2\t0.5\t1,2,,\t5:1,2,,;6:2,3,,\t2027-01-01:1,2,3,4\tnote\t2026-01-01\ts\n")
	f.Add("p\tm\n")
	f.Add(strings.Repeat("\t", columns-1))
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := parseCompact(text)
		if err == nil && len(rows) < strings.Count(text, "\n") {
			t.Errorf("lost rows of %q", text)
		}
	})
}
