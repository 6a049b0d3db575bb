package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"
	"github.com/google/go-cmp/cmp"
)

// golden compares got with a file. With UPDATE_GOLDEN=1 in the environment it writes the file first.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (UPDATE_GOLDEN=1 writes it):\n%s", path, diff)
	}
}

func textOf(t *testing.T, s *Suite, results []CellResult, o TextOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Text(&b, s, results, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// widest is the width of the longest line on the screen.
func widest(text []byte) (w int) {
	for line := range strings.Lines(string(text)) {
		w = max(w, displaywidth.Options{ControlSequences: true}.String(strings.TrimSuffix(line, "\n")))
	}
	return w
}

func TestTextOfASuite(t *testing.T) {
	t.Parallel()
	dir, results := writeTestSuite(t)
	s, err := ReadSuite(dir)
	if err != nil {
		t.Fatal(err)
	}
	plain := textOf(t, s, results, TextOptions{})
	golden(t, "suite.txt", plain)
	if bytes.ContainsRune(plain, '\x1b') {
		t.Error("plain text has sequences in it")
	}
	colored := textOf(t, s, results, TextOptions{Color: true})
	golden(t, "suite.ansi.txt", colored)
	for _, text := range [][]byte{plain, colored} {
		if w := widest(text); w > 100 {
			t.Errorf("%d columns, want at most 100", w)
		}
	}
}

// wideSuite is a sweep over many regions with names in several scripts.
func wideSuite() (*Suite, []CellResult) {
	s := testSuite()
	s.Workload.Citation = "Azure LLM inference trace 2023 (Splitwise, ISCA'24), CC-BY"
	s.Stopped = "spend"
	for i, region := range []string{"", "ap-northeast-1", "ap-southeast-2", "eu-central-1"} {
		for j, model := range []string{"通义千问-大模型-72b-instruct", "a-model-with-a-very-long-name-that-goes-on-and-on-preview-2026-11", "tiny\x1b[31m"} {
			for step := range 2 {
				if j == 2 && i > 0 {
					continue
				}
				tps := float64((i+1)*(j+1)*(step+1)) * 1234.5
				sum := Summary{Window: 60, Requests: 100, OK: 90, Failed: 10, TPS: tps, Goodput: tps, OutputRate: tps * 100, RPM: tps * 60, TPM: tps * 6000, RPMLimit: 1_000_000, TPMLimit: -1, RPMUsed: .5, TPMUsed: -1, Errors: map[string]int64{"rate_limited": 7, "overloaded": 3}, CostPerCall: .011, CostPerHour: tps * .011 * 3600, RateLimited: 7}
				run := runOf(testCell("provider", model, region), step, 0, sum)
				run.Load.Rate = tps
				if j == 1 && i == 2 {
					run.Verdict = Verdict{StateInvalid, []string{"achieved 0.91 of the scheduled rate, at least 0.99 is wanted", "median dispatch lag is 45 ms, less than 10 ms is wanted, and this reason goes on for longer than a line has room"}}
				}
				s.Runs = append(s.Runs, run)
			}
		}
	}
	results, err := Aggregate(s, nil)
	if err != nil {
		panic(err) // only broken histograms fail, and there are none
	}
	return s, results
}

func TestTextIsSafeAndFits(t *testing.T) {
	t.Parallel()
	s, results := wideSuite()
	plain := textOf(t, s, results, TextOptions{Width: 100})
	golden(t, "sweep.txt", plain)
	for _, width := range []int{100, 120, 200} {
		if w := widest(textOf(t, s, results, TextOptions{Width: width})); w > width {
			t.Errorf("%d columns, want at most %d", w, width)
		}
	}
	if bytes.ContainsRune(plain, '\x1b') {
		t.Error("the other side's text reaches the terminal as a sequence")
	}
}

func TestTextOfNothing(t *testing.T) {
	t.Parallel()
	got := string(textOf(t, testSuite(), nil, TextOptions{}))
	if want := "nightly · chatbot support 1.0 · 2026-11-21 14:10 UTC · 0 runs in 12m3s\n\nNo run has ended.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestTextReportsErrors(t *testing.T) {
	t.Parallel()
	s, results := wideSuite()
	if err := Text(brokenPipe{}, s, results, TextOptions{}); err == nil {
		t.Error("no error")
	}
	if err := JSON(brokenPipe{}, s, results); err == nil {
		t.Error("no error of JSON")
	}
}

func TestCutMiddle(t *testing.T) {
	t.Parallel()
	f := func(s string, width int, want string) {
		t.Helper()
		got := cutMiddle(s, width)
		if got != want || displaywidth.String(got) > width {
			t.Errorf("%q in %d columns is %q, want %q", s, width, got, want)
		}
	}
	f("short", 5, "short")
	f("abcdefghij", 7, "abc…hij")
	f("abcdefghij", 6, "ab…hij")
	f("模型模型模型", 8, "模…模型")
	f("ab", 1, "a")
}

func TestNumbersAsText(t *testing.T) {
	t.Parallel()
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(numText(0), "0")
	f(numText(.00123), "0.0012")
	f(numText(1.234), "1.23")
	f(numText(99.96), "100")
	f(numText(12.34), "12.3")
	f(numText(12345.6), "12,346")
	f(numText(99_999.9), "100k")
	f(numText(999_499), "999k")
	f(numText(999_999), "1.00M")
	f(numText(12_345_678), "12.3M")
	f(numText(123_456_789), "123M")
	f(percentText(.0004), "<0.1%")
	f(percentText(.0123), "1.2%")
	f(percentText(.5), "50%")
	f(moneyText(1584), "1,584")
	f(moneyText(118.8), "119")
	f(moneyText(11), "11.00")
	f(moneyText(.55), "0.55")
	f(moneyText(.000375), "0.000375")
	f(moneyText(0), "0")
	f(moneyStat(Stat{}, 1), missingText)
}

func TestTextOfASearch(t *testing.T) {
	t.Parallel()
	c := Cell{Target: "a/m", Provider: "a", Model: "m", Region: "eu"}
	dir, results := writeTestSuite(t)
	s, err := ReadSuite(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Found = []Found{
		{Cell: c, Rate: 38.3, Verified: 3, Steps: 12, Reason: "held 3 times in a row"},
		{Cell: c, Steps: 5, Reason: "the limit of 5 load levels was met before a rate was verified"},
	}
	text := string(textOf(t, s, results, TextOptions{}))
	for _, want := range []string{"a/m eu: 38.3 requests/s (12 load levels tried; held 3 times in a row)", "a/m eu: none of the 5 that were tried"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// TestTextUnfinished: a suite whose command was killed does not look like one that was asked for so few runs.
func TestTextUnfinished(t *testing.T) {
	t.Parallel()
	f := func(ended time.Time, stopped string, want bool) {
		t.Helper()
		var out bytes.Buffer
		s := &Suite{Name: "chat", Started: time.Unix(1_700_000_000, 0), Ended: ended, Stopped: stopped}
		if err := Text(&out, s, nil, TextOptions{Width: 100}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(out.String(), "not finished"); got != want {
			t.Errorf("ended %v, stopped %q: not finished is said: %v, want %v", ended, stopped, got, want)
		}
	}
	f(time.Time{}, "", true)
	f(time.Time{}, "interrupted", false)
	f(time.Unix(1_700_000_100, 0), "", false)
}
