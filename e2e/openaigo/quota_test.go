package openaigo

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"sluice/e2e/harness"
)

// counted counts the requests that a client sends, its own retries among them.
func counted(n *atomic.Int64) option.RequestOption {
	return option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		n.Add(1)
		return next(r)
	})
}

// testPacedBurst sends at once what the provider takes in five seconds: nobody is refused, and nobody has to come again.
func testPacedBurst(t *testing.T, c *client) {
	const calls = 50
	var requests atomic.Int64
	one := c.with(harness.Key, option.WithMaxRetries(2), counted(&requests))
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			if _, err := one.Chat.Completions.New(t.Context(), chat("paced/paced-go", "hi [[sim:tokens=3]]")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := requests.Load(); n != calls {
		t.Errorf("the client has sent %d requests for %d calls", n, calls)
	}
	if st := c.Sim.Stats(t).Models["paced-go"]; st.Requests-st.Refused != calls || st.Refused > calls/10 {
		t.Errorf("the provider has seen %d requests and refused %d of them; want %d and hardly any", st.Requests, st.Refused, calls)
	}
}

// testFullQuota has a deadline that the provider's quota cannot meet: the call is refused at once, and told when to come back.
func testFullQuota(t *testing.T, c *client) {
	for range 2 {
		c.text(t, "paced/few-go", "hi [[sim:tokens=3]]")
	}
	begun := time.Now()
	_, err := c.Chat.Completions.New(t.Context(), chat("paced/few-go", "hi"), option.WithHeader("X-Sluice-Deadline", "1s"))
	took := time.Since(begun)
	e := apiError(t, err)
	if e.StatusCode != http.StatusTooManyRequests || e.Code != "deadline_unreachable" || !strings.Contains(e.Message, "(1s after its arrival)") {
		t.Errorf("status %d, code %q: %s", e.StatusCode, e.Code, e.Message)
	}
	if wait, err := strconv.Atoi(e.Response.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After %q", e.Response.Header.Get("Retry-After"))
	}
	if took > 900*time.Millisecond {
		t.Errorf("refused after %v: that is no use to somebody whose deadline is 1s", took)
	}
	if st := c.Sim.Stats(t).Models["few-go"]; st.Refused != 0 {
		t.Errorf("the provider has refused %d", st.Refused)
	}
}

// testKeyRate goes over the rate of a key: headers count down, and the error names the limit.
func testKeyRate(t *testing.T, c *client) {
	one := c.with(harness.KeyCounted)
	for _, left := range []string{"1", "0"} {
		var resp *http.Response
		if _, err := one.Chat.Completions.New(t.Context(), chat("smart", "hi [[sim:tokens=3]]"), option.WithResponseInto(&resp)); err != nil {
			t.Fatal(err)
		}
		if limit, got := resp.Header.Get("X-Ratelimit-Limit-Requests"), resp.Header.Get("X-Ratelimit-Remaining-Requests"); limit != "2" || got != left {
			t.Errorf("%s requests of %s are left, want %s of 2", got, limit, left)
		}
	}
	_, err := one.Chat.Completions.New(t.Context(), chat("smart", "hi"))
	e := apiError(t, err)
	if e.StatusCode != http.StatusTooManyRequests || e.Code != "key_rate_exceeded" || !strings.Contains(e.Message, "may make 2 (`rpm`") {
		t.Errorf("status %d, code %q: %s", e.StatusCode, e.Code, e.Message)
	}
	if wait, err := strconv.Atoi(e.Response.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After %q: clients wait for up to 60 s", e.Response.Header.Get("Retry-After"))
	}
}

// testKeyBudget spends the budget of a key: the client does not try that again.
func testKeyBudget(t *testing.T, c *client) {
	var requests atomic.Int64
	one := c.with(harness.KeyPaid, option.WithMaxRetries(2), counted(&requests))
	ask := func() error {
		p := chat("paid/gpt-4o-mini", "hi [[sim:tokens=30]]")
		p.MaxTokens = openai.Int(30)
		_, err := one.Chat.Completions.New(t.Context(), p)
		return err
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	e := apiError(t, ask())
	if e.StatusCode != http.StatusTooManyRequests || e.Code != "key_budget_exceeded" || e.Type != "insufficient_quota" || !strings.Contains(e.Message, "$0.00003 per month") {
		t.Errorf("status %d, code %q, type %q: %s", e.StatusCode, e.Code, e.Type, e.Message)
	}
	if n := requests.Load(); n != 2 || e.Response.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%d requests for two calls; X-Should-Retry is %q", n, e.Response.Header.Get("X-Should-Retry"))
	}
}

// testWaitAndRetry has the client's own retry come when it was told to, and be served. A key that may make one call at a time is told
// to wait a second, and without that the client would come back after half of it.
func testWaitAndRetry(t *testing.T, c *client) {
	held := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	one := c.with(harness.KeyHeld)
	all.Go(func() {
		s := one.Chat.Completions.NewStreaming(t.Context(), chat("up/sim-slow", "hi [[sim:tokens=12]]")) // 0.8 s
		defer s.Close()
		for once := sync.OnceFunc(func() { close(held) }); s.Next(); once() {
		}
	})
	<-held
	var requests atomic.Int64
	again := c.with(harness.KeyHeld, option.WithMaxRetries(2), counted(&requests))
	begun := time.Now()
	if _, err := again.Chat.Completions.New(t.Context(), chat("smart", "hi [[sim:tokens=3]]")); err != nil {
		t.Error(err)
	}
	if n, took := requests.Load(), time.Since(begun); n > 1 && took < 990*time.Millisecond {
		t.Errorf("%d requests in %v: it did not wait for a second", n, took)
	}
}
