package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sluice/internal/auth"
	"sluice/internal/report"
	"sluice/internal/store"
)

// newBenchCompareCommand makes `sluice bench compare`.
func newBenchCompareCommand(open openKeysFunc) *cobra.Command {
	var o report.CompareOptions
	var tolerance, points, fdr string
	var all, asJSON, markdown, strict bool
	cmd := &cobra.Command{
		Use:   "compare [BASELINE] CANDIDATE",
		Short: "Say what is better or worse than before, and whether chance can explain it",
		Long: `Compares two suites, cell by cell and figure by figure. A suite is named by its directory, by its suite.json, or as it is in
the database: by its id or the beginning of it, by its name (the newest of that name), as "latest", or as "baseline", the
baseline of the other's workload. With one argument, that suite is compared with the baseline.

Each run is one observation. A figure is better or worse if its mean changed beyond the tolerance and Welch's t-test, adjusted
for the number of figures (Benjamini and Hochberg), does not put it down to chance. It is "unsure" where more repeats are needed
to tell. With three repeats only large changes can be told; use five or more for a gate.

Exit status: 0 nothing is worse, 3 something is worse (with --strict also: something is unsure or missing), 1 the comparison
could not be made.`,
		Example: `  sluice bench compare results/2026-11-01_chat results/2026-11-21_chat
  sluice bench compare baseline latest --markdown
  sluice bench compare nightly-1 nightly-2 --tolerance 10% --metric ttft_p95_ms --json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			for _, f := range []struct {
				name, text string
				to         *float64
			}{{"tolerance", tolerance, &o.Tolerance}, {"error-tolerance", points, &o.ErrorTolerance}, {"fdr", fdr, &o.FDR}} {
				if *f.to, err = parseShare(f.text); err != nil {
					return fmt.Errorf("--%s %q %w", f.name, f.text, err)
				}
			}
			if len(args) == 1 {
				args = []string{baselineWord, args[0]}
			}
			base, candidate, err := loadPair(cmd, open, args[0], args[1])
			if err != nil {
				return err
			}
			c, err := report.Compare(base, candidate, o)
			if _, ok := errors.AsType[*report.WorkloadError](err); ok {
				return fmt.Errorf("%w\nwhat is sent decides what is measured; with --force they are compared all the same", err)
			}
			if err != nil {
				return err
			}
			switch {
			case asJSON:
				err = c.WriteJSON(cmd.OutOrStdout())
			case markdown:
				err = c.WriteMarkdown(cmd.OutOrStdout())
			default:
				err = c.WriteText(cmd.OutOrStdout(), all)
			}
			return errors.Join(err, verdictError(c, strict))
		},
	}
	databaseFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&tolerance, "tolerance", "5%", "change that does not matter")
	f.StringVar(&points, "error-tolerance", "1%", "the same for the error rate, in percentage `points`")
	f.StringVar(&fdr, "fdr", "5%", "share of false alarms among the differences that are found")
	f.StringSliceVar(&o.Metrics, "metric", nil, "figures to compare ("+strings.Join(report.DefaultMetrics(), ",")+")")
	f.BoolVar(&o.Force, "force", false, "compare different workloads")
	f.BoolVar(&strict, "strict", false, "fail also where something is unsure or missing")
	f.BoolVar(&all, "all", false, "show also what is the same")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	f.BoolVar(&markdown, "markdown", false, "write Markdown, for a comment on a change")
	cmd.MarkFlagsMutuallyExclusive("json", "markdown")
	return cmd
}

// verdictError is the error that a comparison ends the program with, if any.
func verdictError(c *report.Comparison, strict bool) error {
	err := c.Regression()
	if n := c.Counts; err == nil && strict && n.Unsure+n.Missing > 0 {
		err = fmt.Errorf("%d figures are unsure and %d missing, which --strict does not allow", n.Unsure, n.Missing)
	}
	if err == nil {
		return nil
	}
	return &codedError{exitRegression, err}
}

// baselineWord stands for the baseline where a suite is named.
const baselineWord = "baseline"

// loadPair reads two suites. At most one of them is the baseline, whose workload is that of the other.
func loadPair(cmd *cobra.Command, open openKeysFunc, a, b string) (base, candidate *report.Suite, err error) {
	if a == baselineWord && b == baselineWord {
		return nil, nil, errors.New("compare suites: both are the baseline")
	}
	l := &suiteLoader{cmd: cmd, open: open}
	defer func() { err = errors.Join(err, l.close()) }()
	if b == baselineWord {
		if base, err = l.load(a); err == nil {
			candidate, err = l.baseline(base)
		}
		return base, candidate, err
	}
	if candidate, err = l.load(b); err != nil {
		return nil, nil, err
	}
	if a == baselineWord {
		base, err = l.baseline(candidate)
	} else {
		base, err = l.load(a)
	}
	return base, candidate, err
}

// suiteLoader reads suites from directories and from the database, which it opens when it first needs it.
type suiteLoader struct {
	cmd   *cobra.Command
	open  openKeysFunc
	store *store.Store
}

func (l *suiteLoader) database() (*store.Store, error) {
	l.cmd.SilenceUsage = true
	if l.store != nil {
		return l.store, nil
	}
	s, _, err := l.open(l.cmd)
	if err != nil {
		return nil, err
	}
	l.store = s
	return s, nil
}

func (l *suiteLoader) close() error {
	if l.store == nil {
		return nil
	}
	return l.store.Close()
}

// load reads the suite that ref names: a path, or as it is in the database.
func (l *suiteLoader) load(ref string) (*report.Suite, error) {
	if s, ok, err := readSuiteAt(ref); ok {
		return s, err
	}
	s, err := l.database()
	if err != nil {
		return nil, err
	}
	id, err := s.FindSuite(l.cmd.Context(), ref)
	if err != nil {
		return nil, fmt.Errorf("find suite: %w (there is no file or directory of that name either)", err)
	}
	return s.Suite(l.cmd.Context(), id)
}

func (l *suiteLoader) baseline(of *report.Suite) (*report.Suite, error) {
	s, err := l.database()
	if err != nil {
		return nil, err
	}
	b, err := s.Baseline(l.cmd.Context(), of.Workload.Name)
	if err != nil {
		return nil, err
	}
	return s.Suite(l.cmd.Context(), b.Suite)
}

// readSuiteAt reads a suite from its directory or from the suite.json in it. ok is false if path is neither, and does not
// look like one.
func readSuiteAt(path string) (s *report.Suite, ok bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err != nil && !strings.ContainsRune(path, filepath.Separator) && filepath.Ext(path) != ".json":
		return nil, false, nil
	case err != nil:
		return nil, true, fmt.Errorf("read suite: %w", err)
	case info.IsDir():
		s, err = report.ReadSuite(path)
		return s, true, err
	case filepath.Base(path) != suiteFile:
		return nil, true, fmt.Errorf("read suite: %s is a file: name the suite's directory, or the %s in it", path, suiteFile)
	}
	s, err = report.ReadSuite(filepath.Dir(path))
	return s, true, err
}

// suiteFile is the name of the file that holds a suite.
const suiteFile = "suite.json"

// resolveSuite returns the id of a suite of the database.
func resolveSuite(ctx context.Context, s *store.Store, ref string) (string, error) {
	if ref != baselineWord {
		return s.FindSuite(ctx, ref)
	}
	b, err := s.Baseline(ctx, "")
	return b.Suite, err
}

// parseShare reads a share: "5%" or "0.05".
func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v < 1) {
		return 0, errors.New("must be a share between 0 and 1, such as 5% or 0.05")
	}
	return v, nil
}

// withBenchStore opens the database for the time of do.
func withBenchStore(cmd *cobra.Command, open openKeysFunc, do func(ctx context.Context, s *store.Store) error) error {
	return withStore(cmd, open, func(s *store.Store, _ *auth.Config) error { return do(cmd.Context(), s) })
}

// saveSuites reads suites from their directories and stores them. It returns their ids.
func saveSuites(ctx context.Context, s *store.Store, paths []string) ([]string, error) {
	var ids []string
	for _, path := range paths {
		suite, ok, err := readSuiteAt(path)
		if !ok {
			err = fmt.Errorf("read suite: there is no directory %s", path)
		}
		if err != nil {
			return ids, err
		}
		if err := s.SaveSuite(ctx, suite); err != nil {
			return ids, err
		}
		ids = append(ids, suite.ID)
	}
	return slices.Compact(ids), nil
}
