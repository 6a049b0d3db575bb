package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/e2e/harness"
)

// drainGateway returns a running gateway before a simulator, with the given drain settings.
func drainGateway(t *testing.T, drain string) (*harness.Gateway, *harness.Sim) {
	t.Helper()
	sim := harness.StartSim(t, steadySim)
	return harness.StartGateway(t, fmt.Sprintf("drain: %s\nproviders:\n  up: {base_url: %s}\n", drain, sim.URL)), sim
}

// wantNotReady waits until /readyz says that the gateway is draining.
func wantNotReady(t *testing.T, g *harness.Gateway) {
	t.Helper()
	harness.Eventually(t, harness.Wait, func() error {
		a, err := g.Do(http.MethodGet, "/readyz", "")
		if err != nil {
			t.Fatalf("/readyz does not answer during the drain: %v", err)
		}
		if a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "draining") {
			return fmt.Errorf("/readyz: status %d: %s", a.Status, a.Body)
		}
		return nil
	})
}

// errorObject returns the error in an answer's body, or in an event of a stream.
func errorObject(t *testing.T, text string) (code, message string) {
	t.Helper()
	var v struct {
		Error struct{ Code, Message, Type string }
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Error.Type == "" {
		t.Fatalf("no error object in %q: %v", text, err)
	}
	return v.Error.Code, v.Error.Message
}

// held returns the address of a provider: answers of its model held end when goOn is closed, others are there at once.
func held(t *testing.T, goOn <-chan struct{}) string {
	t.Helper()
	const chunk = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":%q},"finish_reason":%s}]}` + "\n\n"
	const whole = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}`
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Contains(body, []byte(`"stream":true`)) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, whole)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, chunk, "begin", "null")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		if bytes.Contains(body, []byte(`"model":"held"`)) {
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		}
		fmt.Fprintf(w, chunk+"data: [DONE]\n\n", "end", `"stop"`)
	}))
	t.Cleanup(p.Close)
	return p.URL + "/v1"
}

// TestDrain follows an orderly end: not ready first, while calls are still taken; then no new calls; the call under way
// finishes; then the process ends with code 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	g := harness.StartGateway(t, fmt.Sprintf("drain: {delay: 2s, soft: 30s, hard: 60s}\nproviders:\n  up: {base_url: %s}\n", held(t, goOn)))
	under := openStream(t, g, "up/held", "hi")
	g.Signal(t, syscall.SIGTERM)
	wantNotReady(t, g)
	if a := g.Post(t, "/v1/chat/completions", harness.Chat("up/m", "hi", false)); a.Status != http.StatusOK {
		t.Errorf("status %d during the delay: %s", a.Status, a.Body)
	}
	var refused *harness.Answer
	harness.Eventually(t, harness.Wait, func() error {
		a, err := g.Do(http.MethodPost, "/v1/chat/completions", harness.Chat("up/m", "hi", false))
		if err != nil {
			t.Fatalf("a new call during the drain has no answer: %v", err)
		}
		if a.Status == http.StatusOK {
			return fmt.Errorf("calls are still taken")
		}
		refused = a
		return nil
	})
	code, _ := errorObject(t, refused.Body)
	if refused.Status != http.StatusServiceUnavailable || code != "draining" || refused.Header.Get("Retry-After") == "" {
		t.Errorf("a new call got status %d, code %q, retry-after %q", refused.Status, code, refused.Header.Get("Retry-After"))
	}
	close(goOn)
	text, err := under.rest()
	if err != nil || !strings.Contains(text, "end") || !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Errorf("the stream under way ended with %v:\n%s", err, text)
	}
	if code := g.Exit(t, harness.Wait); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDrainSoftLimit has streams that would never end: they are told, the provider is left, and the process ends.
func TestDrainSoftLimit(t *testing.T) {
	t.Parallel()
	g, sim := drainGateway(t, "{soft: 500ms, hard: 10s}")
	under := openStream(t, g, "up/quick:stall;after=3", "hi")
	start := time.Now()
	g.Signal(t, syscall.SIGTERM)
	text, err := under.rest()
	if err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	events := strings.Split(strings.TrimSpace(text), "\n\n")
	data, _ := strings.CutPrefix(events[len(events)-1], "data: ")
	if code, message := errorObject(t, data); code != "draining" || !strings.Contains(message, "shutting down") {
		t.Errorf("last event: code %q, message %q", code, message)
	}
	if code := g.Exit(t, harness.Wait); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(start); took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v with a soft limit of 500ms", took)
	}
	harness.Eventually(t, harness.Wait, func() error {
		if st := sim.Stats(t); st.Aborted != 1 || st.Open != 0 {
			return fmt.Errorf("the provider has seen %+v", st)
		}
		return nil
	})
}

// TestSecondSignal ends a drain that would take a minute.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	g, _ := drainGateway(t, "{soft: 60s, hard: 90s}")
	under := openStream(t, g, "up/quick:stall;after=3", "hi")
	g.Signal(t, syscall.SIGTERM)
	wantDraining(t, g)
	select {
	case <-g.Done():
		t.Fatal("the process has ended with a call under way")
	default:
	}
	start := time.Now()
	g.Signal(t, syscall.SIGINT)
	if code := g.Exit(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v after the second signal", took)
	}
	if text, err := under.rest(); err == nil && !strings.Contains(text, `"code":"draining"`) {
		t.Errorf("the stream under way ended quietly:\n%s", text)
	}
}

// wantDraining waits for the log to say that the drain has begun.
func wantDraining(t *testing.T, g *harness.Gateway) {
	t.Helper()
	harness.Eventually(t, harness.Wait, func() error {
		if !strings.Contains(g.Log(), `"draining"`) {
			return fmt.Errorf("no drain in the log:\n%s", g.Log())
		}
		return nil
	})
}
