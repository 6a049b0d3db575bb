package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"sluice/internal/llm"
)

// denial is why a request may not see the operator's side.
type denial struct {
	status  int
	code    string
	message string
}

// howToSetKey ends the messages to callers that only a key would let in.
const howToSetKey = "; to use it from elsewhere, set admin_key in the configuration (without a file: SLUICE_ADMIN_KEY) " +
	"and send it as Authorization: Bearer or x-admin-key"

// check decides whether a request may see the operator's side. With a key, the key alone decides. Without one, the request
// must come from this machine, and not by way of something on this machine that acts for others:
//
//  1. the connection comes from a loopback address;
//  2. nothing says that a proxy forwarded it;
//  3. the Host is a loopback name: a page whose name was rebound to 127.0.0.1 sends its own name;
//  4. it is not a browser's request on behalf of a page from elsewhere.
func check(r *http.Request, key llm.Secret) *denial {
	if !key.Empty() {
		return checkKey(r, key)
	}
	local := func(message string) *denial {
		return &denial{http.StatusForbidden, "admin_local_only", message + howToSetKey}
	}
	if !loopbackHost(r.RemoteAddr) {
		return local("without an admin key the admin side answers this machine only")
	}
	for _, h := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(h) != "" {
			return local("without an admin key the admin side answers this machine only, and " + h + " says that a proxy forwarded the request")
		}
	}
	if !loopbackHost(r.Host) {
		return local("without an admin key the admin side must be addressed by a loopback name such as localhost or 127.0.0.1, not " + r.Host)
	}
	if !sameOrigin(r) {
		return local("without an admin key the admin side does not answer pages of other origins")
	}
	return nil
}

func checkKey(r *http.Request, key llm.Secret) *denial {
	given := r.Header.Get("X-Admin-Key")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(token)
	}
	if given == "" {
		return &denial{
			http.StatusUnauthorized, "admin_key_missing",
			"the admin side needs the admin key (admin_key in the configuration): send it as Authorization: Bearer or x-admin-key",
		}
	}
	// Hashes have one length, so that the comparison's time does not tell the key's.
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(key.Reveal()))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return &denial{http.StatusUnauthorized, "admin_key_invalid", "this is not the admin key"}
	}
	return nil
}

// sameOrigin reports whether a browser sent the request for a page of this very server, or no browser sent it at all.
// Sec-Fetch-Site is in every request of a browser, also in those without an Origin, such as an image that points here.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
	default:
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// loopbackHost reports whether a host, with or without a port, is a loopback address or localhost.
func loopbackHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().WithZone("").IsLoopback()
}
