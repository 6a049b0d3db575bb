package openai

import (
	"bytes"
	"strings"
	"time"

	"sluice/internal/wire"
)

// detail is what an error body says, in whichever of the shapes that providers use:
//
//	{"error":{message,type,param,code}}      OpenAI; code may be a number, metadata and innererror may be there
//	{"error":"text","code":"text"}           xAI
//	{"error":{...},"status_code":500}        Cerebras
//	{"object":"error","message":...}         Mistral, vLLM
//	{"detail":"text"} {"detail":[{"msg"}]}   FastAPI
//	{"message":"text"}                       proxies and gateways
//	[{"error":{...}}]                        Gemini
//	HTML or any other text, or nothing
type detail struct {
	message string // readable, at most wire.MaxMessage bytes
	code    string
	typ     string
	inner   string // innererror.code (Azure)
	param   string
	status  int           // a status that is given within the body; 0 if none
	retry   time.Duration // RetryInfo (Google)
	daily   bool          // the quota that is used up is one of a day (Google)
	json    bool          // the body is JSON
	found   bool          // one of the shapes was recognised
	object  bool          // the body is an object with an object under error
}

// name returns the most telling of the provider's own names for the error.
func (d *detail) name() string {
	for _, s := range []string{d.code, d.typ, d.inner} {
		if s != "" {
			return s
		}
	}
	return ""
}

// wait returns the wait of RetryInfo, where it can be meant.
func (d *detail) wait() time.Duration {
	if d.daily {
		return wire.DayWait(d.retry)
	}
	return min(d.retry, wire.MaxWait)
}

// is reports whether the code, the type or the inner code is one of names, whatever the case.
func (d *detail) is(names ...string) bool {
	for _, n := range names {
		if strings.EqualFold(d.code, n) || strings.EqualFold(d.typ, n) || strings.EqualFold(d.inner, n) {
			return true
		}
	}
	return false
}

// refusal returns body if it has the form that OpenAI's clients expect, so that it can be forwarded; otherwise nil.
func (d *detail) refusal(body []byte) []byte {
	if !d.object {
		return nil
	}
	return body
}

// readDetail reads an error body. It keeps no part of it.
func readDetail(body []byte) (d detail) {
	body = bytes.TrimSpace(body)
	if !wire.Valid(body) {
		d.message = wire.Plain(body)
		return d
	}
	d.json = true
	w := walker{body: body, d: &d}
	w.sc.Reset(body)
	if w.sc.Array() { // Gemini wraps the error in an array
		if !w.sc.Element() {
			return d
		}
		w.top()
		d.object = false
		return d
	}
	w.top()
	return d
}

// walker reads a valid JSON body into a detail.
type walker struct {
	sc   wire.Scanner
	body []byte
	d    *detail
}

// top reads the outermost object.
func (w *walker) top() {
	if !w.sc.Object() {
		w.say(&w.d.message)
		return
	}
	for {
		name, ok := w.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "error":
			w.inError()
		case "object":
			kind := w.sc.Kind()
			v := w.sc.Value()
			w.d.found = w.d.found || kind == wire.String && wire.EqualString(v.Of(w.body), "error")
		case "detail", "message", "msg":
			w.d.found = true
			w.say(&w.d.message)
		case "x_groq":
			w.top()
		case "status_code":
			w.number(&w.d.status)
		default:
			w.common(string(name))
		}
	}
}

// inError reads the value of error.
func (w *walker) inError() {
	switch w.sc.Kind() {
	case wire.Null:
		w.sc.Value()
		return
	case wire.Object:
		w.sc.Object()
	default:
		w.d.found = true
		w.say(&w.d.message)
		return
	}
	w.d.found, w.d.object = true, true
	for {
		name, ok := w.sc.Member()
		if !ok {
			return
		}
		switch string(name) {
		case "message":
			w.d.message = "" // it says more than what stands outside
			w.say(&w.d.message)
		case "innererror", "inner_error":
			w.inner()
		case "details":
			w.details()
		default:
			w.common(string(name))
		}
	}
}

// common reads the members that stand inside error, or beside its text.
func (w *walker) common(name string) {
	switch name {
	case "code":
		if w.sc.Kind() == wire.Number {
			w.number(&w.d.status)
			return
		}
		w.say(&w.d.code)
	case "type":
		w.say(&w.d.typ)
	case "status":
		if w.sc.Kind() == wire.Number {
			w.number(&w.d.status)
			return
		}
		w.say(&w.d.typ)
	case "param":
		w.say(&w.d.param)
	default:
		w.sc.Value()
	}
}

// inner reads Azure's innererror.
func (w *walker) inner() {
	if !w.sc.Object() {
		w.sc.Value()
		return
	}
	for {
		name, ok := w.sc.Member()
		if !ok {
			return
		}
		if string(name) == "code" {
			w.say(&w.d.inner)
			continue
		}
		w.sc.Value()
	}
}

// details looks through Google's details, at any depth, for the wait and for the quota's name.
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
			var text string
			switch string(name) {
			case "retryDelay":
				w.say(&text)
				if wait, err := time.ParseDuration(text); err == nil && wait > 0 {
					w.d.retry = wait
				}
			case "quotaId":
				w.say(&text)
				w.d.daily = w.d.daily || strings.Contains(text, "PerDay")
			default:
				w.details()
			}
		}
	default:
		w.sc.Value()
	}
}

// say reads a text into v, if v is empty: a string, or the first one named msg, message or error in what there is.
func (w *walker) say(v *string) {
	switch {
	case w.sc.Kind() == wire.String:
		w.sc.Say(v)
	case w.sc.Array():
		for w.sc.Element() {
			w.say(v)
		}
	case w.sc.Object():
		for {
			name, ok := w.sc.Member()
			if !ok {
				return
			}
			switch string(name) {
			case "msg", "message", "error", "detail":
				w.say(v)
			default:
				w.sc.Value()
			}
		}
	default:
		w.sc.Value()
	}
}

func (w *walker) number(v *int) {
	if n, ok := wire.Int(w.sc.Value().Of(w.body)); ok && n >= 100 && n <= 999 {
		*v = int(n)
	}
}
