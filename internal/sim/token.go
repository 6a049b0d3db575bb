package sim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ServiceAccount is the account whose signed assertions get tokens at POST /token, which Vertex AI's paths then want.
type ServiceAccount struct {
	Email         string
	PublicKey     string        // of RSA, in PEM; empty wants no tokens
	TokenLifetime time.Duration // 0 means an hour
}

func (a *ServiceAccount) check() error {
	if a.TokenLifetime < 0 {
		return errors.New("token lifetime must not be negative")
	}
	if a.PublicKey == "" {
		return nil
	}
	_, err := a.key()
	return err
}

func (a *ServiceAccount) key() (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(a.PublicKey))
	if block == nil {
		return nil, errors.New("read public key: it is no PEM")
	}
	if block.Type == "CERTIFICATE" {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read public key: %w", err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok {
			return key, nil
		}
		return nil, errors.New("read public key: the certificate is not of an RSA key")
	}
	any, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read public key: %w", err)
	}
	key, ok := any.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("read public key: it is not of RSA")
	}
	return key, nil
}

// maxGrants bounds the tokens that are remembered; beyond it the oldest are forgotten with all that have expired.
const maxGrants = 10_000

// grants are the tokens that were given out.
type grants struct {
	mu    sync.Mutex
	until map[string]time.Time
	made  int64
}

// give makes a token.
func (g *grants) give(now time.Time, lifetime time.Duration) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.until == nil || len(g.until) >= maxGrants {
		g.until = map[string]time.Time{}
	}
	g.made++
	token := "ya29.sim-" + strconv.FormatInt(g.made, 10)
	g.until[token] = now.Add(lifetime)
	return token
}

// check refuses a token that was not given or has expired.
func (g *grants) check(token string, now time.Time) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until, ok := g.until[token]; ok && now.Before(until) {
		return nil
	}
	return &refusal{status: 401, code: "invalid_token", text: "Request had invalid authentication credentials. Expected OAuth 2 " +
		"access token, login cookie or other valid authentication credential."}
}

// jwtBearer is the grant type of a signed assertion (RFC 7523).
const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// grant answers POST /token.
func (s *Server) grant(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code, text string) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(wireObject("error", code, "error_description", text)) // the client may be gone
	}
	if r.Method != http.MethodPost {
		fail(http.StatusMethodNotAllowed, "invalid_request", "only POST is allowed")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if err := r.ParseForm(); err != nil {
		fail(http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return
	}
	if got := r.PostForm.Get("grant_type"); got != jwtBearer {
		fail(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+got)
		return
	}
	now := time.Now()
	if err := s.cfg.Google.verify(r.PostForm.Get("assertion"), now); err != nil {
		fail(http.StatusBadRequest, "invalid_grant", err.Error())
		return
	}
	lifetime := s.cfg.Google.TokenLifetime
	if lifetime == 0 {
		lifetime = time.Hour
	}
	token := s.grants.give(now, lifetime)
	body := wireObject("access_token", token, "token_type", "Bearer")
	seconds := strconv.FormatInt(int64(lifetime/time.Second), 10)
	sendJSON(w, []byte(string(body[:len(body)-1])+`,"expires_in":`+seconds+`}`))
}

// verify checks an assertion: three parts, RS256 over the first two, the account's own name, this endpoint, and times that
// hold now (https://developers.google.com/identity/protocols/oauth2/service-account, read 2026-11). Without a public key every
// assertion is accepted.
func (a *ServiceAccount) verify(assertion string, now time.Time) error {
	if a.PublicKey == "" {
		return nil
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return errors.New("invalid JWT: it does not have three parts")
	}
	var head struct{ Alg string }
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        float64
	}
	if err := errors.Join(readPart(parts[0], &head), readPart(parts[1], &claims)); err != nil {
		return fmt.Errorf("invalid JWT: %w", err)
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || head.Alg != "RS256" {
		return errors.New("invalid JWT: it is not signed with RS256")
	}
	key, err := a.key()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) != nil {
		return errors.New("invalid JWT signature")
	}
	at := func(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }
	switch {
	case a.Email != "" && claims.Iss != a.Email:
		return errors.New("invalid issuer: " + claims.Iss)
	case !strings.HasSuffix(claims.Aud, "/token"):
		return errors.New("invalid JWT: aud is not the token endpoint but " + claims.Aud)
	case claims.Scope == "":
		return errors.New("invalid OAuth scope: it is missing")
	case !now.Before(at(claims.Exp)), now.Before(at(claims.Iat).Add(-maxSkew)), claims.Exp-claims.Iat > 3600:
		return errors.New("invalid JWT: token must be a short-lived token (60 minutes) and in a reasonable timeframe")
	}
	return nil
}

func readPart(text string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
