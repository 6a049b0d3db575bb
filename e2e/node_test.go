package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"sluice/e2e/harness"
)

var passed = regexp.MustCompile(`(?m)^\S+ pass (\d+)$`)

// TestNodeClients runs the tests in node/ with the clients that they are for: for each the current version, and the previous
// major one where there is any.
func TestNodeClients(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("these tests need Node.js 20 or later with npm: %v", err)
		}
	}
	install(t)
	for name, dir := range map[string]string{
		"openai":            "openai",
		"openai6":           "openai",
		"@anthropic-ai/sdk": "anthropic",
		"anthropic0":        "anthropic",
		"@google/genai":     "genai",
		"ai":                "vercel",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nodeTests(t, name, dir)
		})
	}
}

// nodeTests runs the tests of a directory with a client before a stage of its own.
func nodeTests(t *testing.T, client, dir string) {
	files, err := filepath.Glob(filepath.Join("node", dir, "*.test.mjs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files of node/%s: %v, error %v", dir, files, err)
	}
	args := []string{"--test", "--test-reporter=spec", "--test-concurrency=4"}
	for _, file := range files {
		args = append(args, filepath.Join(dir, filepath.Base(file)))
	}
	stage := harness.StartStage(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*harness.Hang)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = "node"
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "SLUICE_CLIENT="+client, "SLUICE_URL="+stage.Gateway.URL, "PATIENT_URL="+stage.Patient.URL, "SIM_URL="+stage.Sim.Root(),
		"SLUICE_KEY="+harness.Key, "SLUICE_KEY_LIMITED="+harness.KeyLimited, "SLUICE_KEY_ONE="+harness.KeyOne, "SLUICE_KEY_WRONG="+harness.KeyWrong,
		"SLUICE_KEY_HELD="+harness.KeyHeld, "SLUICE_KEY_COUNTED="+harness.KeyCounted, "SLUICE_KEY_PAID="+harness.KeyPaid)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
	if m := passed.FindSubmatch(out); m == nil || string(m[1]) == "0" {
		t.Errorf("no test has run:\n%s", out)
	} else {
		t.Logf("%s tests have passed", m[1])
	}
}

// install installs the locked packages where they are missing or not those of the lock file.
func install(t *testing.T) {
	t.Helper()
	cmd := exec.Command(filepath.Join("..", "scripts", "node-deps"), "node")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}
