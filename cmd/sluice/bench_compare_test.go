package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/auth"
	"sluice/internal/report"
	"sluice/internal/store"
)

// lab is a database and directories of suites for the commands under test.
type lab struct {
	t    *testing.T
	data string
	dirs string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return &lab{t: t, data: t.TempDir(), dirs: t.TempDir()}
}

// suite writes a suite whose runs have these times to the first token, and returns its directory.
func (l *lab) suite(id, workload string, day int, ttft ...float64) string {
	l.t.Helper()
	s := &report.Suite{
		Format: report.Format, ID: id, Name: "nightly", Started: time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC).AddDate(0, 0, day),
		Workload: report.Workload{Name: workload, Hash: workload},
	}
	for i, v := range ttft {
		s.Runs = append(s.Runs, &report.Run{
			ID: fmt.Sprint(id, i), Suite: id, Repeat: i, Cell: report.Cell{Target: "p/m"}, Load: report.Load{Mode: "open", Process: "poisson", Rate: 5},
			Summary: report.Summary{Requests: 500, OK: 500, TPS: 5, TTFT: report.Dist{N: 500, P50: v}}, Verdict: report.Verdict{State: "valid"},
		})
	}
	b, err := json.Marshal(s)
	if err != nil {
		l.t.Fatal(err)
	}
	dir := filepath.Join(l.dirs, id)
	if err := os.Mkdir(dir, 0o700); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "suite.json"), b, 0o600); err != nil {
		l.t.Fatal(err)
	}
	return dir
}

// run executes one of the commands and returns what it wrote, its error and the exit code that the error stands for.
func (l *lab) run(args ...string) (out string, code int, err error) {
	l.t.Helper()
	open := func(cmd *cobra.Command) (*store.Store, *auth.Config, error) {
		s, err := store.Open(cmd.Context(), "", l.data)
		return s, nil, err
	}
	root := &cobra.Command{Use: "bench", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(newBenchCompareCommand(open), newBenchHistoryCommand(open), newBenchBaselineCommand(open), newBenchAnnotateCommand(open))
	var b bytes.Buffer
	root.SetOut(&b)
	root.SetErr(&bytes.Buffer{})
	root.SetArgs(args)
	if err = root.ExecuteContext(l.t.Context()); err != nil {
		code = exitCode(err)
	}
	return b.String(), code, err
}

// want fails unless a command ends with a code and its output and error say all of the words.
func (l *lab) want(code int, words []string, args ...string) string {
	l.t.Helper()
	out, got, err := l.run(args...)
	text := out
	if err != nil {
		text += "\n" + err.Error()
	}
	if got != code {
		l.t.Errorf("%q ends with %d, want %d:\n%s", args, got, code, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			l.t.Errorf("%q does not say %q:\n%s", args, w, text)
		}
	}
	return out
}

func TestCompareCommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, same := l.suite("a1", "chat", 1, 99, 100, 101, 100, 100), l.suite("a2", "chat", 2, 100, 101, 99, 100, 100)
	slow, other := l.suite("b1", "chat", 3, 120, 121, 119, 120, 122), l.suite("c1", "rag", 4, 100, 100)
	noisy := l.suite("d1", "chat", 5, 80, 150, 90, 140, 100)

	l.want(0, []string{"0 worse", "no regression"}, "compare", a, same)
	l.want(3, []string{"ttft_p50_ms", "worse", "+20.4%", "worse than the baseline: ttft_p50_ms of p/m at 5/s poisson"}, "compare", a, slow)
	l.want(0, []string{"better"}, "compare", slow, a)
	l.want(0, []string{"unsure"}, "compare", a, filepath.Join(noisy, "suite.json"))
	l.want(3, []string{"1 figures are unsure"}, "compare", a, noisy, "--strict")
	l.want(0, []string{"no regression"}, "compare", a, slow, "--tolerance", "25%")
	l.want(1, []string{"different workloads", "name chat and rag", "--force"}, "compare", a, other)
	l.want(0, []string{"warning: the workloads differ"}, "compare", a, other, "--force", "--metric", "tps")
	l.want(3, []string{"### Regression in 1 of"}, "compare", a, slow, "--markdown")
	var c report.Comparison
	if err := json.Unmarshal([]byte(l.want(3, nil, "compare", a, slow, "--json")), &c); err != nil || c.Counts.Worse != 1 || c.Base.ID != "a1" {
		t.Errorf("JSON: %v, %+v", err, c)
	}

	l.want(1, []string{"there is no suite \"b9\"", "has none", "no file or directory"}, "compare", a, "b9")
	l.want(1, []string{"no such file"}, "compare", a, "./b9")
	l.want(1, []string{`--tolerance "5"`, "such as 5% or 0.05"}, "compare", a, slow, "--tolerance", "5")
	l.want(1, []string{"did you mean ttft_p50_ms"}, "compare", a, slow, "--metric", "ttft_p50")
	l.want(1, []string{"there is no baseline"}, "compare", a)
	l.want(1, []string{"both are the baseline"}, "compare", "baseline", "baseline")
	file := filepath.Join(a, "x.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.want(1, []string{"is a file: name the suite's directory"}, "compare", file, slow)

	// From the database.
	l.want(0, []string{"a1\nb1"}, "history", "add", a, slow)
	l.want(3, nil, "compare", "a1", "latest")
	l.want(0, []string{"suite a1 is the baseline of chat"}, "baseline", "set", "a1")
	l.want(3, nil, "compare", slow)
	l.want(3, nil, "compare", "baseline", "b1")
	l.want(0, nil, "compare", "b1", "baseline")
	l.want(1, []string{"no baseline of the workload \"rag\"", "chat"}, "compare", other)
}

func TestBaselineCommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.suite("a1", "chat", 1, 100, 100)
	l.want(0, []string{"no baseline"}, "baseline", "show")
	l.want(0, []string{"suite a1 is the baseline of chat"}, "baseline", "set", a) // takes it over first
	l.want(0, []string{"chat", "a1", "nightly", "2026-01-02"}, "baseline", "show")
	var views []baselineView
	if err := json.Unmarshal([]byte(l.want(0, nil, "baseline", "show", "--json")), &views); err != nil || len(views) != 1 || views[0].Suite != "a1" {
		t.Errorf("JSON: %v, %+v", err, views)
	}
	l.want(1, []string{"did you mean nightly"}, "baseline", "set", "nigthly")
	l.want(1, []string{"no baseline of the workload"}, "baseline", "clear", "rag")
	l.want(0, []string{"chat has no baseline any more"}, "baseline", "clear")
}

func TestHistoryCommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.want(0, []string{"no suites", "history add"}, "history")
	args := []string{"history", "add"}
	for day := range 24 {
		v := 100 + float64(day%3)
		if day >= 20 {
			v += 30
		}
		args = append(args, l.suite(fmt.Sprintf("s%02d", day), "chat", day, v, v+1, v-1))
	}
	l.want(0, []string{"s00", "s23"}, args...)
	l.want(0, []string{"baseline of chat"}, "baseline", "set", "s03")
	l.want(0, []string{"2026-01-24 03:00  s23  nightly  chat      1      3     -", "baseline"}, "history")
	var views []suiteView
	if err := json.Unmarshal([]byte(l.want(0, nil, "history", "--json", "--limit", "5")), &views); err != nil || len(views) != 5 || views[0].ID != "s23" {
		t.Errorf("JSON: %v, %+v", err, views)
	}
	text := l.want(0, []string{"24 suites", "ttft_p50_ms", "worse +30", "from nightly (s20)", "perhaps capacity"}, "history", "--metric", "ttft_p50_ms")
	id := strings.Fields(text[strings.Index(text, "    c"):])[0]
	l.want(0, []string{"s20,nightly,2026-01-21T03:00:00Z", id}, "history", "--metric", "ttft_p50_ms", "--csv")
	l.want(0, []string{`"estimated_cause": "capacity"`}, "history", "--metric", "ttft_p50_ms", "--json")
	l.want(3, []string{"1 figures are worse since one of the last 5 suites (" + id, "annotate"}, "history", "--fail-on-change")
	l.want(0, nil, "history", "--fail-on-change", "--newest", "3")

	l.want(1, []string{"no cause", "did you mean capacity"}, "annotate", id, "--cause", "capacit")
	l.want(1, []string{"no suite", "no change of that id"}, "annotate", "c00000000", "--cause", "noise")
	l.want(1, []string{"is a change of one figure"}, "annotate", id, "--cause", "noise", "--metric", "tps")
	l.want(1, []string{`has no cell "x"; it has p/m at 5/s poisson`}, "annotate", "s20", "--cause", "noise", "--cell", "x")
	l.want(1, []string{"--metric: there is no metric"}, "annotate", "s20", "--cause", "noise", "--metric", "x")
	l.want(0, []string{"noted model-update for ttft_p50_ms of p/m at 5/s poisson from suite s20 on"}, "annotate", id, "--cause", "model-update", "--note", "v2")
	l.want(0, []string{"model-update, v2"}, "history", "--fail-on-change")
	l.want(0, []string{"model-update"}, "history")

	l.want(0, []string{"suite r1"}, "baseline", "set", l.suite("r1", "rag", 30, 1, 1))
	l.want(1, []string{"several workloads", "chat, rag"}, "history", "--changes")
	l.want(0, []string{"changes are looked for from 5 suites on"}, "history", "--workload", "chat", "--limit", "2", "--changes")
	l.want(1, []string{`no workload "rga"`, "chat,rag"}, "history", "--workload", "rga", "--changes")
	l.want(1, []string{"no suites of \"rag\" in that time"}, "history", "--workload", "rag", "--changes", "--until", "2026-01-05")
	l.want(1, []string{`no cell has "gpt"`}, "history", "--workload", "chat", "--cell", "gpt")
	l.want(1, []string{"--limit 0"}, "history", "--limit", "0")
	l.want(1, []string{`--since "soon"`}, "history", "--since", "soon")
	l.want(0, []string{"suite r1 is removed"}, "history", "remove", "r1")
	l.want(1, []string{"no suite"}, "history", "remove", "r1")
}
