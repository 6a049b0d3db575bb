package anthropic

import (
	"bytes"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sluice/internal/wire"
)

// maxMessage is how many bytes of a provider's message a client is shown.
const maxMessage = 500

// detail is what an error body says:
//
//	{"type":"error","error":{type,message,details:{error_code}},"request_id"}   the protocol's form
//	{"error":{...}} {"error":"text"} {"message":"text"} {"detail":"text"}       proxies, and the clouds' own errors
//	HTML or any other text, or nothing
type detail struct {
	message  string // readable, at most maxMessage bytes
	typ      string
	code     string // details.error_code
	envelope bool   // the body is in the protocol's form
}

// name returns the most telling of the provider's own names for the error.
func (d *detail) name() string {
	if d.code != "" {
		return d.code
	}
	return d.typ
}

// param returns the path of the field at fault where the message begins with one: "messages.0.content: ...".
func (d *detail) param() string {
	path, _, ok := strings.Cut(d.message, ": ")
	if !ok || path == "" || len(path) > 100 || d.typ != "invalid_request_error" {
		return ""
	}
	for i := range len(path) {
		c := path[i]
		if c != '.' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return path
}

// readDetail reads an error body. It keeps no part of it.
func readDetail(body []byte) (d detail) {
	body = bytes.TrimSpace(body)
	if !wire.Valid(body) {
		d.message = plain(body)
		return d
	}
	var sc wire.Scanner
	sc.Reset(body)
	if !sc.Object() {
		sayTo(&sc, body, &d.message)
		return d
	}
	marked, object := false, false
	for {
		name, ok := sc.Member()
		if !ok {
			break
		}
		switch string(name) {
		case "type":
			marked = wire.EqualString(sc.Value().Of(body), "error")
		case "error":
			object = d.inError(&sc, body) || object
		case "message", "detail", "Message":
			sayTo(&sc, body, &d.message)
		default:
			sc.Value()
		}
	}
	d.envelope = marked && object
	return d
}

// inError reads the value of error and reports whether it is an object.
func (d *detail) inError(sc *wire.Scanner, body []byte) bool {
	if !sc.Object() {
		sayTo(sc, body, &d.message)
		return false
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return true
		}
		switch string(name) {
		case "message":
			d.message = "" // it says more than what stands outside
			sayTo(sc, body, &d.message)
		case "type":
			sayTo(sc, body, &d.typ)
		case "details":
			d.inDetails(sc, body)
		default:
			sc.Value()
		}
	}
}

// inDetails reads error.details.
func (d *detail) inDetails(sc *wire.Scanner, body []byte) {
	if !sc.Object() {
		sc.Value()
		return
	}
	for {
		name, ok := sc.Member()
		if !ok {
			return
		}
		if string(name) == "error_code" {
			sayTo(sc, body, &d.code)
			continue
		}
		sc.Value()
	}
}

// sayTo reads the text ahead into v, if v is empty and there is one.
func sayTo(sc *wire.Scanner, body []byte, v *string) {
	kind := sc.Kind()
	at := sc.Value()
	if kind == wire.String && *v == "" {
		*v = readable(wire.Unquote(nil, at.Of(body)))
	}
}

// plain makes a message of a body that is no JSON. Of an HTML page it is the title.
func plain(body []byte) string {
	if len(body) == 0 {
		return "empty body"
	}
	if body[0] != '<' {
		return readable(body)
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
	return "an HTML page: " + readable(bytes.TrimSpace(head[start:start+end]))
}

// readable returns the beginning of b as one line of valid UTF-8.
func readable(b []byte) string {
	cut := clip(b, maxMessage)
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

// maskWords replaces the words of text that are long enough to be credentials.
func maskWords(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if len(w) >= 16 {
			words[i] = "***"
		}
	}
	return strings.Join(words, " ")
}

// maskAccounts replaces ids of the operator's organization or workspace in text, JSON or not: the texts of rate limits have
// them ("your organization's rate limit (org: 0a1b..., model: ...)"), and they are no business of clients. They are UUIDs, or
// begin with wrkspc_ or org_. Where there is none, text is returned as it is.
func maskAccounts(text string) string {
	var out strings.Builder
	rest := text
	for i := 0; i < len(rest); {
		n := accountID(rest[i:])
		if n == 0 || i > 0 && isAlnum(rest[i-1]) {
			i++
			continue
		}
		out.WriteString(rest[:i])
		out.WriteString("***")
		rest, i = rest[i+n:], 0
	}
	if out.Len() == 0 {
		return text
	}
	out.WriteString(rest)
	return out.String()
}

// accountID returns the length of the id that text begins with, 0 if there is none.
func accountID(text string) int {
	for _, prefix := range [...]string{"wrkspc_", "org_", "org-"} {
		if !strings.HasPrefix(text, prefix) {
			continue
		}
		n := len(prefix)
		for n < len(text) && isAlnum(text[n]) {
			n++
		}
		if id := text[len(prefix):n]; len(id) >= 6 && strings.ContainsAny(id, "0123456789") {
			return n
		}
	}
	const uuid = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) < len(uuid) || len(text) > len(uuid) && isAlnum(text[len(uuid)]) {
		return 0
	}
	for i := range len(uuid) {
		c := text[i]
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash := uuid[i] == '-'; dash != (c == '-') || !dash && !hex {
			return 0
		}
	}
	return len(uuid)
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// maxRetryAfter bounds what a header may ask for; what is longer is cut to it.
const maxRetryAfter = 7 * 24 * time.Hour

// retryAfter returns the wait that a provider asks for: retry-after-ms, or else retry-after in seconds (which may have a
// fraction) or as a date. A time in the past is no wait at all. ok is false if neither header can be read.
func retryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	if wait, ok = parseWait(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait, true
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	if wait, ok = parseWait(text, time.Second); ok || text == "" {
		return wait, ok
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

func parseWait(text string, unit time.Duration) (time.Duration, bool) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) {
		return 0, false
	}
	return time.Duration(min(max(v, 0), float64(maxRetryAfter/unit)) * float64(unit)), true
}
