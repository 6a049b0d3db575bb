package page

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sluice/internal/report"
)

// shares says how the requests of each result ended.
type shares struct {
	Legend []legendEntry
	Rows   []shareRow
	Kinds  []string // columns of the table: all kinds of failure, the most frequent first
	Table  []kindRow
}

type legendEntry struct{ Class, Name string }

// shareRow is one bar.
type shareRow struct {
	Who      who
	Again    bool // the row above is of the same target
	Load     string
	Segments []segment
	OK, All  figure
	Blank    string // instead of the bar
	Label    string // the bar in words
}

// segment is a part of a bar, in hundredths of a percent, so that the drawing has whole numbers.
type segment struct {
	Class, Title string
	X, Width     float64
}

// kindRow is a result's counts.
type kindRow struct {
	Who    who
	Load   string
	Counts []figure // ok, incomplete, then Kinds
	Status string
}

// errorHues is how many colours kinds of failure have; the last one stands for all the rest.
const errorHues = 6

// shares makes the bars; nil if there are no results.
func (v *view) shares() *shares {
	if len(v.results) == 0 {
		return nil
	}
	total := map[string]int64{}
	incomplete := false
	for i := range v.results {
		for k, n := range v.results[i].Errors {
			total[k] += n
		}
		incomplete = incomplete || v.results[i].Incomplete > 0
	}
	s := &shares{Legend: []legendEntry{{"s-ok", "complete"}}}
	s.Kinds = slices.SortedFunc(maps.Keys(total), func(a, b string) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), strings.Compare(a, b))
	})
	for i, k := range s.Kinds {
		if i == errorHues-1 && len(s.Kinds) > errorHues {
			s.Legend = append(s.Legend, legendEntry{errorClass(i), "other failures"})
			break
		}
		s.Legend = append(s.Legend, legendEntry{errorClass(i), kindWords(k)})
	}
	if incomplete {
		s.Legend = append(s.Legend, legendEntry{"s-incomplete", "cut off by the end of the run"})
	}
	for i := range v.results {
		s.Rows = append(s.Rows, v.shareRow(i, s.Kinds))
		s.Table = append(s.Table, v.kindRow(i, s.Kinds))
	}
	return s
}

func errorClass(i int) string { return fmt.Sprintf("s-e%d", min(i, errorHues-1)) }

// kindWords is a kind of failure as people read it.
func kindWords(kind string) string { return strings.ReplaceAll(kind, "_", " ") }

func (v *view) shareRow(i int, kinds []string) shareRow {
	r, f := &v.results[i], v.figures(i)
	row := shareRow{Who: v.who(r.Cell), Again: v.again(i), Load: v.loadIfSwept(r)}
	if r.Requests == 0 {
		row.Blank = "no request was measured"
		return row
	}
	row.OK, row.All = f.one("ok/requests", float64(r.OK)/float64(r.Requests), shareText), f.count("requests", r.Requests)
	var x float64
	var words []string
	add := func(class, what string, n int64) {
		if n == 0 {
			return
		}
		w := 1000 * float64(n) / float64(r.Requests)
		title := fmt.Sprintf("%s %s (%s)", grouped(n), what, shareText(float64(n)/float64(r.Requests)))
		row.Segments = append(row.Segments, segment{class, title, x, w})
		words = append(words, title)
		x += w
	}
	add("s-ok", "complete", r.OK)
	for k, kind := range kinds {
		add(errorClass(k), kindWords(kind), r.Errors[kind])
	}
	add("s-incomplete", "cut off by the end of the run", r.Incomplete)
	row.Label = strings.Join(words, ", ")
	return row
}

// again says whether a result is of the same cell as the one before it.
func (v *view) again(i int) bool { return i > 0 && v.results[i].Cell == v.results[i-1].Cell }

// loadIfSwept names a result's load where results of one cell differ in it.
func (v *view) loadIfSwept(r *report.CellResult) string {
	if v.sweep() {
		return loadWords(r.Load)
	}
	return ""
}

func (v *view) kindRow(i int, kinds []string) kindRow {
	r, f := &v.results[i], v.figures(i)
	row := kindRow{Who: v.who(r.Cell), Load: loadWords(r.Load)}
	row.Counts = append(row.Counts, f.count("requests", r.Requests), f.count("ok", r.OK), f.count("incomplete", r.Incomplete), f.count("rate_limited", r.RateLimited))
	for _, k := range kinds {
		fig := figure{None: "none"}
		if n := r.Errors[k]; n > 0 {
			fig = f.count("errors."+k, n)
		}
		row.Counts = append(row.Counts, fig)
	}
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		row.Status += fmt.Sprintf("%s × %s  ", grouped(r.Statuses[status]), status)
	}
	return row
}

// quotaRow says how much of its quotas a target had in use.
type quotaRow struct {
	Who   who
	Again bool
	Load  string
	Bars  []quotaBar
}

type quotaBar struct {
	Name  string
	Width float64 // of 1000
	Class string
	Used  figure
	Rate  figure
	Limit figure
}

// quotas are the utilisation of requests and tokens a minute. It is nil if no answer named a limit.
func (v *view) quotas() []quotaRow {
	var out []quotaRow
	for i := range v.results {
		r, f := &v.results[i], v.figures(i)
		row := quotaRow{Who: v.who(r.Cell), Again: len(out) > 0 && v.again(i), Load: v.loadIfSwept(r), Bars: []quotaBar{
			quota(f, "RPM", "rpm", r.RPM, r.RPMLimit, r.RPMUsed),
			quota(f, "TPM", "tpm", r.TPM, r.TPMLimit, r.TPMUsed),
		}}
		if r.RPMLimit > 0 || r.TPMLimit > 0 || r.RPMUsed >= 0 || r.TPMUsed >= 0 {
			out = append(out, row)
		}
	}
	return out
}

func quota(f figures, label, path string, rate report.Stat, limit int64, used float64) quotaBar {
	b := quotaBar{Name: label, Class: "s-low", Rate: f.stat(path, rate, number3, "not recorded")}
	b.Limit, b.Used = figure{None: "no header named a limit"}, figure{None: "no header said what is left"}
	if limit > 0 {
		b.Limit = f.count(path+"_limit", limit)
	}
	if used < 0 {
		return b
	}
	b.Used = f.one(path+"_used", used, shareText)
	b.Width = 1000 * min(1, used)
	switch {
	case used >= 0.995:
		b.Class = "s-full"
	case used >= 0.8:
		b.Class = "s-high"
	}
	return b
}
