package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice/e2e/harness"
)

// runKeyed runs a command with the gateway's address and a key in the environment, and returns its output.
func runKeyed(t *testing.T, g *harness.Gateway, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Env = harness.Env("SLUICE="+g.URL, "SLUICE_KEY="+harness.Key)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestPrintedCommandsOverEachUpstream runs what a gateway with keys prints, over a provider of each dialect.
func TestPrintedCommandsOverEachUpstream(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "api_key: "+harness.ProviderKey+"\nany_model: true\nlatency: none\n")
	ends := []string{"data: [DONE]", "event: message_stop", `"finishReason":"STOP"`}
	version := map[string]string{"openai": "/v1"} // of the others' addresses it may be left out
	for _, dialect := range harness.Upstreams() {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			g := harness.StartGateway(t, "providers:\n  one: {api: "+dialect+", base_url: "+sim.Root()+version[dialect]+", api_key: "+harness.ProviderKey+", models: [sim-fast]}\n"+
				"keys: [{name: all, key: "+harness.Key+"}]\n")
			g.Match(t, curlLine)
			lines := curlLine.FindAllStringSubmatch(g.Out(), -1)
			if len(lines) != len(ends) {
				t.Fatalf("%d commands are printed, want %d:\n%s", len(lines), len(ends), g.Out())
			}
			for i, end := range ends {
				if out := runKeyed(t, g, lines[i][1]); !strings.Contains(out, end) {
					t.Errorf("%s\nanswers without %s:\n%s", lines[i][1], end, out)
				}
			}
		})
	}
}

// TestClientsPage runs the commands of docs/CLIENTS.md, and holds the versions that it names to those that are tested.
func TestClientsPage(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "docs", "CLIENTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	stage := harness.StartStage(t)
	lines := regexp.MustCompile(`(?m)^curl .*$`).FindAllString(page, -1)
	ends := []string{`"finish_reason":"stop"`, `"status":"completed"`, `"stop_reason":"end_turn"`, `"finishReason":"STOP"`}
	if len(lines) != len(ends) {
		t.Fatalf("the page has %d commands, want %d", len(lines), len(ends))
	}
	for i, end := range ends {
		if out := runKeyed(t, stage.Gateway, lines[i]); !strings.Contains(out, end) {
			t.Errorf("%s\nanswers without %s:\n%s", lines[i], end, out)
		}
	}
	for file, version := range map[string]*regexp.Regexp{
		"go.mod":            regexp.MustCompile(`(?m)^\t(?:github\.com/(?:openai|anthropics)/\S+|google\.golang\.org/genai) (v\S+)`),
		"openai-go-old.mod": regexp.MustCompile(`(?m)^\tgithub\.com/openai/\S+ (v\S+)`),
		"node/package.json": regexp.MustCompile(`(?m)^    "(?:openai6?|anthropic0|ai|@[^"]+)": "(?:npm:.*@)?([0-9.]+)"`),
	} {
		list, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := version.FindAllStringSubmatch(string(list), -1)
		if len(found) == 0 {
			t.Errorf("%s names no client", file)
		}
		for _, m := range found {
			if !strings.Contains(page, m[1]) {
				t.Errorf("%s has %s, which docs/CLIENTS.md does not name", file, m[0])
			}
		}
	}
}
