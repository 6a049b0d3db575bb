package upstream

import (
	"bytes"
	"net/http"
	"strings"

	"sluice/internal/llm"
)

const (
	// redacted stands for a secret in what a provider said.
	redacted = "[redacted]"
	// minSecret is how long a secret is at least, in bytes, to be looked for: shorter ones are in any text.
	minSecret = 8
)

// secretsOf returns the secrets of an account as its provider sees them. Those that are only signed with are never sent.
func secretsOf(p *Provider) (all []string) {
	add := func(s llm.Secret) {
		if text := strings.TrimPrefix(s.Reveal(), "Bearer "); len(text) >= minSecret {
			all = append(all, text)
		}
	}
	add(p.APIKey)
	add(p.AccessKey)
	add(p.SessionToken)
	for _, value := range p.Headers {
		add(value)
	}
	return all
}

// Redact returns what a provider said of a request that failed without the account's secrets: some servers repeat the credential that
// they refuse, and clients read the words of errors. Without a secret in it, body is returned as it is. Tokens that end soon are
// not looked for.
func (a *Account) Redact(body []byte) []byte {
	for _, secret := range a.secrets {
		if bytes.Contains(body, []byte(secret)) {
			body = bytes.ReplaceAll(body, []byte(secret), []byte(redacted))
		}
	}
	return body
}

// RedactHeader is Redact for headers. The result may share memory with h.
func (a *Account) RedactHeader(h http.Header) http.Header {
	for name, values := range h {
		for i, v := range values {
			clean := v
			for _, secret := range a.secrets {
				clean = strings.ReplaceAll(clean, secret, redacted)
			}
			if clean != v {
				h = h.Clone()
				h[name][i] = clean
			}
		}
	}
	return h
}
