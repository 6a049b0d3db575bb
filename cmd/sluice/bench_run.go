package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sluice/internal/bench"
	"sluice/internal/config"
	"sluice/internal/live"
	"sluice/internal/llm"
	"sluice/internal/report"
	"sluice/internal/store"
)

// defaultWorkload is what is measured when the command names no workload.
const defaultWorkload = "chatbot-support"

func newBenchRunCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "run [WORKLOAD]",
		Short: "Measure one target",
		Long: `Measures the first target of the configuration, or those named by --target, under a workload: a file, or one of those that
come with Sluice (sluice bench profiles). Without a configuration a simulated provider is measured.

The schedule of requests is made from the seed before the run and holds whatever the target does: a slow target cannot slow
the load down. Every request is a row of a CSV file; report.html holds the figures for people.`,
		Example: "  sluice bench run --target openai/gpt-4o --rate 2 --duration 60s --max-spend 5\n" +
			"  sluice bench run my-workload.yaml --target local/llama-3-70b --sweep auto\n" +
			"  sluice bench run rag --via http://127.0.0.1:4000/v1 --search",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args, false) },
	}
	f.add(cmd)
	return cmd
}

func newBenchMatrixCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "matrix [WORKLOAD]",
		Short: "Measure all targets of the configuration in one run, interleaved",
		Long: `Measures every target of the configuration (model x region x provider), or those named by --target, under the same
workload. Repeats go forwards and backwards through the targets in turn (A B C, C B A, ...), so that a provider's time of day
falls on all of them alike. Each target gets one CSV file, named <model>_<region>_<date>.csv.`,
		Example: "  sluice bench matrix chatbot-support --max-spend 20\n" +
			"  sluice bench matrix -t smart -t 'sydney/*' --rate 2 --repeats 5",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args, true) },
	}
	f.add(cmd)
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command, args []string, matrix bool) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	name := defaultWorkload
	if len(args) > 0 {
		name = args[0]
	}
	w, err := f.workload(name)
	if err != nil {
		return err
	}
	rates, err := f.rates()
	if err != nil {
		return err
	}
	cmd.SilenceUsage = true // from here on errors are not of the command line
	c, err := f.source.load()
	if err != nil {
		return err
	}
	v, err := f.gateway()
	if err != nil {
		return err
	}
	fl, err := newFleet(c, f.targets, v, f.exact)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fl.close()) }()
	targets, err := fl.choose(c, f.targets)
	if err != nil {
		return err
	}
	if len(f.targets) == 0 {
		var others []string
		if targets, others = fl.able(targets, w); len(others) > 0 && (matrix || len(targets) == 0) {
			fmt.Fprintf(cmd.ErrOrStderr(), "left out, since the workload has no request for them (--target measures them all the same): %s\n", strings.Join(others, ", "))
		}
	}
	if len(targets) == 0 {
		return errors.New("there is no target to measure: name one with --target provider/model, or list models in the configuration")
	}
	if !matrix && len(f.targets) == 0 {
		targets = targets[:1]
	}
	m := &measurement{
		flags: f, config: c, simulated: simulatedOnly(c, targets),
		options: bench.SuiteOptions{
			Name: f.label, Targets: targets, Workload: w, Rates: rates, Sweep: f.sweep == "auto", Search: f.search,
			Version: version, Prices: fl.prices, Command: commandLine(cmd, args),
		},
		out: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), in: cmd.InOrStdin(),
	}
	return m.run(cmd.Context())
}

// gateway reads --via and --via-key.
func (f *benchFlags) gateway() (via, error) {
	v := via{url: f.via}
	if f.via != "" && !strings.HasPrefix(f.via, "http://") && !strings.HasPrefix(f.via, "https://") {
		return v, fmt.Errorf("--via is %q, want a base URL such as http://127.0.0.1:4000/v1", f.via)
	}
	if f.viaKey != "" {
		key, ok := os.LookupEnv(f.viaKey)
		if !ok || key == "" {
			return v, fmt.Errorf("--via-key names the environment variable %s, which is not set", f.viaKey)
		}
		v.key = llm.NewSecret(key)
	}
	return v, nil
}

// simulatedOnly reports whether all targets are simulated inside this process, so that nothing costs money.
func simulatedOnly(c *config.Config, targets []*bench.Target) bool {
	for _, t := range targets {
		for i := range c.Providers {
			if c.Providers[i].Name == t.Cell.Provider && c.Providers[i].API != "sim" {
				return false
			}
		}
	}
	return true
}

// commandLine is the command as it is kept in the record: flags as they were given, but for --database, which may hold a
// password.
func commandLine(cmd *cobra.Command, args []string) string {
	words := append([]string{cmd.CommandPath()}, args...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "database" {
			return
		}
		words = append(words, "--"+f.Name+"="+f.Value.String())
	})
	return strings.Join(words, " ")
}

// measurement is one `bench run` or `bench matrix`.
type measurement struct {
	flags     *benchFlags
	config    *config.Config
	simulated bool
	options   bench.SuiteOptions
	out, log  io.Writer
	in        io.Reader
}

func (m *measurement) run(ctx context.Context) error {
	estimate, err := bench.Estimate(m.options)
	if err != nil {
		return err
	}
	if m.flags.dryRun {
		return writeEstimate(m.out, &m.options, estimate)
	}
	if err := m.consent(ctx, estimate); err != nil {
		return err
	}
	if !m.flags.noSave { // better now than when everything is measured and paid for
		if err := m.withStore(ctx, func(*store.Store) error { return nil }); err != nil {
			return err
		}
	}
	suite := bench.NewSuite(&m.options)
	w, err := report.Create(m.flags.out, suite)
	if err != nil {
		return err
	}
	measured := m.measure(ctx, suite, w)
	cells, err := w.Close()
	if err != nil {
		return errors.Join(measured, err)
	}
	if err := errors.Join(measured, m.finish(ctx, suite, w.Dir(), cells)); err != nil {
		return err
	}
	return verdict(suite)
}

// measure runs the suite with its view.
func (m *measurement) measure(ctx context.Context, suite *report.Suite, w *report.Writer) error {
	view := live.New(m.log, m.in, live.Options{
		Name: suite.Name, SLO: m.options.Workload.SLO, Plain: m.flags.plain, Quiet: m.flags.quiet,
	})
	defer view.Close()
	o := m.options
	o.Header = suite
	o.Record, o.Run, o.Progress = w.Record, w.Finish, view.Update
	_, err := bench.Suite(ctx, o)
	return err
}

// finish writes and prints what was measured. It also runs after an interruption, on a context of its own.
func (m *measurement) finish(ctx context.Context, suite *report.Suite, dir string, cells []report.CellResult) error {
	results := &report.Results{Dir: dir, Suite: suite}
	written, err := writeReports(results, cells, filepath.Join(dir, "report.html"), m.flags.exports, m.flags.detailed)
	if err != nil {
		return err
	}
	saved, failed := "", error(nil)
	if !m.flags.noSave && len(suite.Runs) > 0 { // before anything is printed: a closed pipe ends the process
		saved = ", and in the database as " + suite.ID
		failed = m.withStore(context.WithoutCancel(ctx), func(s *store.Store) error {
			return s.SaveSuite(context.WithoutCancel(ctx), suite)
		})
		if failed != nil {
			saved = ""
		}
	}
	if m.flags.json {
		err = report.JSON(m.out, suite, cells)
	} else {
		err = report.Text(m.out, suite, cells, textOptions(m.out))
	}
	if !m.flags.quiet {
		fmt.Fprintf(m.log, "results are in %s%s\n", dir, saved)
		for _, name := range written {
			fmt.Fprintln(m.log, "  "+name)
		}
	}
	return errors.Join(err, failed)
}

// withStore opens the database that the configuration names, for the figures.
func (m *measurement) withStore(ctx context.Context, do func(*store.Store) error) error {
	s, err := store.Open(ctx, m.config.Database.Reveal(), m.config.DataDir)
	if err != nil {
		return fmt.Errorf("keep the figures in the database (--no-save does without): %w", err)
	}
	return errors.Join(do(s), s.Close())
}

// verdict is the error that the command ends with when what it measured cannot be believed or is not whole.
func verdict(suite *report.Suite) error {
	invalid := 0
	for _, r := range suite.Runs {
		if r.Verdict.State == bench.Invalid {
			invalid++
		}
	}
	switch {
	case suite.Stopped != "": // an invalid last run is then a matter of course
		return fmt.Errorf("the measurement ended early: %s", stopText(suite.Stopped))
	case invalid > 0: // mostly by this machine, but a run may also have been too short
		return &codedError{exitInvalid, fmt.Errorf("%d of %d runs invalid: their figures are not the target's, the verdict says why", invalid, len(suite.Runs))}
	}
	if dead := unanswered(suite); len(dead) > 0 {
		return errors.New("nothing was measured: no request was answered by " + strings.Join(dead, ", nor by "))
	}
	return nil
}

// stopText says why a suite ended early, for those who do not know the words of the record.
func stopText(stopped string) string {
	if stopped == "spend" {
		return "the limit on the spend was reached (--max-spend, or max_spend_usd of the workload)"
	}
	return stopped
}

// unanswered names the targets of which no measured request succeeded in any run, with what they failed by.
func unanswered(suite *report.Suite) []string {
	var names []string // in the order of the suite
	failures, good := map[string]map[string]int64{}, map[string]bool{}
	for _, r := range suite.Runs {
		name := r.Cell.Target
		if failures[name] == nil {
			names, failures[name] = append(names, name), map[string]int64{}
		}
		good[name] = good[name] || r.Summary.OK > 0 || r.Summary.Failed == 0
		for kind, n := range r.Summary.Errors {
			failures[name][kind] += n
		}
	}
	var dead []string
	for _, name := range names {
		if good[name] {
			continue
		}
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(failures[name])) {
			kinds = append(kinds, fmt.Sprintf("%s %d times", kind, failures[name][kind]))
		}
		dead = append(dead, fmt.Sprintf("%s (%s)", name, strings.Join(kinds, ", ")))
	}
	return dead
}

// consent asks before money is spent, where there is somebody to ask. A limit on the spend is an answer too.
func (m *measurement) consent(ctx context.Context, e *bench.Estimation) error {
	if m.simulated || m.flags.yes || m.options.Workload.MaxSpend > 0 {
		return nil
	}
	cost := fmt.Sprintf("about $%.2f", e.Dollars)
	switch {
	case !e.Bounded && len(e.Unpriced) == 0:
		cost = "an amount that depends on how fast the targets are (a closed loop)"
	case len(e.Unpriced) > 0:
		cost = "an unknown amount (no price is known for " + strings.Join(e.Unpriced, ", ") + ")"
	case e.Dollars == 0:
		return nil
	}
	if !live.IsTerminal(m.in) || !live.IsTerminal(m.log) {
		way := "or set a limit with --max-spend"
		if len(e.Unpriced) > 0 {
			way = "or state prices in prices_file and set a limit with --max-spend"
		}
		return fmt.Errorf("this would cost %s at real providers: allow it with --yes, %s (--dry-run shows what would be sent)", cost, way)
	}
	fmt.Fprintf(m.log, "This sends requests to real providers and costs %s. Go on? [y/N] ", cost)
	answer := make(chan string, 1) // sent by the goroutine below, which ends with the line or with the process
	go func() {
		line, _ := bufio.NewReader(m.in).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case line := <-answer:
		if a := strings.ToLower(strings.TrimSpace(line)); a == "y" || a == "yes" {
			return nil
		}
	}
	return errors.New("nothing was sent")
}

// writeEstimate says what would be sent.
func writeEstimate(out io.Writer, o *bench.SuiteOptions, e *bench.Estimation) error {
	most := ""
	if e.AtMost {
		most = "at most "
	}
	fmt.Fprintf(out, "Workload %s: %s%d runs, %s%s\n", o.Workload.Name, most, e.Runs, most, e.Duration.Round(time.Second))
	if e.Bounded {
		fmt.Fprintf(out, "%s%d requests, %d input tokens, %d output tokens\n", most, e.Requests, e.InputTokens, e.OutputTokens)
	} else {
		fmt.Fprintln(out, "A closed loop sends as much as the targets take: only the cost of one request is known.")
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TARGET\tRUNS\tREQUESTS\tPER REQUEST\tCOST")
	for _, c := range e.Cells {
		requests, per, cost := strconv.FormatInt(c.Requests, 10), "unpriced", "unpriced"
		if c.Priced {
			per, cost = fmt.Sprintf("$%.6f", c.PerRequest), fmt.Sprintf("$%.4f", c.Dollars)
		}
		if !e.Bounded {
			requests, cost = "-", "-"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\n", c.Target, c.Runs, requests, per, cost)
	}
	return t.Flush()
}
