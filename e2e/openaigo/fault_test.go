package openaigo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"sluice/e2e/harness"
)

// testOddStreams has streams that are correct but unusual.
func testOddStreams(t *testing.T, c *client) {
	plain := c.text(t, "up/sim-fast", hello)
	unicode := c.text(t, "up/sim-fast:unicode", hello)
	f := func(fault, want string) {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			got := c.stream(t.Context(), chat("up/sim-fast:"+fault, hello))
			if got.err != nil || got.text[0] != want || got.finish[0] != "stop" {
				t.Errorf("streamed %q (%s), error %v; want %q", got.text[0], got.finish[0], got.err, want)
			}
		})
	}
	faults := []string{
		"crlf", "bom", "multiline", "no-space", "no-done", "no-blank", "null-error", "null-choices", "azure", "role-each",
		"role-delay;delay=200ms", "usage-each", "crlf+multiline+bom", "null-error+usage-each+no-done", "split;bytes=7+crlf+unicode",
	}
	if readsComments {
		faults = append(faults, "pings", "pings+crlf+bom")
	}
	for _, fault := range faults {
		want := plain
		if strings.Contains(fault, "unicode") {
			want = unicode
		}
		f(fault, want)
	}
	t.Run("no usage was asked for", func(t *testing.T) {
		got := c.stream(t.Context(), chat("up/sim-fast:null-choices+azure", hello))
		if got.err != nil || len(got.usage) != 0 {
			t.Errorf("usage %v, error %v", got.usage, got.err)
		}
	})
}

func testErrors(t *testing.T, c *client) {
	f := func(name, key, model string, status int, code, param string, texts ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := chat(model, hello)
			if param == "temperature" {
				p.Temperature = openai.Float(9)
			}
			client := c.with(key)
			_, err := client.Chat.Completions.New(t.Context(), p)
			e := apiError(t, err)
			if e.StatusCode != status || e.Code != code || e.Param != param {
				t.Errorf("status %d, code %q, param %q; want %d, %q, %q", e.StatusCode, e.Code, e.Param, status, code, param)
			}
			for _, text := range texts {
				if !strings.Contains(e.Message, text) {
					t.Errorf("message %q lacks %q", e.Message, text)
				}
			}
			if strings.Contains(e.Message+e.RawJSON(), "provider-secret") {
				t.Errorf("error %s shows the provider's key", e.RawJSON())
			}
			requestID(t, e.Response.Header)
			// A stream that is refused before it begins is refused in the same way.
			stream := client.Chat.Completions.NewStreaming(t.Context(), p)
			defer stream.Close()
			if stream.Next() {
				t.Errorf("a chunk came: %s", stream.Current().RawJSON())
			}
			if e := apiError(t, stream.Err()); e.StatusCode != status || e.Code != code {
				t.Errorf("streamed: status %d, code %q; want %d, %q", e.StatusCode, e.Code, status, code)
			}
		})
	}
	f("wrong key", harness.KeyWrong, "smart", 401, "invalid_api_key", "")
	f("unknown model", harness.Key, "smrat", 404, "model_not_found", "model", "smart")
	f("unknown provider", harness.Key, "nobody/sim-fast", 404, "model_not_found", "model")
	f("refused by the provider", harness.Key, "smart", 400, "decimal_above_max_value", "temperature", "Invalid 'temperature'")
	f("model not allowed", harness.KeyLimited, "smart", 403, "model_not_allowed", "model")
	f("context length", harness.Key, "up/go-long:context-length", 400, "context_length_exceeded", "messages")
	f("rate limited", harness.Key, "up/go-limited:429;retry=false", 429, "provider_rate_limited", "")
	f("overloaded", harness.Key, "up/go-overloaded:503", 503, "provider_overloaded", "")
	f("server error", harness.Key, "up/go-broken:500", 502, "provider_error", "")
	f("error page", harness.Key, "up/go-page:html", 502, "provider_error", "")
	f("provider's key is wrong", harness.Key, "up/go-badkey:401", 502, "provider_auth_failed", "")
	for _, form := range []string{"string", "bare", "array", "detail", "empty", "code"} {
		f("odd error body "+form, harness.Key, "up/go-odd-"+form+":error-body;form="+form, 502, "provider_error", "")
	}
}

func testRetries(t *testing.T, c *client) {
	client := c.with(harness.Key, option.WithMaxRetries(2)) // as many as the SDK makes by default
	f := func(name, model, fault string, status int, seen int64) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := client.Chat.Completions.New(t.Context(), chat("up/"+model+":"+fault, hello))
			if status == 200 {
				if err != nil || got.Choices[0].Message.Content == "" {
					t.Errorf("error %v", err)
				}
			} else if e := apiError(t, err); e.StatusCode != status || e.Response.Header.Get("X-Should-Retry") != "false" {
				t.Errorf("status %d, x-should-retry %q; want %d and false", e.StatusCode, e.Response.Header.Get("X-Should-Retry"), status)
			}
			c.wantSeen(t, model, seen)
		})
	}
	f("the gateway's retry helps", "go-once", "503;first=1", 200, 2)
	f("connection lost once", "go-reset", "reset;first=1", 200, 2)
	f("the client does not repeat the gateway's retries", "go-always", "500", 502, 3)
	f("no credit is not retried by anybody", "go-quota", "quota", 429, 1)

	t.Run("rate limit of the provider", func(t *testing.T) {
		t.Parallel()
		none := c.with(harness.Key)
		start := time.Now()
		_, err := none.Chat.Completions.New(t.Context(), chat("up/go-waits:429;after=1", hello))
		e := apiError(t, err)
		if e.StatusCode != 429 || e.Response.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, retry-after %q", e.StatusCode, e.Response.Header.Get("Retry-After"))
		}
		if took := time.Since(start); took < 7*time.Second {
			t.Errorf("it took %v, want a second between two attempts", took)
		}
		c.wantSeen(t, "go-waits", 1+8) // waits for the quota are no attempts, but there are so many at most
	})
	t.Run("another target", func(t *testing.T) {
		t.Parallel()
		_, h := c.ask(t, chat("handed", hello))
		if h.Get("X-Sluice-Target") != "other/handed-b" || h.Get("X-Sluice-Attempts") != "2" {
			t.Errorf("answered by %q after %s attempts", h.Get("X-Sluice-Target"), h.Get("X-Sluice-Attempts"))
		}
	})
}

func testKeyConcurrency(t *testing.T, c *client) {
	one := c.with(harness.KeyOne)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := one.Chat.Completions.NewStreaming(ctx, chat("up/go-held:stall;after=3", hello))
	defer stream.Close()
	if !stream.Next() {
		t.Fatal(stream.Err())
	}
	_, err := one.Chat.Completions.New(t.Context(), chat("smart", hello))
	if e := apiError(t, err); e.StatusCode != 429 || e.Code != "key_concurrency_exceeded" {
		t.Errorf("status %d, code %q", e.StatusCode, e.Code)
	}
	cancel()
	harness.Eventually(t, harness.Wait, func() error {
		_, err := one.Chat.Completions.New(t.Context(), chat("smart", hello))
		return err
	})
}

// testBrokenStreams has streams that end before they are complete: never quietly.
func testBrokenStreams(t *testing.T, c *client) {
	f := func(model, fault string) {
		t.Run(model+" "+fault, func(t *testing.T) {
			t.Parallel()
			name := strings.TrimSuffix(model+":"+fault, ":")
			got := c.stream(t.Context(), chat(name, hello))
			if got.err == nil || got.text[0] == "" {
				t.Errorf("streamed %q (%s) and ended with error %v; want some text and an error", got.text[0], got.finish[0], got.err)
			}
			if got.err != nil && !strings.Contains(got.err.Error(), "provider_") {
				t.Errorf("error %q does not say that it is the provider's", got.err)
			}
		})
	}
	for _, fault := range []string{
		"drip;delay=50ms+cut;after=5;form=rst", "drip;delay=50ms+cut;after=5;form=fin", "drip;delay=50ms+cut;after=5;form=eof", "drip;delay=50ms+cut;after=5;form=mid", "no-finish",
		"drip;delay=50ms+stream-error;after=5;form=object", "drip;delay=50ms+stream-error;after=5;form=string", "drip;delay=50ms+stream-error;after=5;form=code",
		"drip;delay=50ms+stream-error;after=5;form=event", "drip;delay=50ms+stream-error;after=5;form=finish",
	} {
		f(fmt.Sprintf("up/go-break%d", len(fault)), fault)
	}
	f("watched", "")
	t.Run("before the first token it is tried again", func(t *testing.T) {
		t.Parallel()
		got := c.stream(t.Context(), chat("up/go-early:cut;after=0;first=1", hello))
		if got.err != nil || got.finish[0] != "stop" {
			t.Errorf("streamed %q (%s), error %v", got.text[0], got.finish[0], got.err)
		}
		c.wantSeen(t, "go-early", 2)
	})
	t.Run("an event that is no JSON is left out", func(t *testing.T) {
		t.Parallel()
		got := c.stream(t.Context(), chat("up/sim-fast:malformed;after=5", hello))
		if got.err != nil || got.finish[0] != "stop" {
			t.Errorf("streamed %q (%s), error %v", got.text[0], got.finish[0], got.err)
		}
	})
}

// ended waits until the provider has noticed that the client left, and the gateway has nothing under way at the target.
func (c *client) ended(t *testing.T, model, fault string) {
	t.Helper()
	harness.Eventually(t, harness.Wait, func() error {
		if st := c.Sim.Stats(t).Models[model]; st.Aborted != 1 {
			return fmt.Errorf("the provider has seen %d aborts", st.Aborted)
		}
		if n := c.Gateway.InFlight(t, "up/"+model+fault); n != 0 {
			return fmt.Errorf("%d attempts under way", n)
		}
		return nil
	})
}

func testAbort(t *testing.T, c *client) {
	ctx, cancel := context.WithCancel(t.Context())
	stream := c.Chat.Completions.NewStreaming(ctx, chat("up/go-left:stall;after=5", hello))
	defer stream.Close()
	for range 3 {
		if !stream.Next() {
			t.Fatal(stream.Err())
		}
	}
	cancel()
	c.ended(t, "go-left", ":stall;after=5")
}

func testTimeout(t *testing.T, c *client) {
	_, err := c.Chat.Completions.New(t.Context(), chat("up/go-silent:silent", hello), option.WithRequestTimeout(300*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a timeout", err)
	}
	c.ended(t, "go-silent", ":silent")
}
