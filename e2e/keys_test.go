package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/e2e/harness"
)

// TestKeysWhileServing makes and revokes keys by the command line beside a running gateway.
func TestKeysWhileServing(t *testing.T) {
	t.Parallel()
	g := harness.StartGateway(t, "keys: [{name: a, key: sk-client-key-0123456789}]\n")
	call := func(key string) int {
		return g.Post(t, "/v1/chat/completions", harness.Chat("sim/sim-fast", "hi [[sim:tokens=2]]", false), "Authorization: Bearer "+key).Status
	}
	code, out, log := harness.Run(t, g.Dir, harness.Env(), "keys", "create", "--config", g.File, "--name", "b", "--models", "sim/sim-fast")
	key := strings.TrimSpace(out)
	if code != 0 || !strings.HasPrefix(key, "sk-") {
		t.Fatalf("keys create: exit code %d, %q, %s", code, out, log)
	}
	if status := call(key); status != http.StatusOK {
		t.Errorf("status %d with a key that was just made", status)
	}
	if a := g.Post(t, "/v1/chat/completions", harness.Chat("sim/sim-slow", "hi", false), "Authorization: Bearer "+key); a.Status != http.StatusForbidden {
		t.Errorf("status %d for a model that the key may not use: %s", a.Status, a.Body)
	}
	if _, out, _ := harness.Run(t, g.Dir, harness.Env(), "keys", "list", "--config", g.File); !strings.Contains(out, "b ") || strings.Contains(out, key) {
		t.Errorf("keys list:\n%s", out)
	}
	if code, _, log := harness.Run(t, g.Dir, harness.Env(), "keys", "revoke", "--config", g.File, "b"); code != 0 {
		t.Fatalf("keys revoke: %s", log)
	}
	revoked := time.Now()
	harness.Eventually(t, harness.Wait, func() error {
		if status := call(key); status != http.StatusUnauthorized {
			return fmt.Errorf("status %d with a revoked key", status)
		}
		return nil
	})
	// The directory looks once a second; the rest is for a busy machine.
	if took := time.Since(revoked); took > 3*time.Second {
		t.Errorf("the revoked key worked for %v", took)
	}
	if status := call("sk-client-key-0123456789"); status != http.StatusOK {
		t.Errorf("status %d with the other key", status)
	}
}
