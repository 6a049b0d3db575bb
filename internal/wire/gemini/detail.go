package gemini

import (
	"bytes"
	"strings"
	"time"

	"sluice/internal/wire"
)

// detail is what an error body says:
//
//	{"error":{"code":429,"message":...,"status":"RESOURCE_EXHAUSTED","details":[...]}}
//	[{"error":{...}}]    a stream that was asked for without alt=sse, and Google's front servers
//	{"error":"text"}     proxies
//	HTML or any other text, or nothing
//
// The details are those of google.rpc: ErrorInfo, RetryInfo, QuotaFailure, BadRequest.
type detail struct {
	message string // readable, at most wire.MaxMessage bytes
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

// refusal returns the object of body that has the form that Google's SDKs expect, so that it can be forwarded; nil if there is none.
func (d *detail) refusal(body []byte) []byte {
	if d.object.Len() == 0 {
		return nil
	}
	return d.object.Of(body)
}

// readDetail reads an error body. It keeps no part of it.
func readDetail(body []byte) (d detail) {
	if !wire.Valid(body) {
		d.message = wire.Plain(bytes.TrimSpace(body))
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
		w.sc.Say(&w.d.message)
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
			w.sc.Say(&w.d.message)
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
		w.sc.Say(&w.d.message)
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
			w.sc.Say(&w.d.message)
		case "status":
			w.sc.Say(&w.d.status)
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
		w.sc.Say(&text)
		if wait, err := time.ParseDuration(text); err == nil && wait > 0 {
			w.d.retry = min(wait, wire.MaxWait)
		}
	case "quotaId", "quota_limit":
		w.sc.Say(&text)
		w.d.daily = w.d.daily || strings.Contains(text, "PerDay")
	case "quotaValue", "quota_limit_value":
		w.sc.Say(&text)
		w.d.nothing = w.d.nothing || text == "0"
	case "reason":
		w.sc.Say(&w.d.reason)
	case "field":
		w.sc.Say(&w.d.param)
	default:
		w.details()
	}
}
