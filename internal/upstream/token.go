package upstream

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"sluice/internal/llm"
)

const (
	tokenLimit = 15 * time.Second // for one request to a token endpoint
	// tokenEarly is how long before its end a token is renewed by a call that finds nobody doing it; the others go on with the old
	// one. tokenLate is when nobody does any more: clocks differ, and a request is on its way for a while.
	tokenEarly = 5 * time.Minute
	tokenLate  = 10 * time.Second

	entraLogin = "https://login.microsoftonline.com"
	entraScope = "https://cognitiveservices.azure.com/.default"
	cloudScope = "https://www.googleapis.com/auth/cloud-platform"
	cloudToken = "https://oauth2.googleapis.com/token"
)

// fetchFunc asks for a token.
type fetchFunc func(ctx context.Context) (*oauth2.Token, error)

// tokens holds the access token of one account, shared by all of its calls. It runs no goroutines: one of the calls that need a
// token asks for it, and the others wait for that one.
//
//  1. A token that is good for a while is used as it is.
//  2. Shortly before its end the first call that comes renews it; the others use the old one meanwhile. Should that fail, the
//     old one serves that call too.
//  3. Without a good token one call asks; those that waited for it take what it got, an error too.
type tokens struct {
	account string
	fetch   fetchFunc
	turn    chan struct{} // holds one value while a call asks; sent and received by that call
	last    atomic.Pointer[grant]
}

// grant is what came of one request for a token.
type grant struct {
	token  string
	expiry time.Time // zero if it has none
	err    *llm.Error
}

func newTokens(account string, fetch fetchFunc) *tokens {
	return &tokens{account: account, fetch: fetch, turn: make(chan struct{}, 1)}
}

// good reports whether the token will be valid for some time.
func (g *grant) good(left time.Duration) bool {
	return g != nil && g.err == nil && (g.expiry.IsZero() || time.Until(g.expiry) > left)
}

// get returns a token that is not refused. refused is one that the provider did not take; empty if none was.
func (t *tokens) get(ctx context.Context, refused string) (string, *llm.Error) {
	seen := t.last.Load()
	usable := seen.good(tokenLate) && seen.token != refused
	if usable && seen.good(tokenEarly) {
		return seen.token, nil
	}
	if usable {
		select {
		case t.turn <- struct{}{}:
		default:
			return seen.token, nil
		}
	} else {
		select {
		case t.turn <- struct{}{}:
		case <-ctx.Done():
			return "", Cause(ctx)
		}
	}
	defer func() { <-t.turn }()
	if now := t.last.Load(); now != seen && (now.err != nil || now.token != refused && now.good(0)) {
		return now.token, now.fault()
	}
	got := t.ask(ctx)
	if got.err != nil && usable {
		return seen.token, nil
	}
	if got.err == nil || ctx.Err() == nil { // that this call's client has left is nothing to the others
		t.last.Store(got)
	}
	return got.token, got.fault()
}

// fault returns why there is no token, nil if there is one: a copy, since each call notes in its error what became of it.
func (g *grant) fault() *llm.Error {
	if g.err == nil {
		return nil
	}
	own := *g.err
	return &own
}

// drop makes the next call ask for a token, where the one at hand is still the refused one.
func (t *tokens) drop(refused string) {
	if seen := t.last.Load(); seen != nil && seen.token == refused {
		t.last.CompareAndSwap(seen, &grant{token: refused, expiry: time.Unix(1, 0)})
	}
}

// ask makes one request for a token.
func (t *tokens) ask(ctx context.Context) *grant {
	limited, cancel := context.WithTimeout(ctx, tokenLimit)
	defer cancel()
	token, err := t.fetch(limited)
	switch {
	case err == nil && token.AccessToken == "":
		return &grant{err: llm.Errorf(llm.KindProviderAuth, "the token endpoint of provider %s answered without an access_token", t.account)}
	case err == nil:
		return &grant{token: token.AccessToken, expiry: token.Expiry}
	case ctx.Err() != nil:
		return &grant{err: Cause(ctx)}
	case limited.Err() != nil:
		e := llm.Errorf(llm.KindUnreachable, "no access token for provider %s within %v", t.account, tokenLimit)
		e.Scope = llm.ScopeAccount
		return &grant{err: e}
	}
	return &grant{err: t.classify(err)}
}

// classify tells a refusal from an endpoint that cannot be reached or is out of order. What it answered besides its error code is not
// shown: it may quote what it was sent.
func (t *tokens) classify(err error) *llm.Error {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || refusal.Response == nil {
		return &llm.Error{Kind: llm.KindUnreachable, Scope: llm.ScopeAccount, Message: "cannot get an access token for provider " + t.account, Err: err}
	}
	status := refusal.Response.StatusCode
	code := refusal.ErrorCode
	if code == "" {
		var body struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(refusal.Body, &body) == nil {
			code = body.Error
		}
	}
	e := llm.Errorf(llm.KindProviderAuth, "the token endpoint of provider %s refused its credentials with status %d (%.60s)",
		t.account, status, cmp.Or(code, "no error code"))
	if status >= 500 || status == http.StatusTooManyRequests {
		e = llm.Errorf(llm.KindUnreachable, "the token endpoint of provider %s answered with status %d", t.account, status)
		e.Scope = llm.ScopeAccount
	}
	e.ProviderCode = code
	return e
}

// tokenContext makes the oauth2 package use the account's own connections, with their proxy and certificates.
func (a *Account) tokenContext(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: a.tr})
}

// entra returns what asks Microsoft Entra ID for a token by client credentials.
func (a *Account) entra(p *Provider) fetchFunc {
	c := clientcredentials.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret.Reveal(), Scopes: []string{entraScope}, AuthStyle: oauth2.AuthStyleInParams,
		TokenURL: cmp.Or(p.TokenURL, entraLogin+"/"+url.PathEscape(p.Tenant)+"/oauth2/v2.0/token"),
	}
	return func(ctx context.Context) (*oauth2.Token, error) { return c.Token(a.tokenContext(ctx)) }
}

// googleKey is a credentials file of Google Cloud.
type googleKey struct {
	Type         string `json:"type"`
	Email        string `json:"client_email"`
	PrivateKey   string `json:"private_key"`
	PrivateKeyID string `json:"private_key_id"`
	TokenURI     string `json:"token_uri"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
	ProjectID    string `json:"project_id"`
}

// parseGoogleKey reads a credentials file. Errors never repeat it.
func parseGoogleKey(text string) (*googleKey, error) {
	var k googleKey
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return nil, errors.New("must be the JSON of a credentials file: credentials: ${file:/path/key.json}")
	}
	switch k.Type {
	case "service_account":
		if k.Email == "" || k.PrivateKey == "" {
			return nil, errors.New("is a service account without client_email or private_key")
		}
		if err := checkPrivateKey(k.PrivateKey); err != nil {
			return nil, err
		}
	case "authorized_user":
		if k.ClientID == "" || k.ClientSecret == "" || k.RefreshToken == "" {
			return nil, errors.New("is an authorized_user without client_id, client_secret or refresh_token")
		}
	default:
		return nil, fmt.Errorf("is of type %.40q; what can be used is service_account and authorized_user", k.Type)
	}
	if k.TokenURI != "" && checkBaseURL(k.TokenURI) != nil {
		return nil, errors.New("has a token_uri that is no URL of http or https")
	}
	return &k, nil
}

func checkPrivateKey(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("has a private_key that is not in PEM form")
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return nil
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		return errors.New("has a private_key that cannot be read")
	}
	return nil
}

// google returns what asks Google for a token by a credentials file.
func (a *Account) google(text string) (fetchFunc, error) {
	k, err := parseGoogleKey(text)
	if err != nil {
		return nil, err
	}
	tokenURL := cmp.Or(strings.TrimSpace(k.TokenURI), cloudToken)
	if k.Type == "authorized_user" {
		c := oauth2.Config{ClientID: k.ClientID, ClientSecret: k.ClientSecret, Endpoint: oauth2.Endpoint{TokenURL: tokenURL, AuthStyle: oauth2.AuthStyleInParams}}
		return func(ctx context.Context) (*oauth2.Token, error) {
			return c.TokenSource(a.tokenContext(ctx), &oauth2.Token{RefreshToken: k.RefreshToken}).Token()
		}, nil
	}
	c := jwt.Config{Email: k.Email, PrivateKey: []byte(k.PrivateKey), PrivateKeyID: k.PrivateKeyID, Scopes: []string{cloudScope}, TokenURL: tokenURL}
	return func(ctx context.Context) (*oauth2.Token, error) { return c.TokenSource(a.tokenContext(ctx)).Token() }, nil
}
