package sim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sluice/internal/llm"
)

const (
	geminiBody   = `{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`
	converseBody = `{"messages":[{"role":"user","content":[{"text":"hi"}]}]}`
	messagesBody = `{"model":"sim-fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
)

func TestKeysInEveryDialect(t *testing.T) {
	t.Parallel()
	cfg := quick()
	cfg.APIKey = llm.NewSecret("right")
	_, c := start(t, cfg)
	root := c.root()
	f := func(name, path, body string, want int, header ...string) {
		t.Helper()
		if a := root.do("POST", path, body, header...); a.status != want {
			t.Errorf("%s: status %d %s, want %d", name, a.status, a.body, want)
		}
	}
	v := []string{"Anthropic-Version", "2026-10-21"}
	f("anthropic x-api-key", "/v1/messages", messagesBody, 200, append(v, "X-Api-Key", "right")...)
	f("anthropic bearer", "/v1/messages", messagesBody, 200, append(v, "Authorization", "Bearer right")...)
	f("anthropic wrong", "/v1/messages", messagesBody, 401, append(v, "X-Api-Key", "wrong")...)
	f("anthropic none", "/v1/messages", messagesBody, 401, v...)
	gemini := "/v1beta/models/sim-fast:generateContent"
	f("gemini header", gemini, geminiBody, 200, "X-Goog-Api-Key", "right")
	f("gemini query", gemini+"?key=right", geminiBody, 200)
	f("gemini wrong", gemini, geminiBody, 400, "X-Goog-Api-Key", "wrong")
	f("gemini bearer", gemini, geminiBody, 403, "Authorization", "Bearer right")
	f("azure key", "/openai/deployments/sim-fast/chat/completions?api-version=1", `{"messages":[{"role":"user","content":"x"}]}`, 200, "Api-Key", "right")
	f("azure bearer", "/openai/deployments/sim-fast/chat/completions?api-version=1", `{"messages":[{"role":"user","content":"x"}]}`, 200, "Authorization", "Bearer right")
	f("cohere", "/compatibility/v1/chat/completions", `{"model":"sim-fast","messages":[{"role":"user","content":"x"}]}`, 200, "Authorization", "Bearer right")
	f("azure v1", "/openai/v1/chat/completions", `{"model":"sim-fast","messages":[{"role":"user","content":"x"}]}`, 200, "Api-Key", "right")
	f("azure wrong", "/openai/v1/chat/completions", `{"model":"sim-fast","messages":[{"role":"user","content":"x"}]}`, 401, "Api-Key", "wrong")
	f("bedrock bearer", "/model/sim-fast/converse", converseBody, 200, "Authorization", "Bearer right")
	f("bedrock wrong", "/model/sim-fast/converse", converseBody, 401, "Authorization", "Bearer wrong")
	f("responses", "/v1/responses", `{"model":"sim-fast","input":"hi"}`, 200, "Authorization", "Bearer right")
	f("responses none", "/v1/responses", `{"model":"sim-fast","input":"hi"}`, 401)
	f("cohere", "/v2/embed", `{"model":"sim-embed","texts":["a"],"input_type":"search_query","embedding_types":["float"]}`, 200, "Authorization", "Bearer right")
}

// sign signs a request as a client of Amazon's does, with the simulator's own computation over what the request will be.
func sign(r *http.Request, body string, keys AWSKeys, at time.Time, region string, names ...string) {
	stamp := at.UTC().Format(amzTime)
	r.Header.Set("X-Amz-Date", stamp)
	sig := signature{access: keys.AccessKey, date: stamp[:8], region: region, service: "bedrock", headers: names}
	sig.signature = signAWS(r, []byte(body), &sig, keys.SecretKey.Reveal())
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+keys.AccessKey+"/"+sig.date+"/"+region+"/bedrock/aws4_request, SignedHeaders="+
		strings.Join(names, ";")+", Signature="+sig.signature)
}

// TestSignatureOfADocumentedRequest computes the signature of Amazon's own worked example (an IAM request of 2015,
// https://docs.aws.amazon.com/general/latest/gr/sigv4-create-canonical-request.html, read 2026-11), whose result they print.
func TestSignatureOfADocumentedRequest(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	sig := signature{date: "20150830", region: "us-east-1", service: "iam", headers: []string{"content-type", "host", "x-amz-date"}}
	const want = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	if got := signAWS(r, nil, &sig, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestSignaturesAreVerified(t *testing.T) {
	t.Parallel()
	keys := AWSKeys{AccessKey: "AKIDEXAMPLE", SecretKey: llm.NewSecret("secret"), SessionToken: llm.NewSecret("token"), Region: "eu-west-1"}
	cfg := quick()
	cfg.AWS = keys
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"content-length", "host", "x-amz-date", "x-amz-security-token"}
	f := func(name string, want int, exception string, change func(r *http.Request)) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/model/sim-fast%3A503%3Bp=0/converse?a=b%20c&a=a", strings.NewReader(converseBody))
		r.Header.Set("X-Amz-Security-Token", "token")
		change(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if got, _, _ := strings.Cut(w.Header().Get("X-Amzn-Errortype"), ":"); w.Code != want || got != exception {
			t.Errorf("%s: %d %s %s, want %d %s", name, w.Code, got, w.Body, want, exception)
		}
	}
	now := time.Now()
	f("signed", 200, "", func(r *http.Request) { sign(r, converseBody, keys, now, "eu-west-1", all...) })
	f("not signed", 403, "MissingAuthenticationTokenException", func(*http.Request) {})
	f("other body", 403, "InvalidSignatureException", func(r *http.Request) { sign(r, converseBody+" ", keys, now, "eu-west-1", all...) })
	f("header changed after", 403, "InvalidSignatureException", func(r *http.Request) {
		sign(r, converseBody, keys, now, "eu-west-1", all...)
		r.Host = "elsewhere"
	})
	f("query changed after", 403, "InvalidSignatureException", func(r *http.Request) {
		sign(r, converseBody, keys, now, "eu-west-1", all...)
		r.URL.RawQuery = "a=a"
	})
	f("other secret", 403, "InvalidSignatureException", func(r *http.Request) {
		other := keys
		other.SecretKey = llm.NewSecret("guess")
		sign(r, converseBody, other, now, "eu-west-1", all...)
	})
	f("other key", 403, "UnrecognizedClientException", func(r *http.Request) {
		other := keys
		other.AccessKey = "AKIDOTHER"
		sign(r, converseBody, other, now, "eu-west-1", all...)
	})
	f("other token", 403, "UnrecognizedClientException", func(r *http.Request) {
		r.Header.Set("X-Amz-Security-Token", "old")
		sign(r, converseBody, keys, now, "eu-west-1", all...)
	})
	f("other region", 403, "InvalidSignatureException", func(r *http.Request) { sign(r, converseBody, keys, now, "us-east-1", all...) })
	f("too old", 403, "InvalidSignatureException", func(r *http.Request) { sign(r, converseBody, keys, now.Add(-6*time.Minute), "eu-west-1", all...) })
	f("host not signed", 403, "InvalidSignatureException", func(r *http.Request) {
		sign(r, converseBody, keys, now, "eu-west-1", "x-amz-date", "x-amz-security-token")
	})
	f("no date", 403, "IncompleteSignatureException", func(r *http.Request) {
		sign(r, converseBody, keys, now, "eu-west-1", all...)
		r.Header.Del("X-Amz-Date")
	})
}

// FuzzSignature checks that no Authorization header makes the parser panic, or passes without a part.
func FuzzSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/iam/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c, Signature")
	f.Fuzz(func(t *testing.T, h string) {
		sig, ok := parseSignature(h)
		if ok && (sig.access == "" || len(sig.headers) == 0 || sig.signature == "") {
			t.Errorf("%q is read as %+v", h, sig)
		}
	})
}

// assertion makes a signed JWT.
func assertion(t *testing.T, key *rsa.PrivateKey, alg string, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]string{"alg": alg, "typ": "JWT", "kid": "1"}) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func makeAccount(t *testing.T) (*rsa.PrivateKey, ServiceAccount) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return key, ServiceAccount{Email: "sim@example.iam.gserviceaccount.com", PublicKey: text, TokenLifetime: 10 * time.Second}
}

func TestTokensOfAServiceAccount(t *testing.T) {
	t.Parallel()
	key, account := makeAccount(t)
	other, _ := makeAccount(t)
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Google = account
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		claims := func(change ...any) map[string]any {
			now := time.Now().Unix()
			m := map[string]any{"iss": account.Email, "aud": "http://127.0.0.1/token", "scope": "cloud-platform", "iat": now, "exp": now + 3600}
			for i := 0; i+1 < len(change); i += 2 {
				m[change[i].(string)] = change[i+1]
			}
			return m
		}
		ask := func(grant, jwt string) (int, string, string) {
			form := url.Values{"grant_type": {grant}, "assertion": {jwt}}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			var got struct {
				Token   string  `json:"access_token"`
				Type    string  `json:"token_type"`
				Expires float64 `json:"expires_in"`
				Error   string  `json:"error"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code == 200 && (got.Type != "Bearer" || got.Expires != 10) {
				t.Errorf("token answer %s: %v", w.Body, err)
			}
			return w.Code, got.Token, got.Error
		}
		refused := func(name, jwt string) {
			t.Helper()
			if code, token, e := ask(jwtBearer, jwt); code != 400 || token != "" || e != "invalid_grant" {
				t.Errorf("%s: %d %q %q", name, code, token, e)
			}
		}
		call := func(token string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost,
				"/v1/projects/p/locations/l/publishers/google/models/sim-fast:generateContent", strings.NewReader(geminiBody))
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code
		}
		code, token, _ := ask(jwtBearer, assertion(t, key, "RS256", claims()))
		if code != 200 || token == "" {
			t.Fatalf("no token: %d", code)
		}
		if got := call(token); got != 200 {
			t.Errorf("with a token: %d", got)
		}
		if got := call("made-up"); got != 401 {
			t.Errorf("with another token: %d, want 401", got)
		}
		time.Sleep(10 * time.Second) // of the bubble's clock
		if got := call(token); got != 401 {
			t.Errorf("with an expired token: %d, want 401", got)
		}
		refused("signed by another", assertion(t, other, "RS256", claims()))
		refused("another algorithm", assertion(t, key, "none", claims()))
		refused("another account", assertion(t, key, "RS256", claims("iss", "you@example.com")))
		refused("another endpoint", assertion(t, key, "RS256", claims("aud", "https://example.com/")))
		refused("expired", assertion(t, key, "RS256", claims("exp", time.Now().Unix()-1)))
		refused("not yet", assertion(t, key, "RS256", claims("iat", time.Now().Unix()+3600, "exp", time.Now().Unix()+7200)))
		refused("too long", assertion(t, key, "RS256", claims("exp", time.Now().Unix()+7200)))
		refused("no scope", assertion(t, key, "RS256", claims("scope", "")))
		refused("no JWT", "a.b")
		refused("no JSON", "YQ.YQ.YQ")
		if code, _, e := ask("password", ""); code != 400 || e != "unsupported_grant_type" {
			t.Errorf("another grant: %d %s", code, e)
		}
	})
}

func TestConfigRefusesKeysThatAreNone(t *testing.T) {
	t.Parallel()
	f := func(account ServiceAccount) {
		t.Helper()
		if _, err := New(Config{Google: account}); err == nil || !strings.Contains(err.Error(), "google") {
			t.Errorf("%+v: error %v", account, err)
		}
	}
	f(ServiceAccount{PublicKey: "nonsense"})
	f(ServiceAccount{PublicKey: "-----BEGIN PUBLIC KEY-----\nYQ==\n-----END PUBLIC KEY-----\n"})
	f(ServiceAccount{TokenLifetime: -1})
}
