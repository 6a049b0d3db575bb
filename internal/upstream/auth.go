package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"sluice/internal/llm"
)

// credentials sets the headers that prove who pays, as far as they are the same for each request, and prepares what makes the
// others.
func (a *Account) credentials(p *Provider, h http.Header) error {
	key := p.APIKey.Reveal()
	switch a.preset.Auth {
	case AuthXKey:
		setKey(h, "X-Api-Key", key)
	case AuthGoog:
		setKey(h, "X-Goog-Api-Key", key)
	case AuthKey:
		setKey(h, "Api-Key", key)
		if key == "" && !p.ClientSecret.Empty() {
			a.tokens = newTokens(p.Name, a.entra(p))
		}
	case AuthGoogle:
		setKey(h, "X-Goog-Api-Key", key)
		if key == "" && !p.Credentials.Empty() {
			fetch, err := a.google(p.Credentials.Reveal())
			if err != nil {
				return fmt.Errorf("read credentials of provider %q: %w", p.Name, err)
			}
			a.tokens = newTokens(p.Name, fetch)
		}
	case AuthAWS:
		if key == "" && !p.SecretKey.Empty() {
			a.signer = &signer{
				v4: v4.NewSigner(), region: p.Region,
				keys: aws.Credentials{AccessKeyID: p.AccessKey.Reveal(), SecretAccessKey: p.SecretKey.Reveal(), SessionToken: p.SessionToken.Reveal()},
			}
			break
		}
		setBearer(h, key)
	default:
		setBearer(h, key)
	}
	return nil
}

func setKey(h http.Header, name, key string) {
	if key != "" {
		h[name] = []string{key}
	}
}

func setBearer(h http.Header, key string) {
	if key != "" {
		h["Authorization"] = []string{"Bearer " + key}
	}
}

// signer signs requests as AWS wants them (Signature Version 4). It is safe for concurrent use.
type signer struct {
	v4     *v4.Signer
	region string
	keys   aws.Credentials
}

// bedrockService is the name that requests to bedrock-runtime are signed for.
const bedrockService = "bedrock"

// unsignedPayload is signed in the place of the hash of a body that is read once only.
const unsignedPayload = "UNSIGNED-PAYLOAD"

// sign adds the headers of the signature. Only what does not change on the way is signed: the host, the body's type and length,
// and the signature's own headers. A proxy may touch all others.
func (s *signer) sign(hr *http.Request, rq *Request) *llm.Error {
	hash := unsignedPayload
	if rq.Upload == nil {
		sum := sha256.Sum256(rq.Body)
		hash = hex.EncodeToString(sum[:])
	}
	own := &http.Request{Method: hr.Method, URL: hr.URL, Host: hr.Host, ContentLength: max(hr.ContentLength, 0), Header: http.Header{}}
	if ct, ok := hr.Header["Content-Type"]; ok {
		own.Header["Content-Type"] = ct
	}
	own.Header["X-Amz-Content-Sha256"] = []string{hash}
	if err := s.v4.SignHTTP(hr.Context(), s.keys, own, hash, bedrockService, s.region, time.Now()); err != nil {
		return &llm.Error{Kind: llm.KindProviderAuth, Message: "the request cannot be signed with access_key and secret_key", Err: err}
	}
	for k, v := range own.Header {
		hr.Header[k] = v
	}
	return nil
}
