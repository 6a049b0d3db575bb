package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sluice/e2e/harness"
)

var curlLine = regexp.MustCompile(`(?m)^  (curl .*)$`)

// runPrinted runs the command that a gateway prints, exactly as printed, and returns its output and when the first of it
// came.
func runPrinted(t *testing.T, p *harness.Proc) (out string, first time.Time) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("the printed command needs curl: %v", err)
	}
	return runLine(t, p.Match(t, curlLine))
}

// runLine runs a command in a shell.
func runLine(t *testing.T, line string) (out string, first time.Time) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Env = harness.Env()
	var w firstWrite
	cmd.Stdout = &w
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, w.text.String())
	}
	return w.text.String(), w.at
}

// firstWrite keeps what is written and when that began.
type firstWrite struct {
	text strings.Builder
	at   time.Time
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.at.IsZero() {
		w.at = time.Now()
	}
	return w.text.Write(p)
}

// wantStream checks that text is a complete stream.
func wantStream(t *testing.T, text string) {
	t.Helper()
	for _, want := range []string{`"content":"`, `"finish_reason":"stop"`, "data: [DONE]\n\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("stream lacks %s:\n%s", want, text)
		}
	}
}

// TestQuickStart does what a newcomer does: no configuration, no keys, the printed command.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	best := time.Hour
	for range 3 { // other tests load the machine: one of three starts has to be quick
		p := harness.Start(t, t.TempDir(), harness.Env(), "serve", "--listen", "127.0.0.1:0")
		out, first := runPrinted(t, p)
		wantStream(t, out)
		best = min(best, first.Sub(p.Started()))
		p.Stop()
		if best < time.Second {
			return
		}
	}
	t.Errorf("the first answer came %v after the start, want less than 1 s", best)
}

// TestReadmeShowsThePrintedCommands holds the README to what the program prints on the default address, and runs each of the commands.
func TestReadmeShowsThePrintedCommands(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := curlLine.FindAllSubmatch(readme, -1)
	ends := []string{"data: [DONE]", "event: message_stop", `"finishReason":"STOP"`}
	if len(shown) != len(ends) {
		t.Fatalf("the README shows %d curl lines, want %d", len(shown), len(ends))
	}
	g := harness.ServeIn(t, t.TempDir(), harness.Env(), "--listen", "127.0.0.1:0")
	for i, end := range ends {
		line := strings.Replace(string(shown[i][1]), "http://127.0.0.1:8080", g.URL, 1)
		g.Match(t, regexp.MustCompile("(?m)^  ("+regexp.QuoteMeta(line)+")$"))
		if out, _ := runLine(t, line); !strings.Contains(out, end) {
			t.Errorf("%s\nanswers without %s:\n%s", line, end, out)
		}
	}
}

// TestProviderFromEnvironment sets what users of OpenAI's own SDKs have set already.
func TestProviderFromEnvironment(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "api_key: from-environment\nany_model: true\nrecord: 10\nlatency: none\n")
	g := harness.ServeIn(t, t.TempDir(), harness.Env("OPENAI_API_KEY=from-environment", "OPENAI_BASE_URL="+sim.URL), "--listen", "127.0.0.1:0")
	out, _ := runPrinted(t, g.Proc)
	wantStream(t, out)
	if strings.Contains(g.Out()+g.Log(), "from-environment") {
		t.Error("the provider's key was printed")
	}
	rs := sim.Calls(t)
	if len(rs) != 1 || rs[0].Header.Get("Authorization") != "Bearer from-environment" || rs[0].Path != "/v1/chat/completions" {
		t.Errorf("the provider has seen %+v", rs)
	}
}

// TestRefuseOpen wants no gateway that anybody can reach without a key.
func TestRefuseOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, log := harness.Run(t, dir, harness.Env(), "serve", "--listen", "0.0.0.0:0")
	if code != 1 || strings.Contains(out, "Sluice") {
		t.Errorf("exit code %d, output %q", code, out)
	}
	for _, want := range []string{"0.0.0.0:0", "without keys", "sluice keys create", "keys:", "--listen 127.0.0.1"} {
		if !strings.Contains(log, want) {
			t.Errorf("message %q lacks %q", log, want)
		}
	}
	// What the message says must help.
	if code, _, log := harness.Run(t, dir, harness.Env(), "keys", "create", "--name", "first"); code != 0 {
		t.Fatalf("keys create: %s", log)
	}
	p := harness.Start(t, dir, harness.Env(), "serve", "--listen", "0.0.0.0:0")
	p.Match(t, regexp.MustCompile(`(?m)^Sluice \S+ on (\S+)$`))
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().String()
	code, _, log := harness.Run(t, "", harness.Env(), "serve", "--listen", addr)
	if code != 1 || !strings.Contains(log, addr) || !strings.Contains(log, "in use") || !strings.Contains(log, "--listen") {
		t.Errorf("exit code %d, message %q", code, log)
	}
}

// TestConfigCheck has two errors in a file: both are reported with their places, by check as by serve.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	file := harness.WriteFile(t, filepath.Join(t.TempDir(), "sluice.yaml"), "listen: 127.0.0.1:0\nprovidrs: {}\ntimeouts:\n  idle: soon\n")
	for _, args := range [][]string{{"config", "check", file}, {"serve", "--config", file}} {
		code, _, log := harness.Run(t, "", harness.Env(), args...)
		if code != 1 {
			t.Errorf("%v: exit code %d", args, code)
		}
		for _, want := range []string{file + ":2:1: providrs:", `"providers"`, file + ":4:9: timeouts.idle:"} {
			if !strings.Contains(log, want) {
				t.Errorf("%v: message lacks %s:\n%s", args, want, log)
			}
		}
	}
	good := harness.WriteFile(t, filepath.Join(t.TempDir(), "sluice.yaml"), "listen: 127.0.0.1:0\n")
	if code, out, log := harness.Run(t, "", harness.Env(), "config", "check", good); code != 0 || !strings.Contains(out, "ok") {
		t.Errorf("a good file: exit code %d, %s%s", code, out, log)
	}
}
