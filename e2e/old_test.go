package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sluice/e2e/harness"
)

// TestOldOpenAIGo runs the tests of openaigo with the version of the client that openai-go-old.mod names, which fails at
// comments in streams (mended in v3.43.0). One module cannot hold two versions of another.
func TestOldOpenAIGo(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout=4m", "-modfile=openai-go-old.mod", "-tags=oldclient", "./openaigo")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// TestOldAnthropicGo runs the tests of anthropicgo with version 1 of the client, which is another module: the same files, with its
// import path.
func TestOldAnthropicGo(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("anthropicgo", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, error %v", files, err)
	}
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		original, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("github.com/anthropics/anthropic-sdk-go/v2"), []byte("github.com/anthropics/anthropic-sdk-go"))
		overlay.Replace[original] = harness.WriteFile(t, filepath.Join(dir, filepath.Base(file)), string(text))
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	name := harness.WriteFile(t, filepath.Join(dir, "overlay.json"), string(list))
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-timeout=4m", "-overlay="+name, "-tags=oldclient", "./anthropicgo")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestClient") {
		t.Errorf("%v: %v\n%s", cmd.Args, err, out)
	}
}
