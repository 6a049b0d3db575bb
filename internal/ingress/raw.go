package ingress

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"sluice/internal/gateway"
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxRawPeek is up to which size a JSON body that is relayed raw is read whole, to know the model that it names. A larger one, and any
// other body, is streamed through.
const maxRawPeek = 1 << 20

// raw relays a request to a provider account without understanding it: any method and body, with the account's credentials.
func (s *Server) raw(w http.ResponseWriter, r *http.Request, en *entry) {
	s.stream(w, r, en, func(x *gateway.Exchange, in *incoming) *llm.Error {
		if e := s.enter(x, w, r); e != nil {
			return e
		}
		x.Method = r.Method
		x.Query = rawQuery(r.URL.RawQuery)
		var e *llm.Error
		if x.Provider, x.Path, e = rawPath(r.URL.EscapedPath()); e != nil {
			return e
		}
		rq := &wire.Request{Model: modelInPath(x.Path), Choices: 1}
		if e := s.rawBody(x, in, rq); e != nil {
			return e
		}
		return fill(&x.Call, rq, r.Header, x)
	})
}

// rawBody reads a small JSON body, and lets any other be streamed through.
func (s *Server) rawBody(x *gateway.Exchange, in *incoming, rq *wire.Request) *llm.Error {
	r := in.r
	contentType := r.Header.Get("Content-Type")
	kind, _, _ := mime.ParseMediaType(contentType)
	switch {
	case r.ContentLength == 0:
		in.ended.Store(true)
		return nil
	case r.ContentLength > in.c.MaxUpload:
		return uploadTooLarge(in.c)
	case r.ContentLength < 0 || r.ContentLength > min(maxRawPeek, in.c.MaxBody) || kind != "application/json" || r.Header.Get("Content-Encoding") != "":
		x.Upload = gateway.NewUpload(nil, wire.Span{}, in, in.interrupt, r.ContentLength, contentType)
		return nil
	}
	var e *llm.Error
	if x.Body, e = readBody(in.w, r, in.c); e != nil {
		return e
	}
	in.ended.Store(true)
	_, _ = wire.Walk(x.Body, func(name string, at wire.Span) bool {
		if name != "model" {
			return true
		}
		if text, ok := wire.Text(at.Of(x.Body)); ok && len(text) <= maxModel {
			rq.Model = text
		}
		return false
	})
	rq.InputBytes = len(x.Body)
	return nil
}

// rawPath takes /p/{provider}/{path} apart, still escaped. What could lead a server above the path that it is given is refused: a
// segment of dots, an encoded slash or backslash, a control character.
func rawPath(escaped string) (provider, path string, e *llm.Error) {
	provider, rest, _ := strings.Cut(strings.TrimPrefix(escaped, "/p/"), "/")
	name, err := url.PathUnescape(provider)
	if err != nil || name == "" {
		return "", "", llm.Errorf(llm.KindUnknownPath, "/p/ is followed by no provider; relay to /p/{provider}/{path}")
	}
	lower := strings.ToLower(rest)
	for _, part := range [...]string{"%2f", "%5c", "\\", "%00", "%0a", "%0d", "%25"} {
		if strings.Contains(lower, part) {
			return "", "", llm.Errorf(llm.KindBadRequest, "the path contains %q, which is not relayed", part)
		}
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if plain, err := url.PathUnescape(segment); err != nil || plain == "." || plain == ".." {
			return "", "", llm.Errorf(llm.KindBadRequest, "the path has the segment %.40q, which is not relayed", segment)
		}
	}
	return name, "/" + rest, nil
}

// modelInPath returns the model that a path of Google's, or a deployment at Azure, names; "" if there is none.
func modelInPath(path string) string {
	for _, before := range [...]string{"/models/", "/deployments/", "/model/"} {
		_, rest, ok := strings.Cut(path, before)
		if !ok {
			continue
		}
		end := strings.IndexAny(rest, ":/")
		if end < 0 && before == "/models/" {
			return "" // asks about a model, rather than one
		}
		if end > 0 {
			rest = rest[:end]
		}
		if name, err := url.PathUnescape(rest); err == nil && len(name) <= maxModel {
			return name
		}
	}
	return ""
}

// rawQuery returns a raw query without the parameters that carry credentials. All else is the provider's to read.
func rawQuery(raw string) string {
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			continue
		}
		switch strings.ToLower(plain) {
		case "key", "api_key", "api-key", "access_token", "":
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}
