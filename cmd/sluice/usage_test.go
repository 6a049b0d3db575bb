package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/auth"
	"sluice/internal/console"
	"sluice/internal/ledger"
	"sluice/internal/llm"
	"sluice/internal/store"
)

func TestUsageCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	row := func(id, key, model string, ago time.Duration, nano int64, priced bool) ledger.Row {
		return ledger.Row{
			ID: id, Time: time.Now().Add(-ago), Key: key, Model: model, CostNanoUSD: nano, Priced: priced,
			Usage: llm.Usage{Input: 1000, CachedInput: 100, Output: 50}, Tags: []string{"t1", "t2"},
		}
	}
	failed := row("4", "a", "m", time.Hour, 0, false)
	failed.Code, failed.Usage = "rate_limited", llm.Usage{}
	if err := s.WriteCalls(t.Context(), []ledger.Row{
		row("1", "a", "m", time.Hour, 2_500_000, true), row("2", "b", "m\x1b[2J", time.Minute, 0, false),
		row("3", "a", "m", 48*time.Hour, 1_000_000_000, true), failed,
	}); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		cmd := newUsageCommand(func(cmd *cobra.Command) (*store.Store, *auth.Config, error) {
			s, err := store.Open(cmd.Context(), "", dir)
			return s, nil, err
		})
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		cmd.SetArgs(args)
		cmd.SilenceErrors = true
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	f := func(want string, args ...string) {
		t.Helper()
		out, err := run(args...)
		_, table, _ := strings.Cut(out, "\n") // its first line has the time in it
		var got []string
		for line := range strings.Lines(table) {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
		if err != nil || strings.Join(got, "\n") != want {
			t.Errorf("usage %q: %v\n%s\nwant\n%s", args, err, strings.Join(got, "\n"), want)
		}
	}
	const head = " CALLS ERRORS INPUT CACHED OUTPUT USD UNPRICED\n"
	f("KEY" + head + "a 2 1 1000 100 50 0.0025 0\nb 1 0 1000 100 50 - 1")
	f("MODEL"+head+"m 2 1 1000 100 50 0.0025 0\nm?[2J 1 0 1000 100 50 - 1", "--by", "model")
	f("NONE"+head+"all 4 1 3000 300 150 1.0025 1", "--by", "none", "--since", "7d")
	f("TAG"+head+"t1 1 0 1000 100 50 - 1\nt2 1 0 1000 100 50 - 1", "--by", "tag", "--since", "30m")
	f("no calls", "--until", "40h", "--since", "45h")

	out, err := run("--json", "--since", "7d")
	var report console.UsageReport
	if err != nil || json.Unmarshal([]byte(out), &report) != nil || len(report.Rows) != 2 || *report.Rows[0].CostUSD != "1.0025" ||
		report.Rows[1].CostUSD != nil || report.By != "key" {
		t.Errorf("JSON: %s, %v", out, err)
	}

	bad := func(want string, args ...string) {
		t.Helper()
		if out, err := run(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("usage %q: %s, %v; want an error with %q", args, out, err, want)
		}
	}
	bad(`--by "user": must be one of key, model`, "--by", "user")
	bad(`--since "soon" must be a time`, "--since", "soon")
	bad(`--until "later" must be a time`, "--until", "later")
	bad("--since must be before --until", "--until", "2h", "--since", "1h")
}
