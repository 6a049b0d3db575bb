package page

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/report"
)

// fact is one circumstance of the suite.
type fact struct {
	Name, Text string
	Wide, Mono bool
}

// notRecorded stands for a circumstance that the suite does not hold.
const notRecorded = "not recorded"

func (v *view) facts() []fact {
	s, c, w := v.suite, v.suite.Conditions, v.suite.Workload
	order := c.Order
	if order == "ABBA" {
		order = "interleaved, there and back (ABBA)"
	}
	procs := ""
	if c.CPUs > 0 {
		procs = fmt.Sprintf(" (%s, GOMAXPROCS %d)", counted(int64(c.CPUs), "CPU", "CPUs"), c.GOMAXPROCS)
	}
	memory := ""
	if c.Memory > 0 {
		memory = number3(float64(c.Memory)/(1<<30)) + " GiB"
	}
	or := func(s string) string { return cmp.Or(strings.TrimSpace(s), notRecorded) }
	facts := []fact{
		{Name: "Workload", Text: or(w.Name + " " + w.Version)},
		{Name: "Service level", Text: cmp.Or(v.limits(), "no limits")},
		{Name: "Repeats", Text: repeatsText(c.Repeats)},
		{Name: "Order of runs", Text: or(order)},
		{Name: "Seeds", Text: v.seeds()},
		{Name: "Prices of", Text: or(c.Prices)},
		{Name: "Sluice", Text: or(c.Version)},
		{Name: "Go", Text: or(c.Go)},
		{Name: "Operating system", Text: or(c.OS + " " + c.Kernel)},
		{Name: "Processor", Text: or(c.CPU + procs)},
		{Name: "Memory", Text: or(memory)},
		{Name: "Host", Text: or(c.Host)},
		{Name: "Began", Text: instant(s.Started)},
		{Name: "Ended", Text: instant(s.Ended)},
		{Name: "Workload hash", Text: or(w.Hash), Wide: true, Mono: true},
	}
	for _, l := range v.loads() {
		facts = append(facts, fact{Name: "Load", Text: l, Wide: true})
	}
	if w.Citation != "" {
		facts = append(facts, fact{Name: "Data from", Text: w.Citation, Wide: true})
	}
	if s.Command != "" {
		facts = append(facts, fact{Name: "Command", Text: s.Command, Wide: true, Mono: true})
	}
	if s.Stopped != "" {
		facts = append(facts, fact{Name: "Ended early", Text: s.Stopped, Wide: true})
	} else if s.Ended.IsZero() {
		facts = append(facts, fact{Name: "Ended early", Text: report.Unfinished, Wide: true})
	}
	return facts
}

func repeatsText(n int) string {
	if n <= 0 {
		return notRecorded
	}
	return strconv.Itoa(n)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return notRecorded
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func (v *view) seeds() string {
	var all []string
	for _, r := range v.suite.Runs {
		if s := strconv.FormatUint(r.Seed, 10); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return notRecorded
	}
	return listed(all, 4)
}

// loads are the different loads of the suite in words, those together that differ in their level only.
func (v *view) loads() []string {
	var around []string // what comes before and after the levels
	levels := map[string][]string{}
	for i := range v.results {
		l := v.results[i].Load
		text := map[string]string{"open": "open loop", "closed": "closed loop", "hybrid": "open loop under a cap"}[l.Mode]
		if l.Mode != "closed" && l.Process != "" {
			text += ", arrivals " + l.Process
			if l.Shape > 0 {
				text += " (shape " + brief(l.Shape) + ")"
			}
		}
		text += ": %s" + phasesText(l)
		if levels[text] == nil {
			around = append(around, text)
		}
		if words := loadWords(l); !slices.Contains(levels[text], words) {
			levels[text] = append(levels[text], words)
		}
	}
	out := make([]string, len(around))
	for i, text := range around {
		before, after, _ := strings.Cut(text, "%s")
		out[i] = strings.TrimPrefix(strings.TrimPrefix(before, ", "), ": ") + listed(levels[text], 20) + after
	}
	return out
}

func phasesText(l report.Load) string {
	var s string
	for _, p := range []struct {
		name string
		d    time.Duration
	}{{"warm-up", l.Warmup}, {"ramp", l.Ramp}, {"measured", l.Sustain}, {"cool-down", l.Cooldown}} {
		if p.d > 0 {
			s += "; " + p.name + " " + lasting(p.d)
		}
	}
	return s
}

// runRow is one run, with how the measuring side did.
type runRow struct {
	ID, Load, State, Reasons string
	Who                      who
	Repeat                   int
	Began                    string
	Figures                  []figure
}

// runColumns are the headers of runRow.Figures.
func runColumns() []header {
	return []header{
		{"Lag p50", "ms", "How late requests were sent, against the schedule.", "ascending"},
		{"Lag p99", "ms", "How late requests were sent, against the schedule.", "ascending"},
		{"Probe p99", "ms", "How late a timer was that does nothing else.", "ascending"},
		{"Sent", "of scheduled", "Requests sent in the window, of those scheduled in it.", "descending"},
		{"Cap met", "of arrivals", "Arrivals that found the cap on requests in flight reached.", "ascending"},
		{"Cores", "in use", "Processor cores that the measuring process used.", "ascending"},
		{"In flight", "at most", "Most requests on their way at once.", "ascending"},
		{"RTT", "ms", "Of a TCP handshake with the target. It is not subtracted.", "ascending"},
		{"Cached", "of input", "Input tokens that the provider took from its cache.", "ascending"},
		{"Events", "per read", "Above 1.5, gaps between tokens are those of the path.", "ascending"},
	}
}

// runTable is nil if there is no run.
type runTable struct {
	Open    bool // they are few
	Columns []header
	Rows    []runRow
}

func (v *view) runs() *runTable {
	if len(v.suite.Runs) == 0 {
		return nil
	}
	out := &runTable{Columns: runColumns(), Open: len(v.suite.Runs) <= 20}
	for _, r := range v.suite.Runs {
		f, c := figures{v, r.ID}, &r.Client
		reasons := slices.Clone(r.Verdict.Reasons)
		if r.Stopped != "" {
			reasons = append(reasons, "ended early: "+r.Stopped)
		}
		row := runRow{
			ID: r.ID, Who: v.who(r.Cell), Load: loadWords(r.Load), Repeat: r.Repeat + 1, Began: instant(r.Started),
			State: r.Verdict.State, Reasons: strings.Join(reasons, "; "),
		}
		row.Figures = []figure{
			known(c.Lag.N > 0, f.one("client.lag_ms.p50", c.Lag.P50, number3)),
			known(c.Lag.N > 0, f.one("client.lag_ms.p99", c.Lag.P99, number3)),
			known(c.Probe.N > 0, f.one("client.probe_ms.p99", c.Probe.P99, number3)),
			known(c.Achieved > 0, f.one("client.achieved", c.Achieved, shareText)),
			known(r.Load.Mode == "hybrid", f.one("client.cap_met", c.CapMet, shareText)),
			known(c.CPU > 0, f.one("client.cpu", c.CPU, number3)),
			known(c.MaxInFlight > 0, f.count("client.max_in_flight", c.MaxInFlight)),
			known(c.RTT > 0, f.one("client.rtt_ms", c.RTT, number3)),
			known(r.Summary.InputTokens > 0, f.one("client.cached_share", c.OtherCached, shareText)),
			known(c.EventsRead > 0, f.one("client.events_per_read", c.EventsRead, number3)),
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// known is a figure, unless it was not recorded.
func known(ok bool, f figure) figure {
	if !ok {
		return figure{None: notRecorded}
	}
	return f
}

// term is a word of the page with what it means here.
type term struct{ Name, Text string }

func terms() []term {
	return []term{
		{"TPS", "Transactions a second: requests that succeeded and ended inside the measured window, divided by its length."},
		{"Tokens/s", "Output tokens that were emitted inside the measured window, whichever request they belong to, divided by its length. Reasoning counts."},
		{"TTFT", "Time to first token: from the instant of sending to the first event with text, reasoning or a tool call. An event that only names a role does not count."},
		{"TPOT", "Time per output token: (E2E − TTFT) / (output tokens − 1), of streams with at least two tokens."},
		{"ICL", "Gap between events with content. Events may hold several tokens, so it tells of jitter rather than of speed."},
		{"E2E", "End to end: from the instant at which the schedule wanted the request sent to its last token. A stall of the target cannot hide by delaying the requests behind it. “E2E sent” begins when the request was sent."},
		{"Goodput", "Requests within every limit of the service level, per second. Failures are never good, and they count in the share."},
		{"Cost of a transaction", "What all requests cost at the price table's prices, divided by the successes. “Unknown” is never zero."},
		{"Cost an hour", "What one hour would cost at 100 % of this rate."},
		{"RPM, TPM", "Requests and tokens a minute. The share in use is the highest seen, from the quota headers of the answers."},
		{"[ low – high ]", "The 95 % interval. Below a mean over repeats it is Student's, each run being one observation; below a percentile of all requests it comes from order statistics, without assuming a shape."},
		{"CV", "Coefficient of variation: the standard deviation between repeats, divided by their mean. Below 5 % is steady, above 20 % is not."},
		{"wide", "There are too few requests for an interval of this percentile (p50 needs 6, p90 39, p95 76, p99 441, p99.9 4,394). With fewer than one beyond it on average, it is left out."},
		{"valid, degraded, invalid", "Whether the figures describe the target rather than the measuring side. It follows from how late requests were sent and how many of the scheduled ones were."},
		{"★", "No other result is better, among those that are not invalid."},
	}
}
