package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/workload"
)

// benchFlags are the flags of `sluice bench run` and `sluice bench matrix`.
type benchFlags struct {
	source

	targets []string
	via     string
	viaKey  string

	rate     float64
	users    int
	duration time.Duration
	warmup   time.Duration
	repeats  int
	seed     uint64
	noStream bool
	exact    bool
	sweep    string
	search   bool

	out      string
	label    string
	exports  []string
	detailed bool
	noSave   bool

	maxSpend float64
	yes      bool
	dryRun   bool

	json, plain, quiet bool

	given func(flag string) bool // whether a flag stood in the command line; set by add
}

// maxRepeats is how often a run is repeated at most, as in a workload file.
const maxRepeats = 1000

// maxLabel is the length of a label: it stands in heads, lists and titles.
const maxLabel = 200

func (f *benchFlags) add(cmd *cobra.Command) {
	f.source.flags(cmd)
	fl := cmd.Flags()
	f.given = fl.Changed
	fl.StringArrayVarP(&f.targets, "target", "t", nil, "`provider/model` to measure, a pattern with *, or a model of the configuration; may be repeated")
	fl.StringVar(&f.via, "via", "", "base `URL` of a gateway to send through (http://127.0.0.1:4000/v1)")
	fl.StringVar(&f.viaKey, "via-key", "", "`name` of the environment variable that holds the gateway's key")
	fl.Float64Var(&f.rate, "rate", 0, "requests a second, over the workload's; makes the loop open")
	fl.IntVar(&f.users, "users", 0, "concurrent users, over the workload's; makes the loop closed; beside --rate, a cap on what is in flight")
	fl.DurationVar(&f.duration, "duration", 0, "measured `time` of each run, over the workload's")
	fl.DurationVar(&f.warmup, "warmup", 0, "`time` of warm-up before it, over the workload's; 0s for none")
	fl.IntVar(&f.repeats, "repeats", 0, "repeats of each run, over the workload's (3 unless it says otherwise)")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of lengths, gaps and prompts, over the workload's")
	fl.BoolVar(&f.noStream, "no-stream", false, "ask for whole answers in place of streams")
	fl.BoolVar(&f.exact, "exact-output", false, "ask for answers of exactly the workload's length, of servers that know ignore_eos and min_tokens (vLLM, SGLang)")
	fl.StringVar(&f.sweep, "sweep", "", "`rates` to measure one after the other: 1,2,4,8, or auto to double the rate until the target is saturated")
	fl.BoolVar(&f.search, "search", false, "search for the highest rate at which the SLO holds")
	fl.StringVarP(&f.out, "out", "o", "bench-results", "`directory` under which the results get one of their own")
	fl.StringVar(&f.label, "label", "", "`name` of the measurement in reports and history (the workload's)")
	fl.StringSliceVar(&f.exports, "export", nil, "also write the results in these `forms` of other tools: vllm, aiperf")
	fl.BoolVar(&f.detailed, "detailed", false, "with --export vllm: write the arrays of single requests too")
	fl.BoolVar(&f.noSave, "no-save", false, "do not keep the figures in the database")
	fl.Float64Var(&f.maxSpend, "max-spend", 0, "`dollars` that the whole measurement may cost, over the workload's max_spend_usd")
	fl.BoolVarP(&f.yes, "yes", "y", false, "spend what the estimate says without asking")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what would be sent and what it would cost, and send nothing")
	fl.BoolVar(&f.json, "json", false, "print the results as JSON")
	fl.BoolVar(&f.plain, "plain", false, "print progress as lines, also on a terminal")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "print no progress")
}

// check finds what is wrong with the flags themselves.
func (f *benchFlags) check() error {
	switch { // a zero that somebody wrote is a mistake, not the default
	case f.given("rate") && !(f.rate > 0):
		return fmt.Errorf("--rate is %v, want requests a second above 0", f.rate)
	case f.given("users") && f.users <= 0:
		return fmt.Errorf("--users is %d, want a number above 0", f.users)
	case f.given("duration") && f.duration <= 0:
		return fmt.Errorf("--duration is %v, want a time above 0, such as 60s", f.duration)
	case f.warmup < 0:
		return fmt.Errorf("--warmup is %v, want a time such as 10s, or 0s for none", f.warmup)
	case f.given("repeats") && (f.repeats < 1 || f.repeats > maxRepeats):
		return fmt.Errorf("--repeats is %d, want a number from 1 to %d", f.repeats, maxRepeats)
	case f.given("max-spend") && !(f.maxSpend > 0):
		return fmt.Errorf("--max-spend is %v, want dollars above 0", f.maxSpend)
	case f.given("sweep") && f.sweep == "":
		return errors.New("--sweep is empty, want rates above 0 separated by commas, or auto")
	case len(f.label) > maxLabel:
		return fmt.Errorf("--label has %d bytes, want at most %d", len(f.label), maxLabel)
	case f.sweep != "" && f.search:
		return errors.New("give --sweep or --search, not both: a search chooses its rates itself")
	case f.sweep != "" && f.rate > 0 && f.sweep != "auto":
		return errors.New("give --sweep or --rate, not both: the sweep names its rates (with --sweep auto, --rate is the first)")
	case f.viaKey != "" && f.via == "":
		return errors.New("--via-key belongs to --via")
	case f.json && f.dryRun:
		return errors.New("give --json or --dry-run, not both")
	}
	return checkExports(f.exports, f.detailed)
}

// rates reads --sweep: nil for auto.
func (f *benchFlags) rates() ([]float64, error) {
	if f.sweep == "" || f.sweep == "auto" {
		return nil, nil // the workload's rate, or --rate, is where it begins
	}
	var rates []float64
	for s := range strings.SplitSeq(f.sweep, ",") {
		rate, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || rate <= 0 || rate > 1e6 {
			return nil, fmt.Errorf("--sweep has %q, want rates above 0 separated by commas, or auto", s)
		}
		if len(rates) > 0 && rate <= rates[len(rates)-1] {
			return nil, fmt.Errorf("--sweep has %v after %v, want rising rates: a target that was overloaded may not have recovered", rate, rates[len(rates)-1])
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

// workload reads the workload that the command names and puts the flags over it.
func (f *benchFlags) workload(name string) (*workload.Workload, error) {
	w, err := workload.Load(name)
	if err != nil {
		return nil, err
	}
	o := workload.Overrides{Rate: f.rate, Concurrency: f.users, Repeats: f.repeats, MaxSpend: f.maxSpend}
	if f.levels() && o.Rate == 0 {
		o.Rate = f.firstRate(w)
	}
	if f.duration > 0 || f.given("warmup") {
		p := w.Phases
		if f.duration > 0 {
			p.Sustain = f.duration
		}
		if f.given("warmup") {
			p.Warmup = f.warmup
		}
		o.Phases = &p
	}
	if f.given("seed") {
		o.Seed = &f.seed
	}
	if f.noStream {
		o.Stream = new(bool)
	}
	return w.With(o)
}

// levels reports whether load levels are measured one after the other.
func (f *benchFlags) levels() bool { return f.sweep != "" || f.search }

// firstRate is where a sweep or a search of a workload begins that has no rate, since its loop is closed: at one request a second.
func (f *benchFlags) firstRate(w *workload.Workload) float64 {
	if w.Arrival.Rate > 0 {
		return w.Arrival.Rate
	}
	return 1
}
