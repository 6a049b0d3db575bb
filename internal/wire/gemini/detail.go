package gemini

import (
	"bytes"
	"strings"
	"time"

	"sluice/internal/wire"
)

// maxMessage is how many bytes of a provider's message a client is shown.
const maxMessage = 500

// detail is what an error body says:
//
//	{"error":{"code":429,"message":...,"status":"RESOURCE_EXHAUSTED","details":[...]}}
//	[{"error":{...}}]    a stream that was asked for without alt=sse, and Google's front servers
//	{"error":"text"}     proxies
//	HTML or any other text, or nothing
//
// The details are those of google.rpc: ErrorInfo, RetryInfo, QuotaFailure, BadRequest.
type detail struct {
	message string // readable, at most maxMessage bytes
	status  string // of google.rpc: RESOURCE_EXHAUSTED
	reason  string // of ErrorInfo: API_KEY_INVALID
	param   string // the first field of BadRequest
	code    int    // the HTTP status within the body; 0 if none
	retry   time.Duration
	daily   bool      // the quota that is used up is one of a day
	nothing bool      // the quota is zero: the model is not on the account's plan
	json    bool      // the body is JSON
	found   bool      // there is an error
	object  wire.Span // the object that has error, whose value is an object; empty if there is none
}

// name returns the most telling of the provider's own names for the error.
func (d *detail) name() string {
	if d.reason != "" {
		return d.reason
	}
	return d.status
}

// readDetail reads an error body. It keeps no part of it.
func readDetail(body []byte) (d detail) {
	if !wire.Valid(body) {
		d.message = plain(bytes.TrimSpace(body))
		return d
	}
	d.json = true
	w := walker{body: body, d: &d}
	w.sc.Reset(body)
	if w.sc.Array() && !w.sc.Element() {
		return d
	}
	w.sc.Kind() // passes over white space
	start := w.sc.Pos()
	whole := w.top()
	if whole {
		d.object = wire.Span{Start: start, End: w.sc.Pos()}
	}
	return d
}

// walker reads a valid JSON body into a detail.
type walker struct {
	sc   wire.Scanner
	body []byte
	d    *detail
}

// top reads the outermost object. It reports whether its error is an object.
func (w *walker) top() (object bool) {
	if !w.sc.Object() {
		w.say(&w.d.message)
		return false
	}
	for {
		name, ok := w.sc.Member()
		if !ok {
			return object
		}
		switch string(name) {
		case "error":
			object = w.inError() || object
		case "message", "error_description":
			w.say(&w.d.message)
		default:
			w.sc.Value()
		}
	}
}

// inError reads the value of error. It reports whether that is an object.
func (w *walker) inError() bool {
	switch k := w.sc.Kind(); {
	case k == wire.String:
		w.d.found = true
		w.say(&w.d.message)
		return false
	case !w.sc.Object():
		w.sc.Value()
		return false
	}
	w.d.found = true
	for {
		name, ok := w.sc.Member()
		if !ok {
			return true
		}
		switch string(name) {
		case "message":
			w.d.message = "" // it says more than what stands outside
			w.say(&w.d.message)
		case "status":
			w.say(&w.d.status)
		case "code":
			if n, ok := wire.Int(w.sc.Value().Of(w.body)); ok && n >= 100 && n <= 999 {
				w.d.code = int(n)
			}
		case "details":
			w.details()
		default:
			w.sc.Value()
		}
	}
}

// details looks through the details, at any depth. Their members' names do not clash.
func (w *walker) details() {
	switch {
	case w.sc.Array():
		for w.sc.Element() {
			w.details()
		}
	case w.sc.Object():
		for {
			name, ok := w.sc.Member()
			if !ok {
				return
			}
			w.oneDetail(string(name))
		}
	default:
		w.sc.Value()
	}
}

func (w *walker) oneDetail(name string) {
	var text string
	switch name {
	case "retryDelay":
		w.say(&text)
		if wait, err := time.ParseDuration(text); err == nil && wait > 0 {
			w.d.retry = min(wait, maxRetryAfter)
		}
	case "quotaId", "quota_limit":
		w.say(&text)
		w.d.daily = w.d.daily || strings.Contains(text, "PerDay")
	case "quotaValue", "quota_limit_value":
		w.say(&text)
		w.d.nothing = w.d.nothing || text == "0"
	case "reason":
		w.say(&w.d.reason)
	case "field":
		w.say(&w.d.param)
	default:
		w.details()
	}
}

// say reads a string into v, if v is empty.
func (w *walker) say(v *string) {
	kind := w.sc.Kind()
	at := w.sc.Value()
	if kind == wire.String && at.Len() > 0 && *v == "" {
		*v = readable(wire.Unquote(nil, at.Of(w.body)))
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
	_, rest, ok := bytes.Cut(lower, []byte("<title>"))
	if !ok || len(lower) != len(head) {
		return "an HTML page"
	}
	start := len(lower) - len(rest)
	end := bytes.Index(rest, []byte("</title>"))
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
