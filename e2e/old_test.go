package e2e

import (
	"os/exec"
	"testing"
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
