package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/app"
	"sluice/internal/auth"
	"sluice/internal/console"
	"sluice/internal/store"
)

// newUsageCommand makes `sluice usage`.
func newUsageCommand(open openKeysFunc) *cobra.Command {
	var by, since, until string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Sum up calls, tokens and cost by key, model, target, provider or tag",
		Long: `Sums up the calls in the database, the dearest group first. It works while the gateway runs on the same database.

Calls of unknown price are counted apart (UNPRICED) and are not in the cost; a cost of which nothing is known is a dash, never
zero. With --by tag a call counts for each of its tags.`,
		Example: "  sluice usage --by model --since 7d\n  sluice usage --by key --since 2026-11-01 --until 2026-12-01 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := usageQuery(by, since, until, time.Now())
			if err != nil {
				return err
			}
			return withStore(cmd, open, func(s *store.Store, _ *auth.Config) error {
				sums, more, err := app.Usage(cmd.Context(), s, q)
				if err != nil {
					return err
				}
				report := console.NewUsageReport(q, sums, more)
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), report)
				}
				return writeUsage(cmd.OutOrStdout(), report)
			})
		},
	}
	databaseFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&by, "by", "key", "what to group by: "+strings.Join(console.UsageGroups(), ", "))
	f.StringVar(&since, "since", "24h", "`time` of the first calls: how long ago (90m, 24h, 7d), a date, or RFC 3339")
	f.StringVar(&until, "until", "", "`time` that the calls were before, written the same way (now)")
	f.BoolVar(&asJSON, "json", false, "write JSON, as GET /admin/v1/usage answers")
	return cmd
}

// usageQuery checks the flags.
func usageQuery(by, since, until string, now time.Time) (q console.UsageQuery, err error) {
	q.By, q.To = by, now
	if !slices.Contains(console.UsageGroups(), by) {
		return q, fmt.Errorf("--by %q: must be one of %s", by, strings.Join(console.UsageGroups(), ", "))
	}
	if q.From, err = console.ParseTime(since, now); err != nil {
		return q, fmt.Errorf("--since %q %w", since, err)
	}
	if until != "" {
		if q.To, err = console.ParseTime(until, now); err != nil {
			return q, fmt.Errorf("--until %q %w", until, err)
		}
	}
	if !q.From.Before(q.To) {
		return q, fmt.Errorf("--since must be before --until")
	}
	return q, nil
}

// writeUsage writes a table.
func writeUsage(w io.Writer, r console.UsageReport) error {
	fmt.Fprintf(w, "%s to %s\n", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	if len(r.Rows) == 0 {
		_, err := fmt.Fprintln(w, "no calls")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tCALLS\tERRORS\tINPUT\tCACHED\tOUTPUT\tUSD\tUNPRICED\n", strings.ToUpper(r.By))
	for _, u := range r.Rows {
		cost := "-"
		if u.CostUSD != nil {
			cost = *u.CostUSD
		}
		name := plain(u.Name)
		if r.By == "none" {
			name = "all"
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%d\n", name, u.Calls, u.Errors, u.Tokens.Input, u.Tokens.CachedInput,
			u.Tokens.Output, cost, u.Unpriced)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.More {
		fmt.Fprintf(w, "only the first %d groups are shown\n", len(r.Rows))
	}
	return nil
}

// plain makes a name fit for a terminal: clients choose the names of models and tags. A dash stands for none.
func plain(name string) string {
	if name == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, name)
}
