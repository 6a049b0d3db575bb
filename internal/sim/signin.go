package sim

import (
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice/internal/llm"
)

// admit checks the credentials of a request in the form that its dialect and host want, and the headers without which a
// provider does not look at a request. Signatures are checked when the body is there.
func (s *Server) admit(a *ask, r *http.Request) *refusal {
	switch {
	case a.host == onBedrock:
		return nil
	case a.host == onVertex && s.cfg.Google.PublicKey != "":
		return s.grants.check(bearer(r), time.Now())
	}
	if ref := s.checkKey(a, r); ref != nil {
		return ref
	}
	switch {
	case a.host == onAzure && strings.Contains(r.URL.Path, "/deployments/") && r.URL.Query().Get("api-version") == "":
		return &refusal{status: 404, kind: "invalid_request_error", code: "404", text: "Resource not found"}
	case a.dialect == llm.Anthropic && a.host == onDirect:
		return checkVersion(r)
	}
	return nil
}

// versions are the API versions that Anthropic's dialect has.
var versions = []string{"2023-06-01", newVersion}

// newVersion is the version that has no sampling parameters (PROVIDERS.md section 2.1, 2026-11-20).
const newVersion = "2026-10-21"

func checkVersion(r *http.Request) *refusal {
	v := r.Header.Get("Anthropic-Version")
	if v == "" {
		return &refusal{status: 400, kind: "invalid_request_error", text: "anthropic-version: header is required"}
	}
	if !slices.Contains(versions, v) {
		return &refusal{status: 400, kind: "invalid_request_error", text: "anthropic-version: \"" + v + "\" is not a valid version"}
	}
	return nil
}

// checkKey compares the key that a client sent with the configured one.
func (s *Server) checkKey(a *ask, r *http.Request) *refusal {
	if s.cfg.APIKey.Empty() {
		return nil
	}
	sent := presented(a, r)
	if sent == "" {
		return refuseNoKey(a)
	}
	if subtle.ConstantTimeCompare([]byte(sent), []byte(s.cfg.APIKey.Reveal())) == 1 {
		return nil
	}
	ref := refuseStatus(http.StatusUnauthorized, -1, "")
	switch {
	case a.dialect == llm.Anthropic:
		ref.text = "invalid x-api-key"
	case a.dialect == llm.Gemini && a.host == onDirect:
		ref.status, ref.text = 400, "API key not valid. Please pass a valid API key."
	case a.host == onAzure:
		ref.text = "Access denied due to invalid subscription key or wrong API endpoint."
	}
	return ref
}

// presented returns the key of a request; "" if there is none in a place where the dialect looks.
func presented(a *ask, r *http.Request) string {
	switch {
	case a.dialect == llm.Anthropic:
		if key := r.Header.Get("X-Api-Key"); key != "" {
			return key
		}
	case a.dialect == llm.Gemini && a.host == onDirect:
		if key := r.Header.Get("X-Goog-Api-Key"); key != "" {
			return key
		}
		return r.URL.Query().Get("key")
	case a.host == onAzure:
		if key := r.Header.Get("Api-Key"); key != "" {
			return key
		}
	}
	return bearer(r)
}

func bearer(r *http.Request) string {
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if key == r.Header.Get("Authorization") {
		return ""
	}
	return key
}

func refuseNoKey(a *ask) *refusal {
	ref := &refusal{
		status: 401, kind: "invalid_request_error", code: "missing_api_key",
		text: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.",
	}
	switch {
	case a.dialect == llm.Anthropic:
		ref.text = "x-api-key header is required"
	case a.dialect == llm.Gemini && a.host == onDirect:
		ref.status, ref.text = 403, "Method doesn't allow unregistered callers (callers without established identity). Please use API Key "+
			"or other form of API consumer identity to call this API."
	}
	return ref
}
