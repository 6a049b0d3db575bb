package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sluice/e2e/harness"
)

// steadySim has a model that says ten tokens a second or so, and echoes what it is told to say.
const steadySim = `
models:
  - {name: quick}
  - {name: steady, speed: {step: 50ms}}
`

// say asks for exactly these words.
func say(words string) string { return "[[sim:say=" + words + "]]" }

// stream is a streamed answer under way.
type stream struct {
	resp *http.Response
	r    *bufio.Reader
}

// openStream begins a stream and returns once its headers are there: the gateway sends them with the first token.
func openStream(t *testing.T, g *harness.Gateway, model, message string, headers ...string) *stream {
	t.Helper()
	resp, err := g.Open(http.MethodPost, "/v1/chat/completions", harness.Chat(model, message, true), headers...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("status %d: %s", resp.StatusCode, b)
	}
	return &stream{resp, bufio.NewReader(resp.Body)}
}

// rest reads the stream to its end.
func (s *stream) rest() (string, error) {
	b, err := io.ReadAll(s.r)
	return string(b), err
}

func TestReload(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, steadySim)
	config := func(header, models string) string {
		return harness.Config(fmt.Sprintf("providers:\n  up: {base_url: %s, headers: {X-Step: %s}}\n  other: {base_url: %s}\nmodels:\n%s", sim.URL, header, sim.URL, models))
	}
	dir := t.TempDir()
	file := harness.WriteFile(t, filepath.Join(dir, "sluice.yaml"), config("one", "  a: {targets: [up/steady]}\n"))
	g := harness.ServeIn(t, dir, harness.Env(), "--config", file)
	target := func(model string) string {
		return g.Post(t, "/v1/chat/completions", harness.Chat(model, say("hi"), false)).Header.Get("X-Sluice-Target")
	}
	reloads := func(result string) float64 {
		return g.Metric(t, `sluice_config_reloads_total{result="`+result+`"}`)
	}
	wantReloads := func(result string, n float64) {
		t.Helper()
		harness.Eventually(t, harness.Wait, func() error {
			if got := reloads(result); got != n {
				return fmt.Errorf("%v reloads with result %s, want %v", got, result, n)
			}
			return nil
		})
	}

	words := strings.Repeat("word ", 30) + "end"
	under := openStream(t, g, "a", say(words))

	// The alias moves to another target, another appears, and the account of the call under way is replaced.
	replaceFile(t, g.File, config("two", "  a: {targets: [other/quick]}\n  b: {targets: [up/quick]}\n"))
	wantReloads("ok", 1)
	if a, b := target("a"), target("b"); a != "other/quick" || b != "up/quick" {
		t.Errorf("a goes to %q, b to %q", a, b)
	}
	text, err := under.rest()
	if err != nil || !strings.Contains(text, "end") || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("the stream under way ended with %v:\n%s", err, text)
	}
	if got := under.resp.Header.Get("X-Sluice-Target"); got != "up/steady" {
		t.Errorf("the stream under way came from %q", got)
	}

	// A broken file changes nothing, and the log says why.
	replaceFile(t, g.File, "modls: {}\n")
	wantReloads("error", 1)
	if a, b := target("a"), target("b"); a != "other/quick" || b != "up/quick" {
		t.Errorf("after a broken file, a goes to %q, b to %q", a, b)
	}
	if !strings.Contains(g.Log(), "modls") {
		t.Errorf("the log does not name the wrong key:\n%s", g.Log())
	}

	// SIGHUP reads the file again though it has not changed.
	g.Signal(t, syscall.SIGHUP)
	wantReloads("error", 2)
	replaceFile(t, g.File, config("three", "  c: {targets: [up/quick]}\n"))
	wantReloads("ok", 2)
	if c := target("c"); c != "up/quick" {
		t.Errorf("c goes to %q", c)
	}
	if a := g.Post(t, "/v1/chat/completions", harness.Chat("b", "hi", false)); a.Status != http.StatusNotFound {
		t.Errorf("status %d for an alias that is gone", a.Status)
	}
}

// replaceFile puts another file in the place of one, as careful editors do: there is no moment with half a file.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	next := harness.WriteFile(t, filepath.Join(filepath.Dir(path), "next.yaml"), text)
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}
