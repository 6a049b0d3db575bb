package live

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/google/go-cmp/cmp"

	"sluice/internal/bench"
	"sluice/internal/report"
	"sluice/internal/workload"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sample is a run in its middle.
func sample() bench.Progress {
	return bench.Progress{
		Cell: report.Cell{Target: "openai/gpt-4o-mini", Provider: "openai", Model: "gpt-4o-mini", Region: "us-east-1"},
		Run:  2, Runs: 12, Repeat: 1, Repeats: 3, Step: 0, Steps: 4,
		Phase: workload.Sustain, Elapsed: 45 * time.Second, Total: 80 * time.Second,
		Target: 20, Rate: 19.83, TPS: 19.5, Tokens: 2310, InFlight: 31,
		Sent: 12_203, OK: 12_159, Failed: 13, RateLimited: 2,
		Errors: map[string]int64{"provider_rate_limited": 2, "provider_error": 10, "provider_truncated": 1, "provider_stalled": 0},
		TTFT50: 212, TTFT95: 480.4, TTFT99: 1912, E2E50: 1211, E2E95: 12_330, TPOT50: 7.25,
		Spent: 0.1234, Cap: 5, LagP99: 0.42, CPU: 0.35, RPMUsed: 0.71, TPMUsed: 0.97,
	}
}

// played is the screen after 45 seconds of a run.
func played(p bench.Progress, width, height int) *screen {
	s := &screen{name: "chatbot-support", slo: workload.SLO{TTFT: 500 * time.Millisecond}, width: width, height: height}
	for i := range 180 {
		q := p
		q.Elapsed = time.Duration(i) * 250 * time.Millisecond
		q.Rate = min(p.Rate*float64(i)/80, p.Rate)
		q.Tokens = min(p.Tokens*float64(i)/80, p.Tokens)
		q.TTFT95 = p.TTFT95 * (1 + 0.5*math.Sin(float64(i)/12))
		s.add(q)
	}
	s.add(p)
	return s
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestGolden(t *testing.T) {
	f := func(name string, width, height int, change func(*bench.Progress, *screen)) {
		t.Helper()
		p := sample()
		s := played(p, width, height)
		if change != nil {
			change(&p, s)
			s.add(p)
		}
		styled := s.draw()
		for i, line := range strings.Split(styled, "\n") {
			if w := lipgloss.Width(line); w > max(width, minWidth) {
				t.Errorf("%s: line %d is %d wide, the screen %d", name, i+1, w, width)
			}
		}
		if n := strings.Count(styled, "\n") + 1; n > height {
			t.Errorf("%s: %d lines on a screen of %d", name, n, height)
		}
		got := escapes.ReplaceAllString(styled, "")
		// The number of processors is the machine's.
		got = regexp.MustCompile(`(CPU [0-9.]+ of) \d+`).ReplaceAllString(got, "$1 N") + "\n"
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, width := range []int{60, 80, 100, 160, 220} {
		f("w"+strconv.Itoa(width), width, 40, nil)
	}
	f("low", 100, 16, nil)
	f("brief", 100, 8, nil)
	f("tiny", 30, 3, nil)
	f("saturated", 100, 40, func(p *bench.Progress, s *screen) {
		p.Saturated, p.LagP99, p.CPU, p.Rate, s.interrupts = true, 412, 1.97, 11.2, 1
	})
	f("wide-characters", 60, 40, func(p *bench.Progress, _ *screen) {
		p.Cell.Target, p.Cell.Region = "供应商/一个名字非常长的语言模型一个名字非常长的语言模型👩‍👩‍👧‍👦", "東京"
		p.Errors = map[string]int64{"эрор\x1b[2J": 3, "錯誤錯誤錯誤錯誤錯誤錯誤錯誤錯誤錯誤錯誤錯誤錯誤錯誤": 2}
	})
	f("nothing-known", 100, 40, func(p *bench.Progress, _ *screen) {
		*p = bench.Progress{Cell: report.Cell{Target: "sim/sim-fast"}, Run: 0, Runs: 1, RPMUsed: -1, TPMUsed: -1}
	})
	if got := (&screen{width: 80, height: 24}).draw(); !strings.Contains(got, "waiting for the first figures") {
		t.Errorf("without progress: %q", got)
	}
}
