package upstream_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// issuer issues tokens t1, t2, … that are good for an hour, each after a second.
type issuer struct {
	asked int
	fail  error
}

func (i *issuer) fetch(ctx context.Context) (*oauth2.Token, error) {
	i.asked++
	n := i.asked
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if i.fail != nil {
		return nil, i.fail
	}
	return &oauth2.Token{AccessToken: fmt.Sprint("t", n), Expiry: time.Now().Add(time.Hour)}, nil
}

// TestTokenLife follows one account's token through a day of calls.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		get := upstream.Tokens(i.fetch)
		want := func(token string, asked int, took time.Duration) {
			t.Helper()
			began := time.Now()
			got, e := get(t.Context(), "")
			if e != nil || got != token || i.asked != asked || time.Since(began) != took {
				t.Errorf("at %s: %q (%v) after %d requests and %v, want %q after %d and %v",
					time.Now().Format("15:04:05"), got, e, i.asked, time.Since(began), token, asked, took)
			}
		}
		want("t1", 1, time.Second)
		want("t1", 1, 0)
		time.Sleep(54 * time.Minute) // six minutes are left
		want("t1", 1, 0)
		time.Sleep(2 * time.Minute)
		want("t2", 2, time.Second) // renewed before its end
		i.fail = errors.New("down")
		time.Sleep(56 * time.Minute)
		want("t2", 3, time.Second) // the old one is still good
		time.Sleep(3*time.Minute + 55*time.Second)
		if got, e := get(t.Context(), ""); got != "" || e == nil || e.Kind != llm.KindUnreachable {
			t.Errorf("with an ended token and no new one: %q, %v", got, e)
		}
		i.fail = nil
		want("t5", 5, time.Second)
	})
}

// TestTokenIsAskedForOnce lets many calls want a token at once: one asks, all get it, an error too; those that leave do not
// disturb the others.
func TestTokenIsAskedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		get := upstream.Tokens(i.fetch)
		all := func(n int, refused string) map[string]int {
			var mu sync.Mutex
			var wg sync.WaitGroup
			got := map[string]int{}
			for range n {
				wg.Go(func() {
					token, e := get(t.Context(), refused)
					if e != nil {
						token = e.Kind.Code()
					}
					mu.Lock()
					defer mu.Unlock()
					got[token]++
				})
			}
			wg.Wait()
			return got
		}
		if got := all(50, ""); got["t1"] != 50 || i.asked != 1 {
			t.Errorf("at first: %v after %d requests", got, i.asked)
		}
		if got := all(50, "t1"); got["t2"] != 50 || i.asked != 2 {
			t.Errorf("refused: %v after %d requests", got, i.asked)
		}
		if got := all(50, "t1"); got["t2"] != 50 || i.asked != 2 {
			t.Errorf("refused before it was renewed: %v after %d requests", got, i.asked)
		}
		time.Sleep(57 * time.Minute)
		if got := all(50, ""); got["t2"] != 49 || got["t3"] != 1 || i.asked != 3 {
			t.Errorf("renewed early: %v after %d requests", got, i.asked)
		}
		i.fail = errors.New("down")
		if got := all(50, "t3"); got["provider_unreachable"] != 50 || i.asked != 4 {
			t.Errorf("failed: %v after %d requests", got, i.asked)
		}
	})
}

// TestTokenOfOneWhoLeaves cancels the call that asks while another one waits.
func TestTokenOfOneWhoLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{}
		get := upstream.Tokens(i.fetch)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, e := get(ctx, ""); e == nil || e.Kind != llm.KindCanceled {
				t.Errorf("the one that left got %v", e)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if token, e := get(t.Context(), ""); token != "t2" {
				t.Errorf("the other one got %q, %v", token, e)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

// TestTokenTakesTooLong bounds a request to an endpoint that never answers, and a call that waits for another's.
func TestTokenTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		get := upstream.Tokens(func(ctx context.Context) (*oauth2.Token, error) { <-ctx.Done(); return nil, ctx.Err() })
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, e := get(t.Context(), ""); e == nil || e.Kind != llm.KindUnreachable || time.Since(began) != 15*time.Second {
				t.Errorf("%v after %v", e, time.Since(began))
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithDeadlineCause(t.Context(), began.Add(time.Second), llm.Errorf(llm.KindTotalTimeout, "over"))
		defer cancel()
		if _, e := get(ctx, ""); e == nil || e.Kind != llm.KindTotalTimeout || time.Since(began) != time.Second {
			t.Errorf("%v after %v", e, time.Since(began))
		}
		wg.Wait()
	})
}

// TestTokenErrorsAreOwn: calls that share a failed request for a token do not share its error, which each of them may add to.
func TestTokenErrorsAreOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{fail: errors.New("down")}
		get := upstream.Tokens(i.fetch)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, e := get(t.Context(), "")
				e.Message += "!"
				if strings.HasSuffix(e.Message, "!!") {
					t.Errorf("the error is another call's too: %v", e)
				}
			})
		}
		wg.Wait()
		if i.asked != 1 {
			t.Errorf("%d requests, want one for all", i.asked)
		}
	})
}

// cloud is a token endpoint and a provider that takes the endpoint's tokens until they are revoked.
type cloud struct {
	t      *testing.T
	key    *rsa.PublicKey
	mu     sync.Mutex
	valid  string
	issued int
	calls  int
	grants []string
	refuse int    // status of the token endpoint; 0 for none
	body   string // of that answer
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path != "/token" {
		c.calls++
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			c.t.Error(err)
		}
		if r.Header.Get("Authorization") != "Bearer "+c.valid {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return
	}
	if err := r.ParseForm(); err != nil {
		c.t.Error(err)
	}
	c.grants = append(c.grants, c.grant(r))
	w.Header().Set("Content-Type", "application/json")
	if c.refuse != 0 {
		w.WriteHeader(c.refuse)
		_, _ = io.WriteString(w, c.body)
		return
	}
	c.issued++
	c.valid = fmt.Sprint("token-", c.issued)
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": c.valid, "token_type": "Bearer", "expires_in": 3600})
}

// grant describes a request for a token, with the signature of an assertion checked.
func (c *cloud) grant(r *http.Request) string {
	parts := strings.Split(r.Form.Get("assertion"), ".")
	if len(parts) != 3 {
		return fmt.Sprintf("%s %s %s %s", r.Form.Get("grant_type"), r.Form.Get("client_id"), r.Form.Get("client_secret"), r.Form.Get("scope")+r.Form.Get("refresh_token"))
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(c.key, crypto.SHA256, sum[:], signature); err != nil {
		return err.Error()
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err.Error()
	}
	var own struct{ Iss, Scope, Aud string }
	if err := json.Unmarshal(claims, &own); err != nil {
		return err.Error()
	}
	return "signed by " + own.Iss + " for " + own.Scope + " at " + own.Aud[strings.LastIndexByte(own.Aud, '/'):]
}

func (c *cloud) revoke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.valid = "none"
}

func newCloud(t *testing.T) (c *cloud, base, account string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c = &cloud{t: t, key: &key.PublicKey}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@p", "private_key_id": "k1", "token_uri": s.URL + "/token",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, s.URL, string(file)
}

// TestServiceAccount calls Vertex with a service account: the assertion is signed, the token shared, and one that the provider
// refuses replaced once.
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	c, base, file := newCloud(t)
	a := open(t, &upstream.Provider{Name: "p", API: "vertex", BaseURL: base, Project: "p", Location: "l", Credentials: llm.NewSecret(file)})
	send := func(rq *upstream.Request, status, issued, calls int) {
		t.Helper()
		answer, e := a.Send(t.Context(), rq)
		if e != nil {
			t.Fatal(e)
		}
		answer.Finish()
		if answer.Status != status || c.issued != issued || c.calls != calls {
			t.Errorf("status %d after %d tokens and %d requests, want %d, %d, %d", answer.Status, c.issued, c.calls, status, issued, calls)
		}
	}
	send(post("{}"), 200, 1, 1)
	send(post("{}"), 200, 1, 2)
	if want := "signed by robot@p for https://www.googleapis.com/auth/cloud-platform at /token"; c.grants[0] != want {
		t.Errorf("%s, want %s", c.grants[0], want)
	}
	c.revoke()
	send(post("{}"), 200, 2, 4)
	c.revoke()
	send(&upstream.Request{Method: "POST", Path: "/x", Upload: strings.NewReader("abc"), UploadLength: 3}, 401, 2, 5)
	send(&upstream.Request{Method: "POST", Path: "/x", Upload: strings.NewReader("abc"), UploadLength: 3}, 200, 3, 6)
	c.revoke()
	c.refuse, c.body = 400, `{"error":"invalid_grant","error_description":"secret things"}`
	_, e := a.Send(t.Context(), post("{}"))
	if e == nil || e.Kind != llm.KindProviderAuth || e.ProviderCode != "invalid_grant" || strings.Contains(e.Error(), "secret things") {
		t.Errorf("refused by the endpoint: %v", e)
	}
	c.refuse = 503
	if _, e := a.Send(t.Context(), post("{}")); e == nil || e.Kind != llm.KindUnreachable || e.Sent != llm.NotSent {
		t.Errorf("the endpoint is out of order: %v", e)
	}
}

// TestRefusedTwice holds that a new token that is refused too is the end of it.
func TestRefusedTwice(t *testing.T) {
	t.Parallel()
	c, base, file := newCloud(t)
	refuses := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	a := open(t, &upstream.Provider{Name: "p", API: "vertex", BaseURL: refuses, Project: "p", Location: "l", Credentials: llm.NewSecret(file)})
	answer, e := a.Send(t.Context(), post("{}"))
	if e != nil {
		t.Fatal(e)
	}
	answer.Finish()
	if answer.Status != http.StatusUnauthorized || c.issued != 2 {
		t.Errorf("status %d after %d tokens at %s", answer.Status, c.issued, base)
	}
}

// TestOtherTokens gets tokens by an authorized user's file and from Entra ID.
func TestOtherTokens(t *testing.T) {
	t.Parallel()
	c, base, _ := newCloud(t)
	f := func(p upstream.Provider, want string) {
		t.Helper()
		p.Name, p.BaseURL = "p", base
		answer, e := open(t, &p).Send(t.Context(), post("{}"))
		if e != nil {
			t.Fatal(e)
		}
		answer.Finish()
		if got := c.grants[len(c.grants)-1]; got != want || answer.Status != 200 {
			t.Errorf("%s: %s, status %d, want %s", p.API, got, answer.Status, want)
		}
	}
	user := `{"type":"authorized_user","client_id":"id","client_secret":"hush","refresh_token":"again","token_uri":"` + base + `/token"}`
	f(upstream.Provider{API: "vertex", Project: "p", Location: "l", Credentials: llm.NewSecret(user)}, "refresh_token id hush again")
	f(upstream.Provider{API: "azure", TokenURL: base + "/token", ClientID: "id", ClientSecret: llm.NewSecret("hush")},
		"client_credentials id hush https://cognitiveservices.azure.com/.default")
}
