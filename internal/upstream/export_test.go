package upstream

import (
	"context"
	"crypto/tls"

	"golang.org/x/oauth2"

	"sluice/internal/llm"
)

// Trust gives an account the certificates of a test server.
func Trust(a *Account, c *tls.Config) { a.tr.TLSClientConfig = c }

// Tokens returns what gets tokens that fetch asks for; refused is a token that the provider did not take.
func Tokens(fetch func(ctx context.Context) (*oauth2.Token, error)) (get func(ctx context.Context, refused string) (string, *llm.Error)) {
	return newTokens("p", fetch).get
}
