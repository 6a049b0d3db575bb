package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/report"
	"sluice/internal/store"
)

// newBenchBaselineCommand makes `sluice bench baseline` with its commands.
func newBenchBaselineCommand(open openKeysFunc) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "Set, show and clear the suites that others are held against",
		Long: `Each workload can have one baseline: a suite of the database. ` + "`sluice bench compare`" + ` holds other suites of the workload
against it, and a gateway on the same database exports how far its live calls are from it (sluice_drift_ratio).`,
		Args: cobra.NoArgs,
	}
	databaseFlags(cmd)
	cmd.AddCommand(newBaselineSetCommand(open), newBaselineShowCommand(open), newBaselineClearCommand(open))
	return cmd
}

func newBaselineSetCommand(open openKeysFunc) *cobra.Command {
	return &cobra.Command{
		Use:   "set SUITE",
		Short: "Make a suite the baseline of its workload",
		Long: `Makes a suite the baseline of its workload, in place of the one before. SUITE is a suite of the database (its id, the beginning
of it, its name, or "latest"), or a directory, which is taken over into the database first. A running gateway takes the
baseline over within a minute.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				id, err := storedSuite(ctx, s, args[0])
				if err != nil {
					return err
				}
				b, err := s.SetBaseline(ctx, id, time.Now())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "suite %s is the baseline of %s\n", plain(b.Suite), plain(b.Workload))
				return nil
			})
		},
	}
}

// storedSuite returns the id of a suite that is in the database, or that is brought there from its directory.
func storedSuite(ctx context.Context, s *store.Store, ref string) (string, error) {
	if suite, ok, err := readSuiteAt(ref); ok {
		if err != nil {
			return "", err
		}
		return suite.ID, s.SaveSuite(ctx, suite)
	}
	return s.FindSuite(ctx, ref)
}

// baselineView is a baseline as these commands show it.
type baselineView struct {
	Workload string    `json:"workload"`
	Suite    string    `json:"suite"`
	Name     string    `json:"name"`
	Started  time.Time `json:"started"`
	Set      time.Time `json:"set"`
}

func newBaselineShowCommand(open openKeysFunc) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "List the baselines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				all, err := s.Baselines(ctx)
				if err != nil {
					return err
				}
				views := make([]baselineView, 0, len(all))
				for _, b := range all {
					suite, err := s.Suite(ctx, b.Suite)
					if err != nil {
						return err
					}
					views = append(views, baselineView{b.Workload, b.Suite, suite.Name, suite.Started.UTC(), b.Set.UTC()})
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), views)
				}
				if len(views) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "no baseline; `sluice bench baseline set SUITE` makes one")
					return err
				}
				t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "WORKLOAD\tSUITE\tNAME\tMEASURED\tSET")
				for _, v := range views {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", plain(v.Workload), plain(v.Suite), plain(v.Name), v.Started.Format(time.RFC3339), v.Set.Format(time.RFC3339))
				}
				return t.Flush()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func newBaselineClearCommand(open openKeysFunc) *cobra.Command {
	return &cobra.Command{
		Use:   "clear [WORKLOAD]",
		Short: "Remove the baseline of a workload; the suite stays",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				b, err := s.ClearBaseline(ctx, strings.Join(args, ""))
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s has no baseline any more\n", plain(b.Workload))
				return nil
			})
		},
	}
}

// newBenchAnnotateCommand makes `sluice bench annotate`.
func newBenchAnnotateCommand(open openKeysFunc) *cobra.Command {
	var a report.Annotation
	var cause string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "annotate SUITE|CHANGE --cause CAUSE",
		Short: "Say why figures changed",
		Long: `Notes the cause of a change, which ` + "`sluice bench history`" + ` then shows with it, and which keeps --fail-on-change from failing for
it. CHANGE is the id of a change as history shows it. With a SUITE, the note is for all changes that begin there, or for those of
one cell or metric.

Causes:
  model-update   the provider changed the model, its engine or its price
  limit-change   the account's limits were changed, or met
  capacity       the provider has more or less to spare
  workload       what is sent changed
  noise          nothing that lasts, or nothing of the target`,
		Example: `  sluice bench annotate c1a2b3c4d --cause model-update --note "gpt-4o 2026-11-20"
  sluice bench annotate latest --cause limit-change --note "tier 3 from today"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if a.Cause, err = report.ParseCause(cause); err != nil {
				return fmt.Errorf("--cause: %w", err)
			}
			if a.Metric != "" {
				if _, err := report.FindMetrics([]string{a.Metric}); err != nil {
					return fmt.Errorf("--metric: %w", err)
				}
			}
			return withBenchStore(cmd, open, func(ctx context.Context, s *store.Store) error {
				note := a
				if err := nameAnnotated(ctx, s, args[0], &note); err != nil {
					return err
				}
				note.Created = time.Now()
				if note, err = s.Annotate(ctx, note); err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), note)
				}
				fmt.Fprintf(cmd.OutOrStdout(), "noted %s for %s from suite %s on\n", note.Cause, plain(annotated(&note)), plain(note.Suite))
				return nil
			})
		},
	}
	databaseFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&cause, "cause", "", "why: model-update, limit-change, capacity, workload or noise (required)")
	f.StringVar(&a.Note, "note", "", "more words on it")
	f.StringVar(&a.Cell, "cell", "", "only for the cell of this `name`, as history shows it")
	f.StringVar(&a.Metric, "metric", "", "only for this figure")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	if err := cmd.MarkFlagRequired("cause"); err != nil {
		panic("BUG: " + err.Error())
	}
	return cmd
}

// annotated says what a note is about.
func annotated(a *report.Annotation) string {
	switch {
	case a.Cell == "" && a.Metric == "":
		return "all figures"
	case a.Cell == "":
		return a.Metric
	case a.Metric == "":
		return "all figures of " + a.Cell
	}
	return a.Metric + " of " + a.Cell
}

// nameAnnotated sets what a note is about from the id of a change or the name of a suite.
func nameAnnotated(ctx context.Context, s *store.Store, ref string, a *report.Annotation) error {
	id, suiteErr := resolveSuite(ctx, s, ref)
	if suiteErr == nil {
		suite, err := s.Suite(ctx, id)
		if err != nil {
			return err
		}
		a.Suite = id
		return checkCell(suite, a.Cell)
	}
	if !errors.Is(suiteErr, store.ErrNoSuite) {
		return suiteErr
	}
	change, err := findChange(ctx, s, ref)
	if err != nil {
		return err
	}
	if change == nil {
		return fmt.Errorf("annotate: %w, and no change of that id", suiteErr)
	}
	if a.Cell != "" || a.Metric != "" {
		return fmt.Errorf("annotate: %s is a change of one figure: --cell and --metric are for suites", ref)
	}
	a.Suite, a.Cell, a.Metric = change.Suite, change.Cell, change.Metric
	return nil
}

// findChange looks for the change of an id, or of its beginning, in all suites; nil if there is none.
func findChange(ctx context.Context, s *store.Store, ref string) (*report.Annotation, error) {
	const shortest = 4
	if len(ref) < shortest {
		return nil, nil
	}
	suites, err := s.Suites(ctx, store.SuiteFilter{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range report.Metrics() {
		names = append(names, m.Name)
	}
	h, err := report.NewHistory(suites, nil, report.HistoryOptions{Metrics: names})
	if err != nil {
		return nil, err
	}
	suite, cell, metric, ok := h.FindChange(ref)
	if !ok {
		return nil, nil
	}
	return &report.Annotation{Suite: suite.ID, Cell: cell.String(), Metric: metric}, nil
}

// checkCell reports a cell that a suite does not have.
func checkCell(suite *report.Suite, cell string) error {
	if cell == "" {
		return nil
	}
	var known []string
	for _, r := range suite.Runs {
		name := r.At().String()
		if name == cell {
			return nil
		}
		known = append(known, name)
	}
	return fmt.Errorf("annotate: suite %s has no cell %q; it has %s", suite.ID, cell, orNone(known))
}
