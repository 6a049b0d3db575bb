package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/console"
	"sluice/internal/report"
	"sluice/internal/store"
)

// historyFlags are those of `sluice bench history`.
type historyFlags struct {
	workload, since, until string
	limit, newest          int
	tolerance              string
	options                report.HistoryOptions
	asJSON, asCSV          bool
	changes, fail          bool
}

// newBenchHistoryCommand makes `sluice bench history`.
func newBenchHistoryCommand(open openKeysFunc) *cobra.Command {
	var h historyFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List suites, show how figures went over time, and find when they changed",
		Long: `Without flags, lists the suites of the database. With --cell, --metric or --changes it draws the figures of one workload over
its suites and shows where they changed their level, with the cause that the figures suggest or that somebody has annotated
(sluice bench annotate).

Changes are looked for from 5 suites on; below about 10 only large ones can be found, and one is found two or three suites after
it has happened. Exit status with --fail-on-change: 3 if a figure is worse since one of the newest suites (--newest) and nobody has
annotated that change.`,
		Example: `  sluice bench history
  sluice bench history --cell gpt-4o --metric ttft_p95_ms
  sluice bench history --workload chat --fail-on-change
  sluice bench history --changes --csv > history.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := h.filter(time.Now())
			if err != nil {
				return err
			}
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				return h.run(ctx, cmd.OutOrStdout(), s, filter)
			})
		},
	}
	databaseFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&h.workload, "workload", "", "only suites of the workload of this `name`")
	f.StringVar(&h.since, "since", "", "only suites since this `time`: how long ago (24h, 90d), a date, or RFC 3339")
	f.StringVar(&h.until, "until", "", "only suites before this `time`")
	f.IntVar(&h.limit, "limit", 200, "only so many of the newest suites, at most 1000")
	f.StringVar(&h.options.Cell, "cell", "", "only cells in whose name this `text` is found")
	f.StringSliceVar(&h.options.Metrics, "metric", nil, "figures to show ("+strings.Join(report.DefaultMetrics(), ",")+")")
	f.BoolVar(&h.changes, "changes", false, "show figures and changes also without --cell and --metric")
	f.StringVar(&h.tolerance, "tolerance", "5%", "change that does not matter")
	f.BoolVar(&h.fail, "fail-on-change", false, "fail if a figure is worse since one of the newest suites")
	f.IntVar(&h.newest, "newest", 5, "the suites that --fail-on-change looks at")
	f.BoolVar(&h.asJSON, "json", false, "write JSON")
	f.BoolVar(&h.asCSV, "csv", false, "write CSV")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	cmd.AddCommand(newHistoryAddCommand(open), newHistoryRemoveCommand(open))
	return cmd
}

// filter checks the flags.
func (h *historyFlags) filter(now time.Time) (f store.SuiteFilter, err error) {
	f = store.SuiteFilter{Workload: h.workload, Limit: h.limit}
	if h.limit < 1 || h.limit > 1000 {
		return f, fmt.Errorf("--limit %d: must be between 1 and 1000", h.limit)
	}
	if h.newest < 1 {
		return f, fmt.Errorf("--newest %d: must be at least 1", h.newest)
	}
	if h.options.Tolerance, err = parseShare(h.tolerance); err != nil {
		return f, fmt.Errorf("--tolerance %q %w", h.tolerance, err)
	}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"since", h.since, &f.From}, {"until", h.until, &f.To}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = console.ParseTime(t.text, now); err != nil {
			return f, fmt.Errorf("--%s %q %w", t.name, t.text, err)
		}
	}
	return f, nil
}

func (h *historyFlags) run(ctx context.Context, w io.Writer, s *store.Store, filter store.SuiteFilter) error {
	suites, err := s.Suites(ctx, filter)
	if err != nil {
		return err
	}
	if h.options.Cell == "" && len(h.options.Metrics) == 0 && !h.changes && !h.fail && !h.asCSV {
		return h.list(ctx, w, s, suites)
	}
	workloads := map[string]bool{}
	for _, x := range suites {
		workloads[x.Workload.Name] = true
	}
	if len(workloads) > 1 {
		return fmt.Errorf("show history: there are suites of several workloads; name one by --workload: %s",
			strings.Join(slices.Sorted(maps.Keys(workloads)), ", "))
	}
	if len(suites) == 0 && h.workload != "" {
		return h.noWorkload(ctx, s)
	}
	notes, err := s.Annotations(ctx)
	if err != nil {
		return err
	}
	history, err := report.NewHistory(suites, notes, h.options)
	if err != nil {
		return err
	}
	if len(history.Lines) == 0 && h.options.Cell != "" && len(suites) > 0 {
		return fmt.Errorf("show history: no cell has %q in its name", h.options.Cell)
	}
	switch {
	case h.asJSON:
		err = history.WriteJSON(w)
	case h.asCSV:
		err = history.WriteCSV(w)
	default:
		err = history.WriteText(w, terminalWidth())
	}
	if changes := history.Unexplained(h.newest); h.fail && len(changes) > 0 {
		var ids []string
		for _, c := range changes {
			ids = append(ids, c.ID)
		}
		err = errors.Join(err, &codedError{exitRegression, fmt.Errorf(
			"%d figures are worse since one of the last %d suites (%s); `sluice bench annotate CHANGE --cause CAUSE` settles one",
			len(changes), h.newest, strings.Join(ids, ", "))})
	}
	return err
}

// noWorkload says which workloads there are.
func (h *historyFlags) noWorkload(ctx context.Context, s *store.Store) error {
	all, err := s.Suites(ctx, store.SuiteFilter{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, x := range all {
		known[x.Workload.Name] = true
	}
	if known[h.workload] {
		return fmt.Errorf("show history: there are no suites of %q in that time", h.workload)
	}
	return fmt.Errorf("show history: there is no workload %q; there are: %s", h.workload, orNone(slices.Sorted(maps.Keys(known))))
}

// suiteView is a suite as the list shows it.
type suiteView struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Workload string    `json:"workload"`
	Hash     string    `json:"workload_hash"`
	Started  time.Time `json:"started"`
	Cells    int       `json:"cells"`
	Runs     int       `json:"runs"`
	Invalid  int       `json:"invalid_runs"`
	Stopped  string    `json:"stopped,omitempty"` // why it ended early
	Baseline bool      `json:"baseline"`
	Causes   []string  `json:"annotated_causes,omitempty"`
}

// list writes the suites, newest first.
func (h *historyFlags) list(ctx context.Context, w io.Writer, s *store.Store, suites []*report.Suite) error {
	baselines, err := s.Baselines(ctx)
	if err != nil {
		return err
	}
	notes, err := s.Annotations(ctx)
	if err != nil {
		return err
	}
	views := make([]suiteView, 0, len(suites))
	for _, x := range slices.Backward(suites) {
		v := suiteView{
			ID: x.ID, Name: x.Name, Workload: x.Workload.Name, Hash: x.Workload.Hash, Started: x.Started.UTC(), Runs: len(x.Runs), Stopped: x.Stopped,
			Baseline: slices.ContainsFunc(baselines, func(b store.Baseline) bool { return b.Suite == x.ID }),
		}
		cells := map[report.Cell]bool{}
		for _, r := range x.Runs {
			cells[r.Cell] = true
			if r.Verdict.State == report.StateInvalid {
				v.Invalid++
			}
		}
		v.Cells = len(cells)
		for _, n := range notes {
			if n.Suite == x.ID && !slices.Contains(v.Causes, string(n.Cause)) {
				v.Causes = append(v.Causes, string(n.Cause))
			}
		}
		views = append(views, v)
	}
	if h.asJSON {
		return writeJSON(w, views)
	}
	return writeSuites(w, views)
}

func writeSuites(w io.Writer, views []suiteView) error {
	if len(views) == 0 {
		_, err := fmt.Fprintln(w, "no suites; `sluice bench history add DIR` takes one over from its files")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "STARTED\tID\tNAME\tWORKLOAD\tCELLS\tRUNS\tNOTES")
	for _, v := range views {
		notes := v.Causes
		if v.Invalid > 0 {
			notes = append([]string{fmt.Sprintf("%d invalid", v.Invalid)}, notes...)
		}
		if v.Stopped != "" {
			notes = append([]string{"ended early: " + plain(v.Stopped)}, notes...)
		}
		if v.Baseline {
			notes = append([]string{baselineWord}, notes...)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", v.Started.Format("2006-01-02 15:04"), plain(v.ID), plain(v.Name), plain(v.Workload), v.Cells, v.Runs, orNone(notes))
	}
	return t.Flush()
}

func newHistoryAddCommand(open openKeysFunc) *cobra.Command {
	return &cobra.Command{
		Use:   "add DIR...",
		Short: "Take suites over from their files, such as those that a CI run has kept",
		Long: `Reads suites from their directories and stores them in the database. A suite that is there already is replaced; what was
annotated stays.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				ids, err := saveSuites(ctx, s, args)
				for _, id := range ids {
					fmt.Fprintln(cmd.OutOrStdout(), plain(id))
				}
				return err
			})
		},
	}
}

func newHistoryRemoveCommand(open openKeysFunc) *cobra.Command {
	return &cobra.Command{
		Use:   "remove SUITE",
		Short: "Remove a suite with its annotations from the database; its files stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				id, err := resolveSuite(ctx, s, args[0])
				if err != nil {
					return err
				}
				if err := s.RemoveSuite(ctx, id); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "suite %s is removed\n", plain(id))
				return nil
			})
		},
	}
}

// terminalWidth is what the shell says, or else 100 columns.
func terminalWidth() int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 40 {
		return n
	}
	return 100
}
