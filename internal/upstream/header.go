package upstream

import (
	"net/http"
	"strings"
)

// outgoing builds the headers of a request: the client's but for what may not leave, then the account's own.
func (a *Account) outgoing(rq *Request) http.Header {
	h := make(http.Header, len(rq.Header)+len(a.header)+1)
	for k, v := range rq.Header {
		if forwardRequestHeader(k) {
			h[k] = v
		}
	}
	dropHops(h, rq.Header)
	for k, v := range a.header {
		h[k] = v
	}
	if rq.TraceParent != "" {
		h["Traceparent"] = []string{rq.TraceParent}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = userAgent
	}
	return h
}

var userAgent = []string{"sluice"} // shared value, never changed

// dropHops removes from h the headers that the Connection header of from names: they are for one connection only
// (RFC 9110, section 7.6.1).
func dropHops(h, from http.Header) {
	for _, v := range from["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
}

// forwardRequestHeader reports whether a client's header (canonical form) goes on to the provider. Credentials, cookies,
// Sluice's own headers, hop-by-hop headers and those that tell where the client is stay here. Which account pays is the
// gateway's choice, so the client's OpenAI-Organization and OpenAI-Project stay too. Names with an underscore stay because
// servers that hand headers on as variables (CGI, WSGI) take X_Api_Key for X-Api-Key.
func forwardRequestHeader(k string) bool {
	switch k {
	case "Authorization", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Admin-Key", "Cookie",
		"Openai-Organization", "Openai-Project",
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		"Host", "Content-Length", "Content-Encoding", "Accept-Encoding",
		"X-Rewrite-Url", "X-Http-Method-Override", "X-Method-Override", // some servers obey them
		"Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Origin", "Referer",
		"Traceparent", "Tracestate", "Baggage",
		"Idempotency-Key", "X-Idempotency-Key", // with either, net/http's Transport would send a call again by itself
		"Prefer", "Last-Event-Id", "Cache-Control", "X-Request-Id":
		return false
	}
	return !strings.HasPrefix(k, "X-Sluice-") && !strings.HasPrefix(k, "X-Forwarded-") && !strings.HasPrefix(k, "X-Original-") &&
		!strings.HasPrefix(k, "Sec-") && !strings.HasPrefix(k, "X-Amz-") && strings.IndexByte(k, '_') < 0
}

// ForwardResponseHeader reports whether a provider's response header (canonical form) goes on to the client.
func ForwardResponseHeader(k string) bool {
	switch k {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Content-Length", "Date", "Server", "Via", "Alt-Svc", "Strict-Transport-Security",
		"Set-Cookie", "Www-Authenticate", "Openai-Organization", "Openai-Project", "X-Request-Id", "Server-Timing",
		"Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
		"X-Sendfile": // an order to a server in front of Sluice, as X-Accel-… are
		return false
	}
	return !strings.HasPrefix(k, "X-Sluice-") && !strings.HasPrefix(k, "Cf-") && !strings.HasPrefix(k, "X-Accel-")
}
