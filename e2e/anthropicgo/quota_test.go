package anthropicgo

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"

	"sluice/e2e/harness"
)

// counted counts the requests that a client sends, its own retries among them.
func counted(n *atomic.Int64) option.RequestOption {
	return option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		n.Add(1)
		return next(r)
	})
}

// wantRefused checks that an error is a 429 that names a limit in words, by a text of its body.
func wantRefused(t *testing.T, err error, code, text string) *anthropic.Error {
	t.Helper()
	var e *anthropic.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, not one of the API", err, err)
	}
	if e.StatusCode != http.StatusTooManyRequests || !strings.Contains(e.RawJSON(), `"error_code":"`+code+`"`) || !strings.Contains(e.RawJSON(), text) {
		t.Errorf("status %d, %s; want %s, %s", e.StatusCode, e.RawJSON(), code, text)
	}
	return e
}

// testPacedBurst sends at once what the provider takes in five seconds: nobody is refused, and nobody has to come again.
func testPacedBurst(t *testing.T, c *client) {
	const calls = 50
	var requests atomic.Int64
	one := c.with(option.WithAPIKey(harness.Key), option.WithMaxRetries(2), counted(&requests))
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			if _, err := one.Messages.New(t.Context(), ask("paced/paced-ant", "hi [[sim:tokens=3]]")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := requests.Load(); n != calls {
		t.Errorf("the client has sent %d requests for %d calls", n, calls)
	}
	if st := c.Sim.Stats(t).Models["paced-ant"]; st.Requests-st.Refused != calls || st.Refused > calls/10 {
		t.Errorf("the provider has seen %d requests and refused %d of them; want %d and hardly any", st.Requests, st.Refused, calls)
	}
}

// testKeyRate goes over the rate of a key: headers count down, and the error names the limit.
func testKeyRate(t *testing.T, c *client) {
	one := c.with(option.WithAPIKey(harness.KeyCounted))
	for _, left := range []string{"1", "0"} {
		var resp *http.Response
		if _, err := one.Messages.New(t.Context(), ask("smart", "hi [[sim:tokens=3]]"), option.WithResponseInto(&resp)); err != nil {
			t.Fatal(err)
		}
		const prefix = "Anthropic-Ratelimit-Requests-"
		if limit, got := resp.Header.Get(prefix+"Limit"), resp.Header.Get(prefix+"Remaining"); limit != "2" || got != left {
			t.Errorf("%s requests of %s are left, want %s of 2", got, limit, left)
		}
	}
	_, err := one.Messages.New(t.Context(), ask("smart", "hi"))
	e := wantRefused(t, err, "key_rate_exceeded", "may make 2 (`rpm`")
	if wait, err := strconv.Atoi(e.Response.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("Retry-After %q: clients wait for up to 60 s", e.Response.Header.Get("Retry-After"))
	}
}

// testKeyBudget spends the budget of a key: the client does not try that again.
func testKeyBudget(t *testing.T, c *client) {
	var requests atomic.Int64
	one := c.with(option.WithAPIKey(harness.KeyPaid), option.WithMaxRetries(2), counted(&requests))
	p := ask("paid/gpt-4o-mini", "hi [[sim:tokens=30]]")
	p.MaxTokens = 30
	if _, err := one.Messages.New(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_, err := one.Messages.New(t.Context(), p)
	e := wantRefused(t, err, "key_budget_exceeded", "$0.00003 per month")
	if n := requests.Load(); n != 2 || e.Response.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%d requests for two calls; X-Should-Retry is %q", n, e.Response.Header.Get("X-Should-Retry"))
	}
}
