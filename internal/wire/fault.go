package wire

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"sluice/internal/llm"
)

// MaxMessage is how many bytes of a provider's message a client is shown.
const MaxMessage = 500

// Describe adds what a provider said of an error to e, whose message begins with the word provider, and body, if the provider
// refused the request itself; a nil body is one that cannot be forwarded. said may be empty: the provider's code then stands for
// it. mask replaces the ids of the operator's account, which are no business of clients; it returns a text without any as it is.
func Describe(e *llm.Error, said string, body []byte, mask func(text string) string) {
	if said == "" {
		said = e.ProviderCode
	}
	if e.Kind == llm.KindProviderAuth {
		// It is the operator's credentials that are refused, and some providers repeat them. Clients are told only that;
		// the log gets the text without anything as long as a key.
		e.Message = strings.Replace(e.Message, "provider", "provider refused Sluice's credentials: it", 1)
		e.Param = ""
		if said != "" {
			e.Err = errors.New(maskWords(said))
		}
		return
	}
	if said != "" {
		masked := mask(said)
		e.Message += ": " + masked
		if masked != said {
			e.Err = errors.New(said) // the log gets the ids
		}
	}
	switch e.Kind {
	case llm.KindRejected, llm.KindContextLength, llm.KindContentFilter:
		e.Body = body
		if masked := mask(string(body)); masked != string(body) {
			e.Body = []byte(masked)
		}
	}
}

// Advice reads x-should-retry, by which OpenAI and Anthropic overrule what clients make of a status.
func Advice(h http.Header) llm.Advice {
	switch h.Get("X-Should-Retry") {
	case "true":
		return llm.DoRetry
	case "false":
		return llm.DoNotRetry
	}
	return llm.NoAdvice
}

// Plain makes a message of a body that is no JSON and has no white space around it. Of an HTML page it is the title.
func Plain(body []byte) string {
	if len(body) == 0 {
		return "empty body"
	}
	if body[0] != '<' {
		return Readable(body)
	}
	head := body[:min(len(body), 4<<10)]
	lower := bytes.ToLower(head)
	start := bytes.Index(lower, []byte("<title>"))
	if start < 0 || len(lower) != len(head) {
		return "an HTML page"
	}
	start += len("<title>")
	end := bytes.Index(lower[start:], []byte("</title>"))
	if end < 0 {
		return "an HTML page"
	}
	return "an HTML page: " + Readable(bytes.TrimSpace(head[start:start+end]))
}

// Readable returns the beginning of b, at most MaxMessage bytes, as one line of valid UTF-8.
func Readable(b []byte) string {
	cut := Clip(b, MaxMessage)
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, string(bytes.ToValidUTF8(cut, []byte("\ufffd"))))
	if len(cut) < len(b) {
		text += "…"
	}
	return text
}

// Clip returns the first n bytes of s, or a few less so that no rune is cut.
func Clip[S ~string | ~[]byte](s S, n int) S {
	if len(s) <= n {
		return s
	}
	for i := n; i > n-utf8.UTFMax && i >= 0; i-- {
		if utf8.RuneStart(s[i]) {
			return s[:i]
		}
	}
	return s[:n]
}

// Say reads the text ahead into v as Readable, if v is empty. What is no string is passed over.
func (s *Scanner) Say(v *string) {
	kind := s.Kind()
	at := s.Value()
	if kind == String && at.Len() > 0 && *v == "" {
		*v = Readable(Unquote(nil, at.Of(s.buf)))
	}
}

// Mentions reports whether text has one of the parts, which are in lower case.
func Mentions(text string, parts ...string) bool {
	text = strings.ToLower(text)
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}

// Begins reports whether text, without white space in front, begins with one of the parts, which are in lower case.
func Begins(text string, parts ...string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, p := range parts {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}
