package report

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipperhouse/displaywidth"
)

// TextOptions say how Text lays out its tables.
type TextOptions struct {
	Width int  // columns; 0 for 100
	Color bool // the output is a terminal that understands ANSI sequences
}

const defaultWidth = 100

// Text writes the results of a suite for people: throughput and cost, latency, TPS by model and region, errors, use of
// limits, verdict and conditions. Latencies are those of all repeats' requests together.
func Text(w io.Writer, s *Suite, results []CellResult, o TextOptions) error {
	if o.Width <= 0 {
		o.Width = defaultWidth
	}
	t := &textWriter{w: w, o: o, suite: s, results: results}
	t.head()
	if len(results) == 0 {
		t.printf("\nNo run has ended.\n")
		return t.err
	}
	for i := range results {
		t.sweep = t.sweep || results[i].Step > 0
	}
	t.throughput()
	t.latency()
	t.heatmap()
	t.errors()
	t.limits()
	t.verdicts()
	t.searches()
	t.conditions()
	return t.err
}

// textWriter writes the sections. After an error it writes nothing.
type textWriter struct {
	w       io.Writer
	o       TextOptions
	suite   *Suite
	results []CellResult
	sweep   bool // there are several load levels
	err     error
}

func (t *textWriter) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *textWriter) title(s, note string) {
	t.printf("\n%s", styled(s, styleBold, t.o.Color))
	if note != "" {
		t.printf("  %s", styled(note, styleDim, t.o.Color))
	}
	t.printf("\n")
}

func (t *textWriter) table(tab *textTable) {
	if t.err == nil {
		t.err = tab.write(t.w, t.o.Width, t.o.Color)
	}
}

// note writes text in lines of the width, the first after a mark, the others below it.
func (t *textWriter) note(mark, s string) {
	const indent = "  "
	line := mark
	for word := range strings.FieldsSeq(clean(s)) {
		if displaywidth.String(line)+1+displaywidth.String(word) > t.o.Width && line != mark {
			t.printf("%s\n", line)
			line = strings.Repeat(" ", len(mark)) + indent
		}
		if strings.TrimSpace(line) == "" || strings.HasSuffix(line, " ") {
			line += word
		} else {
			line += " " + word
		}
	}
	t.printf("%s\n", line)
}

func (t *textWriter) head() {
	s := t.suite
	t.printf("%s", styled(clean(s.Name), styleBold, t.o.Color))
	if s.Workload.Name != s.Name {
		t.printf(" · %s", clean(s.Workload.Name))
	}
	if s.Workload.Version != "" {
		t.printf(" %s", clean(s.Workload.Version))
	}
	t.printf(" · %s", s.Started.UTC().Format("2006-01-02 15:04 UTC"))
	runs := "1 run"
	if len(s.Runs) != 1 {
		runs = fmt.Sprintf("%d runs", len(s.Runs))
	}
	t.printf(" · %s", runs)
	if took := s.Ended.Sub(s.Started); took > 0 {
		t.printf(" in %s", took.Round(time.Second))
	}
	if s.Stopped != "" {
		t.printf(" · %s", styled("stopped: "+clean(s.Stopped), styleWarn, t.o.Color))
	} else if s.Ended.IsZero() {
		t.printf(" · %s", styled(Unfinished, styleWarn, t.o.Color))
	}
	t.printf("\n")
}

// Unfinished is said of a suite without an end.
const Unfinished = "not finished: its command was killed, or still runs"

// labels are the first columns of each table: what was measured.
func (t *textWriter) labels() []string {
	if t.sweep {
		return []string{"target", "region", "load"}
	}
	return []string{"target", "region"}
}

func (t *textWriter) label(r *CellResult) []textCell {
	target := clean(r.Cell.Target)
	if r.Cell.Via != "" {
		target += " via " + clean(r.Cell.Via)
	}
	cells := []textCell{{text: target}, {text: regionName(r.Cell)}}
	if t.sweep {
		cells = append(cells, textCell{text: loadName(r.Load)})
	}
	return cells
}

func regionName(c Cell) string {
	if c.Region == "" {
		return "default"
	}
	return clean(c.Region)
}

// loadName is a load level in a few characters.
func loadName(l Load) string {
	switch {
	case l.Rate > 0:
		return numText(l.Rate) + "/s"
	case l.Concurrency > 0:
		return strconv.Itoa(l.Concurrency) + " users"
	}
	return l.Process
}

func (t *textWriter) throughput() {
	t.title("Throughput and cost", "mean of the repeats; cv is their variation")
	tab := &textTable{left: len(t.labels()) + 1}
	tab.header = append(t.labels(), "verdict", "TPS", "cv", "tokens/s", "goodput", "errors", "$/1000", "$/hour")
	for i := range t.results {
		r := &t.results[i]
		cv := textCell{text: missingText}
		if r.TPS.HasInterval() {
			cv.text = percentText(r.TPS.CV)
		}
		tab.add(append(t.label(r),
			textCell{r.Verdict.State, verdictStyle(r.Verdict.State)},
			best(r, BestTPS, statText(r.TPS)), cv,
			best(r, BestOutputRate, statText(r.OutputRate)),
			best(r, BestGoodput, statText(r.Goodput)),
			errorCell(r),
			best(r, BestCost, moneyStat(r.CostPerCall, 1000)),
			textCell{text: moneyStat(r.CostPerHour, 1)})...)
	}
	t.table(tab)
}

func best(r *CellResult, name, text string) textCell {
	for _, b := range r.Best {
		if b == name {
			return textCell{text, styleBest}
		}
	}
	return textCell{text: text}
}

func errorCell(r *CellResult) textCell {
	if !r.ErrorRate.Has() {
		return textCell{text: missingText}
	}
	if r.Failed == 0 {
		return textCell{text: "0"}
	}
	return textCell{percentText(float64(r.Failed) / float64(r.OK+r.Failed)), styleBad}
}

func verdictStyle(state string) string {
	switch state {
	case StateValid:
		return styleGood
	case StateDegraded:
		return styleWarn
	}
	return styleBad
}

func (t *textWriter) latency() {
	t.title("Latency in ms", "all requests of all repeats; E2E from the schedule")
	tab := &textTable{left: len(t.labels())}
	tab.header = append(t.labels(), "TTFT p50", "p95", "p99", "TPOT p50", "p95", "E2E p50", "p95", "p99")
	wide := false
	for i := range t.results {
		p := &t.results[i].Pooled
		row := t.label(&t.results[i])
		for _, x := range []struct {
			v float64
			d *PooledDist
			m Mark
		}{
			{p.TTFT.P50, &p.TTFT, p.TTFT.Interval.P50.Mark},
			{p.TTFT.P95, &p.TTFT, p.TTFT.Interval.P95.Mark},
			{p.TTFT.P99, &p.TTFT, p.TTFT.Interval.P99.Mark},
			{p.TPOT.P50, &p.TPOT, p.TPOT.Interval.P50.Mark},
			{p.TPOT.P95, &p.TPOT, p.TPOT.Interval.P95.Mark},
			{p.E2ESched.P50, &p.E2ESched, p.E2ESched.Interval.P50.Mark},
			{p.E2ESched.P95, &p.E2ESched, p.E2ESched.Interval.P95.Mark},
			{p.E2ESched.P99, &p.E2ESched, p.E2ESched.Interval.P99.Mark},
		} {
			c := textCell{text: missingText}
			switch {
			case x.d.N > 0 && x.m == MarkSound:
				c.text = numText(x.v)
			case x.d.N > 0 && x.m == MarkWide:
				c.text, wide = "~"+numText(x.v), true
			}
			row = append(row, c)
		}
		tab.add(row...)
	}
	t.table(tab)
	if wide {
		t.note("", "~ rests on few requests: no interval of 95 % has two ends")
	}
}

func (t *textWriter) errors() {
	tab := &textTable{left: len(t.labels()) + 1, header: append(t.labels(), "error", "requests", "share")}
	for i := range t.results {
		r := &t.results[i]
		for _, kind := range byCount(r.Errors) {
			n := r.Errors[kind]
			tab.add(append(t.label(r), textCell{clean(kind), styleBad}, textCell{text: strconv.FormatInt(n, 10)},
				textCell{text: percentText(float64(n) / float64(max(1, r.OK+r.Failed)))})...)
		}
		if r.Incomplete > 0 {
			tab.add(append(t.label(r), textCell{text: "(cut off by the end)"}, textCell{text: strconv.FormatInt(r.Incomplete, 10)}, textCell{text: missingText})...)
		}
	}
	if len(tab.rows) == 0 {
		return
	}
	t.title("Errors", "they count in no latency")
	t.table(tab)
}

func (t *textWriter) limits() {
	t.title("Use of rate limits", "peak is what the provider's headers said")
	tab := &textTable{left: len(t.labels())}
	tab.header = append(t.labels(), "RPM", "limit", "used", "peak", "TPM", "limit", "used", "peak", "429s")
	for i := range t.results {
		r := &t.results[i]
		row := t.label(r)
		for _, x := range []struct {
			rate  Stat
			limit int64
			peak  float64
		}{{r.RPM, r.RPMLimit, r.RPMUsed}, {r.TPM, r.TPMLimit, r.TPMUsed}} {
			limit, used, peak := missingText, missingText, missingText
			if x.limit > 0 {
				limit, used = numText(float64(x.limit)), percentText(x.rate.Mean/float64(x.limit))
			}
			if x.peak >= 0 {
				peak = percentText(x.peak)
			}
			row = append(row, textCell{text: statText(x.rate)}, textCell{text: limit}, textCell{text: used}, textCell{text: peak})
		}
		limited := textCell{text: strconv.FormatInt(r.RateLimited, 10)}
		if r.RateLimited > 0 {
			limited.style = styleBad
		}
		tab.add(append(row, limited)...)
	}
	t.table(tab)
}

func (t *textWriter) verdicts() {
	worst, reasons := "", 0
	for i := range t.results {
		v := t.results[i].Verdict
		if i == 0 || badness(v.State) > badness(worst) {
			worst = v.State
		}
		reasons += len(v.Reasons)
	}
	t.printf("\n%s %s\n", styled("Verdict", styleBold, t.o.Color), styled(worst, verdictStyle(worst), t.o.Color))
	if reasons == 0 && worst == StateValid {
		t.note("", "The client kept the schedule: the figures describe the targets.")
	}
	for i := range t.results {
		r := &t.results[i]
		said := func(format string, args ...any) {
			where := r.Cell.Target + " " + regionName(r.Cell)
			if t.sweep {
				where += " " + loadName(r.Load)
			}
			t.note("- ", where+": "+fmt.Sprintf(format, args...))
		}
		for _, reason := range r.Verdict.Reasons {
			said("%s", reason)
		}
		if r.BadRows > 0 && r.Step == 0 {
			said("%d rows of the record file cannot be read", r.BadRows)
		}
	}
	t.gaps()
}

// gaps says what is not known of a target, once for all of its load levels.
func (t *textWriter) gaps() {
	for i := 0; i < len(t.results); {
		first := &t.results[i]
		var unpriced, estimated int64
		for ; i < len(t.results) && t.results[i].Cell == first.Cell; i++ {
			unpriced += t.results[i].Unpriced
			estimated += t.results[i].Estimated
		}
		where := first.Cell.Target + " " + regionName(first.Cell)
		if unpriced > 0 {
			t.note("- ", fmt.Sprintf("%s: no price is known for %d requests", where, unpriced))
		}
		if estimated > 0 {
			t.note("- ", fmt.Sprintf("%s: %d answers came without usage; their tokens are estimates", where, estimated))
		}
	}
}

// searches says what searches for the highest rate came to.
func (t *textWriter) searches() {
	if len(t.suite.Found) == 0 {
		return
	}
	t.title("Highest rate that meets the SLO", "")
	for _, f := range t.suite.Found {
		where := f.Cell.Target + " " + regionName(f.Cell)
		if f.Rate <= 0 {
			t.note("- ", fmt.Sprintf("%s: none of the %d that were tried; %s", where, f.Steps, f.Reason))
			continue
		}
		t.note("- ", fmt.Sprintf("%s: %.4g requests/s (%d load levels tried; %s)", where, f.Rate, f.Steps, f.Reason))
	}
}

func (t *textWriter) conditions() {
	c, wl := t.suite.Conditions, t.suite.Workload
	t.title("Conditions", "")
	for _, load := range loads(t.suite) {
		t.note("", "Load: "+load)
	}
	prices := "no prices were used"
	if c.Prices != "" {
		prices = "prices as of " + c.Prices
	}
	t.note("", fmt.Sprintf("sluice %s, %s, %s %s, %s, %d CPUs (GOMAXPROCS %d), %s; %s; workload hash %s; %s, order %s",
		c.Version, c.Go, c.OS, c.Kernel, c.CPU, c.CPUs, c.GOMAXPROCS, bytesText(c.Memory), prices, shortHash(wl.Hash), plural(c.Repeats, "repeat"), c.Order))
	if wl.Citation != "" {
		t.note("", "Data: "+wl.Citation)
	}
}

// loads says how requests arrived: a line for each kind of load that the suite put on its targets, with all rates of it.
func loads(s *Suite) []string {
	type kind struct {
		mode, process    string
		concurrency      int
		before, measured time.Duration
	}
	var kinds []kind
	rates := map[kind][]string{}
	for _, r := range s.Runs {
		l := r.Load
		if l.Mode == "" {
			continue // a run that ended before it began
		}
		k := kind{l.Mode, l.Process, l.Concurrency, l.Warmup + l.Ramp, l.Sustain}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
		if rate := fmt.Sprintf("%.4g", l.Rate); !slices.Contains(rates[k], rate) {
			rates[k] = append(rates[k], rate)
		}
	}
	var all []string
	for _, k := range kinds {
		at := strings.Join(rates[k], ", ") + " requests/s"
		var text string
		switch k.mode {
		case "closed":
			text = fmt.Sprintf("closed loop, %s, each waiting for its answer", plural(k.concurrency, "user"))
		case "hybrid":
			text = fmt.Sprintf("%s arrivals at %s, under a cap of %d in flight", k.process, at, k.concurrency)
		default:
			text = fmt.Sprintf("open loop, %s arrivals at %s", k.process, at)
		}
		all = append(all, fmt.Sprintf("%s; measured for %s after %s", text, k.measured, k.before))
	}
	return all
}

// plural names a count of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func shortHash(s string) string { return s[:min(12, len(s))] }
