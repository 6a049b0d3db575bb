package upstream

import (
	"net/http"
	"strings"
)

// outgoing builds the headers of a request. Later ones win: the client's but for what may not leave, those of the surface, the
// account's own. Credentials that change with time or request come after that.
func (a *Account) outgoing(rq *Request) http.Header {
	h := make(http.Header, len(rq.Header)+len(a.header)+1)
	if rq.Foreign || a.lean {
		if ua, ok := rq.Header["User-Agent"]; ok {
			h["User-Agent"] = ua
		}
	} else {
		for k, v := range rq.Header {
			if forwardRequestHeader(k) {
				h[k] = v
			}
		}
		dropHops(h, rq.Header)
	}
	for k, v := range rq.Set {
		h[k] = v
	}
	for k, v := range a.fallback {
		if _, ok := h[k]; !ok {
			h[k] = v
		}
	}
	for k, v := range a.header {
		h[k] = v
	}
	if rq.ContentType != "" {
		h["Content-Type"] = []string{rq.ContentType}
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

// forwardRequestHeader reports whether a client's header (canonical form) goes on to a provider of its own dialect. Credentials,
// cookies, Sluice's own headers, hop-by-hop headers and those that tell where the client is stay here. Which account pays is the
// gateway's choice, so the client's OpenAI-Organization, OpenAI-Project and X-Goog-User-Project stay too. Names with an underscore
// stay because servers that hand headers on as variables (CGI, WSGI) take X_Api_Key for X-Api-Key.
func forwardRequestHeader(k string) bool {
	switch k {
	case "Authorization", "Proxy-Authorization", "Authentication", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "X-Admin-Key", "Cookie",
		"Ocp-Apim-Subscription-Key", "X-Auth-Token", "X-Access-Token", "X-Csrf-Token", "X-Xsrf-Token",
		"Openai-Organization", "Openai-Project", "X-Goog-User-Project",
		"Anthropic-Dangerous-Direct-Browser-Access", // of a page in a browser, which is not the provider's client
		"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		"Host", "Content-Length", "Content-Type", "Content-Encoding", "Accept-Encoding",
		"X-Rewrite-Url", "X-Http-Method-Override", "X-Method-Override", // some servers obey them
		"Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "Origin", "Referer",
		"Traceparent", "Tracestate", "Baggage",
		"Idempotency-Key", "X-Idempotency-Key", // with either, net/http's Transport would send a call again by itself
		"Prefer", "Last-Event-Id", "Cache-Control", "X-Request-Id":
		return false
	}
	for _, prefix := range []string{
		"X-Sluice-", "X-Forwarded-", "X-Original-", "Sec-", "X-Amz-", "X-Amzn-", "Cf-",
		"X-Goog-Iam-", "X-Goog-Authenticated-", "X-Ms-Token-", "X-Ms-Client-Principal", // of proxies that have checked who the client is
	} {
		if strings.HasPrefix(k, prefix) {
			return false
		}
	}
	return strings.IndexByte(k, '_') < 0
}

// forwardParam reports whether a parameter of a query, its name in lower case, may leave: no credential in any form may.
func forwardParam(name string) bool {
	switch name {
	case "key", "api_key", "api-key", "apikey", "x-api-key", "x-goog-api-key", "access_token", "token", "auth_token", "authorization",
		"subscription-key":
		return false
	}
	return !strings.HasPrefix(name, "x-amz-")
}

// ForwardResponseHeader reports whether a provider's response header (canonical form) goes on to the client. What tells of the
// account stays here.
func ForwardResponseHeader(k string) bool {
	switch k {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Content-Length", "Date", "Server", "Via", "Alt-Svc", "Strict-Transport-Security",
		"Set-Cookie", "Www-Authenticate", "Openai-Organization", "Openai-Project", "Anthropic-Organization-Id", "Anthropic-Workspace-Id",
		"X-Request-Id", "Server-Timing",
		"Access-Control-Allow-Origin", "Access-Control-Expose-Headers",
		"X-Sendfile": // an order to a server in front of Sluice, as X-Accel-… are
		return false
	}
	return !strings.HasPrefix(k, "X-Sluice-") && !strings.HasPrefix(k, "Cf-") && !strings.HasPrefix(k, "X-Accel-")
}
